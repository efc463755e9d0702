//! Databases whose transactions are isolated more than lucia's statements need, and deadlocks.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use futures_util::future::join_all;
use lucia::{Auth, AuthBuilder, Error, NewKey, NewUser, PasswordOptions, PgStore};

use crate::support::{PASSWORD, Profile, Stage, eventually, sign_up, until_waiting};

const PARALLEL: usize = 50;

/// Makes each function a test for each isolation by default.
macro_rules! on_each_isolation {
    ($($name:ident),* $(,)?) => {
        mod repeatable_read {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::isolated("repeatable read").await).await;
            })*
        }

        mod serializable {
            $(#[tokio::test]
            async fn $name() {
                super::$name(super::isolated("serializable").await).await;
            })*
        }
    };
}

on_each_isolation![
    r48_parallel_sign_ins_all_succeed,
    r48_parallel_failures_all_count,
    r48_parallel_renewals_all_succeed,
    r25_parallel_sign_ins_leave_as_many_sessions_as_allowed,
    r51_parallel_sign_ups_make_one_user,
    r22_a_deletion_beside_sign_ins_leaves_nothing,
    r53_migrations_at_once_all_succeed,
];

/// What sets a setting for all connections to come.
pub(crate) fn for_the_database(setting: &str, value: &str) -> String {
    format!(
        "DO $$ BEGIN EXECUTE format('ALTER DATABASE %I SET {setting} = %L', current_database(), \
         '{value}'); END $$"
    )
}

async fn isolated(isolation: &str) -> Stage {
    let stage = Stage::postgres().await;
    let sql = for_the_database("default_transaction_isolation", isolation);
    stage.execute(&sql).await;
    stage
}

async fn builder(stage: &Stage) -> AuthBuilder {
    let passwords = PasswordOptions::new().waiting(2 * PARALLEL);
    // Hashing takes its time on a busy machine.
    let builder = stage.builder().await.passwords(passwords);
    builder.sign_in_limit(10_000, Duration::from_secs(900))
}

async fn auth(stage: &Stage) -> Auth {
    builder(stage).await.build().unwrap()
}

const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

async fn r48_parallel_sign_ins_all_succeed(stage: Stage) {
    let auth = auth(&stage).await;
    sign_up(&auth, "ada").await;
    let sign_ins = (0..PARALLEL).map(async |_| {
        let key = auth.verify_password(("username", "ada"), PASSWORD);
        auth.create_session(&key.limit_by(ADDRESS).await?).await
    });
    for session in join_all(sign_ins).await {
        assert!(session.is_ok(), "{session:?}");
    }
    assert_eq!(stage.count("user_session").await, 1 + PARALLEL as u64);
}

async fn r48_parallel_failures_all_count(stage: Stage) {
    let auth = auth(&stage).await;
    let failures = (0..PARALLEL).map(async |_| {
        let key = auth.verify_password(("username", "nobody"), PASSWORD);
        key.limit_by(ADDRESS).await
    });
    for failure in join_all(failures).await {
        assert!(
            matches!(failure, Err(Error::InvalidCredentials)),
            "{failure:?}"
        );
    }
    let counted = stage.value("SELECT attempts FROM sign_in_attempt").await;
    assert_eq!(counted, Some(PARALLEL.to_string()));
}

async fn r48_parallel_renewals_all_succeed(stage: Stage) {
    let auths = [auth(&stage).await, auth(&stage).await];
    let session = sign_up(&auths[0], "ada").await;
    stage
        .clock
        .set(session.idle_expires - Duration::from_secs(60));
    let renewals = (0..PARALLEL).map(|at| auths[at % 2].validate_session(session.token()));
    for renewed in join_all(renewals).await {
        assert!(matches!(renewed, Ok(Some(_))), "{renewed:?}");
    }
}

async fn r25_parallel_sign_ins_leave_as_many_sessions_as_allowed(stage: Stage) {
    let limited = || async {
        builder(&stage)
            .await
            .max_sessions_per_user(2)
            .build()
            .unwrap()
    };
    let auths = [limited().await, limited().await];
    let first = sign_up(&auths[0], "ada").await;
    let sign_ins = (0..PARALLEL).map(async |at| auths[at % 2].create_session(&first.user_id).await);
    for session in join_all(sign_ins).await {
        assert!(session.is_ok(), "{session:?}");
    }
    assert_eq!(stage.count("user_session").await, 2);
}

