//! A primary and its standby, which take each other's place.

use std::time::{Duration, Instant};

use tokio::runtime::Runtime;
use tokio_postgres::{Client, NoTls, SimpleQueryMessage};

use super::server::{Server, Stop};

/// How long the servers may take to find each other.
const PATIENCE: Duration = Duration::from_secs(90);

/// Processes are stopped and killed here, and never the machine, so nothing has to reach the disk.
const SETTINGS: &[&str] = &["fsync=off", "full_page_writes=off", "autovacuum=off"];

/// A primary and a standby on ports of 127.0.0.1, which follows it by streaming replication.
#[derive(Debug)]
pub struct Pair {
    primary: Server,
    standby: Server,
    replication: Replication,
}

/// When the primary acknowledges a commit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Replication {
    /// When the standby has it (`synchronous_standby_names`), so a failover loses none.
    Synchronous,
    /// When the primary has it. A failover loses what has not been sent to the standby yet.
    Asynchronous,
}

/// What happens to the primary in a failover.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Failover {
    /// It is stopped.
    Stopped(Stop),
    /// It goes on, and refuses to write.
    ReadOnly,
}

impl Pair {
    /// Two servers, of which one follows the other.
    ///
    /// # Errors
    ///
    /// What went wrong, and what to install if that helps.
    pub fn start(replication: Replication) -> Result<Self, String> {
        let primary = Server::start_with(SETTINGS)?;
        let standby = primary.start_standby(SETTINGS)?;
        let pair = Self {
            primary,
            standby,
            replication,
        };
        pair.replicate()?;
        Ok(pair)
    }

    /// The address of a database on whichever of the two is the primary.
    #[must_use]
    pub fn url(&self, database: &str) -> String {
        // Always in the same order, so that it does not tell which one that is.
        let (one, other) = (self.primary.port(), self.standby.port());
        let (one, other) = (one.min(other), one.max(other));
        format!(
            "postgres://lucia@127.0.0.1:{one},127.0.0.1:{other}/{database}\
             ?target_session_attrs=read-write"
        )
    }

    /// The primary alone.
    #[must_use]
    pub fn primary(&self) -> &Server {
        &self.primary
    }

    /// The other server: the standby, or from a promotion until [`follow`](Self::follow), what was the
    /// primary before.
    #[must_use]
    pub fn standby(&self) -> &Server {
        &self.standby
    }

    /// As [`standby`](Self::standby), to stop it and start it again.
    pub fn standby_mut(&mut self) -> &mut Server {
        &mut self.standby
    }

    /// The primary takes no more writes.
    ///
    /// # Errors
    ///
    /// What went wrong.
    pub fn take_down(&mut self, how: Failover) -> Result<(), String> {
        match how {
            Failover::Stopped(how) => self.primary.stop(how),
            Failover::ReadOnly => {
                let primary = Connection::to(&self.primary)?;
                primary.execute(&[
                    "ALTER SYSTEM SET default_transaction_read_only = on",
                    "SELECT pg_reload_conf()",
                ])?;
                until("the primary refuses to write", || {
                    Ok(primary.value("SHOW default_transaction_read_only")? == "on")
                })?;
            }
        }
        Ok(())
    }

    /// Makes the standby the primary, and returns when it accepted writes. Until
    /// [`follow`](Self::follow), it is alone.
    ///
    /// # Errors
    ///
    /// What went wrong.
    pub fn promote(&mut self) -> Result<Instant, String> {
        let standby = Connection::to(&self.standby)?;
        // `pg_promote` itself looks ten times a second only.
        standby.execute(&["SELECT pg_promote(false)"])?;
        until("the standby accepts writes", || {
            Ok(standby.value("SELECT pg_is_in_recovery()")? == "f")
        })?;
        let writable = Instant::now();
        std::mem::swap(&mut self.primary, &mut self.standby);
        Ok(writable)
    }

