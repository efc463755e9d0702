//! Lookups at a replica: a real standby, which follows by streaming replication.

mod decisions;
mod others;
mod paused;
mod settings;
mod trouble;

use std::time::Duration;

use lucia::deadpool_postgres::{Manager, Pool};
use lucia::{Auth, HealthStatus, PgStore, PgStoreBuilder, Session, SessionToken};
use lucia_tests::{Database, Pair, Proxy, Replication, TestClock, programs_are_installed, skip};
use tokio_postgres::NoTls;

use crate::support::eventually;

const COLUMNS: &[&str] = &["username TEXT NOT NULL UNIQUE"];

/// A time-out that no test waits for.
const PATIENCE: Duration = Duration::from_secs(20);

/// A bound that no answer is too old for while a test looks.
const LONG: Duration = Duration::from_secs(10);

/// A primary and its standby, a database with the tables, and what goes to each of them.
struct Replicated {
    pair: Pair,
    database: Database,
    clock: TestClock,
    primary: Proxy,
    replica: Proxy,
}

/// A process of its own, by the look of it.
struct Process {
    store: PgStore,
    auth: Auth,
}

impl Replicated {
    /// `None` where servers cannot be started.
    async fn start(test: &str) -> Option<Self> {
        if !programs_are_installed() {
            skip(test, "no programs of Postgres to start two servers");
            return None;
        }
        let pair = tokio::task::spawn_blocking(|| Pair::start(Replication::Asynchronous));
        let pair = pair.await.unwrap().unwrap();
        let database = Database::on(&pair.primary().url()).await;
        let store = PgStore::builder().replicas([pool(&database.url())], LONG);
        let store = store.connect(&database.url()).await.unwrap();
        store.migrate(COLUMNS).await.unwrap();
        let before = |port| Proxy::before_host(("127.0.0.1".to_owned(), port));
        Some(Self {
            primary: before(pair.primary().port()).await,
            replica: before(pair.standby().port()).await,
            clock: TestClock::new(),
            pair,
            database,
        })
    }

    /// A process whose lookups go to the replica. It is there when they do.
    async fn process(&self, max_staleness: Duration) -> Process {
        let process = self.process_over(max_staleness, self.replica.port()).await;
        process.is_well().await;
        self.lookups();
        process
    }

    /// A process whose replica is at this port.
    async fn process_over(&self, max_staleness: Duration, replica: u16) -> Process {
        let replica = pool(&self.database.url_by(replica));
        let builder = PgStore::builder().replicas([replica], max_staleness);
        self.process_with(builder, self.primary.port()).await
    }

    async fn process_with(&self, builder: PgStoreBuilder, primary: u16) -> Process {
        let url = self.database.url_by(primary);
        let store = builder.timeout(PATIENCE).connect(&url).await.unwrap();
        let auth = Auth::builder(store.clone()).clock(self.clock.reader());
        let auth = auth.build().unwrap();
        Process { store, auth }
    }

    /// How many statements have looked sessions up since the last call: at the primary, and at the replica.
    fn lookups(&self) -> (usize, usize) {
        let lookups = |proxy: &Proxy| {
            let statements = proxy.statements();
            let is_lookup = |sql: &&str| sql.starts_with("SELECT") && sql.contains("\"auth_user\"");
            let statements = statements.iter().map(|statement| &*statement.sql);
            statements.filter(is_lookup).count()
        };
        (lookups(&self.primary), lookups(&self.replica))
    }

    /// A session that the process reads at its replica.
    async fn session(&self, process: &Process, username: &str) -> Session {
        let session = crate::support::sign_up(&process.auth, username).await;
        self.is_read_at_the_replica(process, &session).await;
        session
    }

    async fn is_read_at_the_replica(&self, process: &Process, session: &Session) {
        self.lookups();
        eventually(async || {
            assert!(process.is_valid(session.token()).await);
            self.lookups() == (0, 1)
        })
        .await;
    }

    /// Has the replica stay as it is, or go on.
    async fn pause(&self, paused: bool) {
        std::thread::scope(|scope| {
            let pausing = scope.spawn(|| self.pair.standby().pause_replay(paused));
            pausing.join().unwrap().unwrap();
        });
    }
}

impl Process {
    async fn is_well(&self) {
        eventually(async || self.auth.health().await.status == HealthStatus::Up).await;
    }

    async fn is_valid(&self, token: &SessionToken) -> bool {
        self.auth.validate_session(token).await.unwrap().is_some()
    }

    /// The only thing that is wrong, as its operator is told.
    async fn complaint(&self) -> String {
        let mut health = self.auth.health().await;
        assert_eq!(health.status, HealthStatus::Degraded, "{health:?}");
        let mut reasons = health.stores.remove(0).reasons;
        assert_eq!(reasons.len(), 1, "{reasons:?}");
        let reason = reasons.remove(0);
        assert!(!reason.contains("127.0.0.1"), "{reason}");
        reason
    }
}

fn pool(url: &str) -> Pool {
    let manager = Manager::new(url.parse().unwrap(), NoTls);
    Pool::builder(manager).max_size(8).build().unwrap()
}
