//! Signing in by a code that is sent to the address of a key.

use std::net::IpAddr;

use super::key_links::KeyCode;
use super::purpose::CodePurpose;
use super::refusal::Refusal;
use super::verification::Verification;
use crate::attempts::{Attempt, Found};
use crate::auth::Auth;
use crate::event::SignInFailure;
use crate::session::SessionInfo;
use crate::store::KeyRow;
use crate::user::UserId;
use crate::user::key::{KeyId, SignInMethod, VerifiedKey};
use crate::{Error, Result};

/// Eight digits: with five tries at each of twenty codes an hour, as many as all clients together get, a guess at
/// an account that goes on for a year succeeds with a probability below 1 in 100.
const SIGN_IN_CODE: CodePurpose = CodePurpose::own("lucia: sign in by a code").digits(8);

impl Auth {
    /// Creates a code by which the user of this key signs in, in a request that has the same `binding`.
    pub(crate) async fn create_code_to_sign_in(
        &self,
        key: &KeyId,
        binding: &str,
        address: Option<IpAddr>,
    ) -> Result<Option<KeyCode>> {
        self.tokens()?;
        let row = self
            .count_mail(SIGN_IN_CODE.name, key, address)
            .await?
            .recipient();
        let subject = subject(key, row.as_ref(), Some(binding));
        let code = self.create_code(SIGN_IN_CODE, &subject, &());
        let Some(row) = row else {
            // The same work, for a code that is not sent and takes the place of none that works.
            code.await?;
            return Ok(None);
        };
        let code = match code.user(&row.user_id).await {
            // Deleted a moment ago.
            Err(Error::UnknownUser) => return Ok(None),
            created => created?,
        };
        Ok(Some(KeyCode {
            key: KeyId::stored(row.id)?,
            code,
            lifetime: SIGN_IN_CODE.lifetime,
        }))
    }

    /// Uses the code, and counts the attempt for this address. `binding` is what codes that this request uses are
    /// bound to, `signed_in` the session of the browser, and `owner` the one whose key it has to
    /// be.
    pub(crate) async fn open_by_code(
        &self,
        (key, code): (&KeyId, &str),
        binding: Option<&str>,
        address: Option<IpAddr>,
        signed_in: Option<&SessionInfo>,
        owner: Option<&UserId>,
    ) -> Result<VerifiedKey> {
        let opening = async {
            let (attempt, found) = self.find_and_count(key, address).await?;
            let reason = match (&found.key, owner) {
                _ if !found.may_open => Some(SignInFailure::ThrottledBySpellings),
                (Some(row), Some(owner)) if row.user_id != *owner => Some(SignInFailure::OtherUser),
                _ => None,
            };
            let at_key = found.key.as_ref();
            let at_key = at_key.map(|row| Refusal::at(row, signed_in));
            let row = found.key.filter(|_| reason.is_none());
            let subject = subject(key, row.as_ref(), binding);
            let opened = self.try_sign_in_code(&subject, code, row, signed_in).await;
            if let Some(attempt) = attempt {
                attempt.end(opened.as_ref().err()).await;
            }
            opened.map_err(|error| {
                let is_wrong = matches!(error, Error::InvalidOneTimeToken);
                let refusal = match at_key {
                    Some(at_key) => at_key(error),
                    None => Refusal::from(error),
                };
                match reason.filter(|_| is_wrong) {
                    Some(reason) => refusal.because(reason),
                    None => refusal,
                }
            })
        };
        let provider_id = Some(key.provider_id());
        self.telling_refusal(SignInMethod::Code, provider_id, opening)
            .await
    }

    /// Finds the key, and counts the attempt for the key and for the client where its address is known.
    async fn find_and_count(
        &self,
        key: &KeyId,
        address: Option<IpAddr>,
    ) -> Result<(Option<Attempt<'_>>, Found), Refusal> {
        if let Some((attempt, found)) = self.count_attempt(key, address).await? {
            let Some(address) = address else {
                return Ok((Some(attempt), found));
            };
            let counted = attempt.count_code(address).await;
            let attempt = counted.map_err(|error| match error {
                Error::TooManyAttempts { .. } => {
                    Refusal::from(error).because(SignInFailure::ThrottledByClient)
                }
                error => error.into(),
            })?;
            return Ok((Some(attempt), found));
        }
        let row = self.find_key(key).await?;
        Ok((None, Found::uncounted(row)))
    }

    async fn try_sign_in_code(
        &self,
        subject: &str,
        code: &str,
        row: Option<KeyRow>,
        signed_in: Option<&SessionInfo>,
    ) -> Result<VerifiedKey> {
        let content = self.use_code(SIGN_IN_CODE, subject, code).await?;
        let row = row.filter(|row| content.user_id.as_ref() == Some(&row.user_id));
        let row = row.ok_or(Error::InvalidOneTimeToken)?;
        let verification = Verification::of(&row, signed_in);
        VerifiedKey::from_row(self.verify(row, verification).await?, SignInMethod::Code)
    }
}

/// What a code is found by: the id of the key in the database, whatever spelling of it was asked for, and
/// what the code is bound to. So no request from elsewhere finds the code, to use it or to use up its tries. For a
/// key that cannot be opened, it is what no key has as its id.
fn subject(key: &KeyId, row: Option<&KeyRow>, binding: Option<&str>) -> String {
    match (row, binding) {
        (Some(row), Some(binding)) => format!("{}\0{binding}", row.id),
        (_, binding) => format!("\0{}\0{}", key.text(), binding.unwrap_or_default()),
    }
}
