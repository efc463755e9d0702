//! lucia over real HTTP, against real stores.

#![allow(clippy::unwrap_used)] // A test that panics has failed.

mod support;

/// What can be seen over HTTP. These files are compiled once for each framework: what they call
/// `framework` is `support::actix` here, and `support::axum` below.
#[path = "both"]
mod actix {
    use crate::support::actix as framework;

    mod behaviour;
    mod budget;
    mod cookies;
    mod csrf;
    mod denials;
    mod extractors;
    mod guards;
    mod handlers;
    mod middleware;
    pub(crate) mod outage;
    mod passwords;
    mod races;
    mod redirects;
    mod sessions;
    mod throttling;
    mod two_auths;
}

#[path = "both"]
#[allow(clippy::duplicate_mod)] // That is what it is for.
mod axum {
    use crate::support::axum as framework;

    mod behaviour;
    mod budget;
    mod cookies;
    mod csrf;
    mod denials;
    mod extractors;
    mod guards;
    mod handlers;
    mod middleware;
    mod outage;
    mod passwords;
    mod races;
    mod redirects;
    mod sessions;
    mod throttling;
    mod two_auths;
}

mod actix_handlers;
mod actix_middleware;
mod attributes;
mod axum_routers;
mod bearer;
mod cache;
mod clocks;
mod conformance;
mod cookies;
mod drops;
mod freshness;
mod ids_in_queries;
mod keys;
mod limits;
mod lookups;
mod lucia_faults;
mod lucia_v2;
mod mid_rotation;
mod migrations;
mod outage;
mod password_changes;
mod passwords;
mod permits;
mod races;
mod rotation;
mod schema;
mod secrets;
mod session_attributes;
mod sessions;
mod settings;
mod sign_ins;
mod split;
mod sweeper;
mod test_databases;
mod throttling;
mod upgrades;
