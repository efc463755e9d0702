//! lucia in axum: extractors, a layer, and errors as responses.
//!
//! ```no_run
//! use axum::{Router, http::StatusCode, routing::{get, post}};
//! use lucia::axum::{auth_request, authenticated};
//! use lucia::{Auth, PgStore, Session, User};
//! use serde::Deserialize;
//!
//! #[derive(Deserialize)]
//! struct Profile { username: String }
//!
//! #[authenticated]
//! async fn me(user: User<Profile>) -> String {
//!     format!("Hello, {}!", user.username)
//! }
//!
//! #[authenticated]
//! async fn logout(auth: Auth, session: Session) -> lucia::Result<StatusCode> {
//!     auth.invalidate_session(&session.id).await?;
//!     auth_request.set_session(None);
//!     Ok(StatusCode::NO_CONTENT)
//! }
//!
//! # async fn build() -> Result<Router, Box<dyn std::error::Error>> {
//! let store = PgStore::connect(&std::env::var("DATABASE_URL")?).await?;
//! let auth = Auth::builder(store).build()?;
//! let app = Router::new()
//!     .route("/me", get(me))
//!     .route("/logout", post(logout))
//!     .layer(auth.layer()); // after the routes: it reaches those that are there
//! # Ok(app) }
//! ```
//!
//! The [layer](AuthLayer) is all that you have to add. It tells handlers which [`Auth`](crate::Auth) they
//! belong to, and puts cookie changes on every response, including those of rejected extractors and of
//! fallbacks. Without it, a request to a handler that asks who sent it gets a 500, and the log says what to
//! add.
//!
//! | parameter | admits |
//! |---|---|
//! | [`User<A>`](crate::User), [`Session<A>`](crate::Session) | authenticated requests: 401 for others, 403 for an unsafe request from another origin |
//! | [`MaybeUser<A>`](crate::MaybeUser), [`MaybeSession<A>`](crate::MaybeSession), `Option<User<A>>`, `Option<Session<A>>` | every request |
//! | [`AuthRequest`] | every request; it looks up the session when a method asks for it |
//! | [`Auth`](crate::Auth) | every request: it is the layer's `Auth` |
//!
//! If the store is unavailable, a lookup is answered with 503, because the sender is then unknown. However
//! many parameters a handler has, there is one query. Parameters are extracted in the order of their
//! declaration. Put these first, so that no other extractor reveals private data before them.
//!
//! `#[authenticated]`, and the layer's [`protect`](AuthLayer::protect) and [`guard`](AuthLayer::guard),
//! decide before anything else is extracted.
//!
//! A response that was created from an [`Error`] has the error in its extensions, whatever refused the
//! request: `response.extensions().get::<Arc<lucia::Error>>()`.
//! [`AuthBuilder::denials`](crate::AuthBuilder::denials) changes how such responses look.

mod extractors;
#[cfg(feature = "macros")]
mod handler;
mod layer;
mod mailbox;
mod permit;
mod problem;
mod response;

use axum::http::request::Parts;

pub use layer::{AuthLayer, AuthService};
#[cfg(feature = "macros")]
#[cfg_attr(docsrs, doc(cfg(feature = "macros")))]
pub use lucia_attributes::{
    axum_auth_request as auth_request, axum_authenticated as authenticated,
};
pub use mailbox::mailbox;
pub use permit::PermitArgument;
pub use problem::problem_details;

/// For the code that the attributes generate.
#[doc(hidden)]
pub mod __private {
    #[cfg(feature = "macros")]
    pub use super::handler::{
        Admitted, Attributes, Fallback, Incoming, Parameter, Parameters, Reply, Response, respond,
        sent,
    };
    pub use super::permit::{Permitted, permit};
}

use crate::{AuthRequest, Error, Result};

/// The `AuthRequest` by the `Auth` of a layer, in the extensions of a request. The innermost layer
/// replaces it, and parts that were copied further out keep theirs.
#[derive(Clone)]
struct LayersAuthRequest(AuthRequest);

/// The `AuthRequest` of a request, by the `Auth` of the innermost layer that it has passed.
///
/// # Errors
///
/// [`Error::Misuse`] when it has passed none.
fn auth_request(parts: &Parts) -> Result<AuthRequest> {
    match parts.extensions.get::<LayersAuthRequest>() {
        Some(LayersAuthRequest(auth_request)) => {
            auth_request.look_again(parts);
            Ok(auth_request.clone())
        }
        None => Err(Error::Misuse(format!(
            "the handler of `{} {}` asks who sent the request, and no `auth.layer()` is around it: \
             add `.layer(auth.layer())` to the `Router`, after its last `.route(..)`",
            parts.method,
            parts.uri.path(),
        ))),
    }
}
