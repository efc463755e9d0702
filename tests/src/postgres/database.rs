//! A database for each test.

use std::sync::atomic::{AtomicU32, Ordering};

use once_cell::sync::OnceCell;
use tokio_postgres::{Client, NoTls};
use url::Url;

use super::server::Server;

/// An empty database of a test's own, dropped with it.
#[derive(Debug)]
pub struct Database {
    server: String,
    name: String,
}

/// The server that all tests of this process share, unless `DATABASE_URL` names one.
static SHARED: OnceCell<Server> = OnceCell::new();

impl Database {
    /// A database on the server of `DATABASE_URL`, or on one that all tests of this process share.
    ///
    /// # Panics
    ///
    /// When there is no Postgres; the message says what to install.
    pub async fn new() -> Self {
        let server = match std::env::var("DATABASE_URL") {
            Ok(url) => url,
            Err(_) => {
                let server = tokio::task::spawn_blocking(|| {
                    SHARED.get_or_try_init(Server::start_fast).map(Server::url)
                });
                match server.await.expect("nothing panics there") {
                    Ok(url) => url,
                    Err(error) => panic!("{error}"),
                }
            }
        };
        Self::on(&server).await
    }

    /// A database on the server at `url`.
    ///
    /// # Panics
    ///
    /// When it cannot be created.
    pub async fn on(url: &str) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);

        let time = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
        let name = format!(
            "lucia_test_{}_{}_{}",
            std::process::id(),
            COUNT.fetch_add(1, Ordering::Relaxed),
            time.subsec_nanos()
        );
        // Nobody can be connected to `template0`, which would make the creation fail.
        let sql = format!("CREATE DATABASE \"{name}\" TEMPLATE template0");
        let created = connect(url).await.batch_execute(&sql).await;
        created.unwrap_or_else(|error| panic!("cannot create a database at {url}: {error:?}"));
        Self {
            server: url.to_owned(),
            name,
        }
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        self.url_at(None)
    }

    /// Its address by way of something that listens on a port of 127.0.0.1.
    #[must_use]
    pub fn url_by(&self, port: u16) -> String {
        self.url_at(Some(port))
    }

    /// The host and port of its server.
    #[must_use]
    pub fn host(&self) -> (String, u16) {
        let url = parse(&self.server);
        let host = url.host_str().unwrap_or("127.0.0.1").to_owned();
        (host, url.port().unwrap_or(5432))
    }

    /// A connection to it.
    ///
    /// # Panics
    ///
    /// When there is none to have.
    pub async fn connect(&self) -> Client {
        connect(&self.url()).await
    }

    fn url_at(&self, port: Option<u16>) -> String {
        let mut url = parse(&self.server);
        url.set_path(&self.name);
        if let Some(port) = port {
            url.set_host(Some("127.0.0.1"))
                .and_then(|()| {
                    url.set_port(Some(port))
                        .map_err(|()| url::ParseError::InvalidPort)
                })
                .expect("the url has a host");
        }
        url.into()
    }
}

impl Drop for Database {
    fn drop(&mut self) {
        let (server, name) = (self.server.clone(), self.name.clone());
        // A thread of its own, since the runtime of the test may be about to end. A server that
        // is gone has taken the database along.
        let dropping = std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread()
                .enable_all()
                .build()?;
            runtime.block_on(async {
                let (client, connection) = tokio_postgres::connect(&server, NoTls)
                    .await
                    .map_err(std::io::Error::other)?;
                tokio::spawn(connection);
                let sql = format!("DROP DATABASE IF EXISTS \"{name}\" WITH (FORCE)");
                client
                    .batch_execute(&sql)
                    .await
                    .map_err(std::io::Error::other)
            })
        });
        let _: Result<std::io::Result<()>, _> = dropping.join();
    }
}

async fn connect(url: &str) -> Client {
    let connected = tokio_postgres::connect(url, NoTls).await;
    let (client, connection) =
        connected.unwrap_or_else(|error| panic!("cannot connect to {url}: {error:?}"));
    tokio::spawn(connection);
    client
}

fn parse(url: &str) -> Url {
    url.parse()
        .unwrap_or_else(|error| panic!("DATABASE_URL is to be written `postgres://..`: {error}"))
}
