//! Session authentication for Rust web applications.

#![cfg_attr(docsrs, feature(doc_cfg))]

mod auth;
mod clock;
mod context;
mod cookie;
mod error;
mod key;
mod origin;
mod password;
mod request;
mod session;
pub mod store;
mod token;
mod user;

pub use auth::{Auth, AuthBuilder, CreateSession, Environment};
pub use clock::{Clock, RandomSource};
pub use context::RequestContext;
pub use cookie::{CookieOptions, SameSite, SessionCookie};
pub use error::{ConstraintKind, ConstraintViolation, Error, PasswordProblem, Result, Source};
pub use key::Key;
pub use origin::TrustedProxy;
pub use password::PasswordOptions;
pub use request::{AuthRequest, ResponseHeaders};
pub use session::{Session, SessionInfo, SessionState};
#[cfg(feature = "sqlite")]
#[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
pub use store::sqlite::{SqliteStore, SqliteStoreBuilder};
pub use token::{InvalidSessionId, SessionId, SessionToken};
pub use user::{NewUser, NoAttributes, User, UserId};
