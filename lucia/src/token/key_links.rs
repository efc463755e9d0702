//! Links and codes for the user of a key: what all flows share.

use std::net::IpAddr;
use std::time::Duration;

use super::TokenContent;
use super::purpose::TokenPurpose;
use super::secret::{OneTimeCode, OneTimeToken};
use crate::auth::Auth;
use crate::store::KeyRow;
use crate::user::key::KeyId;
use crate::{Error, Result};

/// What a link to the user of a key is for. The data is the id of the key.
pub(super) type KeyLinkPurpose = TokenPurpose<String>;

/// A link to send to the user of a key, returned by
/// [`create_password_reset`](crate::AuthRequest::create_password_reset),
/// [`create_sign_in_link`](crate::AuthRequest::create_sign_in_link),
/// [`create_email_verification`](crate::AuthRequest::create_email_verification),
/// [`create_email_change`](crate::AuthRequest::create_email_change) or
/// [`change_email`](crate::AuthRequest::change_email).
///
/// Send it in another task than the response, as [`Outbox::send`](crate::mail::Outbox::send) does.
/// Otherwise the time that sending takes reveals who has an account.
///
/// # Limits
///
/// Each of these purposes is counted separately: links to reset a password, to sign in, to verify an
/// address, to change an address and to undo the change, and sign-in codes. The limits per hour are:
///
/// | purposes | requests by | allowed | after that |
/// |---|---|---|---|
/// | one | a client for a key | 5 | [`Error::TooManyAttempts`], a 429 with `Retry-After` |
/// | all | a client for all keys | 100 | the same |
/// | one | all clients for a key | 20 | `None`, as for an unknown key |
///
/// A client is identified by its [address](crate::AuthRequest::client_address), or by the first 64 bits of
/// an IPv6 address. If the address is unknown, all clients count as one, and 20 for a key are allowed
/// before the 429. The 429 does not depend on whether the key exists, and all spellings of a key count
/// together.
///
/// So one client that asks for another person's links cannot prevent the owner of the key from getting one.
/// Four clients can: together they use up the 20, and block this purpose until the hour is over. So offer
/// another way to sign in.
///
/// The counts are in the same table as those of sign-in attempts, but separate from them. With
/// [`without_sign_in_limit`](crate::AuthBuilder::without_sign_in_limit), nothing is counted.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KeyLink {
    /// The key as it is stored. Send the link to the address in it, never to the address that was typed.
    /// With `citext` or a collation that ignores case, the database treats both as one key, but the typed
    /// address may be another person's mailbox.
    ///
    /// For a change of address, this is the new address.
    pub key: KeyId,
    /// The token of the link: `format!("https://example.com/reset?token={}", link.token.expose())`.
    pub token: OneTimeToken,
    /// How long the link works, for the text of the mail.
    pub lifetime: Duration,
}

/// A code to send to the user of a key, returned by
/// [`create_sign_in_code`](crate::AuthRequest::create_sign_in_code). It counts toward the
/// [limits](KeyLink#limits).
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct KeyCode {
    /// The key as it is stored. Send the code to the address in it: see [`KeyLink::key`].
    pub key: KeyId,
    /// The code, which the user types.
    pub code: OneTimeCode,
    /// How long the code works, for the text of the mail.
    pub lifetime: Duration,
}

impl Auth {
    /// Creates a link for the user of this key, and counts it for its purpose, the key and the address of the client.
    pub(crate) async fn create_key_link(
        &self,
        purpose: KeyLinkPurpose,
        key: &KeyId,
        address: Option<IpAddr>,
    ) -> Result<Option<KeyLink>> {
        self.tokens()?;
        let recipient = self
            .count_mail(purpose.name, key, address)
            .await?
            .recipient();
        self.link_to(purpose, recipient).await
    }

    /// Creates a link for the user of a key that was counted.
    pub(super) async fn link_to(
        &self,
        purpose: KeyLinkPurpose,
        recipient: Option<KeyRow>,
    ) -> Result<Option<KeyLink>> {
        let Some(row) = recipient else {
            // The same work, for a link that is not sent.
            self.create_token(purpose, "").await?;
            return Ok(None);
        };
        let token = self.create_token(purpose, &*row.id).user(&row.user_id);
        let token = match token.await {
            // Deleted a moment ago.
            Err(Error::UnknownUser) => return Ok(None),
            created => created?,
        };
        Ok(Some(KeyLink {
            key: KeyId::stored(row.id)?,
            token,
            lifetime: purpose.lifetime,
        }))
    }

    /// The key of a link that still works, without using the link.
    pub(super) async fn linked_key(&self, purpose: KeyLinkPurpose, token: &str) -> Result<KeyRow> {
        let TokenContent { user_id, data } = self.check_token(purpose, token).await?;
        let row = self.find_key(&KeyId::stored(data)?).await?;
        // The key can have been deleted since, and another user can have one of this id.
        let row = row.filter(|row| user_id.as_ref() == Some(&row.user_id));
        row.ok_or(Error::InvalidOneTimeToken)
    }
}
