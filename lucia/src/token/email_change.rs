//! Changing the address of a key: confirmed at the new address, and undone from the former one.
//!
//! A thief who changes an address can do more in the same minute: change the password, ask for another change. So
//! the token that undoes the change is not one of the user, whose tokens end with a new password; its data
//! names the user. And as long as a change can be undone, the key gets no third address: a token that is
//! found by the key, and opens nothing, says so.

use std::net::IpAddr;
use std::time::Duration;

use serde::{Deserialize, Serialize};

use super::key_links::KeyLink;
use super::purpose::TokenPurpose;
use super::secret::OneTimeCode;
use crate::auth::Auth;
use crate::event::EventKind;
use crate::store::{FormerTokens, KeyRow, TokenRow};
use crate::user::UserId;
use crate::user::key::{KeyId, SignInMethod, UserKey, VerifiedKey};
use crate::{Error, Result};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

const EMAIL_CHANGE: TokenPurpose<Change> =
    TokenPurpose::own("lucia: change an address").expires_in(DAY);

/// How long a change can be undone.
const UNDO_PERIOD: Duration = Duration::from_secs(7 * 24 * 60 * 60);

const EMAIL_CHANGE_UNDO: TokenPurpose<Undo> =
    TokenPurpose::own("lucia: undo a change of address").expires_in(UNDO_PERIOD);

/// The purpose of the token that says that the address of a key was changed.
const CHANGED: &str = "lucia: changed address";

/// The ids of keys, as they are in the database.
#[derive(Serialize, Deserialize)]
struct Change {
    former: String,
    new: String,
}

#[derive(Serialize, Deserialize)]
struct Undo {
    user_id: UserId,
    former: String,
    new: String,
}

impl Auth {
    /// Creates the link for the new address.
    pub(crate) async fn create_address_change(
        &self,
        user_id: &UserId,
        key: &KeyId,
        new: &KeyId,
        address: Option<IpAddr>,
    ) -> Result<Option<KeyLink>> {
        self.tokens()?;
        if key.provider_id() != new.provider_id() {
            let reason = "a key of an address gets another address, and keeps its provider id: write \
                `create_email_change((\"email\", current), (\"email\", new))`";
            return Err(Error::Misuse(reason.to_owned()));
        }
        let new_id = new.valid()?.to_owned();
        let row = self.find_key(key).await?;
        let row = row.filter(|row| row.user_id == *user_id);
        let row = row.ok_or(Error::UnknownKey)?;
        self.check_unchanged(&row).await?;
        let is_taken = self.find_key(new).await?.is_some();
        // What is not sent uses up no mail of the user who has the address.
        let asker = KeyId::from((new.provider_id(), user_id.as_str()));
        let counted = if is_taken { &asker } else { new };
        let mail = self.count_mail(counted, address).await?;
        let change = Change {
            former: row.id,
            new: new_id,
        };
        let token = self.create_token(EMAIL_CHANGE, &change);
        if is_taken || !mail.is_allowed {
            // The same work, for a link that is not sent.
            token.await?;
            return Ok(None);
        }
        Ok(Some(KeyLink {
            key: new.clone(),
            token: token.user(user_id).await?,
            lifetime: EMAIL_CHANGE.lifetime,
        }))
    }

    /// The new address of a key, for the page that the link opens, without using the link, as
    /// [`check_token`](Self::check_token) says.
    ///
    /// # Errors
    ///
    /// As [`use_token`](Self::use_token).
    pub async fn check_email_change(&self, token: &str) -> Result<KeyId> {
        let content = self.check_token(EMAIL_CHANGE, token).await?;
        KeyId::stored(content.data.new)
    }

    /// Returns the former address that the link to undo a change restores, without using the link: for the page
    /// that the link opens, as [`check_token`](Self::check_token) says.
    ///
    /// # Errors
    ///
    /// As [`use_token`](Self::use_token).
    pub async fn check_email_change_undo(&self, token: &str) -> Result<KeyId> {
        let content = self.check_token(EMAIL_CHANGE_UNDO, token).await?;
        KeyId::stored(content.data.former)
    }

