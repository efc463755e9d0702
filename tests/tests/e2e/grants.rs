//! An account of the database that may see and write some columns and not others.

use std::net::IpAddr;
use std::time::Duration;

use lucia::deadpool_postgres::{Manager, Pool};
use lucia::store::{
    ClaimOutcome, ClaimedBy, FormerTokens, KeyClaim, KeyRow, KeyWrite, Store as _, TokenRow,
    UnixMillis, WrittenBy,
};
use lucia::{Auth, CacheOptions, ConstraintKind, Error, NewKey, NewUser, PgStore, PgStoreBuilder};
use lucia_tests::Database;
use serde_json::json;
use tokio_postgres::error::SqlState;
use tokio_postgres::{NoTls, connect};

use crate::support::{PASSWORD, Profile, eventually, verified};

/// What the account needs, and nothing more.
const GRANTS: &str = "
    GRANT SELECT (id, username, age), INSERT (id, username, age), UPDATE (username, age), DELETE
        ON auth_user TO \"{role}\";
    GRANT SELECT (id, user_id, hashed_password, verified_at),
        INSERT (id, user_id, hashed_password, verified_at),
        UPDATE (id, hashed_password, verified_at), DELETE ON user_key TO \"{role}\";
    GRANT SELECT (id, user_id, created_at, authenticated_at, renewed_at, active_expires,
            idle_expires, device, address, persistent, country),
        INSERT (id, user_id, created_at, authenticated_at, renewed_at, active_expires,
            idle_expires, device, address, persistent, country),
        UPDATE (id, authenticated_at, renewed_at, active_expires, idle_expires, country), DELETE
        ON user_session TO \"{role}\";
    GRANT SELECT, INSERT, UPDATE, DELETE ON sign_in_attempt, one_time_token, outgoing_mail,
        user_credential TO \"{role}\";
    GRANT SELECT ON lucia_migration TO \"{role}\";
    GRANT SELECT, INSERT, UPDATE, DELETE ON lucia_heartbeat TO \"{role}\";";

/// What a cache that polls needs besides.
const POLL_GRANTS: &str = "GRANT SELECT, INSERT, UPDATE, DELETE ON lucia_change TO \"{role}\";";

