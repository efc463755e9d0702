//! What a server says of itself, and whether it can keep sessions.

use std::collections::HashMap;

use crate::store::StoreHealth;

/// The first in which an error inside a script keeps its code, such as `READONLY`.
const OLDEST: (u32, u32) = (7, 0);

/// The reply to `INFO`, which managed services answer as well. They refuse `CONFIG`.
#[derive(Debug)]
pub(super) struct Server<'a>(HashMap<&'a str, &'a str>);

impl<'a> Server<'a> {
    pub(super) fn new(info: &'a str) -> Self {
        let pairs = info
            .lines()
            .filter_map(|line| line.trim_end().split_once(':'));
        Self(pairs.collect())
    }

    fn is(&self, name: &str, value: &str) -> bool {
        self.0.get(name) == Some(&value)
    }

    pub(super) fn is_in_cluster(&self) -> bool {
        self.is("cluster_enabled", "1")
    }

    /// What tells this run of a server from every other one.
    #[cfg(feature = "cache")]
    pub(super) fn run_id(&self) -> Option<&'a str> {
        self.0.get("run_id").copied()
    }

    #[cfg(feature = "cache")]
    pub(super) fn is_primary(&self) -> bool {
        self.is("role", "master")
    }

    /// Why it cannot keep sessions, and what to do about it.
    pub(super) fn objection(&self) -> Option<String> {
        let version = self.0.get("redis_version").copied().unwrap_or("unknown");
        if self.version().is_none_or(|version| version < OLDEST) {
            let (major, minor) = OLDEST;
            return Some(format!(
                "the server says that its version is {version}; it takes Redis {major}.{minor} or newer, or Valkey"
            ));
        }
        if self.is("role", "slave") {
            let reason = "the server is a replica, which takes no writes; name the primary";
            return Some(reason.to_owned());
        }
        let is_bounded = self.0.get("maxmemory").is_some_and(|bytes| *bytes != "0");
        match self.0.get("maxmemory_policy") {
            Some(policy) if is_bounded && *policy != "noeviction" => Some(format!(
                "the server evicts keys when its memory is full (`maxmemory-policy {policy}`), the list of a \
                 user's sessions among them, and then \"sign out everywhere\" misses some; set \
                 `maxmemory-policy noeviction`"
            )),
            _ => None,
        }
    }

    /// Why a restart loses or brings back sessions of the time since the last snapshot, if it does.
    pub(super) fn forgets(&self) -> Option<&'static str> {
        let has_replica = self
            .0
            .get("connected_slaves")
            .is_some_and(|count| *count != "0");
        let forgets = !self.is("aof_enabled", "1") && !has_replica;
        forgets.then_some(
            "the server has neither an append-only file nor a replica: a restart brings back the sessions of its \
             last snapshot, those included that were ended since; set `appendonly yes`",
        )
    }

    /// Why writes that wait for so many replicas fail, if it has fewer.
    pub(super) fn has_fewer(&self, replicas: u32) -> Option<String> {
        let count = self.0.get("connected_slaves")?.parse::<u32>().ok()?;
        (count < replicas).then(|| {
            format!(
                "{count} replicas follow the server, and `wait_for_replicas` asks for {replicas}: sign-ins and \
                 sign-outs fail"
            )
        })
    }

    /// What is wrong with it as it is now, for writes that wait for so many replicas.
    pub(super) fn health(&self, health: StoreHealth, replicas: u32) -> StoreHealth {
        if self.is("loading", "1") {
            return health.down("the server is reading its data, and answers when it has read all");
        }
        let full = self.is_full().then(|| {
            "the memory of the server is full: it takes no more sessions; raise `maxmemory`"
                .to_owned()
        });
        let forgets = self.forgets().map(str::to_owned);
        let [cannot_write, lacks_replicas] =
            [self.cannot_write(), self.lacks_replicas()].map(|reason| reason.map(str::to_owned));
        let fewer = self.has_fewer(replicas);
        let reasons = [
            self.objection(),
            full,
            cannot_write,
            lacks_replicas,
            fewer,
            forgets,
        ];
        let reasons = reasons.into_iter().flatten();
        reasons.fold(health, StoreHealth::degraded)
    }

    /// Why it takes no writes, if a snapshot or its append-only file cannot be written.
    fn cannot_write(&self) -> Option<&'static str> {
        let fails =
            self.is("rdb_last_bgsave_status", "err") || self.is("aof_last_write_status", "err");
        fails.then_some(
            "the server cannot write to its disk, and takes no writes unless it is told to go on: its log says why",
        )
    }

    /// Why it takes no writes, if no replica follows and it was told to need some. It does not tell how many.
    fn lacks_replicas(&self) -> Option<&'static str> {
        let lacks = self.is("min_slaves_good_slaves", "0");
        lacks.then_some(
            "no replica follows the server, and without it takes no writes (`min-replicas-to-write`). If one of \
             them has taken over, this server is not the primary any more",
        )
    }

    fn is_full(&self) -> bool {
        let bytes = |name| self.0.get(name)?.parse::<u64>().ok();
        let most = bytes("maxmemory").filter(|most| *most > 0);
        most.is_some_and(|most| bytes("used_memory").is_some_and(|used| used >= most))
    }

    fn version(&self) -> Option<(u32, u32)> {
        let mut parts = self.0.get("redis_version")?.split('.');
        let mut part = || parts.next()?.parse().ok();
        Some((part()?, part()?))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GOOD: &str = "# Server\r\nredis_version:7.0.15\r\nrole:master\r\nconnected_slaves:0\r\n\
                        maxmemory:0\r\nmaxmemory_policy:noeviction\r\naof_enabled:1\r\n\
                        cluster_enabled:0\r\n";

    #[test]
    fn a_server_with_good_settings_passes() {
        let server = Server::new(GOOD);
        assert_eq!(server.objection(), None);
        assert_eq!(server.forgets(), None);
        assert!(!server.is_in_cluster());
        let up = StoreHealth::up("redis");
        assert_eq!(server.health(up.clone(), 0), up);
    }

    #[test]
    fn a_server_that_cannot_keep_sessions_is_told_what_to_change() {
        for (from, to, said) in [
            ("7.0.15", "5.0.14", Some("version is 5.0.14")),
            ("7.0.15", "6.2.14", Some("version is 6.2.14")),
            ("7.0.15", "7.0.0", None),
            ("7.0.15", "10.2", None),
            ("7.0.15", "255.255.255", None),
            (
                "redis_version:7.0.15",
                "server_version:1",
                Some("version is unknown"),
            ),
            ("role:master", "role:slave", Some("name the primary")),
            // Without a bound nothing is evicted.
            ("noeviction", "allkeys-lru", None),
            ("maxmemory:0", "maxmemory:1000", None),
            (
                "maxmemory:0\r\nmaxmemory_policy:noeviction",
                "maxmemory:1000\r\nmaxmemory_policy:volatile-ttl",
                Some("`maxmemory-policy volatile-ttl`"),
            ),
        ] {
            let info = GOOD.replace(from, to);
            assert_ne!(info, GOOD);
            let objection = Server::new(&info).objection();
            match (said, &objection) {
                (None, None) => {}
                (Some(said), Some(objection)) if objection.contains(said) => {}
                _ => panic!("{to}: {objection:?}"),
            }
        }
    }

    #[test]
    fn a_server_forgets_without_an_append_only_file_and_without_a_replica() {
        let without_file = GOOD.replace("aof_enabled:1", "aof_enabled:0");
        assert!(Server::new(&without_file).forgets().is_some());
        let with_replica = without_file.replace("connected_slaves:0", "connected_slaves:2");
        assert_eq!(Server::new(&with_replica).forgets(), None);
    }

    #[test]
    fn a_server_with_fewer_replicas_than_writes_wait_for_says_so() {
        let with_replica = GOOD.replace("connected_slaves:0", "connected_slaves:1");
        let server = Server::new(&with_replica);
        let up = StoreHealth::up("redis");
        assert_eq!(server.health(up.clone(), 1), up);
        let health = server.health(up, 2);
        assert_eq!(health.reasons.len(), 1, "{health:?}");
        assert!(
            health.reasons[0].starts_with("1 replicas follow"),
            "{health:?}"
        );
    }

    #[test]
    fn a_server_says_what_it_lacks() {
        use crate::store::HealthStatus::{Degraded, Down};

        for (from, to, status, said) in [
            ("role:master", "role:slave", Degraded, "is a replica"),
            (
                "aof_enabled:1",
                "aof_enabled:0",
                Degraded,
                "`appendonly yes`",
            ),
            (
                "maxmemory:0",
                "used_memory:7\r\nmaxmemory:7",
                Degraded,
                "memory of the server is full",
            ),
            (
                "maxmemory:0\r\nmaxmemory_policy:noeviction",
                "maxmemory:7\r\nmaxmemory_policy:allkeys-lru",
                Degraded,
                "evicts keys",
            ),
            (
                "role:master",
                "role:master\r\nrdb_last_bgsave_status:err",
                Degraded,
                "cannot write to its disk",
            ),
            (
                "role:master",
                "role:master\r\nmin_slaves_good_slaves:0",
                Degraded,
                "no replica follows",
            ),
            (
                "role:master",
                "role:master\r\nloading:1",
                Down,
                "reading its data",
            ),
        ] {
            let info = GOOD.replace(from, to);
            let health = Server::new(&info).health(StoreHealth::up("redis"), 0);
            assert_eq!(health.status, status, "{to}");
            assert_eq!(health.reasons.len(), 1, "{health:?}");
            assert!(health.reasons[0].contains(said), "{health:?}");
        }
    }
}
