//! What lucia records by the facade `metrics`.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures_util::FutureExt as _;
use futures_util::future::join_all;
use lucia::mail::{Mail, Mailer, SendError};
use lucia::{Auth, CacheOptions, PasswordOptions, PgStore, SessionToken, SqliteStore};
use metrics::{
    Counter, CounterFn, Gauge, GaugeFn, Histogram, HistogramFn, Key, KeyName, Metadata, Recorder,
    SharedString, Unit,
};

use crate::split::WITHOUT_USERS;
use crate::support::{Caching, PASSWORD, Stage, eventually, sign_up};

/// The values by name and label, such as `lucia_events_total signed_in`. A histogram has the number of its values.
#[derive(Clone, Default)]
pub(crate) struct Recorded(Arc<Mutex<BTreeMap<String, f64>>>);

struct Value {
    of: Recorded,
    name: String,
}

impl Recorded {
    pub(crate) fn value(&self, name: &str) -> Option<f64> {
        self.0.lock().unwrap().get(name).copied()
    }

    /// Checks a value, and forgets it.
    fn assert_next(&self, name: &str, value: f64) {
        let recorded = self.0.lock().unwrap().remove(name);
        assert_eq!(
            recorded,
            Some(value),
            "{name}: {:?}",
            self.0.lock().unwrap()
        );
    }

    fn of(&self, key: &Key) -> Arc<Value> {
        let words = key.labels().map(metrics::Label::value);
        let words: Vec<_> = [key.name()].into_iter().chain(words).collect();
        Arc::new(Value {
            of: self.clone(),
            name: words.join(" "),
        })
    }
}

impl Value {
    fn change(&self, change: impl FnOnce(f64) -> f64) {
        let mut values = self.of.0.lock().unwrap();
        let value = values.entry(self.name.clone()).or_default();
        *value = change(*value);
    }
}

impl CounterFn for Value {
    fn increment(&self, more: u64) {
        self.change(|value| value + more as f64);
    }

    fn absolute(&self, value: u64) {
        self.change(|_| value as f64);
    }
}

impl GaugeFn for Value {
    fn increment(&self, more: f64) {
        self.change(|value| value + more);
    }

    fn decrement(&self, less: f64) {
        self.change(|value| value - less);
    }

    fn set(&self, new: f64) {
        self.change(|_| new);
    }
}

impl HistogramFn for Value {
    fn record(&self, _: f64) {
        self.change(|count| count + 1.0);
    }
}

impl Recorder for Recorded {
    fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

    fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
        Counter::from_arc(self.of(key))
    }

    fn register_gauge(&self, key: &Key, _: &Metadata<'_>) -> Gauge {
        Gauge::from_arc(self.of(key))
    }

    fn register_histogram(&self, key: &Key, _: &Metadata<'_>) -> Histogram {
        Histogram::from_arc(self.of(key))
    }
}

/// Runs on one thread, whose records `recorded` gets.
fn recording(test: impl AsyncFnOnce(&Recorded)) {
    let recorded = Recorded::default();
    let mut runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = runtime.enable_all().build().unwrap();
    metrics::with_local_recorder(&recorded, || runtime.block_on(test(&recorded)));
}

#[test]
fn a_pool_a_cache_and_batches_are_measured() {
    recording(async |recorded| {
        let stage = Stage::postgres().await;
        let caching = Caching::with(&stage, PgStore::builder(), CacheOptions::new()).await;
        let auth = Auth::builder(caching.store.clone()).build().unwrap();
        let session = sign_up(&auth, "ada").await;
        caching.remember(&stage, &session).await;
        auth.record_metrics();
        recorded.assert_next("lucia_pool_connections_max postgres", 8.0);
        recorded.assert_next("lucia_pool_waiting postgres", 0.0);
        recorded.assert_next("lucia_cache_answering postgres", 1.0);
        recorded.assert_next("lucia_cache_entries postgres sessions", 1.0);
        recorded.assert_next("lucia_cache_entries postgres users", 1.0);
        recorded.0.lock().unwrap().clear();

        for _ in 0..3 {
            assert!(
                auth.validate_session(session.token())
                    .await
                    .unwrap()
                    .is_some()
            );
        }
        let unknown = SessionToken::parse(&"0".repeat(40)).unwrap();
        let lookups = join_all((0..10).map(|_| auth.validate_session(&unknown))).await;
        assert!(lookups.into_iter().all(|found| matches!(found, Ok(None))));
        auth.record_metrics();
        recorded.assert_next("lucia_cache_hits_total postgres", 3.0);
        recorded.assert_next("lucia_cache_misses_total postgres", 10.0);
        recorded.assert_next("lucia_batch_lookups_total postgres", 10.0);
        let statements = recorded
            .value("lucia_batch_statements_total postgres")
            .unwrap();
        assert!((1.0..10.0).contains(&statements), "{statements}");
        recorded.assert_next("lucia_batch_waiting postgres", 0.0);
        // What was recorded is not recorded again.
        auth.record_metrics();
        recorded.assert_next("lucia_cache_hits_total postgres", 0.0);

        let total = |name: &str| recorded.value(name).unwrap_or_default();
        let sql = format!("DELETE FROM user_session WHERE id = '{}'", session.id);
        stage.execute(&sql).await;
        eventually(async || {
            auth.record_metrics();
            total("lucia_cache_invalidations_total postgres") >= 1.0
        })
        .await;
        caching.listener.cut();
        eventually(async || {
            auth.record_metrics();
            total("lucia_cache_interruptions_total postgres") == 1.0
                && total("lucia_cache_answering postgres") == 0.0
        })
        .await;

        // The database is away.
        stage.proxy().cut();
        auth.delete_expired_sessions().await.unwrap_err();
        recorded.assert_next("lucia_sweep_failures_total sessions", 1.0);
        assert_eq!(auth.health().await.stores.len(), 1);
        recorded.assert_next("lucia_store_status postgres", 2.0);
    });
}

