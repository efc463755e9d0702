//! What the tests share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

use lucia::store::{Expiries, NewSessionRow, Rotation, UnixMillis};
use lucia::{RedisStore, RedisStoreBuilder, SessionId, SessionToken, UserId};
use lucia_tests::RedisServer;

pub(crate) const ADA: &str = "ada";
pub(crate) const BOB: &str = "bob";

/// How long a session of these tests lives.
pub(crate) const LIFE: i64 = 60 * 60 * 1000;

/// A prefix that no other test of this process has.
pub(crate) fn prefix() -> String {
    static NUMBER: AtomicUsize = AtomicUsize::new(0);

    format!("test{}", NUMBER.fetch_add(1, Ordering::Relaxed))
}

/// Settings with such a prefix.
pub(crate) fn builder() -> RedisStoreBuilder {
    RedisStore::builder().prefix(prefix())
}

/// The server that the tests of this process share, and what the keys of this test begin with.
pub(crate) struct Place {
    pub(crate) server: &'static RedisServer,
    pub(crate) prefix: String,
}

impl Place {
    pub(crate) async fn new() -> Option<Self> {
        Some(Self {
            server: RedisServer::shared().await?,
            prefix: prefix(),
        })
    }

    pub(crate) fn builder(&self) -> RedisStoreBuilder {
        RedisStore::builder().prefix(&self.prefix)
    }

    pub(crate) async fn store(&self) -> RedisStore {
        self.builder().connect(&self.server.url()).await.unwrap()
    }

    /// The ids of all sessions that have a hash.
    pub(crate) async fn hashes(&self) -> Vec<String> {
        let pattern = format!("{}:s:*", self.prefix);
        let keys: Vec<String> = self.server.ask(&["KEYS", &pattern]).await;
        let id = |key: String| key.rsplit(':').next().unwrap().to_owned();
        keys.into_iter().map(id).collect()
    }

    /// The index of a user's sessions.
    pub(crate) async fn index(&self, user: &str) -> HashMap<String, String> {
        self.server.ask(&["HGETALL", &self.index_key(user)]).await
    }

    pub(crate) fn index_key(&self, user: &str) -> String {
        format!("{}:u:{user}", self.prefix)
    }

    pub(crate) fn hash_key(&self, number: u64) -> String {
        format!("{}:s:{}", self.prefix, id(number))
    }

    pub(crate) async fn keys(&self) -> Vec<String> {
        self.server
            .ask(&["KEYS", &format!("{}:*", self.prefix)])
            .await
    }

    /// For how many milliseconds a key stays.
    pub(crate) async fn left(&self, key: &str) -> i64 {
        self.server.ask(&["PTTL", key]).await
    }
}

/// A server with these settings, and a replica of it with the same ones.
pub(crate) async fn with_replica(settings: &[&str]) -> Option<(RedisServer, RedisServer)> {
    let settings = [settings, &["--repl-diskless-sync-delay", "0"]].concat();
    let primary = RedisServer::start(&settings).await?;
    let replica = RedisServer::start(&settings).await?;
    let port = primary.port().to_string();
    replica.ask::<()>(&["REPLICAOF", "127.0.0.1", &port]).await;
    eventually(async || {
        let info: String = primary.ask(&["INFO", "replication"]).await;
        info.contains("state=online")
    })
    .await;
    Some((primary, replica))
}

pub(crate) fn token(number: u64) -> SessionToken {
    SessionToken::parse(&format!("{number:040}")).unwrap()
}

pub(crate) fn id(number: u64) -> SessionId {
    token(number).session_id()
}

pub(crate) fn user(id: &str) -> UserId {
    UserId::new(id).unwrap()
}

pub(crate) fn now() -> i64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
    i64::try_from(since.as_millis()).unwrap()
}

pub(crate) fn expiries(at: i64) -> Expiries {
    let at = |offset| UnixMillis(at + offset);
    Expiries::new(at(0), at(LIFE / 2), at(LIFE))
}

/// A session that begins a second later than the one of the number before.
pub(crate) fn session(number: u64, of: &str) -> NewSessionRow {
    let now = now() + 1000 * i64::try_from(number).unwrap();
    NewSessionRow::new(token(number), user(of), UnixMillis(now), expiries(now))
}

pub(crate) fn rotation(number: u64) -> Rotation {
    Rotation::new(token(number), expiries(now()))
}

/// Waits until it holds.
pub(crate) async fn eventually(holds: impl AsyncFn() -> bool) {
    const PATIENCE: Duration = Duration::from_secs(60);

    let begin = Instant::now();
    while !holds().await {
        assert!(begin.elapsed() < PATIENCE, "it does not happen");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}
