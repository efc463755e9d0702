//! [`UseKey`]: what is said of an attempt to sign in before it is made.

use std::fmt;
use std::net::IpAddr;
use std::pin::Pin;

use super::attempts::Attempt;
use crate::auth::Auth;
use crate::password::Verdict;
use crate::store::KeyRow;
use crate::user::UserId;
use crate::user::key::{VerifiedKey, bounded, key_id};
use crate::{Error, Result};

impl Auth {
    /// Checks a key and its password, and tells whose it is:
    /// `auth.use_key("username", "ada", Some(password)).await?`. `None` is for keys that have no
    /// password because somebody else vouches for the user. Hand what it returns to
    /// [`create_session`](Self::create_session), which checks that it still holds.
    ///
    /// Whoever is refused waits as long and is told the same, whether there is no such user, the
    /// password is wrong, or the key has none (OWASP ASVS 5.0, 6.3.8). Where the stored hash is an
    /// [older one](crate::PasswordOptions#older-hashes), it takes longer. Once its password has
    /// opened it, a hash that is weaker than the settings is replaced.
    ///
    /// A stored hash that cannot be verified is refused in the same way. An event at `ERROR` names
    /// the user, and says why and which hashes can be.
    ///
    /// Say by [`address`](UseKey::address) where the attempt comes from, or nobody counts how
    /// often it is made.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidCredentials`], [`Error::TooManyAttempts`] where attempts are counted,
    /// [`Error::Busy`] when too many passwords wait to be checked, [`Error::Unavailable`] when the
    /// store is.
    pub fn use_key<'a>(
        &'a self,
        provider_id: &'a str,
        provider_user_id: &'a str,
        password: Option<&'a str>,
    ) -> UseKey<'a> {
        UseKey {
            auth: self,
            provider_id,
            provider_user_id,
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
///     auth.use_key("username", username, Some(password)).address(from).await
/// }
/// ```
#[must_use = "a key is used by `.await`"]
pub struct UseKey<'a> {
    auth: &'a Auth,
    provider_id: &'a str,
    provider_user_id: &'a str,
    password: Option<&'a str>,
    address: Option<IpAddr>,
    /// Whose key it has to be.
    owner: Option<&'a UserId>,
}

impl<'a> UseKey<'a> {
    /// Says which address the attempt comes from, and has it counted. After 10 failures within 15
    /// minutes ([`sign_in_limit`](crate::AuthBuilder::sign_in_limit)), further attempts at this
    /// key from this address are [`Error::TooManyAttempts`], a 429 with `Retry-After`, without the
    /// password being looked at, whether it is right and whether there is such a key (OWASP ASVS
    /// 5.0, 6.3.1).
    ///
    /// An attempt that succeeds is not counted, but the failures before it stay counted until the 15
    /// minutes are over: a success proves nothing about who made them. An attempt that is refused as
    /// one too many is not counted either: it makes nobody wait longer. One that is dropped before
    /// it is answered is counted as a failure.
    ///
    /// All processes on one store count together. So do all keys that are the same but for case,
    /// accents, blanks, punctuation and Unicode form, since a database can take them for one key. IPv6
    /// addresses are counted by their first 64 bits, and those that hold an IPv4 address by that:
    /// mapped, `64:ff9b::/96` (NAT64) and `2002::/16` (6to4).
    ///
    /// Without an address nothing is counted. To count by the key alone would let anybody lock
    /// out its owner. Behind a proxy the address of the connection is the proxy's: take the one
    /// that your proxy tells, or all your users are one to this.
    ///
    /// Where a form is sent, call [`check_origin()?`](crate::AuthRequest::check_origin) before: a
    /// page of another site could otherwise send forms by a visitor's browser, and so from their
    /// address, until their own attempts are used up.
    ///
    /// A key that is used without a password is not counted, since there is nothing to guess.
    pub fn address(mut self, address: IpAddr) -> Self {
        self.address = Some(address);
        self
    }

    /// Refuses the key, as one with a wrong password, unless it is this user's.
    pub(crate) fn of(mut self, owner: &'a UserId) -> Self {
        self.owner = Some(owner);
        self
    }

    async fn check(self) -> Result<VerifiedKey> {
        let attempt = match (self.address, self.password) {
            (Some(address), Some(_)) => self.count(address).await?,
            _ => None,
        };
        let opened = self.open().await;
        if let Some(attempt) = attempt {
            attempt.end(&opened).await;
        }
        opened
    }

    async fn row(&self) -> Result<Option<KeyRow>> {
        match key_id(self.provider_id, self.provider_user_id) {
            Ok(id) => self.auth.ask(self.auth.store().key(&id)).await,
            // What cannot be a key is one that nobody has.
            Err(_) => Ok(None),
        }
    }

    async fn open(&self) -> Result<VerifiedKey> {
        let provider_id = bounded(self.provider_id);
        let row = self.row().await?;
        let is_known = row.is_some();
        let mut opened = self.verify(row).await?;
        if let (Some((row, Verdict::OpensOutdated)), Some(password)) = (&mut opened, self.password)
            && !self.auth.upgrade_hash(row, password).await
        {
            // Somebody else was faster: with another hash of this password, or another password.
            opened = self.verify(self.row().await?).await?;
        }
        let is_owned = |row: &KeyRow| self.owner.is_none_or(|owner| row.user_id == *owner);
        let Some(row) = opened.map(|(row, _)| row).filter(is_owned) else {
            if self.password.is_none() && !is_known {
                // The first sign-in of somebody whom an OAuth provider vouches for.
                tracing::debug!(provider_id, "no such key");
            } else {
                tracing::info!(provider_id, "key refused");
            }
            return Err(Error::InvalidCredentials);
        };
        tracing::debug!(user_id = %row.user_id, provider_id, "key accepted");
        VerifiedKey::from_row(row)
    }

    /// The key, if it opens, and how; after work that is the same if there is no such key.
    async fn verify(&self, row: Option<KeyRow>) -> Result<Option<(KeyRow, Verdict)>> {
        let provider_id = bounded(self.provider_id);
        let hash = row.as_ref().and_then(|row| row.hashed_password.as_deref());
        let verdict = match self.password {
            Some(password) => self.auth.passwords().verify(password, hash).await?,
            None if hash.is_none() => Verdict::Opens,
            None => Verdict::Refused,
        };
        if let (Some(row), Verdict::Unreadable(problem)) = (&row, verdict) {
            // Not an error to whoever signs in: that would tell them that there is such a user.
            tracing::error!(user_id = %row.user_id, provider_id, error = %problem, "password hash not verified");
        }
        Ok(row.filter(|_| verdict.opens()).map(|row| (row, verdict)))
    }

    async fn count(&self, address: IpAddr) -> Result<Option<Attempt<'_>>> {
        let counted = self
            .auth
            .count_attempt(self.provider_id, self.provider_user_id, address);
        counted.await.inspect_err(|error| {
            if let Error::TooManyAttempts { .. } = error {
                let provider_id = bounded(self.provider_id);
                tracing::warn!(provider_id, "too many attempts to sign in");
            }
        })
    }
}

impl<'a> IntoFuture for UseKey<'a> {
    type Output = Result<VerifiedKey>;
    type IntoFuture = Pin<Box<dyn Future<Output = Self::Output> + Send + 'a>>;

    fn into_future(self) -> Self::IntoFuture {
        Box::pin(self.check())
    }
}

impl fmt::Debug for UseKey<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UseKey")
            .field("provider_id", &self.provider_id)
            .field("provider_user_id", &self.provider_user_id)
            .field("password", &self.password.map(|_| "[redacted]"))
            .finish_non_exhaustive()
    }
}
