//! Answers every request with the same name, on axum: what is left of a request when authentication costs
//! nothing.

use std::error::Error;

use axum::Router;
use axum::routing::get;
use settings::Settings;
use tokio::net::TcpListener;

async fn me() -> &'static str {
    "user-0"
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
    let app = Router::new().route("/me", get(me));
    let listener = TcpListener::bind(("127.0.0.1", settings.port)).await?;
    settings::ready()?;
    // SIGTERM ends the process, as it does by default.
    Ok(axum::serve(listener, app).await?)
}
