//! Sessions in Redis, Valkey or a Redis Cluster.

mod attributes;
mod builder;
mod connection;
mod failure;
mod fields;
mod index;
mod replicas;
mod scripts;
mod server;
#[cfg(feature = "cache")]
mod tracking;

/// Without the feature `cache`, there is none.
#[cfg(not(feature = "cache"))]
mod tracking {
    pub(super) type Cache = crate::store::cache::Cache<()>;
}

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use futures_util::future::try_join;
use redis::{Cmd, FromRedisValue};
use serde_json::{Map, Value};

use self::attributes::Attributes;
use self::connection::Connection;
use self::fields::{Fields, HASH, Hash, USER_ID};
use self::index::AT_ONCE;
use self::replicas::Replicas;
use self::scripts::Script;
use self::server::Server;
use self::tracking::Cache;
use super::cache::Begun;
use super::{
    Expiries, InsertedSession, NewSessionRow, Owner, Result, Rotation, SessionRow, SessionStore,
    StoreError, StoreHealth, UnixMillis,
};
use crate::session::token::SessionId;
use crate::time_limit::within;
use crate::user::UserId;

pub use self::builder::RedisStoreBuilder;

/// The name of the store.
const NAME: &str = "redis";

/// Sessions in Redis, Valkey or a Redis Cluster, for [`AuthBuilder::sessions`](crate::AuthBuilder::sessions).
/// Users, keys and everything else stay in another store.
///
/// ```no_run
/// # async fn f() -> lucia::Result<()> {
/// let users = lucia::PgStore::connect("postgres://app@localhost/app").await?;
/// let sessions = lucia::RedisStore::connect("redis://localhost").await?;
/// let auth = lucia::Auth::builder(users).sessions(sessions).build()?;
/// # Ok(()) }
/// ```
///
/// A lookup is one command for one key, unless a cache has the session. Lookups that arrive together go to a server as
/// one pipeline, and one query fetches their users, unless a cache has them; those to a cluster go out one by one. All
/// processes share the sessions, and any number of clones of a store share one connection, which is made anew when it
/// breaks. Redis deletes expired sessions by itself.
///
/// # What can be lost
///
/// Redis answers before a write is on disk or on a replica. **A server that dies can forget what it answered
/// last**, the end of a session included: with `appendfsync everysec` that of about a second, with a replica that
/// takes over what it had not received yet, which [`wait_for_replicas`](RedisStoreBuilder::wait_for_replicas) makes
/// rare. Without an append-only file and without a replica, a restart brings
/// back the sessions of the last snapshot. The guide `docs/redis.md` of the repository names the settings.
#[derive(Clone)]
pub struct RedisStore(Arc<Parts>);

struct Parts {
    connection: Connection,
    replicas: Option<Replicas>,
    prefix: String,
    attributes: Attributes,
    timeout: Duration,
    cache: Cache,
}

impl RedisStore {
    /// Settings that differ from the defaults.
    pub fn builder() -> RedisStoreBuilder {
        RedisStoreBuilder::default()
    }

    /// Connects to a server by its URL: `redis://user:password@host:6379/0`, or `rediss://` for TLS.
    ///
    /// # Errors
    ///
    /// As for [`RedisStoreBuilder::connect`].
    pub async fn connect(url: &str) -> crate::Result<Self> {
        Self::builder().connect(url).await
    }

    /// Connects to a cluster by the URLs of some of its servers, which tell of the others.
    ///
    /// # Errors
    ///
    /// As for [`RedisStoreBuilder::cluster`].
    pub async fn cluster<U: AsRef<str>>(urls: impl IntoIterator<Item = U>) -> crate::Result<Self> {
        Self::builder().cluster(urls).await
    }

    /// Whether the [cache](RedisStoreBuilder::cache) answers: whether there is one, and it receives changes. It is
    /// `false` for a moment after `connect`, and while the server does not answer.
    /// [`Auth::health`](crate::Auth::health) reports it as well.
    #[cfg(feature = "cache")]
    #[cfg_attr(docsrs, doc(cfg(feature = "cache")))]
    pub fn is_cache_answering(&self) -> bool {
        self.0.cache.is_answering()
    }
}

