//! [`Mail`]: one message to one address.

use std::fmt;
use std::time::Duration;

use crate::clock::{UnixMillis, random_text};
use crate::email_address;
use crate::store::MailRow;
use crate::{Error, Result};

/// The length of an id, of 36 letters and digits: more than 128 bits.
const ID_LENGTH: usize = 25;

/// A message to one address, with a plain text and optionally the same in HTML.
///
/// ```
/// use std::time::Duration;
///
/// use lucia::mail::Mail;
///
/// # fn mail(link: &str) -> lucia::Result<Mail> {
/// let mail = Mail::new("ada@example.com", "Your link", &format!("Open this link:\n\n{link}\n"))?
///     .with_lifetime(Duration::from_secs(60 * 60)); // that of the link
/// # Ok(mail) }
/// ```
///
/// The address and the subject become headers and commands. So line breaks are refused in an address, and
/// replaced by blanks in a subject. `Debug` shows neither the address nor the content.
#[derive(Clone, PartialEq, Eq)]
pub struct Mail {
    id: String,
    to: String,
    subject: String,
    text: String,
    html: Option<String>,
    lifetime: Option<Duration>,
}

fn address(text: &str) -> Result<String> {
    email_address::parse(text).map_err(|reason| Error::InvalidAddress { reason })
}

impl Mail {
    /// A mail to this address, in plain text.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidAddress`](crate::Error::InvalidAddress) if no mail can be sent there;
    /// [`Error::Internal`](crate::Error::Internal) if the operating system returns no random bytes.
    pub fn new(to: &str, subject: &str, text: &str) -> Result<Self> {
        Ok(Self {
            id: random_text(ID_LENGTH)?,
            to: address(to)?,
            subject: one_line(subject),
            text: without_nul(text),
            html: None,
            lifetime: None,
        })
    }

    /// Adds the same content in HTML, which most mail programs show instead of the text. Escape what you
    /// insert.
    #[must_use]
    pub fn with_html(mut self, html: &str) -> Self {
        self.html = Some(without_nul(html));
        self
    }

    /// Sets how long the mail is useful, such as the lifetime of its link. An [`Outbox`](super::Outbox)
    /// that could not send the mail within this time discards it.
    #[must_use]
    pub fn with_lifetime(mut self, lifetime: Duration) -> Self {
        self.lifetime = Some(lifetime);
        self
    }

    /// A random id, which stays the same when the mail is sent again. It is for `Message-ID`, and for the
    /// idempotency key of a provider's API. It is not secret, and logs identify the mail by it.
    #[must_use]
    pub fn id(&self) -> &str {
        &self.id
    }

    /// The address, with its domain in ASCII.
    #[must_use]
    pub fn to(&self) -> &str {
        &self.to
    }

    /// The subject, on one line.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// The text.
    #[must_use]
    pub fn text(&self) -> &str {
        &self.text
    }

    /// The HTML, if the mail has one.
    #[must_use]
    pub fn html(&self) -> Option<&str> {
        self.html.as_deref()
    }

    /// The row of this mail, to be sent at once.
    pub(super) fn into_row(self, now: UnixMillis) -> MailRow {
        MailRow {
            html: self.html,
            expires: self.lifetime.map(|lifetime| now.plus(lifetime)),
            ..MailRow::new(self.id, self.to, self.subject, self.text, now)
        }
    }

    /// The mail of a row. A table may hold what was not written by lucia, so it is checked again.
    pub(super) fn from_row(row: MailRow) -> Result<Self> {
        Ok(Self {
            id: row.id,
            to: address(&row.recipient)?,
            subject: one_line(&row.subject),
            text: row.text,
            html: row.html,
            lifetime: None,
        })
    }
}

impl fmt::Debug for Mail {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Mail")
            .field("id", &self.id)
            .field("html", &self.html.is_some())
            .field("lifetime", &self.lifetime)
            .finish_non_exhaustive()
    }
}

/// A header is one line.
fn one_line(text: &str) -> String {
    let breaks = |c: char| c.is_control() || matches!(c, '\u{2028}' | '\u{2029}');
    let words = text.split(breaks).filter(|part| !part.is_empty());
    words.collect::<Vec<_>>().join(" ")
}

/// Neither Postgres nor mail servers take the character U+0000.
fn without_nul(text: &str) -> String {
    text.replace('\0', "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_subject_is_one_line() {
        for (given, subject) in [
            ("Grüße", "Grüße"),
            ("a\r\nBcc: bob@example.com", "a Bcc: bob@example.com"),
            ("a\n b\r\tc\0d\u{85}e\u{2028}f\u{b}g\r\n", "a  b c d e f g"),
        ] {
            let mail = Mail::new("ada@example.com", given, "").unwrap();
            assert_eq!(mail.subject(), subject);
        }
    }

    #[test]
    fn a_row_that_was_changed_in_the_table_adds_no_header() {
        let mail = Mail::new("ada@example.com", "a", "text").unwrap();
        let mut row = mail.into_row(UnixMillis(0));
        row.subject = "a\r\nBcc: bob@example.com".to_owned();
        assert_eq!(
            Mail::from_row(row.clone()).unwrap().subject(),
            "a Bcc: bob@example.com"
        );
        row.recipient = "ada@example.com\r\nBcc: bob@example.com".to_owned();
        assert!(Mail::from_row(row).is_err());
    }

    #[test]
    fn a_row_and_back_is_the_same_mail() {
        let mail = Mail::new("ada@example.com", "Grüße", "te\0xt").unwrap();
        assert_eq!(mail.text(), "te\u{fffd}xt");
        let mail = mail.with_html("<p>Grüße</p>");
        let row = mail.clone().into_row(UnixMillis(7));
        assert_eq!(
            (row.due, row.attempts, row.expires),
            (UnixMillis(7), 0, None)
        );
        assert_eq!(Mail::from_row(row).unwrap(), mail);
    }

    #[test]
    fn a_lifetime_begins_in_the_outbox() {
        let mail = Mail::new("ada@example.com", "a", "text").unwrap();
        for (lifetime, expires) in [(Duration::from_secs(2), 2007), (Duration::MAX, i64::MAX)] {
            let row = mail.clone().with_lifetime(lifetime).into_row(UnixMillis(7));
            assert_eq!(row.expires, Some(UnixMillis(expires)));
        }
    }

    #[test]
    fn debug_shows_neither_address_nor_text() {
        let mail = Mail::new("ada@example.com", "secret 1", "secret 2").unwrap();
        let mail = mail.with_html("secret 3");
        let shown = format!("{mail:?} {:?}", mail.clone().into_row(UnixMillis(0)));
        assert!(
            !shown.contains("secret") && !shown.contains("ada"),
            "{shown}"
        );
    }
}
