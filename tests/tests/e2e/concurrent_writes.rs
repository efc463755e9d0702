//! Many sign-ups at once, and ends in the middle.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use futures_util::future::join_all;
use lucia::{Auth, Error, NewKey, NewUser, PasswordOptions, PgStore};
use lucia_tests::{Database, Server, Stop, programs_are_installed, skip};
use tokio_postgres::error::SqlState;

use crate::support::{
    PASSWORD, Profile, Stage, actix, eventually, on_each_store, sign_up, until_waiting,
};

on_each_store![
    r51_fifty_parallel_sign_ups_make_one_user_with_one_key,
    a_deletion_in_one_process_succeeds_beside_sign_ins_in_another,
];

async fn r51_fifty_parallel_sign_ups_make_one_user_with_one_key(stage: Stage) {
    let options = PasswordOptions::new().waiting(100);
    let auth = stage.builder().await.passwords(options).build().unwrap();
    let site = actix::serve(auth, actix::front_page()).await;
    let form = [("username", "ada"), ("password", PASSWORD)];
    let replies = join_all((0..50).map(|_| {
        let browser = site.browser();
        async move { browser.post("/signup", &form).await }
    }))
    .await;
    let created = replies.iter().filter(|reply| reply.status == 201).count();
    let taken = replies.iter().filter(|reply| reply.status == 409).count();
    assert_eq!((created, taken), (1, 49));
    assert_eq!(stage.count("auth_user").await, 1);
    assert_eq!(stage.count("user_key").await, 1);
    assert_eq!(stage.count("user_session").await, 1);
    assert_eq!(site.browser().post("/login", &form).await.status, 204);
}

/// Does `work` while all rows of a table are locked, and unlocks them when so many statements wait
/// for one of them: they have all begun, and none has done anything.
async fn at_the_same_instant<T>(
    stage: &Stage,
    table: &str,
    waiting: i64,
    work: impl Future<Output = T>,
) -> T {
    let client = stage.database().connect().await;
    let lock = format!("BEGIN; SELECT 1 FROM {table} FOR UPDATE");
    client.batch_execute(&lock).await.unwrap();
    let unlocking = async {
        until_waiting(stage.database(), waiting).await;
        client.batch_execute("COMMIT").await.unwrap();
    };
    let (answer, ()) = tokio::join!(work, unlocking);
    answer
}

#[tokio::test]
async fn r25_sign_ins_at_the_same_instant_leave_as_many_sessions_as_allowed() {
    let stage = Stage::postgres().await;
    let settings = stage.builder().await.max_sessions_per_user(1);
    let auth = settings.build().unwrap();
    let first = sign_up(&auth, "ada").await;
    stage.clock.advance(std::time::Duration::from_secs(1));
    let sign_ins = join_all((0..8).map(async |_| auth.create_session(&first.user_id).await));
    let sessions = at_the_same_instant(&stage, "user_session", 8, sign_ins).await;
    assert!(sessions.iter().all(Result::is_ok), "{sessions:?}");
    assert_eq!(stage.count("user_session").await, 1);
    let alive = auth.user_sessions(&first.user_id).await.unwrap();
    assert_ne!(alive[0].id, first.id);
}

#[tokio::test]
async fn of_two_keys_deleted_at_the_same_instant_one_stays() {
    let stage = Stage::postgres().await;
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    let key = NewKey::without_password(("github", "1815"));
    auth.create_key(&session.user_id, key).await.unwrap();
    let deletions = async {
        let one = async { auth.delete_key(("username", "ada")).await };
        let two = async { auth.delete_key(("github", "1815")).await };
        tokio::join!(one, two)
    };
    let deleted = at_the_same_instant(&stage, "user_key", 2, deletions).await;
    assert!(
        matches!(
            deleted,
            (Ok(()), Err(Error::LastKey)) | (Err(Error::LastKey), Ok(()))
        ),
        "{deleted:?}"
    );
    assert_eq!(stage.count("user_key").await, 1);
}

/// Users without a key, and keys without their user.
const ORPHANS: &str = "SELECT u.id, k.id FROM auth_user u FULL JOIN user_key k ON k.user_id = u.id \
                       WHERE u.id IS NULL OR k.id IS NULL";

