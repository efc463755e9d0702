//! What tests for both frameworks are written in, of axum. `actix.rs` has the same names.

#[path = "front_page.rs"]
#[allow(clippy::duplicate_mod)] // Once for each framework.
mod front_page;

use std::convert::Infallible;
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::Arc;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::{Extension, FromRequestParts, Request};
use axum::handler::Handler;
use axum::http::header::{self, HeaderValue};
use axum::http::request::Parts;
use axum::response::IntoResponse;
use axum::routing::{any, get, post};
use axum::serve::IncomingStream;
use futures_util::stream;
use lucia::axum::{AuthLayer, problem_details};
use lucia::mail::Mailbox;
use lucia::{Auth, Guard};
use tokio::net::TcpListener;
use tokio::sync::oneshot;
use tower::Service;
use tower::util::{MapRequestLayer, MapResponseLayer};

use super::{Polls, Site};

pub(crate) use axum::extract::{Form, Json, Path, Query};
pub(crate) use axum::response::{Redirect, Response};
pub(crate) use front_page::front_page;
pub(crate) use lucia::axum::{auth_request, authenticated};

/// What `Routes::give` gives.
pub(crate) type Data<T> = Extension<Arc<T>>;

/// The answer to a path that is there, and whose parts do not parse.
pub(crate) const BAD_PATH: u16 = 400;

/// The answer of a handler with an `Option` of our parameters while the store is away.
pub(crate) const OPTION_DURING_AN_OUTAGE: (u16, &str) = (503, "Try again in a moment.");

/// What the log says where there is no `Auth`, and what to do about it.
pub(crate) const NO_AUTH: (&str, &str) = (
    "no `auth.layer()`",
    "add `.layer(auth.layer())` to the `Router`, after its last `.route(..)`",
);

/// What puts cookie changes on responses, and guards routes.
pub(crate) fn middleware(auth: &Auth) -> AuthLayer {
    auth.layer()
}

/// Handlers and where they are.
#[derive(Clone, Default)]
pub(crate) struct Routes(Router);

impl Routes {
    pub(crate) fn get<H: Handler<T, ()>, T: 'static>(self, path: &str, handler: H) -> Self {
        Self(self.0.route(path, get(handler)))
    }

    pub(crate) fn post<H: Handler<T, ()>, T: 'static>(self, path: &str, handler: H) -> Self {
        Self(self.0.route(path, post(handler)))
    }

    /// By whatever method.
    pub(crate) fn any<H: Handler<T, ()>, T: 'static>(self, path: &str, handler: H) -> Self {
        Self(self.0.route(path, any(handler)))
    }

    /// Everywhere else.
    pub(crate) fn elsewhere<H: Handler<T, ()>, T: 'static>(self, handler: H) -> Self {
        Self(self.0.fallback(handler))
    }

    /// These routes, and others below `path`.
    pub(crate) fn below(self, path: &str, others: Self) -> Self {
        Self(self.0.nest(path, others.0))
    }

    /// The page of the development mailbox.
    pub(crate) fn mailbox(self, path: &str, mailbox: &Mailbox) -> Self {
        Self(self.0.route(path, lucia::axum::mailbox(mailbox)))
    }

    /// Gives handlers a [`Data<T>`](Data).
    pub(crate) fn give<T: Send + Sync + 'static>(self, value: T) -> Self {
        Self(self.0.layer(Extension(Arc::new(value))))
    }

    /// These routes, with the users of `auth`.
    pub(crate) fn of(self, auth: &Auth) -> Self {
        Self(self.0.layer(auth.layer()))
    }

    /// These routes in the layer, once more.
    pub(crate) fn wrapped(self, auth: &Auth) -> Self {
        Self(self.0.layer(auth.layer()))
    }

    /// Turns errors in plain text into problem details.
    pub(crate) fn with_problems(self) -> Self {
        Self(
            self.0
                .layer(axum::middleware::map_response(problem_details)),
        )
    }

    pub(crate) fn protected(self, auth: &Auth) -> Self {
        Self(self.0.layer(auth.layer().protect()))
    }

    pub(crate) fn protected_or_redirect(self, auth: &Auth, login: &'static str) -> Self {
        Self(self.0.layer(auth.layer().protect_or_redirect(login)))
    }

    pub(crate) fn guarded(self, auth: &Auth, guard: Guard) -> Self {
        Self(self.0.layer(auth.layer().guard(guard)))
    }

    /// These routes in a [`middleware`].
    pub(crate) fn within(self, middleware: AuthLayer) -> Self {
        Self(self.0.layer(middleware))
    }

    /// These routes, with the polls of bodies counted.
    pub(crate) fn counted(self, polls: &Polls) -> Self {
        let polls = polls.clone();
        let count = move |request: Request| {
            request.map(|body| Body::from_stream(polls.of(body.into_data_stream())))
        };
        Self(self.0.layer(MapRequestLayer::new(count)))
    }

    /// These routes, with the error of lucia that a response carries in its `x-lucia-error`.
    pub(crate) fn telling_errors(self) -> Self {
        Self(
            self.0
                .layer(MapResponseLayer::new(|mut response: Response| {
                    let error = response.extensions().get::<Arc<lucia::Error>>();
                    if let Some(code) = error.map(|error| error.code()) {
                        let code = HeaderValue::from_static(code);
                        response.headers_mut().insert("x-lucia-error", code);
                    }
                    response
                })),
        )
    }
}

