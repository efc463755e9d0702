//! Secrets that belong to a key of a user: encrypted, in a row of the table of credentials.

use zeroize::Zeroizing;

use super::Auth;
use crate::encryption::{Opened, Place, Unreadable, Vault};
use crate::store::{CredentialRow, CredentialStore, UnixMillis};
use crate::user::UserId;
use crate::user::key::{KeySecret, SecretKind};
use crate::{Error, Result};

impl Auth {
    /// The keys that secrets are encrypted with, and the store of these: `build` has checked that there is one.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] where no keys are set.
    pub(crate) fn vault(&self) -> Result<(&Vault, &dyn CredentialStore)> {
        let vault = self.0.vault.as_ref().zip(self.store().credentials());
        vault.ok_or_else(|| {
            let reason = "tokens of providers are stored encrypted, and there is no key: write \
                `Auth::builder(store).encryption_keys(EncryptionKey::parse_list(&text)?)`, where `text` is a \
                secret of the environment";
            Error::Misuse(reason.to_owned())
        })
    }

    /// The row for a secret of a key, encrypted.
    pub(crate) fn row_of_secret(
        &self,
        user_id: &UserId,
        key_id: &str,
        secret: &KeySecret,
    ) -> Result<CredentialRow> {
        let id = secret.kind.row_id(user_id, key_id);
        let kind = secret.kind.name().to_owned();
        let mut row = CredentialRow::new(id, user_id.clone(), kind, String::new(), self.now());
        row.name = Some(key_id.to_owned());
        row.data = self.sealed(&row, secret)?;
        Ok(row)
    }

    /// The data of a row with this secret in it.
    pub(crate) fn sealed(&self, row: &CredentialRow, secret: &KeySecret) -> Result<String> {
        let (vault, _) = self.vault()?;
        let sealed = vault.seal(place(row), &secret.bytes)?;
        serde_json::to_string(&sealed).map_err(Error::internal)
    }

    /// The secret that is in a row of this kind.
    pub(crate) fn unsealed(
        &self,
        row: &CredentialRow,
        kind: SecretKind,
    ) -> Result<Result<Opened, Unreadable>> {
        let (vault, _) = self.vault()?;
        let name = row.name.as_deref().unwrap_or_default();
        // The name says which provider gets the tokens. The id, which the secret is bound to, is made of it.
        let is_in_its_place = row.kind == kind.name() && row.id == kind.row_id(&row.user_id, name);
        Ok(match serde_json::from_str::<String>(&row.data) {
            Ok(sealed) if is_in_its_place => vault.open(place(row), &sealed),
            Ok(_) | Err(_) => Err(Unreadable::Refused),
        })
    }

    /// Replaces the data of a row if it is still this one.
    pub(crate) async fn swap_data(
        &self,
        row: &CredentialRow,
        new: &str,
        used_at: Option<UnixMillis>,
    ) -> Result<bool> {
        let (_, credentials) = self.vault()?;
        let swapping = credentials.replace_credential_data(&row.id, &row.data, new, used_at);
        self.ask(swapping).await
    }

    /// Deletes a row if its data is still this one.
    pub(crate) async fn discard(&self, row: &CredentialRow) -> Result<bool> {
        let (_, credentials) = self.vault()?;
        let deleting = credentials.delete_credential(&row.id, &row.user_id, Some(&row.data));
        self.ask(deleting).await
    }

    /// Stores a secret of a key, in place of the former one whether this can be read or not.
    pub(crate) async fn store_secret(
        &self,
        user_id: &UserId,
        key_id: &str,
        secret: &KeySecret,
    ) -> Result<()> {
        let (_, credentials) = self.vault()?;
        let row = self.row_of_secret(user_id, key_id, secret)?;
        stored(self.ask(credentials.insert_credential(row)).await?)
    }

    /// As [`store_secret`](Self::store_secret), in an open transaction.
    #[cfg(feature = "postgres")]
    pub(super) async fn store_secret_in(
        &self,
        transaction: &tokio_postgres::Transaction<'_>,
        (user_id, key_id): (&UserId, &str),
        secret: &KeySecret,
    ) -> Result<()> {
        let transactions = super::creation::transactions(self.store())?;
        let row = self.row_of_secret(user_id, key_id, secret)?;
        let inserting = transactions.insert_credential_in(transaction, row);
        stored(self.ask(inserting).await?)
    }

    /// Deletes the secrets of a key that was deleted. What is left where that fails is never used again: a
    /// secret is read where its key is there.
    pub(crate) async fn forget_secrets(&self, user_id: &UserId, key_id: &str) {
        let Ok((_, credentials)) = self.vault() else {
            return;
        };
        for kind in SecretKind::ALL {
            let id = kind.row_id(user_id, key_id);
            let deleting = credentials.delete_credential(&id, user_id, None);
            if let Err(error) = self.ask(deleting).await {
                let error = crate::error::chain(&error);
                tracing::warn!(%error, %user_id, "the secrets of a key that was deleted are left");
            }
        }
    }
}

fn place(row: &CredentialRow) -> Place<'_> {
    Place {
        kind: &row.kind,
        user_id: row.user_id.as_str(),
        id: &row.id,
    }
}

fn stored(is_stored: bool) -> Result<()> {
    match is_stored {
        true => Ok(()),
        // By a trigger, or a row that has the id and is another user's.
        false => Err(Error::internal("the secret of a key was not stored")),
    }
}

impl KeySecret {
    /// A secret of this kind, as JSON.
    pub(crate) fn of(kind: SecretKind, secret: &impl serde::Serialize) -> Result<Self> {
        let bytes = serde_json::to_vec(secret).map_err(Error::internal)?;
        Ok(Self {
            kind,
            bytes: Zeroizing::new(bytes),
        })
    }
}
