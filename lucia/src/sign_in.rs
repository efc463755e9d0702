//! Proofs of who a user is.

mod proof;
mod trusted_key;
mod verify_password;

pub use proof::{Password, Proof, SignInCode, SignInLink};
pub use verify_password::VerifyPassword;

pub(crate) use proof::Evidence;
