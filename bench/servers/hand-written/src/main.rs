//! The hand-written handler on actix-web.

use std::error::Error;

use actix_web::error::{ErrorServiceUnavailable, ErrorUnauthorized};
use actix_web::http::header;
use actix_web::{App, HttpRequest, HttpServer, get, web};
use hand_written::{Refused, Sessions};
use settings::Settings;

/// `GET /me`.
#[get("/me")]
async fn me(request: HttpRequest, sessions: web::Data<Sessions>) -> actix_web::Result<String> {
    let cookies = request.headers().get(header::COOKIE);
    let cookies = cookies.and_then(|cookies| cookies.to_str().ok());
    sessions
        .user(cookies)
        .await
        .map_err(|refused| match refused {
            Refused::NoSession => ErrorUnauthorized(refused),
            Refused::Unavailable => ErrorServiceUnavailable(refused),
        })
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let settings = Settings::from_env()?;
    let sessions = web::Data::new(Sessions::new(&settings)?);
    let server = HttpServer::new(move || App::new().app_data(sessions.clone()).service(me))
        .workers(settings.workers)
        .shutdown_timeout(1)
        .bind(("127.0.0.1", settings.port))?
        .run();
    settings::ready()?;
    Ok(server.await?)
}
