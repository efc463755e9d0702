//! Sign-in by providers of OAuth 2 and OpenID Connect: an application of axum, a provider over HTTP that
//! does not keep to the rules, and what comes of it.

#![allow(clippy::unwrap_used)] // A test that panics has failed.

mod callbacks;
mod endpoints;
mod id_tokens;
mod identities;
mod links;
mod provider;
mod refresh;
mod site;
mod stored;
