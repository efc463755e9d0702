//! E-mail: texts, an outbox that sends in the background, and mailers.
//!
//! An application writes a [`Mail`], or has [`MailTexts`] write one, and puts it into the
//! [`Outbox`], which sends it with a [`Mailer`]:
//!
//! | mailer | |
//! |---|---|
//! | [`SmtpMailer`] (feature `smtp`) | sends through a mail server |
//! | [`Mailbox`] | shows mails on a page of yours, in development |
//! | your own | for example, uses the API of a provider |
//!
//! The guide `docs/e-mail.md` in the repository shows all of this in one example.

mod html;
mod mailbox;
mod mailer;
mod message;
mod outbox;
#[cfg(feature = "smtp")]
mod smtp;
mod texts;

pub use mailbox::Mailbox;
pub use mailer::{Mailer, SendError};
pub use message::Mail;
pub use outbox::{Outbox, OutboxBuilder};
#[cfg(feature = "smtp")]
#[cfg_attr(docsrs, doc(cfg(feature = "smtp")))]
pub use smtp::SmtpMailer;
pub use texts::{MailContent, MailOccasion, MailTexts, MailWords};
