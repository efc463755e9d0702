//! [`Mailer`]: what sends a mail.

use std::sync::Arc;

use async_trait::async_trait;

use super::Mail;
use crate::BoxError;

/// Sends mails: a mail server, or the API of a provider.
///
/// Implement it with `#[async_trait]` for a provider of your own. The [`Outbox`](super::Outbox) calls it
/// from its own tasks, several at once, and waits two minutes at most for each call:
///
/// ```
/// use async_trait::async_trait;
/// use lucia::mail::{Mail, Mailer, SendError};
///
/// # struct Client;
/// # enum Answer { Accepted, Invalid, Failed(u16) }
/// # impl Client { async fn post(&self, _key: &str, _to: &str, _text: &str) -> Answer { Answer::Accepted } }
/// struct Provider {
///     client: Client,
/// }
///
/// #[async_trait]
/// impl Mailer for Provider {
///     async fn send(&self, mail: &Mail) -> Result<(), SendError> {
///         match self.client.post(mail.id(), mail.to(), mail.text()).await {
///             Answer::Accepted => Ok(()),
///             Answer::Invalid => Err(SendError::refused("the provider refuses this mail")),
///             Answer::Failed(status) => Err(SendError::failed(format!("status {status}"))),
///         }
///     }
/// }
/// ```
#[async_trait]
pub trait Mailer: Send + Sync + 'static {
    /// Sends a mail, and returns when another system has taken it over.
    ///
    /// # Errors
    ///
    /// A [`SendError`] says whether it is worth another try. What it wraps ends in logs, and must show
    /// neither addresses nor texts.
    async fn send(&self, mail: &Mail) -> Result<(), SendError>;
}

#[async_trait]
impl<M: Mailer + ?Sized> Mailer for Arc<M> {
    async fn send(&self, mail: &Mail) -> Result<(), SendError> {
        (**self).send(mail).await
    }
}

/// Why a mail was not sent.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum SendError {
    /// This mail is refused, and would be refused again: its recipient does not exist.
    #[error("the mail was refused")]
    Refused(#[source] BoxError),
    /// It could not be sent this time: the server is away, or does not accept the password of the
    /// application.
    #[error("the mail could not be sent")]
    Failed(#[source] BoxError),
}

impl SendError {
    /// A [`SendError::Refused`] of this source.
    pub fn refused(source: impl Into<BoxError>) -> Self {
        Self::Refused(source.into())
    }

    /// A [`SendError::Failed`] of this source.
    pub fn failed(source: impl Into<BoxError>) -> Self {
        Self::Failed(source.into())
    }
}
