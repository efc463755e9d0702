//! Codes: created, tried a few times, used once.

use std::borrow::Borrow;
use std::time::Duration;

use serde::Serialize;
use serde::de::DeserializeOwned;

use super::purpose::CodePurpose;
use super::secret::OneTimeCode;
use super::{TokenContent, json};
use crate::auth::{Auth, awaited};
use crate::event::EventKind;
use crate::store::{FormerTokens, TokenRow};
use crate::user::UserId;
use crate::{Error, Result};

/// How many times a code can be tried.
const TRIES: u32 = 5;

impl Auth {
    /// Creates a code of 6 to 8 digits that works once. The application sends it, and a person types it:
    ///
    /// ```
    /// use lucia::{Auth, CodePurpose, OneTimeCode, UserId};
    ///
    /// const CONFIRMATION: CodePurpose = CodePurpose::new("confirm a payment");
    ///
    /// async fn ask(auth: &Auth, user_id: &UserId) -> lucia::Result<OneTimeCode> {
    ///     auth.create_code(CONFIRMATION, user_id, &()).user(user_id).await
    /// }
    ///
    /// async fn confirm(auth: &Auth, user_id: &UserId, typed: &str) -> lucia::Result<()> {
    ///     auth.use_code(CONFIRMATION, user_id, typed).await?;
    ///     Ok(())
    /// }
    /// ```
    ///
    /// The subject says for whom or what the code is: the id of the signed-in user, or the address to which
    /// it was sent. Pass the same subject to [`use_code`](Self::use_code). A new code replaces the previous
    /// code of the same purpose and subject.
    ///
    /// Each new code allows five more tries, so limit how many codes are created for a subject and by a
    /// client (OWASP ASVS 5.0, 6.6.3).
    ///
    /// # Errors
    ///
    /// [`Error::Misuse`] if the data cannot be written as JSON, or if the store has no one-time tokens;
    /// [`Error::UnknownUser`]; [`Error::Busy`] if too many passwords and codes are waiting to be hashed;
    /// [`Error::Unavailable`] if the store is unavailable.
    pub fn create_code<'a, T, D>(
        &'a self,
        purpose: CodePurpose<T>,
        subject: &'a (impl AsRef<str> + ?Sized),
        data: &D,
    ) -> CreateCode<'a>
    where
        T: Borrow<D>,
        D: Serialize + ?Sized,
    {
        CreateCode {
            auth: self,
            purpose: purpose.name,
            digits: purpose.digits,
            lifetime: purpose.lifetime,
            subject: subject.as_ref(),
            data: json(purpose.name, data),
            user_id: None,
        }
    }

    /// Uses a code that a person has typed, and returns its content. Blanks and hyphens in it are ignored.
    ///
    /// A code can be tried five times. Each try is counted before the code is compared, across all
    /// processes and concurrent calls, and stays counted whatever happens next. After five tries, even the
    /// right code is refused.
    ///
    /// Every refusal of a complete code returns the same error after a hash of the same cost, whether the
    /// code is wrong or the subject has no code. If the subject has a code, the database takes a moment
    /// longer to count the try. If this must not reveal who has an account, create a code for other
    /// subjects as well, and do not send it.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidOneTimeToken`] if the code is wrong, was used or replaced, has expired, or was tried
    /// too often, or if there is none; [`Error::Misuse`] if the store has no one-time tokens;
    /// [`Error::Busy`] if too many passwords and codes are waiting to be checked; [`Error::Unavailable`] if
    /// the store is unavailable.
    pub async fn use_code<T: DeserializeOwned>(
        &self,
        purpose: CodePurpose<T>,
        subject: &(impl AsRef<str> + ?Sized),
        code: &str,
    ) -> Result<TokenContent<T>> {
        let purpose_name = purpose.name;
        let id = OneTimeCode::id(purpose_name, subject.as_ref());
        let tokens = self.tokens()?;
        let refused = |tried: Option<&TokenRow>| EventKind::OneTimeCodeRefused {
            purpose: purpose_name.to_owned(),
            user_id: tried.and_then(|row| row.user_id.clone()),
            tries_left: tried.and_then(|row| row.tries_left),
        };
        let Some(code) = OneTimeCode::parse(code, purpose.digits) else {
            self.tell(refused(None));
            return Err(Error::InvalidOneTimeToken);
        };
        let used = |user_id| EventKind::OneTimeCodeUsed {
            purpose: purpose_name.to_owned(),
            user_id,
        };
        let pending = self.pending(used(None));
        let tried = match self.ask(tokens.try_code(&id)).await {
            Ok(tried) => tried,
            Err(error) => return pending.settle(Err(error), |_| false),
        };
        let hash = tried.as_ref().and_then(|row| row.hashed_code.as_deref());
        let opens = match self.passwords().verify(code.expose(), hash).await {
            Ok(verdict) => verdict.opens(),
            Err(error) => {
                pending.tell(refused(tried.as_ref()));
                return Err(error);
            }
        };
        if !opens {
            pending.tell(refused(tried.as_ref()));
            return Err(Error::InvalidOneTimeToken);
        }
        // With its hash: a new code can have taken its place since.
        let row = match self.ask(tokens.take_token(&id, hash)).await {
            Ok(row) => row,
            Err(error) => return pending.settle(Err(error), |_| false),
        };
        let content = self.content(row);
        pending.tell(match &content {
            Ok(content) => used(content.user_id.clone()),
            Err(_) => refused(tried.as_ref()),
        });
        content
    }
}

/// A code that is about to be created; `.await` creates it.
#[must_use = "a code is created by `.await`"]
pub struct CreateCode<'a> {
    auth: &'a Auth,
    purpose: &'static str,
    digits: u8,
    lifetime: Duration,
    subject: &'a str,
    data: Result<String>,
    user_id: Option<&'a UserId>,
}

impl<'a> CreateCode<'a> {
    /// The user of the code. It is invalidated when this user is deleted, and by
    /// [`invalidate_user_tokens`](Auth::invalidate_user_tokens).
    pub fn user(mut self, user_id: &'a UserId) -> Self {
        self.user_id = Some(user_id);
        self
    }

    /// How long this code works, instead of the time that its purpose sets.
    pub fn expires_in(mut self, lifetime: Duration) -> Self {
        self.lifetime = lifetime;
        self
    }

    async fn create(self) -> Result<OneTimeCode> {
        let Self { auth, purpose, .. } = self;
        let data = self.data?;
        let tokens = auth.tokens()?;
        let code = OneTimeCode::generate(self.digits)?;
        // A million codes are tried against a fast hash at once: a stolen database would tell those that are
        // open (OWASP ASVS 5.0, 6.5.2).
        let hashed_code = auth.passwords().rehash(code.expose()).await?;
        let now = auth.now();
        let expires = now.plus(self.lifetime);
        let id = OneTimeCode::id(purpose, self.subject);
        let token = TokenRow {
            user_id: self.user_id.cloned(),
            data,
            hashed_code: Some(hashed_code),
            tries_left: Some(TRIES),
            ..TokenRow::new(id, purpose.to_owned(), now, expires)
        };
        let told = EventKind::OneTimeCodeCreated {
            purpose: purpose.to_owned(),
            user_id: self.user_id.cloned(),
        };
        let inserting = tokens.insert_token(token, FormerTokens::Keep);
        auth.change(told, inserting, |()| true).await?;
        Ok(code)
    }
}

awaited!(CreateCode::create -> OneTimeCode);

debug_of!(CreateCode<'_>: purpose, user_id);
