//! A Postgres server of our own.

use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use super::guard::{Guard, Owner, command_as};
use super::programs;
use crate::SmallDisk;

/// A machine that compiles at the same time can be slow.
const PATIENCE: Duration = Duration::from_secs(90);

/// A Postgres server on a port of 127.0.0.1, with a directory of its own, both gone when this is
/// dropped or the process ends, even by `kill -9`. Whoever can reach the port is its superuser
/// `lucia`.
#[derive(Debug)]
pub struct Server {
    guard: Guard,
    programs: PathBuf,
    owner: Option<Owner>,
    directory: PathBuf,
    port: u16,
    running: bool,
}

/// How a server is stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Stop {
    /// Open transactions are rolled back, connections closed.
    Fast,
    /// It drops everything, and recovers when it starts again.
    Immediate,
    /// `kill -9`.
    Kill,
}

impl Server {
    /// A server that keeps what it has said is committed, through [`Stop::Kill`] too: what it has written
    /// is the kernel's then, whether it is on the disk or not.
    ///
    /// # Errors
    ///
    /// What went wrong, and what to install if that helps.
    pub fn start_durable() -> Result<Self, String> {
        Self::new(&["fsync=off"])
    }

    /// A durable server with these settings besides, such as `shared_buffers=512MB`. They go before
    /// those that all servers of the tests have.
    ///
    /// # Errors
    ///
    /// What went wrong, and what to install if that helps.
    pub fn start_with(settings: &[&str]) -> Result<Self, String> {
        Self::new(settings)
    }

    /// A durable server with its write-ahead log on this disk, and with the tablespace `small` there.
    ///
    /// # Errors
    ///
    /// What went wrong, and what to install if that helps.
    pub fn start_on(disk: &SmallDisk) -> Result<Self, String> {
        let mut server = Self::stopped(&["fsync=off"])?;
        initialize(server.owner, &server.programs, &server.data())?;
        let (log, moved) = (server.data().join("pg_wal"), disk.path().join("wal"));
        let tables = disk.path().join("tables");
        let script = r#"cp -a "$1" "$2" && rm -r "$1" && ln -s "$2" "$1" && mkdir "$3""#;
        let mut moving = command_as(server.owner, Path::new("/bin/sh"));
        moving.args(["-c", script, "move"]);
        moving.args([&log, &moved, &tables]);
        succeed(moving, "moving the write-ahead log")?;
        server.start()?;
        let sql = format!("CREATE TABLESPACE small LOCATION '{}'", tables.display());
        super::pair::execute(&server, &sql)?;
        Ok(server)
    }

    /// Whether its process has ended by itself.
    #[must_use]
    pub fn has_ended(&self) -> bool {
        self.directory.join("ended").exists()
    }

    /// A server that is fast and forgets everything when it crashes.
    pub(super) fn start_fast() -> Result<Self, String> {
        Self::new(&[
            "fsync=off",
            "synchronous_commit=off",
            "full_page_writes=off",
            "autovacuum=off",
        ])
    }

    /// The address of the database `postgres`.
    #[must_use]
    pub fn url(&self) -> String {
        format!("postgres://lucia@127.0.0.1:{}/postgres", self.port)
    }

    /// Stops it and waits until it is gone.
    ///
    /// # Panics
    ///
    /// When its guard is gone.
    pub fn stop(&mut self, how: Stop) {
        let signal = match how {
            Stop::Fast => "INT",
            Stop::Immediate => "QUIT",
            Stop::Kill => "KILL",
        };
        self.guard.end(signal).expect("the guard answers");
        self.running = false;
    }

    /// Starts it again: same port, same data.
    ///
    /// # Panics
    ///
    /// When it does not come up.
    pub fn restart(&mut self) {
        assert!(!self.running, "it runs");
        if let Err(error) = self.start() {
            panic!("{error}");
        }
    }

    /// A hot standby of this server, which follows it. To be seen by others, it takes a while.
    pub(super) fn start_standby(&self, settings: &[&str]) -> Result<Self, String> {
        let mut standby = Self::stopped(settings)?;
        standby.follow(self)?;
        Ok(standby)
    }

    /// Starts this server, which is stopped, as a standby of another one, with a copy of its data.
    pub(super) fn follow(&mut self, primary: &Self) -> Result<(), String> {
        assert!(!self.running, "it runs");
        let data = self.data();
        if data.exists() {
            std::fs::remove_dir_all(&data)
                .map_err(|error| format!("Postgres: cannot delete old data: {error}"))?;
        }
        let mut copy = command_as(
            self.owner,
            &programs::sibling(&self.programs, "pg_basebackup"),
        );
        copy.args([
            "--checkpoint=fast",
            "--no-sync",
            "--no-manifest",
            "--write-recovery-conf",
        ])
        .args(["--host=127.0.0.1", "--username=lucia"])
        .arg(format!("--port={}", primary.port))
        .arg("--pgdata")
        .arg(&data);
        succeed(copy, "pg_basebackup")?;
        self.start()
    }

