//! A real Redis.

mod cluster;
mod guard;

use std::net::{Ipv4Addr, TcpListener};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use redis::aio::MultiplexedConnection;
use redis::{Client, FromRedisValue};
use tokio::sync::OnceCell;

use self::guard::Guard;
use crate::skip;

pub use cluster::RedisCluster;

/// A machine that compiles at the same time can be slow.
const PATIENCE: Duration = Duration::from_secs(60);

/// Where another process has the port, another one is tried.
const TRIES: usize = 5;

/// A Redis on a port of 127.0.0.1, with a directory of its own. Both are gone when this is dropped or the
/// process ends.
#[derive(Debug)]
pub struct RedisServer {
    guard: Guard,
    port: u16,
    password: Option<String>,
    settings: Vec<String>,
    directory: PathBuf,
}

impl RedisServer {
    /// A server with these settings, such as `["--appendonly", "yes"]`. `None` where no Redis is installed: then
    /// the test that runs on this thread is said to be left out; see [`skip`].
    ///
    /// # Panics
    ///
    /// When it does not start, and in CI without Redis.
    pub async fn start(settings: &[&str]) -> Option<Self> {
        Self::start_with(settings, None).await
    }

    /// A server with these settings, which have this password in them.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start).
    pub async fn start_locked(settings: &[&str], password: &str) -> Option<Self> {
        Self::start_with(settings, Some(password)).await
    }

    async fn start_with(settings: &[&str], password: Option<&str>) -> Option<Self> {
        if !is_installed() {
            return None;
        }
        let mut log = None;
        for _ in 0..TRIES {
            let mut server = Self::spawn(free_port(), settings);
            server.password = password.map(str::to_owned);
            if server.answers().await {
                return Some(server);
            }
            log = std::fs::read_to_string(server.directory.join("log")).ok();
        }
        panic!("Redis does not start: {}", log.unwrap_or_default());
    }

    /// The server that the tests of a process share. It writes nothing to disk. Each test has a prefix of its
    /// own.
    ///
    /// # Panics
    ///
    /// As [`start`](Self::start).
    pub async fn shared() -> Option<&'static Self> {
        static SHARED: OnceCell<Option<RedisServer>> = OnceCell::const_new();

        if !is_installed() {
            return None;
        }
        let start = || Self::start(&["--save", ""]);
        SHARED.get_or_init(start).await.as_ref()
    }

    fn spawn(port: u16, settings: &[&str]) -> Self {
        let directory = tempfile::tempdir().expect("a directory").keep();
        let settings: Vec<_> = settings
            .iter()
            .map(|setting| (*setting).to_owned())
            .collect();
        let guard = Guard::start(port, &directory, &settings);
        Self {
            guard,
            port,
            password: None,
            settings,
            directory,
        }
    }

    /// Waits for an answer. `false` if it has ended before.
    async fn answers(&self) -> bool {
        let begin = Instant::now();
        loop {
            if self.try_ask::<String>(&["PING"]).await.is_ok() {
                return true;
            }
            if self.guard.has_ended() {
                return false;
            }
            assert!(begin.elapsed() < PATIENCE, "Redis does not answer");
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    /// The address.
    #[must_use]
    pub fn url(&self) -> String {
        format!("redis://127.0.0.1:{}", self.port)
    }

    /// Where its files are.
    #[must_use]
    pub fn directory(&self) -> &std::path::Path {
        &self.directory
    }

    /// A connection to it.
    ///
    /// # Panics
    ///
    /// When it does not answer.
    pub async fn connect(&self) -> MultiplexedConnection {
        self.try_connect().await.expect("a connection to Redis")
    }

    async fn try_connect(&self) -> redis::RedisResult<MultiplexedConnection> {
        let password = self
            .password
            .as_deref()
            .map(|password| format!(":{password}@"));
        let password = password.unwrap_or_default();
        let client = Client::open(format!("redis://{password}127.0.0.1:{}", self.port))?;
        let config = redis::AsyncConnectionConfig::new().set_response_timeout(Some(PATIENCE));
        client
            .get_multiplexed_async_connection_with_config(&config)
            .await
    }

    /// The reply to a command.
    ///
    /// # Panics
    ///
    /// When it does not answer, or with an error.
    pub async fn ask<T: FromRedisValue>(&self, command: &[&str]) -> T {
        let reply = self.try_ask(command).await;
        reply.unwrap_or_else(|error| panic!("{command:?}: {error}"))
    }

    /// The reply to a command.
    ///
    /// # Errors
    ///
    /// What it answers, or why it does not.
    pub async fn try_ask<T: FromRedisValue>(&self, command: &[&str]) -> redis::RedisResult<T> {
        let mut connection = self.try_connect().await?;
        let mut words = redis::Cmd::new();
        words.arg(command);
        words.query_async(&mut connection).await
    }

    /// Stops it as `SIGSTOP` does: it keeps its connections, and says nothing.
    pub fn pause(&self) {
        self.guard.signal("STOP");
    }

    /// Lets it go on after [`pause`](Self::pause).
    pub fn resume(&self) {
        self.guard.signal("CONT");
    }

    /// Kills it.
    pub fn kill(&mut self) {
        self.guard.kill();
    }

    /// Gives it another setting for the next start.
    pub fn set(&mut self, name: &str, value: &str) {
        self.settings.extend([name.to_owned(), value.to_owned()]);
    }

    /// Starts it again after [`kill`](Self::kill), with what it has on disk, and does not wait for it.
    pub fn start_loading(&mut self) {
        self.guard = Guard::start(self.port, &self.directory, &self.settings);
    }

    /// As [`start_loading`](Self::start_loading), and waits until it answers.
    ///
    /// # Panics
    ///
    /// When it does not start.
    pub async fn start_again(&mut self) {
        self.start_loading();
        assert!(self.answers().await, "Redis starts again");
    }
}

/// Whether there is a Redis. Where there is none, the test is said to be left out.
fn is_installed() -> bool {
    let is_installed = guard::is_installed();
    if !is_installed {
        let thread = std::thread::current();
        let name = thread.name().unwrap_or("a test with Redis");
        skip(name, "no redis-server is installed");
    }
    is_installed
}

fn free_port() -> u16 {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).expect("a free port");
    listener.local_addr().expect("a bound port").port()
}
