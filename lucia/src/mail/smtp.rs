//! [`SmtpMailer`]: sends through a mail server.

mod connection;
mod server;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use lettre::message::header::{HeaderName, HeaderValue};
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::{Address, Message};
use tokio::time::timeout;

use super::{Mail, Mailer, SendError};
use crate::{Error, Result};
use connection::Connection;
use server::Server;

/// How many connections are kept for the next mail.
const KEPT: usize = 4;

/// Sends mails through a mail server, over SMTP with TLS.
///
/// ```no_run
/// use lucia::mail::SmtpMailer;
///
/// # fn f() -> Result<(), Box<dyn std::error::Error>> {
/// // smtps://user:password@mail.example.com
/// let url = std::env::var("SMTP_URL")?;
/// let mailer = SmtpMailer::new(&url, "Example <no-reply@example.com>")?;
/// # Ok(()) }
/// ```
///
/// | URL | TLS | port if none is written |
/// |---|---|---|
/// | `smtps://user:password@host` | from the start (RFC 8314); preferred | 465 |
/// | `smtp://user:password@host` | with `STARTTLS`; without it, nothing is sent | 587 |
/// | `smtp://localhost:1025?tls=none` | none; for a server on the same machine | 25 |
///
/// In the user and password, percent-encode characters other than letters and digits, such as `%40`. The
/// certificate of the server has to be valid for its name, and issued by a certificate authority that
/// Mozilla trusts, or by [`root_certificate`](Self::root_certificate).
///
/// Up to four connections stay open for a minute for further mails. A mail has a `Message-ID` made of
/// [`Mail::id`], and `Auto-Submitted: auto-generated` (RFC 3834), so that no "out of office" message
/// answers it.
///
/// # Which mails are tried again
///
/// A mail is [refused](SendError::Refused) if the server permanently rejects its recipient or its content
/// (RFC 5321, a reply of 500 or more). Everything else is tried again, including a wrong password, a wrong
/// certificate and a sender that is not accepted: these succeed once the configuration is corrected.
///
/// # What the feature adds
///
/// The feature `smtp` is built on `lettre` with `rustls`, `ring` and `webpki-roots`, and has no OpenSSL. It adds 17
/// crates to those of the default features: `cargo tree --package lucia --edges normal --prefix none --no-dedupe |
/// sort -u | wc -l`, with and without `--features smtp`.
pub struct SmtpMailer {
    server: Server,
    from: Mailbox,
    timeout: Duration,
    idle: Mutex<Vec<Connection>>,
}

impl SmtpMailer {
    /// A mailer that sends through the server with this URL, from this sender, which can have a name:
    /// `Example <no-reply@example.com>`. It connects when there is something to send.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] says what is wrong with the URL or the sender, without the password.
    pub fn new(url: &str, from: &str) -> Result<Self> {
        let from: Mailbox = from.parse().map_err(|_| {
            let reason = "it is not an address; write `no-reply@example.com` or \
                `Example <no-reply@example.com>`";
            Error::setting("smtp.from", reason)
        })?;
        if from
            .name
            .as_ref()
            .is_some_and(|name| name.chars().any(char::is_control))
        {
            return Err(Error::setting(
                "smtp.from",
                "its name has more than one line",
            ));
        }
        Ok(Self {
            server: Server::parse(url, from.email.domain())?,
            from,
            timeout: Duration::from_secs(60),
            idle: Mutex::default(),
        })
    }

    /// Also trusts this certificate authority, in PEM, such as that of a company, which Mozilla does not
    /// know.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] if the PEM is not a certificate.
    pub fn root_certificate(mut self, pem: &[u8]) -> Result<Self> {
        self.server.trust(pem)?;
        Ok(self)
    }

    /// Sets how long a mail may take, including connecting and signing in; a minute by default. An
    /// [`Outbox`](super::Outbox) waits at most two minutes.
    #[must_use]
    pub fn timeout(mut self, timeout: Duration) -> Self {
        self.timeout = timeout;
        self
    }

    fn message(&self, mail: &Mail, to: Address) -> Result<Message, lettre::error::Error> {
        let auto_submitted = HeaderValue::new(
            HeaderName::new_from_ascii_str("Auto-Submitted"),
            "auto-generated".to_owned(),
        );
        let message = Message::builder()
            .from(self.from.clone())
            .to(Mailbox::new(None, to))
            .subject(mail.subject())
            .date(SystemTime::now())
            .message_id(Some(format!(
                "<{}@{}>",
                mail.id(),
                self.from.email.domain()
            )))
            .raw_header(auto_submitted);
        let text = mail.text().to_owned();
        match mail.html() {
            Some(html) => {
                message.multipart(MultiPart::alternative_plain_html(text, html.to_owned()))
            }
            None => message.singlepart(SinglePart::plain(text)),
        }
    }

