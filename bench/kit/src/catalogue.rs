//! The servers that can be compared.

use std::path::{Path, PathBuf};

use anyhow::{Context, Result, bail};

/// The handler that is written by hand on actix-web, to which all others are compared that are not on axum.
pub(crate) const HAND_WRITTEN: &str = "hand-written";

/// The same on axum, to which others on axum are compared.
pub(crate) const HAND_WRITTEN_AXUM: &str = "hand-written-axum";

/// The one that answers from memory.
pub(crate) const LUCIA_CACHE: &str = "lucia-cache";

/// lucia with its sessions in Redis.
pub(crate) const LUCIA_REDIS: &str = "lucia-redis";
/// The same, with its users in the cache.
pub(crate) const LUCIA_REDIS_CACHE: &str = "lucia-redis-cache";
/// The same, with its sessions in a cache as well.
pub(crate) const LUCIA_REDIS_CACHES: &str = "lucia-redis-caches";

/// What that is compared to besides.
pub(crate) const ACTIX_SESSION: &str = "actix-session";

/// A server as it can be asked for.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Entry {
    /// What the command line calls it.
    pub(crate) name: &'static str,
    /// What the report calls it.
    pub(crate) title: &'static str,
    /// Where it is, below `bench/servers`.
    pub(crate) directory: &'static str,
    /// What comes after `serve`.
    pub(crate) arguments: &'static [&'static str],
    pub(crate) language: Language,
    pub(crate) sessions: Sessions,
    /// The server that it is compared to: the hand-written one on the same framework.
    pub(crate) base: &'static str,
    /// The packages whose versions the report names.
    pub(crate) packages: &'static [&'static str],
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Language {
    Rust,
    /// JavaScript, in Node of this major version or a newer one.
    Node(u32),
}

/// Whose sessions a server answers for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Sessions {
    /// Nobody's: it answers everybody as the first user.
    Nobodys,
    /// Those in lucia's tables, which the kit makes.
    OfTheKit,
    /// Those that its `seed` makes, in Postgres.
    OwnInPostgres,
    /// Those that its `seed` makes, in Redis.
    OwnInRedis,
}

