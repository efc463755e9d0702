//! [`VerifyPassword`]: a password that is about to be checked.

use std::fmt;
use std::net::IpAddr;

use crate::attempts::{Attempt, Found};
use crate::auth::{Auth, awaited};
use crate::password::Verdict;
use crate::store::KeyRow;
use crate::user::UserId;
use crate::user::key::{KeyId, VerifiedKey};
use crate::{Error, Result};

impl Auth {
    /// Checks the password of a key, and tells whose it is:
    /// `auth.verify_password(("username", "ada"), password).await?`. Lucia for Node calls this
    /// `useKey`. Hand the result to [`create_session`](Self::create_session), which checks that it
    /// still holds, or to [`AuthRequest::sign_in`](crate::AuthRequest::sign_in).
    ///
    /// Every refusal takes the same time and returns the same error, whether the user is unknown,
    /// the password is wrong, or the key has no password (OWASP ASVS 5.0, 6.3.8). Where the stored
    /// hash is an [older one](crate::PasswordOptions#older-hashes), it takes longer. Once its
    /// password has opened it, a hash that is weaker than the settings is replaced.
    ///
    /// A stored hash that cannot be verified is refused in the same way. An event at `ERROR` names
    /// the user, and says why and which hashes can be.
    ///
    /// Say by [`limit_by`](VerifyPassword::limit_by) where the attempt comes from: without an address
    /// attempts are not counted, and their number has no limit.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidCredentials`], [`Error::TooManyAttempts`] where attempts are counted,
    /// [`Error::Busy`] when too many passwords wait to be checked, [`Error::Unavailable`] when the
    /// store is.
    #[doc(alias = "useKey")]
    pub fn verify_password<'a>(
        &'a self,
        key: impl Into<KeyId>,
        password: &'a str,
    ) -> VerifyPassword<'a> {
        VerifyPassword {
            auth: self,
            key: key.into(),
            password,
            address: None,
            owner: None,
        }
    }
}

/// An attempt to sign in that is about to be made; `.await` makes it.
///
/// ```
/// use std::net::IpAddr;
///
/// use lucia::{Auth, VerifiedKey};
///
/// async fn log_in(
///     auth: &Auth,
///     username: &str,
///     password: &str,
///     from: IpAddr,
/// ) -> lucia::Result<VerifiedKey> {
///     auth.verify_password(("username", username), password).limit_by(from).await
/// }
/// ```
#[must_use = "a password is verified by `.await`"]
pub struct VerifyPassword<'a> {
    auth: &'a Auth,
    key: KeyId,
    password: &'a str,
    address: Option<IpAddr>,
    /// Whose key it has to be.
    owner: Option<&'a UserId>,
}

impl<'a> VerifyPassword<'a> {
    /// Counts the attempt for this address, that of the client: after 10 failures within 15
    /// minutes ([`sign_in_limit`](crate::AuthBuilder::sign_in_limit)), further attempts at this
    /// key from this address are [`Error::TooManyAttempts`], a 429 with `Retry-After`, without the
    /// password being looked at, whether it is right and whether there is such a key (OWASP ASVS
    /// 5.0, 6.3.1).
    ///
    /// An attempt that succeeds is not counted, but the failures before it stay counted until the 15
    /// minutes are over: a success proves nothing about who made them. An attempt that is refused as
    /// one too many is not counted either: it does not extend the wait. One that is dropped before
    /// it is answered is counted as a failure.
    ///
    /// All processes on one store count together. So do all keys that are the same but for case,
    /// accents, blanks, punctuation and Unicode form, since a database can take them for one key. IPv6
    /// addresses are counted by their first 64 bits, and those that hold an IPv4 address by that:
    /// mapped, `64:ff9b::/96` (NAT64) and `2002::/16` (6to4).
    ///
    /// In a handler, write `.limit_by(auth_request.client_address())`, which knows of
    /// [proxies](crate::AuthBuilder::trusted_proxy). Without an address, or with `None`, lucia counts
    /// nothing: a count by key alone would let any client lock out its owner.
    ///
    /// Where a form is sent, call [`check_origin()?`](crate::AuthRequest::check_origin) before: a
    /// page of another site could otherwise send forms by a visitor's browser, and so from their
    /// address, until their own attempts are used up.
    pub fn limit_by(mut self, address: impl Into<Option<IpAddr>>) -> Self {
        self.address = address.into();
        self
    }

    /// Refuses the key, as one with a wrong password, unless it is this user's.
    pub(crate) fn of(mut self, owner: Option<&'a UserId>) -> Self {
        self.owner = owner;
        self
    }

    async fn check(self) -> Result<VerifiedKey> {
        let counted = match self.address {
            Some(address) => self.count(address).await?,
            None => None,
        };
        let Some((attempt, found)) = counted else {
            return self.open(self.auth.find_key(&self.key).await?).await;
        };
        let mut row = found.key;
        if !found.may_open {
            let provider_id = self.key.provider_id();
            tracing::warn!(
                provider_id,
                "too many attempts to sign in, by several spellings"
            );
            row = None;
        }
        let opened = self.open(row).await;
        attempt.end(&opened).await;
        opened
    }

    async fn open(&self, row: Option<KeyRow>) -> Result<VerifiedKey> {
        let provider_id = self.key.provider_id();
        let mut opened = self.verify(row).await?;
        if let Some((row, Verdict::OpensOutdated)) = &mut opened
            && !self.auth.upgrade_hash(row, self.password).await
        {
            // Another call was faster: with another hash of this password, or another password.
            opened = self.verify(self.auth.find_key(&self.key).await?).await?;
        }
        let is_owned = |row: &KeyRow| self.owner.is_none_or(|owner| row.user_id == *owner);
        let Some(row) = opened.map(|(row, _)| row).filter(is_owned) else {
            tracing::info!(provider_id, "key refused");
            return Err(Error::InvalidCredentials);
        };
        tracing::debug!(user_id = %row.user_id, provider_id, "key accepted");
        VerifiedKey::from_row(row)
    }

    /// The key, if it opens, and how; after work that is the same if there is no such key.
    async fn verify(&self, row: Option<KeyRow>) -> Result<Option<(KeyRow, Verdict)>> {
        let provider_id = self.key.provider_id();
        let hash = row.as_ref().and_then(|row| row.hashed_password.as_deref());
        let verdict = self.auth.passwords().verify(self.password, hash).await?;
        if let (Some(row), Verdict::Unreadable(problem)) = (&row, verdict) {
            // The client gets no other error: it would tell that there is such a user.
            tracing::error!(user_id = %row.user_id, provider_id, error = %problem, "password hash not verified");
        }
        Ok(row.filter(|_| verdict.opens()).map(|row| (row, verdict)))
    }

    async fn count(&self, address: IpAddr) -> Result<Option<(Attempt<'_>, Found)>> {
        let counted = self.auth.count_attempt(&self.key, address);
        counted.await.inspect_err(|error| {
            if let Error::TooManyAttempts { .. } = error {
                let provider_id = self.key.provider_id();
                tracing::warn!(provider_id, "too many attempts to sign in");
            }
        })
    }
}

awaited!(VerifyPassword::check -> VerifiedKey);

impl fmt::Debug for VerifyPassword<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("VerifyPassword")
            .field("key", &self.key)
            .finish_non_exhaustive()
    }
}
