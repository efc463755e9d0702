//! A small site with accounts on axum: sign up, log in, see your sessions, log out.
//!
//! Read `routes` first: that is what one writes with lucia.

// An application is its own only caller: `pub` here means "for the other modules".
#![expect(unreachable_pub)]

mod pages;
mod responses;
mod routes;

use std::net::SocketAddr;

use axum::extract::connect_info::IntoMakeServiceWithConnectInfo;
use axum::routing::{get, post};
use axum::{Router, middleware};
use lucia::{Auth, AuthBuilder, Environment, PgStore, SqliteStore};
use serde::{Deserialize, Serialize};

/// The columns of the user table that are this site's own.
#[derive(Debug, Serialize, Deserialize)]
pub struct Profile {
    /// The name that the user signs in with.
    pub username: String,
}

/// What defines these columns in the database.
const USER_COLUMNS: &[&str] = &["username TEXT NOT NULL UNIQUE"];

/// Opens a database, makes the tables that are missing, and checks that they fit. `database` is
/// `postgres://..`, or the name of an SQLite file.
///
/// # Errors
///
/// When the database cannot be used.
pub async fn open(database: &str) -> lucia::Result<Auth> {
    let auth = if is_postgres(database) {
        let store = PgStore::connect(database).await?;
        store.migrate(USER_COLUMNS).await?;
        settings(Auth::builder(store)).build()?
    } else {
        let store = SqliteStore::open(database.trim_start_matches("sqlite:")).await?;
        store.migrate(USER_COLUMNS).await?;
        settings(Auth::builder(store)).build()?
    };
    auth.check_schema::<Profile>().await?;
    Ok(auth)
}

/// Whether `database` is the URL of a Postgres server.
#[must_use]
pub fn is_postgres(database: &str) -> bool {
    ["postgres://", "postgresql://"]
        .iter()
        .any(|scheme| database.starts_with(scheme))
}

/// This site is served by plain http to its own machine. Leave this out where there is TLS.
fn settings(auth: AuthBuilder) -> AuthBuilder {
    auth.environment(Environment::Development)
}

/// The site. Its handlers are told the address of who connects.
pub fn app(auth: Auth) -> IntoMakeServiceWithConnectInfo<Router, SocketAddr> {
    Router::new()
        .route("/", get(routes::home))
        .route("/signup", get(routes::sign_up_page).post(routes::sign_up))
        .route("/login", get(routes::log_in_page).post(routes::log_in))
        .route("/logout", post(routes::log_out))
        .route("/sessions", get(routes::sessions))
        .route("/sessions/revoke-others", post(routes::revoke_others))
        .route("/sessions/{id}/revoke", post(routes::revoke))
        .route("/style.css", get(routes::stylesheet))
        .layer(auth.layer()) // tells the handlers which `Auth` they belong to
        .layer(middleware::from_fn(responses::finish))
        .with_state(auth)
        .into_make_service_with_connect_info()
}
