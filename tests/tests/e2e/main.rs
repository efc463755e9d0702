//! lucia over real HTTP, against real stores.

#![allow(clippy::unwrap_used)] // A test that panics has failed.

mod support;

mod attributes;
mod axum;
mod bearer;
mod behaviour;
mod budget;
mod clocks;
mod conformance;
mod cookies;
mod csrf;
mod denials;
mod extractors;
mod freshness;
mod handlers;
mod keys;
mod limits;
mod lookups;
mod lucia_faults;
mod lucia_v2;
mod mid_rotation;
mod middleware;
mod migrations;
mod outage;
mod password_changes;
mod passwords;
mod permits;
mod races;
mod redirects;
mod rotation;
mod schema;
mod secrets;
mod session_attributes;
mod sessions;
mod settings;
mod split;
mod sweeper;
mod two_auths;
mod upgrades;
