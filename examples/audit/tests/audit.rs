//! What is in the audit table after users have come and gone.

#![allow(clippy::unwrap_used)] // A test that panics has failed.

use deadpool_postgres::Pool;
use lucia::testing::PgDatabase;
use lucia::{Auth, NewUser, PgStore};

const PASSWORD: &str = "correct horse battery";

/// A database with lucia's tables and the audit table.
async fn database() -> (PgDatabase, Pool) {
    let database = PgDatabase::create(&lucia_tests::server_url().await).await;
    let pool = database.pool();
    PgStore::new(pool.clone()).migrate(&[]).await.unwrap();
    let client = pool.get().await.unwrap();
    client.batch_execute(audit::TABLE).await.unwrap();
    (database, pool)
}

fn ada() -> NewUser<'static> {
    NewUser::with_password(("username", "ada"), PASSWORD)
}

/// The events in the table, and whether each is about a user.
async fn rows(pool: &Pool) -> Vec<(String, bool)> {
    let sql = "SELECT event, user_id IS NOT NULL FROM audit ORDER BY id";
    let rows = pool.get().await.unwrap().query(sql, &[]).await.unwrap();
    rows.iter().map(|row| (row.get(0), row.get(1))).collect()
}

#[tokio::test]
async fn each_event_is_in_the_table_once() {
    let (_database, pool) = database().await;
    let (audit, writer) = audit::start(pool.clone(), 1000);
    let store = PgStore::new(pool.clone());
    let auth = Auth::builder(store).on_event(audit.hook()).build().unwrap();
    let user = audit::sign_up(&auth, &pool, ada()).await.unwrap();
    // Nothing of it is left, in neither table.
    audit::sign_up(&auth, &pool, ada()).await.unwrap_err();
    let key = auth.verify_password(("username", "ada"), PASSWORD);
    auth.create_session(&key.await.unwrap()).await.unwrap();
    let wrong = auth.verify_password(("username", "eve"), PASSWORD).await;
    wrong.unwrap_err();
    auth.delete_user(&user.id).await.unwrap();
    drop(auth);
    writer.finish().await;
    let expected = [
        ("user_created", true),
        ("key_verified", true),
        ("signed_in", true),
        ("sign_in_failed", false),
        ("user_deleted", true),
    ];
    let expected = expected.map(|(event, is_known)| (event.to_owned(), is_known));
    assert_eq!(rows(&pool).await, expected);
    let sql = "SELECT details ->> 'reason' FROM audit WHERE event = 'sign_in_failed'";
    let reason = pool.get().await.unwrap().query_one(sql, &[]).await.unwrap();
    assert_eq!(reason.get::<_, &str>(0), "unknown_key");
}

#[tokio::test]
async fn a_full_channel_fails_no_sign_in_and_is_counted() {
    let (_database, pool) = database().await;
    let (audit, writer) = audit::start(pool.clone(), 1);
    // It cannot write: the table is gone.
    let client = pool.get().await.unwrap();
    let away = "ALTER TABLE audit RENAME TO away";
    client.batch_execute(away).await.unwrap();
    let store = PgStore::new(pool.clone());
    let auth = Auth::builder(store).on_event(audit.clone().hook());
    let auth = auth.build().unwrap();
    let user = auth.create_user(ada()).await.unwrap();
    for _ in 0..20 {
        auth.create_session(&user.id).await.unwrap();
    }
    assert!(audit.lost() > 0);
    let back = "ALTER TABLE away RENAME TO audit";
    client.batch_execute(back).await.unwrap();
    let lost = usize::try_from(audit.lost()).unwrap();
    drop((auth, audit));
    writer.finish().await;
    assert_eq!(rows(&pool).await.len(), 21 - lost);
}
