//! A task that sends mails, one after the other.

use std::collections::{HashMap, HashSet};
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{Notify, Semaphore};

use super::memory::Memory;
use super::{Mail, Mailer};
use crate::auth::Auth;
use crate::clock::{UnixMillis, random_bytes};
use crate::error::chain;
use crate::mail::SendError;
use crate::measure;
use crate::store::{MailRow, MailStore};
use crate::{Error, Result};

/// How long one mail may take.
const SEND_LIMIT: Duration = Duration::from_secs(2 * 60);

/// How long a claim lasts: longer than a mail may take, and the statements around it.
const CLAIM: Duration = Duration::from_secs(10 * 60);

/// How often one idle task of a process looks for mails that have become due, or that other processes left.
const POLL: Duration = Duration::from_secs(5);

/// How many times a mail is tried.
const ATTEMPTS: u32 = 10;

/// The pause after the first try, what each further one is multiplied by, and the longest.
const FIRST_PAUSE: Duration = Duration::from_secs(5);
const PAUSES_GROW: u32 = 3;
const LONGEST_PAUSE: Duration = Duration::from_secs(60 * 60);

/// A handle to what the tasks of an outbox share.
#[derive(Clone)]
pub(super) struct Worker(Arc<Shared>);

struct Shared {
    auth: Auth,
    mailer: Arc<dyn Mailer>,
    in_database: bool,
    memory: Memory,
    /// Tells one worker that there is a mail.
    wake: Notify,
    /// The permit of the one idle worker that looks for mails from time to time.
    polls: Semaphore,
    /// No more mails will come.
    is_finishing: AtomicBool,
    rows: Mutex<Rows>,
}

/// What is known of rows in the database, by the ids of their mails.
#[derive(Default)]
struct Rows {
    /// Those that are being inserted, and whether this process has claimed them already.
    inserting: HashMap<String, bool>,
    /// Those that may be there although nothing is to be sent for them: the mail is in memory, or was sent.
    void: HashSet<String>,
}

/// Where a mail waits.
#[derive(Clone, Copy)]
enum Place {
    Memory,
    Database,
}

impl Worker {
    pub(super) fn new(auth: Auth, mailer: Arc<dyn Mailer>, in_database: bool) -> Self {
        Self(Arc::new(Shared {
            auth,
            mailer,
            in_database,
            memory: Memory::default(),
            wake: Notify::new(),
            polls: Semaphore::new(1),
            is_finishing: AtomicBool::new(false),
            rows: Mutex::default(),
        }))
    }

    #[cfg(test)]
    #[cfg(feature = "sqlite")]
    pub(super) fn auth(&self) -> &Auth {
        &self.0.auth
    }

    pub(super) fn memory(&self) -> &Memory {
        &self.0.memory
    }

    /// Puts a mail where it waits: into the database, or into memory where there is none or it is away.
    pub(super) async fn accept(&self, mail: Mail) {
        let row = mail.into_row(self.0.auth.now());
        if !self.store(&row).await {
            self.0.memory.insert(row);
        }
        measure::mails_in_memory(self.0.memory.len());
        self.0.wake.notify_one();
    }

    /// Puts a mail into the database, if there is one, and returns whether it is there. An insertion that fails may have taken effect. Unless this
    /// process has claimed the row, the mail is then sent from memory, and nothing for the row.
    async fn store(&self, row: &MailRow) -> bool {
        let Some(database) = self.database() else {
            return false;
        };
        self.rows().inserting.insert(row.id.clone(), false);
        let stored = self.0.auth.ask(database.insert_mail(row.clone())).await;
        let mut rows = self.rows();
        let is_claimed = rows.inserting.remove(&row.id) == Some(true);
        match stored {
            Ok(()) => true,
            Err(_) if is_claimed => true,
            Err(error) => {
                rows.void.insert(row.id.clone());
                drop(rows);
                let error = chain(&error);
                tracing::error!(mail = row.id, error, "a mail waits in memory alone");
                false
            }
        }
    }

    /// Lets the workers end when nothing is due any more.
    pub(super) fn finish(&self) {
        self.0.is_finishing.store(true, Ordering::SeqCst);
        self.0.wake.notify_one();
    }

