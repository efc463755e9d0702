//! [`Sweeper`]: deletes expired sessions in the background.

use std::fmt;
use std::time::{Duration, Instant};

use tokio::task::JoinHandle;

use super::{Auth, optional_table};
use crate::clock::random_bytes;
use crate::measure;
use crate::{Error, Result};

/// The pause after a batch is this many times as long as the batch took.
const RESTS: u32 = 9;

/// The settings of a [`Sweeper`], made by [`Auth::sweeper`].
#[derive(Clone, Debug)]
#[must_use = "a sweeper works from `start()` on"]
pub struct SweeperBuilder {
    auth: Auth,
    interval: Duration,
    jitter: Duration,
    batch: u32,
}

impl Auth {
    /// Deletes counts that have ended, in batches with pauses between them.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if the store is unavailable.
    pub(super) async fn sweep_attempts(&self, batch: u32) -> Result<()> {
        if self.0.sign_in_limit.is_none() {
            return Ok(());
        }
        let now = self.now();
        let attempts = self.attempts()?;
        let delete = || self.ask(attempts.delete_old_attempts(now, batch));
        // Each attempt that is counted reports a missing table. If none is counted, it is not needed.
        optional_table(self.in_batches("attempts", batch, delete).await)
    }

    /// Deletes one-time tokens that have expired, in batches with pauses between them.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if the store is unavailable.
    pub(super) async fn sweep_tokens(&self, batch: u32) -> Result<()> {
        let Some(tokens) = self.store().tokens() else {
            return Ok(());
        };
        let now = self.now();
        let delete = || self.ask(tokens.delete_expired_tokens(now, batch));
        // An application that creates no tokens does not need their table.
        optional_table(self.in_batches("tokens", batch, delete).await)
    }

    /// Settings of a job that deletes expired sessions, expired one-time tokens and ended counts of sign-in
    /// attempts in the background:
    ///
    /// ```no_run
    /// # async fn f(auth: lucia::Auth) -> Result<(), Box<dyn std::error::Error>> {
    /// let sweeper = auth.sweeper().start()?;
    /// // .. HttpServer::new(..).run().await?;
    /// sweeper.stop().await;
    /// # Ok(()) }
    /// ```
    ///
    /// Any number of processes can run one.
    pub fn sweeper(&self) -> SweeperBuilder {
        SweeperBuilder {
            auth: self.clone(),
            interval: Duration::from_secs(60 * 60),
            jitter: Duration::from_secs(5 * 60),
            batch: super::sessions::SWEEP,
        }
    }

    /// Calls `delete`, which deletes at most `batch` rows and returns their number, until there are
    /// no more, and pauses after each batch, so that requests have the database most of the time.
    /// Returns the number of all. `rows` is what they are to be counted as.
    pub(super) async fn in_batches<F>(
        &self,
        rows: &'static str,
        batch: u32,
        delete: impl Fn() -> F,
    ) -> Result<u64>
    where
        F: Future<Output = Result<u64>>,
    {
        let mut deleted = 0;
        loop {
            let begun = Instant::now();
            let some = delete().await?;
            measure::swept(rows, some);
            deleted += some;
            if some < u64::from(batch) {
                return Ok(deleted);
            }
            tokio::time::sleep(begun.elapsed() * RESTS).await;
        }
    }
}

impl SweeperBuilder {
    /// The pause between two sweeps; an hour by default.
    pub fn interval(mut self, interval: Duration) -> Self {
        self.interval = interval;
        self
    }

    /// The longest random time that is added to each pause, so that many processes do not sweep at the same
    /// moment; 5 minutes by default. The first sweep also waits for a random time of at most this length.
    pub fn jitter(mut self, jitter: Duration) -> Self {
        self.jitter = jitter;
        self
    }

    /// How many rows one statement deletes; 1000 by default.
    pub fn batch(mut self, batch: u32) -> Self {
        self.batch = batch;
        self
    }

    /// Starts sweeping, on the caller's Tokio runtime.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] names the setting that is invalid; [`Error::Misuse`] outside a Tokio runtime.
    pub fn start(self) -> Result<Sweeper> {
        if self.interval.is_zero() {
            let reason = "it would never rest";
            return Err(Error::setting("sweeper.interval", reason));
        }
        if self.batch == 0 {
            return Err(Error::setting("sweeper.batch", "it would delete nothing"));
        }
        let runtime = tokio::runtime::Handle::try_current().map_err(|_| {
            Error::Misuse("a sweeper is started on a Tokio runtime, such as in `main`".to_owned())
        })?;
        Ok(Sweeper(runtime.spawn(self.run())))
    }

    async fn run(self) {
        let mut rest = Duration::ZERO;
        loop {
            tokio::time::sleep(rest.saturating_add(self.random_jitter())).await;
            rest = self.interval;
            // A store that is away is logged where it is asked; the next sweep finds the rest.
            match self.auth.sweep(self.batch).await {
                Ok(0) | Err(Error::Unavailable(_)) => {}
                Ok(deleted) => tracing::info!(deleted, "expired sessions swept"),
                Err(error) => tracing::error!(%error, "expired sessions cannot be swept"),
            }
        }
    }

    fn random_jitter(&self) -> Duration {
        let random = random_bytes().map_or(0, u32::from_ne_bytes);
        let below_one = f64::from(random) / (f64::from(u32::MAX) + 1.0);
        self.jitter.mul_f64(below_one)
    }
}

/// A job that deletes expired sessions, one-time tokens and counts of sign-in attempts. It stops when it is
/// dropped.
#[must_use = "a sweeper stops when it is dropped: bind it to a name, and not to `_`"]
pub struct Sweeper(JoinHandle<()>);

impl Sweeper {
    /// Stops the job and waits until it has stopped. A batch in progress is deleted completely or not at
    /// all.
    pub async fn stop(mut self) {
        self.0.abort();
        // Its end is what was asked for.
        let _ = (&mut self.0).await;
    }
}

impl Drop for Sweeper {
    fn drop(&mut self) {
        self.0.abort();
    }
}

impl fmt::Debug for Sweeper {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sweeper")
            .field("stopped", &self.0.is_finished())
            .finish()
    }
}
