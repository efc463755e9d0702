//! [`Outbox`]: sends mails in the background, and retries.

mod memory;
mod worker;

use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::Mutex;
use tokio::sync::mpsc::error::TrySendError;
use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::JoinSet;

use super::{Mail, Mailer};
use crate::auth::Auth;
use crate::measure;
use crate::{Error, Result};
use worker::Worker;

/// How many mails are sent at once.
const WORKERS: usize = 4;

/// How long [`Outbox::stop`] waits for mails that are being sent.
const GRACE: Duration = Duration::from_secs(10);

/// The settings of an [`Outbox`], made by [`Auth::outbox`].
#[must_use = "an outbox works from `start()` on"]
pub struct OutboxBuilder {
    auth: Auth,
    mailer: Arc<dyn Mailer>,
    capacity: usize,
    in_memory: bool,
}

impl Auth {
    /// Settings of an [`Outbox`], which sends mails with `mailer` in the background:
    ///
    /// ```no_run
    /// use lucia::Auth;
    /// use lucia::mail::{Mail, Mailer};
    ///
    /// # async fn f(auth: Auth, mailer: impl Mailer, link: &str) -> lucia::Result<()> {
    /// let outbox = auth.outbox(mailer).start().await?; // in `main`
    ///
    /// // In a handler, which has a clone of it:
    /// outbox.send(Mail::new("ada@example.com", "Your link", link)?)?;
    ///
    /// outbox.stop().await; // when the server has stopped
    /// # Ok(()) }
    /// ```
    pub fn outbox(&self, mailer: impl Mailer) -> OutboxBuilder {
        OutboxBuilder {
            auth: self.clone(),
            mailer: Arc::new(mailer),
            capacity: 1000,
            in_memory: false,
        }
    }
}

impl OutboxBuilder {
    /// How many mails can wait in the memory of this process; 1000 by default.
    pub fn capacity(mut self, mails: usize) -> Self {
        self.capacity = mails;
        self
    }

    /// Keeps mails only in memory, so that the database does not hold their links and codes. Mails that
    /// were not sent are lost when the process ends.
    pub fn in_memory(mut self) -> Self {
        self.in_memory = true;
        self
    }

    /// Starts sending, on the caller's Tokio runtime. Mails that earlier processes left in the database are
    /// sent as well.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] if the capacity is 0; [`Error::Schema`] if the table for mails is missing;
    /// [`Error::Unavailable`] if the store is unavailable.
    pub async fn start(self) -> Result<Outbox> {
        // As many as a channel can hold.
        if self.capacity == 0 || self.capacity > tokio::sync::Semaphore::MAX_PERMITS {
            let reason = "it is 0 or beyond what a channel can hold";
            return Err(Error::setting("outbox.capacity", reason));
        }
        let mails = self.auth.store().mails().filter(|_| !self.in_memory);
        if let Some(mails) = mails {
            self.auth.ask(mails.check_mails()).await?;
        }
        let in_database = mails.is_some();
        let (sender, receiver) = mpsc::channel(self.capacity);
        let worker = Worker::new(self.auth, self.mailer, in_database);
        let mut tasks = JoinSet::new();
        for _ in 0..WORKERS {
            tasks.spawn(worker.clone().run());
        }
        tasks.spawn(take_in(receiver, worker.clone(), self.capacity));
        Ok(Outbox(Arc::new(Running {
            sender,
            tasks: Mutex::new(tasks),
            worker,
        })))
    }
}

debug_of!(OutboxBuilder: capacity, in_memory);