#[test]
fn batches_of_two_stores_are_measured() {
    recording(async |recorded| {
        let users = Stage::postgres().await;
        let sessions = Stage::sqlite().await;
        sessions.execute(WITHOUT_USERS).await;
        let auth = Auth::builder(users.store().await).sessions(sessions.store().await);
        let auth = auth.build().unwrap();
        let session = sign_up(&auth, "ada").await;
        let lookups = (0..10).map(|_| auth.validate_session(session.token()));
        let found = join_all(lookups).await;
        assert!(found.into_iter().all(|found| matches!(found, Ok(Some(_)))));
        auth.record_metrics();
        // The users are asked for by these batches.
        recorded.assert_next("lucia_batch_lookups_total postgres", 0.0);
        recorded.assert_next("lucia_batch_lookups_total sqlite", 10.0);
        recorded.assert_next("lucia_batch_statements_total sqlite", 2.0);
        recorded.assert_next("lucia_batch_waiting sqlite", 0.0);
        recorded.assert_next("lucia_pool_waiting postgres", 0.0);
        recorded.assert_next("lucia_pool_waiting sqlite", 0.0);
    });
}

/// Refuses what has this subject.
struct Refusing(&'static str);

#[async_trait]
impl Mailer for Refusing {
    async fn send(&self, mail: &Mail) -> Result<(), SendError> {
        match mail.subject() == self.0 {
            true => Err(SendError::refused("no such mailbox")),
            false => Ok(()),
        }
    }
}

#[test]
fn hashes_sweeps_mails_and_events_are_measured() {
    recording(async |recorded| {
        let store = SqliteStore::in_memory().await.unwrap();
        store
            .migrate(&["username TEXT NOT NULL UNIQUE"])
            .await
            .unwrap();
        let passwords = PasswordOptions::new().at_once(1).waiting(1);
        let auth = Auth::builder(store).passwords(passwords);
        let auth = auth.build().unwrap();
        let session = sign_up(&auth, "ada").await;
        recorded.assert_next("lucia_events_total user_created", 1.0);

        let verify = || auth.verify_password(("username", "ada"), PASSWORD);
        let watch = async {
            // All three have looked for the key, which takes other threads.
            while recorded.value("lucia_hashes_refused_total") != Some(1.0) {
                tokio::time::sleep(Duration::from_millis(1)).await;
                auth.record_metrics();
            }
        };
        let (one, other, third, ()) = tokio::join!(verify(), verify(), verify(), watch);
        let busy = [one, other, third]
            .into_iter()
            .filter(|verified| matches!(verified, Err(lucia::Error::Busy)));
        assert_eq!(busy.count(), 1);
        recorded.assert_next("lucia_sign_in_failures_total busy", 1.0);
        auth.record_metrics();
        recorded.assert_next("lucia_hashes_running", 0.0);
        recorded.assert_next("lucia_hashes_waiting", 0.0);
        recorded.assert_next("lucia_pool_connections_max sqlite", 1.0);
        recorded.assert_next("lucia_pool_connections_in_use sqlite", 0.0);
        recorded.assert_next("lucia_pool_waiting sqlite", 0.0);
        // The first one has the connection, unless it is done at once.
        eventually(async || {
            let mut lookups = [(); 3].map(|()| Box::pin(auth.session(&session.id)));
            let polled = lookups.iter_mut().map(|lookup| lookup.now_or_never());
            let waiting = polled.filter(Option::is_none).count();
            auth.record_metrics();
            waiting == 3 && recorded.value("lucia_pool_waiting sqlite") == Some(2.0)
        })
        .await;

        assert_eq!(auth.health().await.stores.len(), 1);
        recorded.assert_next("lucia_store_status sqlite", 0.0);

        auth.delete_expired_sessions().await.unwrap();
        recorded.assert_next("lucia_sweep_deleted_total sessions", 0.0);
        recorded.assert_next("lucia_sweep_duration_seconds", 1.0);
        drop(session);

        let outbox = auth
            .outbox(Refusing("two"))
            .in_memory()
            .start()
            .await
            .unwrap();
        for subject in ["one", "two", "three"] {
            let mail = Mail::new("ada@example.com", subject, "text").unwrap();
            outbox.send(mail).unwrap();
        }
        outbox.stop().await;
        let late = Mail::new("ada@example.com", "late", "text").unwrap();
        outbox.send(late).unwrap_err();
        recorded.assert_next("lucia_mails_total sent", 2.0);
        recorded.assert_next("lucia_mails_total refused", 1.0);
        recorded.assert_next("lucia_mails_total dropped", 1.0);
        recorded.assert_next("lucia_mails_in_memory", 0.0);
    });
}
