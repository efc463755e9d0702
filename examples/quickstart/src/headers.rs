//! What every response says to browsers.

use actix_web::http::header;
use actix_web::middleware::DefaultHeaders;

/// Nothing but this site's own stylesheet and icon is loaded, nothing is scripted, and forms go
/// nowhere else.
const CONTENT_SECURITY_POLICY: &str = "default-src 'none'; style-src 'self'; img-src 'self'; \
     form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// The headers that tell browsers to be strict.
pub fn security() -> DefaultHeaders {
    DefaultHeaders::new()
        .add((header::CONTENT_SECURITY_POLICY, CONTENT_SECURITY_POLICY))
        // Pages differ by who looks at them, and a changed stylesheet shall show at once. Where a
        // response is for one person alone, lucia says the stricter `no-store`.
        .add((header::CACHE_CONTROL, "no-cache"))
        .add((header::X_CONTENT_TYPE_OPTIONS, "nosniff"))
        // Not `no-referrer`: with it browsers send `Origin: null` with forms, which lucia refuses
        // where the browser does not also say `Sec-Fetch-Site: same-origin`.
        .add((header::REFERRER_POLICY, "same-origin"))
}