pub(crate) const ALL: &[Entry] = &[
    Entry {
        name: "no-auth",
        title: "no authentication",
        directory: "no-auth",
        arguments: &[],
        language: Language::Rust,
        sessions: Sessions::Nobodys,
        base: HAND_WRITTEN,
        packages: &["actix-web"],
    },
    Entry {
        name: "lucia-anonymous",
        title: "lucia, anonymous",
        directory: "lucia-actix",
        arguments: &["anonymous"],
        language: Language::Rust,
        sessions: Sessions::Nobodys,
        base: HAND_WRITTEN,
        packages: &["actix-web"],
    },
    Entry {
        name: HAND_WRITTEN,
        title: "hand-written",
        directory: "hand-written",
        arguments: &[],
        language: Language::Rust,
        sessions: Sessions::OfTheKit,
        base: HAND_WRITTEN,
        packages: &["actix-web", "deadpool-postgres", "tokio-postgres"],
    },
    Entry {
        name: "lucia",
        title: "lucia",
        directory: "lucia-actix",
        arguments: &[],
        language: Language::Rust,
        sessions: Sessions::OfTheKit,
        base: HAND_WRITTEN,
        packages: &["actix-web", "deadpool-postgres", "tokio-postgres"],
    },
    Entry {
        name: "lucia-one-by-one",
        title: "lucia, one by one",
        directory: "lucia-actix",
        arguments: &["one-by-one"],
        language: Language::Rust,
        sessions: Sessions::OfTheKit,
        base: HAND_WRITTEN,
        packages: &["actix-web", "deadpool-postgres", "tokio-postgres"],
    },
    Entry {
        name: LUCIA_CACHE,
        title: "lucia with its cache",
        directory: "lucia-actix",
        arguments: &["cache"],
        language: Language::Rust,
        sessions: Sessions::OfTheKit,
        base: HAND_WRITTEN,
        packages: &["actix-web", "deadpool-postgres", "tokio-postgres"],
    },
    Entry {
        name: "no-auth-axum",
        title: "no authentication, axum",
        directory: "no-auth-axum",
        arguments: &[],
        language: Language::Rust,
        sessions: Sessions::Nobodys,
        base: HAND_WRITTEN_AXUM,
        packages: &["axum"],
    },
    Entry {
        name: HAND_WRITTEN_AXUM,
        title: "hand-written, axum",
        directory: "hand-written-axum",
        arguments: &[],
        language: Language::Rust,
        sessions: Sessions::OfTheKit,
        base: HAND_WRITTEN_AXUM,
        packages: &["axum", "deadpool-postgres", "tokio-postgres"],
    },
    Entry {
        name: "lucia-axum",
        title: "lucia on axum",
        directory: "lucia-axum",
        arguments: &[],
        language: Language::Rust,
        sessions: Sessions::OfTheKit,
        base: HAND_WRITTEN_AXUM,
        packages: &["axum", "deadpool-postgres", "tokio-postgres"],
    },
    Entry {
        name: LUCIA_REDIS,
        title: "lucia with its sessions in Redis",
        directory: "lucia-actix",
        arguments: &["redis"],
        language: Language::Rust,
        sessions: Sessions::OwnInRedis,
        base: HAND_WRITTEN,
        packages: &["actix-web", "deadpool-postgres", "redis", "tokio-postgres"],
    },
    Entry {
        name: LUCIA_REDIS_CACHE,
        title: "lucia with its sessions in Redis and its cache of users",
        directory: "lucia-actix",
        arguments: &["redis", "cache"],
        language: Language::Rust,
        sessions: Sessions::OwnInRedis,
        base: HAND_WRITTEN,
        packages: &["actix-web", "deadpool-postgres", "redis", "tokio-postgres"],
    },
    Entry {
        name: LUCIA_REDIS_CACHES,
        title: "lucia with its sessions in Redis and both caches",
        directory: "lucia-actix",
        arguments: &["redis", "redis-cache", "cache"],
        language: Language::Rust,
        sessions: Sessions::OwnInRedis,
        base: HAND_WRITTEN,
        packages: &["actix-web", "deadpool-postgres", "redis", "tokio-postgres"],
    },
    Entry {
        name: ACTIX_SESSION,
        title: "actix-session on Redis, actix-identity",
        directory: "actix-session",
        arguments: &[],
        language: Language::Rust,
        sessions: Sessions::OwnInRedis,
        base: HAND_WRITTEN,
        packages: &["actix-session", "actix-identity", "actix-web"],
    },
    Entry {
        name: "authkestra",
        title: "authkestra on Redis, actix",
        directory: "authkestra",
        arguments: &[],
        language: Language::Rust,
        sessions: Sessions::OwnInRedis,
        base: HAND_WRITTEN,
        packages: &["authkestra", "actix-web"],
    },
    Entry {
        name: "axum-login",
        title: "axum-login, tower-sessions",
        directory: "axum-login",
        arguments: &[],
        language: Language::Rust,
        sessions: Sessions::OwnInPostgres,
        base: HAND_WRITTEN_AXUM,
        packages: &["axum-login", "tower-sessions", "axum"],
    },
    Entry {
        name: "lucia-v2",
        title: "Lucia 2 for Node, Express",
        directory: "lucia-v2",
        arguments: &[],
        language: Language::Node(18),
        sessions: Sessions::OwnInPostgres,
        base: HAND_WRITTEN,
        packages: &["lucia", "express", "pg"],
    },
    Entry {
        name: "better-auth",
        title: "better-auth for Node",
        directory: "better-auth",
        arguments: &[],
        language: Language::Node(20),
        sessions: Sessions::OwnInPostgres,
        base: HAND_WRITTEN,
        packages: &["better-auth", "pg"],
    },
];

impl Entry {
    pub(crate) fn path(&self) -> PathBuf {
        let servers = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("servers");
        servers.join(self.directory)
    }

    /// Whether it is this lucia that answers.
    pub(crate) fn is_ours(&self) -> bool {
        let has_sessions = matches!(self.sessions, Sessions::OfTheKit | Sessions::OwnInRedis);
        self.directory.starts_with("lucia-") && has_sessions
    }
}

/// The servers of these names; all if there are none.
pub(crate) fn chosen(names: &[String]) -> Result<Vec<&'static Entry>> {
    if names.is_empty() {
        return Ok(ALL.iter().collect());
    }
    names.iter().map(|name| entry(name)).collect()
}

pub(crate) fn entry(name: &str) -> Result<&'static Entry> {
    let found = ALL.iter().find(|entry| entry.name == name);
    found.with_context(|| {
        let names: Vec<_> = ALL.iter().map(|entry| entry.name).collect();
        format!(
            "there is no server `{name}`; there are {}",
            names.join(", ")
        )
    })
}

/// What keeps a server from running here, if anything does.
pub(crate) fn missing(entry: &Entry, redis: bool, node: Option<u32>) -> Result<()> {
    if !entry.path().is_dir() {
        bail!("it is not in the repository");
    }
    if entry.sessions == Sessions::OwnInRedis && !redis {
        bail!("it needs redis-server");
    }
    if let Language::Node(needed) = entry.language
        && node.is_none_or(|version| version < needed)
    {
        bail!("it needs Node {needed} or newer");
    }
    Ok(())
}
