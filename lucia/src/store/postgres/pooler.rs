//! Whether a pooler stands between a connection and its server.
//!
//! The driver names prepared statements by a counter of its process: `s0`, `s1` and so on. A pooler
//! that lends server connections for a transaction at a time, and does not keep the statements of
//! its clients apart, mixes up those of two processes: PgBouncer before 1.21, for example. An
//! execution of `s7` then runs whatever the other process has prepared as `s7`. No answer would
//! show that, and a write would be done already. So statements have names only on a connection that
//! leads to one server process all the time.
//!
//! **How that is known.** A server process tells its id twice: to the driver when the connection is
//! opened, and in SQL, by `pg_backend_pid()`. A pooler that answers for many server processes makes up
//! the first one, since it needs keys of its own to cancel statements by. So the two are compared,
//! once for each connection, at its first use. That takes a statement of one message, which is right
//! behind every pooler, changes nothing and leaves nothing. Where the ids differ, statements have no
//! names on this connection. Whether the pooler keeps names apart cannot be found out: that it gives
//! statements other names at the server says nothing of another pooler before it, and a pooler that
//! lends a connection for a session looks like one that happens to lend the same one again. So the
//! application can say it, by `PgStoreBuilder::prepare_behind_pooler`.
//!
//! **When the next statement is sent.** A statement without a name is several messages. PgBouncer 1.18
//! takes a server connection back as soon as the server is ready for another statement, unless it has
//! already received the end of the next one. It does not notice that it has forwarded only the beginning.
//! The rest then goes to another server connection, which takes it for the rest of the statement that it
//! has parsed last, of whichever client that was. So over such a connection the next statement is sent when
//! the server has answered the last one to its end. After a failure, or if the caller is dropped, this end
//! may still be outstanding. The same is true if the application or another store has used the connection
//! from the same pool in the meantime. The pool's count of uses shows this.

use std::io;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};

use deadpool_postgres::{Object, StatementCache};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_postgres::error::SqlState;
use tokio_postgres::tls::{ChannelBinding, TlsConnect, TlsStream};
use tokio_postgres::{Client, Error, SimpleQueryMessage};

/// What is known of the connections of a store.
pub(super) struct Routes {
    /// Whether the application says that every pooler keeps statements apart.
    is_trusted: bool,
    /// Each connection is known by its cache of statements.
    known: Mutex<Vec<(Weak<StatementCache>, Route)>>,
    is_logged: AtomicBool,
}

#[derive(Clone, Debug)]
pub(super) enum Route {
    /// To one server process, or to what is as good: the names of statements are the client's own.
    Direct,
    /// To a pooler, or to something else that does not tell which server process it leads to.
    Pooled(Arc<LastStatement>),
}

/// The last statement over a connection to a pooler.
#[derive(Debug, Default)]
pub(super) struct LastStatement {
    /// Whether the server may still have to say that it is ready for the next one.
    is_open: AtomicBool,
    /// How often the pool had given the connection when it was last used here.
    uses: AtomicUsize,
}

impl LastStatement {
    /// Notes that a statement is about to be sent. Returns whether the last one may not be over.
    fn begin(&self, connection: &Object) -> bool {
        let uses = Object::metrics(connection).recycle_count;
        let was_elsewhere = uses > self.uses.swap(uses, Ordering::Relaxed) + 1;
        self.is_open.swap(true, Ordering::Relaxed) || was_elsewhere
    }
}

impl Route {
    /// Does what sends a statement, once the last one over this connection is over.
    pub(super) async fn in_turn<T>(
        &self,
        connection: &Object,
        sending: impl Future<Output = Result<T, Error>>,
    ) -> Result<T, Error> {
        let Self::Pooled(last) = self else {
            return sending.await;
        };
        if last.begin(connection) {
            // One message, which is answered after all that was sent before.
            connection.batch_execute("").await?;
        }
        let sent = sending.await?;
        last.is_open.store(false, Ordering::Relaxed);
        Ok(sent)
    }
}

impl Routes {
    pub(super) fn new(is_trusted: bool) -> Self {
        Self {
            is_trusted,
            known: Mutex::default(),
            is_logged: AtomicBool::new(false),
        }
    }

    /// Where a connection leads, if it was asked before.
    fn known(&self, connection: &Object) -> Option<Route> {
        if self.is_trusted {
            return Some(Route::Direct);
        }
        let cache = Arc::as_ptr(&connection.statement_cache);
        let known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        // The weak pointer keeps the address from being another one's.
        let mut known = known.iter();
        known
            .find(|(known, _)| known.as_ptr() == cache)
            .map(|(_, route)| route.clone())
    }

