//! Work that gives way to the threads that serve requests.

use std::io;

/// Runs `work` on another thread, of lower priority where the system has that for a single thread, and waits for it.
///
/// A hash takes a core for many milliseconds. Where all cores hash, a request with a session would wait for one as
/// long as the scheduler lets a thread run (ASVS 15.2.2). A thread can lower its own priority and not raise it again, so
/// it is a new one each time, which costs little beside a hash.
///
/// # Errors
///
/// If the system has no thread left.
#[cfg(target_os = "linux")]
pub(super) fn run<T: Send>(work: impl FnOnce() -> T + Send) -> io::Result<T> {
    /// A tenth of the weight of the threads that serve requests, so that sign-ins go on beside a load that takes all
    /// cores.
    const LOWER: i32 = 10;
    const LOWEST: i32 = 19;

    std::thread::scope(|scope| {
        let builder = std::thread::Builder::new().name("lucia-hash".to_owned());
        let thread = builder.spawn_scoped(scope, || {
            // On Linux, this changes only the calling thread. If the system refuses, the work has the usual priority.
            if let Ok(nice) = rustix::process::getpriority_process(None) {
                let nice = (nice + LOWER).min(LOWEST);
                let _ = rustix::process::setpriority_process(None, nice);
            }
            work()
        })?;
        match thread.join() {
            Ok(done) => Ok(done),
            Err(panic) => std::panic::resume_unwind(panic),
        }
    })
}

/// Runs `work`.
#[cfg(not(target_os = "linux"))]
pub(super) fn run<T>(work: impl FnOnce() -> T) -> io::Result<T> {
    Ok(work())
}

#[cfg(all(test, target_os = "linux"))]
mod tests {
    use super::*;

    #[test]
    fn r37_the_thread_that_works_gives_way_and_no_other_does() {
        let nice = || rustix::process::getpriority_process(None).unwrap();
        let before = nice();
        let (within, name) = run(|| {
            let thread = std::thread::current();
            (nice(), thread.name().map(str::to_owned))
        })
        .unwrap();
        assert!(within > before || before == 19, "{within} and {before}");
        assert_eq!(name.as_deref(), Some("lucia-hash"));
        assert_eq!(nice(), before);
    }

    #[test]
    fn r37_it_gives_way_in_a_process_of_low_priority_as_well() {
        let nice = || rustix::process::getpriority_process(None).unwrap();
        let lowered = std::thread::spawn(move || {
            rustix::process::setpriority_process(None, nice().max(15)).unwrap();
            (nice(), run(nice).unwrap())
        });
        let (before, within) = lowered.join().unwrap();
        assert!(before >= 15);
        assert_eq!(within, 19);
    }

    #[test]
    fn a_panic_is_passed_on() {
        let panic = std::panic::catch_unwind(|| run(|| panic!("of the work")));
        let panic = panic.unwrap_err();
        assert_eq!(panic.downcast_ref(), Some(&"of the work"));
    }
}
