//! What the pages have in common. The templates escape all that they show.

use actix_web::body::BoxBody;
use actix_web::http::header::{CONTENT_TYPE, HeaderValue, LOCATION};
use actix_web::{HttpResponse, ResponseError};
use askama::Template;
use lucia::{Error, LocalPath};
use serde::Deserialize;
use serde::de::IntoDeserializer;
use url::form_urlencoded::byte_serialize;

use crate::forms::Problem;

const HTML: &str = "text/html; charset=utf-8";

/// The query of a page that people are sent on from.
#[derive(Default, Deserialize)]
#[serde(default)]
pub struct Link {
    /// Where they were going. Only a path of this site counts.
    #[serde(deserialize_with = "next")]
    pub next: Option<LocalPath>,
    #[serde(deserialize_with = "notice")]
    pub notice: Option<Notice>,
}

/// A `next` of a form or query: nothing where it is missing or leads away.
pub fn next<'de, D: serde::Deserializer<'de>>(
    deserializer: D,
) -> Result<Option<LocalPath>, D::Error> {
    let path = Option::<String>::deserialize(deserializer)?;
    Ok(path.and_then(|path| LocalPath::parse(&path)))
}

/// A `notice` of a query: nothing where it is missing or unknown.
fn notice<'de, D: serde::Deserializer<'de>>(deserializer: D) -> Result<Option<Notice>, D::Error> {
    let name = String::deserialize(deserializer)?;
    Ok(Notice::deserialize(name.into_deserializer())
        .map_err(|_: serde::de::value::Error| ())
        .ok())
}

/// What a page says of what was done on the way to it. It is in the query, so it says nothing that an
/// attacker could use.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Notice {
    AddressConfirmed,
    AddressChanged,
    ChangeUndone,
    PasswordChanged,
    PasswordReset,
    Linked,
    Unlinked,
    SignedOutOthers,
    SignedOutOne,
    AccountDeleted,
    SignedOut,
}

impl Notice {
    pub fn text(self) -> &'static str {
        match self {
            Self::AddressConfirmed => "Your address is confirmed.",
            Self::AddressChanged => "Your account has the new address now.",
            Self::ChangeUndone => {
                "Your address is as it was. Everyone was signed out and the password was removed."
            }
            Self::PasswordChanged => "Your password is changed. Other devices were signed out.",
            Self::PasswordReset => "Your password is changed, and you are signed in.",
            Self::Linked => "The account is linked. You can sign in with it from now on.",
            Self::Unlinked => "The account is not linked any more.",
            Self::SignedOutOthers => "Your other devices are signed out.",
            Self::SignedOutOne => "That device is signed out.",
            Self::AccountDeleted => "Your account is deleted.",
            Self::SignedOut => "You are signed out.",
        }
    }
}

/// A page that says why there is nothing else to show, and what to do.
#[derive(Template)]
#[template(path = "error.html")]
pub struct Failure<'a> {
    pub title: &'a str,
    pub text: &'a str,
    /// Where the button leads, and what it says.
    pub way_out: (&'a str, &'a str),
}

impl<'a> Failure<'a> {
    pub fn new(title: &'a str, text: &'a str) -> Self {
        Self {
            title,
            text,
            way_out: ("/", "To the front page"),
        }
    }

    pub fn way_out(mut self, path: &'a str, label: &'a str) -> Self {
        self.way_out = (path, label);
        self
    }
}

/// "Check your mail."
#[derive(Template)]
#[template(path = "sent.html")]
pub struct Sent<'a> {
    /// The address, as it was typed.
    pub address: &'a str,
    /// What is on its way, and to whom.
    pub text: &'a str,
    /// Whether mails are at `/dev/mailbox`.
    pub is_mailbox_here: bool,
    /// The page to ask once more.
    pub again: &'a str,
}

/// A page.
pub fn html(page: &impl Template) -> lucia::Result<HttpResponse> {
    as_html(HttpResponse::Ok().finish(), page)
}

/// A form once more, with what is wrong in it, and the status and headers of the error. What cannot be told
/// in a form stays an error.
pub fn again<P: Template>(
    error: Error,
    page: impl FnOnce(Problem) -> P,
) -> lucia::Result<HttpResponse> {
    match Problem::of(&error) {
        Some(problem) => as_html(error.error_response(), &page(problem)),
        None => Err(error),
    }
}

/// The page of a mailed link, or what to do if the link does not work any more.
pub fn link_page<T, P: Template>(
    checked: lucia::Result<T>,
    page: impl FnOnce(T) -> P,
    other: (&str, &str),
) -> lucia::Result<HttpResponse> {
    match checked {
        Ok(checked) => html(&page(checked)),
        Err(error) => dead_link(error, other),
    }
}

/// What to do about a link that does not work any more: `other` is the page to ask for another one, and the
/// label of its button.
pub fn dead_link(error: Error, other: (&str, &str)) -> lucia::Result<HttpResponse> {
    if !matches!(error, Error::InvalidOneTimeToken) {
        return Err(error);
    }
    let text =
        "It was used before, or it is too old, or a newer one took its place. Nothing was changed.";
    let page = Failure::new("This link does not work any more", text).way_out(other.0, other.1);
    as_html(error.error_response(), &page)
}

/// A page in the place of what a response says.
pub fn as_html<B>(response: HttpResponse<B>, page: &impl Template) -> lucia::Result<HttpResponse> {
    let body = page.render().map_err(Error::internal)?;
    let mut response = response.set_body(BoxBody::new(body));
    let headers = response.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static(HTML));
    Ok(response)
}

/// Sends the browser on to another page, which it asks for with GET: a reload repeats nothing.
pub fn see_other(path: &str) -> HttpResponse {
    let mut response = HttpResponse::SeeOther();
    response.insert_header((LOCATION, path)).finish()
}

/// The same page with `next` in its query.
pub fn with_next(page: &str, next: Option<&LocalPath>) -> String {
    match next {
        Some(next) => {
            let next: String = byte_serialize(next.as_str().as_bytes()).collect();
            format!("{page}?next={next}")
        }
        None => page.to_owned(),
    }
}
