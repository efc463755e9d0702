//! The code in the guide, compiled as doctests.

/// `docs/with-sqlx-diesel-seaorm.md`.
#[doc = include_str!("../../../docs/with-sqlx-diesel-seaorm.md")]
mod guide {}
