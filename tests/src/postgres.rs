//! A Postgres for tests: the one of `DATABASE_URL`, or one of our own from the programs that are
//! installed.

mod database;
mod guard;
mod pair;
mod programs;
mod server;
mod shared;

pub(crate) use guard::{Owner, command_as};

pub use database::{Database, Template, server_url};
pub use pair::{Failover, Pair, Replication};
pub use programs::programs_are_installed;
pub use server::{Server, Stop};
