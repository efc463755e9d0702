//! The same handlers, served by actix-web or by axum.

use std::net::SocketAddr;
use std::sync::Arc;

use actix_web::web::{self, ServiceConfig};
use axum::Router;
use lucia::actix::AuthMiddleware;
use lucia::axum::AuthLayer;
use lucia::{Auth, Guard, Session};
use reqwest::Method;
use tokio::task::JoinHandle;

use super::{Browser, Raw, Reply, Site};

#[derive(Clone, Copy, Debug)]
pub(crate) enum Framework {
    Actix,
    Axum,
}

/// What [`handlers`] makes.
#[derive(Clone, Copy)]
pub(crate) struct Handlers {
    pub(crate) actix: fn(&mut ServiceConfig),
    pub(crate) axum: fn() -> Router,
}

type Configure = dyn Fn(&mut ServiceConfig, &Auth, Handlers) + Send + Sync;
type Nest = dyn Fn(Router, &Auth, Handlers) -> Router + Send + Sync;

/// The handlers below a path, behind a guard.
#[derive(Clone)]
pub(crate) struct Below {
    actix: Arc<Configure>,
    axum: Arc<Nest>,
}

/// The handlers below `path`, behind a guard.
pub(crate) fn below(path: &'static str, guard: Guard) -> Below {
    let same = guard.clone();
    below_each(
        path,
        move |middleware| middleware.guard(guard.clone()),
        move |layer| layer.guard(same.clone()),
    )
}

/// The handlers below `path`, behind the middleware of each framework.
pub(crate) fn below_each(
    path: &'static str,
    actix: impl Fn(AuthMiddleware) -> AuthMiddleware + Send + Sync + 'static,
    axum: impl Fn(AuthLayer) -> AuthLayer + Send + Sync + 'static,
) -> Below {
    Below {
        actix: Arc::new(move |config, auth, handlers| {
            let scope = web::scope(path).configure(handlers.actix);
            config.service(scope.wrap(actix(auth.middleware())));
        }),
        axum: Arc::new(move |router, auth, handlers| {
            let scope = (handlers.axum)().layer(axum(auth.layer()));
            router.nest(path, scope)
        }),
    }
}

/// A site on a port of 127.0.0.1, until it is dropped.
pub(crate) struct Either {
    pub(crate) auth: Auth,
    server: Server,
}

enum Server {
    Actix(Site),
    Axum(SocketAddr, JoinHandle<()>),
}

impl Either {
    /// Serves the handlers, and once more below the path of each guard, behind that guard.
    pub(crate) async fn serve<const N: usize>(
        framework: Framework,
        auth: Auth,
        handlers: Handlers,
        guards: [Below; N],
    ) -> Self {
        let server = match framework {
            Framework::Actix => {
                let inner = auth.clone();
                let routes = move |config: &mut ServiceConfig| {
                    (handlers.actix)(config);
                    for below in &guards {
                        (below.actix)(config, &inner, handlers);
                    }
                };
                Server::Actix(Site::serve(auth.clone(), routes).await)
            }
            Framework::Axum => {
                let mut router = (handlers.axum)().layer(auth.layer());
                for below in guards {
                    router = (below.axum)(router, &auth, handlers);
                }
                let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
                let address = listener.local_addr().unwrap();
                let serving = tokio::spawn(async { axum::serve(listener, router).await.unwrap() });
                Server::Axum(address, serving)
            }
        };
        Self { auth, server }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        match &self.server {
            Server::Actix(site) => site.address(),
            Server::Axum(address, _) => *address,
        }
    }

    /// A browser without cookies.
    pub(crate) fn browser(&self) -> Browser {
        Browser::new(format!("http://{}", self.address()))
    }

    /// A browser with the cookie of a session.
    pub(crate) fn browser_of(&self, session: &Session) -> Browser {
        let browser = self.browser();
        let cookie = self.auth.session_cookie(Some(session));
        browser.keep(cookie.name(), cookie.value());
        browser
    }

    /// Gets a page with these `Authorization` headers and no cookie.
    pub(crate) async fn get_with(&self, path: &str, authorizations: &[&str]) -> Reply {
        let browser = self.browser();
        let mut request = browser.bare(Method::GET, path);
        for authorization in authorizations {
            request = request.header("authorization", *authorization);
        }
        browser.send(request).await
    }

    /// Announces a body from a page of this site, and sends no more than the first byte of it.
    pub(crate) async fn post_without_the_rest(&self, path: &str, headers: &[String]) -> Reply {
        let mut raw = Raw::to(self.address()).await;
        let address = self.address();
        let mut request = format!(
            "POST {path} HTTP/1.1\r\nhost: {address}\r\norigin: http://{address}\r\n\
             content-length: 4096\r\nconnection: close\r\n"
        );
        for header in headers {
            request.push_str(header);
            request.push_str("\r\n");
        }
        request.push_str("\r\n{");
        raw.send(request.as_bytes()).await;
        raw.reply().await
    }
}

impl Drop for Either {
    fn drop(&mut self) {
        if let Server::Axum(_, serving) = &self.server {
            serving.abort();
        }
    }
}

/// The `Authorization` header that a session's token is sent in.
pub(crate) fn bearer(session: &Session) -> String {
    format!("Bearer {}", session.token().expose())
}

/// Makes a constant `HANDLERS` of handlers that are written once: `GET "/path" handler`, and then
/// their definitions in braces.
macro_rules! handlers {
    ($($method:ident $path:literal $handler:ident,)* { $($definitions:tt)* }) => {
        const HANDLERS: crate::support::Handlers = crate::support::Handlers {
            actix: by_actix::routes,
            axum: by_axum::routes,
        };

        mod by_actix {
            use super::*;
            #[allow(unused_imports)]
            use actix_web::web as extract;
            #[allow(unused_imports)]
            use lucia::actix::{auth_request, authenticated};

            $($definitions)*

            pub(super) fn routes(config: &mut actix_web::web::ServiceConfig) {
                $(config.route($path, actix_web::web::$method().to($handler));)*
            }
        }

        mod by_axum {
            use super::*;
            #[allow(unused_imports)]
            use axum::extract;
            #[allow(unused_imports)]
            use lucia::axum::{auth_request, authenticated};

            $($definitions)*

            pub(super) fn routes() -> axum::Router {
                axum::Router::new()$(.route($path, axum::routing::$method($handler)))*
            }
        }
    };
}
pub(crate) use handlers;

/// Makes each function a test on each store with each framework: `postgres::actix::name`, ...
macro_rules! on_each_store_with_each_framework {
    ($($name:ident),* $(,)?) => {
        crate::support::with_each_framework!(postgres: $($name),*);
        crate::support::with_each_framework!(sqlite: $($name),*);
    };
}
pub(crate) use on_each_store_with_each_framework;

/// Makes each function a test on one store with each framework: for what stores have no part in.
macro_rules! with_each_framework {
    ($store:ident: $($name:ident),* $(,)?) => {
        mod $store {
            mod actix {
                $(#[tokio::test]
                async fn $name() {
                    let stage = crate::support::Stage::$store().await;
                    super::super::$name(stage, crate::support::Framework::Actix).await;
                })*
            }

            mod axum {
                $(#[tokio::test]
                async fn $name() {
                    let stage = crate::support::Stage::$store().await;
                    super::super::$name(stage, crate::support::Framework::Axum).await;
                })*
            }
        }
    };
}
pub(crate) use with_each_framework;
