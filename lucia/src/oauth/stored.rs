//! Tokens of providers in the store, encrypted.

use serde::{Deserialize, Serialize};

use super::error::Failure;
use super::tokens::{Answer, OAuthTokens};
use crate::auth::Auth;
use crate::clock::UnixMillis;
use crate::encryption::Opened;
use crate::store::CredentialRow;
use crate::user::UserId;
use crate::user::key::{KeyId, KeySecret, SecretKind};
use crate::{Error, Result};

/// The kind of secret that the tokens are.
const KIND: SecretKind = SecretKind::OAuthTokens;

/// How often tokens are stored once more, where others change them at the same time.
const TRIES: usize = 5;

/// What is in a row. The ID token is not: it says who the person is, and is of no use later.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Stored {
    tokens: Answer,
    /// When the access token expires, if the provider says so; Unix milliseconds.
    expires: Option<i64>,
    /// Who refreshes them now.
    pub(super) lease: Option<Lease>,
}

/// The turn of one caller, in any process, to refresh the tokens of a row.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Lease {
    /// Random, so that no two leases are the same.
    pub(super) by: String,
    /// When the caller has to be taken for dead; Unix milliseconds.
    pub(super) until: i64,
}

/// A row, and what is in it.
pub(super) struct Kept {
    pub(super) row: CredentialRow,
    pub(super) stored: Stored,
    /// Whether the first key encrypts it.
    pub(super) is_current: bool,
}

impl Stored {
    /// Tokens that were asked for at this time.
    pub(super) fn new(tokens: &OAuthTokens, asked_at: UnixMillis) -> Self {
        let expires_in = tokens.expires_in();
        Self {
            tokens: tokens.to_store(),
            expires: expires_in.map(|expires_in| asked_at.plus(expires_in).0),
            lease: None,
        }
    }

    pub(super) fn to_secret(&self) -> Result<KeySecret> {
        KeySecret::of(KIND, self)
    }

    pub(super) fn tokens(&self, now: UnixMillis) -> OAuthTokens {
        let expires_in = self.expires.map(|at| now.until(UnixMillis(at)));
        OAuthTokens::of_store(self.tokens.clone(), expires_in)
    }

    /// The same, in the turn of a caller that refreshes them.
    pub(super) fn leased(&self, lease: Lease) -> Self {
        Self {
            lease: Some(lease),
            ..self.clone()
        }
    }

    pub(super) fn refresh_token(&self) -> Option<&str> {
        self.tokens.refresh_token()
    }

    /// Whether the access token has not expired at this time.
    pub(super) fn is_good_until(&self, then: UnixMillis) -> bool {
        self.expires.is_none_or(|expires| expires > then.0)
    }
}

impl Auth {
    /// What is in a row.
    pub(super) fn opened(&self, row: CredentialRow) -> Result<Result<Kept, Failure>> {
        let unreadable = |reason: &str| {
            let user_id = &row.user_id;
            Failure::unreadable(format!(
                "the stored tokens of user `{user_id}` cannot be read: {reason}"
            ))
        };
        let Opened { secret, is_current } = match self.unsealed(&row, KIND)? {
            Ok(opened) => opened,
            Err(error) => return Ok(Err(unreadable(&error.to_string()))),
        };
        Ok(match serde_json::from_slice(&secret) {
            Ok(stored) => Ok(Kept {
                row,
                stored,
                is_current,
            }),
            Err(_) => Err(unreadable("another version of lucia has stored them")),
        })
    }

    /// Stores the tokens of a sign-in by a key that is there.
    pub(super) async fn store_tokens(
        &self,
        user_id: &UserId,
        key_id: &str,
        stored: &Stored,
    ) -> Result<()> {
        let (_, credentials) = self.vault()?;
        let id = KIND.row_id(user_id, key_id);
        for _ in 0..TRIES {
            let mut stored = stored.clone();
            // Some providers give a refresh token with the first sign-in only.
            let former = match stored.refresh_token() {
                None => self.ask(credentials.credential(&id)).await?,
                Some(_) => None,
            };
            let former = former.map(|row| self.opened(row)).transpose()?;
            if let Some(Ok(former)) = &former
                && let Some(refresh_token) = former.stored.refresh_token()
            {
                stored.tokens.set_refresh_token(refresh_token);
                let data = self.sealed(&former.row, &stored.to_secret()?)?;
                // Otherwise it may have been replaced by another one.
                if self.swap_data(&former.row, &data, None).await? {
                    return Ok(());
                }
                continue;
            }
            let secret = stored.to_secret()?;
            return self.store_secret(user_id, key_id, &secret).await;
        }
        Err(Error::unavailable(
            "the tokens of a provider change too often to be stored",
        ))
    }

    /// The rows of a user at this provider, the newest first, with the keys that their names say.
    pub(super) async fn rows_of_tokens(
        &self,
        user_id: &UserId,
        provider: &str,
    ) -> Result<Vec<(CredentialRow, KeyId)>> {
        let (_, credentials) = self.vault()?;
        let listing = credentials.user_credentials(user_id, KIND.name());
        let rows = self.ask(listing).await?;
        let named = rows.into_iter().rev().filter_map(|row| {
            let key_id = KeyId::stored(row.name.clone()?).ok()?;
            (key_id.provider_id() == provider).then_some((row, key_id))
        });
        Ok(named.collect())
    }
}
