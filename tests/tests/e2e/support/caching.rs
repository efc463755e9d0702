//! A store with a cache, and what goes past it.

use std::time::{Duration, Instant};

use lucia::deadpool_postgres::{Manager, Pool};
use lucia::{Auth, CacheOptions, PgStore, PgStoreBuilder, Session};
use lucia_tests::{Database, Proxy, Statement};
use tokio_postgres::NoTls;

use super::Stage;

/// How long anything may take before a test fails.
const PATIENCE: Duration = Duration::from_secs(60);

/// How often the table of changes is polled.
pub(crate) const POLL_INTERVAL: Duration = Duration::from_millis(50);

/// How a cache learns of changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Source {
    Listen,
    Poll,
}

impl Source {
    /// What is written for the triggers of [`Source::Listen`], for those of this one.
    pub(crate) fn named(self, text: &str) -> String {
        match self {
            Self::Listen => text.to_owned(),
            Self::Poll => ["update", "delete", "truncate"].iter().fold(
                text.replace("lucia_changed", "lucia_record_change")
                    .replace("cache.sql", "cache_by_polling.sql"),
                |text, event| {
                    text.replace(&format!("lucia_{event}"), &format!("lucia_record_{event}"))
                },
            ),
        }
    }

    /// A store whose cache learns of changes like this, over a connection of this address if it listens.
    pub(crate) fn of(self, builder: PgStoreBuilder, url: &str) -> PgStoreBuilder {
        match self {
            Self::Listen => builder.cache_listener(url.parse().unwrap(), NoTls),
            Self::Poll => builder.cache_poll_interval(POLL_INTERVAL),
        }
    }
}

/// Makes each function a test of a cache by each source: `listening::name` and `polling::name`.
macro_rules! on_each_source {
    ($($name:ident),* $(,)?) => {
        mod listening {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::support::Source::Listen).await;
            })*
        }

        mod polling {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::support::Source::Poll).await;
            })*
        }
    };
}
pub(crate) use on_each_source;

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
        Self::with_source(Source::Listen, stage, builder, options).await
    }

    pub(crate) async fn by(source: Source, stage: &Stage) -> Self {
        Self::with_source(source, stage, PgStore::builder(), CacheOptions::new()).await
    }

    pub(crate) async fn with_source(
        source: Source,
        stage: &Stage,
        builder: PgStoreBuilder,
        options: CacheOptions,
    ) -> Self {
        let caching = Self::untold(source, stage, builder, options).await;
        caching.store.migrate(&[]).await.unwrap();
        caching.answers(true).await;
        stage.proxy().statements();
        caching
    }

    /// Without triggers.
    pub(crate) async fn untold(
        source: Source,
        stage: &Stage,
        builder: PgStoreBuilder,
        options: CacheOptions,
    ) -> Self {
        let listener = Proxy::before(stage.database()).await;
        let url = |port| stage.database().url_by(port);
        let manager = Manager::new(url(stage.proxy().port()).parse().unwrap(), NoTls);
        let pool = Pool::builder(manager).max_size(8).build().unwrap();
        let builder = source.of(builder.cache(options), &url(listener.port()));
        let store = builder.build(pool).unwrap();
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

    /// What was asked by the stage's proxy since the last call, but for the heartbeats and polls.
    pub(crate) fn statements(stage: &Stage) -> Vec<Statement> {
        let mut statements = stage.proxy().statements();
        statements.retain(|statement| !is_beat(statement));
        statements
    }

    /// Looks until the cache answers for this session.
    pub(crate) async fn remember(&self, stage: &Stage, session: &Session) {
        eventually(async || self.look(stage, session).await == (true, 0)).await;
    }
}

/// Whether it is a heartbeat or a poll.
pub(crate) fn is_beat(statement: &Statement) -> bool {
    ["pg_notify", "lucia_change"]
        .iter()
        .any(|word| statement.sql.contains(word))
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

/// Waits until so many statements in the database wait for a lock that another transaction holds.
pub(crate) async fn until_waiting(database: &Database, count: i64) {
    const WAITING: &str = "SELECT count(*) FROM pg_stat_activity \
                           WHERE datname = current_database() AND wait_event_type = 'Lock'";

    let client = database.connect().await;
    let waiting = async || {
        client
            .query_one(WAITING, &[])
            .await
            .unwrap()
            .get::<_, i64>(0)
    };
    eventually(async || waiting().await == count).await;
}
