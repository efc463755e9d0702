//! An application on axum with lucia.

use std::error::Error;

use axum::Router;
use axum::routing::get;
use lucia::axum::authenticated;
use lucia::{Auth, PgStore, User};
use serde::Deserialize;
use tokio::net::TcpListener;

#[derive(Deserialize)]
struct Profile {
    username: String,
}

#[authenticated]
async fn me(user: User<Profile>) -> String {
    format!("Hello 0, {}", user.username)
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let store = PgStore::connect(&std::env::var("DATABASE_URL")?).await?;
    let auth = Auth::builder(store).build()?;
    let app = Router::new().route("/", get(me)).layer(auth.layer());
    Ok(axum::serve(TcpListener::bind("127.0.0.1:8080").await?, app).await?)
}
