//! Tokens of providers in the store, encrypted.

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use super::error::Failure;
use super::tokens::{Answer, OAuthTokens};
use crate::auth::Auth;
use crate::clock::UnixMillis;
use crate::encryption::{Opened, Place, Vault};
use crate::session::ascii::Ascii;
use crate::store::{CredentialRow, CredentialStore};
use crate::user::UserId;
use crate::user::key::KeyId;
use crate::{Error, Result};

/// The kind of credential that the tokens are.
pub(super) const KIND: &str = "oauth_tokens";

/// How often tokens are stored once more, where others change them at the same time.
const TRIES: usize = 5;

/// What is in a row. The ID token is not: it says who the person is, and is of no use later.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Stored {
    tokens: Answer,
    /// When the access token expires, if the provider says so; Unix milliseconds.
    expires: Option<i64>,
    /// Who refreshes them now.
    pub(super) claim: Option<Claim>,
}

/// The turn of one caller, in any process, to refresh the tokens of a row.
#[derive(Clone, Serialize, Deserialize)]
pub(super) struct Claim {
    /// Random, so that no two claims are the same.
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
            claim: None,
        }
    }

    pub(super) fn tokens(&self, now: UnixMillis) -> OAuthTokens {
        let expires_in = self.expires.map(|at| now.until(UnixMillis(at)));
        OAuthTokens::of_store(self.tokens.clone(), expires_in)
    }

    /// The same, in the turn of a caller that refreshes them.
    pub(super) fn claimed_by(&self, claim: Claim) -> Self {
        Self {
            claim: Some(claim),
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

/// The id of the row of a user and a key of theirs. It is part of what the data is bound to, so that the name of
/// a row, which says which provider gets the tokens, cannot be changed either.
fn row_id(user_id: &UserId, key_id: &str) -> String {
    let digest = Sha256::digest(format!("{KIND}\0{user_id}\0{key_id}"));
    Ascii::hex(digest.into()).as_str().to_owned()
}

fn place(row: &CredentialRow) -> Place<'_> {
    Place {
        kind: &row.kind,
        user_id: row.user_id.as_str(),
        id: &row.id,
    }
}

impl Auth {
    /// The keys, and the store of what they encrypt.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] where no keys are set.
    pub(super) fn vault_for_tokens(&self) -> Result<(&Vault, &dyn CredentialStore)> {
        self.vault().ok_or_else(|| {
            let reason = "tokens of providers are stored encrypted, and there is no key: write \
                `Auth::builder(store).encryption_keys(EncryptionKey::parse_list(&text)?)`, where `text` is a \
                secret of the environment";
            Error::Misuse(reason.to_owned())
        })
    }

    /// The data of a row with these tokens in it.
    pub(super) fn sealed(&self, row: &CredentialRow, stored: &Stored) -> Result<String> {
        let (vault, _) = self.vault_for_tokens()?;
        let secret = Zeroizing::new(serde_json::to_vec(stored).map_err(Error::internal)?);
        let sealed = vault.seal(place(row), &secret)?;
        serde_json::to_string(&sealed).map_err(Error::internal)
    }

    /// What is in a row.
    pub(super) fn opened(&self, row: CredentialRow) -> Result<Kept, Failure> {
        let unreadable = |reason: &str| {
            Failure::unreadable(format!(
                "the stored tokens of user `{}` cannot be read: {reason}",
                row.user_id
            ))
        };
        let (vault, _) = self
            .vault_for_tokens()
            .map_err(|_| unreadable("there is no key"))?;
        let name = row.name.as_deref().unwrap_or_default();
        if row.id != row_id(&row.user_id, name) {
            return Err(unreadable("the row was moved or renamed"));
        }
        let sealed: String = serde_json::from_str(&row.data)
            .map_err(|_| unreadable("the data of the row is not a text"))?;
        let Opened { secret, is_current } = vault
            .open(place(&row), &sealed)
            .map_err(|error| unreadable(&error.to_string()))?;
        let stored = serde_json::from_slice(&secret)
            .map_err(|_| unreadable("another version of lucia has stored them"))?;
        Ok(Kept {
            row,
            stored,
            is_current,
        })
    }

    /// Replaces the data of a row if it is still this one.
    pub(super) async fn swap(
        &self,
        row: &CredentialRow,
        new: &str,
        used_at: Option<UnixMillis>,
    ) -> Result<bool> {
        let (_, credentials) = self.vault_for_tokens()?;
        self.ask(credentials.replace_credential_data(&row.id, &row.data, new, used_at))
            .await
    }

    /// Deletes a row if its data is still this one.
    pub(super) async fn discard(&self, row: &CredentialRow) -> Result<bool> {
        let (_, credentials) = self.vault_for_tokens()?;
        self.ask(credentials.delete_credential(&row.id, &row.user_id, Some(&row.data)))
            .await
    }

    /// Stores the tokens of a sign-in by this key of a user, in place of former ones whether these can be read
    /// or not.
    pub(crate) async fn store_tokens(
        &self,
        user_id: &UserId,
        key_id: &str,
        tokens: &OAuthTokens,
    ) -> Result<()> {
        let (_, credentials) = self.vault_for_tokens()?;
        for _ in 0..TRIES {
            let (mut row, mut stored) = self.row_of_tokens(user_id, key_id, tokens);
            if stored.refresh_token().is_none()
                && let Some(former) = self.ask(credentials.credential(&row.id)).await?
                && let Ok(former) = self.opened(former)
                && let Some(refresh_token) = former.stored.refresh_token()
            {
                // Some providers give a refresh token with the first sign-in only.
                stored.tokens.set_refresh_token(refresh_token);
                let data = self.sealed(&former.row, &stored)?;
                if self.swap(&former.row, &data, Some(self.now())).await? {
                    return Ok(());
                }
                continue;
            }
            row.data = self.sealed(&row, &stored)?;
            return match self.ask(credentials.insert_credential(row)).await? {
                true => Ok(()),
                false => Err(Error::internal("the tokens of a provider cannot be stored")),
            };
        }
        Err(Error::unavailable(
            "the tokens of a provider change too often to be stored",
        ))
    }

    /// As [`store_tokens`](Self::store_tokens), of a key that is created in an open transaction.
    #[cfg(feature = "postgres")]
    pub(crate) async fn store_tokens_in(
        &self,
        transaction: &tokio_postgres::Transaction<'_>,
        transactions: &dyn crate::store::TransactionStore,
        (user_id, key_id): (&UserId, &str),
        tokens: &OAuthTokens,
    ) -> Result<()> {
        let (mut row, stored) = self.row_of_tokens(user_id, key_id, tokens);
        row.data = self.sealed(&row, &stored)?;
        let inserting = transactions.insert_credential_in(transaction, row);
        self.ask(inserting).await.map(drop)
    }

    /// The row for these tokens, without data.
    fn row_of_tokens(
        &self,
        user_id: &UserId,
        key_id: &str,
        tokens: &OAuthTokens,
    ) -> (CredentialRow, Stored) {
        let (now, kind) = (self.now(), KIND.to_owned());
        let id = row_id(user_id, key_id);
        let mut row = CredentialRow::new(id, user_id.clone(), kind, String::new(), now);
        row.name = Some(key_id.to_owned());
        (row, Stored::new(tokens, now))
    }

    /// The rows of a user at this provider, the newest first, with the keys that their names say.
    pub(super) async fn rows_of_tokens(
        &self,
        user_id: &UserId,
        provider: &str,
    ) -> Result<Vec<(CredentialRow, KeyId)>> {
        let (_, credentials) = self.vault_for_tokens()?;
        let rows = self
            .ask(credentials.user_credentials(user_id, KIND))
            .await?;
        let named = rows.into_iter().rev().filter_map(|row| {
            let key_id = KeyId::stored(row.name.clone()?).ok()?;
            (key_id.provider_id() == provider).then_some((row, key_id))
        });
        Ok(named.collect())
    }

    /// Deletes what is stored for a key that is deleted. What is left where that fails is never used again:
    /// tokens are given out for a key that is there.
    pub(crate) async fn forget_tokens(&self, user_id: &UserId, key_id: &str) {
        let Some((_, credentials)) = self.vault() else {
            return;
        };
        let id = row_id(user_id, key_id);
        let deleting = self.ask(credentials.delete_credential(&id, user_id, None));
        if let Err(error) = deleting.await {
            let error = crate::error::chain(&error);
            tracing::warn!(%error, %user_id, "the tokens of a key that was deleted are left");
        }
    }
}
