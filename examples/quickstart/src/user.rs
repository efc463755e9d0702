//! [`Profile`]: what this site knows of a user.

use serde::{Deserialize, Serialize};

/// The columns of the user table that are this site's own.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Profile {
    /// The name that the user signs in with.
    pub username: String,
}
