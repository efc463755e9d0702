//! Hashing and checking passwords: off the async threads, a bounded number at once, and as much
//! work for somebody unknown as for somebody known.

use std::sync::Arc;

use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{self, PasswordHasher, PasswordVerifier};
use argon2::{Algorithm, Argon2, Params, Version};
use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization;

use crate::clock::RandomSource;
use crate::error::PasswordProblem;
use crate::{Error, Result};

/// How passwords are hashed, and which are accepted.
///
/// Hashes are Argon2id in PHC strings. The defaults are the least that OWASP's Password Storage
/// Cheat Sheet recommends: 19 MiB, two iterations, one lane.
#[derive(Clone, Debug)]
#[must_use = "options take effect by `builder.passwords(options)`"]
pub struct PasswordOptions {
    memory_kib: u32,
    iterations: u32,
    parallelism: u32,
    at_once: usize,
    waiting: usize,
    min_length: usize,
    max_length: usize,
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
        }
    }
}

impl PasswordOptions {
    /// The defaults.
    pub fn new() -> Self {
        Self::default()
    }

    /// The memory of one hash in KiB, at least 19 MiB (19456).
    pub fn memory_kib(mut self, memory_kib: u32) -> Self {
        self.memory_kib = memory_kib;
        self
    }

    /// How often a hash goes over its memory, at least twice.
    pub fn iterations(mut self, iterations: u32) -> Self {
        self.iterations = iterations;
        self
    }

    /// Into how many lanes the memory of a hash is divided.
    pub fn parallelism(mut self, parallelism: u32) -> Self {
        self.parallelism = parallelism;
        self
    }

    /// How many passwords are hashed at once; by default as many as the machine has cores. Each
    /// takes a thread and its memory.
    pub fn at_once(mut self, at_once: usize) -> Self {
        self.at_once = at_once;
        self
    }

    /// How many more may wait for their turn; 32 for each core by default. The next one is
    /// refused with [`Error::Busy`].
    pub fn waiting(mut self, waiting: usize) -> Self {
        self.waiting = waiting;
        self
    }

    /// The least number of characters of a new password; 8 by default. NIST SP 800-63B-4 asks for
    /// 15 where the password is the only factor.
    pub fn min_length(mut self, min_length: usize) -> Self {
        self.min_length = min_length;
        self
    }

    /// The largest number of characters of a password; 256 by default, at least 64.
    pub fn max_length(mut self, max_length: usize) -> Self {
        self.max_length = max_length;
        self
    }
}

/// Hashes and verifies.
pub(crate) struct Passwords {
    argon2: Argon2<'static>,
    random: Arc<dyn RandomSource>,
    /// A place for each password that is being hashed.
    running: Arc<Semaphore>,
    /// A place for each password that is being hashed or waits for it.
    admitted: Arc<Semaphore>,
    /// A hash of the everyday cost that no password opens.
    unopenable: Arc<str>,
    min_length: usize,
    max_length: usize,
}

const SALT_LENGTH: usize = 16;

impl Passwords {
    pub(crate) fn new(options: &PasswordOptions, random: Arc<dyn RandomSource>) -> Result<Self> {
        let refuse = |setting, reason: &str| Err(Error::setting(setting, reason));
        if options.memory_kib < 19 * 1024 {
            return refuse(
                "passwords.memory_kib",
                "19456 (19 MiB) is the least that is safe",
            );
        }
        if options.iterations < 2 {
            return refuse("passwords.iterations", "2 is the least that is safe");
        }
        if options.at_once == 0 {
            return refuse("passwords.at_once", "no password could ever be hashed");
        }
        if options.at_once.saturating_add(options.waiting) > Semaphore::MAX_PERMITS {
            return refuse("passwords.waiting", "so many cannot wait");
        }
        if options.min_length == 0 {
            return refuse(
                "passwords.min_length",
                "an empty password is never accepted",
            );
        }
        if options.max_length < 64 {
            return refuse(
                "passwords.max_length",
                "at least 64 characters are to be accepted",
            );
        }
        if options.max_length > 1000 {
            return refuse(
                "passwords.max_length",
                "more than 1000 characters help nobody",
            );
        }
        if options.max_length < options.min_length {
            return refuse("passwords.min_length", "it is above `max_length`");
        }
        let params = Params::new(
            options.memory_kib,
            options.iterations,
            options.parallelism,
            None,
        )
        .map_err(|error| Error::setting("passwords", error.to_string()))?;

        let argon2 = Argon2::new(Algorithm::Argon2id, Version::V0x13, params);
        let unopenable = unopenable(&argon2, random.as_ref())?;
        Ok(Self {
            argon2,
            random,
            running: Arc::new(Semaphore::new(options.at_once)),
            admitted: Arc::new(Semaphore::new(options.at_once + options.waiting)),
            unopenable,
            min_length: options.min_length,
            max_length: options.max_length,
        })
    }

