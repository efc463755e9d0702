//! Everything that lucia does, in a small site: sign-up with a verified address, sign-in by password, mailed
//! link, mailed code and provider, and a page where users see and change what their account has.
//!
//! Read `routes` first: each flow is one file there. The rest is what every site has.

// An application is its own only caller: `pub` here means "for the other modules".
#![expect(unreachable_pub)]

mod activity;
mod carry;
mod database;
mod demo_provider;
#[path = "../../quickstart/src/device.rs"]
mod device;
mod email;
mod errors;
mod forms;
mod headers;
pub mod logging;
mod mails;
#[path = "../../quickstart/src/moment.rs"]
mod moment;
mod pages;
mod place;
mod providers;
mod routes;
mod settings;
mod site;
mod user;

pub use settings::{Client, Database, Provider, Settings, Smtp};
pub use site::{Site, StartError, start};
