//! The server that the tests of a process share, and databases that come and go quickly there.

use std::pin::pin;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::task::{Context, Waker};

use tokio::sync::{OnceCell, oneshot};
use tokio_postgres::{Client, NoTls};

use super::server::Server;

/// A server that ends with the process: nothing on it has to last.
#[derive(Debug)]
pub(super) struct Shared {
    server: Server,
    creating: Client,
    /// Another connection, so that no test waits until the database of an earlier one is gone.
    dropping: Client,
    copies: &'static str,
}

/// A database on the shared server, dropped with this.
#[derive(Debug)]
pub(super) struct Quick {
    shared: &'static Shared,
    name: String,
}

impl Shared {
    /// The server, started at the first call.
    pub(super) async fn get() -> Result<&'static Self, String> {
        static SHARED: OnceCell<Shared> = OnceCell::const_new();

        SHARED.get_or_try_init(Self::start).await
    }

    async fn start() -> Result<Self, String> {
        let starting = tokio::task::spawn_blocking(Server::start_fast);
        let server = starting.await.expect("nothing panics there")?;
        let connections = async {
            let creating = connect(server.url()).await?;
            Ok((
                copies(&creating).await?,
                creating,
                connect(server.url()).await?,
            ))
        };
        let connections: Result<_, tokio_postgres::Error> = connections.await;
        let (copies, creating, dropping) =
            connections.map_err(|error| format!("Postgres: {error:?}"))?;
        Ok(Self {
            server,
            creating,
            dropping,
            copies,
        })
    }

    pub(super) fn url(&self) -> String {
        self.server.url()
    }

    /// A copy of a database that has no connections.
    pub(super) async fn copy_of(&'static self, template: &str) -> Quick {
        static CREATED: AtomicUsize = AtomicUsize::new(0);

        let name = format!("test_{}", CREATED.fetch_add(1, Ordering::Relaxed));
        let sql = format!("CREATE DATABASE {name} TEMPLATE {template}{}", self.copies);
        if let Err(error) = self.creating.batch_execute(&sql).await {
            panic!("cannot create a database for the test: {error:?}");
        }
        Quick { shared: self, name }
    }
}

impl Quick {
    pub(super) fn name(&self) -> &str {
        &self.name
    }
}

impl Drop for Quick {
    fn drop(&mut self) {
        let sql = format!("DROP DATABASE {} WITH (FORCE)", self.name);
        // The first poll sends it. The answer matters to no test.
        let dropping = pin!(self.shared.dropping.batch_execute(&sql));
        let _ = dropping.poll(&mut Context::from_waker(Waker::noop()));
    }
}

/// A connection for as long as the process lasts, whatever becomes of the runtime of the test.
async fn connect(url: String) -> Result<Client, tokio_postgres::Error> {
    let (told, client) = oneshot::channel();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .expect("a runtime");
        runtime.block_on(async {
            match tokio_postgres::connect(&url, NoTls).await {
                Ok((client, connection)) => {
                    let _ = told.send(Ok(client));
                    let _ = connection.await;
                }
                Err(error) => drop(told.send(Err(error))),
            }
        });
    });
    client.await.expect("the thread connects")
}

/// How a database is copied: file by file. The default since Postgres 15 writes each page to the log,
/// which takes four times as long where nothing is flushed to the disk.
async fn copies(client: &Client) -> Result<&'static str, tokio_postgres::Error> {
    let sql = "SELECT current_setting('server_version_num')::INT";
    let version: i32 = client.query_one(sql, &[]).await?.try_get(0)?;
    Ok(match version {
        150_000.. => " STRATEGY file_copy",
        _ => "",
    })
}
