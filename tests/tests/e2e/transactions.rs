//! Users and keys that are created in a transaction of the application's.

use deadpool_postgres::{Client, Pool};
use lucia::{
    Auth, CacheOptions, ConstraintKind, Error, NewKey, NewUser, NoAttributes, PasswordProblem,
    PgStore, SqliteStore, User,
};
use lucia_tests::Database;
use serde_json::json;

use crate::support::{PASSWORD, Profile};

struct Application {
    auth: Auth,
    pool: Pool,
    _database: Database,
}

/// An application with a pool that it shares with lucia, and a table that refers to users.
async fn application() -> Application {
    let database = Database::new().await;
    let store = PgStore::connect(&database.url()).await.unwrap();
    store
        .migrate(&["username TEXT NOT NULL UNIQUE"])
        .await
        .unwrap();
    let config = database.url().parse().unwrap();
    let manager = deadpool_postgres::Manager::new(config, tokio_postgres::NoTls);
    let pool = Pool::builder(manager).max_size(4).build().unwrap();
    let sql = "CREATE TABLE settings (user_id TEXT NOT NULL REFERENCES auth_user (id))";
    pool.get().await.unwrap().batch_execute(sql).await.unwrap();
    Application {
        auth: Auth::builder(PgStore::new(pool.clone())).build().unwrap(),
        pool,
        _database: database,
    }
}

impl Application {
    async fn client(&self) -> Client {
        self.pool.get().await.unwrap()
    }

    async fn count(&self, table: &str) -> i64 {
        let sql = format!("SELECT count(*) FROM {table}");
        let row = self.client().await.query_one(&sql, &[]).await;
        row.unwrap().get(0)
    }

    async fn counts(&self) -> [i64; 3] {
        [
            self.count("auth_user").await,
            self.count("user_key").await,
            self.count("settings").await,
        ]
    }
}

fn new_user(username: &str) -> NewUser<'_, Profile> {
    NewUser::with_password(("username", username), PASSWORD)
        .attributes(&json!({ "username": username }))
        .returning()
}

const SETTINGS: &str = "INSERT INTO settings (user_id) VALUES ($1)";

#[tokio::test]
async fn a_user_is_there_with_rows_of_the_application_once_it_commits() {
    let application = application().await;
    let auth = &application.auth;
    let mut client = application.client().await;
    let transaction = client.transaction().await.unwrap();
    let ada: User<Profile> = auth
        .create_user(new_user("ada"))
        .transaction(&transaction)
        .await
        .unwrap();
    assert_eq!(ada.username, "ada");
    transaction.execute(SETTINGS, &[&ada.id]).await.unwrap();
    let key = auth
        .create_key(&ada.id, NewKey::without_password(("github", "1")))
        .transaction(&transaction)
        .await
        .unwrap();
    assert_eq!(key.id.provider_id(), "github");

    assert_eq!(application.counts().await, [0, 0, 0]);
    assert!(auth.user::<Profile>(&ada.id).await.unwrap().is_none());
    let early = auth.verify_password(("username", "ada"), PASSWORD).await;
    assert!(matches!(early, Err(Error::InvalidCredentials)), "{early:?}");

    transaction.commit().await.unwrap();
    assert_eq!(application.counts().await, [1, 2, 1]);
    let key = auth.verify_password(("username", "ada"), PASSWORD).await;
    auth.create_session(&key.unwrap()).await.unwrap();
}

#[tokio::test]
async fn a_user_is_gone_when_the_application_rolls_back_or_gives_up() {
    let application = application().await;
    let mut client = application.client().await;
    for rolls_back in [true, false] {
        let transaction = client.transaction().await.unwrap();
        let created = application.auth.create_user(new_user("ada"));
        let ada = created.transaction(&transaction).await.unwrap();
        transaction.execute(SETTINGS, &[&ada.id]).await.unwrap();
        match rolls_back {
            true => transaction.rollback().await.unwrap(),
            false => drop(transaction),
        }
        assert_eq!(application.counts().await, [0, 0, 0]);
    }
    application.auth.create_user(new_user("ada")).await.unwrap();
}

