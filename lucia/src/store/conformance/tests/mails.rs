//! Mails in memory.

use async_trait::async_trait;

use super::faults::Fault;
use super::memory::Memory;
use crate::store::{MailRow, MailStore, Result, UnixMillis};

#[async_trait]
impl MailStore for Memory {
    async fn check_mails(&self) -> Result<()> {
        Ok(())
    }

    async fn insert_mail(&self, mut mail: MailRow) -> Result<()> {
        if self.has(Fault::LosesTheHtmlOfAMail) {
            mail.html = None;
        }
        if self.has(Fault::LosesTheExpiryOfAMail) {
            mail.expires = None;
        }
        let mut state = self.state();
        if !state.mails.contains_key(&mail.id) || self.has(Fault::ReplacesMails) {
            state.mails.insert(mail.id.clone(), mail);
        }
        Ok(())
    }

    async fn claim_mail(&self, now: UnixMillis, until: UnixMillis) -> Result<Option<MailRow>> {
        let is_due = |mail: &&MailRow| {
            mail.due < now
                || mail.due == now && !self.has(Fault::ClaimsLate)
                || self.has(Fault::ClaimsWhatIsNotDue)
        };
        let next = {
            let state = self.state();
            let due = state.mails.values().filter(is_due);
            match self.has(Fault::ClaimsInAnyOrder) {
                true => due.last().cloned(),
                false => due.min_by_key(|mail| mail.due).cloned(),
            }
        };
        self.pause(Fault::ClaimsMailsInTwoSteps).await;
        let Some(mut mail) = next else {
            return Ok(None);
        };
        let before = mail.clone();
        if !self.has(Fault::CountsNoClaims) {
            mail.attempts += 1;
        }
        if !self.has(Fault::ClaimsForNoTime) {
            mail.due = until;
        }
        self.state().mails.insert(mail.id.clone(), mail.clone());
        Ok(Some(match self.has(Fault::TellsTheMailBefore) {
            true => before,
            false => mail,
        }))
    }

    async fn postpone_mail(&self, id: &str, attempts: u32, due: UnixMillis) -> Result<bool> {
        let mut state = self.state();
        let Some(mail) = state.mails.get_mut(id) else {
            return Ok(self.has(Fault::PutsOffWhatIsNotThere));
        };
        if mail.attempts != attempts && !self.has(Fault::PutsOffByAnyClaim) {
            return Ok(false);
        }
        mail.due = due;
        if self.has(Fault::CountsWhatIsPutOff) {
            mail.attempts += 1;
        }
        Ok(true)
    }

    async fn delete_mail(&self, id: &str) -> Result<bool> {
        let mut state = self.state();
        match state.mails.get(id) {
            None => return Ok(self.has(Fault::DeletesMailsThatAreNotThere)),
            Some(mail) if mail.attempts > 0 && self.has(Fault::KeepsClaimedMails) => {
                return Ok(false);
            }
            Some(_) => {}
        }
        if self.has(Fault::DeletesAllMails) {
            state.mails.clear();
        }
        state.mails.remove(id);
        Ok(true)
    }
}
