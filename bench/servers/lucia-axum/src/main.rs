//! lucia on axum.

use std::error::Error;

use axum::Router;
use axum::extract::Form;
use axum::routing::{get, post};
use lucia::axum::{auth_request, authenticated};
use lucia::{Auth, Password, PgStore, User};
use serde::Deserialize;
use settings::Settings;
use tokio::net::TcpListener;

#[derive(Deserialize)]
struct Profile {
    username: String,
}

#[authenticated]
async fn me(user: User<Profile>) -> String {
    user.username.clone()
}

#[derive(Deserialize)]
struct Credentials {
    username: String,
    password: String,
}

#[auth_request]
async fn login(Form(form): Form<Credentials>) -> lucia::Result<String> {
    let Credentials { username, password } = form;
    let password = Password::new(("username", &username), &password);
    auth_request.sign_in(password).await?;
    Ok(username)
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
    let store = PgStore::builder()
        .max_connections(settings.pool)
        .connect(&settings.database_url)
        .await?;
    let auth = Auth::builder(store).build()?;
    let app = Router::new()
        .route("/me", get(me))
        .route("/login", post(login))
        .layer(auth.layer())
        .with_state(auth);
    let listener = TcpListener::bind(("127.0.0.1", settings.port)).await?;
    settings::ready()?;
    // SIGTERM ends the process, as it does by default.
    Ok(axum::serve(listener, app).await?)
}
