//! Proofs of who a user is, and the limit of attempts to give one.

mod attempts;
mod proof;
mod spelling;
mod trusted_key;
mod verify_password;

pub use proof::{Password, Proof};
pub use verify_password::VerifyPassword;

pub(crate) use proof::Evidence;
