//! The applications that are built, each as a separate project.

use std::fmt::Write;
use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};

/// An application, and what it depends on.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Application {
    pub(crate) name: &'static str,
    /// The one that it is compared to: without authentication, or lucia with its default features.
    pub(crate) base: Option<&'static str>,
    /// The text of its `main.rs`.
    source: &'static str,
    dependencies: &'static [&'static str],
    /// The features of lucia; none where it does not depend on lucia.
    lucia: Option<&'static [&'static str]>,
}

const ACTIX: &[&str] =
    &[r#"actix-web = { version = "4.15", default-features = false, features = ["macros"] }"#];
const ACTIX_POSTGRES: &[&str] = &[
    r#"actix-web = { version = "4.15", default-features = false, features = ["macros"] }"#,
    r#"deadpool-postgres = "0.14""#,
    r#"tokio-postgres = "0.7""#,
];
const ACTIX_SERDE: &[&str] = &[
    r#"actix-web = { version = "4.15", default-features = false, features = ["macros"] }"#,
    r#"serde = { version = "1", features = ["derive"] }"#,
];
const ACTIX_IDENTITY: &[&str] = &[
    r#"actix-web = { version = "4.15", default-features = false, features = ["macros"] }"#,
    r#"actix-identity = "0.9""#,
    r#"actix-session = { version = "0.11", features = ["cookie-session"] }"#,
];
const AXUM: &[&str] = &[
    r#"axum = { version = "0.8", default-features = false, features = ["http1", "tokio"] }"#,
    r#"tokio = { version = "1", features = ["macros", "net", "rt-multi-thread"] }"#,
];
const AXUM_SERDE: &[&str] = &[
    r#"axum = { version = "0.8", default-features = false, features = ["http1", "tokio"] }"#,
    r#"serde = { version = "1", features = ["derive"] }"#,
    r#"tokio = { version = "1", features = ["macros", "net", "rt-multi-thread"] }"#,
];
const AXUM_LOGIN: &[&str] = &[
    r#"axum = { version = "0.8", default-features = false, features = ["http1", "tokio"] }"#,
    r#"axum-login = "0.18""#,
    r#"sqlx = { version = "0.8", default-features = false, features = ["derive", "postgres", "runtime-tokio"] }"#,
    r#"tokio = { version = "1", features = ["macros", "net", "rt-multi-thread"] }"#,
    r#"tower-sessions-sqlx-store = { version = "0.15", features = ["postgres"] }"#,
];

const PLAIN_ACTIX: &str = include_str!("../examples/actix.rs");
const LUCIA_ACTIX: &str = include_str!("../examples/lucia-actix.rs");

/// lucia with its default features and another one.
const fn lucia_and(name: &'static str, features: &'static [&'static str]) -> Application {
    Application {
        name,
        base: Some("lucia (actix, macros, postgres)"),
        source: LUCIA_ACTIX,
        dependencies: ACTIX_SERDE,
        lucia: Some(features),
    }
}

pub(crate) const ALL: &[Application] = &[
    Application {
        name: "actix-web",
        base: None,
        source: PLAIN_ACTIX,
        dependencies: ACTIX,
        lucia: None,
    },
    Application {
        name: "actix-web, deadpool-postgres",
        base: Some("actix-web"),
        source: include_str!("../examples/actix-postgres.rs"),
        dependencies: ACTIX_POSTGRES,
        lucia: None,
    },
    Application {
        name: "lucia without features",
        base: Some("actix-web"),
        source: PLAIN_ACTIX,
        dependencies: ACTIX_SERDE,
        lucia: Some(&[]),
    },
    Application {
        name: "lucia with actix, macros",
        base: Some("actix-web"),
        source: PLAIN_ACTIX,
        dependencies: ACTIX_SERDE,
        lucia: Some(&["actix", "macros"]),
    },
    Application {
        name: "lucia (actix, macros, postgres)",
        base: Some("actix-web"),
        source: LUCIA_ACTIX,
        dependencies: ACTIX_SERDE,
        lucia: Some(&["actix", "macros", "postgres"]),
    },
    lucia_and("lucia and cache", &["actix", "macros", "postgres", "cache"]),
    lucia_and(
        "lucia and legacy-hashes",
        &["actix", "macros", "postgres", "legacy-hashes"],
    ),
    lucia_and(
        "lucia and metrics",
        &["actix", "macros", "postgres", "metrics"],
    ),
    lucia_and("lucia and oauth", &["actix", "macros", "postgres", "oauth"]),
    lucia_and("lucia and redis", &["actix", "macros", "postgres", "redis"]),
    lucia_and("lucia and smtp", &["actix", "macros", "postgres", "smtp"]),
    lucia_and(
        "lucia and sqlite",
        &["actix", "macros", "postgres", "sqlite"],
    ),
    Application {
        name: "actix-identity, cookies",
        base: Some("actix-web"),
        source: include_str!("../examples/actix-identity.rs"),
        dependencies: ACTIX_IDENTITY,
        lucia: None,
    },
    Application {
        name: "axum",
        base: None,
        source: include_str!("../examples/axum.rs"),
        dependencies: AXUM,
        lucia: None,
    },
    Application {
        name: "lucia on axum (axum, macros, postgres)",
        base: Some("axum"),
        source: include_str!("../examples/lucia-axum.rs"),
        dependencies: AXUM_SERDE,
        lucia: Some(&["axum", "macros", "postgres"]),
    },
    Application {
        name: "axum-login, tower-sessions, sqlx",
        base: Some("axum"),
        source: include_str!("../examples/axum-login.rs"),
        dependencies: AXUM_LOGIN,
        lucia: None,
    },
];

impl Application {
    /// Its source after so many changes.
    pub(crate) fn source(&self, change: u32) -> String {
        self.source.replace("Hello 0", &format!("Hello {change}"))
    }

    /// Its project in this directory.
    pub(crate) fn project(&self, directory: &Path) -> Result<Project> {
        let mut dependencies: Vec<String> =
            self.dependencies.iter().map(ToString::to_string).collect();
        dependencies.extend(self.lucia.map(lucia));
        Project::new(directory, "main.rs", &dependencies, &self.source(0))
    }
}

/// The dependency on this lucia.
pub(crate) fn lucia(features: &[&str]) -> String {
    let path = repository().join("lucia");
    format!("lucia = {{ path = {path:?}, default-features = false, features = {features:?} }}")
}

fn repository() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

/// A package in a workspace of its own, with the versions that lucia's workspace or that of the kit has.
#[derive(Debug)]
pub(crate) struct Project {
    directory: PathBuf,
    file: PathBuf,
}

impl Project {
    /// `file` is `main.rs` or `lib.rs`.
    pub(crate) fn new(
        directory: &Path,
        file: &str,
        dependencies: &[String],
        source: &str,
    ) -> Result<Self> {
        let mut manifest = String::from(
            "[package]\nname = \"application\"\nedition = \"2024\"\n\n[workspace]\n\n[dependencies]\n",
        );
        for dependency in dependencies {
            writeln!(manifest, "{dependency}")?;
        }
        let sources = directory.join("src");
        fs::create_dir_all(&sources)
            .with_context(|| format!("cannot make {}", sources.display()))?;
        fs::write(directory.join("Cargo.toml"), manifest)?;
        // That of the workspace of the kit has not all that features of lucia need.
        let lock = match dependencies.iter().any(|one| one.starts_with("lucia = ")) {
            true => repository().join("Cargo.lock"),
            false => repository().join("bench/Cargo.lock"),
        };
        fs::copy(lock, directory.join("Cargo.lock"))?;
        let project = Self {
            directory: directory.to_owned(),
            file: sources.join(file),
        };
        project.write(source)?;
        Ok(project)
    }

    pub(crate) fn directory(&self) -> &Path {
        &self.directory
    }

    pub(crate) fn write(&self, source: &str) -> Result<()> {
        Ok(fs::write(&self.file, source)?)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::{BTreeSet, HashMap};
    use std::process::Command;

    use super::*;

    /// The crates of an application, as Cargo resolves them.
    fn crates(application: &Application) -> BTreeSet<String> {
        let directory = tempfile::tempdir().unwrap();
        let project = application.project(directory.path()).unwrap();
        let output = Command::new("cargo")
            .args(["tree", "--offline", "--prefix=none", "--edges=normal,build"])
            .current_dir(project.directory())
            .output()
            .unwrap();
        let error = String::from_utf8_lossy(&output.stderr);
        assert!(output.status.success(), "{}: {error}", application.name);
        let text = String::from_utf8(output.stdout).unwrap();
        let words = text.lines().filter_map(|line| line.split(' ').next());
        words.map(str::to_owned).collect()
    }

    #[test]
    fn every_application_resolves_and_has_more_crates_than_the_one_without_authentication() {
        let all: HashMap<_, _> = ALL.iter().map(|one| (one.name, crates(one))).collect();
        for application in ALL {
            let found = &all[application.name];
            assert_eq!(found.contains("lucia"), application.lucia.is_some());
            if let Some(base) = application.base {
                assert!(found.len() > all[base].len(), "{}", application.name);
            }
        }
    }

    #[test]
    fn a_change_changes_every_application() {
        for application in ALL {
            assert_ne!(
                application.source(1),
                application.source(0),
                "{}",
                application.name
            );
        }
    }
}
