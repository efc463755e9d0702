//! lucia over real HTTP, against real stores.

#![allow(clippy::unwrap_used)] // A test that panics has failed.

mod support;

mod behaviour;
mod budget;
mod conformance;
mod cookies;
mod csrf;
mod migrations;
mod outage;
mod passwords;
mod races;
mod schema;
mod secrets;
mod sessions;
