//! Stands between a store and its Postgres: counts what is asked, and makes trouble.

use std::collections::HashMap;
use std::io;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use crate::Database;

/// A TCP proxy on 127.0.0.1 before a Postgres. It works for connections without TLS.
#[derive(Debug)]
pub struct Proxy {
    port: u16,
    shared: Arc<Shared>,
    accepting: tokio::task::JoinHandle<()>,
}

/// Something that a client asked a database to execute.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Statement {
    /// Its SQL.
    pub sql: String,
}

#[derive(Debug)]
struct Shared {
    upstream: (String, u16),
    statements: Mutex<Vec<Statement>>,
    /// The names of prepared statements.
    names: Mutex<Vec<String>>,
    /// How often it was asked which server process this leads to.
    asked: AtomicUsize,
    /// How many messages of clients have passed.
    passed: AtomicUsize,
    /// How many more statements pass before all connections are cut.
    until_cut: AtomicUsize,
    mode: watch::Sender<Mode>,
    /// How often all connections were cut.
    cuts: watch::Sender<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    Open,
    /// Whatever is sent stays on the way.
    Stalled,
    /// New connections are closed at once.
    Refusing,
}

impl Proxy {
    /// A proxy before the server of a database.
    ///
    /// # Panics
    ///
    /// When there is no port to be had.
    pub async fn before(database: &Database) -> Self {
        Self::before_host(database.host()).await
    }

    /// A proxy before the server at a host and a port.
    ///
    /// # Panics
    ///
    /// When there is no port to be had.
    pub async fn before_host(upstream: (String, u16)) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await;
        let listener = listener.expect("a free port");
        let port = listener.local_addr().expect("a bound port").port();
        let shared = Arc::new(Shared {
            upstream,
            statements: Mutex::new(Vec::new()),
            names: Mutex::new(Vec::new()),
            asked: AtomicUsize::new(0),
            passed: AtomicUsize::new(0),
            until_cut: AtomicUsize::new(usize::MAX),
            mode: watch::channel(Mode::Open).0,
            cuts: watch::channel(0).0,
        });
        let accepting = tokio::spawn(accept(listener, shared.clone()));
        Self {
            port,
            shared,
            accepting,
        }
    }

    /// Where it listens.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// What was executed since the last call. What is merely prepared does not count.
    pub fn statements(&self) -> Vec<Statement> {
        std::mem::take(&mut *lock(&self.shared.statements))
    }

    /// How often a store has asked since the last call which server process a connection leads to,
    /// which it does once for each. That is none of its [`statements`](Self::statements).
    pub fn asked_where_it_leads(&self) -> usize {
        self.shared.asked.swap(0, Ordering::SeqCst)
    }

    /// The names that statements were prepared by since the last call. A statement that is prepared
    /// without one has none.
    pub fn names(&self) -> Vec<String> {
        std::mem::take(&mut *lock(&self.shared.names))
    }

    /// How many messages of clients have passed. A statement can be several.
    pub fn messages(&self) -> usize {
        self.shared.passed.load(Ordering::SeqCst)
    }

    /// From now on everything stays on the way, in both directions.
    pub fn stall(&self) {
        self.shared.mode.send_replace(Mode::Stalled);
    }

    /// Cuts all connections, and refuses new ones.
    pub fn cut(&self) {
        self.shared.mode.send_replace(Mode::Refusing);
        self.shared.cut();
    }

    /// Lets `count` more statements reach the database, and cuts all connections at the next one,
    /// which does not. New connections are accepted again at once.
    pub fn cut_after(&self, count: usize) {
        self.shared.until_cut.store(count, Ordering::SeqCst);
    }

    /// No trouble any more.
    pub fn heal(&self) {
        self.shared.until_cut.store(usize::MAX, Ordering::SeqCst);
        self.shared.mode.send_replace(Mode::Open);
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.accepting.abort();
        self.cut();
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    while let Ok((client, _)) = listener.accept().await {
        if *shared.mode.borrow() == Mode::Refusing {
            continue;
        }
        let shared = shared.clone();
        let mut cuts = shared.cuts.subscribe();
        tokio::spawn(async move {
            tokio::select! {
                _ = relay(client, &shared) => {}
                _ = cuts.changed() => {}
            }
        });
    }
}