    /// One that waits and still works, or a new one.
    async fn connection(&self) -> Result<Connection, SendError> {
        loop {
            let waiting = self.idle().pop();
            match waiting {
                None => return self.server.connect().await,
                Some(mut waiting) => {
                    if waiting.works().await {
                        return Ok(waiting);
                    }
                }
            }
        }
    }

    fn keep(&self, connection: Connection) {
        let mut idle = self.idle();
        if idle.len() < KEPT {
            idle.push(connection);
        }
    }

    fn idle(&self) -> MutexGuard<'_, Vec<Connection>> {
        self.idle.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Mailer for SmtpMailer {
    async fn send(&self, mail: &Mail) -> Result<(), SendError> {
        // Without the errors, which quote addresses.
        let refuse = |_| SendError::refused("lettre does not accept the address");
        let to: Address = mail.to().parse().map_err(refuse)?;
        let refuse = |_| SendError::refused("lettre cannot write the mail");
        let message = self.message(mail, to.clone()).map_err(refuse)?.formatted();
        let sending = async {
            let mut connection = self.connection().await?;
            let sent = connection.send(&self.from.email, &to, &message).await;
            // A connection that failed is dropped, with the answers that may be on their way, and so is
            // one that is slow.
            let works = match &sent {
                Ok(()) => true,
                Err(SendError::Refused(_)) => connection.reset().await,
                Err(_) => false,
            };
            if works {
                self.keep(connection);
            }
            sent
        };
        let slow = |_| SendError::failed(format!("the server took longer than {:?}", self.timeout));
        timeout(self.timeout, sending)
            .await
            .unwrap_or_else(|elapsed| Err(slow(elapsed)))
    }
}

debug_of!(SmtpMailer: server, timeout);

#[cfg(test)]
mod tests {
    use super::*;

    fn mailer() -> SmtpMailer {
        SmtpMailer::new("smtps://mail.example.com", "Größe <no-reply@example.com>").unwrap()
    }

    fn written(mail: &Mail) -> String {
        let message = mailer().message(mail, mail.to().parse().unwrap());
        String::from_utf8(message.unwrap().formatted()).unwrap()
    }

    #[test]
    fn a_message_is_ascii_with_the_headers_of_an_automatic_mail() {
        let mail = Mail::new("ada@example.com", "Grüße", "Grüße\n.\nEnde").unwrap();
        for mail in [mail.clone().with_html("<p>Grüße</p>"), mail] {
            let written = written(&mail);
            assert!(written.is_ascii(), "{written}");
            let id = format!("Message-ID: <{}@example.com>\r\n", mail.id());
            for header in [
                "Auto-Submitted: auto-generated\r\n",
                "Date: ",
                "MIME-Version: ",
                &id,
            ] {
                assert!(written.contains(header), "{header}: {written}");
            }
            assert!(written.lines().all(|line| line.len() <= 998));
        }
    }

    #[test]
    fn no_header_comes_out_of_values() {
        for subject in [
            "a\r\nBcc: eve@example.com",
            "a\nBcc: eve@example.com\n\nbody",
            "a\rBcc: x",
        ] {
            let mail = Mail::new("ada@example.com", subject, "text").unwrap();
            let written = written(&mail);
            assert!(
                !written.contains("\nBcc") && !written.contains("\rBcc"),
                "{written}"
            );
        }
    }

    #[test]
    fn senders_that_are_none_are_refused() {
        for from in [
            "",
            "Example",
            "a@example.com\r\nBcc: b@example.com",
            "a@example.com, b@example.com",
        ] {
            let refused = SmtpMailer::new("smtps://mail.example.com", from);
            assert!(
                matches!(
                    refused,
                    Err(Error::Setting {
                        setting: "smtp.from",
                        ..
                    })
                ),
                "{from:?}"
            );
        }
    }

    #[test]
    fn debug_shows_no_password() {
        let mailer = SmtpMailer::new("smtps://ada:swordfish@mail.example.com", "a@example.com");
        let shown = format!("{:?}", mailer.unwrap());
        assert!(
            !shown.contains("swordfish") && shown.contains("mail.example.com"),
            "{shown}"
        );
    }
}