#[tokio::test]
async fn an_account_with_rights_to_the_columns_that_are_named_can_do_everything() {
    let database = Database::new().await;
    let columns = [
        "username TEXT NOT NULL UNIQUE",
        "age INT CHECK (age > 0)",
        "secret TEXT DEFAULT 'swordfish'",
    ];
    let sessions = ["country TEXT", "secret TEXT DEFAULT 'swordfish'"];
    let interval = Duration::from_millis(100);
    let polling = |builder: PgStoreBuilder| {
        let builder = builder.cache(CacheOptions::new());
        builder.cache_poll_interval(interval)
    };
    // It is no standby, and so is sent heartbeats and no lookups.
    let replica = |url: &str| {
        let manager = Manager::new(url.parse().unwrap(), NoTls);
        [Pool::builder(manager).build().unwrap()]
    };
    let bound = Duration::from_secs(1);
    let owner = PgStore::builder().session_columns(sessions);
    // The triggers of a cache are there, of which an account without one needs not know.
    let with_cache = polling(owner.clone());
    let with_cache = with_cache.connect(&database.url()).await.unwrap();
    with_cache.migrate(&columns).await.unwrap();
    drop(with_cache);
    let owner = owner.replicas(replica(&database.url()), bound);
    let owner = owner.connect(&database.url()).await.unwrap();
    owner.migrate(&columns).await.unwrap();
    drop(owner);
    let client = database.connect().await;
    // Roles belong to the server, and so to all tests.
    let role = format!("clerk_of_{}", database.url().rsplit('/').next().unwrap());
    let create = format!("CREATE ROLE \"{role}\" LOGIN PASSWORD 'clerk'; {GRANTS}");
    client
        .batch_execute(&create.replace("{role}", &role))
        .await
        .unwrap();

    let mut url = url::Url::parse(&database.url()).unwrap();
    url.set_username(&role).unwrap();
    url.set_password(Some("clerk")).unwrap();
    let builder = || {
        let builder = PgStore::builder().fetched_user_columns(["username", "age"]);
        builder.session_columns(["country"])
    };
    let store = builder()
        .replicas(replica(url.as_str()), bound)
        .connect(url.as_str())
        .await
        .unwrap();
    store.migrate(&columns[..2]).await.unwrap();
    let auth = Auth::builder(store.clone())
        .max_sessions_per_user(2)
        .absolute_period(Duration::from_secs(60 * 60 * 24 * 100))
        .build()
        .unwrap();

    auth.check_schema::<Profile>().await.unwrap();
    // Heartbeats are written and read, and all that is wrong with the replica is that it is no standby.
    eventually(async || {
        let reasons = auth.health().await.stores.remove(0).reasons;
        let is_told = |what: &str| reasons.iter().any(|reason| reason.contains(what));
        is_told("not in recovery") && !is_told("heartbeats")
    })
    .await;
    let new = NewUser::with_password(("username", "ada"), PASSWORD)
        .attributes(&json!({ "username": "ada", "age": 36 }))
        .returning::<Profile>();
    let ada = auth.create_user(new).await.unwrap();
    assert_eq!(ada.username, "ada");
    let keyless = NewUser::without_key()
        .attributes(&json!({ "username": "bob" }))
        .returning::<Profile>();
    let bob = auth.create_user(keyless).await.unwrap();
    auth.check_schema::<Profile>().await.unwrap();
    assert!(auth.user::<Profile>(&ada.id).await.unwrap().is_some());
    let update = json!({ "username": "countess", "age": 37 });
    let updated = auth.update_user_attributes::<Profile>(&ada.id, &update);
    assert_eq!(updated.await.unwrap().username, "countess");
    let age = json!({ "age": -1 });
    match auth.update_user_attributes::<Profile>(&ada.id, &age).await {
        Err(Error::Constraint(broken)) => assert_eq!(broken.kind, ConstraintKind::Check),
        other => panic!("{other:?}"),
    }
    for value in [json!("old"), json!(1_u64 << 40)] {
        let age = json!({ "age": value });
        match auth.update_user_attributes::<Profile>(&ada.id, &age).await {
            Err(Error::InvalidAttribute { column, .. }) => {
                assert_eq!(column.as_deref(), Some("age"));
            }
            other => panic!("{other:?}"),
        }
    }
    let countess = json!({ "username": "countess" });
    let taken = auth.update_user_attributes::<Profile>(&bob.id, &countess);
    assert!(matches!(taken.await, Err(Error::Constraint(_))));

    let country = json!({ "country": "NL" });
    for _ in 0..2 {
        let address: IpAddr = "192.0.2.1".parse().unwrap();
        let key = auth
            .verify_password(("username", "ada"), PASSWORD)
            .limit_by(address);
        let key = key.await.unwrap();
        let first = auth
            .create_session(&key)
            .attributes(&country)
            .await
            .unwrap();
        let second = auth
            .create_session(&ada.id)
            .replace(Some(first.info()))
            .await
            .unwrap();
        auth.update_session_attributes(&second.id, &country)
            .await
            .unwrap();
        assert!(
            auth.validate_session(second.token())
                .await
                .unwrap()
                .is_some()
        );
        assert!(!auth.user_sessions(&ada.id).await.unwrap().is_empty());
        let rotated = auth.rotate_session(&second).await.unwrap();
        let kept = auth
            .change_password(&rotated, &verified(&auth, "ada").await, PASSWORD)
            .await
            .unwrap();
        auth.invalidate_session(&kept.id).await.unwrap();
    }
    auth.create_session(&ada.id).await.unwrap();
    auth.reset_password(("username", "ada"), PASSWORD)
        .await
        .unwrap();
    auth.update_key_password(("username", "ada"), PASSWORD)
        .await
        .unwrap();
    let key = NewKey::without_password(("github", "1815"));
    auth.create_key(&ada.id, key).await.unwrap();
    auth.delete_key(("github", "1815")).await.unwrap();
    let by = auth.create_session(&ada.id).await.unwrap();
    let write = KeyWrite::Insert(KeyRow::new("github:1", ada.id.clone(), None));
    let write = store.write_key(write, WrittenBy::Session(&by.id), UnixMillis(0));
    assert!(write.await.unwrap());
    let by = ClaimedBy::Note {
        id: "a".repeat(64),
        others: Vec::new(),
        verified: Vec::new(),
    };
    let note = TokenRow::new(
        "a".repeat(64),
        "test".to_owned(),
        UnixMillis(0),
        UnixMillis(1),
    );
    let tokens = store.tokens().unwrap();
    tokens.insert_token(note, FormerTokens::Keep).await.unwrap();
    let claim = KeyClaim::new("username:ada", ada.id.clone(), UnixMillis(0), by);
    let claimed = store.claim_key(claim).await.unwrap();
    assert!(
        matches!(claimed, ClaimOutcome::Claimed { .. }),
        "{claimed:?}"
    );
    auth.invalidate_user_sessions(&ada.id).await.unwrap();
    auth.delete_expired_sessions().await.unwrap();
    auth.delete_user(&ada.id).await.unwrap();
    auth.delete_user(&bob.id).await.unwrap();

    drop(auth);
    let grants = POLL_GRANTS.replace("{role}", &role);
    client.batch_execute(&grants).await.unwrap();
    let caching = polling(builder());
    let caching = caching.connect(url.as_str()).await.unwrap();
    caching.migrate(&columns[..2]).await.unwrap();
    eventually(async || caching.is_cache_answering()).await;
    drop(caching);
    let drop_role = format!("DROP OWNED BY \"{role}\"; DROP ROLE \"{role}\"");
    client.batch_execute(&drop_role).await.unwrap();
}

