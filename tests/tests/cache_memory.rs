//! How much memory the cache takes, which is told for a process as a whole: this is the only test
//! of its process.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

use std::time::Duration;

use lucia::store::Store;
use lucia::{CacheOptions, PgStore, SessionId};
use lucia_tests::Database;

const SESSIONS: usize = 10_000;

/// For each session, with a user of its own whose row is small.
const MOST: usize = 1024;

/// What the process has in memory, in bytes.
fn resident() -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let number = line.unwrap().trim().strip_suffix(" kB").unwrap();
    number.parse::<usize>().unwrap() * 1024
}

async fn look_up_all(store: &PgStore, ids: &[SessionId]) {
    for id in ids {
        assert!(store.session_and_user(id).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_cached_session_takes_a_kibibyte_at_the_most() {
    let database = Database::new().await;
    let url = database.url();
    let builder = PgStore::builder().cache(CacheOptions::new().entries(SESSIONS * 2));
    let cached = builder.connect(&url).await.unwrap();
    cached
        .migrate(&["username TEXT NOT NULL UNIQUE"])
        .await
        .unwrap();
    let client = database.connect().await;
    let sql = format!(
        "INSERT INTO auth_user (id, username) \
             SELECT lpad(n::TEXT, 15, 'u'), 'somebody' || n FROM generate_series(1, {SESSIONS}) AS n; \
         INSERT INTO user_session (id, user_id, active_expires, idle_expires) \
             SELECT encode(sha256(id::BYTEA), 'hex'), id, 0, 0 FROM auth_user"
    );
    client.batch_execute(&sql).await.unwrap();
    let rows = client
        .query("SELECT id FROM user_session", &[])
        .await
        .unwrap();
    let ids: Vec<SessionId> = rows
        .iter()
        .map(|row| row.get::<_, &str>(0).parse().unwrap())
        .collect();
    let waited = tokio::time::timeout(Duration::from_secs(20), async {
        while !cached.is_cache_answering() {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    waited.await.unwrap();

    // What lookups themselves take is there before.
    let uncached = PgStore::connect(&url).await.unwrap();
    look_up_all(&uncached, &ids).await;
    let before = resident();
    look_up_all(&cached, &ids).await;
    let each = (resident() - before) / SESSIONS;
    assert!(each <= MOST, "{each} bytes");
    assert!(each > 100, "{each} bytes: nothing is kept");
}
