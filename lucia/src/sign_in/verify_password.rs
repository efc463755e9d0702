//! [`VerifyPassword`]: a password that is about to be checked.

use std::net::IpAddr;

use crate::attempts::{Attempt, Found};
use crate::auth::{Auth, awaited};
use crate::event::{EventKind, SignInFailure};
use crate::password::Verdict;
use crate::store::KeyRow;
use crate::user::UserId;
use crate::user::key::{KeyId, SignInMethod, VerifiedKey};
use crate::{Error, Result};

impl Auth {
    /// Checks the password of a key and returns the key with its user:
    /// `auth.verify_password(("username", "ada"), password).await?`. Lucia for Node calls this `useKey`.
    /// Pass the result to [`create_session`](Self::create_session), which checks that the key has not
    /// changed since, or to [`AuthRequest::sign_in`](crate::AuthRequest::sign_in).
    ///
    /// Every refusal takes the same time and returns the same error, whether the user is unknown, the
    /// password is wrong, or the key has no password (OWASP ASVS 5.0, 6.3.8). If the stored hash is an
    /// [older one](crate::PasswordOptions#older-hashes), it takes longer. When a password has opened a hash
    /// that is weaker than the settings, the hash is replaced.
    ///
    /// A stored hash that cannot be verified is refused in the same way. An event at `ERROR` names the
    /// user, the reason, and the hashes that can be verified.
    ///
    /// Call [`limit_by`](VerifyPassword::limit_by) to say where the attempt comes from. Without that call,
    /// attempts are neither counted nor limited.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidCredentials`]; [`Error::TooManyAttempts`] if attempts are counted; [`Error::Busy`]
    /// if too many passwords are waiting to be checked; [`Error::Unavailable`] if the store is unavailable.
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
            from: None,
            owner: None,
        }
    }
}

/// A sign-in attempt that is about to be made; `.await` makes it.
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
    /// The address of the client, once it has been said. `Some(None)` is an address that is not known.
    from: Option<Option<IpAddr>>,
    /// Whose key it has to be.
    owner: Option<&'a UserId>,
}

impl<'a> VerifyPassword<'a> {
    /// Counts the attempt for this address, which is that of the client. After 10 failures within 15
    /// minutes ([`sign_in_limit`](crate::AuthBuilder::sign_in_limit)), further attempts at this key from
    /// this address fail with [`Error::TooManyAttempts`], a 429 with `Retry-After`. The password is then
    /// not checked, so the response does not reveal whether it is right or whether the key exists (OWASP
    /// ASVS 5.0, 6.3.1).
    ///
    /// A successful attempt is not counted, but earlier failures stay counted until the 15 minutes are
    /// over, because a success does not prove who caused them. An attempt that is refused because of the
    /// limit is not counted either, so it does not extend the wait. An attempt that is dropped before it is
    /// answered counts as a failure.
    ///
    /// All processes with the same store count together. Keys that differ only in case, accents, blanks,
    /// punctuation and Unicode form also count together, because a database may treat them as one key. IPv6
    /// addresses count by their first 64 bits. Addresses that contain an IPv4 address count by that
    /// address: IPv4-mapped addresses, `64:ff9b::/96` (NAT64) and `2002::/16` (6to4).
    ///
    /// In a handler, write `.limit_by(auth_request.client_address())`, which takes
    /// [proxies](crate::AuthBuilder::trusted_proxy) into account. With `None`, for an address that is unknown,
    /// all clients share one count of each key, with a limit ten times as high. A stranger can then use up the
    /// attempts of the owner of a key.
    ///
    /// In a form handler, call [`check_origin()?`](crate::AuthRequest::check_origin) first. Otherwise a
    /// page of another site could send forms from a visitor's browser, and so from the visitor's address,
    /// until the visitor's own attempts are used up.
    pub fn limit_by(mut self, address: impl Into<Option<IpAddr>>) -> Self {
        self.from = Some(address.into());
        self
    }

    /// Refuses the key, as one with a wrong password, unless it is this user's.
    pub(crate) fn of(mut self, owner: Option<&'a UserId>) -> Self {
        self.owner = owner;
        self
    }

