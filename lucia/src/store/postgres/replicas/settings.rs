//! The settings of replicas.

use std::fmt;
use std::time::Duration;

use deadpool_postgres::Pool;

use super::super::PgStoreBuilder;
use crate::{Error, Result};

/// The shortest and the longest bound.
const BOUNDS: [Duration; 2] = [Duration::from_millis(100), Duration::from_secs(10)];

/// The pools of replicas, and how old their data may be.
#[derive(Clone)]
pub(in super::super) struct Settings {
    pub(super) pools: Vec<Pool>,
    pub(super) max_staleness: Duration,
}

impl Settings {
    pub(in super::super) fn new(
        pools: impl IntoIterator<Item = Pool>,
        max_staleness: Duration,
    ) -> Self {
        Self {
            pools: pools.into_iter().collect(),
            max_staleness,
        }
    }

    pub(in super::super) fn check(&self) -> Result<()> {
        let [shortest, longest] = BOUNDS;
        if self.pools.is_empty() {
            return Err(Error::setting("replicas", "there is no pool among them"));
        }
        if self.max_staleness < shortest {
            let reason = "below 100 ms, an ordinary delay would send all lookups to the primary";
            return Err(Error::setting("replicas.max_staleness", reason));
        }
        if self.max_staleness > longest {
            let reason = "a revocation could go unseen for longer than 10 seconds";
            return Err(Error::setting("replicas.max_staleness", reason));
        }
        Ok(())
    }
}

impl PgStoreBuilder {
    /// Looks sessions up, with their users, at read-only replicas: standbys that follow the primary by streaming
    /// replication. By default all goes to the primary, and all else still does.
    ///
    /// No answer of a replica counts whose data is older than `max_staleness`, between 100 ms and 10 seconds. For that
    /// time at the most, a session that **another process** has ended goes on here, and a user has the columns that
    /// they had. This store, and a clone of it, sees its own changes at once. Where a replica is too far behind,
    /// does not answer, or knows no such session, the lookup is made at the primary, within the same time-out.
    ///
    /// Give each replica a pool. Lookups are spread over those that are well.
    ///
    /// It takes the table `lucia_heartbeat`, which [`migrate`](crate::PgStore::migrate) makes from
    /// `migrations/postgres/replicas.sql`. Each process writes a row there and reads it at each replica, four times
    /// within the `max_staleness`. A [`cache`](Self::cache) has no use for replicas, and a store of users or
    /// sessions alone ([`AuthBuilder::sessions`](crate::AuthBuilder::sessions)) has none either: both are refused.
    ///
    /// ```no_run
    /// # async fn f() -> Result<(), Box<dyn std::error::Error>> {
    /// use std::time::Duration;
    ///
    /// use lucia::PgStore;
    /// use lucia::deadpool_postgres::tokio_postgres::NoTls;
    /// use lucia::deadpool_postgres::{Config, Runtime};
    ///
    /// let mut config = Config::new();
    /// config.url = Some("postgres://app@two/app".to_owned());
    /// let replica = config.create_pool(Some(Runtime::Tokio1), NoTls)?;
    /// let store = PgStore::builder()
    ///     .replicas([replica], Duration::from_secs(1))
    ///     .connect("postgres://app@one,two/app?target_session_attrs=read-write")
    ///     .await?;
    /// store.migrate(&[]).await?; // makes the table of heartbeats
    /// # Ok(()) }
    /// ```
    pub fn replicas(
        mut self,
        pools: impl IntoIterator<Item = Pool>,
        max_staleness: Duration,
    ) -> Self {
        self.replicas = Some(Settings::new(pools, max_staleness));
        self
    }
}

/// Without the pools, which know passwords.
impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Replicas")
            .field("pools", &self.pools.len())
            .field("max_staleness", &self.max_staleness)
            .finish_non_exhaustive()
    }
}
