//! Which `Auth` a handler belongs to, where an application has several: the nearest one.

use std::ptr;

use actix_web::{HttpMessage, HttpRequest, web};

use crate::auth::Auth;
use crate::request::context::RequestContext;
use crate::{AuthRequest, Error, Result};

/// The innermost middleware that a request has passed, kept in its extensions.
#[derive(Clone)]
struct Passed {
    auth_request: AuthRequest,
    seen: Places,
}

/// The `AuthRequest` of the handler that a request has arrived at, kept in its extensions: nothing
/// that its parameters find is nearer.
struct Arrived(AuthRequest);

/// Notes that a request has arrived at its handler.
#[cfg(feature = "macros")]
pub(super) fn arrive(request: &HttpRequest, auth_request: &AuthRequest) {
    let arrived = Arrived(auth_request.clone());
    request.extensions_mut().insert(arrived);
}

/// Where in the application's data a request finds an `Auth` of each type. actix-web keeps the data
/// of each scope apart and answers with the innermost value of a type, so another place means that the
/// request has entered another scope or resource since. They are compared and never read.
#[derive(Clone, Copy, PartialEq)]
struct Places {
    wrapped: *const web::Data<Auth>,
    plain: *const Auth,
}

impl Places {
    const NONE: Self = Self {
        wrapped: ptr::null(),
        plain: ptr::null(),
    };

    fn of(request: &HttpRequest) -> Self {
        Self {
            wrapped: request.app_data().map_or(ptr::null(), ptr::from_ref),
            plain: request.app_data().map_or(ptr::null(), ptr::from_ref),
        }
    }
}

/// Notes that a request enters the middleware of `auth`. The data of a scope is there before its
/// middleware is called.
///
/// # Errors
///
/// [`Error::Misuse`] when the middleware is around the `App` and another `Auth` is in its data.
/// Further in, the data can be of a level around the middleware, where it may differ: the log says
/// so once.
pub(super) fn enter(request: &HttpRequest, auth: &Auth, is_on_app: bool) -> Result<AuthRequest> {
    let wrapped = request.app_data::<web::Data<Auth>>();
    let wrapped = wrapped.map(web::Data::get_ref);
    let plain = request.app_data::<Auth>();
    let differs = |given: Option<&Auth>| given.is_some_and(|given| !given.is(auth));
    if (differs(wrapped) || differs(plain)) && is_on_app {
        return Err(Error::Misuse(
            "the `App` has the middleware of one `Auth` and the data of another: give it both of the \
             same, `.app_data(web::Data::new(auth.clone())).wrap(auth.middleware())`, and move the \
             other `Auth` to the scope that it is for"
                .to_owned(),
        ));
    }
    if differs(wrapped.or(plain)) && auth.is_said_first("middleware and data") {
        tracing::warn!(
            path = request.path(),
            "handlers have another `Auth` than the middleware around them in their `web::Data<Auth>`; \
             attributes and extractors go by the middleware: add \
             `.app_data(web::Data::new(auth))` to the scope of the middleware, with the same `Auth`"
        );
    }
    let auth_request = auth.handle_request(request);
    let passed = Passed {
        auth_request: auth_request.clone(),
        seen: Places::of(request),
    };
    request.extensions_mut().insert(passed);
    Ok(auth_request)
}

/// The `AuthRequest` of a request by the nearest `Auth`: that of the scope's data, if the request has
/// entered the scope after the last middleware of ours, and that of the middleware otherwise.
///
/// # Errors
///
/// [`Error::Misuse`] when there is none, and when the nearest one cannot be told.
pub(super) fn auth_request(request: &HttpRequest) -> Result<AuthRequest> {
    if let Some(Arrived(auth_request)) = request.extensions().get() {
        return Ok(auth_request.clone());
    }
    let passed = request.extensions().get::<Passed>().cloned();
    let seen = passed.as_ref().map_or(Places::NONE, |passed| passed.seen);
    let places = Places::of(request);
    let wrapped = request.app_data::<web::Data<Auth>>();
    let wrapped = wrapped.filter(|_| places.wrapped != seen.wrapped);
    let plain = request.app_data::<Auth>();
    let plain = plain.filter(|_| places.plain != seen.plain);
    match (wrapped.map(web::Data::get_ref), plain, passed) {
        (Some(wrapped), Some(plain), _) if !wrapped.is(plain) => Err(Error::Misuse(
            "there are two `Auth`s in the application's data, as `web::Data<Auth>` and as `Auth`, and \
             actix-web does not say which of them is nearer: add both by \
             `.app_data(web::Data::new(auth))`"
                .to_owned(),
        )),
        (Some(auth), ..) | (None, Some(auth), _) => Ok(auth.handle_request(request)),
        (None, None, Some(passed)) => Ok(passed.auth_request),
        (None, None, None) => request.slot().only().ok_or_else(|| {
            Error::Misuse(
                "there is no `Auth` in the application's data: add \
                 `.app_data(web::Data::new(auth))` to the `App`"
                    .to_owned(),
            )
        }),
    }
}
