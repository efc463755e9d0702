//! Asks nobody who they are, and answers everybody with the same name: what is left of a request
//! when authentication costs nothing.

use std::error::Error;

use actix_web::{App, HttpServer, Responder, get};
use settings::Settings;

/// `GET /me`.
#[get("/me")]
async fn me() -> impl Responder {
    "user-0"
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let settings = Settings::from_env()?;
    let server = HttpServer::new(|| App::new().service(me))
        .workers(settings.workers)
        .shutdown_timeout(1)
        .bind(("127.0.0.1", settings.port))?
        .run();
    settings::ready()?;
    Ok(server.await?)
}
