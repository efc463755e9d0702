//! An application on actix-web with actix-identity, whose sessions are in cookies.

use actix_identity::{Identity, IdentityMiddleware};
use actix_session::SessionMiddleware;
use actix_session::storage::CookieSessionStore;
use actix_web::cookie::Key;
use actix_web::error::ErrorUnauthorized;
use actix_web::{App, HttpServer, get};

/// `GET /`.
#[get("/")]
async fn me(identity: Identity) -> actix_web::Result<String> {
    let id = identity.id().map_err(ErrorUnauthorized)?;
    Ok(format!("Hello 0, {id}"))
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    let key = Key::generate();
    HttpServer::new(move || {
        let sessions = SessionMiddleware::new(CookieSessionStore::default(), key.clone());
        App::new()
            .wrap(IdentityMiddleware::default())
            .wrap(sessions)
            .service(me)
    })
    .bind(("127.0.0.1", 8080))?
    .run()
    .await
}
