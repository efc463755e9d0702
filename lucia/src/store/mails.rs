//! What goes into a store of mails that wait to be sent, and what comes out of it.

use super::UnixMillis;
use super::rows::debug_of;

/// A mail that waits to be sent.
#[derive(Clone, PartialEq, Eq)]
#[non_exhaustive]
pub struct MailRow {
    /// Its random id.
    pub id: String,
    /// The address of the recipient.
    pub recipient: String,
    /// The subject.
    pub subject: String,
    /// The text.
    pub text: String,
    /// The text in HTML.
    pub html: Option<String>,
    /// How many times it was claimed.
    pub attempts: u32,
    /// When it was created.
    pub created_at: UnixMillis,
    /// When it is no longer useful.
    pub expires: Option<UnixMillis>,
    /// When it can be claimed.
    pub due: UnixMillis,
}

impl MailRow {
    /// A mail in plain text that was never claimed and can be claimed at once.
    #[must_use]
    pub fn new(
        id: String,
        recipient: String,
        subject: String,
        text: String,
        created_at: UnixMillis,
    ) -> Self {
        Self {
            id,
            recipient,
            subject,
            text,
            html: None,
            attempts: 0,
            created_at,
            expires: None,
            due: created_at,
        }
    }
}

debug_of! {
    MailRow: id, attempts, created_at, expires, due;
}