#[tokio::test]
async fn r51_a_killed_server_leaves_no_user_without_a_key() {
    if !programs_are_installed() {
        return skip(
            "r51_a_killed_server",
            "no programs of Postgres to start one",
        );
    }
    let server = tokio::task::spawn_blocking(Server::start_durable).await;
    let mut server = server.unwrap().unwrap();
    let database = Database::on(&server.url()).await;
    let store = PgStore::connect(&database.url()).await.unwrap();
    store
        .migrate(&["username TEXT NOT NULL UNIQUE"])
        .await
        .unwrap();
    let options = PasswordOptions::new().waiting(100);
    let auth = Auth::builder(store).passwords(options).build().unwrap();
    let site = actix::serve(auth, actix::front_page()).await;

    let sign_ups = (0..50).map(|number| {
        let browser = site.browser();
        async move {
            let name = format!("user {number}");
            let form = [("username", name.as_str()), ("password", PASSWORD)];
            let status = browser.post("/signup", &form).await.status;
            (name, status)
        }
    });
    let killing = async {
        // In the midst of it: some are through, some are not.
        let client = database.connect().await;
        loop {
            let row = client
                .query_one("SELECT count(*) FROM auth_user", &[])
                .await;
            if row.unwrap().get::<_, i64>(0) >= 5 {
                break;
            }
        }
        server.stop(Stop::Kill);
    };
    let (statuses, ()) = tokio::join!(join_all(sign_ups), killing);
    server.restart();

    let client = database.connect().await;
    assert!(client.query(ORPHANS, &[]).await.unwrap().is_empty());
    let rows = client
        .query("SELECT username FROM auth_user", &[])
        .await
        .unwrap();
    let stored: BTreeSet<String> = rows.iter().map(|row| row.get(0)).collect();
    assert!(stored.len() < 50, "the server was killed too late");
    for (name, status) in statuses {
        assert!(status == 201 || status == 503, "{name}: {status}");
        // Nobody was told that they have an account when they have none.
        assert!(status == 503 || stored.contains(&name), "{name}");
    }
    for name in &stored {
        let form = [("username", name.as_str()), ("password", PASSWORD)];
        assert_eq!(site.browser().post("/login", &form).await.status, 204);
    }
}

#[tokio::test]
async fn r51_a_connection_cut_at_any_statement_leaves_all_or_nothing() {
    let stage = Stage::postgres().await;
    let auth = stage.auth().await;
    for statements in 0.. {
        let name = format!("user {statements}");
        stage.proxy().cut_after(statements);
        let profile = Profile {
            username: name.clone(),
        };
        let new_user = NewUser::with_password(("username", &name), PASSWORD).attributes(&profile);
        let created = auth.create_user(new_user).await;
        stage.proxy().heal();
        assert!(stage.rows(ORPHANS).await.is_empty());
        let sql = format!("SELECT id FROM auth_user WHERE username = '{name}'");
        let stored = stage.value(&sql).await;
        match created {
            Ok(user) => {
                assert_eq!(stored.as_deref(), Some(user.id.as_ref()));
                break;
            }
            Err(Error::Unavailable(_)) => assert_eq!(stored, None),
            Err(other) => panic!("{other:?}"),
        }
    }
}

/// As in two processes: each has connections of its own.
async fn a_deletion_in_one_process_succeeds_beside_sign_ins_in_another(stage: Stage) {
    let (here, elsewhere) = (stage.auth().await, stage.auth().await);
    for round in 0..30 {
        let user_id = sign_up(&here, &format!("user {round}"))
            .await
            .user_id
            .clone();
        let is_over = Arc::new(AtomicBool::new(false));
        let sign_ins: Vec<_> = (0..=round % 4)
            .map(|_| {
                let (auth, user_id) = (elsewhere.clone(), user_id.clone());
                let is_over = is_over.clone();
                tokio::spawn(async move {
                    while !is_over.load(Ordering::SeqCst) {
                        match auth.create_session(&user_id).await {
                            Ok(_) => {}
                            Err(Error::UnknownUser) => break,
                            Err(other) => panic!("signing in beside a deletion: {other:?}"),
                        }
                    }
                })
            })
            .collect();
        let session_count =
            format!("SELECT count(*) FROM user_session WHERE user_id = '{user_id}'");
        eventually(async || stage.value(&session_count).await.as_deref() > Some("1")).await;
        let deleted = here.delete_user(&user_id).await;
        is_over.store(true, Ordering::SeqCst);
        deleted.expect("a user is deleted however often they sign in");
        for sign_in in sign_ins {
            sign_in.await.unwrap();
        }
        assert!(here.user::<Profile>(&user_id).await.unwrap().is_none());
        assert_eq!(stage.value(&session_count).await.as_deref(), Some("0"));
    }
}