    /// Sends mails for as long as there are some or can be some.
    ///
    /// Whenever a worker gets to work, it wakes another one. So one that is idle looks for mails as long as
    /// not all are at work.
    pub(super) async fn run(self) {
        loop {
            // From here on it is told of new mails, so that none comes between looking and waiting.
            let mut woken = pin!(self.0.wake.notified());
            woken.as_mut().enable();
            let is_finishing = self.0.is_finishing.load(Ordering::SeqCst);
            if let Some((place, mail)) = self.claim().await {
                // There may be more, for another worker.
                self.0.wake.notify_one();
                self.handle(place, mail).await;
                measure::mails_in_memory(self.0.memory.len());
            } else if is_finishing {
                // The next worker ends as well.
                self.0.wake.notify_one();
                return;
            } else if let Ok(_permit) = self.0.polls.try_acquire() {
                let _ = tokio::time::timeout(POLL, woken).await;
            } else {
                woken.await;
            }
        }
    }

    fn database(&self) -> Option<&dyn MailStore> {
        self.0.auth.store().mails().filter(|_| self.0.in_database)
    }

    /// Asks the store of a place.
    async fn ask<'a, T, F>(
        &'a self,
        place: Place,
        call: impl FnOnce(&'a dyn MailStore) -> F,
    ) -> Result<T>
    where
        F: Future<Output = crate::store::Result<T>> + 'a,
    {
        match (place, self.database()) {
            (Place::Memory, _) => Ok(call(&self.0.memory).await?),
            (Place::Database, Some(database)) => self.0.auth.ask(call(database)).await,
            (Place::Database, None) => Err(Error::Misuse(
                "the store has no place for mails any more".to_owned(),
            )),
        }
    }

    async fn claim(&self) -> Option<(Place, MailRow)> {
        let now = self.0.auth.now();
        let until = now.plus(CLAIM);
        for place in [Place::Memory, Place::Database] {
            if matches!(place, Place::Database) && !self.0.in_database {
                continue;
            }
            match self.ask(place, |store| store.claim_mail(now, until)).await {
                Ok(Some(mail)) => return Some((place, mail)),
                Ok(None) if matches!(place, Place::Database) => self.delete_void().await,
                Ok(None) => {}
                // A store that is away is logged where it is asked.
                Err(Error::Unavailable(_)) => {}
                Err(error) => {
                    let error = chain(&error);
                    tracing::error!(error, "mails that wait cannot be read");
                }
            }
        }
        None
    }

    /// Sends a mail that was claimed, and settles what becomes of it.
    async fn handle(&self, place: Place, row: MailRow) {
        let (id, attempt) = (row.id.clone(), row.attempts);
        if matches!(place, Place::Database) && self.is_void(&id) {
            return self.delete_sent(place, id).await;
        }
        let now = self.0.auth.now();
        if row.expires.is_some_and(|expires| expires <= now) {
            measure::mail("expired");
            tracing::warn!(mail = id, "a mail has expired before it could be sent");
            return self.delete(place, &id).await;
        }
        if attempt > ATTEMPTS {
            // The last try ended with its process.
            measure::mail("given_up");
            tracing::error!(mail = id, "a mail is given up");
            return self.delete(place, &id).await;
        }
        match self.send(row).await {
            Ok(()) => {
                measure::mail("sent");
                tracing::debug!(mail = id, "a mail was sent");
                self.delete_sent(place, id).await;
            }
            Err(SendError::Refused(error)) => {
                measure::mail("refused");
                let error = chain(&*error);
                tracing::error!(mail = id, error, "a mail was refused and is given up");
                self.delete(place, &id).await;
            }
            Err(SendError::Failed(error)) if attempt == ATTEMPTS => {
                measure::mail("given_up");
                let error = chain(&*error);
                tracing::error!(mail = id, attempt, error, "a mail is given up");
                self.delete(place, &id).await;
            }
            Err(SendError::Failed(error)) => {
                measure::mail("failed");
                let error = chain(&*error);
                tracing::warn!(mail = id, attempt, error, "a mail is tried again later");
                let due = self.0.auth.now().plus(pause(attempt, random_fraction()));
                self.postpone(place, &id, attempt, due).await;
            }
        }
    }

