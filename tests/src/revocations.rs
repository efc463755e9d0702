//! How soon revocations are seen.

use std::time::Duration;

/// Prints how long it took until each of these revocations by another process was seen (R54).
///
/// # Panics
///
/// Where there are none, and when the 99th percentile is a second or more.
#[expect(clippy::print_stdout, reason = "the figures are for its reader")]
pub fn are_seen_within_a_second(mut seen: Vec<Duration>) {
    seen.sort();
    let count = seen.len();
    let [p50, p99, max] = [count / 2, count * 99 / 100, count - 1].map(|at| seen[at]);
    println!(
        "a revocation by another process was seen after {p50:?} (p50), {p99:?} (p99), {max:?} (max)"
    );
    assert!(p99 < Duration::from_secs(1), "{p99:?}");
}
