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
