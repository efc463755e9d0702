//! Starting and stopping the site.

use std::net::{SocketAddr, TcpListener};
use std::time::Duration;
use std::{fmt, io};

use actix_web::dev::Server;
use actix_web::middleware::{ErrorHandlers, from_fn};
use actix_web::{App, HttpServer, rt, web};
use lucia::Auth;

use crate::{Settings, database, errors, headers, logging, routes};

/// How often the sessions that nobody can use any more are deleted.
const SWEEP: Duration = Duration::from_secs(60 * 60);

/// How long requests may take to finish when the site is stopped, in seconds.
const GRACE: u64 = 10;

/// Why the site did not start, or stopped. It holds no password.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum StartError {
    /// A setting makes no sense.
    #[error("{0}")]
    Setting(String),
    /// The address cannot be listened on.
    #[error("cannot listen on {address}:{port} (choose another port with `--port`)")]
    Listen {
        /// The address.
        address: String,
        /// The port.
        port: u16,
        /// What the system said.
        source: io::Error,
    },
    /// The database cannot be used.
    #[error("cannot use {database}")]
    Database {
        /// Which one.
        database: String,
        /// What it said.
        source: lucia::Error,
    },
    /// The server broke down.
    #[error("the server stopped")]
    Server(#[from] io::Error),
}

/// Binds the address and opens the database.
///
/// # Errors
///
/// [`StartError`] says what is in the way.
pub async fn start(settings: &Settings) -> Result<Site, StartError> {
    let Settings { address, port, .. } = settings;
    let listener =
        TcpListener::bind((address.as_str(), *port)).map_err(|source| StartError::Listen {
            address: address.clone(),
            port: *port,
            source,
        })?;
    let auth = database::open(&settings.database, listener.local_addr()?)
        .await
        .map_err(|source| StartError::Database {
            database: settings.database.to_string(),
            source,
        })?;
    Ok(Site::new(listener, auth)?)
}

/// The site, listening. It answers once it [runs](Self::run).
pub struct Site {
    address: SocketAddr,
    auth: Auth,
    server: Server,
}

impl Site {
    /// A site on this listener.
    ///
    /// # Errors
    ///
    /// When the listener cannot be used.
    pub fn new(listener: TcpListener, auth: Auth) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let shared = web::Data::new(auth.clone());
        let server = HttpServer::new(move || {
            App::new()
                .app_data(shared.clone())
                .configure(routes::configure)
                // The last one is the outermost: it sees a response after all others.
                .wrap(ErrorHandlers::new().default_handler(errors::page))
                .wrap(headers::security())
                .wrap(from_fn(logging::request))
        })
        .listen(listener)?
        .shutdown_timeout(GRACE)
        .run();
        Ok(Self {
            address,
            auth,
            server,
        })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers requests until the process is asked to end, by Ctrl-C for example.
    ///
    /// # Errors
    ///
    /// [`StartError::Server`] when the server breaks down.
    pub async fn run(self) -> Result<(), StartError> {
        let sweeper = rt::spawn(sweep(self.auth));
        let ended = self.server.await;
        sweeper.abort();
        tracing::info!("stopped");
        Ok(ended?)
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site")
            .field("address", &self.address)
            .finish_non_exhaustive()
    }
}

/// Deletes expired sessions now and then. They are harmless, and only take up room.
async fn sweep(auth: Auth) {
    let mut every = rt::time::interval(SWEEP);
    loop {
        every.tick().await;
        match auth.delete_expired_sessions().await {
            Ok(0) => {}
            Ok(deleted) => tracing::info!(deleted, "swept expired sessions"),
            Err(error) => tracing::warn!(%error, "could not sweep expired sessions"),
        }
    }
}
