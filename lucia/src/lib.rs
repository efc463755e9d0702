//! Session authentication for Rust web applications: people sign up, log in, stay logged in and
//! log out, and everything about them stays in your own Postgres database.
//!
//! ```no_run
//! use actix_web::{get, post, web, App, HttpResponse, HttpServer, Responder};
//! use lucia::{auth_request, authenticated, Auth, NewUser, Password, PgStore, Session, User};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Profile { username: String }              // the columns of your own user table
//!
//! #[derive(Deserialize)]
//! struct Credentials { username: String, password: String }
//!
//! #[post("/signup")]
//! #[auth_request]
//! async fn signup(form: web::Form<Credentials>) -> lucia::Result<impl Responder> {
//!     auth_request
//!         .sign_up(
//!             NewUser::with_password(("username", &form.username), &form.password)
//!                 .attributes(&Profile { username: form.username.clone() }),
//!         )
//!         .await?;
//!     Ok(HttpResponse::Created())
//! }
//!
//! #[post("/login")]
//! #[auth_request]
//! async fn login(form: web::Form<Credentials>) -> lucia::Result<impl Responder> {
//!     auth_request.sign_in(Password::new(("username", &form.username), &form.password)).await?;
//!     Ok(HttpResponse::NoContent())
//! }
//!
//! #[get("/me")]
//! #[authenticated]
//! async fn me(user: User<Profile>) -> impl Responder {
//!     format!("Hello, {}!", user.username)
//! }
//!
//! #[post("/logout")]
//! #[authenticated]
//! async fn logout(auth: web::Data<Auth>, session: Session) -> lucia::Result<impl Responder> {
//!     auth.invalidate_session(&session.id).await?;   // or both in one: auth_request.sign_out().await?
//!     auth_request.set_session(None);
//!     Ok(HttpResponse::NoContent())
//! }
//!
//! #[actix_web::main]
//! async fn main() -> Result<(), Box<dyn std::error::Error>> {
//!     let store = PgStore::connect(&std::env::var("DATABASE_URL")?).await?;   // or PgStore::new(pool)
//!     store.migrate(&["username TEXT NOT NULL UNIQUE"]).await?;      // makes what is missing; these columns are yours
//!     let auth = web::Data::new(Auth::builder(store).build()?);
//!     HttpServer::new(move || {
//!         App::new().app_data(auth.clone()).service(signup).service(login).service(me).service(logout)
//!     })
//!     .bind(("127.0.0.1", 8080))?
//!     .run()
//!     .await?;
//!     Ok(())
//! }
//! ```
//!
//! # What happens to a request
//!
//! 1. `#[authenticated]` finds the [`Auth`] in the application's data and makes the one
//!    [`AuthRequest`] of this request: the token is read from the cookie, and an unsafe request of
//!    another origin is told apart.
//! 2. The store is asked for the session and its user, by one query. A session past its active
//!    period is renewed. Who is not signed in is answered here, with the body unread.
//! 3. The parameters are extracted. [`User`] and [`Session`] come from the answer that is there.
//! 4. Your function runs. What it returns becomes the response, and the cookie of a session that
//!    was created, renewed or ended is put on it.
//!
//! # Where to look
//!
//! | for | see |
//! |---|---|
//! | users, keys and sessions | [`Auth`] |
//! | settings | [`AuthBuilder`], [`CookieOptions`], [`PasswordOptions`] |
//! | plain HTTP on your own machine | [`Environment`] |
//! | handlers | [`macro@authenticated`], [`macro@auth_request`], [`actix`], [`axum`] |
//! | whole scopes | [`Auth::middleware`], [`Guard`] |
//! | who sent a request | [`AuthRequest`], [`User`], [`Session`], [`MaybeUser`], [`MaybeSession`] |
//! | signing up, in and out | [`AuthRequest::sign_up`], [`AuthRequest::sign_in`], [`AuthRequest::sign_out`] |
//! | changing passwords | [`Auth::change_password`], [`Auth::reset_password`] |
//! | limiting attempts to sign in | [`VerifyPassword::address`], [`AuthBuilder::sign_in_limit`] |
//! | "remember me" | [`SignIn::remember`] |
//! | a list of "your sessions" | [`Auth::user_sessions`], [`SessionInfo`] |
//! | deleting expired sessions | [`Auth::sweeper`] |
//! | the database | [`PgStore`], [`SqliteStore`], [`store`] |
//! | what can go wrong | [`Error`] |
//! | tests of your application | [`testing`] |
//! | how errors look to clients | [`AuthBuilder::denials`] |
//! | another framework | [`http`], [`adapter`] |
//!
//! The repository has recipes, and guides for those who come from Lucia for Node or from
//! actix-identity, in its folder `docs`.
//!
//! # Features
//!
//! | feature | default | |
//! |---|---|---|
//! | `actix` | yes | extractors, middleware and error responses for actix-web |
//! | `axum` | | extractors, layer and error responses for axum |
//! | `http` | | what adapters for other frameworks are made of |
//! | `macros` | yes | `#[auth_request]`, `#[authenticated]`, for the frameworks that are on: those at the root are for actix-web, others in [`axum`] |
//! | `postgres` | yes | `PgStore` |
//! | `cache` | | lookups answered from memory until the database tells of a change: `PgStoreBuilder::cache` |
//! | `sqlite` | | `SqliteStore`: a file or memory, with SQLite compiled in |
//! | `legacy-hashes` | | verifies password hashes of Lucia for Node (scrypt) and bcrypt, and makes those of Lucia while both are in use: [`PasswordOptions`] |
//! | `conformance` | | the test suite for stores of your own |
//! | `test-support` | | [`testing`], for the tests of your application; with `sqlite` it has a store in memory |