async fn r51_parallel_sign_ups_make_one_user(stage: Stage) {
    let auths = [auth(&stage).await, auth(&stage).await];
    let sign_ups = (0..PARALLEL).map(async |at| {
        let username = "ada".to_owned();
        let new_user = NewUser::with_key(NewKey::without_password(("github", "1815")))
            .attributes(&Profile { username });
        auths[at % 2].create_user(new_user).await
    });
    let (mut created, mut taken) = (0, 0);
    for user in join_all(sign_ups).await {
        match user {
            Ok(_) => created += 1,
            Err(Error::DuplicateKey) => taken += 1,
            Err(other) => panic!("{other:?}"),
        }
    }
    assert_eq!((created, taken), (1, PARALLEL - 1));
    assert_eq!(stage.count("auth_user").await, 1);
    assert_eq!(stage.count("user_key").await, 1);
}

async fn r22_a_deletion_beside_sign_ins_leaves_nothing(stage: Stage) {
    let auths = [auth(&stage).await, auth(&stage).await];
    for round in 0..10 {
        let user_id = sign_up(&auths[0], &format!("user {round}"))
            .await
            .user_id
            .clone();
        let sign_ins = join_all((0..4).map(async |_| {
            let session = auths[1].create_session(&user_id).await;
            assert!(
                matches!(session, Ok(_) | Err(Error::UnknownUser)),
                "{session:?}"
            );
        }));
        let (deleted, _) = tokio::join!(auths[0].delete_user(&user_id), sign_ins);
        deleted.unwrap();
        assert_eq!(stage.count("auth_user").await, 0);
        assert_eq!(stage.count("user_session").await, 0);
    }
}

async fn r53_migrations_at_once_all_succeed(stage: Stage) {
    let stores = [stage.pg_store().await, stage.pg_store().await];
    for column in ["nickname TEXT", "motto TEXT"] {
        let columns = [column];
        let migrations = stores.iter().map(|store| store.migrate(&columns));
        for migrated in join_all(migrations).await {
            migrated.unwrap();
        }
    }
}

/// Somebody else locks two sessions in the other order.
#[tokio::test]
async fn r48_a_deadlock_with_a_foreign_transaction_is_resolved() {
    let stage = Stage::postgres().await;
    // Ours finds it out, and the other one goes on.
    stage
        .execute(&for_the_database("deadlock_timeout", "2s"))
        .await;
    let store = PgStore::builder().timeout(Duration::from_secs(60));
    let store = store.connect(&stage.database().url()).await.unwrap();
    let auth = stage.builder_over(std::sync::Arc::new(store));
    let auth = auth.store_timeout(Duration::from_secs(60)).build().unwrap();
    let one = sign_up(&auth, "ada").await;
    stage.clock.advance(Duration::from_secs(1));
    let two = auth.create_session(&one.user_id).await.unwrap();

    let foreign = stage.database().connect().await;
    let lock = |id: &str| format!("SELECT 1 FROM user_session WHERE id = '{id}' FOR UPDATE");
    let begin = format!(
        "SET deadlock_timeout = '1h'; BEGIN; {}",
        lock(two.id.as_str())
    );
    foreign.batch_execute(&begin).await.unwrap();
    let meeting = async {
        until_waiting(stage.database(), 1).await;
        foreign.batch_execute(&lock(one.id.as_str())).await.unwrap();
        foreign.batch_execute("COMMIT").await.unwrap();
    };
    let (ended, ()) = tokio::join!(auth.invalidate_user_sessions(&one.user_id), meeting);
    ended.unwrap();
    assert_eq!(stage.count("user_session").await, 0);
    let deadlocks = "SELECT deadlocks FROM pg_stat_database WHERE datname = current_database()";
    eventually(async || stage.value(deadlocks).await.as_deref() != Some("0")).await;
}
