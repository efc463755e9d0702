//! A store behind a real PgBouncer.

mod modes;
mod processes;
mod route;

use lucia::deadpool_postgres::{Manager, Pool};
use lucia_tests::{Watch, watch};
use tokio_postgres::NoTls;

fn pool(url: &str, size: usize) -> Pool {
    let manager = Manager::new(url.parse().unwrap(), NoTls);
    Pool::builder(manager).max_size(size).build().unwrap()
}

/// What all stores of this process say of poolers.
fn warnings() -> Watch {
    watch(["a pooler stands between"])
}

/// What the store of a table of users has said.
fn logged_of(logged: &Watch, user_table: &str) -> Vec<String> {
    let mut lines = logged.lines();
    lines.retain(|line| line.contains(user_table));
    lines
}
