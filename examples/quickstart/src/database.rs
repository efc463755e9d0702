//! From a database to an [`Auth`].

use std::net::SocketAddr;

use lucia::{Auth, AuthBuilder, Environment, PasswordOptions, PgStore, SqliteStore};

use crate::Profile;
use crate::forms::PASSWORD_MIN_LENGTH;
use crate::settings::Database;

/// The columns of [`Profile`], for the database.
const USER_COLUMNS: &[&str] = &["username TEXT NOT NULL UNIQUE"];

/// Opens a database, makes the tables that are missing, and checks that they fit.
pub(crate) async fn open(database: &Database, address: SocketAddr) -> lucia::Result<Auth> {
    let auth = match database {
        Database::Sqlite(file) => {
            let store = SqliteStore::open(file).await?;
            store.migrate(USER_COLUMNS).await?;
            settings(Auth::builder(store), address).build()?
        }
        Database::Postgres(url) => {
            let store = PgStore::connect(url).await?;
            store.migrate(USER_COLUMNS).await?;
            settings(Auth::builder(store), address).build()?
        }
    };
    auth.check_schema::<Profile>().await?;
    Ok(auth)
}

/// What this site wants otherwise than lucia's defaults.
fn settings(auth: AuthBuilder, address: SocketAddr) -> AuthBuilder {
    // A `Secure` cookie, the default, goes over TLS. This server has none: on a loopback address
    // people reach it by plain http, where Safari would never send such a cookie back, and nobody
    // can listen in. On any other address a proxy with TLS has to stand in front, and the cookie
    // stays `Secure`.
    let environment = if address.ip().is_loopback() {
        Environment::Development
    } else {
        tracing::info!("the session cookie is `Secure` here: put a proxy with TLS in front");
        Environment::Production
    };
    auth.environment(environment)
        .passwords(PasswordOptions::new().min_length(PASSWORD_MIN_LENGTH))
}
