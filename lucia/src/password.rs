//! Hashing and checking passwords: off the async threads, a bounded number at once, and as much
//! work for an unknown user as for a known one.

mod background;
mod cost;
#[cfg(feature = "legacy-hashes")]
mod legacy;
mod memory;
mod options;
mod recipe;
mod stored;

use std::sync::Arc;

use tokio::sync::Semaphore;
use unicode_normalization::UnicodeNormalization;

use memory::{Memory, Pool};
pub use options::{NewHashes, PasswordOptions};
use recipe::Recipe;
use stored::StoredHash;
pub(crate) use stored::UnknownHash;

use crate::error::PasswordProblem;
#[cfg(feature = "metrics")]
use crate::measure;
use crate::measure::Count;
use crate::{Error, Result};

/// Hashes and verifies.
pub(crate) struct Passwords {
    recipe: Recipe,
    options: PasswordOptions,
    /// A place for each password that is being hashed.
    running: Arc<Semaphore>,
    /// A place for each password that is being hashed or waits for it.
    admitted: Arc<Semaphore>,
    /// How many found no place.
    refused: Count,
    /// What goes with a place to run.
    memory: Arc<Pool>,
    /// A hash of the everyday cost that no password opens.
    unopenable: Arc<StoredHash>,
}

/// The result of checking a password against a stored hash.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[must_use]
pub(crate) enum Verdict {
    Refused,
    Opens,
    /// It opens, and a hash of today's settings is to take the place of this one.
    OpensOutdated,
    /// Nothing opens it, after the same work.
    Unreadable(UnknownHash),
}

/// A password whose length is accepted.
pub(crate) struct Password {
    /// In the Unicode form NFKC.
    normal: String,
    /// As it was typed, where that is something else.
    #[cfg(feature = "legacy-hashes")]
    as_typed: Option<String>,
}

impl Passwords {
    pub(crate) fn new(options: &PasswordOptions) -> Result<Self> {
        let params = options.check()?;
        let memory = Pool::new(params.block_count());
        let recipe = Recipe::new(options, params);
        let unopenable = recipe.unopenable()?;
        let unopenable = StoredHash::read(&unopenable, options).map_err(Error::internal)?;
        Ok(Self {
            recipe,
            options: options.clone(),
            running: Arc::new(Semaphore::new(options.at_once)),
            admitted: Arc::new(Semaphore::new(options.at_once + options.waiting)),
            refused: Count::default(),
            memory: Arc::new(memory),
            unopenable: Arc::new(unopenable),
        })
    }

    /// The hash of a new password.
    ///
    /// # Errors
    ///
    /// Those of [`check`](Self::check), and [`Error::Busy`] when too many wait.
    pub(crate) async fn hash(&self, password: &str) -> Result<String> {
        let password = self.check(password).await?;
        self.hash_accepted(password).await
    }

    /// A new password in the form that is hashed, if the policy accepts it.
    ///
    /// # Errors
    ///
    /// [`Error::InvalidPassword`] when it breaks the policy, and whatever the application's list of
    /// banned passwords says.
    pub(crate) async fn check(&self, password: &str) -> Result<Password> {
        let password = self.accept(password).map_err(Error::InvalidPassword)?;
        if let Some(banned) = &self.options.refuse_when
            && banned.ask(&password.normal).await?
        {
            return Err(Error::InvalidPassword(PasswordProblem::Banned));
        }
        Ok(password)
    }

    /// A hash of what the policy for new passwords does not judge: of a password that has just opened the
    /// hash that is stored, or of a one-time code.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] when too many wait.
    pub(crate) async fn rehash(&self, password: &str) -> Result<String> {
        let password = self.normalize(password).map_err(Error::InvalidPassword)?;
        self.hash_accepted(password).await
    }

    async fn hash_accepted(&self, password: Password) -> Result<String> {
        let recipe = self.recipe.clone();
        self.run(move |memory| recipe.hash(&password, memory)).await
    }

