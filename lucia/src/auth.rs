//! [`Auth`]: what an application holds to use lucia.

mod builder;
mod candidates;
mod create_session;
mod creation;
#[cfg(feature = "oauth")]
mod credentials;
mod health;
mod key_writes;
mod keys;
pub(crate) mod logged_once;
mod passwords;
mod pending_event;
mod sessions;
mod sweeper;
mod users;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

pub use builder::{AuthBuilder, Environment};
pub use create_session::{CreateSession, SignsIn};
pub(crate) use create_session::{SessionOptions, session_options};
pub use creation::{CreateKey, CreateUser};
pub use keys::DeleteKey;
pub use sweeper::{Sweeper, SweeperBuilder};

pub(crate) use builder::SignInLimit;
pub(crate) use candidates::warn_of_too_many;
use logged_once::LoggedOnce;

use crate::clock::{TimeSource, UnixMillis};
#[cfg(feature = "oauth")]
use crate::encryption::Vault;
use crate::event::{EventClient, Listeners};
use crate::headers::cookie::CookieConfig;
use crate::headers::denial::Denials;
use crate::headers::origin::OriginPolicy;
use crate::password::Passwords;
use crate::session::Lifetime;
use crate::store::{self, AttemptStore, SessionStore, Store, TokenStore};
use crate::time_limit::within;
use crate::{Error, Result};

/// The users, keys and sessions of an application.
///
/// Create one `Auth` with [`Auth::builder`] and share it. A clone is a handle to the same `Auth`.
///
/// ```
/// use lucia::{Auth, NewUser, Session, User};
/// use serde::{Deserialize, Serialize};
///
/// #[derive(Serialize, Deserialize)]
/// struct Profile {
///     username: String,
/// }
///
/// async fn sign_up(auth: &Auth, username: &str, password: &str) -> lucia::Result<Session> {
///     let profile = Profile { username: username.to_owned() };
///     let user: User<Profile> = auth
///         .create_user(NewUser::with_password(("username", username), password).attributes(&profile))
///         .await?;
///     auth.create_session(&user.id).await
/// }
///
/// async fn log_in(auth: &Auth, username: &str, password: &str) -> lucia::Result<Session> {
///     let key = auth.verify_password(("username", username), password).await?;
///     auth.create_session(&key).await
/// }
///
/// async fn log_out(auth: &Auth, session: &Session) -> lucia::Result<()> {
///     auth.invalidate_session(&session.id).await
/// }
/// ```
#[derive(Clone)]
pub struct Auth(
    Arc<Parts>,
    /// The client that its calls are made for, if one is known: for events.
    Option<Arc<EventClient>>,
);

struct Parts {
    store: Arc<dyn Store>,
    /// Where all is, or all but sessions.
    main_store: Arc<dyn Store>,
    /// Where the sessions are, if that is another store.
    session_store: Option<Arc<dyn SessionStore>>,
    environment: Environment,
    store_timeout: Duration,
    /// The name of the table of sessions.
    session_table: Arc<str>,
    /// How many sessions a user can have.
    max_sessions: Option<u32>,
    /// How many sign-in attempts may fail, where they are counted.
    sign_in_limit: Option<SignInLimit>,
    lifetime: Lifetime,
    cookie: CookieConfig,
    origin: OriginPolicy,
    passwords: Passwords,
    clock: Arc<dyn TimeSource>,
    denials: Option<Denials>,
    listeners: Listeners,
    logged: LoggedOnce,
    #[cfg(feature = "oauth")]
    vault: Option<Vault>,
}

impl Auth {
    /// Starts building an `Auth` on `store`. The defaults are safe for production.
    pub fn builder(store: impl Store) -> AuthBuilder {
        AuthBuilder::new(store)
    }

    pub(crate) fn environment(&self) -> Environment {
        self.0.environment
    }

    pub(crate) fn cookie(&self) -> &CookieConfig {
        &self.0.cookie
    }

    pub(crate) fn denials(&self) -> Option<&Denials> {
        self.0.denials.as_ref()
    }

    pub(crate) fn origin(&self) -> &OriginPolicy {
        &self.0.origin
    }

    /// Whether a mistake in how the application is put together is logged for the first time.
    pub(crate) fn is_logged_first(&self, mistake: &str) -> bool {
        self.0.logged.is_first(mistake)
    }

    /// Whether the other is a handle to the same.
    pub(crate) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    pub(crate) fn now(&self) -> UnixMillis {
        self.0.clock.now().into()
    }

    pub(crate) fn passwords(&self) -> &Passwords {
        &self.0.passwords
    }

    pub(crate) fn sign_in_limit(&self) -> Option<SignInLimit> {
        self.0.sign_in_limit
    }

    pub(crate) fn store(&self) -> &dyn Store {
        &*self.0.store
    }

    /// The store of sign-in attempts, where these are limited: `build` has checked that there is one.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] when the store has changed its mind.
    pub(crate) fn attempts(&self) -> Result<&dyn AttemptStore> {
        let counts_none = || Error::Misuse("the store counts no attempts to sign in".to_owned());
        self.store().attempts().ok_or_else(counts_none)
    }

    /// The store of one-time tokens.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] when the store has none.
    pub(crate) fn tokens(&self) -> Result<&dyn TokenStore> {
        let has_none = || {
            let reason = "the store has no one-time tokens: implement `TokenStore` and return it from \
                `Store::tokens`";
            Error::Misuse(reason.to_owned())
        };
        self.store().tokens().ok_or_else(has_none)
    }

    /// Whether credentials are stored.
    fn stores_credentials(&self) -> bool {
        #[cfg(feature = "oauth")]
        return self.0.vault.is_some();
        #[cfg(not(feature = "oauth"))]
        false
    }

    /// Bounds the time that a store may take, whatever the store itself promises.
    pub(crate) async fn ask<T>(&self, answer: impl Future<Output = store::Result<T>>) -> Result<T> {
        let error = match within(self.0.store_timeout, answer).await {
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) => error.into(),
            Err(elapsed) => Error::unavailable(elapsed),
        };
        if let Error::Unavailable(source) = &error {
            tracing::error!(error = %crate::error::chain(source.as_ref()), "the store is unavailable");
        }
        Err(error)
    }
}

/// Accepts that a table is missing, which an application may do without.
fn optional_table<T>(answer: Result<T>) -> Result<()> {
    match answer {
        Ok(_) | Err(Error::Schema { column: None, .. }) => Ok(()),
        Err(error) => Err(error),
    }
}

impl fmt::Debug for Auth {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Auth")
            .field("store", &self.0.store)
            .field("lifetime", &self.0.lifetime)
            .field("cookie", &self.0.cookie)
            .field("origin", &self.0.origin)
            .field("passwords", &self.0.passwords)
            .finish_non_exhaustive()
    }
}

/// Makes `.await` call an async method of a call that takes options, such as `CreateSession::create`.
macro_rules! awaited {
    ($call:ident::$method:ident -> $output:ty) => {
        impl<'a> IntoFuture for $call<'a> {
            type Output = Result<$output>;
            type IntoFuture = std::pin::Pin<Box<dyn Future<Output = Result<$output>> + Send + 'a>>;

            fn into_future(self) -> Self::IntoFuture {
                Box::pin(self.$method())
            }
        }
    };
}
pub(crate) use awaited;
