use std::future::Future;
use std::sync::{Mutex, PoisonError};
use std::thread;
use std::time::Duration;

use deadpool_postgres::{Manager, Pool, Runtime};
use tokio::sync::oneshot;
use tokio_postgres::error::SqlState;
use tokio_postgres::{Client, Config, NoTls};

use crate::PgStore;
use crate::clock::random_text;
use crate::error::chain;

/// How long a connection to the server may take.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(10);

/// How long the end of a test waits for its database to be dropped.
const DROP_TIMEOUT: Duration = Duration::from_secs(30);

/// Databases that a killed process has left behind: older than an hour by the server's clock, and not
/// connected to. The name holds the time of its creation.
const ABANDONED: &str = "SELECT datname::TEXT FROM pg_database AS d \
     WHERE to_timestamp(substring(datname::TEXT \
             FROM '^lucia_test_([0-9]{1,12})_[a-z0-9]{12}$')::BIGINT) < now() - INTERVAL '1 hour' \
         AND NOT EXISTS (SELECT FROM pg_stat_activity AS a WHERE a.datid = d.oid)";

/// The servers that this process has swept.
static SWEPT: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// An empty Postgres database for one test. It is dropped when this value is dropped: at the end of the
/// test, even if the test panics.
///
/// It works in every test with a tokio runtime, such as `#[actix_web::test]` and `#[tokio::test]`. Keep it
/// in a variable until the test ends. The server closes connections that are still open then.
///
/// A killed process leaves its databases behind, and so does a database in a `static`. The name of a
/// database is `lucia_test_`, the Unix time of its creation, and 12 random letters and digits. The next
/// process that creates a database on the same server drops those that are older than an hour and have no
/// connections.
///
/// ```no_run
/// use lucia::testing::PgDatabase;
/// use lucia::{Auth, NewUser, User};
///
/// #[actix_web::test]
/// async fn a_user_is_created() {
///     let server = std::env::var("DATABASE_URL").expect("a server for tests in DATABASE_URL");
///     let database = PgDatabase::create(&server).await;
///     let store = database.store(&["username TEXT NOT NULL UNIQUE"]).await;
///     let auth = Auth::builder(store).build().unwrap();
///
///     let ada = serde_json::json!({ "username": "ada" });
///     let ada: User = auth
///         .create_user(NewUser::without_key().attributes(&ada).returning())
///         .await
///         .unwrap();
///     assert!(auth.user::<serde_json::Value>(&ada.id).await.unwrap().is_some());
/// }
/// ```
#[must_use = "the database is dropped with it"]
pub struct PgDatabase {
    /// Any database of the server.
    server: String,
    name: String,
}

impl PgDatabase {
    /// Creates a database on the server of this URL, such as `postgres://app@localhost/postgres`.
    ///
    /// The account needs the right to create databases (`CREATEDB`). The database in the URL is only
    /// connected to, and not changed. The new database has the same user and parameters. Connections do not
    /// use TLS.
    ///
    /// # Panics
    ///
    /// If the database cannot be created. The message says why.
    pub async fn create(server_url: &str) -> Self {
        let server = server_url.to_owned();
        let (created, creation) = oneshot::channel();
        // A thread with a runtime, since that of the test may have a clock that stands still. If the
        // test stops waiting, `send` gives the database back, and it is dropped here.
        thread::spawn(move || drop(created.send(block_on(Self::try_create(server)))));
        let created = creation.await;
        created
            .unwrap_or_else(|_| Err("its thread panicked".to_owned()))
            .unwrap_or_else(|reason| panic!("cannot create a database for the test: {reason}"))
    }

    /// The URL of the database, for any client.
    #[must_use]
    pub fn url(&self) -> String {
        with_database(&self.server, &self.name).unwrap_or_else(|| self.server.clone())
    }

    /// The name of the database.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// A store on the database, with lucia's tables and your own columns by their `definitions`, as created
    /// by [`migrate`](PgStore::migrate).
    ///
    /// If another tool creates the tables, use [`url`](Self::url) with [`PgStore::connect`], or
    /// [`pool`](Self::pool) with [`PgStore::new`].
    ///
    /// # Panics
    ///
    /// If Postgres does not accept a definition.
    pub async fn store(&self, definitions: &[&str]) -> PgStore {
        let made = async {
            let store = PgStore::connect(&self.url()).await?;
            store.migrate(definitions).await?;
            Ok(store)
        };
        made.await
            .unwrap_or_else(|error: crate::Error| panic!("the store of the test: {error}"))
    }

    /// A connection pool for the database. Pass it to [`PgStore::new`] or [`PgStore::builder`], and use it
    /// for the application's own queries. It has deadpool's default size.
    #[must_use]
    pub fn pool(&self) -> Pool {
        let config: Config = self.url().parse().expect("`create` has parsed it");
        Pool::builder(Manager::new(config, NoTls))
            .runtime(Runtime::Tokio1)
            .build()
            .expect("it has a runtime")
    }

