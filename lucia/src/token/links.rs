//! Links: created, checked, used once.

use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::purpose::TokenPurpose;
use super::secret::OneTimeToken;
use super::{TokenContent, json};
use crate::auth::{Auth, awaited};
use crate::event::EventKind;
use crate::store::{FormerTokens, TokenRow};
use crate::user::UserId;
use crate::{Error, Result};

impl Auth {
    /// Creates a token that works once, for a link that the application sends:
    ///
    /// ```
    /// use lucia::{Auth, OneTimeToken, TokenPurpose, UserId};
    ///
    /// const VERIFICATION: TokenPurpose<String> = TokenPurpose::new("verify an address");
    ///
    /// async fn link(auth: &Auth, user_id: &UserId, address: &str) -> lucia::Result<String> {
    ///     let token = auth.create_token(VERIFICATION, address).user(user_id).await?;
    ///     Ok(format!("https://example.com/verify?token={}", token.expose()))
    /// }
    ///
    /// async fn verified(auth: &Auth, token: &str) -> lucia::Result<(Option<UserId>, String)> {
    ///     let content = auth.use_token(VERIFICATION, token).await?;
    ///     Ok((content.user_id, content.data))
    /// }
    /// ```
    ///
    /// The data is returned when the link is used. The database stores the data as it is, and only a
    /// SHA-256 of the token.
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] if the data cannot be written as JSON, or if the store has no one-time tokens;
    /// [`Error::UnknownUser`]; [`Error::Unavailable`] if the store is unavailable.
    pub fn create_token<'a, T, D>(&'a self, purpose: TokenPurpose<T>, data: &D) -> CreateToken<'a>
    where
        T: std::borrow::Borrow<D>,
        D: Serialize + ?Sized,
    {
        CreateToken {
            auth: self,
            purpose: purpose.name,
            lifetime: purpose.lifetime,
            data: json(purpose.name, data),
            user_id: None,
            former: FormerTokens::Keep,
        }
    }

    /// The content of a link that still works. The link is not used. Call it for the page that the link
    /// opens. Mail scanners also open links, so a GET or HEAD request must not use one. Let the form of
    /// that page POST the token, and [use](Self::use_token) it there.
    ///
    /// The URL of the page contains the token: send `Referrer-Policy: no-referrer` with the page.
    ///
    /// # Errors
    ///
    /// Those of [`use_token`](Self::use_token).
    pub async fn check_token<T: DeserializeOwned>(
        &self,
        purpose: TokenPurpose<T>,
        token: &str,
    ) -> Result<TokenContent<T>> {
        let tokens = self.tokens()?;
        let row = match OneTimeToken::parse(token) {
            Some(token) => self.ask(tokens.token(&token.id(purpose.name))).await?,
            None => None,
        };
        let content = self.content(row);
        if content.is_err() {
            self.tell(refused(purpose.name));
        }
        content
    }

    /// Uses a link, and returns its content. A link works for one call, across all processes and concurrent
    /// calls (OWASP ASVS 5.0, 6.5.1).
    ///
    /// First check everything else that could fail, such as a [password](Self::check_new_password) that is
    /// too short, because a used link does not work again.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOneTimeToken`] if the text is not a token, or if the token is for another purpose,
    /// was used before, has expired, or its user was deleted; [`Error::Misuse`] if the store has no
    /// one-time tokens; [`Error::Unavailable`] if the store is unavailable, in which case the link may have
    /// been used.
    pub async fn use_token<T: DeserializeOwned>(
        &self,
        purpose: TokenPurpose<T>,
        token: &str,
    ) -> Result<TokenContent<T>> {
        let tokens = self.tokens()?;
        let Some(token) = OneTimeToken::parse(token) else {
            self.tell(refused(purpose.name));
            return Err(Error::InvalidOneTimeToken);
        };
        let id = token.id(purpose.name);
        let pending = self.pending(used(purpose.name, None));
        let row = match self.ask(tokens.take_token(&id, None)).await {
            Ok(row) => row,
            Err(error) => return pending.settle(Err(error), |_| false),
        };
        let content = self.content(row);
        pending.tell(match &content {
            Ok(content) => used(purpose.name, content.user_id.clone()),
            Err(_) => refused(purpose.name),
        });
        content
    }
}

/// What a link is found by.
pub(super) fn token_id<T>(purpose: TokenPurpose<T>, secret: &str) -> Result<String> {
    let secret = OneTimeToken::parse(secret).ok_or(Error::InvalidOneTimeToken)?;
    Ok(secret.id(purpose.name))
}

pub(super) fn used(purpose: &str, user_id: Option<UserId>) -> EventKind {
    EventKind::OneTimeTokenUsed {
        purpose: purpose.to_owned(),
        user_id,
    }
}

pub(super) fn refused(purpose: &str) -> EventKind {
    EventKind::OneTimeTokenRefused {
        purpose: purpose.to_owned(),
    }
}

/// A link that is about to be created; `.await` creates it.
#[must_use = "a token is created by `.await`"]
pub struct CreateToken<'a> {
    auth: &'a Auth,
    purpose: &'static str,
    lifetime: Duration,
    data: Result<String>,
    user_id: Option<&'a UserId>,
    former: FormerTokens,
}

impl<'a> CreateToken<'a> {
    /// The user of the link. It is invalidated when this user is deleted, and by
    /// [`invalidate_user_tokens`](Auth::invalidate_user_tokens).
    pub fn user(mut self, user_id: &'a UserId) -> Self {
        self.user_id = Some(user_id);
        self
    }

    /// Also invalidates the open links of the same user and purpose, in the same step.
    pub fn replace_former(mut self) -> Self {
        self.former = FormerTokens::Delete;
        self
    }

    /// How long this link works, instead of the time that its purpose sets.
    pub fn expires_in(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    async fn create(self) -> Result<OneTimeToken> {
        let Self { auth, purpose, .. } = self;
        if self.former == FormerTokens::Delete && self.user_id.is_none() {
            let reason = "`replace_former()` ends the links of a user: say which one by `user(..)`";
            return Err(Error::Misuse(reason.to_owned()));
        }
        let data = self.data?;
        let token = OneTimeToken::generate()?;
        let now = auth.now();
        let expires = now.plus(self.lifetime);
        let row = TokenRow {
            user_id: self.user_id.cloned(),
            data,
            ..TokenRow::new(token.id(purpose), purpose.to_owned(), now, expires)
        };
        let told = EventKind::OneTimeTokenCreated {
            purpose: purpose.to_owned(),
            user_id: self.user_id.cloned(),
        };
        let inserting = auth.tokens()?.insert_token(row, self.former);
        auth.change(told, inserting, |()| true).await?;
        Ok(token)
    }
}

awaited!(CreateToken::create -> OneTimeToken);

debug_of!(CreateToken<'_>: purpose, user_id);
