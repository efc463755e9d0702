//! Stores of mails that wait to be sent: what goes in, and what comes out.

use std::fmt;

use async_trait::async_trait;

use super::{Result, UnixMillis};

/// Mails that wait to be sent.
///
/// The rules are in [`Outbox`](crate::mail::Outbox): a store checks neither how often a mail was claimed,
/// nor whether it is still useful.
#[async_trait]
pub trait MailStore: fmt::Debug + Send + Sync + 'static {
    /// Checks that mails can be stored.
    ///
    /// # Errors
    ///
    /// [`Schema`](super::StoreError::Schema) if the table for them is not as the store needs it.
    async fn check_mails(&self) -> Result<()>;

    /// Stores a mail. A mail with the same id does not change.
    async fn insert_mail(&self, mail: MailRow) -> Result<()>;

    /// Claims the mail that has been due the longest at `now`: counts an attempt, makes the mail due again
    /// at `until`, and returns it as it is afterwards. Of any number of concurrent calls, one gets the
    /// mail.
    async fn claim_mail(&self, now: UnixMillis, until: UnixMillis) -> Result<Option<MailRow>>;

    /// Makes a mail due at another time, if it was not claimed again since it had this number of attempts.
    /// Returns whether it did.
    async fn postpone_mail(&self, id: &str, attempts: u32, due: UnixMillis) -> Result<bool>;

    /// Deletes a mail, even one that another process has claimed. Returns whether it existed.
    async fn delete_mail(&self, id: &str) -> Result<bool>;
}

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

debug_of!(MailRow: id, attempts, created_at, expires, due);