/// Mails that wait to be sent, and tasks that send them. A clone is another handle to the same outbox.
///
/// [`send`](Self::send) waits neither for the mail server nor for the database. So the response time does
/// not reveal whether a mail was sent.
///
/// # What can be lost, and what can come twice
///
/// If the store is a database, a mail is written to it within moments, and deleted after it was sent or
/// given up. It survives a restart. A process that is killed loses the mails that it has not yet written.
/// Otherwise mails are in memory, and are lost when the process ends; [`stop`](Self::stop) sends what it
/// can.
///
/// Any number of processes can have an outbox on the same database. Each mail is sent by one of them. If
/// that process is killed after it sent the mail and before it deleted it, another process sends the mail
/// again, ten minutes later. A mail is also sent twice if a mail server accepts it and loses the connection
/// before it confirms (RFC 5321, 4.5.3.2.6), and can be if the database does so when the mail is stored. Both copies have the same [`Mail::id`].
///
/// # Tries
///
/// A mail that could not be sent is tried again after about 5 s. Each further pause is three times as long,
/// up to an hour. After ten tries, in three to four hours, the mail is given up. A refused mail is given up
/// at once, and an [expired](Mail::with_lifetime) mail when its turn comes. The log has a line for each of
/// these, with the mail's id but not its address.
///
/// # Secrets
///
/// The table `outgoing_mail` holds addresses, and texts with links and codes, until they are sent. Protect
/// it and its backups like a list of open links: anyone who reads it can use the links until they expire.
/// [`in_memory`](OutboxBuilder::in_memory) keeps mails out of the database.
#[derive(Clone)]
pub struct Outbox(Arc<Running>);

struct Running {
    sender: Sender<Job>,
    tasks: Mutex<JoinSet<()>>,
    worker: Worker,
}

enum Job {
    Send(Box<Mail>),
    /// There is nothing more to come.
    Stop,
}

impl Outbox {
    /// Puts a mail into the outbox, and returns at once.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`] if as many mails are waiting in memory as the
    /// [`capacity`](OutboxBuilder::capacity) allows, and after [`stop`](Self::stop). The mail is then not
    /// sent.
    pub fn send(&self, mail: Mail) -> Result<()> {
        let refused = match self.0.sender.try_send(Job::Send(Box::new(mail))) {
            Ok(()) => return Ok(()),
            Err(TrySendError::Full(_)) => "the outbox is full",
            Err(TrySendError::Closed(_)) => "the outbox was stopped",
        };
        measure::mail("dropped");
        tracing::error!("a mail is not sent: {refused}");
        Err(Error::unavailable(refused))
    }

    /// Sends the mails that are due, or writes them to the database, and stops. Mails that are being sent
    /// have ten seconds to finish. Call this when the server no longer serves requests.
    pub async fn stop(&self) {
        let sender = &self.0.sender;
        let mut tasks = self.0.tasks.lock().await;
        let ended = async {
            // If the tasks have ended, there is nothing to say to them.
            let _ = sender.send(Job::Stop).await;
            while tasks.join_next().await.is_some() {}
        };
        let in_time = tokio::time::timeout(GRACE, ended).await.is_ok();
        let lost = self.0.worker.memory().len() + sender.max_capacity() - sender.capacity();
        tasks.shutdown().await;
        if lost > 0 {
            tracing::error!(lost, "mails were not sent before the outbox stopped");
        } else if !in_time {
            tracing::warn!("a mail was still being sent when the outbox stopped");
        }
    }
}

impl Drop for Running {
    /// Without a handle, no mail can come: the tasks send what there is, and end by themselves.
    fn drop(&mut self) {
        self.tasks.get_mut().detach_all();
    }
}

impl fmt::Debug for Outbox {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Outbox")
            .field("in_memory", &self.0.worker.memory().len())
            .finish_non_exhaustive()
    }
}

/// Puts mails where they wait to be sent.
async fn take_in(mut mails: Receiver<Job>, worker: Worker, capacity: usize) {
    while let Some(job) = mails.recv().await {
        match job {
            Job::Send(mail) => {
                worker.memory().has_room(capacity).await;
                worker.accept(*mail).await;
            }
            // What was sent before is received still.
            Job::Stop => mails.close(),
        }
    }
    worker.finish();
}

#[cfg(test)]
#[cfg(feature = "sqlite")]
mod tests;
