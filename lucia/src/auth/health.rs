//! Whether the stores work.

use std::future::poll_fn;
use std::pin::pin;
use std::task::Poll;

use super::Auth;
use crate::Error;
use crate::error::chain;
use crate::measure;
use crate::store::{Health, SessionStore, StoreHealth};

impl Auth {
    /// Checks whether each store works, with one cheap statement per store, all at the same time. Use it
    /// for the page that a load balancer or a monitoring system polls.
    ///
    /// It takes at most [`AuthBuilder::store_timeout`](crate::AuthBuilder::store_timeout), and usually at
    /// most the time-out of the store. A store that has not answered by then is
    /// [`Down`](crate::HealthStatus::Down). Nothing is cached between two calls.
    ///
    /// ```
    /// use lucia::{Auth, HealthStatus};
    ///
    /// async fn can_serve(auth: &Auth) -> bool {
    ///     let health = auth.health().await;
    ///     for store in &health.stores {
    ///         for reason in &store.reasons {
    ///             eprintln!("{} is {:?}: {reason}", store.name, store.status);
    ///         }
    ///     }
    ///     health.status < HealthStatus::Down
    /// }
    /// ```
    ///
    /// | | [`Degraded`](crate::HealthStatus::Degraded) |
    /// |---|---|
    /// | Postgres | callers are waiting because the pool has no free connection; the server is read-only; its synchronous standby is not connected; `synchronous_commit` is off; the cache does not answer because it receives no changes |
    /// | SQLite | the database cannot be written: another program keeps it locked, or the file is read-only |
    /// | Redis | the server is a replica; its memory is full; it cannot write to its disk; it has too few replicas for `min-replicas-to-write` or [`wait_for_replicas`](crate::RedisStoreBuilder::wait_for_replicas); it evicts keys; it has neither an append-only file nor a replica; the cache does not answer because it receives no changes |
    ///
    /// SQLite is also down if its file was deleted, because writes are then lost. Your own store decides
    /// what [`SessionStore::health`] reports.
    pub async fn health(&self) -> Health {
        let main = self.health_of(&*self.0.main_store);
        let stores = match &self.0.session_store {
            None => vec![main.await],
            Some(sessions) => both(main, self.health_of(&**sessions)).await.into(),
        };
        for store in &stores {
            measure::store_status(&store.name, store.status as u8);
        }
        Health::new(stores)
    }

    /// Records lucia's measurements of its pools, queues and cache through the facade crate `metrics`. Call
    /// it before your exporter reads. lucia counts without a lock while it serves requests, and records the
    /// counts here. The call does not query the database.
    ///
    /// `docs/monitoring.md` in the repository lists the names. Two `Auth`s in one process have gauges with
    /// the same names, so you see only those of the last call.
    #[cfg(feature = "metrics")]
    #[cfg_attr(docsrs, doc(cfg(feature = "metrics")))]
    pub fn record_metrics(&self) {
        self.0.passwords.record_metrics();
        self.store().record_metrics();
    }

    async fn health_of(&self, store: &dyn SessionStore) -> StoreHealth {
        let error = match self.ask(store.health()).await {
            Ok(health) => return health,
            Err(error) => error,
        };
        let reason = match &error {
            // The log has the error.
            Error::Unavailable(_) => "it does not answer: away, too slow or out of connections",
            _ => {
                tracing::error!(error = %chain(&error), "the store fails");
                "it answers with an error, which is in the log"
            }
        };
        StoreHealth::up(store.store_name()).down(reason)
    }
}

/// What two futures give that are polled beside each other. `join!` would take a crate more.
async fn both<T>(one: impl Future<Output = T>, other: impl Future<Output = T>) -> [T; 2] {
    let (mut one, mut other) = (pin!(one), pin!(other));
    let (mut first, mut second) = (None, None);
    poll_fn(|context| {
        if first.is_none()
            && let Poll::Ready(output) = one.as_mut().poll(context)
        {
            first = Some(output);
        }
        if second.is_none()
            && let Poll::Ready(output) = other.as_mut().poll(context)
        {
            second = Some(output);
        }
        match (first.take(), second.take()) {
            (Some(first), Some(second)) => Poll::Ready([first, second]),
            outputs => {
                (first, second) = outputs;
                Poll::Pending
            }
        }
    })
    .await
}