#[async_trait]
impl SessionStore for RedisStore {
    fn session_table(&self) -> &str {
        &self.0.prefix
    }

    fn store_name(&self) -> &str {
        NAME
    }

    fn removes_expired_sessions(&self) -> bool {
        true
    }

    /// By the reply to `INFO` of each server that takes writes.
    async fn health(&self) -> Result<StoreHealth> {
        // Again, where its runtime has ended.
        self.0.cache.start(&self.0);
        let asking = async {
            let servers = self.0.connection.info().await;
            servers.map_err(|error| failure::failed(&error))
        };
        let mut health = StoreHealth::up(self.store_name());
        for info in self.0.bounded(asking).await? {
            health = Server::new(&info).health(health, self.0.quorum());
        }
        Ok(self
            .0
            .cache
            .complaint()
            .into_iter()
            .fold(health, StoreHealth::degraded))
    }

    #[cfg(feature = "metrics")]
    fn record_metrics(&self) {
        self.0.cache.record_metrics();
    }

    /// A pipeline goes to one server.
    fn may_share_lookups(&self) -> bool {
        !self.0.connection.is_of_cluster()
    }

    async fn insert_session(&self, session: NewSessionRow) -> Result<InsertedSession> {
        self.0.bounded(self.0.insert(session)).await
    }

    fn cached_session(&self, id: &SessionId) -> Option<SessionRow> {
        self.0.cache.find(id).map(|(session, ())| session)
    }

    async fn session(&self, id: &SessionId) -> Result<Option<SessionRow>> {
        // Before the lookup is sent: what changes from here on may not be in it.
        let begun = self.0.cache.begin(&self.0, 1);
        let session = self.0.bounded(self.0.session(id)).await?;
        self.0.keep(begun, session.as_slice());
        Ok(session)
    }

    async fn sessions(&self, ids: &[SessionId]) -> Result<Vec<SessionRow>> {
        let begun = self.0.cache.begin(&self.0, ids.len());
        let sessions = self.0.bounded(self.0.sessions(ids)).await?;
        self.0.keep(begun, &sessions);
        Ok(sessions)
    }

    async fn user_sessions(&self, user_id: &UserId) -> Result<Vec<SessionRow>> {
        let find = async {
            let ids = self.0.live(user_id.as_str()).await?;
            let mut sessions = self.0.sessions(&ids).await?;
            sessions.retain(|session| session.user_id == *user_id);
            sessions.sort_by(|one, other| {
                (one.created_at, &one.id).cmp(&(other.created_at, &other.id))
            });
            Ok(sessions)
        };
        self.0.bounded(find).await
    }

    async fn renew_session(&self, id: &SessionId, expiries: Expiries) -> Result<bool> {
        let renew = async {
            let Some(user_id) = self.0.user_of(id).await? else {
                return Ok(false);
            };
            if !self.0.renew_entry(&user_id, id, expiries).await? {
                return Ok(false);
            }
            let times = fields::of_expiries(expiries);
            let changed = self.0.change(id, Some(expiries), times).await?;
            Ok(!changed.is_empty())
        };
        self.0.bounded(renew).await
    }

    async fn rotate_session(&self, id: &SessionId, rotation: Rotation) -> Result<bool> {
        let _changing = self.0.cache.session_changes(id);
        self.0.bounded(self.0.rotate(id, rotation)).await
    }

    async fn update_session(
        &self,
        id: &SessionId,
        attributes: Map<String, Value>,
    ) -> Result<Option<SessionRow>> {
        self.0.attributes.check(&self.0.prefix, &attributes)?;
        let update = async {
            let fields = fields::of_attributes(&attributes);
            let hash = self.0.change(id, None, fields).await?;
            fields::row_of(id, hash, &self.0.attributes)
        };
        self.0.bounded(update).await
    }

