//! Which `Auth` a handler belongs to, where an application has several: the nearest one.

use std::ptr;

use actix_web::{HttpMessage, HttpRequest, web};

use crate::auth::Auth;
use crate::request::context::RequestContext;
use crate::{AuthRequest, Error, Result};

/// The innermost middleware that a request has passed, kept in its extensions.
#[derive(Clone)]
struct Passed {
    auth: Auth,
    seen: Places,
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

/// Notes that a request enters the middleware of `auth`. The data of a level is there before its
/// middleware is called.
///
/// # Errors
///
/// [`Error::Misuse`] when another `Auth` is in the application's data. Whether it was added to the level
/// of the middleware or to one around it makes no difference, since handlers would get that one as
/// `web::Data<Auth>`, and actix-web does not tell.
pub(super) fn enter(request: &HttpRequest, auth: &Auth) -> Result<()> {
    let wrapped = request.app_data::<web::Data<Auth>>();
    let plain = request.app_data::<Auth>();
    let mut given = wrapped.map(web::Data::get_ref).into_iter().chain(plain);
    if given.any(|given| !given.is(auth)) {
        return Err(Error::Misuse(
            "a request meets the middleware of one `Auth` and the data of another: give the `App`, scope \
             or resource that has the middleware the same `Auth`, \
             `.app_data(web::Data::new(auth.clone())).wrap(auth.middleware())`, and add each `Auth` as \
             `web::Data<Auth>`"
                .to_owned(),
        ));
    }
    let passed = Passed {
        auth: auth.clone(),
        seen: Places::of(request),
    };
    request.extensions_mut().insert(passed);
    Ok(())
}

/// The `AuthRequest` of a request by the nearest `Auth`: that of the scope's data, if the request has
/// entered the scope after the last middleware of ours, and that of the middleware otherwise.
///
/// # Errors
///
/// [`Error::Misuse`] when there is none, and when the nearest one cannot be told.
pub(super) fn auth_request(request: &HttpRequest) -> Result<AuthRequest> {
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
        (None, None, Some(passed)) => Ok(passed.auth.handle_request(request)),
        (None, None, None) => request.slot().only().ok_or_else(|| {
            Error::Misuse(
                "there is no `Auth` in the application's data: add \
                 `.app_data(web::Data::new(auth))` to the `App`"
                    .to_owned(),
            )
        }),
    }
}
