//! What one page hands to the next by a short-lived cookie: the token of a mailed link, or an address that
//! was typed. It is out of the address bar then, and out of the history, of screenshots and of `Referer`.

use std::convert::Infallible;
use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::http::header::{COOKIE, HeaderValue, LOCATION, REFERRER_POLICY, SET_COOKIE};
use actix_web::{FromRequest, HttpRequest, HttpResponse};
use cookie::time::Duration;
use cookie::{Cookie, SameSite};
use serde::Deserialize;
use url::form_urlencoded;

use crate::place::Place;

const NAME: &str = "carried";
const LIFETIME: Duration = Duration::minutes(15);

/// The query of a mailed link.
#[derive(Deserialize)]
pub struct Arrival {
    /// The token. It is there when the link is opened, and not any more on the page that follows.
    pub token: Option<String>,
    /// Where the person was going.
    #[serde(default, deserialize_with = "crate::pages::next")]
    pub next: Option<lucia::LocalPath>,
}

/// What the page before handed over.
pub struct Carried(pub Option<String>);

impl Carried {
    /// What was carried, or nothing that works.
    pub fn value(&self) -> &str {
        self.0.as_deref().unwrap_or_default()
    }
}

/// Redirects to a page of this site, which gets the value. It changes nothing, so programs that open links
/// may come here.
pub fn to(place: &Place, page: &str, value: &str) -> HttpResponse {
    let path = page.split('?').next().unwrap_or(page);
    let value: String = form_urlencoded::byte_serialize(value.as_bytes()).collect();
    let cookie = Cookie::build((NAME, value))
        .path(path.to_owned())
        .http_only(true)
        .same_site(SameSite::Lax)
        .secure(!place.is_development)
        .max_age(LIFETIME);
    HttpResponse::SeeOther()
        .insert_header((LOCATION, page))
        .insert_header((SET_COOKIE, cookie.build().to_string()))
        .insert_header((REFERRER_POLICY, "no-referrer"))
        .finish()
}

/// The same response, after which the page has nothing any more.
pub fn done(mut response: HttpResponse, page: &str) -> HttpResponse {
    let cookie = Cookie::build((NAME, "")).path(page.to_owned());
    let removal = cookie.http_only(true).max_age(Duration::ZERO).build();
    if let Ok(removal) = HeaderValue::from_str(&removal.to_string()) {
        response.headers_mut().append(SET_COOKIE, removal);
    }
    response
}

impl FromRequest for Carried {
    type Error = Infallible;
    type Future = Ready<Result<Self, Infallible>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        let headers = request.headers().get_all(COOKIE);
        let texts = headers.filter_map(|header| header.to_str().ok());
        let mut cookies = texts.flat_map(Cookie::split_parse).flatten();
        let found = cookies.find(|cookie| cookie.name() == NAME);
        ready(Ok(Self(found.map(|cookie| decoded(cookie.value())))))
    }
}

/// What [`to`] has encoded.
fn decoded(value: &str) -> String {
    let mut pairs = form_urlencoded::parse(value.as_bytes());
    pairs
        .next()
        .map(|(name, _)| name.into_owned())
        .unwrap_or_default()
}