    async fn try_create(server: String) -> Result<Self, String> {
        let client = connect(&server).await?;
        sweep(&client, &server).await;
        let failed = |error: tokio_postgres::Error| {
            let hint = match error.code() {
                Some(&SqlState::INSUFFICIENT_PRIVILEGE) => "; run `ALTER ROLE .. CREATEDB`",
                _ => "",
            };
            format!("{}{hint}", chain(&error))
        };
        let now = client
            .query_one("SELECT extract(epoch FROM now())::BIGINT", &[])
            .await
            .map_err(failed)?;
        let now: i64 = now.try_get(0).map_err(failed)?;
        let random = random_text(12).map_err(|error| error.to_string())?;
        let name = format!("lucia_test_{now}_{random}");
        // No client can be connected to `template0`, which would make the creation fail.
        let sql = format!("CREATE DATABASE \"{name}\" TEMPLATE template0");
        client.batch_execute(&sql).await.map_err(failed)?;
        Ok(Self { server, name })
    }
}

impl Drop for PgDatabase {
    fn drop(&mut self) {
        let server = self.server.clone();
        let sql = format!("DROP DATABASE IF EXISTS \"{}\" WITH (FORCE)", self.name);
        let dropping = async move {
            let client = connect(&server).await?;
            let dropped = client.batch_execute(&sql).await;
            dropped.map_err(|error| chain(&error))
        };
        // Another thread, since the runtime of the test may be about to end.
        let dropping = thread::spawn(|| {
            block_on(async {
                let dropped = tokio::time::timeout(DROP_TIMEOUT, dropping).await;
                dropped.map_err(|elapsed| elapsed.to_string())?
            })
        });
        if let Ok(Err(reason)) = dropping.join() {
            // The server may have been stopped. What is left, a later process sweeps.
            tracing::warn!("the test database `{}` is not dropped: {reason}", self.name);
        }
    }
}

// Shows no URL, which may hold a password.
debug_of!(PgDatabase: name);

/// Drops what killed processes have left behind, once for each server and process. Others may sweep at
/// the same time, so failures are expected and do no harm.
async fn sweep(client: &Client, server: &str) {
    {
        let mut swept = SWEPT.lock().unwrap_or_else(PoisonError::into_inner);
        if swept.iter().any(|known| known == server) {
            return;
        }
        swept.push(server.to_owned());
    }
    for row in client.query(ABANDONED, &[]).await.unwrap_or_default() {
        if let Ok(name) = row.try_get::<_, String>(0) {
            // Not by force: a test may have connected in the meantime.
            let sql = format!("DROP DATABASE IF EXISTS \"{name}\"");
            if let Err(error) = client.batch_execute(&sql).await {
                tracing::debug!("the old test database `{name}` stays: {}", chain(&error));
            }
        }
    }
}

/// Connects on the runtime of a thread of this module.
async fn connect(url: &str) -> Result<Client, String> {
    let hint = "write `postgres://user@host/database`";
    if with_database(url, "").is_none() {
        return Err(format!(
            "the URL of the server has no `postgres://`; {hint}"
        ));
    }
    let mut config: Config = url
        .parse()
        .map_err(|error| format!("{}; {hint}", chain(&error)))?;
    if config.get_connect_timeout().is_none() {
        config.connect_timeout(CONNECT_TIMEOUT);
    }
    let connected = config.connect(NoTls).await;
    let (client, connection) = connected.map_err(|error| chain(&error))?;
    tokio::spawn(connection);
    Ok(client)
}

fn block_on<T>(future: impl Future<Output = Result<T, String>>) -> Result<T, String> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build();
    runtime.map_err(|error| error.to_string())?.block_on(future)
}

/// The URL with another database in it. `None` if it is not a URL.
fn with_database(url: &str, name: &str) -> Option<String> {
    let (scheme, rest) = url.split_once("://")?;
    if !["postgres", "postgresql"].contains(&scheme) {
        return None;
    }
    let (address, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (authority, _) = address.split_once('/').unwrap_or((address, ""));
    let kept: Vec<_> = query
        .split('&')
        .filter(|parameter| !parameter.is_empty() && !parameter.starts_with("dbname="))
        .collect();
    let mark = if kept.is_empty() { "" } else { "?" };
    Some(format!(
        "{scheme}://{authority}/{name}{mark}{}",
        kept.join("&")
    ))
}

#[cfg(test)]
mod tests {
    use super::with_database;

    #[test]
    fn only_the_database_of_a_url_changes() {
        for (url, expected) in [
            (
                "postgres://app@localhost/app",
                "postgres://app@localhost/new",
            ),
            ("postgres://app@localhost", "postgres://app@localhost/new"),
            ("postgresql://h:5433/", "postgresql://h:5433/new"),
            (
                "postgres://app:p%2Fw@a:1,b:2/app?options=-c%20a%3Db&dbname=app",
                "postgres://app:p%2Fw@a:1,b:2/new?options=-c%20a%3Db",
            ),
            (
                "postgres:///app?host=/run/postgresql",
                "postgres:///new?host=/run/postgresql",
            ),
            (
                "postgres://localhost?user=a",
                "postgres://localhost/new?user=a",
            ),
            (
                "postgres://localhost/a?dbname=b",
                "postgres://localhost/new",
            ),
        ] {
            assert_eq!(with_database(url, "new").unwrap(), expected, "{url}");
            let config: tokio_postgres::Config = expected.parse().unwrap();
            assert_eq!(config.get_dbname(), Some("new"), "{expected}");
        }
        for other in [
            "",
            "app",
            "host=localhost dbname=app",
            "mysql://localhost/app",
        ] {
            assert_eq!(with_database(other, "new"), None, "{other}");
        }
    }
}
