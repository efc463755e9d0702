//! The [cache](crate::store::cache) of this store, and how it learns of changes: by the *tracking* of Redis.
//!
//! A server tells a connection that has said `CLIENT TRACKING ON BCAST PREFIX lucia:s:` of each key with this
//! prefix that changes, expires or is deleted, and of `FLUSHALL`. Users are in another store, so all that is kept of
//! a user is that their sessions have not ended at once.
//!
//! **How long an old answer can be given.** By this store, a session that has ended or changed is seen by every lookup
//! that is called after that has returned. By another, or by hand, it is seen when the message has arrived, which takes
//! milliseconds, or after the [`max_silence`](crate::CacheOptions::max_silence) at the latest:
//!
//! 1. A server runs one command at a time. What changes in one turn of its loop, it tells at the end of this turn,
//!    before it sends the replies of this turn to the tracking connection.
//! 2. A heartbeat is two `PING`s, the second one sent when the first is answered. The first runs after whatever was
//!    changed before it was sent, in the same turn or a later one. The second runs in a later turn still, so its
//!    reply comes behind the messages of all these changes. The driver hands messages and replies on in the order in
//!    which they come, and each message is dealt with before it looks at the next.
//! 3. A lookup goes over another connection. So each heartbeat also asks by that one for the `run_id` of the server. It
//!    counts only if that is the server of the tracking connection, and if that is a primary: a
//!    heartbeat from an old primary says nothing of lookups at a new one.
//! 4. So the cache may answer until a heartbeat's *beginning* is as long ago as `max_silence` allows.
//!
//! A proxy could answer `CLIENT TRACKING` and pass no messages on. So the first heartbeat comes after a
//! message of a change that was made over the connection of the lookups.
//!
//! A connection that tracks when it opens is taken to track for as long as it lasts. So a proxy that keeps it, and
//! replaces the one behind it, ends the messages and not the heartbeats. An expiry is told when the server deletes the
//! key, which can be later: one that was set by hand can go unseen. (That of lucia is checked at each use.) Where two servers both take writes, a lookup that reaches the other one between two heartbeats goes unnoticed, and so
//! does `SWAPDB`. What any of these has left is used for [`max_age`](crate::CacheOptions::max_age) at the most.

use std::sync::{Arc, Weak};
use std::time::Instant;

use redis::aio::MultiplexedConnection;
use redis::{
    AsyncConnectionConfig, Client, Cmd, ErrorKind, PushInfo, PushKind, RedisError, ServerErrorKind,
    Value,
};
use tokio::sync::Notify;

use super::failure::description;
use super::scripts::TOUCH;
use super::server::Server;
use super::{NAME, Parts};
use crate::clock::random_text;
use crate::store::StoreError;
use crate::store::cache::{self, CacheOptions, Change, ChangeFeed, Ending, read_digest};

/// The cache of a store, if it has one.
pub(super) type Cache = cache::Cache<Tracking>;

type Shared = cache::Shared<()>;

/// The server, to which the cache makes a separate connection.
#[derive(Clone)]
pub(super) struct Tracking(Client);

/// A cache of these options, if there are any, of this server.
pub(super) fn new(options: Option<CacheOptions>, server: Option<&Client>) -> Cache {
    Cache::new(options.zip(server.cloned().map(Tracking)))
}

impl ChangeFeed for Tracking {
    const STORE: &'static str = NAME;

    type Parts = Parts;
    type User = ();
    type End = End;

    async fn follow(&self, parts: &Weak<Parts>, shared: &Arc<Shared>) -> Result<(), End> {
        let settings = parts.upgrade().map(|parts| (parts.key(""), parts.timeout));
        let Some((prefix, timeout)) = settings else {
            return Ok(());
        };
        let own_key = format!(
            "{prefix}opening-{}",
            random_text(16).map_err(StoreError::internal)?
        );
        let (opened, closed) = (Arc::new(Notify::new()), Arc::new(Notify::new()));
        let receiver = Receiver {
            prefix: prefix.clone(),
            own_key: own_key.clone(),
            shared: shared.clone(),
            opened: opened.clone(),
            closed: closed.clone(),
        };
        let limit = shared.freshness.limit;
        let config = AsyncConnectionConfig::new()
            .set_connection_timeout(Some(timeout))
            .set_response_timeout(Some(limit))
            .set_push_sender(move |message| receiver.receive(message));
        let mut connection = self
            .0
            .get_multiplexed_async_connection_with_config(&config)
            .await?;
        let follow = async {
            let mut track = redis::cmd("CLIENT");
            track
                .arg("TRACKING")
                .arg("ON")
                .arg("BCAST")
                .arg("PREFIX")
                .arg(&prefix);
            let tracking: Result<Value, _> = track.query_async(&mut connection).await;
            tracking.map_err(End::of_reply)?;
            let server: String = who_are_you().query_async(&mut connection).await?;
            let tracked = Server::new(&server);
            let tracked = tracked.run_id().ok_or(End::Nameless)?;
            let Some(store) = parts.upgrade() else {
                return Ok(());
            };
            check_server(&store, tracked).await?;
            // Over the connection of the lookups: what others change has to arrive as well.
            let touched = store.connection.run(&TOUCH, &own_key, &[], "nothing").await;
            drop(store);
            touched.map(|_: i64| ())?;
            if tokio::time::timeout(limit, opened.notified())
                .await
                .is_err()
            {
                return Err(End::Unheard);
            }
            beat(parts, shared, connection.clone(), tracked).await
        };
        tokio::select! {
            biased;
            () = closed.notified() => Err(End::Closed),
            end = follow => end,
        }
    }
}

