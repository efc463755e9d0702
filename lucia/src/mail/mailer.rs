//! [`Mailer`]: sends a mail.

use std::sync::Arc;

use async_trait::async_trait;

use super::Mail;
use crate::BoxError;

/// Sends mails, through a mail server or the API of a provider.
///
/// To use your own provider, implement this with `#[async_trait]`. The [`Outbox`](super::Outbox) calls it
/// from its own tasks, several at once, and waits at most two minutes for each call:
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
    /// Sends a mail, and returns when another system has accepted it.
    ///
    /// # Errors
    ///
    /// A [`SendError`] says whether another try makes sense. Its source is logged, so it must contain
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
    /// This mail is refused, and would be refused again. For example, its recipient does not exist.
    #[error("the mail was refused")]
    Refused(#[source] BoxError),
    /// The mail could not be sent this time. For example, the server is unreachable, or does not accept the
    /// application's password.
    #[error("the mail could not be sent")]
    Failed(#[source] BoxError),
}

impl SendError {
    /// A [`SendError::Refused`] with this source.
    pub fn refused(source: impl Into<BoxError>) -> Self {
        Self::Refused(source.into())
    }

    /// A [`SendError::Failed`] with this source.
    pub fn failed(source: impl Into<BoxError>) -> Self {
        Self::Failed(source.into())
    }
}
