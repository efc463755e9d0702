//! What happens to every response on its way out.

use std::time::Instant;

use axum::extract::Request;
use axum::http::header::{
    CACHE_CONTROL, CONTENT_SECURITY_POLICY, CONTENT_TYPE, REFERRER_POLICY, X_CONTENT_TYPE_OPTIONS,
};
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use crate::pages::{Failure, as_html};

/// Nothing but this site's own stylesheet is loaded, and forms go nowhere else.
const POLICY: &str = "default-src 'none'; style-src 'self'; form-action 'self'; \
                      base-uri 'none'; frame-ancestors 'none'";

/// Makes pages of plain errors, tells browsers to be strict, and logs the request: its query is
/// left out, because it says more than a log should know.
pub async fn finish(request: Request, next: Next) -> Response {
    let started = Instant::now();
    let what = format!("{} {}", request.method(), request.uri().path());
    let mut response = next.run(request).await;

    let status = response.status();
    let is_error = status.is_client_error() || status.is_server_error();
    let content_type = response.headers().get(CONTENT_TYPE);
    let is_page = content_type.is_some_and(|value| value.as_bytes().starts_with(b"text/html"));
    if is_error && !is_page {
        response = as_html(response, &explain(status)).unwrap_or_else(IntoResponse::into_response);
    }

    let headers = response.headers_mut();
    for (name, value) in [
        (CONTENT_SECURITY_POLICY, POLICY),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
        // Not `no-referrer`: with it browsers send `Origin: null` with forms, which lucia refuses
        // where the browser does not also say `Sec-Fetch-Site: same-origin`.
        (REFERRER_POLICY, "same-origin"),
    ] {
        headers.insert(name, HeaderValue::from_static(value));
    }
    // Where a response is for one person alone, lucia has said `no-store`.
    let no_cache = HeaderValue::from_static("no-cache");
    headers.entry(CACHE_CONTROL).or_insert(no_cache);

    let took = started.elapsed().as_millis();
    tracing::info!("{what} {} {took} ms", status.as_u16());
    response
}

fn explain(status: StatusCode) -> Failure {
    let (title, text) = match status {
        StatusCode::FORBIDDEN => (
            "Refused",
            "This request seems to come from another site, so nothing was done.",
        ),
        StatusCode::NOT_FOUND => ("Not found", "There is no such page here."),
        StatusCode::SERVICE_UNAVAILABLE => (
            "Try again in a moment",
            "We cannot answer just now. You are still signed in if you were before.",
        ),
        status if status.is_server_error() => (
            "Something went wrong",
            "It is our mistake, and it was written down for us.",
        ),
        _ => ("That was not understood", "Go back and try once more."),
    };
    Failure { title, text }
}