    /// In a task, so that a mailer that panics costs one try.
    async fn send(&self, row: MailRow) -> std::result::Result<(), SendError> {
        let mail = Mail::from_row(row).map_err(SendError::refused)?;
        let mailer = self.0.mailer.clone();
        let sending = tokio::spawn(async move {
            let sent = tokio::time::timeout(SEND_LIMIT, mailer.send(&mail)).await;
            sent.unwrap_or_else(|elapsed| Err(SendError::failed(elapsed)))
        });
        // Without the text of the panic, which may quote anything.
        let panicked = |_| Err(SendError::failed("the mailer panicked"));
        sending.await.unwrap_or_else(panicked)
    }

    /// Whether nothing is to be sent for a row that was claimed.
    fn is_void(&self, id: &str) -> bool {
        let mut rows = self.rows();
        if let Some(is_claimed) = rows.inserting.get_mut(id) {
            *is_claimed = true;
        }
        rows.void.contains(id)
    }

    /// Deletes a mail that was sent. While that fails, this process remembers not to send it again.
    async fn delete_sent(&self, place: Place, id: String) {
        if let Err(error) = self.remove(place, &id).await {
            self.rows().void.insert(id.clone());
            let error = chain(&error);
            tracing::error!(
                mail = id,
                error,
                "a mail that was sent may still be in the store"
            );
        }
    }

    /// Deletes the rows for which nothing is to be sent.
    async fn delete_void(&self) {
        let ids: Vec<String> = self.rows().void.iter().cloned().collect();
        for id in ids {
            if self.remove(Place::Database, &id).await.is_err() {
                return;
            }
        }
    }

    /// Deletes a mail that is not sent. Where that fails, it is claimed again, and comes here again.
    async fn delete(&self, place: Place, id: &str) {
        if let Err(error) = self.remove(place, id).await {
            let error = chain(&error);
            tracing::error!(mail = id, error, "a mail cannot be deleted");
        }
    }

    /// Deletes a mail, and its row with it: one that waits in memory may have one.
    async fn remove(&self, place: Place, id: &str) -> Result<()> {
        if matches!(place, Place::Memory) {
            self.0.memory.delete_mail(id).await?;
            if !self.0.in_database {
                return Ok(());
            }
        }
        let deleting = self.ask(Place::Database, |store| store.delete_mail(id));
        deleting.await?;
        self.rows().void.remove(id);
        Ok(())
    }

    /// Where this fails, the mail is due when its claim ends.
    async fn postpone(&self, place: Place, id: &str, attempt: u32, due: UnixMillis) {
        let postponed = self.ask(place, |store| store.postpone_mail(id, attempt, due));
        if let Err(error) = postponed.await {
            let error = chain(&error);
            tracing::error!(mail = id, error, "a mail cannot be postponed");
        }
    }

    fn rows(&self) -> MutexGuard<'_, Rows> {
        self.0.rows.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The pause after this attempt, the first being 1. `random`, from 0 to 1, adds up to a tenth, so that what
/// failed together is not tried together.
fn pause(attempt: u32, random: f64) -> Duration {
    let grown = PAUSES_GROW.saturating_pow(attempt.saturating_sub(1));
    let pause = FIRST_PAUSE.saturating_mul(grown).min(LONGEST_PAUSE);
    pause.mul_f64(1.0 + random / 10.0)
}

fn random_fraction() -> f64 {
    let random = random_bytes().map_or(0, u32::from_ne_bytes);
    f64::from(random) / f64::from(u32::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_grow_up_to_an_hour() {
        let pauses = (1..ATTEMPTS).map(|attempt| pause(attempt, 0.0).as_secs());
        let pauses: Vec<_> = pauses.collect();
        assert_eq!(pauses, [5, 15, 45, 135, 405, 1215, 3600, 3600, 3600]);
        let hours = pauses.iter().sum::<u64>() as f64 / 3600.0;
        assert!((3.0..4.0).contains(&hours), "{hours}");
        assert_eq!(pause(1, 1.0), Duration::from_millis(5500));
        assert_eq!(pause(u32::MAX, 0.0), LONGEST_PAUSE);
    }
}
