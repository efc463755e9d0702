//! A database for each test.

use lucia::testing::PgDatabase;
use once_cell::sync::OnceCell;
use tokio_postgres::{Client, NoTls};
use url::Url;

use super::server::Server;

/// An empty database of a test's own, dropped with it.
#[derive(Debug)]
pub struct Database {
    server: String,
    database: PgDatabase,
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
        Self::on(&server_url().await).await
    }

    /// A database on the server at `url`.
    ///
    /// # Panics
    ///
    /// When it cannot be created.
    pub async fn on(url: &str) -> Self {
        Self {
            server: url.to_owned(),
            database: PgDatabase::create(url).await,
        }
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        self.database.url()
    }

    /// Its address by way of something that listens on a port of 127.0.0.1.
    #[must_use]
    pub fn url_by(&self, port: u16) -> String {
        let mut url = parse(&self.url());
        url.set_host(Some("127.0.0.1"))
            .and_then(|()| {
                url.set_port(Some(port))
                    .map_err(|()| url::ParseError::InvalidPort)
            })
            .expect("the url has a host");
        url.into()
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
        let url = self.url();
        let connected = tokio_postgres::connect(&url, NoTls).await;
        let (client, connection) =
            connected.unwrap_or_else(|error| panic!("cannot connect to {url}: {error:?}"));
        tokio::spawn(connection);
        client
    }
}

/// The address of the server of `DATABASE_URL`, or of one that all tests of this process share.
///
/// # Panics
///
/// When there is no Postgres; the message says what to install.
pub async fn server_url() -> String {
    if let Ok(url) = std::env::var("DATABASE_URL") {
        return url;
    }
    let server =
        tokio::task::spawn_blocking(|| SHARED.get_or_try_init(Server::start_fast).map(Server::url));
    match server.await.expect("nothing panics there") {
        Ok(url) => url,
        Err(error) => panic!("{error}"),
    }
}

fn parse(url: &str) -> Url {
    url.parse()
        .unwrap_or_else(|error| panic!("DATABASE_URL is to be written `postgres://..`: {error}"))
}
