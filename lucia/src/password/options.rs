//! The settings for passwords.

use std::fmt;
use std::pin::Pin;
use std::sync::Arc;

use argon2::Params;
use tokio::sync::Semaphore;

use crate::{Error, Result};

/// How passwords are hashed, and which passwords are accepted.
///
/// Hashes are Argon2id in PHC strings. The defaults are the minimum that OWASP's Password Storage Cheat
/// Sheet recommends: 19 MiB, two iterations, one lane.
///
/// # Older hashes
///
/// A stored hash may be of any Argon2 variant and version. Its memory may be up to 2 GiB, and memory ×
/// iterations up to 8 GiB, or as high as these settings. A hash that is weaker than these settings is
/// replaced when its owner signs in, so the settings can be raised. A hash that was changed in the meantime
/// is not replaced, and a sign-in never fails because a hash could not be replaced. Any other stored hash
/// is refused like a wrong password, and logged.
///
/// With the cargo feature `legacy-hashes`, hashes of other software are verified as well:
///
/// | stored as | what it is | memory |
/// |---|---|---|
/// | `s2:<salt>:<hex>` | scrypt (RFC 7914) of Lucia for Node, N=16384, r=16, p=1 | 32 MiB |
/// | `<salt>:<hex>` | the same of its first versions, r=8 | 16 MiB |
/// | `$2a$`, `$2b$`, `$2y$` | bcrypt up to cost 16 | 4 KiB |
///
/// They are replaced only with [`upgrade_legacy_hashes`](Self::upgrade_legacy_hashes). Note:
///
/// - bcrypt uses only the first 72 bytes of a password, here as elsewhere. A hash that was opened with
///   72 bytes or more is never replaced, because the rest was not checked. NUL is an ordinary
///   character. Hashes that old implementations made of passwords with a NUL, or of more than 255
///   bytes, cannot be opened.
/// - lucia normalizes passwords to the Unicode form NFKC before it hashes them. Other software did not.
///   So if NFKC changes a password, a bcrypt or two-part hash is tried with both forms.
/// - A wrong password takes longer to refuse for an account with such a hash than for an unknown
///   account, which takes the time of these settings. bcrypt at cost 12 takes several times as long,
///   and after a hash that is or may be cheaper, lucia also does the work of these settings. Until the
///   hashes are replaced, timing reveals which accounts exist and have not signed in since (OWASP ASVS
///   5.0, 6.3.8). The same applies to Argon2 hashes of another cost.
/// - `scrypt` allocates its memory for each hash. glibc returns the 32 MiB of `s2` to the system, but
///   keeps the 16 MiB of a two-part hash for each thread that has verified one.
#[derive(Clone, Debug)]
#[must_use = "options take effect by `builder.passwords(options)`"]
pub struct PasswordOptions {
    pub(super) memory_kib: u32,
    pub(super) iterations: u32,
    pub(super) parallelism: u32,
    pub(super) at_once: usize,
    pub(super) waiting: usize,
    pub(super) min_length: usize,
    pub(super) max_length: usize,
    pub(super) refuse_when: Option<RefuseWhen>,
    #[cfg(feature = "legacy-hashes")]
    pub(super) upgrade_legacy_hashes: bool,
    pub(super) new_hashes: NewHashes,
}

/// The format of new password hashes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum NewHashes {
    /// Argon2id in PHC strings, at the cost of the settings.
    #[default]
    Argon2id,
    /// `s2:<salt>:<hex>` of Lucia for Node, version 2: scrypt with N=16384, r=16, p=1. Use it only during a
    /// migration: see [`PasswordOptions::new_hashes`].
    #[cfg(feature = "legacy-hashes")]
    #[cfg_attr(docsrs, doc(cfg(feature = "legacy-hashes")))]
    LuciaScrypt,
}

