//! A real Lucia v2 in Node, on the database of a test.

use std::fs::File;
use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use once_cell::sync::OnceCell;
use serde_json::{Value, json};

use crate::{Database, skip};

/// The program and what it needs.
const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/lucia-v2");

/// What this Lucia runs with. The default is Lucia's, in development.
#[derive(Clone, Debug)]
pub struct PeerOptions {
    /// Whether its cookies are `Secure`.
    pub production: bool,
    /// Whether it refuses unsafe requests of other origins.
    pub csrf_protection: bool,
    /// How long a session is active.
    pub active_period: Duration,
    /// How long it can be renewed after that.
    pub idle_period: Duration,
    /// Its setting `sessionCookie`.
    pub cookie: Value,
}

impl Default for PeerOptions {
    fn default() -> Self {
        const DAY: Duration = Duration::from_secs(24 * 60 * 60);
        Self {
            production: false,
            csrf_protection: true,
            active_period: DAY,
            idle_period: 14 * DAY,
            cookie: json!({}),
        }
    }
}

/// A Node application that has its users in a database by Lucia v2, until it is dropped.
#[derive(Debug)]
pub struct Peer {
    process: Child,
    pipes: Pipes,
}

/// What a [`Peer`] threw.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PeerError {
    /// Lucia's code, such as `AUTH_INVALID_SESSION_ID`; or an SQLSTATE, or the name of the error.
    pub code: String,
    /// What it says.
    pub message: String,
}

impl Peer {
    /// Starts one on this database. Without Node or its packages there is `None`, and the test
    /// that runs on this thread is said to be left out; see [`skip`].
    ///
    /// # Panics
    ///
    /// When it does not start, and in CI without Node.
    pub async fn start(database: &Database) -> Option<Self> {
        Self::start_with(database, &PeerOptions::default()).await
    }

    /// As [`start`](Self::start), with other settings than the default.
    ///
    /// # Panics
    ///
    /// When it does not start, and in CI without Node.
    pub async fn start_with(database: &Database, options: &PeerOptions) -> Option<Self> {
        static PREPARED: OnceCell<Result<(), String>> = OnceCell::new();

        let prepare = || prepare(Path::new(DIRECTORY), 18);
        let prepared = tokio::task::spawn_blocking(move || PREPARED.get_or_init(prepare));
        if let Err(why) = prepared.await.expect("nothing panics there") {
            let thread = std::thread::current();
            skip(thread.name().unwrap_or("a test with Node"), why);
            return None;
        }
        let url = database.url();
        let mut process = command(&url, options)
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start node: {error}"));
        let pipes = Pipes::of(&mut process);
        let peer = Self { process, pipes };
        let ready = peer.pipes.exchange(String::new()).await;
        assert_eq!(ready, json!({ "ok": "ready" }));
        Some(peer)
    }

    /// Has it run a command of `lucia-v2/peer.mjs`, such as
    /// `call("getSession", json!({ "id": id }))`. Commands are run one after the other.
    ///
    /// # Errors
    ///
    /// What Lucia threw.
    ///
    /// # Panics
    ///
    /// When the process is gone.
    pub async fn call(&self, command: &str, argument: Value) -> Result<Value, PeerError> {
        let line = format!("{}\n", json!({ command: argument }));
        let mut answer = self.pipes.exchange(line).await;
        match answer.get("error") {
            None => Ok(answer["ok"].take()),
            Some(code) => Err(PeerError {
                code: text(code),
                message: text(&answer["message"]),
            }),
        }
    }
}

impl Drop for Peer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// The standard input and output of a program in Node.
#[derive(Debug)]
pub(crate) struct Pipes(Arc<Mutex<Lines>>);

impl Pipes {
    pub(crate) fn of(process: &mut Child) -> Self {
        Self(Arc::new(Mutex::new(Lines {
            commands: process.stdin.take().expect("it is piped"),
            answers: BufReader::new(process.stdout.take().expect("it is piped")),
        })))
    }

    /// Writes `commands` and reads one line. It takes place on another thread, since this one may
    /// be busy with what the process waits for.
    pub(crate) async fn exchange(&self, commands: String) -> Value {
        let lines = Arc::clone(&self.0);
        let exchange = move || {
            let mut lines = lines.lock().expect("nothing panics with it");
            lines.exchange(&commands)
        };
        let answered = tokio::task::spawn_blocking(exchange).await;
        let answer = answered.expect("nothing panics there");
        answer.unwrap_or_else(|error| panic!("the process does not answer: {error}"))
    }
}

#[derive(Debug)]
struct Lines {
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Lines {
    fn exchange(&mut self, commands: &str) -> std::io::Result<Value> {
        self.commands.write_all(commands.as_bytes())?;
        let mut answer = String::new();
        self.answers.read_line(&mut answer)?;
        Ok(serde_json::from_str(&answer)?)
    }
}

/// The process ends by itself when its standard input does, so it does not outlive this one.
fn command(database: &str, options: &PeerOptions) -> Command {
    let mut command = Command::new("node");
    command
        .arg("peer.mjs")
        .current_dir(DIRECTORY)
        .env("DATABASE_URL", database)
        .env("LUCIA_ENV", if options.production { "PROD" } else { "DEV" })
        .env(
            "LUCIA_CSRF",
            if options.csrf_protection { "on" } else { "off" },
        )
        .env(
            "LUCIA_ACTIVE_PERIOD",
            options.active_period.as_millis().to_string(),
        )
        .env(
            "LUCIA_IDLE_PERIOD",
            options.idle_period.as_millis().to_string(),
        )
        .env("LUCIA_COOKIE", options.cookie.to_string())
        .stdin(Stdio::piped())
        .stdout(Stdio::piped());
    command
}

fn text(value: &Value) -> String {
    value
        .as_str()
        .map_or_else(|| value.to_string(), str::to_owned)
}

/// Installs the packages of a directory if they are not there as its lock file has them.
///
/// # Errors
///
/// What is missing.
pub(crate) fn prepare(directory: &Path, oldest: u32) -> Result<(), String> {
    let version = output(Command::new("node").arg("--version"))?;
    let major = version.trim_start_matches('v').split('.').next();
    if major.and_then(|major| major.parse().ok()) < Some(oldest) {
        return Err(format!("Node {oldest} or newer is needed, not {version}"));
    }
    let lock = directory.join("package-lock.json");
    // One process installs, the others wait.
    let locked = File::open(&lock).and_then(|file| file.lock().map(|()| file));
    let _locked = locked.map_err(|error| format!("cannot lock {}: {error}", lock.display()))?;
    // The last thing that npm writes.
    let installed = modified(&directory.join("node_modules/.package-lock.json"));
    if installed.is_some() && installed >= modified(&lock) {
        return Ok(());
    }
    let mut install = Command::new("npm");
    install
        .args(["ci", "--ignore-scripts", "--no-audit", "--no-fund"])
        .arg("--loglevel=error")
        .current_dir(directory);
    output(&mut install).map(drop)
}

fn modified(file: &Path) -> Option<SystemTime> {
    file.metadata().and_then(|file| file.modified()).ok()
}

/// What a program says that ends well.
fn output(command: &mut Command) -> Result<String, String> {
    let program = command.get_program().to_string_lossy().into_owned();
    let output = command
        .stdin(Stdio::null())
        .output()
        .map_err(|error| format!("cannot run {program}: {error}"))?;
    if !output.status.success() {
        let text = String::from_utf8_lossy(&output.stderr);
        return Err(format!("{program} failed: {}", text.trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).trim().to_owned())
}