    /// The port of 127.0.0.1 that it listens on.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    pub(super) fn is_running(&self) -> bool {
        self.running
    }

    fn data(&self) -> PathBuf {
        self.directory.join("data")
    }

    fn new(settings: &[&str]) -> Result<Self, String> {
        let mut server = Self::stopped(settings)?;
        initialize(server.owner, &server.programs, &server.data())?;
        server.start()?;
        Ok(server)
    }

    /// A server without data.
    fn stopped(settings: &[&str]) -> Result<Self, String> {
        let programs = programs::directory()?;
        let failed = |what: &str, error: std::io::Error| format!("Postgres: {what}: {error}");
        let directory = tempfile::Builder::new()
            .prefix("lucia-postgres-")
            .tempdir()
            .map_err(|error| failed("no temporary directory", error))?
            // From here on it is the guard's to delete.
            .keep();
        let owner = Owner::unprivileged(&directory)?;
        if let Some(owner) = owner {
            std::os::unix::fs::chown(&directory, Some(owner.uid), Some(owner.gid))
                .map_err(|error| failed("cannot give its directory away", error))?;
        }
        let port = free_port()?;
        let data = directory.join("data");
        let server = command_line(&programs, &data, port, settings);
        Ok(Self {
            guard: Guard::new(owner, &directory, &server)
                .map_err(|error| failed("cannot start a shell", error))?,
            programs,
            owner,
            directory,
            port,
            running: false,
        })
    }

    /// Starts the process and waits until it accepts connections.
    fn start(&mut self) -> Result<(), String> {
        let deadline = Instant::now() + PATIENCE;
        loop {
            let pid = self.guard.start().map_err(|error| error.to_string())?;
            if self.becomes_ready(&pid, deadline) {
                self.running = true;
                return Ok(());
            }
            // After a `kill -9` its orphans hold the shared memory for a moment.
            if Instant::now() > deadline {
                let log = std::fs::read_to_string(self.directory.join("log")).unwrap_or_default();
                return Err(format!("Postgres does not start:\n{log}"));
            }
            let _ = self.guard.end("QUIT");
            std::thread::sleep(Duration::from_millis(100));
        }
    }

    /// Whether the process `pid` says that it is ready before it ends. It says so as to `pg_ctl`:
    /// by line 8 of its pid file.
    fn becomes_ready(&self, pid: &str, deadline: Instant) -> bool {
        let file = self.directory.join("data/postmaster.pid");
        let ended = self.directory.join("ended");
        while Instant::now() < deadline && !ended.exists() {
            let text = std::fs::read_to_string(&file).unwrap_or_default();
            let mut lines = text.lines();
            if lines.next() == Some(pid) && lines.nth(6).map(str::trim) == Some("ready") {
                return true;
            }
            std::thread::sleep(Duration::from_millis(10));
        }
        false
    }
}

fn initialize(owner: Option<Owner>, programs: &Path, data: &Path) -> Result<(), String> {
    let mut initdb = command_as(owner, &programs.join("initdb"));
    initdb
        .args(["--username=lucia", "--auth=trust", "--encoding=UTF8"])
        .args(["--locale=C", "--no-sync", "--no-instructions"])
        .arg("--pgdata")
        .arg(data);
    succeed(initdb, "initdb")
}

/// Runs a program of Postgres to its end.
fn succeed(mut command: Command, name: &str) -> Result<(), String> {
    let output = command
        .current_dir("/")
        .output()
        .map_err(|error| format!("Postgres: cannot run {name}: {error}"))?;
    if output.status.success() {
        Ok(())
    } else {
        let text = String::from_utf8_lossy(&output.stderr);
        Err(format!("Postgres: {name} failed: {text}"))
    }
}

fn command_line(programs: &Path, data: &Path, port: u16, settings: &[&str]) -> Vec<String> {
    let mut line = vec![
        programs.join("postgres").display().to_string(),
        "-D".to_owned(),
        data.display().to_string(),
    ];
    let port = format!("port={port}");
    let common = [
        "listen_addresses=127.0.0.1",
        "unix_socket_directories=",
        "max_connections=300",
        "shared_buffers=32MB",
        &port,
    ];
    for setting in common.iter().chain(settings) {
        line.extend(["-c".to_owned(), (*setting).to_owned()]);
    }
    line
}

/// A port that nobody listens on. It is below those that systems give to outgoing connections, so
/// that none of those takes it while the server is stopped.
fn free_port() -> Result<u16, String> {
    let seed = std::time::UNIX_EPOCH.elapsed().unwrap_or_default();
    let start = u64::from(seed.subsec_nanos()) ^ u64::from(std::process::id()).wrapping_mul(7919);
    (0..1000_u64)
        .map(|step| 16_000 + u16::try_from((start + step * 31) % 16_000).unwrap_or(0))
        .find(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, *port)).is_ok())
        .ok_or_else(|| "Postgres: no free port".to_owned())
}

#[cfg(test)]
mod tests {
    use super::{Server, Stop};
    use crate::{Database, programs_are_installed, skip};

    #[tokio::test]
    async fn what_is_committed_survives_every_way_to_stop() {
        if !programs_are_installed() {
            return skip(
                "what_is_committed_survives_every_way_to_stop",
                "no Postgres",
            );
        }
        let mut server = Server::start_durable().expect("a server");
        let database = Database::on(&server.url()).await;
        let client = database.connect().await;
        client
            .batch_execute("CREATE TABLE stops (how TEXT)")
            .await
            .expect("a table");
        for how in [Stop::Fast, Stop::Immediate, Stop::Kill] {
            let client = database.connect().await;
            let sql = format!("INSERT INTO stops VALUES ('{how:?}')");
            client.batch_execute(&sql).await.expect("inserted");
            server.stop(how);
            assert!(client.batch_execute("SELECT 1").await.is_err());
            server.restart();
        }
        let client = database.connect().await;
        let stops = client.query("SELECT how FROM stops", &[]).await;
        assert_eq!(stops.expect("rows").len(), 3);
    }

    #[test]
    fn nothing_is_left_of_a_server() {
        if !programs_are_installed() {
            return skip("nothing_is_left_of_a_server", "no Postgres");
        }
        let server = Server::start_durable().expect("a server");
        let (directory, port) = (server.directory.clone(), server.port);
        drop(server);
        assert!(!directory.exists());
        assert!(std::net::TcpListener::bind(("127.0.0.1", port)).is_ok());
    }
}
