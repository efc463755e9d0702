//! "Recent activity": lucia's events about a user, in a table of this site.
//!
//! The hook puts each event into a bounded channel and returns at once, so that a slow database delays no
//! sign-in. A task writes the rows.

mod sentences;
mod table;

use std::time::{Duration, SystemTime};

use lucia::{Event, EventKind, SignInMethod, UserId};
use tokio::sync::mpsc;

use crate::device::Device;
use sentences::{SIGN_UP, sentence};
pub use table::Table;

/// How many events may wait for the database.
const CAPACITY: usize = 1000;

/// How many events are written by one transaction.
const BATCH: usize = 100;

/// How long to wait before a batch is written again that has failed, and how often to try.
const PAUSE: Duration = Duration::from_secs(1);
const TRIES: u32 = 30;

/// How long rows are kept: addresses are personal data.
const KEPT: Duration = Duration::from_secs(90 * 24 * 60 * 60);

/// The table, and the way into it.
#[derive(Clone)]
pub struct Activity {
    table: Table,
    sender: mpsc::Sender<Row>,
}

/// What has happened to an account.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Row {
    pub at: SystemTime,
    pub user_id: String,
    /// The name of the event, or [`DELETED`].
    pub event: String,
    /// `password`, `link`, `code`, or the id of a provider; or nothing.
    pub how: String,
    pub device: String,
    pub address: String,
}

/// The event after which nothing is kept of a user.
const DELETED: &str = "user_deleted";

impl Activity {
    /// Starts the task that writes rows.
    pub fn start(table: Table) -> Self {
        let (sender, receiver) = mpsc::channel(CAPACITY);
        tokio::spawn(write_all(table.clone(), receiver));
        Self { table, sender }
    }

    /// The hook for [`on_event`](lucia::AuthBuilder::on_event). It waits for nothing.
    pub fn hook(&self) -> impl Fn(&Event) + Send + Sync + 'static {
        let sender = self.sender.clone();
        move |event| {
            let Some(row) = row(event) else { return };
            if sender.try_send(row).is_err() {
                let event = event.kind.name();
                tracing::error!(event, "an event is not among the recent activity");
            }
        }
    }

    /// The latest rows of a user, the newest first.
    pub async fn latest(&self, user_id: &UserId, count: u32) -> lucia::Result<Vec<Row>> {
        self.table.latest(user_id.as_str(), count).await
    }
}

impl Row {
    /// What has happened, for the user. `name` is that of the provider, where it is one.
    pub fn sentence(&self, name: &str) -> String {
        sentence(&self.event, &self.how, name).unwrap_or_default()
    }
}

/// What the table keeps of an event, if it is one that users should see.
fn row(event: &Event) -> Option<Row> {
    let kind = &event.kind;
    let (name, how) = (kind.name(), how(kind));
    if name != DELETED && sentence(name, how, how).is_none() {
        return None;
    }
    let device = event.user_agent.as_deref().map(Device::of);
    let address = event.address.map(|address| address.to_string());
    Some(Row {
        at: event.time,
        user_id: kind.user_id()?.as_str().to_owned(),
        event: name.to_owned(),
        how: how.to_owned(),
        device: device.map(|device| device.0).unwrap_or_default(),
        address: address.unwrap_or_default(),
    })
}

/// By what a user signed in, or which provider it is about.
fn how(kind: &EventKind) -> &str {
    match kind {
        EventKind::SignedIn {
            method,
            provider_id,
            ..
        } => by_method(*method, provider_id.as_deref()),
        EventKind::SignInFailed {
            method,
            provider_id,
            ..
        } => by_method(*method, provider_id.as_deref()),
        EventKind::Reauthenticated {
            method,
            provider_id,
            ..
        } => by_method(*method, Some(provider_id)),
        EventKind::KeyCreated { provider_id, .. } | EventKind::KeyDeleted { provider_id, .. } => {
            provider_id
        }
        _ => "",
    }
}

fn by_method(method: SignInMethod, provider_id: Option<&str>) -> &str {
    match method {
        SignInMethod::Password => "password",
        SignInMethod::Link => "link",
        SignInMethod::Code => "code",
        SignInMethod::OAuth => provider_id.unwrap_or_default(),
        SignInMethod::SignUp => SIGN_UP,
        _ => "",
    }
}

async fn write_all(table: Table, mut receiver: mpsc::Receiver<Row>) {
    let mut batch = Vec::with_capacity(BATCH);
    while receiver.recv_many(&mut batch, BATCH).await > 0 {
        for attempt in 1..=TRIES {
            let Err(error) = table.write(&batch, SystemTime::now() - KEPT).await else {
                break;
            };
            tracing::error!(%error, attempt, lost = attempt == TRIES, "recent activity is not written");
            tokio::time::sleep(PAUSE).await;
        }
        batch.clear();
    }
}
