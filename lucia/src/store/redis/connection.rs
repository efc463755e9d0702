//! The connection to a server or a cluster. It is shared: commands that meet are sent together.

use std::sync::{Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};

use futures_util::future::try_join_all;
use redis::aio::{ConnectionLike as _, ConnectionManager, ConnectionManagerConfig};
use redis::cluster::{ClusterClient, ClusterConfig};
use redis::cluster_async::ClusterConnection;
use redis::cluster_routing::{MultipleNodeRoutingInfo, RoutingInfo};
use redis::{
    Client, Cmd, ErrorKind, FromRedisValue, Pipeline, RedisError, RedisResult, ServerErrorKind,
    Value,
};

use super::failure::{failed, unexpected};
use super::scripts::Script;
use crate::measure;
use crate::store::Result;

/// How long to wait between two tries.
const PAUSE: Duration = Duration::from_millis(50);

/// How a connection is made.
#[derive(Clone)]
pub(super) enum Target {
    Server(Box<Client>),
    Cluster(Box<ClusterClient>),
}

#[derive(Clone)]
enum Current {
    Server(ConnectionManager),
    Cluster(ClusterConnection),
}

/// The connection of a store.
pub(super) struct Connection {
    target: Target,
    current: RwLock<Current>,
    made: Mutex<Instant>,
    timeout: Duration,
}

impl Connection {
    /// A connection that is made when it is first used.
    pub(super) fn new(target: Target, timeout: Duration) -> RedisResult<Self> {
        let current = target.connect(timeout)?;
        Ok(Self {
            target,
            current: RwLock::new(current),
            made: Mutex::new(Instant::now()),
            timeout,
        })
    }

    /// Sends a command.
    pub(super) async fn ask<T: FromRedisValue>(&self, command: &Cmd, what: &str) -> Result<T> {
        let reply = self.send(command).await.map_err(|error| failed(&error))?;
        redis::from_redis_value(reply).map_err(|_| unexpected(what))
    }

    /// Sends commands at once: to one server as one pipeline, and in a cluster each to its server.
    pub(super) async fn ask_all<T: FromRedisValue>(
        &self,
        commands: &[Cmd],
        what: &str,
    ) -> Result<Vec<T>> {
        if self.is_of_cluster() {
            return try_join_all(commands.iter().map(|command| self.ask(command, what))).await;
        }
        let mut pipeline = redis::pipe();
        for command in commands {
            pipeline.add_command(command.clone());
        }
        let replies = self.retrying(|current| current.send_all(&pipeline)).await;
        let replies = replies.map_err(|error| failed(&error))?.into_iter();
        let replies = replies.map(redis::from_redis_value);
        replies
            .collect::<Result<_, _>>()
            .map_err(|_| unexpected(what))
    }

    /// The server, if there is one alone.
    #[cfg(feature = "cache")]
    pub(super) fn server(&self) -> Option<&Client> {
        match &self.target {
            Target::Server(server) => Some(server),
            Target::Cluster(_) => None,
        }
    }

    pub(super) fn is_of_cluster(&self) -> bool {
        matches!(self.target, Target::Cluster(_))
    }

    /// Runs a script with this key.
    pub(super) async fn run<T: FromRedisValue>(
        &self,
        script: &Script,
        key: &str,
        arguments: &[&str],
        what: &str,
    ) -> Result<T> {
        let send = |command: Cmd| async move { self.send(&command).await };
        let reply = script.run(key, arguments, send).await;
        let reply = reply.map_err(|error| failed(&error))?;
        redis::from_redis_value(reply).map_err(|_| unexpected(what))
    }

    /// What each server that takes writes says of itself.
    pub(super) async fn info(&self) -> RedisResult<Vec<String>> {
        self.retrying(Current::info).await
    }

    async fn send(&self, command: &Cmd) -> RedisResult<Value> {
        self.retrying(|current| current.send(command)).await
    }

    /// Sends a command, and two behind it over the same connection to the same server. All that have a key have the
    /// same one. Returns the replies to the first one and to the last one.
    pub(super) async fn send_before<T: FromRedisValue>(
        &self,
        command: Cmd,
        next: Cmd,
        last: Cmd,
    ) -> RedisResult<(Value, T)> {
        let mut commands = redis::pipe();
        commands.add_command(command);
        if self.is_of_cluster() {
            // Where the key has moved and its slot not yet, the driver says so for the first command alone.
            commands.cmd("ASKING");
        }
        commands.add_command(next).add_command(last);
        let replies = self.retrying(|current| current.send_all(&commands)).await?;
        let mut replies = replies.into_iter();
        match (replies.next(), replies.next_back()) {
            (Some(first), Some(last)) => Ok((first, redis::from_redis_value(last)?)),
            _ => Err((ErrorKind::UnexpectedReturnType, "a reply is missing").into()),
        }
    }

