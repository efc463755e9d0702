//! For tests of your application: signed-in users, a clock that you control, and a database for each test.
//!
//! Enable the feature only for tests:
//!
//! ```toml
//! [dev-dependencies]
//! lucia = { path = "../lucia/lucia", features = ["test-support", "sqlite"] }
//! ```
//!
//! The path is that of a clone of the repository: see its README.
//!
//! `sqlite` is for [`memory_store`], a database in memory. The other helpers work with every store, and
//! [`PgDatabase`] is an empty Postgres database for each test. Leave `sqlite` out if you use sqlx or
//! sea-orm, because cargo cannot resolve them together.
//!
//! # Example
//!
//! ```
//! use std::time::Duration;
//!
//! use actix_web::test::{TestRequest, call_service, init_service, read_body};
//! use actix_web::{App, HttpResponse, Responder, get, post, web};
//! use lucia::testing::{self, TestRequestExt, login_as};
//! use lucia::{Auth, NewUser, User, authenticated};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Profile {
//!     username: String,
//! }
//!
//! #[get("/me")]
//! #[authenticated]
//! async fn me(user: User<Profile>) -> impl Responder {
//!     format!("Hello, {}!", user.username)
//! }
//!
//! #[post("/orders")]
//! #[authenticated]
//! async fn order() -> impl Responder {
//!     HttpResponse::Created()
//! }
//!
//! # #[actix_web::main]
//! # async fn main() -> lucia::Result<()> {
//! // A database of this test's own, and a clock that stands still.
//! let store = testing::memory_store(&["username TEXT NOT NULL UNIQUE"]).await;
//! let clock = testing::Clock::new();
//! let auth = Auth::builder(store).clock(clock.clone()).build()?;
//!
//! let app = App::new()
//!     .app_data(web::Data::new(auth.clone()))
//!     .service(me)
//!     .service(order);
//! let app = init_service(app).await;
//!
//! // A user without a key: no password is hashed, which keeps the test fast.
//! let ada = Profile { username: "ada".to_owned() };
//! let ada = auth.create_user(NewUser::without_key().attributes(&ada)).await?;
//! let ada = login_as(&auth, &ada.id).await;
//!
//! let request = TestRequest::get().uri("/me").login_as(&ada).to_request();
//! assert_eq!(read_body(call_service(&app, request).await).await, "Hello, ada!");
//!
//! // Unsafe requests pass as well: they say that they come from the site itself.
//! let request = TestRequest::post().uri("/orders").login_as(&ada).to_request();
//! assert_eq!(call_service(&app, request).await.status(), 201);
//!
//! // The request is anonymous here.
//! let request = TestRequest::get().uri("/me").to_request();
//! assert_eq!(call_service(&app, request).await.status(), 401);
//!
//! // A day of active use and 14 idle days later the session is expired.
//! clock.advance(Duration::from_secs(16 * 24 * 60 * 60));
//! let request = TestRequest::get().uri("/me").login_as(&ada).to_request();
//! assert_eq!(call_service(&app, request).await.status(), 401);
//! # Ok(())
//! # }
//! ```
//!
//! # Any HTTP client
//!
//! [`LoggedIn::headers`] are the two headers that a request of a signed-in browser has. With
//! `reqwest`, against a server on a free port:
//!
//! ```text
//! let mut request = client.post(format!("{address}/orders"));
//! for (name, value) in ada.headers() {
//!     request = request.header(name, value);
//! }
//! ```
//!
//! # Passwords
//!
//! The password settings have a minimum, in tests too: 19 MiB and two iterations. Unoptimised code takes
//! long for that. Compile only the hashing with optimisation:
//!
//! ```toml
//! # Cargo.toml of the workspace
//! [profile.dev.package.argon2]
//! opt-level = 3
//! [profile.dev.package.blake2]
//! opt-level = 3
//! ```
//!
//! A test that is not about passwords needs none: [`NewUser::without_key`] and [`login_as`] hash nothing.
//!
//! [`NewUser::without_key`]: crate::NewUser::without_key

#[cfg(feature = "actix")]
mod actix;
mod clock;
mod login;
#[cfg(feature = "postgres")]
mod postgres;
#[cfg(feature = "sqlite")]
mod sqlite;
#[cfg(test)]
#[cfg(feature = "sqlite")]
mod tests;

#[cfg(feature = "actix")]
#[cfg_attr(docsrs, doc(cfg(feature = "actix")))]
pub use actix::TestRequestExt;
pub use clock::Clock;
pub use login::{LoggedIn, login_as};
#[cfg(feature = "postgres")]
#[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
pub use postgres::PgDatabase;
#[cfg(feature = "sqlite")]
#[cfg_attr(docsrs, doc(cfg(feature = "sqlite")))]
pub use sqlite::memory_store;