/// A site whose users are those of `auth`.
pub(crate) async fn serve(auth: Auth, routes: Routes) -> Site {
    let routes = routes.give(auth.clone()).of(&auth);
    serve_without_auth(auth, routes).await
}

/// A site that was not told of any `Auth`.
pub(crate) async fn serve_without_auth(auth: Auth, Routes(router): Routes) -> Site {
    serve_router(auth, router).await
}

/// As [`serve`], on another address.
pub(crate) async fn serve_at(auth: Auth, at: IpAddr, routes: Routes) -> Site {
    let Routes(router) = routes.give(auth.clone()).of(&auth);
    run(
        auth,
        at,
        router.into_make_service_with_connect_info::<SocketAddr>(),
    )
    .await
}

/// A site whose requests do not know their peers.
pub(crate) async fn serve_without_peers(auth: Auth, routes: Routes) -> Site {
    let Routes(router) = routes.give(auth.clone()).of(&auth);
    run(auth, Ipv4Addr::LOCALHOST.into(), router.into_make_service()).await
}

/// A site that is this router.
pub(crate) async fn serve_router(auth: Auth, router: Router) -> Site {
    let service = router.into_make_service_with_connect_info::<SocketAddr>();
    run(auth, Ipv4Addr::LOCALHOST.into(), service).await
}

async fn run<M, S>(auth: Auth, at: IpAddr, service: M) -> Site
where
    M: for<'a> Service<IncomingStream<'a, TcpListener>, Error = Infallible, Response = S>
        + Send
        + 'static,
    for<'a> <M as Service<IncomingStream<'a, TcpListener>>>::Future: Send,
    S: Service<Request, Response = Response, Error = Infallible> + Clone + Send + 'static,
    S::Future: Send,
{
    let (started, starting) = oneshot::channel::<SocketAddr>();
    let (running, stopped) = oneshot::channel::<Infallible>();
    std::thread::spawn(move || {
        let runtime = tokio::runtime::Builder::new_multi_thread()
            .worker_threads(2)
            .enable_all()
            .build()
            .unwrap();
        runtime.block_on(async {
            let listener = TcpListener::bind((at, 0)).await.unwrap();
            started.send(listener.local_addr().unwrap()).unwrap();
            tokio::select! {
                served = axum::serve(listener, service) => served.unwrap(),
                // Until the site is dropped, and `running` with it.
                _ = stopped => {}
            }
        });
        runtime.shutdown_background();
    });
    Site::new(auth, starting.await.unwrap(), running)
}

pub(crate) fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Response {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(Body::from(body.to_owned())).unwrap()
}

/// A 303, as the framework itself makes it.
pub(crate) fn see_other(path: &'static str) -> Redirect {
    Redirect::to(path)
}

/// A 200 whose body comes in pieces.
pub(crate) fn streamed<const N: usize>(pieces: [&'static str; N]) -> Response {
    let pieces = pieces.map(|piece| Ok::<_, Infallible>(Bytes::from(piece)));
    Body::from_stream(stream::iter(pieces)).into_response()
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

impl FromRequestParts<()> for Headers {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &()) -> Result<Self, Infallible> {
        Ok(Self(parts.headers.clone()))
    }
}
