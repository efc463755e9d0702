//! The code in the documents, compiled as doctests.

/// `docs/testing.md`.
#[doc = include_str!("../../docs/testing.md")]
mod testing {}

/// `docs/recipes.md`.
#[doc = include_str!("../../docs/recipes.md")]
mod recipes {}
