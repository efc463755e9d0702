//! Session authentication for [actix-web](https://actix.rs) and [axum](https://docs.rs/axum). Users
//! and sessions are stored in your own Postgres database. `#[authenticated]` protects a handler in
//! one line.
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
//!     store.migrate(&["username TEXT NOT NULL UNIQUE"]).await?;      // creates what is missing; these columns are yours
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
//! 1. `#[authenticated]` finds the [`Auth`] in the application's data and creates the
//!    [`AuthRequest`] of this request. It reads the token from the cookie and checks the origin of
//!    an unsafe request.
//! 2. One query fetches the session and its user. A session past its active period is renewed. A
//!    denied request gets its response here, before its body is read.
//! 3. The parameters are extracted. [`User`] and [`Session`] reuse the result of the query.
//! 4. Your function runs. Its return value becomes the response. If a session was created, renewed
//!    or ended, the response sets or removes the cookie.
//!
//! # Where to look
//!
//! | for | see |
//! |---|---|
//! | users, keys and sessions | [`Auth`] |
//! | settings | [`AuthBuilder`], [`CookieOptions`], [`PasswordOptions`] |
//! | plain HTTP on your own machine | [`Environment`] |
//! | handlers | [`macro@authenticated`], [`macro@auth_request`], [`actix`], [`axum`] |
//! | protecting whole scopes | [`Auth::middleware`], [`Guard`] |
//! | the user and session of a request | [`AuthRequest`], [`User`], [`Session`], [`MaybeUser`], [`MaybeSession`] |
//! | signing up, in and out | [`AuthRequest::sign_up`], [`AuthRequest::sign_in`], [`AuthRequest::sign_out`] |
//! | changing passwords | [`AuthRequest::change_password`], [`Auth::reset_password`] |
//! | a first password, adding or deleting a key | [`AuthRequest::set_password`], [`AuthRequest::create_key`], [`AuthRequest::delete_key`] |
//! | resetting a forgotten password | [`AuthRequest::create_password_reset`], [`AuthRequest::reset_password`] |
//! | limiting sign-in attempts | [`VerifyPassword::limit_by`], [`AuthBuilder::sign_in_limit`] |
//! | signing in with a link or code | [`AuthRequest::create_sign_in_link`], [`AuthRequest::create_sign_in_code`] |
//! | verifying an e-mail address | [`AuthRequest::create_email_verification`], [`AuthRequest::verify_email`] |
//! | changing an e-mail address | [`AuthRequest::create_email_change`], [`AuthRequest::change_email`] |
//! | sign-in with GitHub, Google and others | `oauth` (feature `oauth`) |
//! | links and codes that work once | [`Auth::create_token`], [`Auth::create_code`] |
//! | sending e-mail | [`mail`] |
//! | "remember me" | [`SignIn::remember`] |
//! | a list of "your sessions" | [`Auth::user_sessions`], [`SessionInfo`] |
//! | deleting expired sessions | [`Auth::sweeper`] |
//! | the database | [`PgStore`], [`SqliteStore`], [`store`] |
//! | sessions in Redis | `RedisStore` (feature `redis`), [`AuthBuilder::sessions`] |
//! | errors | [`Error`] |
//! | tests of your application | [`testing`] |
//! | error bodies for clients | [`AuthBuilder::denials`] |
//! | a page for load balancers and monitoring | [`Auth::health`] |
//! | an audit table, alarms, metrics | [`Event`], [`AuthBuilder::on_event`] |
//! | another framework | [`http`], [`adapter`] |
//!
//! The folder `docs` of the repository has recipes and guides, including guides for migrating from
//! Lucia for Node and actix-identity.
//!
//! # Features
//!
//! | feature | default | crates | |
//! |---|---|---|---|
//! | `actix` | yes | 50 | extractors, middleware and error responses for actix-web |
//! | `axum` | | 12 | extractors, layer and error responses for axum |
//! | `http` | | 1 | building blocks for adapters of other frameworks |
//! | `macros` | yes | 1 | `#[auth_request]` and `#[authenticated]` for each enabled framework: at the crate root for actix-web, in [`axum`] for axum |
//! | `postgres` | yes | 39 | `PgStore` |
//! | `cache` | | 3 | answers lookups from memory until the database or Redis reports a change: `PgStoreBuilder::cache`, `RedisStoreBuilder::cache` |
//! | `sqlite` | | 6 | `SqliteStore`, in a file or in memory; bundles SQLite |
//! | `redis` | | 24 | `RedisStore`, for sessions in Redis, Valkey or a Redis Cluster, over rustls |
//! | `smtp` | | 17 | `mail::SmtpMailer`, which sends e-mail through a mail server |
//! | `legacy-hashes` | | 9 | verifies bcrypt hashes and the scrypt hashes of Lucia for Node, and can create the latter: [`PasswordOptions`] |
//! | `metrics` | | 3 | counts [events](Event) and measures queues, pools, the cache and the sweep, through the facade crate `metrics`: `Auth::record_metrics` |
//! | `oauth` | | 96 | sign-in with OAuth 2 and OpenID Connect providers: the module `oauth` |
//! | `conformance` | | 0 | the test suite for your own stores |
//! | `test-support` | | 0 | [`testing`], for the tests of an application; with `sqlite`, a store in memory |
//!
//! "crates" is the number of crates that a feature adds: a default feature to a build without features, any other
//! feature to a build with the default features. `docs/configuration.md` in the repository has the command that
//! counts them.

