//! From a database to an [`Auth`].

use lucia::deadpool_postgres::tokio_postgres::NoTls;
use lucia::deadpool_postgres::{Config, Runtime};
use lucia::{
    Auth, AuthBuilder, CacheOptions, Environment, Error, PasswordOptions, PgStore, SqliteStore,
    TrustedProxy,
};

use crate::activity::{Activity, Table};
use crate::forms::PASSWORD_MIN_LENGTH;
use crate::place::Place;
use crate::settings::{Database, Settings};
use crate::user::{Profile, USER_COLUMNS};

/// Opens a database, makes the tables that are missing, and checks that they fit.
pub async fn open(settings: &Settings, place: &Place) -> lucia::Result<(Auth, Activity)> {
    let (builder, table) = match &settings.database {
        Database::Memory => {
            let store = SqliteStore::in_memory().await?;
            store.migrate(USER_COLUMNS).await?;
            (Auth::builder(store), Table::sqlite(None)?)
        }
        Database::Sqlite(file) => {
            let store = SqliteStore::open(file).await?;
            store.migrate(USER_COLUMNS).await?;
            (Auth::builder(store), Table::sqlite(Some(file))?)
        }
        Database::Postgres(url) => {
            let mut config = Config::new();
            config.url = Some(url.clone());
            let pool = config.create_pool(Some(Runtime::Tokio1), NoTls);
            let pool = pool.map_err(Error::unavailable)?;
            let listener = config.get_pg_config().map_err(Error::unavailable)?;
            let store = PgStore::builder()
                .cache(CacheOptions::new())
                .cache_listener(listener, NoTls)
                .build(pool.clone())?;
            store.migrate(USER_COLUMNS).await?;
            (Auth::builder(store), Table::postgres(pool).await?)
        }
    };
    let activity = Activity::start(table);
    let auth = configure(builder, settings, place)
        .on_event(activity.hook())
        .build()?;
    auth.check_schema::<Profile>().await?;
    Ok((auth, activity))
}

/// What this site wants otherwise than lucia's defaults.
fn configure(auth: AuthBuilder, settings: &Settings, place: &Place) -> AuthBuilder {
    let passwords = PasswordOptions::new().min_length(PASSWORD_MIN_LENGTH);
    let auth = auth.passwords(passwords);
    if place.is_development {
        // On this machine people come by plain HTTP, to which Safari would never send a `Secure` cookie.
        return auth.environment(Environment::Development);
    }
    let auth = auth.allowed_origins([&*place.origin]);
    match settings.behind_proxy {
        true => auth.trusted_proxy(TrustedProxy::XForwarded),
        false => auth,
    }
}
