//! The settings of a [`RedisStore`].

use std::sync::Arc;
use std::time::Duration;

use redis::cluster::ClusterClient;
use redis::io::tcp::TcpSettings;
use redis::{
    Client, ConnectionAddr, ConnectionInfo, IntoConnectionInfo, ProtocolVersion, RedisError,
};
use serde_json::{Map, Value};

use super::attributes::Attributes;
use super::connection::{Connection, Target};
use super::failure::description;
use super::replicas::{Quorum, Replicas};
use super::server::Server;
use super::{Parts, RedisStore, tracking};
#[cfg(feature = "cache")]
use crate::store::cache::CacheOptions;
use crate::store::is_distant;
use crate::time_limit::within;
use crate::{Error, Result};

/// The settings of a [`RedisStore`], checked by [`connect`](Self::connect) and [`cluster`](Self::cluster).
///
/// ```no_run
/// # async fn f() -> lucia::Result<()> {
/// let sessions = lucia::RedisStore::builder()
///     .prefix("shop")
///     .session_attributes(serde_json::json!({ "country": null, "visits": 1 }))
///     .connect("rediss://app:password@redis.example")
///     .await?;
/// # Ok(()) }
/// ```
#[derive(Clone, Debug)]
#[must_use = "settings take effect by `connect(url)` or `cluster(urls)`"]
pub struct RedisStoreBuilder {
    prefix: String,
    attributes: Value,
    timeout: Duration,
    quorum: Option<Quorum>,
    #[cfg(feature = "cache")]
    cache: Option<CacheOptions>,
}

impl Default for RedisStoreBuilder {
    fn default() -> Self {
        Self {
            prefix: "lucia".to_owned(),
            attributes: Value::Object(Map::new()),
            timeout: Duration::from_secs(5),
            quorum: None,
            #[cfg(feature = "cache")]
            cache: None,
        }
    }
}

impl RedisStoreBuilder {
    /// What all keys of the store begin with; `lucia` by default. A session is `lucia:s:` and its id, the index
    /// of a user's sessions is `lucia:u:` and the id of the user. Two applications on one server take two
    /// prefixes.
    pub fn prefix(mut self, prefix: impl Into<String>) -> Self {
        self.prefix = prefix.into();
        self
    }

    /// Your [`attributes`](crate::CreateSession::attributes) of sessions: a JSON object with the value that each
    /// has where none is given; none by default. One whose default is `null` can be anything. The others have
    /// the type of their default, and cannot be `null`. A session from before an attribute was declared has its
    /// default.
    pub fn session_attributes(mut self, defaults: Value) -> Self {
        self.attributes = defaults;
        self
    }

    /// How long a call may take, a new connection included; 5 seconds by default. A call that takes longer
    /// returns [`Error::Unavailable`].
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    /// Has writes return when so many replicas of the server have received them, by the command `WAIT`; none by
    /// default. If fewer have by then, the call returns [`Error::Unavailable`], and has taken effect all the same
    /// unless the server dies. Repeat it.
    ///
    /// A failover then loses a sign-in, a rotation or the end of a session only if it promotes a replica that is not
    /// among those that had it: with one replica, and one to wait for, if that replica has lost what it had. `WAIT`
    /// is no consensus, so this does not exclude it. Renewals do not wait: a session whose renewal is lost expires
    /// when it would have expired before.
    ///
    /// Lookups do not wait behind writes. The writes of a process to one server wait for each other: one takes as
    /// long as the farthest replica that it waits for needs to answer. In a cluster, each server has so many
    /// replicas. While one of them is down, no write succeeds unless there is another one.
    pub fn wait_for_replicas(mut self, replicas: u32, patience: Duration) -> Self {
        self.quorum = Some(Quorum { replicas, patience });
        self
    }

    /// Keeps sessions in memory until the server reports a change; off by default. Together with the
    /// [cache](crate::PgStoreBuilder::cache) of the users, a request then asks no server.
    ///
    /// After a call of **this store** has changed or ended a session, every later lookup sees it, as without a cache.
    /// A change by **another process**, or by hand, is seen when the message of it has
    /// arrived, which takes milliseconds, or within the [`max_silence`](CacheOptions::max_silence), a second by default,
    /// whatever fails. A cache that does not receive changes does not answer, and lookups go to the server.
    ///
    /// The cache needs one more connection and the command `CLIENT TRACKING`: where the server uses ACLs, allow
    /// `+client|tracking +ping`. Each process receives all changes of sessions. A cluster has no cache.
    #[cfg(feature = "cache")]
    #[cfg_attr(docsrs, doc(cfg(feature = "cache")))]
    pub fn cache(mut self, options: CacheOptions) -> Self {
        self.cache = Some(options);
        self
    }

