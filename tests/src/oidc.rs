//! The npm package `oidc-provider`, a certified OpenID provider, on a port of this machine.

use std::io::{BufRead, BufReader, Write};
use std::path::Path;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use once_cell::sync::OnceCell;

use crate::node::prepare;
use crate::skip;

/// The program and what it needs.
const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/oidc-provider");

/// A provider whose pages accept any name and password, until it is dropped.
#[derive(Debug)]
pub struct OidcProvider {
    /// Its issuer.
    pub issuer: String,
    process: Child,
    // The process ends when this does.
    _commands: ChildStdin,
    _answers: BufReader<ChildStdout>,
}

impl OidcProvider {
    /// Starts one with a client that has this redirect URL. Without Node or its packages there is `None`, and
    /// the test that runs on this thread is said to be left out; see [`skip`].
    ///
    /// # Panics
    ///
    /// When it does not start, and in CI without Node.
    pub async fn start(redirect_url: &str) -> Option<Self> {
        static PREPARED: OnceCell<Result<(), String>> = OnceCell::new();

        let prepared = tokio::task::spawn_blocking(|| {
            PREPARED.get_or_init(|| prepare(Path::new(DIRECTORY), 18))
        });
        if let Err(why) = prepared.await.expect("nothing panics there") {
            let thread = std::thread::current();
            skip(thread.name().unwrap_or("a test with Node"), why);
            return None;
        }
        let redirect_url = redirect_url.to_owned();
        let started = tokio::task::spawn_blocking(move || Self::spawn(&redirect_url));
        let started = started.await.expect("nothing panics there");
        Some(started.unwrap_or_else(|error| panic!("oidc-provider does not start: {error}")))
    }

    fn spawn(redirect_url: &str) -> std::io::Result<Self> {
        let mut process = Command::new("node")
            .arg("server.mjs")
            .current_dir(DIRECTORY)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .stderr(Stdio::null())
            .spawn()?;
        let mut commands = process.stdin.take().expect("it is piped");
        let mut answers = BufReader::new(process.stdout.take().expect("it is piped"));
        let mut issuer = String::new();
        answers.read_line(&mut issuer)?;
        writeln!(commands, "{redirect_url}")?;
        let mut ready = String::new();
        answers.read_line(&mut ready)?;
        assert_eq!(ready.trim(), "ready");
        Ok(Self {
            issuer: issuer.trim().to_owned(),
            process,
            _commands: commands,
            _answers: answers,
        })
    }
}

impl Drop for OidcProvider {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
