//! Changing the address of a key: confirmed at the new address, and undone from the former one.
//!
//! A thief who changes an address can do more in the same minute: change the password, add another key, delete this
//! one, ask for another change. So a change that can be undone leaves a note: a token that is found by the new id
//! of the key, and opens nothing. It is stored in the transaction of the change, and is not one of the user, whose
//! tokens end with a new password. It says which keys the user had. As long as it is there, the key gets no third
//! address, and links can undo the change: one step takes the note, gives the user the former address again, and
//! leaves them no other key than they had.
//!
//! The link to the new address works until the change has happened, and then gives its user a link to undo it once
//! more, for a request that was dropped. The links to undo a change share its note, so one of them can be used. All
//! but the first are counted, as links that are asked for.

use std::net::IpAddr;
use std::time::Duration;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use super::json;
use super::key_links::KeyLink;
use super::links::{token_id, used};
use super::purpose::TokenPurpose;
use super::secret::OneTimeCode;
use crate::auth::Auth;
use crate::error::chain;
use crate::event::EventKind;
use crate::session::SessionInfo;
use crate::store::{ADDRESS_NOTE, ClaimedBy, KeyClaim, KeyRow, KeyWrite, TokenRow, UnixMillis};
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

/// The ids of keys, as they are in the database.
#[derive(Serialize, Deserialize)]
struct Change {
    former: String,
    new: String,
}

/// What a link to undo a change holds. The rest is in the note.
#[derive(Serialize, Deserialize)]
struct Undo {
    new: String,
    /// The id of the link that made the change. A key can be changed to the same address again.
    link: String,
}

