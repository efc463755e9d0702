//! What is SQLite's own, and the suite that all stores pass.

#[cfg(feature = "conformance")]
mod conformance;
