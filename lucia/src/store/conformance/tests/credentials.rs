//! Credentials in memory.

use async_trait::async_trait;

use super::faults::Fault;
use super::memory::Memory;
use crate::store::{CredentialRow, CredentialStore, Result, StoreError, UnixMillis};
use crate::user::UserId;

#[async_trait]
impl CredentialStore for Memory {
    async fn check_credentials(&self) -> Result<()> {
        Ok(())
    }

    async fn insert_credential(&self, mut credential: CredentialRow) -> Result<bool> {
        let is_known = {
            let users = &self.state().users;
            users.contains_key(credential.user_id.as_str())
        };
        if !is_known && !self.has(Fault::StoresCredentialsOfNobody) {
            return Err(StoreError::UnknownUser);
        }
        self.pause(Fault::StoresCredentialsBesideADeletion).await;
        if self.has(Fault::LosesTheNameOfACredential) {
            credential.name = None;
        }
        if self.has(Fault::LosesTheLastUseOfACredential) {
            credential.last_used_at = None;
        }
        let mut state = self.state();
        if let Some(former) = state.credentials.get(&credential.id) {
            let is_theirs = former.user_id == credential.user_id
                || self.has(Fault::ReplacesCredentialsOfAnybody);
            let is_of_kind =
                former.kind == credential.kind || self.has(Fault::ReplacesCredentialsOfAnyKind);
            if !is_theirs || !is_of_kind {
                return Ok(self.has(Fault::SaysThatItStoredACredential));
            }
            if self.has(Fault::KeepsTheFormerCredential) {
                return Ok(true);
            }
            if self.has(Fault::KeepsTheTimesOfTheFormerCredential) {
                credential.created_at = former.created_at;
                credential.last_used_at = former.last_used_at;
            }
        }
        state.credentials.insert(credential.id.clone(), credential);
        Ok(true)
    }

    async fn credential(&self, id: &str) -> Result<Option<CredentialRow>> {
        Ok(self.state().credentials.get(id).cloned())
    }

    async fn user_credentials(&self, user_id: &UserId, kind: &str) -> Result<Vec<CredentialRow>> {
        let is_listed = |row: &&CredentialRow| {
            (row.user_id == *user_id || self.has(Fault::ListsEverybodysCredentials))
                && (row.kind == kind || self.has(Fault::ListsCredentialsOfAnyKind))
        };
        let state = self.state();
        let mut listed: Vec<_> = state.credentials.values().filter(is_listed).collect();
        if !self.has(Fault::ListsCredentialsInAnyOrder) {
            listed.sort_by_key(|row| row.created_at);
        }
        Ok(listed.into_iter().cloned().collect())
    }

    async fn replace_credential_data(
        &self,
        id: &str,
        old: &str,
        new: &str,
        used_at: Option<UnixMillis>,
    ) -> Result<bool> {
        let found = self.state().credentials.get(id).cloned();
        self.pause(Fault::SwapsDataInTwoSteps).await;
        let Some(mut row) = found else {
            return Ok(self.has(Fault::SwapsWhatIsNotThere));
        };
        if row.data != old && !self.has(Fault::SwapsDataThatHasChanged) {
            return Ok(false);
        }
        if self.has(Fault::SwapsNoData) {
            return Ok(true);
        }
        row.data = new.to_owned();
        if used_at.is_some() && !self.has(Fault::SwapsAndForgetsTheUse)
            || self.has(Fault::SwapsAndForgetsTheFormerUse)
        {
            row.last_used_at = used_at;
        }
        self.state().credentials.insert(id.to_owned(), row);
        Ok(true)
    }

    async fn delete_credential(
        &self,
        id: &str,
        user_id: &UserId,
        data: Option<&str>,
    ) -> Result<bool> {
        let mut state = self.state();
        let Some(row) = state.credentials.get(id) else {
            return Ok(self.has(Fault::DeletesCredentialsThatAreNotThere));
        };
        let is_theirs = row.user_id == *user_id || self.has(Fault::DeletesCredentialsOfAnybody);
        let is_same = data.is_none_or(|data| row.data == data)
            || self.has(Fault::DeletesCredentialsThatHaveChanged);
        if !is_theirs || !is_same || data.is_some() && self.has(Fault::DeletesNoCredentialByItsData)
        {
            return Ok(false);
        }
        if self.has(Fault::DeletesAllCredentials) {
            state.credentials.clear();
        }
        state.credentials.remove(id);
        Ok(true)
    }
}
