//! Signing in by a code that is sent to the address of a key.

use std::fmt;
use std::net::IpAddr;

use super::purpose::CodePurpose;
use super::secret::OneTimeCode;
use crate::auth::{Auth, awaited};
use crate::session::SessionInfo;
use crate::store::KeyRow;
use crate::user::UserId;
use crate::user::key::{KeyId, VerifiedKey};
use crate::{Error, Result};

/// Eight digits: with five tries at each of ten codes an hour, a guess at an account that goes on for a year
/// succeeds with a probability below 1 in 200.
const SIGN_IN_CODE: CodePurpose = CodePurpose::own("lucia: sign in by a code").digits(8);

impl Auth {
    /// Creates a code of 8 digits by which the user of this key signs in, for 10 minutes (OWASP ASVS 5.0,
    /// 6.5.5):
    ///
    /// ```
    /// use lucia::{AuthRequest, SignInCode};
    ///
    /// async fn send_code(auth_request: &AuthRequest, address: &str) -> lucia::Result<()> {
    ///     let created = auth_request
    ///         .auth()
    ///         .create_sign_in_code(("email", address))
    ///         .limit_by(auth_request.client_address());
    ///     if let Some(code) = created.await? {
    ///         send(address, format!("Your code is {}", code.expose()));
    ///     }
    ///     Ok(()) // the same answer for every address
    /// }
    ///
    /// async fn sign_in(auth_request: &AuthRequest, address: &str, typed: &str) -> lucia::Result<()> {
    ///     auth_request.sign_in(SignInCode::new(("email", address), typed)).await?;
    ///     Ok(())
    /// }
    /// # fn send(_: &str, _: String) {}
    /// ```
    ///
    /// It can be tried five times, as [`use_code`](Self::use_code) says, and a new code for the key ends the
    /// former one. Wrong codes also count as failed [attempts to sign in](crate::AuthBuilder::sign_in_limit).
    ///
    /// Send it to the address in the key, in another task than the response: the time that sending takes would
    /// tell who has an account. Returns `None` for a key that no user has, after about the same work, and when
    /// ten links and codes were created for the key within an hour.
    ///
    /// # Errors
    ///
    /// [`Error::TooManyAttempts`]; [`Error::Misuse`] for a store without one-time tokens; [`Error::Busy`] when
    /// too many passwords and codes wait to be hashed; [`Error::Unavailable`] when the store is.
    pub fn create_sign_in_code(&self, key: impl Into<KeyId>) -> CreateSignInCode<'_> {
        CreateSignInCode {
            auth: self,
            key: key.into(),
            address: None,
        }
    }

    /// Uses the code, and counts the attempt for this address. `signed_in` is the session of the
    /// browser; `owner`, whose key it has to be.
    pub(crate) async fn open_by_code(
        &self,
        key: &KeyId,
        code: &str,
        address: Option<IpAddr>,
        signed_in: Option<&SessionInfo>,
        owner: Option<&UserId>,
    ) -> Result<VerifiedKey> {
        let is_owned = |row: &KeyRow| owner.is_none_or(|owner| row.user_id == *owner);
        let counted = match address {
            Some(address) => self.count_attempt(key, address).await?,
            None => None,
        };
        let Some((attempt, found)) = counted else {
            let row = self.find_key(key).await?.filter(is_owned);
            let subject = subject(key, row.as_ref());
            return self.try_sign_in_code(&subject, code, row, signed_in).await;
        };
        let row = found.key.filter(is_owned);
        let row = row.filter(|_| found.may_open);
        let subject = subject(key, row.as_ref());
        let opened = self.try_sign_in_code(&subject, code, row, signed_in).await;
        attempt.end(&opened).await;
        opened
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
        let verification = self.verification(&row, signed_in).await?;
        VerifiedKey::from_row(self.verify(row, verification).await?)
    }
}

/// What the code of a key is found by: its id in the database, whatever spelling of it was asked for. For
/// a key that cannot be opened, it is what no key has as its id.
fn subject(key: &KeyId, row: Option<&KeyRow>) -> String {
    row.map_or_else(|| format!("\0{}", key.text()), |row| row.id.clone())
}

/// A code for the user of a key that is about to be created; `.await` creates it.
///
/// `None` says that there is nothing to send: no user has the key, or ten links and codes were created for
/// it within the hour. Give the client the same answer. About the same work has then been done.
#[must_use = "a code is created by `.await`"]
pub struct CreateSignInCode<'a> {
    auth: &'a Auth,
    key: KeyId,
    address: Option<IpAddr>,
}

impl CreateSignInCode<'_> {
    /// Counts the code for this address, that of the client, as [`CreateKeyLink::limit_by`] does.
    ///
    /// [`CreateKeyLink::limit_by`]: crate::CreateKeyLink::limit_by
    pub fn limit_by(mut self, address: impl Into<Option<IpAddr>>) -> Self {
        self.address = address.into();
        self
    }

    async fn create(self) -> Result<Option<OneTimeCode>> {
        let Self { auth, key, address } = self;
        auth.tokens()?;
        let row = auth.count_mail(&key, address).await?.recipient();
        let subject = subject(&key, row.as_ref());
        let code = auth.create_code(SIGN_IN_CODE, &subject, &());
        let Some(row) = row else {
            // The same work, for a code that nobody gets, and that takes the place of none that works.
            code.await?;
            return Ok(None);
        };
        match code.user(&row.user_id).await {
            // Deleted a moment ago.
            Err(Error::UnknownUser) => Ok(None),
            created => created.map(Some),
        }
    }
}

awaited!(CreateSignInCode::create -> Option<OneTimeCode>);

impl fmt::Debug for CreateSignInCode<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CreateSignInCode")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}
