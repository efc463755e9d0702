//! lucia over real HTTP, against real stores.

#![allow(clippy::unwrap_used)] // A test that panics has failed.

mod support;

mod axum;
mod behaviour;
mod budget;
mod conformance;
mod cookies;
mod csrf;
mod lucia_v2;
mod outage;
mod passwords;
mod races;
mod sessions;
