//! [`Profile`]: what this API knows of a user.

use lucia::User;
use serde::{Deserialize, Serialize};

/// The columns of [`Profile`], for the database.
pub const COLUMNS: &[&str] = &[
    "username TEXT NOT NULL UNIQUE",
    "display_name TEXT",
    "is_admin BOOLEAN NOT NULL DEFAULT FALSE",
];

/// The columns of the user table that are this application's own.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub struct Profile {
    /// The name that the user signs in with.
    pub username: String,
    /// The name that others see.
    pub display_name: Option<String>,
    /// Whether the user may see other users.
    pub is_admin: bool,
}

/// Who may use the routes below `/admin`.
pub fn is_admin(user: User<Profile>) -> bool {
    user.is_admin
}
