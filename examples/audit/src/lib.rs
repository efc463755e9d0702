//! An audit table for lucia's events, in Postgres.
//!
//! Most rows are written by a task: the hook puts each event into a bounded channel and returns at once. So
//! a database that is slow delays no sign-in. These rows can be lost:
//!
//! - those in the channel when the process crashes or is killed, and those not yet written when it ends
//!   without [`Writer::finish`];
//! - those that find the channel full, because the database has been away for a while: [`Audit::lost`] counts
//!   them.
//!
//! The row of a sign-up by [`sign_up`] cannot be lost: it is written in the transaction that creates the
//! user.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use deadpool_postgres::Pool;
use lucia::{Auth, Event, EventKind, NewUser, User};
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// The table. It has no foreign key: what is known of a user stays when the user is deleted. Its addresses
/// and user agents are personal data: delete old rows.
pub const TABLE: &str = "CREATE TABLE IF NOT EXISTS audit (
    id BIGINT GENERATED ALWAYS AS IDENTITY PRIMARY KEY,
    happened_at TIMESTAMPTZ NOT NULL DEFAULT now(),
    event TEXT NOT NULL,
    user_id TEXT,
    session_id TEXT,
    address TEXT,
    user_agent TEXT,
    details JSONB NOT NULL DEFAULT '{}'
)";

const INSERT: &str = "INSERT INTO audit
    (happened_at, event, user_id, session_id, address, user_agent, details)
    VALUES ($1, $2, $3, $4, $5, $6, $7::TEXT::JSONB)";

/// How many events are written by one transaction.
const BATCH: usize = 100;

/// How long to wait before a batch is written again that has failed.
const PAUSE: Duration = Duration::from_secs(1);

/// The end of the channel that the hook has: `Auth::builder(store).on_event(audit.hook())`.
#[derive(Clone, Debug)]
pub struct Audit {
    sender: mpsc::Sender<Event>,
    lost: Arc<AtomicU64>,
}

/// The task that writes the rows.
#[derive(Debug)]
pub struct Writer(JoinHandle<()>);

/// Starts the task that writes rows. Up to `capacity` events wait for it.
#[must_use]
pub fn start(pool: Pool, capacity: usize) -> (Audit, Writer) {
    let (sender, receiver) = mpsc::channel(capacity);
    let audit = Audit {
        sender,
        lost: Arc::default(),
    };
    (audit, Writer(tokio::spawn(write_all(pool, receiver))))
}

impl Audit {
    /// The hook. It waits for nothing.
    pub fn hook(self) -> impl Fn(&Event) + Send + Sync + 'static {
        move |event| {
            if !is_in_transaction(&event.kind) && self.sender.try_send(event.clone()).is_err() {
                self.lost.fetch_add(1, Ordering::Relaxed);
                tracing::error!(
                    event = event.kind.name(),
                    "an event is not in the audit table"
                );
            }
        }
    }

    /// How many events found the channel full.
    #[must_use]
    pub fn lost(&self) -> u64 {
        self.lost.load(Ordering::Relaxed)
    }
}

/// Whether the caller of the transaction writes it: it is not an event until it is committed.
fn is_in_transaction(kind: &EventKind) -> bool {
    matches!(
        kind,
        EventKind::UserCreated {
            in_transaction: true,
            ..
        } | EventKind::KeyCreated {
            in_transaction: true,
            ..
        }
    )
}

impl Writer {
    /// Waits until all events are written: call it when the server has stopped and the `Auth` with its hook
    /// is dropped.
    pub async fn finish(self) {
        if let Err(error) = self.0.await {
            tracing::error!(%error, "the audit table was not written to the end");
        }
    }
}

async fn write_all(pool: Pool, mut receiver: mpsc::Receiver<Event>) {
    let mut batch = Vec::with_capacity(BATCH);
    while receiver.recv_many(&mut batch, BATCH).await > 0 {
        while let Err(error) = write(&pool, &batch).await {
            tracing::error!(%error, "the audit table cannot be written to");
            tokio::time::sleep(PAUSE).await;
        }
        batch.clear();
    }
}

async fn write(
    pool: &Pool,
    batch: &[Event],
) -> Result<(), Box<dyn std::error::Error + Send + Sync>> {
    let mut client = pool.get().await?;
    let transaction = client.transaction().await?;
    let insert = transaction.prepare_cached(INSERT).await?;
    for event in batch {
        let kind = &event.kind;
        transaction
            .execute(
                &insert,
                &[
                    &event.time,
                    &kind.name(),
                    &kind.user_id().map(AsRef::<str>::as_ref),
                    &kind.session_id().map(AsRef::<str>::as_ref),
                    &event.address.map(|address| address.to_string()),
                    &event.user_agent.as_deref(),
                    &serde_json::to_string(kind)?,
                ],
            )
            .await?;
    }
    transaction.commit().await?;
    Ok(())
}

/// Creates a user, with the row that says so in the same transaction: both or neither.
///
/// # Errors
///
/// Those of [`Auth::create_user`], and those of the database.
pub async fn sign_up(
    auth: &Auth,
    pool: &Pool,
    new_user: NewUser<'_>,
) -> Result<User, Box<dyn std::error::Error + Send + Sync>> {
    let mut client = pool.get().await?;
    let transaction = client.transaction().await?;
    let user = auth.create_user(new_user).transaction(&transaction).await?;
    let insert = "INSERT INTO audit (event, user_id) VALUES ('user_created', $1)";
    transaction.execute(insert, &[&user.id]).await?;
    transaction.commit().await?;
    Ok(user)
}
