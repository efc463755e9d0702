//! [`Denial`]: an error that becomes a response, and the body that the application gives it.

use std::borrow::Cow;
use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::sync::Arc;

use serde::Serialize;
use serde_json::json;

use crate::Error;

/// What a client requested, as far as the response to a denied request depends on it.
pub trait RequestTarget {
    /// The method in upper case.
    fn method(&self) -> &str;

    /// The path and query that the client requested, before a router removed its part. `None` for a request
    /// without a path.
    fn path_and_query(&self) -> Option<&str>;

    /// The values of `Accept`, separated by commas; empty if there are none.
    fn accept(&self) -> Cow<'_, str>;
}

/// An [`Error`] that is about to become a response, for the function of
/// [`AuthBuilder::denials`](crate::AuthBuilder::denials).
#[derive(Clone, Copy)]
pub struct Denial<'a> {
    error: &'a Error,
    request: &'a dyn RequestTarget,
}

impl<'a> Denial<'a> {
    pub(crate) fn new(error: &'a Error, request: &'a dyn RequestTarget) -> Self {
        Self { error, request }
    }

    /// The error. Its `Display` is for logs; [`message`](Self::message) is for the client.
    #[must_use]
    pub fn error(&self) -> &'a Error {
        self.error
    }

    /// The status of the response, [`Error::status`].
    #[must_use]
    pub fn status(&self) -> u16 {
        self.error.status()
    }

    /// The code for API clients, [`Error::code`].
    #[must_use]
    pub fn code(&self) -> &'static str {
        self.error.code()
    }

    /// The message for the client, [`Error::public_message`].
    #[must_use]
    pub fn message(&self) -> &'static str {
        self.error.public_message()
    }

    /// The method of the request, in upper case.
    #[must_use]
    pub fn method(&self) -> &'a str {
        self.request.method()
    }

    /// The path that the client requested, without its query.
    #[must_use]
    pub fn path(&self) -> &'a str {
        let path = self.request.path_and_query().unwrap_or_default();
        path.split('?').next().unwrap_or_default()
    }

    /// Whether the client prefers a page to JSON: `Accept` contains `text/html`, and JSON with no higher
    /// weight. Browsers send it when they navigate. `fetch` sends `*/*`, for which this is `false`.
    #[must_use]
    pub fn wants_html(&self) -> bool {
        let accept = self.request.accept();
        let html = weight(&accept, |range| {
            matches!(range, "text/html" | "application/xhtml+xml")
        });
        let json = weight(&accept, |range| {
            range == "application/json" || range.ends_with("+json")
        });
        html > 0.0 && html >= json
    }
}

/// The highest weight that `Accept` gives to a media range (RFC 9110, 12.5.1); 0 if it names none.
fn weight(accept: &str, is_meant: impl Fn(&str) -> bool) -> f32 {
    let ranges = accept.split(',').filter_map(|range| {
        let mut parts = range.split(';').map(str::trim);
        is_meant(&parts.next()?.to_ascii_lowercase()).then_some(())?;
        let weight = parts.find_map(|part| part.strip_prefix(['q', 'Q'])?.strip_prefix('='));
        let weight = weight.map_or(Ok(1.0), str::parse::<f32>).ok()?;
        (0.0..=1.0).contains(&weight).then_some(weight)
    });
    ranges.fold(0.0, f32::max)
}

impl fmt::Debug for Denial<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Denial")
            .field("error", &self.error)
            .field("method", &self.method())
            .field("path", &self.path())
            .finish_non_exhaustive()
    }
}

/// The body of the response to a [`Denial`].
#[derive(Clone, Debug)]
#[must_use = "a body is returned from the function for `denials`"]
pub struct DenialBody(Result<Content, String>);

/// A body and its type.
#[derive(Clone, Debug)]
pub(crate) struct Content {
    pub(crate) media_type: Cow<'static, str>,
    pub(crate) text: Cow<'static, str>,
}

impl DenialBody {
    /// A body of any type: `DenialBody::new("application/xml", xml)`. If the type is not a valid header
    /// value, lucia logs an error, and the response keeps its default look.
    pub fn new(
        content_type: impl Into<Cow<'static, str>>,
        body: impl Into<Cow<'static, str>>,
    ) -> Self {
        let media_type = content_type.into();
        let is_header = |byte| byte == b'\t' || (b' '..0x7f).contains(&byte);
        if media_type.trim().is_empty() || !media_type.bytes().all(is_header) {
            return Self(Err(format!(
                "{media_type:?} is no content type: write one such as `application/json`"
            )));
        }
        Self(Ok(Content {
            media_type,
            text: body.into(),
        }))
    }

    /// Plain text.
    pub fn text(body: impl Into<Cow<'static, str>>) -> Self {
        Self::new("text/plain; charset=utf-8", body)
    }

