//! The listener: receives notifications of changes, and removes the entries that they concern.

use std::sync::Weak;
use std::time::Instant;

use futures_util::StreamExt as _;
use tokio::sync::Notify;
use tokio_postgres::{AsyncMessage, Client};

use super::super::Parts;
use super::super::error::{Failure, within};
use super::end::End;
use super::triggers::{self, NOTIFYING, Watched};
use super::{Connect, Messages, Shared, Version, changed};

/// The payload of the first notification. A heartbeat carries its time and the version of the tables,
/// or what is wrong with them.
const OPENING: &str = "opening";

/// Listens until it cannot any more. `Ok` when the store is gone.
pub(super) async fn listen(
    parts: &Weak<Parts>,
    shared: &Shared,
    connect: &Connect,
) -> Result<(), End> {
    let Some(timeout) = parts.upgrade().map(|parts| parts.timeout) else {
        return Ok(());
    };
    let (client, mut messages) = within(timeout, connect()).await?;
    let channel = Channel::new()?;
    // The client gets its answers while the connection is asked for notifications: what arrived
    // before an answer has been dealt with before it, too.
    tokio::select! {
        biased;
        end = receive(shared, &mut messages, &channel) => Err(end),
        done = beat(parts, shared, &client, &channel) => done,
    }
}

/// The listener's own channel, for what it says to itself.
struct Channel {
    name: String,
    opening: Notify,
}

impl Channel {
    fn new() -> Result<Self, End> {
        let mut random = [0; 16];
        getrandom::fill(&mut random).map_err(|error| Failure::Driver(error.to_string()))?;
        Ok(Self {
            name: format!("lucia_{:032x}", u128::from_ne_bytes(random)),
            opening: Notify::new(),
        })
    }
}

/// Handles notifications in the order in which their transactions were committed.
async fn receive(shared: &Shared, messages: &mut Messages, channel: &Channel) -> End {
    let mut known = Version::default();
    loop {
        let notification = match messages.next().await {
            Some(Ok(AsyncMessage::Notification(notification))) => notification,
            Some(Ok(_)) => continue,
            Some(Err(error)) => return error.into(),
            None => return End::Closed,
        };
        if notification.channel() != channel.name {
            changed(shared, notification.payload());
            continue;
        }
        let payload = notification.payload();
        let (word, version) = payload.split_once(' ').unwrap_or((payload, ""));
        match word {
            OPENING => channel.opening.notify_one(),
            fault @ (triggers::MISSING | triggers::INHERITED) => return NOTIFYING.end_by(fault),
            sent => {
                let Ok(sent) = sent.parse() else {
                    return End::Unheard;
                };
                known.is(version.to_owned(), shared);
                if !shared.heartbeat(sent) {
                    return End::Silent;
                }
            }
        }
    }
}

/// Subscribes to changes, and then sends heartbeats. `Ok` when the store is gone.
async fn beat(
    parts: &Weak<Parts>,
    shared: &Shared,
    client: &Client,
    channel: &Channel,
) -> Result<(), End> {
    let limit = shared.freshness.limit;
    let execute = async |sql: String| {
        let done = tokio::time::timeout(limit, client.batch_execute(&sql)).await;
        done.map_err(|_| End::Silent)?.map_err(End::from)
    };
    execute(format!("LISTEN \"{}\"", channel.name)).await?;
    let Some(store) = parts.upgrade() else {
        return Ok(());
    };
    // By a connection of the pool: this connection receives its own notifications even where it
    // receives no others.
    let watched = triggers::say(&store, &channel.name, OPENING, None).await?;
    drop(store);
    if tokio::time::timeout(limit, channel.opening.notified())
        .await
        .is_err()
    {
        return Err(End::Unheard);
    }
    let Watched { sessions, users } = watched;
    execute(format!(
        "LISTEN \"lucia_{sessions}\"; LISTEN \"lucia_{users}\""
    ))
    .await?;
    let begin = Instant::now();
    loop {
        let now = shared.freshness.time(Instant::now()).to_string();
        let Some(store) = parts.upgrade() else {
            return Ok(());
        };
        // By the pool again: a listener that is connected to a server that the pool has left receives
        // none of these. Only the pool's own time-out bounds this, and closes a connection that does not
        // answer. The cache has stopped answering long before.
        triggers::say(&store, &channel.name, &now, Some(watched)).await?;
        drop(store);
        // The heartbeat arrives by another connection than the answer, and may be later.
        tokio::time::sleep(shared.freshness.pause()).await;
        let now = Instant::now();
        let may_be_the_first = now.saturating_duration_since(begin) < limit;
        if !may_be_the_first && !shared.freshness.is_fresh(now) {
            return Err(End::Silent);
        }
    }
}