    /// Notes that a connection is given back to the pool as it was taken.
    pub(super) fn note_unused(&self, connection: &Object) {
        if let Some(Route::Pooled(last)) = self.known(connection) {
            let uses = Object::metrics(connection).recycle_count;
            // Unless another one has had it in between.
            let _ =
                last.uses
                    .compare_exchange(uses - 1, uses, Ordering::Relaxed, Ordering::Relaxed);
        }
    }

    /// Where a connection leads, asked once for each.
    pub(super) async fn of(&self, connection: &Object, user_table: &str) -> Result<Route, Error> {
        match self.known(connection) {
            Some(route) => Ok(route),
            // Boxed, so that no lookup is larger by it.
            None => Box::pin(self.find_out(connection, user_table)).await,
        }
    }

    /// Asks where a connection leads. A pooler is said in the log, with the table of users, which
    /// tells which store it is.
    async fn find_out(&self, connection: &Object, user_table: &str) -> Result<Route, Error> {
        let route = route_of(connection).await?;
        if let Route::Pooled(last) = &route {
            let uses = Object::metrics(connection).recycle_count;
            last.uses.store(uses, Ordering::Relaxed);
        }
        let mut known = self.known.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(known, _)| known.strong_count() > 0);
        known.push((Arc::downgrade(&connection.statement_cache), route.clone()));
        drop(known);
        if matches!(route, Route::Pooled(_)) && !self.is_logged.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                user_table,
                "a pooler stands between this process and Postgres, and may mix up the prepared \
                 statements of two processes; so none are prepared, and Postgres parses and plans \
                 each statement anew. If the pooler keeps them apart, as PgBouncer 1.21 and newer \
                 does with `max_prepared_statements`, or lends a connection for a whole session, \
                 set `PgStoreBuilder::prepare_behind_pooler(true)`"
            );
        }
        Ok(route)
    }
}

async fn route_of(client: &Client) -> Result<Route, Error> {
    let pooled = || Route::Pooled(Arc::default());
    let messages = match client.simple_query("SELECT pg_backend_pid()").await {
        Ok(messages) => messages,
        // No Postgres, but something that speaks as one.
        Err(error) if error.code() == Some(&SqlState::UNDEFINED_FUNCTION) => return Ok(pooled()),
        Err(error) => return Err(error),
    };
    let here = messages.iter().find_map(|message| match message {
        SimpleQueryMessage::Row(row) => row.get(0)?.parse::<i32>().ok(),
        _ => None,
    });
    Ok(match here {
        Some(_) if here == told_at_start(client).await => Route::Direct,
        _ => pooled(),
    })
}

/// The id of the server process, as it was told when the connection was opened. The driver shows it
/// nowhere but in a request to cancel, so it writes one here, which is not sent.
async fn told_at_start(client: &Client) -> Option<i32> {
    let mut request = Request::default();
    let token = client.cancel_token();
    token.cancel_query_raw(&mut request, Plain).await.ok()?;
    request.process_id()
}

/// Takes a request to cancel: its length, a fixed number, the id of the process, and a key, each of
/// four bytes. Where the connection has TLS, the driver asks for it first, and hears that it may go on.
#[derive(Default)]
struct Request(Vec<u8>);

impl Request {
    fn process_id(&self) -> Option<i32> {
        const BEGIN: [u8; 8] = [0, 0, 0, 16, 4, 210, 22, 46];
        let (_, request) = self.0.split_last_chunk::<16>()?;
        let rest = request.strip_prefix(&BEGIN)?;
        rest.first_chunk().map(|id| i32::from_be_bytes(*id))
    }
}

impl AsyncWrite for Request {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.0.extend_from_slice(bytes);
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

impl AsyncRead for Request {
    fn poll_read(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        if buffer.remaining() > 0 {
            // The server's answer to a request for TLS.
            buffer.put_slice(b"S");
        }
        Poll::Ready(Ok(()))
    }
}

impl TlsStream for &mut Request {
    fn channel_binding(&self) -> ChannelBinding {
        ChannelBinding::none()
    }
}

/// TLS that encrypts nothing: what is written stays here.
struct Plain;

impl<'a> TlsConnect<&'a mut Request> for Plain {
    type Stream = &'a mut Request;
    type Error = io::Error;
    type Future = std::future::Ready<io::Result<Self::Stream>>;

    fn connect(self, stream: &'a mut Request) -> Self::Future {
        std::future::ready(Ok(stream))
    }
}

#[cfg(test)]
mod tests;