#[tokio::test]
async fn errors_are_those_of_a_call_without_a_transaction() {
    let application = application().await;
    let auth = &application.auth;
    let ada = auth.create_user(new_user("ada")).await.unwrap();
    let mut client = application.client().await;

    let transaction = client.transaction().await.unwrap();
    let taken = auth.create_user(new_user("ada")).transaction(&transaction);
    let taken = taken.await.map(drop);
    assert!(matches!(taken, Err(Error::DuplicateKey)), "{taken:?}");
    // Postgres has aborted it.
    assert!(transaction.execute(SETTINGS, &[&ada.id]).await.is_err());
    drop(transaction);

    let transaction = client.transaction().await.unwrap();
    let taken = NewUser::without_key()
        .attributes(&json!({ "username": "ada" }))
        .returning::<NoAttributes>();
    match auth.create_user(taken).transaction(&transaction).await {
        Err(Error::Constraint(broken)) => {
            assert_eq!(broken.kind, ConstraintKind::Unique);
            assert_eq!(broken.column.as_deref(), Some("username"));
        }
        other => panic!("{other:?}"),
    }
    drop(transaction);

    let transaction = client.transaction().await.unwrap();
    let taken = new_user("bob").id(ada.id.clone());
    let taken = auth.create_user(taken).transaction(&transaction).await;
    assert!(matches!(taken, Err(Error::DuplicateUser)), "{taken:?}");
    drop(transaction);

    let transaction = client.transaction().await.unwrap();
    let misfit = NewUser::without_key()
        .attributes(&json!({ "username": "bob", "nickname": "b" }))
        .returning::<NoAttributes>();
    match auth.create_user(misfit).transaction(&transaction).await {
        Err(Error::InvalidAttribute { column, .. }) => {
            assert_eq!(column.as_deref(), Some("nickname"));
        }
        other => panic!("{other:?}"),
    }
    drop(transaction);

    let transaction = client.transaction().await.unwrap();
    let nobody = "nobody".parse().unwrap();
    let key = NewKey::without_password(("github", "1"));
    let refused = auth.create_key(&nobody, key).transaction(&transaction);
    let refused = refused.await;
    assert!(matches!(refused, Err(Error::UnknownUser)), "{refused:?}");
    drop(transaction);

    let transaction = client.transaction().await.unwrap();
    let key = NewKey::without_password(("username", "ada"));
    let taken = auth
        .create_key(&ada.id, key)
        .transaction(&transaction)
        .await;
    assert!(matches!(taken, Err(Error::DuplicateKey)), "{taken:?}");
    drop(transaction);

    // What is refused before any statement leaves the transaction as it was.
    let transaction = client.transaction().await.unwrap();
    let short = NewUser::with_password(("username", "bob"), "x");
    match auth.create_user(short).transaction(&transaction).await {
        Err(Error::InvalidPassword(PasswordProblem::TooShort { .. })) => {}
        other => panic!("{other:?}"),
    }
    transaction.execute(SETTINGS, &[&ada.id]).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(application.counts().await, [1, 1, 1]);
}

#[tokio::test]
async fn in_a_savepoint_a_failure_leaves_the_rest_of_the_transaction() {
    let application = application().await;
    let auth = &application.auth;
    let ada = auth.create_user(new_user("ada")).await.unwrap();
    let mut client = application.client().await;
    let mut transaction = client.transaction().await.unwrap();
    transaction.execute(SETTINGS, &[&ada.id]).await.unwrap();
    let savepoint = transaction.savepoint("sign_up").await.unwrap();
    let taken = auth.create_user(new_user("ada")).transaction(&savepoint);
    assert!(matches!(taken.await, Err(Error::DuplicateKey)));
    savepoint.rollback().await.unwrap();
    let savepoint = transaction.transaction().await.unwrap();
    let bob = auth.create_user(new_user("bob")).transaction(&savepoint);
    let bob = bob.await.unwrap();
    savepoint.commit().await.unwrap();
    transaction.execute(SETTINGS, &[&bob.id]).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(application.counts().await, [2, 2, 2]);
}

