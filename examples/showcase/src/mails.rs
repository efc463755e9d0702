//! [`Mails`]: what the site writes to its users.

use std::time::Duration;

use lucia::mail::{MailContent, MailTexts, Mailbox, Outbox, SmtpMailer};
use lucia::{Auth, KeyCode, KeyId, KeyLink};
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

    /// The URL of a page, with the token of a link.
    pub fn url(&self, page: &str, link: &KeyLink) -> String {
        let separator = if page.contains('?') { '&' } else { '?' };
        let token: String = byte_serialize(link.token.expose().as_bytes()).collect();
        self.place.url(&format!("{page}{separator}token={token}"))
    }

    /// Sends a link to the address that it is for. The content has its [URL](Self::url).
    pub fn send_link(&self, link: &KeyLink, content: MailContent<'_>) {
        self.send(&link.key, content, link.lifetime);
    }

    /// Sends a code to sign in to the address that it is for.
    pub fn send_code(&self, code: &KeyCode) {
        let content = MailContent::SignInCode {
            code: code.code.expose(),
        };
        self.send(&code.key, content, code.lifetime);
    }

    /// Sends a mail, without waiting. A failure is logged, and the page says the same: it does not tell
    /// who has an account.
    fn send(&self, to: &KeyId, content: MailContent<'_>, lifetime: Duration) {
        let address = to.provider_user_id();
        let mail = self.texts.mail(address, "en", content, lifetime);
        if let Err(error) = mail.and_then(|mail| self.outbox.send(mail)) {
            tracing::error!(%error, "a mail is not sent");
        }
    }
}
