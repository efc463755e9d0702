//! A primary and its standby, which take each other's place.

use std::time::{Duration, Instant};

use tokio_postgres::{NoTls, SimpleQueryMessage};

use super::server::{Server, Stop};

/// How long the servers may take to find each other.
const PATIENCE: Duration = Duration::from_secs(90);

/// Processes are stopped and killed here, and never the machine, so nothing has to reach the disk.
const SETTINGS: &[&str] = &["fsync=off", "full_page_writes=off", "autovacuum=off"];

/// A primary and a standby on ports of 127.0.0.1. A commit is acknowledged when the standby has it, so
/// a failover loses none.
#[derive(Debug)]
pub struct Pair {
    primary: Server,
    standby: Server,
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
    pub fn start() -> Result<Self, String> {
        let primary = Server::start_with(SETTINGS)?;
        let standby = primary.start_standby(SETTINGS)?;
        let pair = Self { primary, standby };
        pair.synchronize()?;
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

    /// Makes the standby the primary. Until [`follow`](Self::follow), it is alone.
    ///
    /// # Errors
    ///
    /// What went wrong.
    pub fn fail_over(&mut self, how: Failover) -> Result<(), String> {
        match how {
            Failover::Stopped(how) => self.primary.stop(how),
            Failover::ReadOnly => {
                execute(
                    &self.primary,
                    &[
                        "ALTER SYSTEM SET default_transaction_read_only = on",
                        "SELECT pg_reload_conf()",
                    ],
                )?;
                until("the primary refuses to write", || {
                    Ok(value(&self.primary, "SHOW default_transaction_read_only")? == "on")
                })?;
            }
        }
        execute(&self.standby, &["SELECT pg_promote(true, 60)"])?;
        std::mem::swap(&mut self.primary, &mut self.standby);
        until("the standby is promoted", || {
            Ok(value(&self.primary, "SHOW transaction_read_only")? == "off")
        })
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
        self.synchronize()
    }

    /// Has the primary wait for the standby from now on. The standby's copy of the settings is from
    /// before that: it will not wait when it is the primary.
    fn synchronize(&self) -> Result<(), String> {
        execute(
            &self.primary,
            &[
                "ALTER SYSTEM SET synchronous_standby_names = '*'",
                "SELECT pg_reload_conf()",
            ],
        )?;
        until("the standby follows", || {
            let sql = "SELECT count(*) FROM pg_stat_replication \
                       WHERE state = 'streaming' AND sync_state = 'sync'";
            Ok(value(&self.primary, sql)? == "1")
        })
    }
}

fn until(what: &str, mut is_so: impl FnMut() -> Result<bool, String>) -> Result<(), String> {
    let deadline = Instant::now() + PATIENCE;
    while !is_so()? {
        if Instant::now() > deadline {
            return Err(format!("Postgres: it does not come to be that {what}"));
        }
        std::thread::sleep(Duration::from_millis(10));
    }
    Ok(())
}

fn execute(server: &Server, statements: &[&str]) -> Result<(), String> {
    for sql in statements {
        ask(server, sql)?;
    }
    Ok(())
}

fn value(server: &Server, sql: &str) -> Result<String, String> {
    let value = ask(server, sql)?;
    value.ok_or_else(|| format!("Postgres: {sql}: no value"))
}

/// The first value of a statement, from a thread without a runtime.
fn ask(server: &Server, sql: &str) -> Result<Option<String>, String> {
    let failed = |error: &dyn std::fmt::Debug| format!("Postgres: {sql}: {error:?}");
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()
        .map_err(|error| failed(&error))?;
    runtime.block_on(async {
        let connected = tokio_postgres::connect(&server.url(), NoTls).await;
        let (client, connection) = connected.map_err(|error| failed(&error))?;
        tokio::spawn(connection);
        let messages = client.simple_query(sql).await;
        let messages = messages.map_err(|error| failed(&error))?;
        Ok(messages.iter().find_map(|message| match message {
            SimpleQueryMessage::Row(row) => row.get(0).map(str::to_owned),
            _ => None,
        }))
    })
}
