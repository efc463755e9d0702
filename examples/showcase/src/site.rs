//! Starting and stopping the site.

use std::net::{SocketAddr, TcpListener};
use std::{fmt, io};

use actix_web::dev::Server;
use actix_web::middleware::{ErrorHandlers, from_fn};
use actix_web::{App, HttpServer, web};
use lucia::Sweeper;
use lucia::mail::Mailbox;

use crate::demo_provider::DemoProvider;
use crate::mails::Mails;
use crate::place::Place;
use crate::providers::Providers;
use crate::{Settings, database, demo_provider, errors, headers, logging, routes};

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
    /// The mail server or a provider cannot be used.
    #[error("cannot start")]
    Auth(#[from] lucia::Error),
    /// The server broke down.
    #[error("the server stopped")]
    Server(#[from] io::Error),
}

/// The site, listening. It answers once it [runs](Self::run).
pub struct Site {
    address: SocketAddr,
    place: Place,
    mails: Mails,
    sweeper: Sweeper,
    server: Server,
}

/// Binds the address, opens the database, and puts the parts together.
///
/// # Errors
///
/// [`StartError`] says what is in the way.
pub async fn start(settings: &Settings) -> Result<Site, StartError> {
    let listener = TcpListener::bind((&*settings.address, settings.port));
    let listener = listener.map_err(|source| StartError::Listen {
        address: settings.address.clone(),
        port: settings.port,
        source,
    })?;
    let address = listener.local_addr()?;
    let place = place(settings, address)?;
    let opened = database::open(settings, &place).await;
    let (auth, activity) = opened.map_err(|source| StartError::Database {
        database: settings.database.to_string(),
        source,
    })?;
    let mails = Mails::start(&auth, place.clone(), settings.smtp.as_ref()).await?;
    let demo = match place.is_development {
        true => Some(DemoProvider::new(&place)?),
        false => None,
    };
    let providers = Providers::new(&place, &settings.clients, demo.as_ref())?;
    let sweeper = auth.sweeper().start()?;

    let origins = providers.origins.clone();
    let (auth, activity) = (web::Data::new(auth), web::Data::new(activity));
    let (providers, demo) = (web::Data::new(providers), demo.map(web::Data::new));
    let shared = (web::Data::new(place.clone()), web::Data::new(mails.clone()));
    let server = HttpServer::new(move || {
        let (place, mails) = shared.clone();
        let mailbox = mails.mailbox.clone();
        App::new()
            .app_data(auth.clone())
            .app_data(activity.clone())
            .app_data(providers.clone())
            .app_data(place)
            .app_data(mails)
            .configure(routes::configure)
            .configure(|config| {
                if let Some(mailbox) = &mailbox {
                    config.route("/dev/mailbox", lucia::actix::mailbox(mailbox));
                }
                if let Some(demo) = &demo {
                    demo_provider::configure(config, demo.clone());
                }
            })
            // The last one is the outermost: it sees a response after all others.
            .wrap(ErrorHandlers::new().default_handler(errors::page))
            .wrap(from_fn(headers::one_host))
            .wrap(headers::security(&origins))
            .wrap(from_fn(logging::request))
    });
    Ok(Site {
        address,
        place,
        mails,
        sweeper,
        server: server.listen(listener)?.shutdown_timeout(GRACE).run(),
    })
}

/// Where people reach the site, and whether that is this machine alone.
fn place(settings: &Settings, address: SocketAddr) -> Result<Place, StartError> {
    let refuse = |what: &str| Err(StartError::Setting(what.to_owned()));
    match &settings.public_url {
        None if !address.ip().is_loopback() => refuse(
            "PUBLIC_URL: other machines reach this address, so say where people find the site: \
             `https://example.com`, of a proxy with TLS in front",
        ),
        Some(_) if settings.smtp.is_none() => {
            refuse("SMTP_URL: a public site needs a mail server: `smtps://user:password@host`")
        }
        Some(origin) => Ok(Place {
            origin: origin.clone(),
            is_development: false,
            has_mailbox: false,
        }),
        None => Ok(Place {
            origin: format!("http://{address}"),
            is_development: true,
            has_mailbox: settings.smtp.is_none(),
        }),
    }
}

impl Site {
    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.address
    }

    /// Where people reach it: `http://127.0.0.1:8080`.
    #[must_use]
    pub fn origin(&self) -> &str {
        &self.place.origin
    }

    /// The mails that it has written, in development without a mail server.
    #[must_use]
    pub fn mailbox(&self) -> Option<&Mailbox> {
        self.mails.mailbox.as_ref()
    }

    /// Answers requests until the process is asked to end, by Ctrl-C for example.
    ///
    /// # Errors
    ///
    /// [`StartError::Server`] when the server breaks down.
    pub async fn run(self) -> Result<(), StartError> {
        let ended = self.server.await;
        self.sweeper.stop().await;
        self.mails.outbox.stop().await; // sends what is due
        tracing::info!("stopped");
        Ok(ended?)
    }
}

impl fmt::Debug for Site {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Site")
            .field("place", &self.place)
            .finish_non_exhaustive()
    }
}