    /// The hash of a new password, as a PHC string.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPassword`] when it breaks the policy, [`Error::Busy`] when too many wait.
    pub(crate) async fn hash(&self, password: &str) -> Result<String> {
        let password = self.accept(password).map_err(Error::InvalidPassword)?;
        let mut salt = [0; SALT_LENGTH];
        self.random.fill(&mut salt).map_err(Error::internal)?;
        let argon2 = self.argon2.clone();
        self.run(move || {
            let hash: PasswordHash = argon2
                .hash_password_with_salt(password.as_bytes(), &salt)
                .map_err(Error::internal)?;
            Ok(hash.to_string())
        })
        .await
    }

    /// Whether `password` opens `hash`. Where there is no hash, or the password cannot be one,
    /// the answer is no after the same work.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] when too many wait, [`Error::Internal`] when `hash` is none that we know.
    pub(crate) async fn verify(&self, password: &str, hash: Option<&str>) -> Result<bool> {
        let (password, hash) = match (self.normalize(password), hash) {
            (Ok(password), Some(hash)) => (password, Arc::from(hash)),
            (Ok(password), None) => (password, self.unopenable.clone()),
            (Err(_), _) => ("unopenable".to_owned(), self.unopenable.clone()),
        };
        let argon2 = self.argon2.clone();
        self.run(move || {
            let hash = PasswordHash::new(&hash).map_err(|_| Error::internal(UnknownHash))?;
            match argon2.verify_password(password.as_bytes(), &hash) {
                Ok(()) => Ok(true),
                Err(password_hash::Error::PasswordInvalid) => Ok(false),
                Err(password_hash::Error::Algorithm) => Err(Error::internal(UnknownHash)),
                Err(error) => Err(Error::internal(error)),
            }
        })
        .await
    }

    /// A new password in the form that is hashed, if the policy allows it.
    fn accept(&self, password: &str) -> Result<String, PasswordProblem> {
        let normal = self.normalize(password)?;
        if normal.chars().count() < self.min_length {
            return Err(PasswordProblem::TooShort {
                min: self.min_length,
            });
        }
        Ok(normal)
    }

    /// NFKC, so that a password is the same whichever keyboard it is typed on (NIST SP 800-63B-4;
    /// Lucia did so on one side only).
    fn normalize(&self, password: &str) -> Result<String, PasswordProblem> {
        let too_long = PasswordProblem::TooLong {
            max: self.max_length,
        };
        if password.is_empty() {
            return Err(PasswordProblem::Empty);
        }
        if password.chars().nth(self.max_length).is_some() {
            return Err(too_long);
        }
        let normal: String = password.nfkc().collect();
        // One character can become eighteen.
        if normal.chars().nth(self.max_length).is_some() {
            return Err(too_long);
        }
        Ok(normal)
    }

    /// Runs `work` on a thread of its own, if there is or will be a place for it.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce() -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let admitted = self
            .admitted
            .clone()
            .try_acquire_owned()
            .map_err(|_| Error::Busy)?;
        let running = self
            .running
            .clone()
            .acquire_owned()
            .await
            .map_err(|_| Error::Busy)?;
        let span = tracing::Span::current();
        let work = move || {
            let _span = span.entered();
            let result = work();
            // The places are free when the work is done, even if nobody waits for it any more.
            drop((admitted, running));
            result
        };
        tokio::task::spawn_blocking(work)
            .await
            .map_err(Error::internal)?
    }
}

impl std::fmt::Debug for Passwords {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Passwords")
            .field("params", self.argon2.params())
            .finish_non_exhaustive()
    }
}

/// A stored hash is malformed, or of an algorithm that is not supported.
#[derive(Debug, thiserror::Error)]
#[error("a stored password hash is not an Argon2 PHC string")]
struct UnknownHash;

