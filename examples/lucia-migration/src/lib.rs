//! From an application with Lucia v2 in Node to lucia, on the same database and without a log-out.
//!
//! `step` has what changes on the way, and the README says what to do when.

mod routes;
mod step;

use std::fmt;
use std::net::{SocketAddr, TcpListener};

use actix_web::dev::Server;
use actix_web::{App, HttpServer, web};
use lucia::{Environment, Sweeper};

pub use routes::Profile;
pub use step::Step;

type Error = Box<dyn std::error::Error>;

/// The application, listening. It answers once it [runs](Self::run).
pub struct Site {
    address: SocketAddr,
    sweeper: Sweeper,
    server: Server,
}

/// Starts on a database that Lucia v2 has made.
///
/// # Errors
///
/// What is in the way: the database, its tables, or the address.
pub async fn start(
    step: Step,
    environment: Environment,
    database_url: &str,
    listener: TcpListener,
) -> Result<Site, Error> {
    let store = step.store(database_url).await?;
    // Adds columns and indexes to the tables of Lucia v2, which it does not mind. The columns of
    // users are there already.
    store.migrate(&[]).await?;

    let address = listener.local_addr()?;
    let auth = step.settings(store).environment(environment).build()?;
    auth.check_schema::<Profile>().await?;

    let sweeper = auth.sweeper().start()?;
    let auth = web::Data::new(auth);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(auth.clone())
            .configure(routes::configure)
    });
    Ok(Site {
        address,
        sweeper,
        server: server.listen(listener)?.run(),
    })
}

impl Site {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers requests until the process is asked to end.
    ///
    /// # Errors
    ///
    /// When the server breaks down.
    pub async fn run(self) -> std::io::Result<()> {
        let ended = self.server.await;
        self.sweeper.stop().await;
        ended
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}