    /// Connects to a server by its URL: `redis://user:password@host:6379/0`, or `rediss://` for TLS, by the
    /// certificates that the operating system trusts.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] names the invalid setting of this store or of the server. The server must be Redis
    /// 7.0 or newer, or Valkey. It must not be a replica or part of a cluster, and must not evict keys.
    /// [`Error::Unavailable`] says why the server cannot be reached or refuses the connection.
    pub async fn connect(self, url: &str) -> Result<RedisStore> {
        let info = self.connection_info(url)?;
        let address = info.addr().to_string();
        let client = Client::open(info).map_err(unreadable)?;
        self.store(Target::Server(Box::new(client)), address, false)
            .await
    }

    /// Connects to a cluster by the URLs of some of its servers, which tell of the others. Each has the same
    /// user and password.
    ///
    /// # Errors
    ///
    /// As for [`connect`](Self::connect), of each server that takes writes. The server is to be part of a
    /// cluster.
    pub async fn cluster<U: AsRef<str>>(
        self,
        urls: impl IntoIterator<Item = U>,
    ) -> Result<RedisStore> {
        let mut nodes = Vec::new();
        for url in urls {
            nodes.push(self.connection_info(url.as_ref())?);
        }
        if nodes.is_empty() {
            return Err(Error::setting("urls", "it takes one server at least"));
        }
        let address = nodes[0].addr().to_string();
        let others = self.other_nodes(&nodes).await?;
        nodes.extend(others);
        // While a slot moves or a replica takes over, a command is tried again after such a pause.
        let client = ClusterClient::builder(nodes)
            .use_protocol(ProtocolVersion::RESP3)
            .tcp_settings(self.tcp_settings())
            .min_retry_wait(10)
            .max_retry_wait(200)
            .retry_wait_formula(200, 1)
            .retries(100)
            .build()
            .map_err(unreadable)?;
        let target = Target::Cluster(Box::new(client));
        self.store(target, address, true).await
    }

    /// Asks the first server that answers for the others, so that the cluster is found again whichever are
    /// left. Refuses one that is not part of a cluster: the driver would report it as one that cannot be reached.
    async fn other_nodes(&self, nodes: &[ConnectionInfo]) -> Result<Vec<ConnectionInfo>> {
        let mut failure = None;
        for node in nodes {
            let client = Client::open(node.clone()).map_err(unreadable)?;
            let connection = Connection::new(Target::Server(Box::new(client)), self.timeout)
                .map_err(unavailable)?;
            let asked = within(self.timeout, connection.info()).await;
            match asked.map_err(Error::unavailable) {
                Ok(Ok(servers)) if servers.iter().any(|info| Server::new(info).is_in_cluster()) => {
                    let mut command = redis::cmd("CLUSTER");
                    command.arg("NODES");
                    let asked = connection.ask::<String>(&command, "the servers of a cluster");
                    let others = within(self.timeout, asked).await;
                    let others = others.map_err(Error::unavailable)??;
                    let others = addresses(&others).filter_map(|address| at(node, address));
                    return Ok(others.collect());
                }
                Ok(Ok(_)) => {
                    let reason = "the server is not part of a cluster; use `RedisStore::connect`";
                    return Err(Error::setting("urls", reason));
                }
                Ok(Err(error)) => failure = Some(unavailable(error)),
                Err(error) => failure = Some(error),
            }
        }
        failure.map_or(Ok(Vec::new()), Err)
    }

    async fn store(self, target: Target, address: String, is_cluster: bool) -> Result<RedisStore> {
        if self.timeout.is_zero() {
            return Err(Error::setting(
                "timeout",
                "it is zero: every call would time out",
            ));
        }
        let Value::Object(defaults) = self.attributes else {
            let reason = "write a JSON object of names and defaults";
            return Err(Error::setting("session_attributes", reason));
        };
        let attributes = Attributes::new(defaults)?;
        #[cfg(feature = "cache")]
        if let Some(cache) = &self.cache {
            check_cache(cache, is_cluster)?;
        }
        let replicas = match self.quorum {
            Some(quorum) => {
                check(quorum, self.timeout)?;
                let connection = Connection::new(target.clone(), self.timeout);
                Some(Replicas::new(connection.map_err(unavailable)?, quorum))
            }
            None => None,
        };
        let connection = Connection::new(target, self.timeout).map_err(unavailable)?;
        let servers = within(self.timeout, connection.info()).await;
        let servers = servers.map_err(Error::unavailable)?.map_err(unavailable)?;
        for info in &servers {
            let server = Server::new(info);
            if server.is_in_cluster() && !is_cluster {
                let reason = "the server is part of a cluster; use `RedisStore::cluster`";
                return Err(Error::setting("url", reason));
            }
            if let Some(reason) = server.objection() {
                return Err(Error::setting("redis", reason));
            }
        }
        let forgetful = servers.iter().find_map(|info| Server::new(info).forgets());
        if let Some(reason) = forgetful {
            tracing::warn!("Redis at `{address}`: {reason}");
        }
        let asked = self.quorum.map_or(0, |quorum| quorum.replicas);
        let fewer = servers
            .iter()
            .find_map(|info| Server::new(info).has_fewer(asked));
        if let Some(reason) = fewer {
            tracing::warn!("Redis at `{address}`: {reason}");
        }
        #[cfg(feature = "cache")]
        let cache = tracking::new(self.cache, connection.server());
        #[cfg(not(feature = "cache"))]
        let cache = tracking::Cache::none();
        let store = RedisStore(Arc::new(Parts {
            connection,
            replicas,
            prefix: self.prefix,
            attributes,
            timeout: self.timeout,
            cache,
        }));
        store.0.cache.start(&store.0);
        Ok(store)
    }

