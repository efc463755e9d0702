//! A campaign of promotions: two Postgres servers, of which one follows the other by streaming
//! replication, two web servers with lucia before them, and visitors who sign in, look who they are and
//! end sessions, over HTTP. In each round something happens to the primary, and the standby is promoted.
//!
//! Each visitor remembers what was acknowledged. Afterwards every acknowledged log-in must be valid and
//! every acknowledged revocation must hold, at both web servers. What was not acknowledged may be either.

mod bug;
mod campaign;
mod ledger;
mod report;
mod site;
mod visitor;

pub use bug::Bug;
pub use campaign::{Campaign, HOWS};
pub use ledger::{Check, Kind};
pub use report::Report;
