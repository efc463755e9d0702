//! lucia over real HTTP, against real stores.

#![allow(clippy::unwrap_used)] // A test that panics has failed.

mod support;

mod axum;
mod bearer;
mod behaviour;
mod budget;
mod conformance;
mod cookies;
mod csrf;
mod denials;
mod extractors;
mod handlers;
mod lookups;
mod lucia_v2;
mod middleware;
mod migrations;
mod outage;
mod passwords;
mod permits;
mod races;
mod redirects;
mod schema;
mod secrets;
mod sessions;
mod two_auths;
mod upgrades;
