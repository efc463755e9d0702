//! [`Auth::middleware`]: cookie changes on every response, and protection of whole scopes.

use std::future::{Ready, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;

use actix_web::HttpResponse;
use actix_web::body::{EitherBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};

use super::nearest;
use super::permit::{Permitted, admit};
use super::response::target_of;
use crate::Error;
use crate::adapter::permit::guard_settings;
use crate::adapter::{self, DefaultLook};
use crate::auth::Auth;
use crate::request::guard::Guard;

impl Auth {
    /// The middleware that puts cookie changes and cache headers on responses, for applications that use
    /// the extractors without the attributes: `App::new().wrap(auth.middleware())`.
    ///
    /// With [`protect`](AuthMiddleware::protect), it also protects everything below it. You can combine it
    /// with the attributes: a response has at most one session cookie.
    ///
    /// Handlers below it belong to this `Auth`, unless an inner scope or resource has another one.
    ///
    /// If the application has several `Auth`s, the `App`, scope or resource with this middleware needs the
    /// same `Auth` in its data, because a handler's `web::Data<Auth>` comes from there:
    /// `.app_data(web::Data::new(auth.clone())).wrap(auth.middleware())`. If the middleware finds another
    /// `Auth` in the application's data, on its own or an outer level, it refuses every request with 500,
    /// and the log says what to write.
    pub fn middleware(&self) -> AuthMiddleware {
        AuthMiddleware {
            auth: self.clone(),
            guard: Guard::anyone(),
            permits: Vec::new(),
        }
    }
}

/// Created by [`Auth::middleware`].
#[derive(Clone, Debug)]
#[must_use = "a middleware takes effect by `.wrap(..)`"]
pub struct AuthMiddleware {
    auth: Auth,
    guard: Guard,
    permits: Vec<Arc<Permitted>>,
}

guard_settings! {
    AuthMiddleware, "auth.middleware()";

    /// Admits only requests with a valid session, and decides before the body is read:
    /// `web::scope("/admin").wrap(auth.middleware().protect())`. Other requests get 401, an unsafe
    /// request from another origin 403, and a request with a token 503 while the store is
    /// unavailable.
    protect;

    /// The function sees only the parts of the path that are matched so far: those of the scope, not those of
    /// its routes. If it takes the `HttpRequest`, it must not keep it, because actix-web panics when it routes
    /// a request that has another handle.
    permit;
}

impl<S, B> Transform<S, ServiceRequest> for AuthMiddleware
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = actix_web::Error;
    type Transform = AuthMiddlewareService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(AuthMiddlewareService {
            middleware: Rc::new(self.clone()),
            service: Rc::new(service),
        }))
    }
}

/// The service that [`AuthMiddleware`] returns.
#[derive(Debug)]
pub struct AuthMiddlewareService<S> {
    middleware: Rc<AuthMiddleware>,
    service: Rc<S>,
}

impl<S, B> Service<ServiceRequest> for AuthMiddlewareService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
    B: MessageBody + 'static,
{
    type Response = ServiceResponse<EitherBody<B>>;
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<Self::Response, Self::Error>>>>;

    forward_ready!(service);

    fn call(&self, mut request: ServiceRequest) -> Self::Future {
        let middleware = self.middleware.clone();
        let service = self.service.clone();
        Box::pin(async move {
            let AuthMiddleware {
                auth,
                guard,
                permits,
            } = &*middleware;
            let auth_request = match nearest::enter(request.request(), auth) {
                Ok(auth_request) => auth_request,
                Err(misuse) => {
                    let (request, _) = request.into_parts();
                    let response = ServiceResponse::new(request, HttpResponse::from_error(misuse));
                    return Ok(response.map_into_right_body());
                }
            };
            adapter::adopt(&auth_request);
            // Routers change the request, and cannot while there is another handle to it. So what was
            // asked for is copied.
            let target = target_of(request.request());
            let (head, _) = request.parts_mut();
            let answer =
                match admit(guard, permits.iter().map(Arc::as_ref), head, &auth_request).await {
                    Ok(()) => service
                        .call(request)
                        .await
                        .map(ServiceResponse::map_into_left_body),
                    Err(response) => {
                        // `ServiceRequest::into_response` would lose the error.
                        let (request, _) = request.into_parts();
                        Ok(ServiceResponse::new(request, response).map_into_right_body())
                    }
                };
            match answer {
                Ok(response) => Ok(adapter::finish(response, &auth_request, &target).await),
                Err(mut error) => {
                    // The error stays what it is, for whatever looks at it further out.
                    let look = error
                        .as_error::<Error>()
                        .and_then(|error| adapter::look(error, auth, &target));
                    let headers = auth_request.response_headers().await;
                    error.add_response_mapper(move |response| {
                        let is_default = response.extensions().get::<DefaultLook>().is_some();
                        let mut response = match &look {
                            // A middleware further in may have given it another.
                            Some(look) if is_default => {
                                adapter::put_content(response, look.clone())
                            }
                            _ => response,
                        };
                        headers.put_on(response.headers_mut());
                        response
                    });
                    Err(error)
                }
            }
        })
    }
}
