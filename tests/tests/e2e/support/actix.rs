//! What tests for both frameworks are written in, of actix-web. `axum.rs` has the same names.

#[path = "front_page.rs"]
mod front_page;

use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;

use actix_web::body::MessageBody;
use actix_web::dev::{
    Payload, ServerHandle, Service, ServiceFactory, ServiceRequest, ServiceResponse,
};
use actix_web::http::StatusCode;
use actix_web::http::header::{self, HeaderValue};
use actix_web::middleware::ErrorHandlers;
use actix_web::web::{self, Bytes, ServiceConfig};
use actix_web::{
    App, Error, FromRequest, Handler, HttpMessage, HttpRequest, HttpServer, Responder,
};
use futures_util::stream;
use lucia::actix::{AuthMiddleware, problem_details};
use lucia::mail::Mailbox;
use lucia::{Auth, Guard};

use super::{Polls, Site};

pub(crate) use actix_web::HttpResponse as Response;
pub(crate) use actix_web::web::{Data, Form, Json, Path, Query, Redirect};
pub(crate) use front_page::front_page;
pub(crate) use lucia::actix::{auth_request, authenticated};

/// The answer to a path that is there, and whose parts do not parse.
pub(crate) const BAD_PATH: u16 = 404;

/// The answer of a handler with an `Option` of our parameters while the store is away.
pub(crate) const OPTION_DURING_AN_OUTAGE: (u16, &str) = (200, "nobody");

/// What the log says where there is no `Auth`, and what to do about it.
pub(crate) const NO_AUTH: (&str, &str) = (
    "there is no `Auth`",
    "add `.app_data(web::Data::new(auth))` to the `App`",
);

/// What puts cookie changes on responses, and guards routes.
pub(crate) fn middleware(auth: &Auth) -> AuthMiddleware {
    auth.middleware()
}

/// Handlers and where they are.
#[derive(Clone, Default)]
pub(crate) struct Routes(Vec<Arc<Configure>>);

type Configure = dyn Fn(&mut ServiceConfig) + Send + Sync;

