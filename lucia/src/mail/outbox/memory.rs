//! Mails that wait in memory.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use tokio::sync::Notify;

use crate::clock::UnixMillis;
use crate::store::{MailRow, MailStore, Result};

/// A store in memory: the one where the database has no place for mails, or is away.
#[derive(Debug, Default)]
pub(crate) struct Memory {
    mails: Mutex<HashMap<String, MailRow>>,
    deleted: Notify,
}

impl Memory {
    pub(super) fn len(&self) -> usize {
        self.mails().len()
    }

    /// Waits until there are fewer mails than this.
    pub(super) async fn has_room(&self, capacity: usize) {
        while self.len() >= capacity {
            // A mail that is deleted right here leaves a permit.
            self.deleted.notified().await;
        }
    }

    pub(super) fn insert(&self, mail: MailRow) {
        self.mails().entry(mail.id.clone()).or_insert(mail);
    }

    fn mails(&self) -> MutexGuard<'_, HashMap<String, MailRow>> {
        self.mails.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl MailStore for Memory {
    async fn check_mails(&self) -> Result<()> {
        Ok(())
    }

    async fn insert_mail(&self, mail: MailRow) -> Result<()> {
        self.insert(mail);
        Ok(())
    }

    async fn claim_mail(&self, now: UnixMillis, until: UnixMillis) -> Result<Option<MailRow>> {
        let mut mails = self.mails();
        let due = mails.values_mut().filter(|mail| mail.due <= now);
        Ok(due.min_by_key(|mail| mail.due).map(|mail| {
            mail.due = until;
            mail.attempts += 1;
            mail.clone()
        }))
    }

    async fn postpone_mail(&self, id: &str, attempts: u32, due: UnixMillis) -> Result<bool> {
        let mut mails = self.mails();
        let mail = mails.get_mut(id).filter(|mail| mail.attempts == attempts);
        Ok(mail.map(|mail| mail.due = due).is_some())
    }

    async fn delete_mail(&self, id: &str) -> Result<bool> {
        let is_deleted = self.mails().remove(id).is_some();
        if is_deleted {
            self.deleted.notify_one();
        }
        Ok(is_deleted)
    }
}
