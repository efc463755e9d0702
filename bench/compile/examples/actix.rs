//! An application on actix-web without authentication.

use actix_web::{App, HttpServer, get};

/// `GET /`.
#[get("/")]
async fn me() -> String {
    "Hello 0".to_owned()
}

#[actix_web::main]
async fn main() -> std::io::Result<()> {
    HttpServer::new(|| App::new().service(me))
        .bind(("127.0.0.1", 8080))?
        .run()
        .await
}