    /// An HTML page.
    pub fn html(page: impl Into<Cow<'static, str>>) -> Self {
        Self::new("text/html; charset=utf-8", page)
    }

    /// JSON. If the value cannot be written as JSON, lucia logs an error, and the response keeps its
    /// default look.
    pub fn json(value: &impl Serialize) -> Self {
        Self::as_json("application/json", value)
    }

    /// Problem details (RFC 9457): `type`, `title`, `status`, `detail`, and the [`code`](Error::code). For
    /// a refused new password or key, `detail` says why it was refused.
    ///
    /// ```
    /// # fn build(store: impl lucia::store::Store) -> lucia::Result<lucia::Auth> {
    /// use lucia::{Auth, DenialBody};
    ///
    /// Auth::builder(store).denials(DenialBody::problem).build()
    /// # }
    /// ```
    ///
    /// ```json
    /// {"code":"unauthenticated","detail":"Not signed in.","status":401,"title":"Unauthorized","type":"about:blank"}
    /// ```
    pub fn problem(denial: &Denial<'_>) -> Self {
        Self::problem_of(denial.error())
    }

    fn problem_of(error: &Error) -> Self {
        let detail = match error {
            Error::InvalidPassword(_) | Error::InvalidKey { .. } | Error::InvalidAddress { .. } => {
                as_sentence(&error.to_string())
            }
            _ => error.public_message().to_owned(),
        };
        let status = error.status();
        Self::problem_with(status, reason_phrase(status), &detail, error.code())
    }

    /// Problem details, without `detail` if that is empty.
    fn problem_with(status: u16, title: &str, detail: &str, code: &str) -> Self {
        let mut problem = json!({
            "type": "about:blank",
            "title": title,
            "status": status,
            "code": code,
        });
        if !detail.is_empty() {
            problem["detail"] = detail.into();
        }
        Self::as_json("application/problem+json", &problem)
    }

    fn as_json(media_type: &'static str, value: &impl Serialize) -> Self {
        match serde_json::to_string(value) {
            Ok(text) => Self::new(media_type, text),
            Err(error) => Self(Err(format!("the value is no JSON: {error}"))),
        }
    }
}

/// The text of an error as a sentence for people.
fn as_sentence(text: &str) -> String {
    let mut characters = text.chars();
    let first = characters.next().map(|first| first.to_ascii_uppercase());
    first.into_iter().chain(characters).chain(['.']).collect()
}

/// What RFC 9110 calls the statuses of [`Error::status`].
fn reason_phrase(status: u16) -> &'static str {
    match status {
        400 => "Bad Request",
        401 => "Unauthorized",
        403 => "Forbidden",
        404 => "Not Found",
        409 => "Conflict",
        429 => "Too Many Requests",
        502 => "Bad Gateway",
        503 => "Service Unavailable",
        _ => "Internal Server Error",
    }
}

/// The problem details of an error response: those of lucia's error, if it has one, and otherwise what a framework
/// says of it. The code is the name of the status, such as `not_found`.
#[cfg(any(feature = "actix", feature = "axum"))]
pub(crate) fn problem_of_response(
    error: Option<&Error>,
    (status, title): (u16, Option<&str>),
    detail: &str,
) -> Option<Content> {
    let body = match error {
        Some(error) => DenialBody::problem_of(error),
        None => {
            let title = title.unwrap_or("Error");
            let code = title.to_ascii_lowercase().replace([' ', '-'], "_");
            DenialBody::problem_with(status, title, detail, &code.replace('\'', ""))
        }
    };
    body.0.ok()
}

/// The function of [`AuthBuilder::denials`](crate::AuthBuilder::denials).
#[derive(Clone)]
pub(crate) struct Denials(Arc<Look>);

type Look = dyn Fn(&Denial<'_>) -> DenialBody + Send + Sync;

impl Denials {
    pub(crate) fn new(look: impl Fn(&Denial<'_>) -> DenialBody + Send + Sync + 'static) -> Self {
        Self(Arc::new(look))
    }

    /// What the application shows. `None` leaves the default look: a client must get its 401 even
    /// when the page for it fails.
    pub(crate) fn content(&self, denial: &Denial<'_>) -> Option<Content> {
        let body = catch_unwind(AssertUnwindSafe(|| (self.0)(denial)));
        match body {
            Ok(DenialBody(Ok(content))) => return Some(content),
            Ok(DenialBody(Err(reason))) => {
                tracing::error!(reason, "the body that `denials` gave cannot be sent");
            }
            Err(_) => tracing::error!(
                code = denial.code(),
                path = denial.path(),
                "the function for `denials` panicked"
            ),
        }
        None
    }
}

#[cfg(test)]
mod tests;
