//! A database for each test.

use lucia::testing::PgDatabase;
use tokio::sync::OnceCell;
use tokio_postgres::{Client, NoTls};
use url::Url;

use super::shared::{Quick, Shared};

/// A database for one test, dropped with it.
#[derive(Debug)]
pub struct Database {
    server: String,
    held: Held,
}

#[derive(Debug)]
enum Held {
    Quick(Quick),
    Given(PgDatabase),
}

/// What many databases have in them: filled in once, and copied for each test.
#[derive(Debug)]
pub struct Template(OnceCell<Database>);

impl Template {
    /// One that is filled in when it is first used.
    #[must_use]
    #[allow(clippy::new_without_default, reason = "it is for a `static`")]
    pub const fn new() -> Self {
        Self(OnceCell::const_new())
    }

    /// A database that `fill` has filled in, given its URL. On the server of `DATABASE_URL` nothing is
    /// left behind: each database is filled in there.
    ///
    /// # Panics
    ///
    /// When there is no Postgres; the message says what to install.
    pub async fn copy(&self, fill: impl AsyncFn(String)) -> Database {
        let filled = async || {
            let database = Database::new().await;
            fill(database.url()).await;
            database
        };
        if given_url().is_some() {
            return filled().await;
        }
        match &self.0.get_or_init(filled).await.held {
            Held::Quick(template) => Database::copy_of(template.name()).await,
            Held::Given(_) => filled().await,
        }
    }
}

impl Database {
    /// An empty database on the server of `DATABASE_URL`, or on one that all tests of this process
    /// share.
    ///
    /// # Panics
    ///
    /// When there is no Postgres; the message says what to install.
    pub async fn new() -> Self {
        match given_url() {
            Some(url) => Self::on(&url).await,
            // No connection is possible to this one, which would be in the way of copying it.
            None => Self::copy_of("template0").await,
        }
    }

    /// An empty database on the server at `url`.
    ///
    /// # Panics
    ///
    /// When it cannot be created.
    pub async fn on(url: &str) -> Self {
        Self {
            server: url.to_owned(),
            held: Held::Given(PgDatabase::create(url).await),
        }
    }

    async fn copy_of(template: &str) -> Self {
        let shared = shared().await;
        Self {
            server: shared.url(),
            held: Held::Quick(shared.copy_of(template).await),
        }
    }

    /// Its address.
    #[must_use]
    pub fn url(&self) -> String {
        match &self.held {
            Held::Given(database) => database.url(),
            Held::Quick(database) => {
                let mut url = parse(&self.server);
                url.set_path(database.name());
                url.into()
            }
        }
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
    match given_url() {
        Some(url) => url,
        None => shared().await.url(),
    }
}

fn given_url() -> Option<String> {
    std::env::var("DATABASE_URL").ok()
}

async fn shared() -> &'static Shared {
    match Shared::get().await {
        Ok(shared) => shared,
        Err(error) => panic!("{error}"),
    }
}

fn parse(url: &str) -> Url {
    url.parse()
        .unwrap_or_else(|error| panic!("DATABASE_URL is to be written `postgres://..`: {error}"))
}
