use std::sync::Mutex;
use std::time::UNIX_EPOCH;

use super::*;
use crate::user::UserId;

fn event() -> Event {
    Event {
        time: UNIX_EPOCH,
        address: None,
        user_agent: None,
        kind: EventKind::UserDeleted {
            user_id: UserId::new("ada").unwrap(),
        },
    }
}

#[test]
fn r69_a_hook_that_panics_takes_nothing_from_those_behind_it() {
    let told = Arc::new(Mutex::new(Vec::new()));
    let mut listeners = Listeners::default();
    for panics in [false, true, false] {
        let told = told.clone();
        listeners.add(move |event| {
            told.lock().unwrap().push(event.kind.name());
            assert!(!panics, "the hook's own mistake");
        });
    }
    listeners.tell(&event());
    assert_eq!(*told.lock().unwrap(), ["user_deleted"; 3]);
}

#[test]
fn r69_a_hook_may_panic_while_its_call_panics() {
    struct Telling(Listeners);

    impl Drop for Telling {
        fn drop(&mut self) {
            self.0.tell(&event());
        }
    }

    let mut listeners = Listeners::default();
    listeners.add(|_| panic!("the hook's own mistake"));
    let call = std::thread::spawn(|| {
        let _telling = Telling(listeners);
        panic!("the call's own mistake");
    });
    call.join().unwrap_err();
}

#[cfg(feature = "metrics")]
mod counters {
    use std::collections::BTreeMap;
    use std::sync::atomic::{AtomicU64, Ordering};

    use ::metrics::{
        Counter, Gauge, Histogram, Key, KeyName, Metadata, Recorder, SharedString, Unit,
    };

    use super::*;
    use crate::event::SignInFailure;

    /// Counters, by their names and labels.
    #[derive(Default)]
    struct Counters(Mutex<BTreeMap<String, Arc<AtomicU64>>>);

    impl Recorder for Counters {
        fn describe_counter(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn describe_gauge(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn describe_histogram(&self, _: KeyName, _: Option<Unit>, _: SharedString) {}

        fn register_counter(&self, key: &Key, _: &Metadata<'_>) -> Counter {
            let labels = key.labels().map(|label| (label.key(), label.value()));
            let name = format!("{} {:?}", key.name(), labels.collect::<Vec<_>>());
            let mut counters = self.0.lock().unwrap();
            Counter::from_arc(counters.entry(name).or_default().clone())
        }

        fn register_gauge(&self, _: &Key, _: &Metadata<'_>) -> Gauge {
            Gauge::noop()
        }

        fn register_histogram(&self, _: &Key, _: &Metadata<'_>) -> Histogram {
            Histogram::noop()
        }
    }

    #[test]
    fn events_are_counted_by_kind_and_failures_by_reason() {
        let counters = Counters::default();
        let failed = Event {
            kind: EventKind::SignInFailed {
                reason: SignInFailure::Throttled,
                method: crate::user::key::SignInMethod::Password,
                provider_id: None,
                user_id: None,
            },
            ..event()
        };
        ::metrics::with_local_recorder(&counters, || {
            let listeners = Listeners::default();
            for event in [event(), failed.clone(), failed] {
                listeners.tell(&event);
            }
        });
        let counters = counters.0.into_inner().unwrap();
        let counted = counters
            .iter()
            .map(|(name, count)| format!("{name} {}", count.load(Ordering::Relaxed)));
        let expected = [
            r#"lucia_events_total [("event", "sign_in_failed")] 2"#,
            r#"lucia_events_total [("event", "user_deleted")] 1"#,
            r#"lucia_sign_in_failures_total [("reason", "throttled")] 2"#,
        ];
        assert_eq!(counted.collect::<Vec<_>>(), expected);
    }
}
