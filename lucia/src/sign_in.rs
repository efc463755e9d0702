//! Proofs of who a user is, and the limit of attempts to give one.

mod attempts;
mod reauthenticate;
mod spelling;
mod use_key;

pub use reauthenticate::Reauthenticate;
pub use use_key::UseKey;