impl Routes {
    pub(crate) fn get<F, Args>(self, path: &'static str, handler: F) -> Self
    where
        F: Handler<Args, Output: Responder> + Send + Sync,
        Args: FromRequest + 'static,
    {
        self.and(move |config| {
            config.route(path, web::get().to(handler.clone()));
        })
    }

    pub(crate) fn post<F, Args>(self, path: &'static str, handler: F) -> Self
    where
        F: Handler<Args, Output: Responder> + Send + Sync,
        Args: FromRequest + 'static,
    {
        self.and(move |config| {
            config.route(path, web::post().to(handler.clone()));
        })
    }

    /// By whatever method.
    pub(crate) fn any<F, Args>(self, path: &'static str, handler: F) -> Self
    where
        F: Handler<Args, Output: Responder> + Send + Sync,
        Args: FromRequest + 'static,
    {
        self.and(move |config| {
            config.route(path, web::to(handler.clone()));
        })
    }

    /// Everywhere else.
    pub(crate) fn elsewhere<F, Args>(self, handler: F) -> Self
    where
        F: Handler<Args, Output: Responder> + Send + Sync,
        Args: FromRequest + 'static,
    {
        self.and(move |config| {
            config.default_service(web::to(handler.clone()));
        })
    }

    /// These routes, and others below `path`.
    pub(crate) fn below(self, path: &'static str, others: Self) -> Self {
        self.and(move |config| {
            config.service(web::scope(path).configure(|config| others.configure(config)));
        })
    }

    /// The page of the development mailbox.
    pub(crate) fn mailbox(self, path: &'static str, mailbox: &Mailbox) -> Self {
        let mailbox = mailbox.clone();
        self.and(move |config| {
            config.route(path, lucia::actix::mailbox(&mailbox));
        })
    }

    /// Gives handlers a [`Data<T>`](Data).
    pub(crate) fn give<T: Send + Sync + 'static>(self, value: T) -> Self {
        let data = Data::new(value);
        self.and(move |config| {
            config.app_data(data.clone());
        })
    }

    /// These routes, with the users of `auth`.
    pub(crate) fn of(self, auth: &Auth) -> Self {
        let data = Data::new(auth.clone());
        Self::default().and(move |config| {
            let scope = web::scope("").app_data(data.clone());
            config.service(scope.configure(|config| self.configure(config)));
        })
    }

    /// These routes in the middleware.
    pub(crate) fn wrapped(self, auth: &Auth) -> Self {
        self.within(auth.middleware())
    }

    /// Turns errors in plain text into problem details.
    pub(crate) fn with_problems(self) -> Self {
        Self::default().and(move |config| {
            let errors = ErrorHandlers::new().default_handler(problem_details);
            let scope = web::scope("").wrap(errors);
            config.service(scope.configure(|config| self.configure(config)));
        })
    }

    pub(crate) fn protected(self, auth: &Auth) -> Self {
        self.within(auth.middleware().protect())
    }

    pub(crate) fn protected_or_redirect(self, auth: &Auth, login: &'static str) -> Self {
        self.within(auth.middleware().protect_or_redirect(login))
    }

    pub(crate) fn guarded(self, auth: &Auth, guard: Guard) -> Self {
        self.within(auth.middleware().guard(guard))
    }

    /// These routes in a [`middleware`].
    pub(crate) fn within(self, middleware: AuthMiddleware) -> Self {
        Self::default().and(move |config| {
            let scope = web::scope("").wrap(middleware.clone());
            config.service(scope.configure(|config| self.configure(config)));
        })
    }

    /// These routes, with the polls of bodies counted.
    pub(crate) fn counted(self, polls: &Polls) -> Self {
        let polls = polls.clone();
        Self::default().and(move |config| {
            let polls = polls.clone();
            let scope = web::scope("").wrap_fn(move |mut request, service| {
                let body = polls.of(request.take_payload());
                request.set_payload(Payload::Stream {
                    payload: Box::pin(body),
                });
                service.call(request)
            });
            config.service(scope.configure(|config| self.configure(config)));
        })
    }

    /// These routes, with the error of lucia that a response carries in its `x-lucia-error`.
    pub(crate) fn telling_errors(self) -> Self {
        Self::default().and(move |config| {
            let scope = web::scope("").wrap_fn(|request, service| {
                let response = service.call(request);
                async {
                    let mut response = response.await?;
                    let error = response.response().error();
                    let error = error.and_then(|error| error.as_error::<lucia::Error>());
                    if let Some(code) = error.map(lucia::Error::code) {
                        let code = HeaderValue::from_static(code);
                        let name = header::HeaderName::from_static("x-lucia-error");
                        response.headers_mut().insert(name, code);
                    }
                    Ok(response)
                }
            });
            config.service(scope.configure(|config| self.configure(config)));
        })
    }

    /// What a function configures.
    pub(crate) fn of_config(
        configure: impl Fn(&mut ServiceConfig) + Send + Sync + 'static,
    ) -> Self {
        Self::default().and(configure)
    }

    pub(crate) fn configure(&self, config: &mut ServiceConfig) {
        for route in &self.0 {
            route(config);
        }
    }

    fn and(mut self, route: impl Fn(&mut ServiceConfig) + Send + Sync + 'static) -> Self {
        self.0.push(Arc::new(route));
        self
    }
}

/// A site whose users are those of `auth`.
pub(crate) async fn serve(auth: Auth, routes: Routes) -> Site {
    serve_at(auth, Ipv4Addr::LOCALHOST.into(), routes).await
}

/// As [`serve`], on another address.
pub(crate) async fn serve_at(auth: Auth, at: IpAddr, routes: Routes) -> Site {
    let given = Routes::default().give(auth.clone());
    let routes = given.and(move |config| routes.configure(config));
    serve_routes(auth, at, routes).await
}

/// A site that was not told of any `Auth`.
pub(crate) async fn serve_without_auth(auth: Auth, routes: Routes) -> Site {
    serve_routes(auth, Ipv4Addr::LOCALHOST.into(), routes).await
}

async fn serve_routes(auth: Auth, at: IpAddr, routes: Routes) -> Site {
    let app = move || App::new().configure(|config| routes.configure(config));
    serve_app(auth, at, app).await
}

/// A site that is this `App`, with what is wrapped around it.
pub(crate) async fn serve_app<T, B>(
    auth: Auth,
    at: IpAddr,
    app: impl Fn() -> App<T> + Clone + Send + 'static,
) -> Site
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
    Site::new(auth, address, Running(handle))
}

struct Running(ServerHandle);

impl Drop for Running {
    fn drop(&mut self) {
        // It is told at once; only the answer is a future.
        drop(self.0.stop(false));
    }
}

pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
    let mut response = Response::build(StatusCode::from_u16(status).unwrap());
    for header in headers {
        response.append_header(*header);
    }
    response.body(body.to_owned())
}

/// A 303, as the framework itself makes it.
pub(crate) fn see_other(path: &'static str) -> Redirect {
    Redirect::to(path).see_other()
}

/// A 200 whose body comes in pieces.
pub(crate) fn streamed<const N: usize>(pieces: [&'static str; N]) -> Response {
    let pieces = pieces.map(|piece| Ok::<_, Error>(Bytes::from(piece)));
    Response::Ok().streaming(stream::iter(pieces))
}

/// Puts one more cookie on a response.
pub(crate) fn with_cookie(mut response: Response, cookie: &str) -> Response {
    let value = HeaderValue::from_str(cookie).unwrap();
    response.headers_mut().append(header::SET_COOKIE, value);
    response
}

/// The headers that a client sent.
pub(crate) struct Headers(header::HeaderMap);

impl Headers {
    pub(crate) fn one(&self, name: &str) -> Option<String> {
        self.0
            .get(name)
            .map(|value| value.to_str().unwrap().to_owned())
    }
}

impl FromRequest for Headers {
    type Error = Error;
    type Future = std::future::Ready<Result<Self, Self::Error>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        std::future::ready(Ok(Self(request.headers().clone())))
    }
}