    fn connection_info(&self, url: &str) -> Result<ConnectionInfo> {
        let info = url.into_connection_info().map_err(unreadable)?;
        match info.addr() {
            ConnectionAddr::Tcp(host, _) if is_distant(host) => tracing::warn!(
                "the connection to Redis at `{host}` is not encrypted; for TLS, write `rediss://`"
            ),
            ConnectionAddr::TcpTls { .. } => install_crypto_provider(),
            _ => {}
        }
        let settings = info.redis_settings().clone();
        Ok(info
            .set_redis_settings(settings.set_protocol(ProtocolVersion::RESP3))
            .set_tcp_settings(self.tcp_settings()))
    }

    fn tcp_settings(&self) -> TcpSettings {
        let settings = TcpSettings::default().set_nodelay(true);
        // A host that is gone says nothing, and the kernel would wait for it for a quarter of an hour.
        #[cfg(any(target_os = "android", target_os = "fuchsia", target_os = "linux"))]
        let settings = settings.set_user_timeout(self.timeout);
        settings
    }
}

#[cfg(feature = "cache")]
fn check_cache(options: &CacheOptions, is_cluster: bool) -> Result<()> {
    options.check()?;
    if is_cluster {
        let reason = "the cache does not support Redis Cluster: leave it out, or use one server";
        return Err(Error::setting("cache", reason));
    }
    Ok(())
}

fn check(quorum: Quorum, timeout: Duration) -> Result<()> {
    let refused = |reason| Err(Error::setting("wait_for_replicas", reason));
    if quorum.replicas == 0 {
        return refused("writes that wait for no replica are the default");
    }
    // To `WAIT`, 0 milliseconds are for ever.
    if quorum.patience.as_millis() == 0 {
        return refused("wait for replicas for at least a millisecond");
    }
    if quorum.patience >= timeout {
        return refused("wait for replicas for less than the `timeout` of a call");
    }
    Ok(())
}

/// The hosts and ports in the reply to `CLUSTER NODES`, of which each line is
/// `<id> <ip>:<port>@<bus port>[,<hostname>] <flags> ..`. A certificate is for the name of the host, where it has one.
fn addresses(nodes: &str) -> impl Iterator<Item = (&str, u16)> {
    nodes.lines().filter_map(|line| {
        let address = line.split(' ').nth(1)?;
        let (address, names) = address.split_once(',').unwrap_or((address, ""));
        let (host, port) = address.split_once('@')?.0.rsplit_once(':')?;
        let name = names.split(',').next().filter(|name| !name.is_empty());
        Some((name.unwrap_or(host), port.parse().ok()?)).filter(|(host, _)| !host.is_empty())
    })
}

/// Another server of the cluster that a server is part of.
fn at(node: &ConnectionInfo, (host, port): (&str, u16)) -> Option<ConnectionInfo> {
    let mut address = node.addr().clone();
    match &mut address {
        ConnectionAddr::Tcp(its_host, its_port)
        | ConnectionAddr::TcpTls {
            host: its_host,
            port: its_port,
            ..
        } => (*its_host, *its_port) = (host.to_owned(), port),
        _ => return None,
    }
    Some(node.clone().set_addr(address))
}

/// The driver takes the provider of the process, and panics where several are compiled in and none is chosen.
fn install_crypto_provider() {
    if rustls::crypto::CryptoProvider::get_default().is_none() {
        // An error says that another thread was faster.
        let _ = rustls::crypto::ring::default_provider().install_default();
    }
}

/// The driver's own error may quote the URL, with its password.
fn unreadable(_: RedisError) -> Error {
    let reason = "it cannot be read; write `redis://user:password@host:6379/0`, or `rediss://` for TLS, in the \
                  password `%40` for `@`, `%3A` for `:`, `%2F` for `/` and `%25` for `%`";
    Error::setting("url", reason)
}

fn unavailable(error: RedisError) -> Error {
    Error::unavailable(description(&error))
}

#[cfg(test)]
mod tests {
    use super::addresses;

    #[test]
    fn the_servers_of_a_cluster_are_read() {
        let nodes = "07c3 127.0.0.1:30004@31004,one.example slave e7d1 0 1426238317239 4 connected\n\
                     67ed 127.0.0.1:30002@31002 master - 0 1426238316232 2 connected 5461-10922\n\
                     292f ::1:30003@31003,,shard-id=9 master - 0 1426238318243 3 connected 10923-16383\n\
                     6ec2 :0@0 master,noaddr - 0 0 3 disconnected\n\
                     what else\n";
        let found: Vec<_> = addresses(nodes).collect();
        assert_eq!(
            found,
            [("one.example", 30004), ("127.0.0.1", 30002), ("::1", 30003)]
        );
    }
}