/// The data of a note.
#[derive(Serialize, Deserialize)]
struct Changed {
    user_id: UserId,
    former: String,
    link: String,
    /// The ids of the other keys that the user had.
    others: Vec<String>,
    /// Those of them that were verified.
    verified: Vec<String>,
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
        // By the new address whether a user has it or not: a full count would tell. Only such links are counted
        // there, so what is not sent uses up no mail of that user.
        let mail = self.count_mail(EMAIL_CHANGE.name, new, address).await?;
        let change = Change {
            former: row.id,
            new: new_id,
        };
        let token = self.create_token(EMAIL_CHANGE, &change).user(user_id);
        if mail.key.is_some() || !mail.is_allowed {
            // The same work, for a link that is not sent.
            token.await?;
            return Ok(None);
        }
        Ok(Some(KeyLink {
            key: new.clone(),
            token: token.await?,
            lifetime: EMAIL_CHANGE.lifetime,
        }))
    }

    /// The new address of a key. The link is not used. Call it for the page that the link opens: see
    /// [`check_token`](Self::check_token).
    ///
    /// # Errors
    ///
    /// Those of [`use_token`](Self::use_token).
    pub async fn check_email_change(&self, token: &str) -> Result<KeyId> {
        let content = self.check_token(EMAIL_CHANGE, token).await?;
        KeyId::stored(content.data.new)
    }

    /// The former address that the link to undo a change restores. The link is not used. Call it for the
    /// page that the link opens: see [`check_token`](Self::check_token).
    ///
    /// # Errors
    ///
    /// Those of [`use_token`](Self::use_token).
    pub async fn check_email_change_undo(&self, token: &str) -> Result<KeyId> {
        let (_, changed) = self.change_to_undo(token).await?;
        KeyId::stored(changed.former)
    }

    /// Uses the link to the new address, in a session of this user and from this address of a client. Returns the
    /// key, and the link to undo the change where the former address was verified.
    pub(crate) async fn change_address(
        &self,
        token: &str,
        session: &SessionInfo,
        address: Option<IpAddr>,
    ) -> Result<(UserKey, Option<KeyLink>)> {
        let content = self.check_token(EMAIL_CHANGE, token).await?;
        let Change { former, new } = content.data;
        let user_id = &session.user_id;
        if content.user_id.as_ref() != Some(user_id) {
            return Err(Error::InvalidOneTimeToken);
        }
        let link = token_id(EMAIL_CHANGE, token)?;
        let changed_before = || self.changed_before(&new, &link, user_id, address);
        if let Some(changed) = changed_before().await? {
            return Ok(changed);
        }
        let former = self.key_of_user(former, user_id).await?;
        self.check_unchanged(&former).await?;
        let is_free = self.find_key(&KeyId::stored(new.clone())?).await?.is_none();
        if !is_free {
            return Err(Error::InvalidOneTimeToken);
        }
        // An address that was not verified can be mistyped, or somebody else's: its owner does not get the
        // account.
        let note = match former.verified_at {
            Some(_) => Some(self.note_of(&former, &new, &link).await?),
            None => None,
        };
        let write = KeyWrite::Rename {
            id: former.id.clone(),
            user_id: user_id.clone(),
            new_id: new.clone(),
            note: note.clone(),
        };
        let told = EventKind::EmailChanged {
            user_id: user_id.clone(),
            provider_id: former.provider_id(),
        };
        let now = self.now();
        match self.write_key(write, &session.id, now, told).await {
            Ok(true) => {}
            // Another request by the same link was faster, or another change. Without telling that there is
            // such a key.
            Ok(false) | Err(Error::DuplicateKey) => {
                let changed = changed_before().await?;
                return changed.ok_or(Error::InvalidOneTimeToken);
            }
            Err(error) => return Err(error),
        }
        let undo = match &note {
            Some(note) => {
                self.tell(used(EMAIL_CHANGE.name, Some(user_id.clone())));
                Some(
                    self.create_undo(&former.id, &new, &link, note.expires)
                        .await?,
                )
            }
            // After the change: the link works until then, and the key is gone that it could change once more.
            None => {
                self.use_up(EMAIL_CHANGE, token).await;
                None
            }
        };
        let key = UserKey::from_row(KeyRow {
            id: new,
            verified_at: Some(now),
            ..former
        })?;
        Ok((key, undo))
    }

    /// The change that this link has made, with another link to undo it: the one before can have been lost. Each is
    /// a mail to the former address, so they are counted.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOneTimeToken`] where a key has got the address by another change. Its note has to stay until
    /// that change can no longer be undone, even where the key is gone.
    async fn changed_before(
        &self,
        new: &str,
        link: &str,
        user_id: &UserId,
        address: Option<IpAddr>,
    ) -> Result<Option<(UserKey, Option<KeyLink>)>> {
        let Some((note, changed)) = self.change_to(new).await? else {
            return Ok(None);
        };
        if changed.link != link || changed.user_id != *user_id {
            return Err(Error::InvalidOneTimeToken);
        }
        let key = self.key_of_user(new.to_owned(), user_id).await?;
        let former = KeyId::stored(changed.former.clone())?;
        let purpose = EMAIL_CHANGE_UNDO.name;
        let mail = self.count_mail(purpose, &former, address).await?;
        let undo = match mail.is_allowed {
            true => Some(
                self.create_undo(&changed.former, new, link, note.expires)
                    .await?,
            ),
            false => None,
        };
        Ok(Some((UserKey::from_row(key)?, undo)))
    }

    /// Uses the link to the former address.
    pub(crate) async fn undo_address_change(&self, token: &str) -> Result<VerifiedKey> {
        let (note, changed) = self.change_to_undo(token).await?;
        let by = ClaimedBy::Note {
            id: note.id,
            others: changed.others,
            verified: changed.verified,
        };
        let claim = KeyClaim::new(changed.former, changed.user_id, self.now(), by);
        let row = KeyRow::new(&*claim.key_id, claim.user_id.clone(), None);
        let told = EventKind::EmailChangeUndone {
            user_id: claim.user_id.clone(),
            provider_id: row.provider_id(),
        };
        let row = self.claim_account(claim, Some(told)).await?;
        // Without the note it undoes nothing, even if it is left behind.
        self.use_up(EMAIL_CHANGE_UNDO, token).await;
        VerifiedKey::from_row(row, SignInMethod::Link)
    }

    /// Uses a link whose work is done.
    async fn use_up<T: DeserializeOwned>(&self, purpose: TokenPurpose<T>, token: &str) {
        if let Err(error) = self.use_token(purpose, token).await {
            tracing::debug!(error = %chain(&error), "a used link is left behind");
        }
    }

    /// The note of the change that a link undoes, without using the link.
    async fn change_to_undo(&self, token: &str) -> Result<(TokenRow, Changed)> {
        let content = self.check_token(EMAIL_CHANGE_UNDO, token).await?;
        let Undo { new, link } = content.data;
        let change = self.change_to(&new).await?;
        let change = change.filter(|(_, changed)| changed.link == link);
        change.ok_or(Error::InvalidOneTimeToken)
    }

    async fn key_of_user(&self, id: String, user_id: &UserId) -> Result<KeyRow> {
        let row = self.find_key(&KeyId::stored(id)?).await?;
        let row = row.filter(|row| row.user_id == *user_id);
        row.ok_or(Error::InvalidOneTimeToken)
    }

    async fn create_undo(
        &self,
        former: &str,
        new: &str,
        link: &str,
        expires: UnixMillis,
    ) -> Result<KeyLink> {
        let undo = Undo {
            new: new.to_owned(),
            link: link.to_owned(),
        };
        let lifetime = self.now().until(expires);
        let token = self.create_token(EMAIL_CHANGE_UNDO, &undo);
        Ok(KeyLink {
            key: KeyId::stored(former.to_owned())?,
            token: token.expires_in(lifetime).await?,
            lifetime,
        })
    }

    /// The note for a key that is about to get another id.
    async fn note_of(&self, former: &KeyRow, new: &str, link: &str) -> Result<TokenRow> {
        let (mut others, mut verified) = (Vec::new(), Vec::new());
        for key in self.ask(self.store().user_keys(&former.user_id)).await? {
            if key.id == former.id {
                continue;
            }
            // Another change that can be undone gives its key the former id. It is not theirs where they got an
            // address that another user has given up.
            let (id, is_verified) = match self.change_to(&key.id).await? {
                Some((_, changed)) if changed.user_id == key.user_id => (changed.former, true),
                _ => (key.id, key.verified_at.is_some()),
            };
            if is_verified {
                verified.push(id.clone());
            }
            others.push(id);
        }
        let changed = Changed {
            user_id: former.user_id.clone(),
            former: former.id.clone(),
            link: link.to_owned(),
            others,
            verified,
        };
        let now = self.now();
        let id = note_id(new);
        Ok(TokenRow {
            data: json(ADDRESS_NOTE, &changed)?,
            ..TokenRow::new(id, ADDRESS_NOTE.to_owned(), now, now.plus(UNDO_PERIOD))
        })
    }

    /// The note that the key of this id has got it by a change that can be undone.
    async fn change_to(&self, id: &str) -> Result<Option<(TokenRow, Changed)>> {
        let note = self.ask(self.tokens()?.token(&note_id(id))).await?;
        let now = self.now();
        let Some(note) = note.filter(|note| now < note.expires) else {
            return Ok(None);
        };
        let changed = self.content(Some(note.clone()))?.data;
        Ok(Some((note, changed)))
    }

    /// Refuses a key whose last change of address can still be undone. Ignores the note of another user: it is about
    /// a key that this user had before under the same id.
    async fn check_unchanged(&self, row: &KeyRow) -> Result<()> {
        match self.change_to(&row.id).await? {
            Some((note, changed)) if changed.user_id == row.user_id => {
                Err(Error::TooManyAttempts {
                    retry_after: self.now().until(note.expires),
                })
            }
            _ => Ok(()),
        }
    }
}

/// What the note that a key of this id was changed is found by.
fn note_id(id: &str) -> String {
    OneTimeCode::id(ADDRESS_NOTE, id)
}
