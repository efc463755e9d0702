//! The suite on a store in memory: it passes as it should be, and each fault is found.

mod attempts;
mod credentials;
mod faults;
mod key_writes;
mod mails;
mod memory;
mod sessions;
mod together;
mod tokens;
mod users;

use std::panic::AssertUnwindSafe;

use super::{Case, SessionCase};
use faults::Fault;
use memory::Memory;

mod with_users {
    use super::*;

    async fn on_a_fresh_store(case: Case) {
        case.run(&Memory::default()).await;
    }

    crate::store_conformance!(
        #[tokio::test]
        on_a_fresh_store
    );
}

mod of_sessions_alone {
    use super::*;

    /// It knows no users, and takes all for some.
    async fn on_a_fresh_store(case: SessionCase) {
        case.run(&Memory::with(Fault::TakesSessionsOfNobody)).await;
    }

    crate::session_store_conformance!(
        #[tokio::test]
        on_a_fresh_store
    );
}

#[test]
fn each_fault_of_a_store_is_found() {
    let fails = |case: Case, fault: Fault| {
        let store = Memory::with(fault);
        let mut runtime = tokio::runtime::Builder::new_current_thread();
        let runtime = runtime.build().unwrap();
        let run = AssertUnwindSafe(|| runtime.block_on(case.run(&store)));
        std::panic::catch_unwind(run).is_err()
    };
    let is_missed = |fault: &&Fault| !Case::all().any(|case| fails(case, **fault));
    let missed: Vec<_> = Fault::ALL.iter().filter(is_missed).collect();
    assert!(missed.is_empty(), "{missed:?}");
}

#[test]
fn every_case_has_a_name_of_its_own() {
    let mut names: Vec<_> = Case::all().map(|case| case.name()).collect();
    let count = names.len();
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
    for case in SessionCase::all() {
        assert_eq!(Case::named(case.name()).name(), case.name());
    }
}
