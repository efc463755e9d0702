//! What the developer sees in the terminal.

use std::io::{IsTerminal, stdout};
use std::time::Instant;

use actix_web::Error;
use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::middleware::Next;
use tracing_subscriber::EnvFilter;

/// What is logged unless `RUST_LOG` says otherwise.
const DEFAULT: &str = "warn,showcase=info,lucia=info";

/// Logs to the standard output, one line for each event.
pub fn init() {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new(DEFAULT));
    tracing_subscriber::fmt()
        .compact()
        .with_target(false)
        .with_ansi(stdout().is_terminal())
        .with_env_filter(filter)
        .init();
}

/// Logs a request: `POST /login 303 41 ms`. The query is left out: mailed links have their token there.
pub async fn request(
    request: ServiceRequest,
    next: Next<impl MessageBody>,
) -> Result<ServiceResponse<impl MessageBody>, Error> {
    let started = Instant::now();
    let method = request.method().clone();
    let path = request.path().to_owned();
    let response = next.call(request).await?;

    let status = response.status().as_u16();
    let took = started.elapsed().as_millis();
    match response.response().error() {
        Some(error) if status >= 500 => {
            tracing::error!(%error, "{method} {path} {status} {took} ms");
        }
        None if status >= 500 => tracing::error!("{method} {path} {status} {took} ms"),
        _ => tracing::info!("{method} {path} {status} {took} ms"),
    }
    Ok(response)
}