    async fn delete_session(&self, id: &SessionId, owner: Owner<'_>) -> Result<bool> {
        // Also where another call has deleted it a moment ago.
        let _changing = self.0.cache.session_changes(id);
        let delete = async {
            let is_owner = |user: &String| owner.user_id().is_none_or(|id| id.as_str() == user);
            match self.0.user_of(id).await?.filter(is_owner) {
                Some(user_id) => self.0.end(&user_id, id).await,
                None => self.0.is_gone(id).await.map(|()| false),
            }
        };
        self.0.bounded(delete).await
    }

    async fn delete_user_sessions(
        &self,
        user_id: &UserId,
        except: Option<&SessionId>,
    ) -> Result<()> {
        let _changing = self.0.cache.user_changes(user_id);
        self.0
            .bounded(self.0.end_all(user_id.as_str(), except))
            .await
    }

    /// Redis has deleted them.
    async fn delete_expired_sessions(&self, _now: UnixMillis, _limit: u32) -> Result<u64> {
        Ok(0)
    }
}

impl Parts {
    async fn bounded<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        let answer = within(self.timeout, call).await;
        answer.map_err(StoreError::unavailable)?
    }

    /// Puts what a lookup gave into the cache.
    fn keep(&self, begun: Option<Begun>, sessions: &[SessionRow]) {
        for session in sessions {
            self.cache.put(begun, session, &session.user_id, &());
        }
    }

    /// The key of a session's hash.
    fn key(&self, id: &str) -> String {
        format!("{}:s:{id}", self.prefix)
    }

    /// The key of the index of a user's sessions.
    fn index(&self, user_id: &str) -> String {
        format!("{}:u:{user_id}", self.prefix)
    }

    /// Runs a script whose work is not to be lost.
    async fn run<T: FromRedisValue>(
        &self,
        script: &Script,
        key: &str,
        arguments: &[&str],
        what: &str,
    ) -> Result<T> {
        match &self.replicas {
            Some(replicas) => replicas.run(script, key, arguments, what).await,
            None => self.connection.run(script, key, arguments, what).await,
        }
    }

    /// How many replicas are to have a write.
    fn quorum(&self) -> u32 {
        let replicas = self.replicas.as_ref();
        replicas.map_or(0, |replicas| replicas.quorum().replicas)
    }

    /// Waits until replicas know as well that a hash is not there. Another call may have deleted it a moment ago.
    async fn is_gone(&self, id: &SessionId) -> Result<()> {
        let Some(replicas) = &self.replicas else {
            return Ok(());
        };
        let key = self.key(id.as_str());
        let mut command = redis::cmd("EXISTS");
        command.arg(&key);
        let asked = replicas.ask(command, &key, "whether a session is there");
        asked.await.map(|_: bool| ())
    }

    /// The command that asks for a session: for its values without their names, half of what there is to read.
    fn lookup(&self, id: &SessionId) -> Cmd {
        let mut command = redis::cmd("HMGET");
        command.arg(self.key(id.as_str())).arg(fields::OWN);
        for field in self.attributes.fields() {
            command.arg(field);
        }
        command
    }

    async fn session(&self, id: &SessionId) -> Result<Option<SessionRow>> {
        let values: Vec<_> = self.connection.ask(&self.lookup(id), HASH).await?;
        fields::row(id, &values, &self.attributes)
    }

    async fn sessions(&self, ids: &[SessionId]) -> Result<Vec<SessionRow>> {
        let mut found = Vec::with_capacity(ids.len());
        for ids in ids.chunks(AT_ONCE) {
            let commands: Vec<_> = ids.iter().map(|id| self.lookup(id)).collect();
            let replies: Vec<Vec<_>> = self.connection.ask_all(&commands, HASH).await?;
            if replies.len() != ids.len() {
                return Err(failure::unexpected(HASH));
            }
            for (id, values) in ids.iter().zip(&replies) {
                found.extend(fields::row(id, values, &self.attributes)?);
            }
        }
        Ok(found)
    }

    async fn user_of(&self, id: &SessionId) -> Result<Option<String>> {
        let mut command = redis::cmd("HGET");
        command.arg(self.key(id.as_str())).arg(USER_ID);
        self.connection.ask(&command, "the user of a session").await
    }

    /// Stores a hash that is not there yet.
    async fn store(&self, id: &SessionId, expiries: Expiries, fields: Fields) -> Result<()> {
        let life = fields::life(expiries).to_string();
        let mut arguments = vec![life.as_str()];
        arguments.extend(fields.iter().map(String::as_str));
        let key = self.key(id.as_str());
        let asked = self.run(&scripts::STORE, &key, &arguments, "nothing");
        asked.await.map(|_: i64| ())
    }

    /// Changes a hash that is there, and its expiry where that moves. Returns it, or an empty one. A renewal may be
    /// lost, since a session then expires when it would have expired before.
    async fn change(
        &self,
        id: &SessionId,
        moved: Option<Expiries>,
        fields: Fields,
    ) -> Result<Hash> {
        let _changing = self.cache.session_changes(id);
        let life = moved.map(|expiries| fields::life(expiries).to_string());
        let mut arguments = vec![life.as_deref().unwrap_or_default()];
        arguments.extend(fields.iter().map(String::as_str));
        let (script, key, what) = (&scripts::CHANGE, self.key(id.as_str()), "a session");
        match moved {
            Some(_) => self.connection.run(script, &key, &arguments, what).await,
            None => self.run(script, &key, &arguments, what).await,
        }
    }

    async fn insert(&self, session: NewSessionRow) -> Result<InsertedSession> {
        self.attributes.check(&self.prefix, &session.attributes)?;
        let id = session.token.session_id();
        let fields = fields::of_new(&session);
        let row = fields::row_of(&id, fields::as_hash(&fields), &self.attributes)?;
        let row = row.ok_or_else(|| failure::unexpected(HASH))?;
        let find_replaced = async {
            match &session.replaces {
                Some(replaced) => Ok(self.user_of(replaced).await?.zip(Some(replaced))),
                None => Ok(None),
            }
        };
        let storing = self.store(&id, session.expiries, fields);
        let ((), replaced) = try_join(storing, find_replaced).await?;
        let user_id = session.user_id.as_str();
        let (in_excess, mut ended) = self.commit(&id, &session).await?;
        match replaced {
            Some((owner, replaced)) if owner != user_id => {
                self.end(&owner, replaced).await?;
            }
            Some((_, replaced)) => ended.push(replaced.as_str().to_owned()),
            None => {}
        }
        self.finish(user_id, &ended).await?;
        Ok(InsertedSession {
            in_excess,
            ..InsertedSession::new(row)
        })
    }

    async fn rotate(&self, id: &SessionId, rotation: Rotation) -> Result<bool> {
        let mut command = redis::cmd("HGETALL");
        command.arg(self.key(id.as_str()));
        let before: Hash = self.connection.ask(&command, HASH).await?;
        let Some(user_id) = before.get(USER_ID) else {
            return Ok(false);
        };
        let (new, expiries) = (rotation.token.session_id(), rotation.expiries);
        let copy = fields::of_rotated(&before, rotation.authenticated_at, expiries);
        self.store(&new, expiries, copy).await?;
        let (is_there, mut ended) = self.rotate_entry(user_id, id, &new, expiries).await?;
        // Of two rotations one has no entry, and so nobody gets its token.
        let leaving = if is_there { id } else { &new };
        if is_there {
            let key = self.key(id.as_str());
            let asked = self.run(&scripts::TAKE, &key, &[], HASH);
            let last: Hash = asked.await?;
            let missed = fields::of_changed_attributes(&last, &before);
            if !missed.is_empty() {
                self.change(&new, None, missed).await?;
            }
        }
        ended.push(leaving.as_str().to_owned());
        self.finish(user_id, &ended).await?;
        Ok(is_there)
    }
}

impl fmt::Debug for RedisStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisStore")
            .field("prefix", &self.0.prefix)
            .field("timeout", &self.0.timeout)
            .finish_non_exhaustive()
    }
}
