//! `RedisStore` against real servers.

#![allow(clippy::unwrap_used)] // A test that panics has failed.

mod cache;
mod cluster;
mod commands;
mod concurrency;
mod conformance;
mod expiry;
mod lookups;
mod outages;
mod proxy;
mod replicas;
mod settings;
mod steps;
mod support;
mod tls;
