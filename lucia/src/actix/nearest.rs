//! Which `Auth` a handler belongs to, where an application has several: the nearest one.

use actix_web::{HttpRequest, web};

use crate::auth::Auth;
use crate::request::context::{RequestContext, RequestSlot};
use crate::{AuthRequest, Error, Result};

/// The `Auth`s in the application's data. actix-web answers with the innermost value of each type.
fn given(request: &HttpRequest) -> (Option<&Auth>, Option<&Auth>) {
    let wrapped = request.app_data::<web::Data<Auth>>();
    (wrapped.map(web::Data::get_ref), request.app_data::<Auth>())
}

/// Notes that a request enters the middleware of `auth`. The data of a level is there before its
/// middleware is called.
///
/// # Errors
///
/// [`Error::Misuse`] when another `Auth` is in the application's data. Whether it was added to the level
/// of the middleware or to one around it makes no difference, since handlers would get that one as
/// `web::Data<Auth>`, and actix-web does not tell.
pub(super) fn enter(request: &HttpRequest, auth: &Auth) -> Result<AuthRequest> {
    let (wrapped, plain) = given(request);
    let differs = |given: Option<&Auth>| given.is_some_and(|given| !given.is(auth));
    if differs(wrapped) || differs(plain) {
        return Err(Error::Misuse(
            "a request meets the middleware of one `Auth` and the data of another: give the `App`, scope \
             or resource that has the middleware the same `Auth`, \
             `.app_data(web::Data::new(auth.clone())).wrap(auth.middleware())`, and add each `Auth` as \
             `web::Data<Auth>`"
                .to_owned(),
        ));
    }
    let slot = request.slot();
    let auth_request = auth.handle_request_in(&slot, request);
    slot.note(&auth_request, false);
    Ok(auth_request)
}

/// Notes that a request arrives at a handler with an attribute.
///
/// # Errors
///
/// Those of [`auth_request`].
#[cfg(feature = "macros")]
pub(super) fn arrive(request: &HttpRequest) -> Result<AuthRequest> {
    let slot = request.slot();
    let auth_request = find(request, &slot)?;
    slot.note(&auth_request, true);
    Ok(auth_request)
}

/// The `AuthRequest` of a request by the nearest `Auth`: that of the data, and that of the last
/// middleware where there is none. Data that differs from the middleware is of a level further in, since
/// [`enter`] has refused other.
///
/// # Errors
///
/// [`Error::Misuse`] when there is none, and when the nearest one cannot be told.
pub(super) fn auth_request(request: &HttpRequest) -> Result<AuthRequest> {
    find(request, &request.slot())
}

fn find(request: &HttpRequest, slot: &RequestSlot) -> Result<AuthRequest> {
    let nearest = slot.nearest();
    if let Some((auth_request, true)) = nearest {
        return Ok(auth_request);
    }
    let (wrapped, plain) = given(request);
    if let (Some(wrapped), Some(plain)) = (wrapped, plain)
        && !wrapped.is(plain)
    {
        return Err(Error::Misuse(
            "there are two `Auth`s in the application's data, as `web::Data<Auth>` and as `Auth`, and \
             actix-web does not say which of them is nearer: add both by \
             `.app_data(web::Data::new(auth))`"
                .to_owned(),
        ));
    }
    match (wrapped.or(plain), nearest) {
        (Some(auth), Some((passed, _))) if !auth.is(passed.base_auth()) => {
            Ok(auth.handle_request_in(slot, request))
        }
        (_, Some((auth_request, _))) => {
            auth_request.look_again(request);
            Ok(auth_request)
        }
        (Some(auth), None) => Ok(auth.handle_request_in(slot, request)),
        (None, None) => {
            let Some(auth_request) = slot.only() else {
                return Err(Error::Misuse(
                    "there is no `Auth` in the application's data: add \
                     `.app_data(web::Data::new(auth))` to the `App`"
                        .to_owned(),
                ));
            };
            auth_request.look_again(request);
            Ok(auth_request)
        }
    }
}
