//! A store with a cache, and what goes past it.

use std::time::{Duration, Instant};

use lucia::deadpool_postgres::{Manager, Pool};
use lucia::{Auth, CacheOptions, PgStore, PgStoreBuilder, Session};
use lucia_tests::{Proxy, Statement};
use tokio_postgres::NoTls;

use super::Stage;

/// How long anything may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// A process of its own, by the look of it: a store with a cache, whose statements pass the stage's
/// proxy, and whose listener passes another one.
pub(crate) struct Caching {
    pub(crate) store: PgStore,
    pub(crate) auth: Auth,
    pub(crate) listener: Proxy,
}

impl Caching {
    /// With the triggers that it needs, once it answers.
    pub(crate) async fn on(stage: &Stage) -> Self {
        Self::with(stage, PgStore::builder(), CacheOptions::new()).await
    }

    pub(crate) async fn with(
        stage: &Stage,
        builder: PgStoreBuilder,
        options: CacheOptions,
    ) -> Self {
        let caching = Self::untold(stage, builder, options).await;
        caching.store.migrate(&[]).await.unwrap();
        caching.answers(true).await;
        stage.proxy().statements();
        caching
    }

    /// Without triggers.
    pub(crate) async fn untold(
        stage: &Stage,
        builder: PgStoreBuilder,
        options: CacheOptions,
    ) -> Self {
        let listener = Proxy::before(stage.database()).await;
        let config = |port| stage.database().url_by(port).parse().unwrap();
        let manager = Manager::new(config(stage.proxy().port()), NoTls);
        let pool = Pool::builder(manager).max_size(8).build().unwrap();
        let options = options.listener(config(listener.port()), NoTls);
        let store = builder.cache(options).build(pool).unwrap();
        let auth = stage.builder_over(std::sync::Arc::new(store.clone()));
        Self {
            store,
            auth: auth.build().unwrap(),
            listener,
        }
    }

    /// Waits until it answers, or does not.
    pub(crate) async fn answers(&self, answers: bool) -> Duration {
        eventually(async || self.store.is_cache_answering() == answers).await
    }

    /// Whether a session is good, and how many statements it takes to know.
    pub(crate) async fn look(&self, stage: &Stage, session: &Session) -> (bool, usize) {
        Self::statements(stage);
        let found = self.auth.validate_session(session.token()).await.unwrap();
        (found.is_some(), Self::statements(stage).len())
    }

    /// What was asked by the stage's proxy since the last call, but for the heartbeats.
    pub(crate) fn statements(stage: &Stage) -> Vec<Statement> {
        let mut statements = stage.proxy().statements();
        statements.retain(|statement| !statement.sql.contains("pg_notify"));
        statements
    }

    /// Looks until the cache answers for this session.
    pub(crate) async fn remember(&self, stage: &Stage, session: &Session) {
        eventually(async || self.look(stage, session).await == (true, 0)).await;
    }
}

/// Waits until something is so, and says for how long.
pub(crate) async fn eventually(mut is_so: impl AsyncFnMut() -> bool) -> Duration {
    let begin = Instant::now();
    let comes = async {
        while !is_so().await {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    let came = tokio::time::timeout(PATIENCE, comes).await;
    came.expect("it comes to be so");
    begin.elapsed()
}
