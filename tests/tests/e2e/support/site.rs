//! A site over real HTTP.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use actix_web::body::MessageBody;
use actix_web::dev::{ServerHandle, ServiceFactory, ServiceRequest, ServiceResponse};
use actix_web::web::{self, ServiceConfig};
use actix_web::{App, Error, HttpServer};
use lucia::{Auth, Session};

use super::{Browser, actix};

/// A site on a port of 127.0.0.1, on threads of its own, until it is dropped.
pub(crate) struct Site {
    pub(crate) auth: Auth,
    address: SocketAddr,
    /// Stops it when it is dropped.
    _running: Box<dyn Send>,
}

impl Site {
    pub(super) fn new(auth: Auth, mut address: SocketAddr, running: impl Send + 'static) -> Self {
        // One that listens everywhere is reached by IPv4.
        if address.ip().is_unspecified() {
            address.set_ip(Ipv4Addr::LOCALHOST.into());
        }
        Self {
            auth,
            address,
            _running: Box::new(running),
        }
    }

    /// A site in actix-web.
    pub(crate) async fn serve(
        auth: Auth,
        routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
    ) -> Self {
        let data = web::Data::new(auth.clone());
        Self::serve_with(auth, move |config| {
            config.app_data(data.clone());
            routes(config);
        })
        .await
    }

    /// A site that is given nothing but `routes`.
    pub(crate) async fn serve_with(
        auth: Auth,
        routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
    ) -> Self {
        Self::serve_at(auth, Ipv4Addr::LOCALHOST.into(), routes).await
    }

    /// As [`serve_with`](Self::serve_with), on another address.
    pub(super) async fn serve_at(
        auth: Auth,
        at: IpAddr,
        routes: impl Fn(&mut ServiceConfig) + Clone + Send + 'static,
    ) -> Self {
        Self::serve_app_at(auth, at, move || App::new().configure(routes.clone())).await
    }

    /// A site that is this `App`, with what is wrapped around it.
    pub(crate) async fn serve_app<T, B>(
        auth: Auth,
        app: impl Fn() -> App<T> + Clone + Send + 'static,
    ) -> Self
    where
        T: ServiceFactory<
                ServiceRequest,
                Config = (),
                Response = ServiceResponse<B>,
                Error = Error,
                InitError = (),
            > + 'static,
        B: MessageBody + 'static,
    {
        Self::serve_app_at(auth, Ipv4Addr::LOCALHOST.into(), app).await
    }

    async fn serve_app_at<T, B>(
        auth: Auth,
        at: IpAddr,
        app: impl Fn() -> App<T> + Clone + Send + 'static,
    ) -> Self
    where
        T: ServiceFactory<
                ServiceRequest,
                Config = (),
                Response = ServiceResponse<B>,
                Error = Error,
                InitError = (),
            > + 'static,
        B: MessageBody + 'static,
    {
        let (started, starting) = tokio::sync::oneshot::channel();
        std::thread::spawn(move || {
            actix_web::rt::System::new().block_on(async move {
                let server = HttpServer::new(app)
                    .workers(2)
                    .disable_signals()
                    .shutdown_timeout(0)
                    .bind((at, 0))
                    .unwrap();
                let address = server.addrs()[0];
                let running = server.run();
                started.send((address, running.handle())).unwrap();
                running.await.unwrap();
            });
        });
        let (address, handle) = starting.await.unwrap();
        Self::new(auth, address, Running(handle))
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// The origin of its pages.
    pub(crate) fn origin(&self) -> String {
        format!("http://{}", self.address)
    }

    /// A browser without cookies.
    pub(crate) fn browser(&self) -> Browser {
        Browser::new(self.origin())
    }

    /// A browser with the cookie of a session.
    pub(crate) fn browser_of(&self, session: &Session) -> Browser {
        let browser = self.browser();
        let cookie = self.auth.session_cookie(Some(session));
        browser.keep(cookie.name(), cookie.value());
        browser
    }
}

struct Running(ServerHandle);

impl Drop for Running {
    fn drop(&mut self) {
        // It is told at once; only the answer is a future.
        drop(self.0.stop(false));
    }
}

/// The handlers of the front page, and `/who` and `/forget`.
pub(crate) fn front_page(config: &mut ServiceConfig) {
    actix::front_page().configure(config);
}
