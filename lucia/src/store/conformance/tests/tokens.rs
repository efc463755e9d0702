//! One-time tokens in memory.

use async_trait::async_trait;

use super::faults::Fault;
use super::memory::Memory;
use crate::store::{FormerTokens, Result, StoreError, TokenRow, TokenStore, UnixMillis};
use crate::user::UserId;

#[async_trait]
impl TokenStore for Memory {
    async fn check_tokens(&self) -> Result<()> {
        Ok(())
    }

    async fn insert_token(&self, mut token: TokenRow, former: FormerTokens) -> Result<()> {
        let is_known = |token: &TokenRow| {
            let user = token.user_id.as_ref().map(UserId::as_str);
            user.is_none_or(|user| self.state().users.contains_key(user))
        };
        if !is_known(&token) && !self.has(Fault::StoresTokensOfNobody) {
            return Err(StoreError::UnknownUser);
        }
        let is_former = |other: &TokenRow| {
            let is_of_user = other.user_id == token.user_id && token.user_id.is_some();
            (is_of_user || self.has(Fault::ReplacesEverybodysTokens))
                && (other.purpose == token.purpose || self.has(Fault::ReplacesTokensOfAnyPurpose))
        };
        let former: Vec<_> = match former {
            FormerTokens::Keep if !self.has(Fault::ReplacesTokensUnasked) => Vec::new(),
            FormerTokens::Delete if self.has(Fault::ReplacesNoTokens) => Vec::new(),
            _ => {
                let state = self.state();
                let former = state.tokens.values().filter(|other| is_former(other));
                former.map(|former| former.id.clone()).collect()
            }
        };
        self.pause(Fault::ReplacesTokensInTwoSteps).await;
        self.pause(Fault::StoresTokensBesideADeletion).await;
        let mut state = self.state();
        for id in &former {
            state.tokens.remove(id);
        }
        if self.has(Fault::LosesTheUserOfAToken) {
            token.user_id = None;
        }
        if self.has(Fault::LosesTheHashOfACode) {
            token.hashed_code = None;
        }
        if self.has(Fault::LosesTheDataOfAToken) {
            token.data = "null".to_owned();
        }
        if let Some(before) = state.tokens.get(&token.id) {
            if self.has(Fault::KeepsTheFormerCode) {
                return Ok(());
            }
            if self.has(Fault::KeepsTheTriesOfTheFormerCode) {
                token.tries_left = before.tries_left;
            }
        }
        state.tokens.insert(token.id.clone(), token);
        Ok(())
    }

    async fn token(&self, id: &str) -> Result<Option<TokenRow>> {
        let mut state = self.state();
        Ok(match self.has(Fault::TakesATokenByLooking) {
            true => state.tokens.remove(id),
            false => state.tokens.get(id).cloned(),
        })
    }

    async fn take_token(&self, id: &str, hashed_code: Option<&str>) -> Result<Option<TokenRow>> {
        let found = self.state().tokens.get(id).cloned();
        self.pause(Fault::TakesATokenInTwoSteps).await;
        let is_it = |found: &TokenRow| {
            let hash = found.hashed_code.as_deref();
            hash == hashed_code
                || self.has(Fault::TakesACodeByAnyHash)
                || hashed_code.is_none() && self.has(Fault::TakesACodeAsALink)
        };
        let found = found.filter(is_it);
        if found.is_some() && !self.has(Fault::TakesATokenAgainAndAgain) {
            self.state().tokens.remove(id);
        }
        Ok(found)
    }

    async fn try_code(&self, id: &str) -> Result<Option<TokenRow>> {
        let found = self.state().tokens.get(id).cloned();
        self.pause(Fault::TriesACodeInTwoSteps).await;
        let Some(mut token) = found else {
            return Ok(None);
        };
        let before = token.clone();
        match token.tries_left {
            None if self.has(Fault::TriesALink) => {}
            None => return Ok(None),
            Some(0) if self.has(Fault::TriesACodeOnceMore) => {}
            Some(0) => return Ok(None),
            Some(_) if self.has(Fault::CountsNoTries) => {}
            Some(tries) => token.tries_left = Some(tries - 1),
        }
        self.state().tokens.insert(id.to_owned(), token.clone());
        Ok(Some(match self.has(Fault::TellsTheTriesBefore) {
            true => before,
            false => token,
        }))
    }

    async fn delete_user_tokens(&self, user_id: &UserId) -> Result<()> {
        let is_left = |token: &TokenRow| {
            token.user_id.as_ref() != Some(user_id) && !self.has(Fault::DeletesEverybodysTokens)
                || self.has(Fault::DeletesNoTokens)
        };
        self.state().tokens.retain(|_, token| is_left(token));
        Ok(())
    }

    async fn delete_expired_tokens(&self, now: UnixMillis, limit: u32) -> Result<u64> {
        let limit = match self.has(Fault::DeletesTokensWithoutLimit) {
            true => usize::MAX,
            false => usize::try_from(limit).unwrap(),
        };
        let has_expired = |token: &TokenRow| {
            token.expires < now
                || token.expires == now && !self.has(Fault::LeavesTokensOfTheLastMoment)
                || self.has(Fault::DeletesTokensThatWork)
        };
        let mut state = self.state();
        let expired = state.tokens.values().filter(|token| has_expired(token));
        let expired: Vec<_> = expired.map(|token| token.id.clone()).take(limit).collect();
        for id in &expired {
            state.tokens.remove(id);
        }
        Ok(u64::try_from(expired.len()).unwrap())
    }
}
