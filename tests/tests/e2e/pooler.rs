//! A store behind a real PgBouncer.

mod modes;
mod processes;
mod route;
