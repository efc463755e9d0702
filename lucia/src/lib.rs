//! Session authentication for Rust web applications.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "actix")]
#[cfg_attr(docsrs, doc(cfg(feature = "actix")))]
pub mod actix;
mod auth;
mod clock;
mod context;
mod cookie;
mod error;
mod key;
mod origin;
mod password;
mod redirect;
mod request;
mod session;
pub mod store;
mod token;
mod user;

pub use auth::{Auth, AuthBuilder, CreateSession, Environment};
pub use clock::{Clock, RandomSource};
pub use context::RequestContext;
pub use cookie::{CookieOptions, SameSite, SessionCookie};
#[cfg(feature = "postgres")]
#[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
pub use deadpool_postgres;
pub use error::{ConstraintKind, ConstraintViolation, Error, PasswordProblem, Result, Source};
pub use key::Key;
#[cfg(feature = "macros")]
#[cfg_attr(docsrs, doc(cfg(feature = "macros")))]
pub use lucia_macros::{auth_request, authenticated};
pub use origin::TrustedProxy;
pub use password::PasswordOptions;
pub use redirect::LocalPath;
pub use request::{AuthRequest, ResponseHeaders};
pub use session::{Session, SessionInfo, SessionState};
#[cfg(feature = "postgres")]
#[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
pub use store::postgres::{PgStore, PgStoreBuilder};
#[cfg(feature = "sqlite")]
#[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
pub use store::sqlite::{SqliteStore, SqliteStoreBuilder};
pub use token::{InvalidSessionId, SessionId, SessionToken};
pub use user::{MaybeUser, NewUser, NoAttributes, User, UserId};

/// For the code that the attributes generate.
#[doc(hidden)]
pub mod __private {
    #[cfg(feature = "actix")]
    pub use crate::actix::handler::{
        Extractor, Guard, Incoming, Outgoing, Reply, Response, check_extractor,
    };
    pub use crate::request::AuthRequest;
}
