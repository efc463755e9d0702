//! From a database to an [`Auth`].

use lucia::store::Store;
use lucia::{Auth, AuthBuilder, DenialBody, Error, PgStore, SqliteStore};
use serde_json::json;

use crate::routes::PROVIDER;
use crate::user::{COLUMNS, Profile};

/// Opens a database, makes the tables that are missing, and checks that they fit. `database` is
/// `postgres://..`, or the name of a SQLite file.
///
/// # Errors
///
/// Those of the store.
pub async fn open(database: &str) -> lucia::Result<Auth> {
    let auth = if database.starts_with("postgres://") || database.starts_with("postgresql://") {
        let store = PgStore::connect(database).await?;
        store.migrate(COLUMNS).await?;
        settings(store).build()?
    } else {
        let store = SqliteStore::open(database).await?;
        store.migrate(COLUMNS).await?;
        settings(store).build()?
    };
    auth.check_schema::<Profile>().await?;
    Ok(auth)
}

/// The settings of the [`Auth`]: lucia's errors are problem details.
pub fn settings(store: impl Store) -> AuthBuilder {
    Auth::builder(store).denials(DenialBody::problem)
}

/// Makes somebody who has signed up an administrator.
///
/// # Errors
///
/// [`Error::UnknownKey`] when nobody has this username, and those of the store.
pub async fn make_admin(auth: &Auth, username: &str) -> lucia::Result<()> {
    let key = auth.key((PROVIDER, username)).await?;
    let user_id = key.ok_or(Error::UnknownKey)?.user_id;
    let is_admin = json!({ "is_admin": true });
    auth.update_user_attributes::<Profile>(&user_id, &is_admin)
        .await?;
    Ok(())
}
