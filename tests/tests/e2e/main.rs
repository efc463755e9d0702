//! lucia over real HTTP, against real stores.

#![allow(clippy::unwrap_used)] // A test that panics has failed.

mod support;

mod behaviour;
mod cookies;
mod csrf;
