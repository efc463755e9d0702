//! [`Profile`]: what this site knows of a user.

use serde::{Deserialize, Serialize};

/// The columns of the user table that are this site's. The e-mail address is in the key that the user signs
/// in by, and nowhere else: a change of address changes one place.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Profile {
    /// What the site calls the user.
    pub name: String,
}

/// The same columns, for the database.
pub const USER_COLUMNS: &[&str] = &["name TEXT NOT NULL"];