/// A commit takes long, as on a slow disk, and so there is always a sign-in that holds the user and the key.
#[tokio::test]
async fn a_deletion_and_a_new_password_wait_for_no_later_sign_ins() {
    const SLOW_COMMITS: &str = "CREATE FUNCTION be_slow() RETURNS TRIGGER LANGUAGE plpgsql AS \
            $$ BEGIN PERFORM pg_sleep(0.05 + random() / 10); RETURN NULL; END $$; \
        CREATE CONSTRAINT TRIGGER slow AFTER INSERT ON user_session \
            DEFERRABLE INITIALLY DEFERRED FOR EACH ROW EXECUTE FUNCTION be_slow()";

    let stage = Stage::postgres().await;
    let (here, elsewhere) = (stage.auth().await, stage.auth().await);
    let user_id = sign_up(&here, "ada").await.user_id.clone();
    let key = here.verify_password(("username", "ada"), PASSWORD).await;
    let (key, user_id) = (key.unwrap(), &user_id);
    stage.execute(SLOW_COMMITS).await;
    // Until the key or the user is gone.
    let by_key = (0..4).map(|_| async {
        loop {
            match elsewhere.create_session(&key).await {
                Ok(_) => {}
                Err(Error::InvalidCredentials) => break,
                Err(other) => panic!("signing in beside a new password: {other:?}"),
            }
        }
    });
    let by_user = (0..4).map(|_| async {
        loop {
            match elsewhere.create_session(user_id).await {
                Ok(_) => {}
                Err(Error::UnknownUser) => break,
                Err(other) => panic!("signing in beside a deletion: {other:?}"),
            }
        }
    });
    let changes = async {
        eventually(async || stage.count("user_session").await > 4).await;
        let reset = here
            .reset_password(("username", "ada"), "another horse battery")
            .await;
        reset.expect("a password is reset");
        here.delete_user(user_id).await.expect("a user is deleted");
    };
    tokio::join!(join_all(by_key), join_all(by_user), changes);
    assert_eq!(stage.count("user_session").await, 0);
}

/// Sign-ins as fast as the server can make them: without a client in between, one follows another
/// while a deletion is on its way. They take the lock that the store's own sign-ins take.
#[tokio::test]
async fn a_deletion_succeeds_beside_sign_ins_that_never_pause() {
    const SIGN_IN_AGAIN_AND_AGAIN: &str = "CREATE TABLE going (); INSERT INTO going DEFAULT VALUES; \
        CREATE PROCEDURE sign_in_again_and_again(user_id TEXT) LANGUAGE plpgsql AS $$ BEGIN \
            WHILE EXISTS (SELECT FROM going) LOOP \
                PERFORM pg_advisory_xact_lock_shared(hashtextextended(user_id, x'6C75636962'::BIGINT)); \
                INSERT INTO user_session (id, user_id, active_expires, idle_expires) \
                VALUES (encode(sha256(gen_random_uuid()::TEXT::BYTEA), 'hex'), user_id, 1, 2); \
                COMMIT; \
            END LOOP; \
        END $$";

    let stage = Stage::postgres().await;
    stage.execute(SIGN_IN_AGAIN_AND_AGAIN).await;
    let auth = stage.auth().await;
    for round in 0..20 {
        let user_id = sign_up(&auth, &format!("user {round}"))
            .await
            .user_id
            .clone();
        let call = format!("CALL sign_in_again_and_again('{user_id}')");
        let sign_ins = (0..=round % 4).map(async |_| {
            let client = stage.database().connect().await;
            let stopped = client.batch_execute(&call).await;
            stopped.map_err(|error| error.code().cloned())
        });
        let deleting = async {
            eventually(async || stage.count("user_session").await > 10).await;
            let deleted = auth.delete_user(&user_id).await;
            if deleted.is_err() {
                stage.execute("DELETE FROM going").await;
            }
            deleted
        };
        let (stopped, deleted) = tokio::join!(join_all(sign_ins), deleting);
        deleted.expect("a user is deleted however often they sign in");
        let refused = Err(Some(SqlState::FOREIGN_KEY_VIOLATION));
        assert!(
            stopped.iter().all(|stopped| *stopped == refused),
            "{stopped:?}"
        );
        assert_eq!(stage.count("auth_user").await, 0);
        assert_eq!(stage.count("user_session").await, 0);
    }
}
