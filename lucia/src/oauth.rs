//! Sign-in with OAuth 2 and OpenID Connect providers, following RFC 9700.
//!
//! | step | call |
//! |---|---|
//! | the application starts | [`OAuthProvider::preset`] with one of the [`presets`], or [`OAuthProvider::oidc`] |
//! | a page sends people to the provider | [`AuthRequest::begin_oauth`](crate::AuthRequest::begin_oauth) |
//! | the callback page receives them | [`AuthRequest::finish_oauth`](crate::AuthRequest::finish_oauth), then [`sign_in`](crate::AuthRequest::sign_in) or [`sign_up`](crate::AuthRequest::sign_up) |
//! | a signed-in user adds or removes a provider | [`AuthRequest::link_oauth`](crate::AuthRequest::link_oauth), [`unlink_oauth`](crate::AuthRequest::unlink_oauth) |
//! | the application calls the provider later | [`Auth::oauth_tokens`](crate::Auth::oauth_tokens), or [`Auth::refresh_oauth_tokens`](crate::Auth::refresh_oauth_tokens) for tokens that the application stores itself |
//!
//! The guide `docs/social-sign-in.md` in the repository shows all of this in one example.
//!
//! The state of a sign-in in progress is kept in a [one-time token](crate::TokenPurpose), which the
//! parameter `state` carries.

mod begin;
mod discovery;
mod error;
mod fetch;
mod fetch_tokens;
mod finish;
mod id_token;
mod identity;
pub mod presets;
mod provider;
mod stored;
mod tokens;

pub use begin::BeginOAuth;
pub use fetch_tokens::FetchOAuthTokens;
pub use finish::{OAuthOutcome, OAuthSignIn};
pub use identity::OAuthIdentity;
pub use provider::{OAuthProvider, OAuthProviderBuilder};
pub use tokens::OAuthTokens;

pub use crate::error::{OAuthError, OAuthErrorKind};