#![cfg_attr(docsrs, feature(doc_cfg))]

#[macro_use]
mod debug;

#[cfg(feature = "actix")]
#[cfg_attr(docsrs, doc(cfg(feature = "actix")))]
pub mod actix;
pub mod adapter;
mod ascii;
mod attempts;
mod auth;
#[cfg(feature = "axum")]
#[cfg_attr(docsrs, doc(cfg(feature = "axum")))]
pub mod axum;
mod clock;
mod email_address;
#[cfg(feature = "oauth")]
mod encryption;
mod error;
mod event;
mod headers;
#[cfg(feature = "http")]
#[cfg_attr(docsrs, doc(cfg(feature = "http")))]
pub mod http;
pub mod mail;
mod measure;
#[cfg(feature = "oauth")]
#[cfg_attr(docsrs, doc(cfg(feature = "oauth")))]
pub mod oauth;
mod password;
mod request;
mod session;
mod sign_in;
pub mod store;
#[cfg(feature = "test-support")]
#[cfg_attr(docsrs, doc(cfg(feature = "test-support")))]
pub mod testing;
mod time_limit;
mod token;
mod user;

pub use auth::{
    Auth, AuthBuilder, CreateKey, CreateSession, CreateUser, DeleteKey, Environment, SignsIn,
    Sweeper, SweeperBuilder,
};
pub use clock::TimeSource;
#[cfg(feature = "postgres")]
#[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
pub use deadpool_postgres;
#[cfg(feature = "oauth")]
#[cfg_attr(docsrs, doc(cfg(feature = "oauth")))]
pub use encryption::EncryptionKey;
pub use error::{
    BoxError, ConstraintKind, ConstraintViolation, Error, InvalidUserId, PasswordProblem, Result,
};
pub use event::{AccessDenial, Event, EventKind, InvalidationCause, SignInFailure};
pub use headers::{CookieOptions, Denial, DenialBody, SameSite, SessionCookie, TrustedProxy};
#[cfg(all(feature = "actix", feature = "macros"))]
#[cfg_attr(docsrs, doc(cfg(all(feature = "actix", feature = "macros"))))]
pub use lucia_attributes::{auth_request, authenticated};
pub use password::{NewHashes, PasswordOptions};
pub use request::guard::Guard;
pub use request::redirect::LocalPath;
pub use request::{
    AuthRequest, EmailChange, EmailVerification, SignIn, SignUp, TokenSource, VerifyEmail,
};
pub use session::token::{InvalidSessionId, SessionId, SessionToken};
pub use session::{MaybeSession, Session, SessionInfo, SessionState};
pub use sign_in::{Password, Proof, SignInCode, SignInLink, VerifyPassword};
#[cfg(all(feature = "cache", any(feature = "postgres", feature = "redis")))]
#[cfg_attr(docsrs, doc(cfg(feature = "cache")))]
pub use store::cache::CacheOptions;
#[cfg(feature = "postgres")]
#[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
pub use store::postgres::{PgStore, PgStoreBuilder, StoredIds};
#[cfg(feature = "redis")]
#[cfg_attr(docsrs, doc(cfg(feature = "redis")))]
pub use store::redis::{RedisStore, RedisStoreBuilder};
#[cfg(feature = "sqlite")]
#[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
pub use store::sqlite::{SqliteStore, SqliteStoreBuilder};
pub use store::{Health, HealthStatus, StoreHealth};
pub use token::{
    CodePurpose, CreateCode, CreateToken, KeyCode, KeyLink, OneTimeCode, OneTimeToken,
    TokenContent, TokenPurpose,
};
#[doc(hidden)]
pub use user::OwnedOrCallReturning;
pub use user::key::{KeyId, NewKey, SignInMethod, UserKey, VerifiedKey};
pub use user::{MaybeUser, NewUser, NoAttributes, User, UserId};

/// For the code that the attributes generate. Items that differ between frameworks are in the
/// modules of the frameworks.
#[cfg(feature = "macros")]
#[doc(hidden)]
pub mod __private {
    pub use crate::adapter::Admission;
    pub use crate::request::guard::Guard;
    pub use crate::request::{AuthRequest, TokenSource};
}
