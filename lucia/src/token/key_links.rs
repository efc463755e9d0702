//! Links to the user of a key: what those for each flow share.

use std::fmt;
use std::net::IpAddr;

use super::TokenContent;
use super::purpose::TokenPurpose;
use super::secret::OneTimeToken;
use crate::auth::{Auth, awaited};
use crate::store::KeyRow;
use crate::user::UserId;
use crate::user::key::KeyId;
use crate::{Error, Result};

/// What a link to the user of a key is for. The data is the id of the key.
pub(super) type KeyLinkPurpose = TokenPurpose<String>;

/// A link to the user of a key that is about to be created; `.await` creates it.
///
/// `None` says that there is nothing to send: no user has the key, or ten links and codes were created for
/// it within the hour. Give the client the same answer. The database has then done about the same work.
#[must_use = "a link is created by `.await`"]
pub struct CreateKeyLink<'a> {
    auth: &'a Auth,
    purpose: KeyLinkPurpose,
    key: KeyId,
    /// Whose key it has to be, and not verified yet.
    unverified_of: Option<&'a UserId>,
    address: Option<IpAddr>,
}

impl<'a> CreateKeyLink<'a> {
    pub(super) fn new(auth: &'a Auth, purpose: KeyLinkPurpose, key: KeyId) -> Self {
        Self {
            auth,
            purpose,
            key,
            unverified_of: None,
            address: None,
        }
    }

    /// Creates a link only for a key of this user that is not verified.
    pub(super) fn unverified_of(mut self, user_id: &'a UserId) -> Self {
        self.unverified_of = Some(user_id);
        self
    }

    /// Counts the link for this address, that of the client: after 100 links and codes within an hour, for
    /// whatever keys, further ones are [`Error::TooManyAttempts`], a 429 with `Retry-After`. In a handler,
    /// write `.limit_by(auth_request.client_address())`.
    ///
    /// Links and codes for a key are counted in any case, up to ten within an hour. They are counted in the
    /// same table as [attempts to sign in](crate::VerifyPassword::limit_by), and apart from those. Neither is
    /// counted under [`without_sign_in_limit`](crate::AuthBuilder::without_sign_in_limit).
    pub fn limit_by(mut self, address: impl Into<Option<IpAddr>>) -> Self {
        self.address = address.into();
        self
    }

    async fn create(self) -> Result<Option<OneTimeToken>> {
        let Self { auth, purpose, .. } = self;
        auth.tokens()?;
        let row = match self.unverified_of {
            Some(user_id) => {
                let row = auth.find_key(&self.key).await?;
                let is_wanted = |row: &KeyRow| row.user_id == *user_id && row.verified_at.is_none();
                let row = row.filter(is_wanted);
                // What is not sent uses up no mail of the key's own user.
                let asker = KeyId::from((self.key.provider_id(), user_id.as_str()));
                let counted = row.as_ref().map_or(&asker, |_| &self.key);
                let is_allowed = auth.count_mail(counted, self.address).await?.is_allowed;
                row.filter(|_| is_allowed)
            }
            None => auth.count_mail(&self.key, self.address).await?.recipient(),
        };
        let Some(row) = row else {
            // The same work, for a link that nobody gets.
            auth.create_token(purpose, "").await?;
            return Ok(None);
        };
        let token = auth.create_token(purpose, &*row.id);
        match token.user(&row.user_id).await {
            // Deleted a moment ago.
            Err(Error::UnknownUser) => Ok(None),
            created => created.map(Some),
        }
    }
}

awaited!(CreateKeyLink::create -> Option<OneTimeToken>);

impl fmt::Debug for CreateKeyLink<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateKeyLink")
            .field("purpose", &self.purpose)
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}

impl Auth {
    /// The key of a link that still works, without using the link.
    pub(super) async fn linked_key(&self, purpose: KeyLinkPurpose, secret: &str) -> Result<KeyRow> {
        let TokenContent { user_id, data } = self.check_token(purpose, secret).await?;
        let row = self.find_key(&KeyId::stored(data)?).await?;
        // The key can have been deleted since, and another user can have one of this id.
        let row = row.filter(|row| user_id.as_ref() == Some(&row.user_id));
        row.ok_or(Error::InvalidOneTimeToken)
    }
}
