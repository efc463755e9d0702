//! `RedisStore` against real servers.

#![allow(clippy::unwrap_used)] // A test that panics has failed.

mod conformance;
mod support;
