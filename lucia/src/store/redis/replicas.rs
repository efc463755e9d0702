//! Writes that replicas have before a call returns, by `WAIT`.
//!
//! `WAIT` counts the replicas that have what its own connection has written. So it is sent behind the write, over
//! the same connection to the same server.
//!
//! A write that stands between the two changes nothing. It is there for commands that write nothing themselves,
//! because they find the work done: by another call a moment ago, or by themselves, where the connection broke and
//! they were sent again. Replicas receive all writes of a server in one order, so that one that has this write has
//! what the command has found as well.
//!
//! A server answers nothing else over a connection that waits. So these commands have a connection of their own, and
//! lookups do not wait behind them.

use std::time::Duration;

use redis::{Cmd, FromRedisValue, RedisResult, Value};

use super::connection::Connection;
use super::failure::{failed, unexpected};
use super::scripts::{self, Script};
use crate::store::{Result, StoreError};

/// How many replicas are to have a write, and how long to wait for them.
#[derive(Clone, Copy, Debug)]
pub(super) struct Quorum {
    pub(super) replicas: u32,
    pub(super) patience: Duration,
}

/// A connection for writes that wait for replicas.
pub(super) struct Replicas {
    connection: Connection,
    quorum: Quorum,
}

impl Replicas {
    pub(super) fn new(connection: Connection, quorum: Quorum) -> Self {
        Self { connection, quorum }
    }

    pub(super) fn quorum(&self) -> Quorum {
        self.quorum
    }

    /// Runs a script with this key.
    pub(super) async fn run<T: FromRedisValue>(
        &self,
        script: &Script,
        key: &str,
        arguments: &[&str],
        what: &str,
    ) -> Result<T> {
        let send = |command| self.send(command, key);
        let sent = script.run(key, arguments, send).await;
        self.acknowledged(sent, what)
    }

    /// Sends a command for this key.
    pub(super) async fn ask<T: FromRedisValue>(
        &self,
        command: Cmd,
        key: &str,
        what: &str,
    ) -> Result<T> {
        let sent = self.send(command, key).await;
        self.acknowledged(sent, what)
    }

    /// The reply to the command, and how many replicas have what it wrote or found.
    async fn send(&self, command: Cmd, key: &str) -> RedisResult<(Value, u32)> {
        let Quorum { replicas, patience } = self.quorum;
        let mut wait = redis::cmd("WAIT");
        wait.arg(replicas).arg(patience.as_millis().to_string());
        let touch = scripts::TOUCH.by_text(key, &[]);
        self.connection.send_before(command, touch, wait).await
    }

    fn acknowledged<T: FromRedisValue>(
        &self,
        sent: RedisResult<(Value, u32)>,
        what: &str,
    ) -> Result<T> {
        let (reply, received) = sent.map_err(|error| failed(&error))?;
        let asked = self.quorum.replicas;
        if received < asked {
            let failure = format!(
                "Redis has written this, and {received} of {asked} replicas have received it in time"
            );
            return Err(StoreError::unavailable(failure));
        }
        redis::from_redis_value(reply).map_err(|_| unexpected(what))
    }
}
