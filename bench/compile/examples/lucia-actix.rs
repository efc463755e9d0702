//! An application on actix-web with lucia.

use std::error::Error;

use actix_web::{App, HttpServer, Responder, get, web};
use lucia::{Auth, PgStore, User, authenticated};
use serde::Deserialize;

#[derive(Deserialize)]
struct Profile {
    username: String,
}

/// `GET /`.
#[get("/")]
#[authenticated]
async fn me(user: User<Profile>) -> impl Responder {
    format!("Hello 0, {}", user.username)
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let store = PgStore::connect(&std::env::var("DATABASE_URL")?).await?;
    let auth = web::Data::new(Auth::builder(store).build()?);
    let server = HttpServer::new(move || App::new().app_data(auth.clone()).service(me));
    Ok(server.bind(("127.0.0.1", 8080))?.run().await?)
}