    async fn check(self) -> Result<VerifiedKey> {
        // An attempt that is given up counts as one that failed.
        let given_up = self.failed(SignInFailure::Cancelled, None);
        let pending = self.auth.telling_if_dropped(given_up);
        let (attempt, judged) = match self.find().await {
            Ok((attempt, found)) => (attempt, self.open(found).await),
            Err(error) => (None, Err(error)),
        };
        pending.tell(match &judged {
            Ok(Ok(row)) => EventKind::KeyVerified {
                user_id: row.user_id.clone(),
                provider_id: self.key.provider_id().to_owned(),
                method: SignInMethod::Password,
            },
            Ok(Err(refused)) => self.failed(refused.reason, refused.user_id.clone()),
            Err(Error::TooManyAttempts { .. }) => self.failed(SignInFailure::Throttled, None),
            Err(Error::Busy) => self.failed(SignInFailure::Busy, None),
            Err(_) => self.failed(SignInFailure::Unavailable, None),
        });
        let opened = judged.and_then(|judged| match judged {
            Ok(row) => VerifiedKey::from_row(row, SignInMethod::Password),
            Err(_) => Err(Error::InvalidCredentials),
        });
        if let Some(attempt) = attempt {
            attempt.end(opened.as_ref().err()).await;
        }
        opened
    }

    /// Counts the attempt where that is asked for, and finds the key.
    async fn find(&self) -> Result<(Option<Attempt<'_>>, Found)> {
        if let Some(address) = self.from
            && let Some((attempt, found)) = self.auth.count_attempt(&self.key, address).await?
        {
            return Ok((Some(attempt), found));
        }
        let row = self.auth.find_key(&self.key).await?;
        Ok((None, Found::uncounted(row)))
    }

    async fn open(&self, found: Found) -> Result<Result<KeyRow, Refused>> {
        if !found.may_open {
            // After the same work as for an unknown key.
            let _ = self.verify(None).await?;
            let reason = SignInFailure::ThrottledBySpellings;
            return Ok(Err(Refused::of(reason, found.key)));
        }
        let mut opened = self.verify(found.key).await?;
        if let Ok((row, Verdict::OpensOutdated)) = &mut opened
            && !self.auth.upgrade_hash(row, self.password).await
        {
            // Another call was faster: with another hash of this password, or another password.
            opened = self.verify(self.auth.find_key(&self.key).await?).await?;
        }
        Ok(opened.and_then(|(row, _)| match self.owner {
            Some(owner) if row.user_id != *owner => {
                Err(Refused::of(SignInFailure::OtherUser, Some(row)))
            }
            _ => Ok(row),
        }))
    }

    /// The key, if it opens, and how; after work that is the same if there is no such key.
    async fn verify(&self, row: Option<KeyRow>) -> Result<Result<(KeyRow, Verdict), Refused>> {
        let hash = row.as_ref().and_then(|row| row.hashed_password.as_deref());
        let has_password = hash.is_some();
        let verdict = self.auth.passwords().verify(self.password, hash).await?;
        let Some(row) = row else {
            return Ok(Err(Refused::of(SignInFailure::UnknownKey, None)));
        };
        let reason = match verdict {
            Verdict::Opens | Verdict::OpensOutdated => return Ok(Ok((row, verdict))),
            Verdict::Refused if has_password => SignInFailure::WrongPassword,
            Verdict::Refused => SignInFailure::NoPassword,
            Verdict::Unreadable(problem) => {
                // The client gets no other error: it would tell that there is such a user.
                let provider_id = self.key.provider_id();
                tracing::error!(user_id = %row.user_id, provider_id, error = %problem, "password hash not verified");
                SignInFailure::UnreadableHash
            }
        };
        Ok(Err(Refused::of(reason, Some(row))))
    }

    fn failed(&self, reason: SignInFailure, user_id: Option<UserId>) -> EventKind {
        EventKind::SignInFailed {
            reason,
            method: SignInMethod::Password,
            provider_id: Some(self.key.provider_id().to_owned()),
            user_id,
        }
    }
}

/// Why a key was refused, which only events tell, and whose it is.
struct Refused {
    reason: SignInFailure,
    user_id: Option<UserId>,
}

impl Refused {
    fn of(reason: SignInFailure, row: Option<KeyRow>) -> Self {
        let user_id = row.map(|row| row.user_id);
        Self { reason, user_id }
    }
}

awaited!(VerifyPassword::check -> VerifiedKey);

debug_of!(VerifyPassword<'_>: key);