    /// Sends by the connection, and once more by another one where it turns out to be broken or to lead to a
    /// server that is a replica by now. The commands of this store may run twice: see [`scripts`](super::scripts).
    async fn retrying<T, F>(&self, send: impl Fn(Current) -> F) -> RedisResult<T>
    where
        F: Future<Output = RedisResult<T>>,
    {
        let mut waiting = Waiting {
            connection: self,
            since: Instant::now(),
            is_answered: false,
        };
        let mut reply = send(self.current()).await;
        let is_worth_another_try = match &reply {
            Err(error) if is(error, ServerErrorKind::ReadOnly) => {
                self.replace(PAUSE);
                true
            }
            Err(error) => error.is_connection_dropped(),
            Ok(_) => false,
        };
        if is_worth_another_try {
            reply = send(self.current()).await;
        }
        waiting.is_answered = !matches!(&reply, Err(error) if error.is_timeout());
        reply
    }

    fn current(&self) -> Current {
        let current = self.current.read();
        current.unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Makes another connection, which the next command waits for, if the present one is older than this.
    fn replace(&self, age: Duration) {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        if made.elapsed() < age {
            return;
        }
        // Nothing fails here that has not failed when the store was made.
        if let Ok(connection) = self.target.connect(self.timeout) {
            measure::redis_was_reconnected();
            *made = Instant::now();
            *self.current.write().unwrap_or_else(PoisonError::into_inner) = connection;
        }
    }
}

debug_of!(Connection);

/// A command under way. Where nobody waits for it any more and no answer has come, the next command goes over
/// another connection: the driver would wait for a server that has stopped, and not notice that the cluster has
/// replaced it.
struct Waiting<'a> {
    connection: &'a Connection,
    since: Instant,
    is_answered: bool,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        // A client that hangs up says nothing about the server.
        let patience = self.connection.timeout / 10;
        if !self.is_answered && self.since.elapsed() >= patience {
            // One that was made since then may itself be waiting for such a server, before it asks the others.
            self.connection.replace(self.connection.timeout);
        }
    }
}

impl Current {
    async fn send(self, command: &Cmd) -> RedisResult<Value> {
        match self {
            Self::Server(mut server) => command.query_async(&mut server).await,
            Self::Cluster(mut cluster) => command.query_async(&mut cluster).await,
        }
    }

    async fn send_all(self, commands: &Pipeline) -> RedisResult<Vec<Value>> {
        let count = commands.len();
        let replies = match self {
            Self::Server(mut server) => server.req_packed_commands(commands, 0, count).await?,
            Self::Cluster(mut cluster) => cluster.req_packed_commands(commands, 0, count).await?,
        };
        replies.into_iter().map(Value::extract_error).collect()
    }

    async fn info(self) -> RedisResult<Vec<String>> {
        let info = redis::cmd("INFO");
        match self {
            Self::Server(mut server) => Ok(vec![info.query_async(&mut server).await?]),
            Self::Cluster(mut cluster) => {
                let primaries = MultipleNodeRoutingInfo::AllMasters;
                let routing = RoutingInfo::MultiNode((primaries, None));
                let replies = cluster.route_command(info, routing).await?;
                let replies: Vec<(String, String)> = redis::from_redis_value(replies)?;
                Ok(replies.into_iter().map(|(_, reply)| reply).collect())
            }
        }
    }
}

impl Target {
    fn connect(&self, timeout: Duration) -> RedisResult<Current> {
        match self {
            Self::Server(client) => {
                // A server that is down is reported at once. The next command tries again.
                let config = ConnectionManagerConfig::new()
                    .set_number_of_retries(2)
                    .set_min_delay(PAUSE)
                    .set_max_delay(10 * PAUSE)
                    .set_connection_timeout(Some(timeout / 2))
                    .set_response_timeout(Some(timeout))
                    .set_pipeline_buffer_size(1024);
                let server = ConnectionManager::new_lazy_with_config((**client).clone(), config)?;
                Ok(Current::Server(server))
            }
            Self::Cluster(client) => {
                // Where a server has stopped, it is tried twice before the others are asked.
                let config = ClusterConfig::new()
                    .set_connection_timeout(timeout / 5)
                    .set_response_timeout(timeout);
                let cluster = client.get_pending_async_connection_with_config(config);
                Ok(Current::Cluster(cluster))
            }
        }
    }
}

fn is(error: &RedisError, kind: ServerErrorKind) -> bool {
    error.kind() == ErrorKind::Server(kind)
}
