//! The hand-written handler on axum.

use std::error::Error;

use axum::Router;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, header};
use axum::routing::get;
use hand_written::{Refused, Sessions};
use settings::Settings;
use tokio::net::TcpListener;

async fn me(State(sessions): State<Sessions>, headers: HeaderMap) -> Result<String, StatusCode> {
    let cookies = headers.get(header::COOKIE);
    let cookies = cookies.and_then(|cookies| cookies.to_str().ok());
    sessions
        .user(cookies)
        .await
        .map_err(|refused| match refused {
            Refused::NoSession => StatusCode::UNAUTHORIZED,
            Refused::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        })
}

fn main() -> Result<(), Box<dyn Error>> {
    let settings = Settings::from_env()?;
    tokio::runtime::Builder::new_multi_thread()
        .worker_threads(settings.workers)
        .enable_all()
        .build()?
        .block_on(serve(settings))
}

async fn serve(settings: Settings) -> Result<(), Box<dyn Error>> {
    let sessions = Sessions::new(&settings)?;
    let app = Router::new().route("/me", get(me)).with_state(sessions);
    let listener = TcpListener::bind(("127.0.0.1", settings.port)).await?;
    settings::ready()?;
    // SIGTERM ends the process, as it does by default.
    Ok(axum::serve(listener, app).await?)
}