#![cfg_attr(docsrs, feature(doc_cfg))]

#[cfg(feature = "actix")]
#[cfg_attr(docsrs, doc(cfg(feature = "actix")))]
pub mod actix;
pub mod adapter;
mod auth;
#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
pub mod axum;
mod clock;
mod error;
mod headers;
#[cfg(feature = "http")]
#[cfg_attr(docsrs, doc(cfg(feature = "http")))]
pub mod http;
mod password;
mod request;
mod session;
mod sign_in;
pub mod store;
#[cfg(feature = "test-support")]
#[cfg_attr(docsrs, doc(cfg(feature = "test-support")))]
pub mod testing;
mod user;

pub use auth::{
    Auth, AuthBuilder, CreateKey, CreateSession, CreateUser, DeleteKey, Environment, SignsIn,
    Sweeper, SweeperBuilder,
};
pub use clock::{RandomSource, TimeSource};
#[cfg(feature = "postgres")]
#[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
pub use deadpool_postgres;
pub use error::{
    ConstraintKind, ConstraintViolation, Error, InvalidUserId, PasswordProblem, Result, Source,
};
pub use headers::{CookieOptions, Denial, DenialBody, SameSite, SessionCookie, TrustedProxy};
#[cfg(all(feature = "actix", feature = "macros"))]
#[cfg_attr(docsrs, doc(cfg(all(feature = "actix", feature = "macros"))))]
pub use lucia_attributes::{auth_request, authenticated};
pub use password::{NewHashes, PasswordOptions};
pub use request::guard::{self, Guard};
pub use request::redirect::LocalPath;
pub use request::{AuthRequest, SignIn, SignUp, TokenSource};
pub use session::token::{InvalidSessionId, SessionId, SessionToken};
pub use session::{MaybeSession, Session, SessionInfo, SessionState};
pub use sign_in::{Password, Proof, Reauthenticate, VerifyPassword};
#[cfg(feature = "cache")]
#[cfg_attr(docsrs, doc(cfg(feature = "cache")))]
pub use store::postgres::CacheOptions;
#[cfg(feature = "postgres")]
#[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
pub use store::postgres::{PgStore, PgStoreBuilder, StoredIds};
#[cfg(feature = "sqlite")]
#[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
pub use store::sqlite::{SqliteStore, SqliteStoreBuilder};
pub use user::key::{KeyId, NewKey, UserKey, VerifiedKey};
pub use user::{MaybeUser, NewUser, NoAttributes, OwnedOrCallReturning, User, UserId};

/// For the code that the attributes generate. What differs between frameworks is in their modules.
#[cfg(feature = "macros")]
#[doc(hidden)]
pub mod __private {
    pub use crate::request::guard::{Admission, Guard};
    pub use crate::request::{AuthRequest, TokenSource};
}
