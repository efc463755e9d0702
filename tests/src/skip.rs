use std::io::Write;

/// Says that a test is left out and why, where libtest does not hide it. In CI nothing is left
/// out.
///
/// # Panics
///
/// When the environment variable `CI` is set.
pub fn skip(name: &str, why: &str) {
    assert!(
        std::env::var_os("CI").is_none(),
        "{name} cannot be left out in CI: {why}"
    );
    // `eprintln!` is captured, a write to the handle is not.
    let _ = writeln!(std::io::stderr(), "skipped: {name}: {why}");
}
