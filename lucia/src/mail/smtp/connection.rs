//! A connection to a mail server, and what its errors mean.

use std::error::Error as _;
use std::time::Duration;

use lettre::Address;
use lettre::transport::smtp::Error;
use lettre::transport::smtp::client::AsyncSmtpConnection;
use lettre::transport::smtp::commands::{Data, Mail, Noop, Rcpt, Rset};
use lettre::transport::smtp::extension::{Extension, MailBodyParameter, MailParameter};
use tokio::time::{Instant, timeout};

use super::SendError;
use crate::error::chain;

/// How long a connection is kept without use. Servers close theirs after five minutes or less (RFC 5321,
/// 4.5.3.2.7).
const IDLE: Duration = Duration::from_secs(60);

/// How long a server may take for a command that is only about the connection.
const SHORT: Duration = Duration::from_secs(5);

/// A connection that is ready for a mail. Dropping it closes it, at any time: a future that is dropped
/// leaves no connection behind that waits for an answer.
pub(super) struct Connection {
    smtp: AsyncSmtpConnection,
    used_at: Instant,
}

impl Connection {
    pub(super) fn new(smtp: AsyncSmtpConnection) -> Self {
        Self {
            smtp,
            used_at: Instant::now(),
        }
    }

    /// Whether the server still answers.
    pub(super) async fn works(&mut self) -> bool {
        self.used_at.elapsed() < IDLE
            && matches!(timeout(SHORT, self.smtp.command(Noop)).await, Ok(Ok(_)))
    }

    /// Ends a mail that was refused. Returns whether the connection can be used for another one.
    pub(super) async fn reset(&mut self) -> bool {
        matches!(timeout(SHORT, self.smtp.command(Rset)).await, Ok(Ok(_)))
    }

    /// Sends a message, step by step: which step is refused decides whether another try makes sense.
    pub(super) async fn send(
        &mut self,
        from: &Address,
        to: &Address,
        message: &[u8],
    ) -> Result<(), SendError> {
        let mut parameters = Vec::new();
        if !AsRef::<str>::as_ref(to).is_ascii() {
            if !self.offers(Extension::SmtpUtfEight) {
                let reason = "the server takes no addresses with other characters than ASCII";
                return Err(SendError::refused(reason));
            }
            parameters.push(MailParameter::SmtpUtfEight);
        }
        if !message.is_ascii() {
            if !self.offers(Extension::EightBitMime) {
                let reason = "the server takes no headers with other characters than ASCII";
                return Err(SendError::refused(reason));
            }
            parameters.push(MailParameter::Body(MailBodyParameter::EightBitMime));
        }
        let from = Mail::new(Some(from.clone()), parameters);
        self.smtp.command(from).await.map_err(failed(Step::From))?;
        let to = Rcpt::new(to.clone(), Vec::new());
        self.smtp.command(to).await.map_err(failed(Step::To))?;
        self.smtp.command(Data).await.map_err(failed(Step::Data))?;
        let sent = self.smtp.message(message).await;
        sent.map_err(failed(Step::Message))?;
        self.used_at = Instant::now();
        Ok(())
    }

    fn offers(&self, extension: Extension) -> bool {
        self.smtp.server_info().supports_feature(extension)
    }
}

debug_of!(Connection);

/// What the server was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Step {
    Connect,
    StartTls,
    SignIn,
    From,
    To,
    Data,
    Message,
}

impl Step {
    /// Whether a refusal is about the mail, and not about the server, the account or the sender.
    fn is_about_the_mail(self) -> bool {
        matches!(self, Self::To | Self::Message)
    }
}

/// Why the step failed, without what servers quote in their replies: addresses, and texts of the mail.
pub(super) fn failed(step: Step) -> impl FnOnce(Error) -> SendError {
    move |error| {
        let what = match step {
            Step::Connect => "connecting to the mail server",
            Step::StartTls => "STARTTLS",
            Step::SignIn => "signing in to the mail server",
            Step::From => "the sender",
            Step::To => "the recipient",
            Step::Data | Step::Message => "the content",
        };
        let Some(code) = error.status() else {
            let why = if error.is_response() || error.is_client() {
                "the answer of the server makes no sense, or the connection ended".to_owned()
            } else {
                chain(&error)
            };
            return SendError::failed(format!("{what}: {why}"));
        };
        let enhanced = error.source().map(ToString::to_string).unwrap_or_default();
        let enhanced = enhanced_code(&enhanced).map_or(String::new(), |code| format!(" {code}"));
        let why = format!("{what}: the server answered {code}{enhanced}");
        if error.is_permanent() && step.is_about_the_mail() {
            SendError::refused(why)
        } else {
            SendError::failed(why)
        }
    }
}

/// The code of RFC 3463 that a reply begins with, such as `5.1.1`.
fn enhanced_code(reply: &str) -> Option<&str> {
    let word = reply.split_whitespace().next()?;
    let parts: Vec<_> = word.split('.').collect();
    let is_number = |part: &&str| {
        (1..=3).contains(&part.len()) && part.bytes().all(|byte| byte.is_ascii_digit())
    };
    (parts.len() == 3 && parts.iter().all(is_number)).then_some(word)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn of_a_reply_the_code_is_told_and_nothing_else() {
        assert_eq!(
            enhanced_code("5.1.1 <ada@example.com> unknown"),
            Some("5.1.1")
        );
        assert_eq!(enhanced_code("4.7.28 slow down"), Some("4.7.28"));
        for reply in [
            "",
            "<ada@example.com>",
            "ada.b.c",
            "10.0.0.1",
            "5.1",
            "5.1.1234",
            "5..1",
        ] {
            assert_eq!(enhanced_code(reply), None, "{reply}");
        }
    }
}
