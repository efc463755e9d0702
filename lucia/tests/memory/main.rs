//! How much memory the checking of passwords takes, which is told for a process as a whole: this
//! is the only test of its process.

#![cfg(target_os = "linux")]
#![allow(clippy::unwrap_used)]

mod nobody;

use std::sync::{Arc, Barrier};

use lucia::{Auth, Error, PasswordOptions};

const AT_ONCE: usize = 2;

/// What one hash takes.
const HASH_KIB: usize = 19 * 1024;

/// A line of `/proc/self/status`, in KiB.
fn status(name: &str) -> usize {
    let status = std::fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix(name));
    let number = line.unwrap().trim_start_matches(':').trim();
    number.strip_suffix(" kB").unwrap().parse().unwrap()
}

/// Makes that many threads, which then take turns.
async fn make_blocking_threads(number: usize) {
    let barrier = Arc::new(Barrier::new(number));
    let threads: Vec<_> = (0..number)
        .map(|_| {
            let barrier = barrier.clone();
            tokio::task::spawn_blocking(move || barrier.wait())
        })
        .collect();
    for thread in threads {
        thread.await.unwrap();
    }
}

#[tokio::test]
async fn r37_the_memory_of_hashing_is_bounded_whichever_threads_it_runs_on() {
    let passwords = PasswordOptions::new().at_once(AT_ONCE).waiting(100);
    let auth = Auth::builder(nobody::Nobody)
        .passwords(passwords)
        .without_sign_in_limit()
        .build();
    let auth = auth.unwrap();
    make_blocking_threads(60).await;
    let before = status("VmRSS");

    let sign_in = |auth: Auth| async move {
        let refused = auth.verify_password(("username", "ada"), "a wrong password");
        let refused = refused.await.unwrap_err();
        assert!(matches!(refused, Error::InvalidCredentials), "{refused:?}");
    };
    for _ in 0..60 {
        sign_in(auth.clone()).await;
    }
    let in_turn = status("VmHWM") - before;
    let flood: Vec<_> = (0..60)
        .map(|_| tokio::spawn(sign_in(auth.clone())))
        .collect();
    for one in flood {
        one.await.unwrap();
    }
    let at_once = status("VmHWM") - before;

    // The peak, with something for everything else.
    let most = AT_ONCE * HASH_KIB + 16 * 1024;
    assert!(
        in_turn < most && at_once < most,
        "{in_turn} KiB in turn, {at_once} KiB at once"
    );
}
