//! Sign-in by providers of OAuth 2 and OpenID Connect, after RFC 9700.
//!
//! | step | call |
//! |---|---|
//! | the application starts | [`OAuthProvider::preset`] with one of the [`presets`], or [`OAuthProvider::oidc`] |
//! | a page sends people to the provider | [`AuthRequest::begin_oauth`](crate::AuthRequest::begin_oauth) |
//! | the callback page takes them back | [`AuthRequest::finish_oauth`](crate::AuthRequest::finish_oauth), then [`sign_in`](crate::AuthRequest::sign_in) or [`sign_up`](crate::AuthRequest::sign_up) |
//! | a user who is signed in adds or removes a provider | [`AuthRequest::link_oauth`](crate::AuthRequest::link_oauth), [`unlink_oauth`](crate::AuthRequest::unlink_oauth) |
//! | the application calls the provider later | [`Auth::oauth_tokens`](crate::Auth::oauth_tokens), or [`Auth::refresh_oauth_tokens`](crate::Auth::refresh_oauth_tokens) for tokens that it keeps itself |
//!
//! The guide `docs/social-sign-in.md` of the repository has all of it in one example.
//!
//! A sign-in that has begun is kept in a [one-time token](crate::TokenPurpose), which the parameter `state` carries.

mod begin;
mod discovery;
mod error;
mod fetch;
mod finish;
mod get_tokens;
mod id_token;
mod identity;
pub mod presets;
mod provider;
mod stored;
mod tokens;

pub use begin::BeginOAuth;
pub use finish::{OAuthOutcome, OAuthSignIn};
pub use get_tokens::GetOAuthTokens;
pub use identity::OAuthIdentity;
pub use provider::{OAuthProvider, OAuthProviderBuilder};
pub use tokens::OAuthTokens;

pub use crate::error::{OAuthError, OAuthErrorKind};