async fn relay(client: TcpStream, shared: &Shared) -> io::Result<()> {
    let (host, port) = &shared.upstream;
    let server = TcpStream::connect((host.as_str(), *port)).await?;
    client.set_nodelay(true)?;
    server.set_nodelay(true)?;
    let (from_client, to_client) = client.into_split();
    let (from_server, to_server) = server.into_split();
    tokio::select! {
        ended = questions(from_client, to_server, shared) => ended,
        ended = answers(from_server, to_client, shared) => ended,
    }
}

async fn answers(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    shared: &Shared,
) -> io::Result<()> {
    let mut buffer = vec![0; 16 * 1024];
    loop {
        let length = from.read(&mut buffer).await?;
        if length == 0 {
            return Ok(());
        }
        shared.opened().await;
        to.write_all(&buffer[..length]).await?;
    }
}

/// Passes messages on one by one, and notes what they execute.
async fn questions(
    mut from: OwnedReadHalf,
    mut to: OwnedWriteHalf,
    shared: &Shared,
) -> io::Result<()> {
    // The first message has no type.
    let length = from.read_u32().await?;
    let mut startup = length.to_be_bytes().to_vec();
    read_rest(&mut from, &mut startup, length).await?;
    to.write_all(&startup).await?;

    let mut prepared = Prepared::default();
    loop {
        let kind = from.read_u8().await?;
        let length = from.read_u32().await?;
        let mut message = vec![kind];
        message.extend(length.to_be_bytes());
        read_rest(&mut from, &mut message, length).await?;
        if let Some(name) = name(kind, &message[5..]) {
            lock(&shared.names).push(name);
        }
        if let Some(sql) = prepared.executes(kind, &message[5..]) {
            shared.note(sql)?;
        }
        shared.opened().await;
        to.write_all(&message).await?;
        shared.passed.fetch_add(1, Ordering::SeqCst);
    }
}

async fn read_rest(from: &mut OwnedReadHalf, message: &mut Vec<u8>, length: u32) -> io::Result<()> {
    let start = message.len();
    let rest = usize::try_from(length).map_err(io::Error::other)?;
    message.resize(start + rest.saturating_sub(4), 0);
    from.read_exact(&mut message[start..]).await.map(drop)
}

impl Shared {
    fn cut(&self) {
        self.cuts.send_modify(|cuts| *cuts += 1);
    }

    async fn opened(&self) {
        let mut mode = self.mode.subscribe();
        let _ = mode.wait_for(|mode| *mode != Mode::Stalled).await;
    }

    /// Counts a statement; an error when it is the one to cut at.
    fn note(&self, sql: String) -> io::Result<()> {
        if sql == "SELECT pg_backend_pid()" {
            self.asked.fetch_add(1, Ordering::SeqCst);
            return Ok(());
        }
        let before_cut = self.until_cut.load(Ordering::SeqCst);
        if before_cut == 0 {
            self.until_cut.store(usize::MAX, Ordering::SeqCst);
            self.cut();
            return Err(io::ErrorKind::ConnectionReset.into());
        }
        if before_cut != usize::MAX {
            self.until_cut.store(before_cut - 1, Ordering::SeqCst);
        }
        lock(&self.statements).push(Statement { sql });
        Ok(())
    }
}

/// The statements and portals of a connection by their names.
#[derive(Default)]
struct Prepared {
    statements: HashMap<Vec<u8>, String>,
    portals: HashMap<Vec<u8>, String>,
}

