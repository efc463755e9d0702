//! A small site with accounts: sign up, log in, see your sessions, log out.
//!
//! Read `routes` first: that is what one writes with lucia. The rest is what every site has.

// An application is its own only caller: `pub` here means "for the other modules".
#![expect(unreachable_pub)]

mod database;
mod device;
mod errors;
mod forms;
mod headers;
pub mod logging;
mod moment;
mod pages;
mod routes;
mod settings;
mod site;
mod user;
mod username;

pub use settings::{Database, Settings};
pub use site::{Site, StartError, start};
pub use user::Profile;