/// Sends heartbeats. `Ok` when the store is gone.
async fn beat(
    parts: &Weak<Parts>,
    shared: &Shared,
    mut connection: MultiplexedConnection,
    tracked: &str,
) -> Result<(), End> {
    loop {
        let begun = shared.freshness.time(Instant::now());
        let Some(store) = parts.upgrade() else {
            return Ok(());
        };
        // Only the time-out of the driver bounds this. The cache has stopped answering long before.
        check_server(&store, tracked).await?;
        drop(store);
        for _ in 0..2 {
            let pinged: Result<Value, _> = redis::cmd("PING").query_async(&mut connection).await;
            match pinged {
                Err(error) if is_sign_of_life(&error) => {}
                pinged => drop(pinged.map_err(End::of_reply)?),
            }
        }
        if !shared.heartbeat(begun) {
            return Err(End::Silent);
        }
        tokio::time::sleep(shared.freshness.pause()).await;
    }
}

/// Checks that lookups go to the server that tells of changes, and that it is a primary.
async fn check_server(store: &Parts, tracked: &str) -> Result<(), End> {
    let asked = store
        .connection
        .ask(&who_are_you(), "what the server is")
        .await;
    let server: String = asked?;
    let server = Server::new(&server);
    match server.run_id() {
        None => Err(End::Nameless),
        Some(run_id) if run_id == tracked && server.is_primary() => Ok(()),
        Some(_) => Err(End::Another),
    }
}

fn who_are_you() -> Cmd {
    let mut command = redis::cmd("INFO");
    command.arg("server").arg("replication");
    command
}

/// What messages of the server go to, in the order in which they come.
struct Receiver {
    prefix: String,
    own_key: String,
    shared: Arc<Shared>,
    opened: Arc<Notify>,
    closed: Arc<Notify>,
}

impl Receiver {
    fn receive(&self, message: PushInfo) -> Result<(), ()> {
        match (message.kind, &*message.data) {
            (PushKind::Invalidate, [Value::Array(keys)]) => {
                keys.iter().for_each(|key| self.changed(key));
            }
            // `FLUSHALL`, and whatever else is not about single keys.
            (PushKind::Invalidate, _) => self.shared.changed(Change::Everything),
            (PushKind::Disconnection, _) => self.closed.notify_one(),
            _ => {}
        }
        Ok(())
    }

    fn changed(&self, key: &Value) {
        let key = match key {
            Value::BulkString(key) => std::str::from_utf8(key).ok(),
            Value::SimpleString(key) => Some(&**key),
            _ => return self.shared.changed(Change::Everything),
        };
        if key == Some(&self.own_key) {
            self.opened.notify_one();
        } else if let Some(id) = key.and_then(|key| key.strip_prefix(&self.prefix))
            && let Some(session) = read_digest(id)
        {
            self.shared.changed(Change::Session(session));
        }
    }
}

/// Why the cache learns of changes no more.
#[derive(Debug, thiserror::Error)]
pub(super) enum End {
    #[error("{}", description(.0))]
    Connection(#[from] RedisError),
    #[error(transparent)]
    Store(#[from] StoreError),
    #[error("the connection that it receives changes by was closed")]
    Closed,
    #[error("there was no sign of life from the server for `max_silence`")]
    Silent,
    #[error(
        "the server is a replica by now, or another one than lookups go to, as after a failover"
    )]
    Another,
    #[error(
        "the server leaves `run_id` out of its reply to `INFO`, so a failover would go unnoticed"
    )]
    Nameless,
    #[error(
        "the server refuses `CLIENT TRACKING` or `PING`, by which it learns of changes ({}): an ACL has to allow \
         `+client|tracking +ping`, and a proxy has to know both",
        description(.0)
    )]
    Refused(RedisError),
    #[error(
        "the changes that others make do not arrive: something between lucia and the server holds them back"
    )]
    Unheard,
}

impl End {
    /// By an error of the commands that only the cache sends.
    fn of_reply(error: RedisError) -> Self {
        if is_refusal(&error) {
            Self::Refused(error)
        } else {
            Self::Connection(error)
        }
    }
}

/// Whether a heartbeat counts all the same: a server that cannot write to its disk answers even `PING` with an error.
fn is_sign_of_life(error: &RedisError) -> bool {
    error.code() == Some("MISCONF")
}

/// Whether the server does not let this account use a command, or does not know it.
fn is_refusal(error: &RedisError) -> bool {
    let kinds = [ServerErrorKind::NoPerm, ServerErrorKind::ResponseError];
    kinds.map(ErrorKind::Server).contains(&error.kind())
}

impl Ending for End {
    fn is_lasting(&self) -> bool {
        matches!(self, Self::Refused(_) | Self::Unheard | Self::Nameless)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn error(reply: &str) -> RedisError {
        let reply = redis::parse_redis_value(reply.as_bytes()).unwrap();
        reply.extract_error().unwrap_err()
    }

    #[test]
    fn r54_no_error_is_a_sign_of_life_but_that_of_a_broken_disk() {
        assert!(is_sign_of_life(&error(
            "-MISCONF Errors writing to the AOF file\r\n"
        )));
        for reply in [
            "-NOAUTH Authentication required.\r\n",
            "-NOPERM this user has no permissions\r\n",
            "-ERR unknown command\r\n",
            "-LOADING Redis is loading the dataset in memory\r\n",
            "-BUSY Redis is busy running a script\r\n",
        ] {
            assert!(!is_sign_of_life(&error(reply)), "{reply}");
        }
    }
}
