//! Signing in by a provider of OAuth 2 or OpenID Connect.
//!
//! | file | what it does |
//! |---|---|
//! | `presets.rs` | the table of providers |
//! | `provider.rs` | a provider with the application's registration |
//! | `begin.rs` | sends a browser there |
//! | `finish.rs` | takes the browser back, step by step |
//! | `tokens.rs` | exchanges the code |
//! | `discovery.rs`, `id_token.rs` | OpenID Connect: documents, keys, the checks of ID tokens |
//! | `identity.rs` | who the person is |
//! | `fetch.rs`, `error.rs` | HTTP with limits, and what goes wrong |
//!
//! What has begun rests in a [one-time token](crate::TokenPurpose), which is the `state`.

mod begin;
mod discovery;
mod error;
mod fetch;
mod finish;
mod id_token;
mod identity;
pub mod presets;
mod provider;
mod tokens;

pub use begin::BeginOAuth;
pub use finish::{OAuthOutcome, OAuthSignIn};
pub use identity::OAuthIdentity;
pub use provider::{OAuthProvider, OAuthProviderBuilder};
pub use tokens::OAuthTokens;
