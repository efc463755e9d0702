//! Builds a server, has it make its sessions, starts and stops it.

use std::collections::HashMap;
use std::io::{BufRead, BufReader};
use std::net::{Ipv4Addr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::catalogue::{Entry, Language};

/// How long a server may take to be ready, and to end.
const PATIENCE: Duration = Duration::from_secs(30);

/// A server that can be started.
#[derive(Clone, Debug)]
pub(crate) struct Program {
    pub(crate) entry: &'static Entry,
    command: Vec<PathBuf>,
}

/// Where a server finds what it needs.
#[derive(Clone, Debug)]
pub(crate) struct Surroundings {
    pub(crate) database_url: String,
    pub(crate) redis_url: Option<String>,
    pub(crate) pool: usize,
}

impl Program {
    /// The server, with its packages installed. `executables` are those of the workspace.
    pub(crate) fn new(
        entry: &'static Entry,
        executables: &HashMap<PathBuf, PathBuf>,
    ) -> Result<Self> {
        let command = match entry.language {
            Language::Rust => {
                let executable = executables.get(&entry.path());
                vec![executable.context("its crate makes no executable")?.clone()]
            }
            Language::Node(_) => {
                install_with_npm(&entry.path())?;
                vec![PathBuf::from("node"), entry.path().join("server.mjs")]
            }
        };
        Ok(Self { entry, command })
    }

    /// The same, run by another program.
    pub(crate) fn under(&self, other: &[&str]) -> Self {
        let other = other.iter().map(PathBuf::from);
        Self {
            entry: self.entry,
            command: other.chain(self.command.iter().cloned()).collect(),
        }
    }

    /// Has it make sessions for the first `count` users. What they are is in `file` then.
    pub(crate) fn seed(&self, around: &Surroundings, file: &Path, count: u32) -> Result<()> {
        let mut command = self.command(around, 0);
        command.arg("seed").arg(file).arg(count.to_string());
        let status = command.status()?;
        if !status.success() {
            bail!("the seed of {} failed: {status}", self.entry.name);
        }
        Ok(())
    }

    /// Starts it and waits until it is ready.
    pub(crate) fn start(&self, around: &Surroundings, more: &[&str]) -> Result<Running> {
        let port = free_port()?;
        let mut process = self
            .command(around, port)
            .arg("serve")
            .args(self.entry.arguments)
            .args(more)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .spawn()
            .with_context(|| format!("cannot start {}", self.entry.name))?;
        let output = process.stdout.take().context("its output is piped")?;
        let running = Running { process, port };
        let (sender, ready) = mpsc::channel();
        // What it says afterwards is read as well, so that it can say it.
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                if line == "ready" {
                    // Nobody waits any more if it was too late.
                    let _ = sender.send(());
                }
            }
        });
        let why = || format!("{} did not get ready", self.entry.name);
        ready.recv_timeout(PATIENCE).with_context(why)?;
        Ok(running)
    }

    fn command(&self, around: &Surroundings, port: u16) -> Command {
        let mut command = Command::new(&self.command[0]);
        command
            .args(&self.command[1..])
            .current_dir(self.entry.path())
            .env("DATABASE_URL", &around.database_url)
            .env("NODE_ENV", "production")
            .env("PORT", port.to_string())
            .env("POOL", around.pool.to_string());
        if let Some(url) = &around.redis_url {
            command.env("REDIS_URL", url);
        }
        command
    }
}

/// A server that runs. It is killed when this is dropped.
#[derive(Debug)]
pub(crate) struct Running {
    process: Child,
    port: u16,
}

impl Running {
    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// Tells it to end, and waits until it has.
    pub(crate) fn stop(mut self) -> Result<()> {
        let pid = i32::try_from(self.pid()).ok().and_then(Pid::from_raw);
        kill_process(pid.context("the server has no id")?, Signal::TERM)?;
        let deadline = Instant::now() + PATIENCE;
        while self.process.try_wait()?.is_none() {
            if Instant::now() > deadline {
                bail!("the server does not stop on SIGTERM");
            }
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        // It may have ended.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// A port that nobody listens on.
pub(crate) fn free_port() -> Result<u16> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?;
    Ok(listener.local_addr()?.port())
}

/// Builds the whole workspace, in the same way as the kit was, and returns the executables, each
/// with the directory of its crate.
///
/// All at once, since crates are compiled again for each other choice of features.
pub(crate) fn build_with_cargo() -> Result<HashMap<PathBuf, PathBuf>> {
    let manifest = Path::new(env!("CARGO_MANIFEST_DIR")).with_file_name("Cargo.toml");
    let mut cargo = Command::new("cargo");
    cargo
        .args([
            "build",
            "--workspace",
            "--locked",
            "--message-format=json-render-diagnostics",
        ])
        .arg("--manifest-path")
        .arg(manifest)
        .stderr(Stdio::inherit());
    if !cfg!(debug_assertions) {
        cargo.arg("--release");
    }
    let output = cargo.output().context("cannot run cargo")?;
    if !output.status.success() {
        bail!("the servers do not compile");
    }
    let messages = String::from_utf8(output.stdout)?;
    let executables = messages.lines().filter_map(|line| {
        let message: Value = serde_json::from_str(line).ok()?;
        let directory = Path::new(message["manifest_path"].as_str()?).parent()?;
        let executable = message["executable"].as_str()?;
        Some((directory.to_owned(), PathBuf::from(executable)))
    });
    Ok(executables.collect())
}

/// Installs the packages of a server in Node as its lock file has them.
fn install_with_npm(directory: &Path) -> Result<()> {
    let modified = |file: &str| {
        directory
            .join(file)
            .metadata()
            .and_then(|file| file.modified())
    };
    // The last thing that npm writes.
    let installed = modified("node_modules/.package-lock.json").ok();
    if installed.is_some() && installed >= modified("package-lock.json").ok() {
        return Ok(());
    }
    let status = Command::new("npm")
        .args([
            "ci",
            "--ignore-scripts",
            "--no-audit",
            "--no-fund",
            "--loglevel=error",
        ])
        .current_dir(directory)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .status()
        .context("cannot run npm")?;
    if !status.success() {
        bail!("npm failed in {}", directory.display());
    }
    Ok(())
}

/// The version of Node, if it is there.
pub(crate) fn node_version() -> Option<String> {
    let output = Command::new("node").arg("--version").output().ok()?;
    let text = String::from_utf8(output.stdout).ok()?;
    Some(text.trim().trim_start_matches('v').to_owned())
}
