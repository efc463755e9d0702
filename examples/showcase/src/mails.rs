//! [`Mails`]: what the site writes to its users.

use std::time::Duration;

use lucia::mail::{MailContent, MailTexts, Mailbox, Outbox, SmtpMailer};
use lucia::{Auth, OneTimeToken};
use url::form_urlencoded::byte_serialize;

use crate::place::Place;
use crate::settings::Smtp;

/// The name of the site in its mails.
const SITE: &str = "Showcase";

/// Writes mails, and sends them in the background.
#[derive(Clone)]
pub struct Mails {
    pub outbox: Outbox,
    /// Where the mails are in development.
    pub mailbox: Option<Mailbox>,
    texts: MailTexts,
    place: Place,
}

impl Mails {
    /// Sends by this server, or into the mailbox where there is none.
    pub async fn start(auth: &Auth, place: Place, smtp: Option<&Smtp>) -> lucia::Result<Self> {
        let (outbox, mailbox) = match smtp {
            Some(Smtp { url, from }) => {
                let mailer = SmtpMailer::new(url, from)?;
                (auth.outbox(mailer).start().await?, None)
            }
            None => {
                let mailbox = Mailbox::new(auth)?;
                // Mails that wait for a page in memory can wait there as well.
                let outbox = auth.outbox(mailbox.clone()).in_memory();
                (outbox.start().await?, Some(mailbox))
            }
        };
        Ok(Self {
            outbox,
            mailbox,
            texts: MailTexts::new(SITE),
            place,
        })
    }

    /// The link to a page, with a secret.
    pub fn link(&self, page: &str, token: &OneTimeToken) -> String {
        let separator = if page.contains('?') { '&' } else { '?' };
        let token: String = byte_serialize(token.expose().as_bytes()).collect();
        self.place.url(&format!("{page}{separator}token={token}"))
    }

    /// Sends a mail, without waiting. A failure is logged, and the page says the same: it does not tell
    /// who has an account.
    pub fn send(&self, to: &str, content: MailContent<'_>, lifetime: Duration) {
        let mail = self.texts.mail(to, "en", content, lifetime);
        if let Err(error) = mail.and_then(|mail| self.outbox.send(mail)) {
            tracing::error!(%error, "a mail is not sent");
        }
    }
}