/// An account without any rights attaches the function that records changes to a table of its own, whose cast
/// would run with the rights of the function's owner.
#[tokio::test]
async fn the_function_that_records_changes_runs_nothing_for_strangers() {
    const ATTACK: &str = "CREATE TYPE pg_temp.evil AS (x INT);
        CREATE FUNCTION pg_temp.run(pg_temp.evil) RETURNS TEXT LANGUAGE plpgsql AS
            $$BEGIN UPDATE public.user_key SET hashed_password = 'mallory'; RETURN 'x'; END$$;
        CREATE CAST (pg_temp.evil AS TEXT) WITH FUNCTION pg_temp.run(pg_temp.evil);
        CREATE TEMP TABLE own (id pg_temp.evil);
        INSERT INTO own VALUES (ROW(1)::pg_temp.evil);";
    const ATTACH: &str = "CREATE TRIGGER own AFTER UPDATE ON own REFERENCING OLD TABLE AS old_rows
        FOR EACH STATEMENT EXECUTE FUNCTION public.lucia_record_change('sessions')";

    let database = Database::new().await;
    let store = PgStore::builder().cache(CacheOptions::new());
    let store = store.cache_poll_interval(Duration::from_millis(100));
    let store = store.connect(&database.url()).await.unwrap();
    store.migrate(&[]).await.unwrap();
    let auth = Auth::builder(store).build().unwrap();
    let ada = NewUser::with_password(("username", "ada"), PASSWORD);
    auth.create_user(ada).await.unwrap();
    let owner = database.connect().await;
    let role = format!("mallory_of_{}", database.url().rsplit('/').next().unwrap());
    let create = format!("CREATE ROLE \"{role}\" LOGIN PASSWORD 'mallory'");
    owner.batch_execute(&create).await.unwrap();
    let mut url = url::Url::parse(&database.url()).unwrap();
    url.set_username(&role).unwrap();
    url.set_password(Some("mallory")).unwrap();
    let (mallory, connection) = connect(url.as_str(), NoTls).await.unwrap();
    tokio::spawn(connection);

    mallory.batch_execute(ATTACK).await.unwrap();
    let refused = mallory.batch_execute(ATTACH).await.unwrap_err();
    assert_eq!(refused.code(), Some(&SqlState::INSUFFICIENT_PRIVILEGE));
    // Whoever got the right by mistake reaches no more by it.
    let grant = format!("GRANT EXECUTE ON FUNCTION lucia_record_change() TO \"{role}\"");
    owner.batch_execute(&grant).await.unwrap();
    mallory.batch_execute(ATTACH).await.unwrap();
    let _ = mallory.batch_execute("UPDATE own SET id = id").await;
    let key = auth.verify_password(("username", "ada"), PASSWORD).await;
    assert!(key.is_ok(), "{key:?}");
    let drop_own = "DROP TABLE own; DROP TYPE pg_temp.evil CASCADE";
    mallory.batch_execute(drop_own).await.unwrap();
    let drop_role = format!("DROP OWNED BY \"{role}\"; DROP ROLE \"{role}\"");
    owner.batch_execute(&drop_role).await.unwrap();
}
