//! Where the programs of Postgres are.

use std::path::{Path, PathBuf};

const HOMEBREW: [&str; 3] = [
    "/opt/homebrew/opt",
    "/usr/local/opt",
    "/home/linuxbrew/.linuxbrew/opt",
];

/// Whether tests can start a Postgres of their own.
#[must_use]
pub fn programs_are_installed() -> bool {
    directory().is_ok()
}

/// The directory with `initdb` and `postgres`.
///
/// # Errors
///
/// What to install.
pub(super) fn directory() -> Result<PathBuf, String> {
    let complete = |directory: &PathBuf| {
        directory.join("initdb").is_file() && directory.join("postgres").is_file()
    };
    let path = std::env::var_os("PATH").unwrap_or_default();
    let on_path = std::env::split_paths(&path);
    let debian = newest(Path::new("/usr/lib/postgresql"), "");
    let homebrew = HOMEBREW
        .iter()
        .flat_map(|prefix| newest(Path::new(prefix), "postgresql"));
    on_path
        .chain(debian)
        .chain(homebrew)
        .find(complete)
        .ok_or_else(|| {
            "no Postgres for the tests: install it (Debian: `apt-get install postgresql`; macOS: \
             `brew install postgresql`) or set DATABASE_URL to a server where databases may be \
             created"
                .to_owned()
        })
}

/// Another program of the same version, where `directory` may hold links to some of them only.
pub(super) fn sibling(directory: &Path, name: &str) -> PathBuf {
    let original = directory.join("postgres").canonicalize().ok();
    let beside = original
        .as_deref()
        .and_then(Path::parent)
        .map(|parent| parent.join(name));
    beside
        .filter(|program| program.is_file())
        .unwrap_or_else(|| directory.join(name))
}

/// The `bin` of each version below `parent`, the newest first.
fn newest(parent: &Path, prefix: &str) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(parent).into_iter().flatten().flatten();
    let mut versions: Vec<_> = entries
        .filter_map(|entry| {
            let name = entry.file_name().into_string().ok()?;
            let version = name
                .strip_prefix(prefix)?
                .trim_start_matches('@')
                .to_owned();
            Some((
                version.parse::<f32>().unwrap_or(0.0),
                entry.path().join("bin"),
            ))
        })
        .collect();
    versions.sort_by(|(one, _), (other, _)| other.total_cmp(one));
    versions.into_iter().map(|(_, bin)| bin).collect()
}