/// A PHC string of random bytes in place of a hash, which takes the work of a real one.
fn unopenable(argon2: &Argon2<'_>, random: &dyn RandomSource) -> Result<Arc<str>> {
    use argon2::password_hash::phc::{Ident, Output, ParamsString, Salt};

    let mut salt = [0; SALT_LENGTH];
    let mut output = [0; 32];
    random.fill(&mut salt).map_err(Error::internal)?;
    random.fill(&mut output).map_err(Error::internal)?;
    let hash = PasswordHash {
        algorithm: Ident::new("argon2id").map_err(Error::internal)?,
        version: Some(Version::V0x13.into()),
        params: ParamsString::try_from(argon2.params()).map_err(Error::internal)?,
        salt: Some(Salt::new(&salt).map_err(Error::internal)?),
        hash: Some(Output::new(&output).map_err(Error::internal)?),
    };
    Ok(hash.to_string().into())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock::os_random;

    fn passwords() -> Passwords {
        Passwords::new(&PasswordOptions::new(), Arc::new(os_random)).unwrap()
    }

    #[tokio::test]
    async fn r42_a_hash_is_argon2id_with_19_mib_two_iterations_and_one_lane() {
        let hash = passwords().hash("correct horse").await.unwrap();
        assert!(
            hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
            "{hash}"
        );
        assert!(
            passwords()
                .verify("correct horse", Some(&hash))
                .await
                .unwrap()
        );
        assert!(
            !passwords()
                .verify("correct house", Some(&hash))
                .await
                .unwrap()
        );
    }

    #[test]
    fn r42_settings_below_the_recommended_floor_are_refused() {
        for (options, named) in [
            (
                PasswordOptions::new().memory_kib(19 * 1024 - 1),
                "passwords.memory_kib",
            ),
            (PasswordOptions::new().iterations(1), "passwords.iterations"),
            (PasswordOptions::new().parallelism(0), "passwords"),
            (PasswordOptions::new().at_once(0), "passwords.at_once"),
            (
                PasswordOptions::new().waiting(usize::MAX),
                "passwords.waiting",
            ),
            (PasswordOptions::new().min_length(0), "passwords.min_length"),
            (
                PasswordOptions::new().max_length(63),
                "passwords.max_length",
            ),
            (
                PasswordOptions::new().max_length(1001),
                "passwords.max_length",
            ),
            (
                PasswordOptions::new().min_length(300),
                "passwords.min_length",
            ),
        ] {
            match Passwords::new(&options, Arc::new(os_random)) {
                Err(Error::Setting { setting, .. }) => assert_eq!(setting, named),
                other => panic!("{named}: {other:?}"),
            }
        }
    }

    #[tokio::test]
    async fn r40_nfkc_variants_are_the_same_password_at_creation_and_at_use() {
        let passwords = passwords();
        // Composed and decomposed, full width and plain.
        for (created, used) in [
            ("pässwörd", "pa\u{308}sswo\u{308}rd"),
            ("ｐａｓｓｗｏｒｄ", "password"),
        ] {
            for (created, used) in [(created, used), (used, created)] {
                let hash = passwords.hash(created).await.unwrap();
                assert!(passwords.verify(used, Some(&hash)).await.unwrap());
            }
        }
    }

    #[tokio::test]
    async fn empty_short_and_over_long_passwords_are_refused() {
        let problem = async |password: &str| match passwords().hash(password).await {
            Err(Error::InvalidPassword(problem)) => problem,
            other => panic!("{other:?}"),
        };
        assert_eq!(problem("").await, PasswordProblem::Empty);
        assert_eq!(
            problem("1234567").await,
            PasswordProblem::TooShort { min: 8 }
        );
        assert_eq!(
            problem(&"x".repeat(257)).await,
            PasswordProblem::TooLong { max: 256 }
        );
        // Each of these becomes eighteen characters.
        assert_eq!(
            problem(&"\u{fdfa}".repeat(20)).await,
            PasswordProblem::TooLong { max: 256 }
        );
        assert!(passwords().hash(&"x".repeat(256)).await.is_ok());
        assert!(passwords().hash("🦀🦀🦀🦀\0\u{1}  ").await.is_ok());
    }

    #[tokio::test]
    async fn the_whole_password_counts() {
        let (one, other) = ("x".repeat(200) + "1", "x".repeat(200) + "2");
        let hash = passwords().hash(&one).await.unwrap();
        assert!(!passwords().verify(&other, Some(&hash)).await.unwrap());
    }

    #[tokio::test]
    async fn r45_no_password_opens_what_has_no_hash() {
        for password in ["", "unopenable", "correct horse", &"x".repeat(10_000)] {
            assert!(!passwords().verify(password, None).await.unwrap());
        }
    }

    #[tokio::test]
    async fn an_empty_password_does_not_open_its_own_hash() {
        let hash: PasswordHash = Argon2::default()
            .hash_password_with_salt(b"", &[7; SALT_LENGTH])
            .unwrap();
        assert!(
            !passwords()
                .verify("", Some(&hash.to_string()))
                .await
                .unwrap()
        );
    }

    #[tokio::test]
    async fn malformed_hashes_are_an_error_and_no_panic() {
        for hash in [
            "",
            "x",
            "$",
            "$argon2id$",
            "$argon2id$v=19$m=1,t=1,p=1$a$b",
            "s2:salt:00",
        ] {
            let result = passwords().verify("correct horse", Some(hash)).await;
            assert!(!matches!(result, Ok(true)), "{hash}");
        }
        assert!(matches!(
            passwords()
                .verify("correct horse", Some("s2:salt:00"))
                .await,
            Err(Error::Internal(_))
        ));
    }

    #[tokio::test]
    async fn more_than_may_wait_are_refused_at_once() {
        let options = PasswordOptions::new().at_once(1).waiting(1);
        let passwords = Passwords::new(&options, Arc::new(os_random)).unwrap();
        let hash = || passwords.hash("correct horse");
        let (a, b, c) = tokio::join!(hash(), hash(), hash());
        assert!(a.is_ok() && b.is_ok());
        assert!(matches!(c, Err(Error::Busy)), "{c:?}");
        assert!(passwords.hash("correct horse").await.is_ok());
    }
}