    /// Whether `password` opens `hash`, and whether the hash is outdated. Where there is no hash,
    /// or none that can be read, or the password cannot be one, the answer is no after the same
    /// work. Where the hash is a cheaper one, it is no after the work of both.
    ///
    /// # Errors
    ///
    /// [`Error::Busy`] when too many wait.
    pub(crate) async fn verify(&self, password: &str, hash: Option<&str>) -> Result<Verdict> {
        let password = self.normalize(password).ok();
        let stored = hash
            .map(|hash| StoredHash::read(hash, &self.options))
            .transpose();
        let unopenable = self.unopenable.clone();
        self.run(move |memory| {
            let (verdict, usual_work_done) = match (&password, stored) {
                (Some(password), Ok(Some(stored))) => match stored.verify(password, memory) {
                    Ok(verdict) => {
                        let done = verdict.opens() || stored.cost().covers(unopenable.cost());
                        (verdict, done)
                    }
                    Err(problem) => (Verdict::Unreadable(problem), false),
                },
                (_, Err(problem)) => (Verdict::Unreadable(problem), false),
                (None, _) | (_, Ok(None)) => (Verdict::Refused, false),
            };
            if !usual_work_done {
                let password = password.unwrap_or_else(|| Password::new("unopenable"));
                let _refused: Verdict = unopenable
                    .verify(&password, memory)
                    .map_err(Error::internal)?;
            }
            Ok(verdict)
        })
        .await
    }

    /// A new password in the form that is hashed, if the lengths allow it.
    fn accept(&self, password: &str) -> Result<Password, PasswordProblem> {
        let min = self.options.min_length;
        let too_short = |text: &str| text.chars().count() < min;
        let typed = password;
        let password = self.normalize(typed)?;
        // One character can become eighteen, and several can become one.
        if too_short(typed) || too_short(&password.normal) {
            return Err(PasswordProblem::TooShort { min });
        }
        Ok(password)
    }

    /// Refuses what is too long before it does any work for it.
    fn normalize(&self, password: &str) -> Result<Password, PasswordProblem> {
        let max = self.options.max_length;
        let too_long = |text: &str| text.chars().nth(max).is_some();
        if password.is_empty() {
            return Err(PasswordProblem::Empty);
        }
        if too_long(password) {
            return Err(PasswordProblem::TooLong { max });
        }
        let password = Password::new(password);
        // One character can become eighteen.
        if too_long(&password.normal) {
            return Err(PasswordProblem::TooLong { max });
        }
        Ok(password)
    }

    #[cfg(feature = "metrics")]
    pub(crate) fn record_metrics(&self) {
        let places = |total: usize, free: &Semaphore| total - free.available_permits();
        let admitted = places(self.options.at_once + self.options.waiting, &self.admitted);
        let running = places(self.options.at_once, &self.running);
        // Places change between the two.
        measure::hashes(running, admitted.saturating_sub(running), &self.refused);
    }

    /// Runs `work` on a separate thread, if there is or will be a place for it.
    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&mut Memory) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let (admitted, running) = (self.admitted.clone(), self.running.clone());
        let Ok(admitted) = admitted.try_acquire_owned() else {
            self.refused.add(1);
            return Err(Error::Busy);
        };
        let running = running.acquire_owned().await.map_err(|_| Error::Busy)?;
        let pool = self.memory.clone();
        let span = tracing::Span::current();
        let work = move || {
            let _span = span.entered();
            let mut memory = pool.take();
            let result = work(&mut memory);
            pool.put_back(memory);
            // The places are free when the work is done, even if the caller has stopped waiting.
            drop((admitted, running));
            result
        };
        // Tokio waits for it, and a clock that a test has paused stands still meanwhile.
        let done = tokio::task::spawn_blocking(|| background::run(work)).await;
        done.map_err(Error::internal)?.map_err(Error::unavailable)?
    }
}

debug_of!(Passwords: recipe);

impl Verdict {
    pub(crate) fn opens(self) -> bool {
        matches!(self, Self::Opens | Self::OpensOutdated)
    }
}

impl Password {
    /// NFKC, so that a password is the same whichever keyboard it is typed on (NIST SP 800-63B-4;
    /// Lucia did so on one side only).
    fn new(typed: &str) -> Self {
        let normal: String = typed.nfkc().collect();
        Self {
            #[cfg(feature = "legacy-hashes")]
            as_typed: (normal != typed).then(|| typed.to_owned()),
            normal,
        }
    }
}

#[cfg(test)]
mod tests;