    /// Has the server that was the primary follow the one that is, in place of what it was.
    ///
    /// # Errors
    ///
    /// What went wrong.
    pub fn follow(&mut self) -> Result<(), String> {
        if self.standby.is_running() {
            self.standby.stop(Stop::Fast);
        }
        self.standby.follow(&self.primary)?;
        self.replicate()
    }

    /// Waits until the standby follows, and has the primary wait for it from now on if it is to. The
    /// standby's copy of the settings is from before that: it will not wait when it is the primary.
    fn replicate(&self) -> Result<(), String> {
        let primary = Connection::to(&self.primary)?;
        let state = match self.replication {
            Replication::Asynchronous => "async",
            Replication::Synchronous => {
                primary.execute(&[
                    "ALTER SYSTEM SET synchronous_standby_names = '*'",
                    "SELECT pg_reload_conf()",
                ])?;
                "sync"
            }
        };
        let sql = format!(
            "SELECT count(*) FROM pg_stat_replication \
             WHERE state = 'streaming' AND sync_state = '{state}'"
        );
        until("the standby follows", || Ok(primary.value(&sql)? == "1"))
    }
}

impl Server {
    /// Has a standby replay nothing of what it receives, or go on with it.
    ///
    /// # Errors
    ///
    /// What went wrong.
    pub fn pause_replay(&self, paused: bool) -> Result<(), String> {
        let standby = Connection::to(self)?;
        if !paused {
            return standby.execute(&["SELECT pg_wal_replay_resume()"]);
        }
        standby.execute(&["SELECT pg_wal_replay_pause()"])?;
        until("replay is paused", || {
            Ok(standby.value("SELECT pg_get_wal_replay_pause_state()")? == "paused")
        })
    }

    /// The number of the next transaction that writes, which stays the same where nothing is written. A
    /// transaction that waits for a standby counts.
    ///
    /// # Errors
    ///
    /// What went wrong.
    pub fn next_transaction(&self) -> Result<String, String> {
        Connection::to(self)?.value(
            "SELECT greatest(pg_snapshot_xmax(pg_current_snapshot())::TEXT::BIGINT, \
                 (SELECT max(backend_xid::TEXT::BIGINT) + 1 FROM pg_stat_activity))",
        )
    }
}

/// Runs a statement at a server.
pub(super) fn execute(server: &Server, sql: &str) -> Result<(), String> {
    Connection::to(server)?.execute(&[sql])
}

fn until(what: &str, mut is_so: impl FnMut() -> Result<bool, String>) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    while !is_so()? {
        if Instant::now() > deadline {
            return Err(format!("Postgres: it does not come to be that {what}"));
        }
        std::thread::sleep(Duration::from_millis(2));
    }
    Ok(())
}

/// A connection for a thread without a runtime.
struct Connection {
    runtime: Runtime,
    client: Client,
}

impl Connection {
    fn to(server: &Server) -> Result<Self, String> {
        let failed = |error: &dyn std::fmt::Debug| format!("Postgres: no connection: {error:?}");
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build()
            .map_err(|error| failed(&error))?;
        let connected = runtime.block_on(tokio_postgres::connect(&server.url(), NoTls));
        let (client, connection) = connected.map_err(|error| failed(&error))?;
        runtime.spawn(connection);
        Ok(Self { runtime, client })
    }

    fn execute(&self, statements: &[&str]) -> Result<(), String> {
        for sql in statements {
            self.ask(sql)?;
        }
        Ok(())
    }

    fn value(&self, sql: &str) -> Result<String, String> {
        let value = self.ask(sql)?;
        value.ok_or_else(|| format!("Postgres: {sql}: no value"))
    }

    /// The first value of a statement.
    fn ask(&self, sql: &str) -> Result<Option<String>, String> {
        let messages = self.runtime.block_on(self.client.simple_query(sql));
        let messages = messages.map_err(|error| format!("Postgres: {sql}: {error:?}"))?;
        Ok(messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        }))
    }
}
