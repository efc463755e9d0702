//! [`Auth::layer`]: cookie changes on every response, and protection of whole routers.

use std::mem;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use axum::http::Request;
use axum::response::{IntoResponse, Response};
use tower_layer::Layer;
use tower_service::Service;

use super::LayersAuthRequest;
use super::permit::{Permitted, admit};
use super::response::target_of;
use crate::adapter;
use crate::adapter::permit::guard_settings;
use crate::auth::Auth;
use crate::http::keep_slot;
use crate::request::guard::Guard;

impl Auth {
    /// The layer that an axum router needs for `#[auth_request]`, `#[authenticated]` and the
    /// extractors: `Router::new().route("/", get(handler)).layer(auth.layer())`.
    ///
    /// Add it after the routes, because a layer wraps only the routes that the `Router` already has. With
    /// [`protect`](AuthLayer::protect), it also protects them.
    pub fn layer(&self) -> AuthLayer {
        AuthLayer {
            auth: self.clone(),
            guard: Guard::anyone(),
            permits: Vec::new(),
        }
    }
}

/// Created by [`Auth::layer`].
///
/// It is a `tower` layer, so it can also wrap a single handler, a `MethodRouter`, or any service whose
/// responses axum understands. If several layers wrap a handler, the innermost one decides which `Auth` the
/// handler belongs to.
#[derive(Clone, Debug)]
#[must_use = "a layer takes effect by `.layer(..)`"]
pub struct AuthLayer {
    auth: Auth,
    guard: Guard,
    permits: Vec<Arc<Permitted>>,
}

guard_settings! {
    AuthLayer, "auth.layer()", Send;

    /// Admits only requests with a valid session, and decides before the body is read:
    /// `Router::new().route("/admin", get(admin)).layer(auth.layer().protect())`. Other requests
    /// get 401, an unsafe request from another origin 403, and a request with a token 503 while the
    /// store is unavailable.
    ///
    /// The fallback of a router is behind its layers as well, so a path that does not exist also gets a
    /// 401. `.route_layer(..)` protects only the routes. A nested router without its own fallback leaves
    /// unknown paths to the outer router, whatever its own layers are. Add a fallback if clients must not
    /// learn which of its pages exist.
    protect;

    /// The state of the router is not available here: use `Extension` instead of `State`. With `Path`, use
    /// `.route_layer(..)`. With `.layer(..)`, the arguments are also extracted for unknown paths. These have no
    /// path parameters, so axum responds with 400 or 500 instead of 404.
    permit;
}

impl<S> Layer<S> for AuthLayer {
    type Service = AuthService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        AuthService {
            layer: Arc::new(self.clone()),
            inner,
        }
    }
}

/// The service that [`AuthLayer`] returns.
#[derive(Clone, Debug)]
pub struct AuthService<S> {
    layer: Arc<AuthLayer>,
    inner: S,
}

impl<S, B> Service<Request<B>> for AuthService<S>
where
    S: Service<Request<B>, Response: IntoResponse, Future: Send> + Clone + Send + 'static,
    B: Send + 'static,
{
    type Response = Response;
    type Error = S::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Response, S::Error>> + Send>>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        // The clone is another service, which is not ready. This one is.
        let clone = self.inner.clone();
        let mut inner = mem::replace(&mut self.inner, clone);
        let layer = self.layer.clone();

        let (mut parts, body) = request.into_parts();
        keep_slot(&mut parts.extensions);
        let auth_request = layer.auth.handle_request(&parts);
        adapter::adopt(&auth_request);
        let layers = LayersAuthRequest(auth_request.clone());
        parts.extensions.insert(layers);
        Box::pin(async move {
            let target = target_of(&parts);
            let AuthLayer { guard, permits, .. } = &*layer;
            let response = match admit(
                guard,
                permits.iter().map(Arc::as_ref),
                &mut parts,
                &auth_request,
            )
            .await
            {
                Ok(()) => {
                    let request = Request::from_parts(parts, body);
                    inner.call(request).await?.into_response()
                }
                Err(response) => response,
            };
            Ok(adapter::finish(response, &auth_request, &target).await)
        })
    }
}