impl Prepared {
    /// What a message of the frontend executes, if anything.
    fn executes(&mut self, kind: u8, body: &[u8]) -> Option<String> {
        let mut texts = body.split(|byte| *byte == 0).map(<[u8]>::to_vec);
        match kind {
            b'Q' => Some(text(&texts.next()?)),
            b'P' => {
                let name = texts.next()?;
                self.statements.insert(name, text(&texts.next()?));
                None
            }
            b'B' => {
                let portal = texts.next()?;
                let sql = self.statements.get(&texts.next()?).cloned();
                self.portals.insert(portal, sql.unwrap_or_default());
                None
            }
            b'E' => Some(
                self.portals
                    .get(&texts.next()?)
                    .cloned()
                    .unwrap_or_default(),
            ),
            _ => None,
        }
    }
}

/// The name by which a message of the frontend prepares a statement, if it does.
fn name(kind: u8, body: &[u8]) -> Option<String> {
    let name = text(body.split(|byte| *byte == 0).next()?);
    (kind == b'P' && !name.is_empty()).then_some(name)
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio_postgres::{Client, NoTls};

    use super::{Prepared, Proxy};
    use crate::Database;

    async fn connect(database: &Database, proxy: &Proxy) -> Result<Client, tokio_postgres::Error> {
        let url = database.url_by(proxy.port());
        let (client, connection) = tokio_postgres::connect(&url, NoTls).await?;
        tokio::spawn(connection);
        Ok(client)
    }

    #[test]
    fn executions_count_and_preparations_do_not() {
        let mut prepared = Prepared::default();
        assert_eq!(prepared.executes(b'P', b"s1\0SELECT 1\0\0\0"), None);
        assert_eq!(prepared.executes(b'B', b"\0s1\0\0\0"), None);
        let executed = prepared.executes(b'E', b"\0\0\0\0\0");
        assert_eq!(executed.as_deref(), Some("SELECT 1"));
        let simple = prepared.executes(b'Q', b"BEGIN\0");
        assert_eq!(simple.as_deref(), Some("BEGIN"));
        assert_eq!(prepared.executes(b'S', b""), None);
    }

    #[tokio::test]
    async fn statements_are_counted_on_the_wire() {
        let database = Database::new().await;
        let proxy = Proxy::before(&database).await;
        let client = connect(&database, &proxy).await.expect("a connection");
        let statement = client.prepare("SELECT 1 + 1").await.expect("prepared");
        assert!(proxy.statements().is_empty());
        for _ in 0..3 {
            client.query(&statement, &[]).await.expect("a row");
        }
        client.batch_execute("SELECT 2").await.expect("a row");
        let statements: Vec<_> = proxy.statements();
        let texts: Vec<_> = statements.iter().map(|one| one.sql.as_str()).collect();
        assert_eq!(
            texts,
            ["SELECT 1 + 1", "SELECT 1 + 1", "SELECT 1 + 1", "SELECT 2"]
        );
    }

    #[tokio::test]
    async fn connections_can_be_stalled_cut_and_healed() {
        let database = Database::new().await;
        let proxy = Proxy::before(&database).await;
        let client = connect(&database, &proxy).await.expect("a connection");

        proxy.stall();
        let mut asked = Box::pin(client.batch_execute("SELECT 1"));
        let waited = tokio::time::timeout(Duration::from_millis(100), &mut asked).await;
        assert!(waited.is_err(), "nothing passes");
        proxy.heal();
        asked.await.expect("it arrives after all");

        proxy.cut();
        assert!(client.batch_execute("SELECT 1").await.is_err());
        assert!(connect(&database, &proxy).await.is_err());
        proxy.heal();

        let client = connect(&database, &proxy).await.expect("a connection");
        proxy.cut_after(1);
        assert!(client.batch_execute("SELECT 1").await.is_ok());
        assert!(client.batch_execute("SELECT 1").await.is_err());
        assert!(connect(&database, &proxy).await.is_ok());
    }
}
