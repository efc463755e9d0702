//! A Redis Cluster: three primaries, each with a replica.

use std::time::{Duration, Instant};

use tokio::sync::OnceCell;

use super::{PATIENCE, RedisServer, is_installed};

/// How many slots a cluster has.
const SLOTS: usize = 16384;

/// A cluster of six servers on ports of 127.0.0.1. The first three begin as primaries, and each of the others as
/// the replica of the one three before it.
#[derive(Debug)]
pub struct RedisCluster {
    servers: Vec<RedisServer>,
}

impl RedisCluster {
    /// How many of its servers begin as primaries.
    pub const PRIMARIES: usize = 3;

    /// A cluster in which a replica takes over about a second after its primary has gone. `None` where no Redis
    /// is installed.
    ///
    /// # Panics
    ///
    /// When it does not start, and in CI without Redis.
    pub async fn start() -> Option<Self> {
        if !is_installed() {
            return None;
        }
        let mut servers = Vec::new();
        for _ in 0..2 * Self::PRIMARIES {
            let bus = super::free_port().to_string();
            let settings = [
                "--cluster-enabled",
                "yes",
                "--cluster-port",
                &bus,
                "--cluster-node-timeout",
                "1000",
                "--repl-diskless-sync-delay",
                "0",
                "--save",
                "",
            ];
            servers.push(RedisServer::start(&settings).await?);
        }
        let cluster = Self { servers };
        cluster.meet().await;
        Some(cluster)
    }

    /// The cluster that the tests of a process share.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start).
    pub async fn shared() -> Option<&'static Self> {
        static SHARED: OnceCell<Option<RedisCluster>> = OnceCell::const_new();

        if !is_installed() {
            return None;
        }
        SHARED.get_or_init(Self::start).await.as_ref()
    }

    async fn meet(&self) {
        let (primaries, replicas) = self.servers.split_at(Self::PRIMARIES);
        for (at, primary) in primaries.iter().enumerate() {
            let first = at * SLOTS / Self::PRIMARIES;
            let last = (at + 1) * SLOTS / Self::PRIMARIES - 1;
            let (first, last) = (first.to_string(), last.to_string());
            let added: String = primary
                .ask(&["CLUSTER", "ADDSLOTSRANGE", &first, &last])
                .await;
            assert_eq!(added, "OK");
            let epoch = (at + 1).to_string();
            primary
                .ask::<()>(&["CLUSTER", "SET-CONFIG-EPOCH", &epoch])
                .await;
        }
        let first = &self.servers[0];
        for other in &self.servers[1..] {
            let bus = other.settings[3].clone();
            let port = other.port().to_string();
            first
                .ask::<()>(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus])
                .await;
        }
        let nodes = self.servers.len();
        self.eventually(async |server| {
            let known: String = server.ask(&["CLUSTER", "INFO"]).await;
            known.contains(&format!("cluster_known_nodes:{nodes}"))
        })
        .await;
        for (primary, replica) in primaries.iter().zip(replicas) {
            let id: String = primary.ask(&["CLUSTER", "MYID"]).await;
            replica.ask::<()>(&["CLUSTER", "REPLICATE", &id]).await;
        }
        self.is_whole().await;
    }

    /// Waits until each server says that all slots are served, and each primary has its replica.
    ///
    /// # Panics
    ///
    /// When that takes too long.
    pub async fn is_whole(&self) {
        self.eventually(async |server| {
            let cluster: String = server.ask(&["CLUSTER", "INFO"]).await;
            let role: String = server.ask(&["INFO", "replication"]).await;
            cluster.contains("cluster_state:ok")
                && (role.contains("state=online") || role.contains("master_link_status:up"))
        })
        .await;
    }

    async fn eventually(&self, holds: impl AsyncFn(&RedisServer) -> bool) {
        let begin = Instant::now();
        for server in &self.servers {
            while !holds(server).await {
                assert!(begin.elapsed() < PATIENCE, "the cluster does not form");
                tokio::time::sleep(Duration::from_millis(20)).await;
            }
        }
    }

    /// The addresses of all servers.
    #[must_use]
    pub fn urls(&self) -> Vec<String> {
        self.servers.iter().map(RedisServer::url).collect()
    }

    /// The servers.
    #[must_use]
    pub fn servers(&self) -> &[RedisServer] {
        &self.servers
    }

    /// One of the servers, to be killed or started again.
    ///
    /// # Panics
    ///
    /// When there are fewer.
    pub fn server(&mut self, number: usize) -> &mut RedisServer {
        &mut self.servers[number]
    }
}
