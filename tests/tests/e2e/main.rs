//! lucia over real HTTP, against real stores.

#![allow(clippy::unwrap_used)] // A test that panics has failed.

mod support;

/// What can be seen over HTTP. These files are compiled once for each framework: what they call
/// `framework` is `support::actix` here, and `support::axum` below.
#[path = "both"]
mod actix {
    use crate::support::actix as framework;

    mod addresses;
    mod bearer;
    mod behaviour;
    mod budget;
    mod candidates;
    mod change_email;
    mod change_password;
    mod chromium;
    mod client_attributes;
    mod cookies;
    mod csrf;
    mod denials;
    mod ended_sessions;
    mod errors;
    mod events;
    mod extractors;
    mod guards;
    mod handlers;
    mod invitations;
    mod late;
    mod login_circles;
    mod looks;
    mod mailbox;
    mod mailed_sign_in;
    mod middleware;
    mod no_referrer;
    mod oauth;
    mod oauth_in_a_browser;
    pub(crate) mod outage;
    mod own_cookies;
    mod password_reset;
    mod passwords;
    mod permits;
    mod races;
    mod reauthenticate;
    mod redirects;
    mod remember;
    mod self_types;
    mod sessions;
    mod sign_in;
    mod sign_in_events;
    mod sign_out;
    mod stored_spellings;
    mod stored_tokens;
    mod throttling;
    mod two_auths;
    mod undo_email_change;
    mod verify_email;
}

#[path = "both"]
#[allow(clippy::duplicate_mod)] // That is what it is for.
mod axum {
    use crate::support::axum as framework;

    mod addresses;
    mod bearer;
    mod behaviour;
    mod budget;
    mod candidates;
    mod change_email;
    mod change_password;
    mod chromium;
    mod client_attributes;
    mod cookies;
    mod csrf;
    mod denials;
    mod ended_sessions;
    mod errors;
    mod events;
    mod extractors;
    mod guards;
    mod handlers;
    mod invitations;
    mod late;
    mod login_circles;
    mod looks;
    mod mailbox;
    mod mailed_sign_in;
    mod middleware;
    mod no_referrer;
    mod oauth;
    mod oauth_in_a_browser;
    mod outage;
    mod own_cookies;
    mod password_reset;
    mod passwords;
    mod permits;
    mod races;
    mod reauthenticate;
    mod redirects;
    mod remember;
    mod self_types;
    mod sessions;
    mod sign_in;
    mod sign_in_events;
    mod sign_out;
    mod stored_spellings;
    mod stored_tokens;
    mod throttling;
    mod two_auths;
    mod undo_email_change;
    mod verify_email;
}

mod actix_handlers;
mod actix_middleware;
mod actix_nested;
mod attributes;
mod axum_nested;
mod axum_routers;
mod cache;
mod clocks;
mod concurrent_writes;
mod conformance;
mod cors;
mod counted_attempts;
mod database_spellings;
mod drops;
mod events_of_auth;
mod failover;
mod freshness;
mod grants;
mod health;
mod ids_in_queries;
mod isolation;
mod keys;
mod limits;
mod lookups;
mod lucia_faults;
mod lucia_v2;
mod mail;
mod mail_limits;
mod method_override;
mod metrics;
mod mid_rotation;
mod migrations;
mod numbers;
mod password_changes;
mod passwordless_keys;
mod pooler;
mod postgres_outage;
mod references;
mod refused_cookies;
mod replicas;
mod rotation;
mod schema;
mod secrets;
mod session_attributes;
mod sessions_of_auth;
mod settings;
mod several_cookies;
mod sign_ins;
mod split;
mod sweeper;
mod test_databases;
mod tokens;
mod transactions;
mod unknown_peers;
mod upgrades;
mod user_ids;