impl Default for PasswordOptions {
    fn default() -> Self {
        let cores = std::thread::available_parallelism().map_or(1, std::num::NonZero::get);
        Self {
            memory_kib: 19 * 1024,
            iterations: 2,
            parallelism: 1,
            at_once: cores,
            waiting: 32 * cores,
            min_length: 8,
            max_length: 256,
            refuse_when: None,
            #[cfg(feature = "legacy-hashes")]
            upgrade_legacy_hashes: false,
            new_hashes: NewHashes::Argon2id,
        }
    }
}

impl PasswordOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The memory of one hash in KiB; at least 19 MiB (19456).
    pub fn memory_kib(mut self, memory_kib: u32) -> Self {
        self.memory_kib = memory_kib;
        self
    }

    /// The number of passes over the memory; at least two.
    pub fn iterations(mut self, iterations: u32) -> Self {
        self.iterations = iterations;
        self
    }

    /// The number of lanes of a hash.
    pub fn parallelism(mut self, parallelism: u32) -> Self {
        self.parallelism = parallelism;
        self
    }

    /// How many passwords are hashed at once; by default the number of cores. Each takes a thread and its
    /// memory ([`memory_kib`](Self::memory_kib)), which is allocated when it is first needed and then kept
    /// for the next hash. An older hash also takes its own memory while it is verified: 32 MiB for a hash
    /// of Lucia for Node.
    pub fn at_once(mut self, at_once: usize) -> Self {
        self.at_once = at_once;
        self
    }

    /// How many more passwords may wait for their turn; 32 per core by default. Further ones are refused
    /// with [`Error::Busy`].
    pub fn waiting(mut self, waiting: usize) -> Self {
        self.waiting = waiting;
        self
    }

    /// The minimum number of characters of a new password, both as it was typed and in the Unicode form
    /// NFKC; 8 by default (OWASP ASVS 5.0, 6.2.1). NIST SP 800-63B-4 requires 15 if the password is the
    /// only factor.
    pub fn min_length(mut self, min_length: usize) -> Self {
        self.min_length = min_length;
        self
    }

    /// The maximum number of characters of a password; 256 by default, and at least 64 (OWASP ASVS 5.0,
    /// 6.2.9). Longer passwords are refused before they are hashed, and never truncated.
    pub fn max_length(mut self, max_length: usize) -> Self {
        self.max_length = max_length;
        self
    }

    /// Refuses a new password if `banned` returns `true`, for lists of common or breached passwords (OWASP
    /// ASVS 5.0, 6.2.4 and 6.2.12). The error is [`InvalidPassword`](Error::InvalidPassword) with
    /// [`Banned`](crate::PasswordProblem::Banned).
    ///
    /// `banned` is called when a user is created and when a password is changed, never at sign-in. It is
    /// called after the length is checked, and before anything is hashed or written. It gets the password
    /// in the form that is hashed (NFKC), and must not log it. If it returns an error, that error is
    /// returned unchanged, and nothing is written. If a service does not answer, return
    /// [`Error::unavailable`], or `Ok(false)` to skip the check. `banned` has to set its own time-out. A
    /// second call of this method replaces the first.
    ///
    /// ```
    /// use std::collections::HashSet;
    /// use std::sync::Arc;
    ///
    /// let common: Arc<HashSet<&str>> = Arc::new(HashSet::from(["password", "12345678"]));
    /// let options = lucia::PasswordOptions::new().refuse_when(move |password| {
    ///     let common = common.clone();
    ///     async move { Ok(common.contains(password.to_lowercase().as_str())) }
    /// });
    /// ```
    pub fn refuse_when<F, Answer>(mut self, banned: F) -> Self
    where
        F: Fn(String) -> Answer + Send + Sync + 'static,
        Answer: Future<Output = Result<bool>> + Send + 'static,
    {
        let ask = move |password| -> Pin<Box<dyn Future<Output = _> + Send>> {
            Box::pin(banned(password))
        };
        self.refuse_when = Some(RefuseWhen(Arc::new(ask)));
        self
    }

    /// Whether hashes of Lucia for Node and bcrypt are replaced with Argon2id when their owners sign in;
    /// off by default. A Node application that uses the same tables cannot verify Argon2id, and would
    /// refuse users whose hash was replaced. Turn this on after the Node application has stopped.
    #[cfg(feature = "legacy-hashes")]
    #[cfg_attr(docsrs, doc(cfg(feature = "legacy-hashes")))]
    pub fn upgrade_legacy_hashes(mut self, allow: bool) -> Self {
        self.upgrade_legacy_hashes = allow;
        self
    }

    /// The format of new hashes; [`Argon2id`](NewHashes::Argon2id) by default.
    ///
    /// With the cargo feature `legacy-hashes`, new hashes can be those of Lucia for Node:
    /// `NewHashes::LuciaScrypt`. A Node application with Lucia v2 on the same tables cannot verify
    /// Argon2id, and would refuse users who sign up or change their password here. With this setting, no
    /// hash is replaced at sign-in, not even a weaker Argon2 hash, so it cannot be combined with
    /// `upgrade_legacy_hashes`. Argon2id hashes that are already stored keep working here; Node cannot read
    /// them.
    ///
    /// Use this only during a migration. For the memory of this scrypt, OWASP's Password Storage Cheat
    /// Sheet requires three times the work. That memory is 32 MiB for each password that is hashed [at
    /// once](Self::at_once), and also for unknown users. When the Node application is gone, remove this
    /// setting and turn `upgrade_legacy_hashes` on.
    pub fn new_hashes(mut self, new_hashes: NewHashes) -> Self {
        self.new_hashes = new_hashes;
        self
    }

    /// Checks the settings, and makes those of Argon2.
    pub(super) fn check(&self) -> Result<Params> {
        let refuse = |setting, reason: &str| Err(Error::setting(setting, reason));
        if self.memory_kib < 19 * 1024 {
            return refuse(
                "passwords.memory_kib",
                "19456 (19 MiB) is the least that is safe",
            );
        }
        if self.iterations < 2 {
            return refuse("passwords.iterations", "2 is the least that is safe");
        }
        if self.at_once == 0 {
            return refuse("passwords.at_once", "no password could ever be hashed");
        }
        if self.at_once.saturating_add(self.waiting) > Semaphore::MAX_PERMITS {
            return refuse("passwords.waiting", "so many cannot wait");
        }
        if self.min_length == 0 {
            return refuse(
                "passwords.min_length",
                "an empty password is never accepted",
            );
        }
        if self.max_length < 64 {
            return refuse(
                "passwords.max_length",
                "at least 64 characters are to be accepted",
            );
        }
        if self.max_length > 1000 {
            return refuse(
                "passwords.max_length",
                "more than 1000 characters help nobody",
            );
        }
        if self.max_length < self.min_length {
            return refuse("passwords.min_length", "it is above `max_length`");
        }
        #[cfg(feature = "legacy-hashes")]
        if self.upgrade_legacy_hashes && self.new_hashes != NewHashes::Argon2id {
            return refuse(
                "passwords.upgrade_legacy_hashes",
                "it replaces hashes by Argon2id, and `new_hashes` says that there is to be none",
            );
        }
        Params::new(self.memory_kib, self.iterations, self.parallelism, None)
            .map_err(|error| Error::setting("passwords", error.to_string()))
    }
}

type Answer = Pin<Box<dyn Future<Output = Result<bool>> + Send>>;

/// Whether a new password is banned, as the application says.
#[derive(Clone)]
pub(super) struct RefuseWhen(Arc<dyn Fn(String) -> Answer + Send + Sync>);

impl RefuseWhen {
    pub(super) fn ask(&self, password: &str) -> Answer {
        (self.0)(password.to_owned())
    }
}

impl fmt::Debug for RefuseWhen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("RefuseWhen(..)")
    }
}