#[tokio::test]
async fn two_sign_ups_at_once_in_transactions_make_one_user() {
    let application = application().await;
    let auth = &application.auth;
    let mut client = application.client().await;
    let first = client.transaction().await.unwrap();
    let ada = auth.create_user(new_user("ada")).transaction(&first);
    ada.await.unwrap();
    let mut client = application.client().await;
    let second = client.transaction().await.unwrap();
    let waiting = auth.create_user(new_user("ada")).transaction(&second);
    let (waited, committed) = tokio::join!(waiting, first.commit());
    committed.unwrap();
    assert!(matches!(waited, Err(Error::DuplicateKey)), "{waited:?}");
    drop(second);
    assert_eq!(application.counts().await, [1, 1, 0]);
}

#[tokio::test]
async fn a_transaction_of_tokio_postgres_will_do() {
    let application = application().await;
    let mut client = application._database.connect().await;
    let transaction = client.transaction().await.unwrap();
    let ada = application.auth.create_user(new_user("ada"));
    ada.transaction(&transaction).await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(application.counts().await, [1, 1, 0]);
}

#[tokio::test]
async fn other_stores_than_postgres_say_that_they_cannot() {
    let application = application().await;
    let store = SqliteStore::in_memory().await.unwrap();
    store.migrate(&["username TEXT"]).await.unwrap();
    let auth = Auth::builder(store).build().unwrap();
    let mut client = application.client().await;
    let transaction = client.transaction().await.unwrap();
    let refused = auth.create_user(new_user("ada")).transaction(&transaction);
    match refused.await {
        Err(Error::Misuse(why)) => assert!(why.contains("PgStore"), "{why}"),
        other => panic!("{other:?}"),
    }
    let ada = auth.create_user(new_user("ada")).await.unwrap();
    let key = NewKey::without_password(("github", "1"));
    let refused = auth.create_key(&ada.id, key).transaction(&transaction);
    assert!(matches!(refused.await, Err(Error::Misuse(_))));
}

#[tokio::test]
async fn with_sessions_elsewhere_the_store_of_users_counts() {
    let application = application().await;
    let sessions = SqliteStore::in_memory().await.unwrap();
    let users = PgStore::new(application.pool.clone());
    let auth = Auth::builder(users).sessions(sessions).build().unwrap();
    let mut client = application.client().await;
    let transaction = client.transaction().await.unwrap();
    let ada = auth.create_user(new_user("ada")).transaction(&transaction);
    ada.await.unwrap();
    transaction.commit().await.unwrap();
    assert_eq!(application.counts().await, [1, 1, 0]);
}

#[tokio::test]
async fn a_cache_knows_nothing_of_a_user_before_the_commit_and_all_after_it() {
    let application = application().await;
    let store = PgStore::builder()
        .cache(CacheOptions::default())
        .connect(&application._database.url())
        .await
        .unwrap();
    store.migrate(&[]).await.unwrap();
    let answering = store.clone();
    crate::support::eventually(async || answering.is_cache_answering()).await;
    let auth = Auth::builder(store).build().unwrap();
    let mut client = application.client().await;
    let transaction = client.transaction().await.unwrap();
    let ada = auth.create_user(new_user("ada")).transaction(&transaction);
    let ada = ada.await.unwrap();
    for _ in 0..2 {
        assert!(auth.user::<Profile>(&ada.id).await.unwrap().is_none());
    }
    transaction.commit().await.unwrap();
    assert!(auth.user::<Profile>(&ada.id).await.unwrap().is_some());
    let session = auth.create_session(&ada.id).await.unwrap();
    for _ in 0..2 {
        let validated = auth.validate_session(session.token()).await.unwrap();
        assert!(validated.is_some());
    }
}