    /// Uses the link to the new address, in a browser that is signed in as this user. Returns the key, and the
    /// link to undo the change where the former address was verified.
    pub(crate) async fn change_address(
        &self,
        token: &str,
        user_id: &UserId,
    ) -> Result<(UserKey, Option<KeyLink>)> {
        let content = self.check_token(EMAIL_CHANGE, token).await?;
        let Change { former, new } = content.data;
        let former = self.key_of_user(former, user_id).await?;
        self.check_unchanged(&former).await?;
        let is_free = self.find_key(&KeyId::stored(new.clone())?).await?.is_none();
        if content.user_id.as_ref() != Some(user_id) || !is_free {
            return Err(Error::InvalidOneTimeToken);
        }
        self.use_token(EMAIL_CHANGE, token).await?;
        // Before the change, so that there is none that cannot be undone. An address that was not verified
        // can be mistyped, or somebody else's: its owner does not get the account.
        let undo = match former.verified_at {
            Some(_) => Some(self.create_undo(user_id, &former.id, &new).await?),
            None => None,
        };
        let told = EventKind::EmailChanged {
            user_id: user_id.clone(),
            provider_id: former.provider_id(),
        };
        let renamed = self.rename(former, new, told).await?;
        Ok((UserKey::from_row(renamed)?, undo))
    }

    /// Uses the link to the former address.
    pub(crate) async fn undo_address_change(&self, token: &str) -> Result<VerifiedKey> {
        let content = self.check_token(EMAIL_CHANGE_UNDO, token).await?;
        let Undo {
            user_id,
            former,
            new,
        } = content.data;
        let row = self.key_of_user(new, &user_id).await?;
        // Another user can have the address by now: its owner, or one who keeps the owner from this.
        let taken = self.find_key(&KeyId::stored(former.clone())?).await?;
        if taken
            .as_ref()
            .is_some_and(|taken| taken.verified_at.is_some())
        {
            return Err(Error::InvalidOneTimeToken);
        }
        self.use_token(EMAIL_CHANGE_UNDO, token).await?;
        if let Some(taken) = taken {
            self.delete_foreign_key(&taken).await?;
        }
        let changed = changed(&row.id);
        let told = EventKind::EmailChangeUndone {
            user_id,
            provider_id: row.provider_id(),
        };
        let mut row = self.rename(row, former, told).await?;
        self.claim_for_owner(&mut row).await?;
        self.ask(self.tokens()?.take_token(&changed, None)).await?;
        VerifiedKey::from_row(row, SignInMethod::Link)
    }

    async fn key_of_user(&self, id: String, user_id: &UserId) -> Result<KeyRow> {
        let row = self.find_key(&KeyId::stored(id)?).await?;
        let row = row.filter(|row| row.user_id == *user_id);
        row.ok_or(Error::InvalidOneTimeToken)
    }

    async fn rename(&self, row: KeyRow, new_id: String, told: EventKind) -> Result<KeyRow> {
        let now = self.now();
        let store = self.store();
        let renamed = store.rename_key(&row.id, &row.user_id, &new_id, now);
        match self.change(told, renamed, |renamed| *renamed).await {
            Ok(true) => Ok(KeyRow {
                id: new_id,
                verified_at: Some(now),
                ..row
            }),
            // Without telling that there is such a key.
            Ok(false) | Err(Error::DuplicateKey) => Err(Error::InvalidOneTimeToken),
            Err(error) => Err(error),
        }
    }

    async fn create_undo(&self, user_id: &UserId, former: &str, new: &str) -> Result<KeyLink> {
        let undo = Undo {
            user_id: user_id.clone(),
            former: former.to_owned(),
            new: new.to_owned(),
        };
        let token = self.create_token(EMAIL_CHANGE_UNDO, &undo).await?;
        self.note_change(new).await?;
        Ok(KeyLink {
            key: KeyId::stored(undo.former)?,
            token,
            lifetime: UNDO_PERIOD,
        })
    }

    /// Notes that the key of this id has got it by a change that can be undone.
    async fn note_change(&self, id: &str) -> Result<()> {
        let now = self.now();
        let expires = now.plus(UNDO_PERIOD);
        let note = TokenRow::new(changed(id), CHANGED.to_owned(), now, expires);
        let noted = self.tokens()?.insert_token(note, FormerTokens::Keep);
        self.ask(noted).await
    }

    /// Refuses a key whose last change of address can still be undone.
    async fn check_unchanged(&self, row: &KeyRow) -> Result<()> {
        let note = self.ask(self.tokens()?.token(&changed(&row.id))).await?;
        let now = self.now();
        match note {
            Some(note) if now < note.expires => Err(Error::TooManyAttempts {
                retry_after: now.until(note.expires),
            }),
            _ => Ok(()),
        }
    }
}

/// What the note that a key of this id was changed is found by.
fn changed(id: &str) -> String {
    OneTimeCode::id(CHANGED, id)
}
