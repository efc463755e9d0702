//! A real mail server in Node.

use std::path::Path;
use std::process::{Child, Command, Stdio};

use once_cell::sync::OnceCell;
use serde::Deserialize;
use serde_json::{Value, json};

use crate::node::{Pipes, prepare};
use crate::skip;

/// The program and what it needs.
const DIRECTORY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/smtp");

/// An SMTP server on a port of 127.0.0.1, until it is dropped.
#[derive(Debug)]
pub struct MailServer {
    process: Child,
    pipes: Pipes,
    options: Value,
    port: u16,
}

/// A mail as it arrived.
#[derive(Clone, Debug, Deserialize)]
pub struct ReceivedMail {
    /// Which connection it came by.
    pub connection: String,
    /// Whether it came over TLS.
    pub secure: bool,
    /// Who had signed in.
    pub user: Option<String>,
    /// From and to whom, as the commands of SMTP said.
    pub envelope: Envelope,
    /// The header `From`.
    pub from: Option<String>,
    /// The header `To`.
    pub to: Option<String>,
    /// The subject, decoded.
    pub subject: Option<String>,
    /// The text, decoded.
    pub text: Option<String>,
    /// The HTML, decoded.
    pub html: Option<String>,
    /// The header `Message-ID`.
    pub id: Option<String>,
    /// All headers, as they were written.
    pub headers: Vec<String>,
    /// All of it, as it was written.
    pub raw: String,
}

/// From and to whom.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Envelope {
    /// The sender.
    pub from: String,
    /// The recipients.
    pub to: Vec<String>,
}

impl MailServer {
    /// Starts one with the options of `start` in `smtp/server.mjs`. Without Node or its packages there is
    /// `None`, and the test that runs on this thread is said to be left out; see [`skip`].
    ///
    /// # Panics
    ///
    /// When it does not start, and in CI without Node.
    pub async fn start(options: Value) -> Option<Self> {
        static PREPARED: OnceCell<Result<(), String>> = OnceCell::new();

        let prepare = || prepare(Path::new(DIRECTORY), 18);
        let prepared = tokio::task::spawn_blocking(move || PREPARED.get_or_init(prepare));
        if let Err(why) = prepared.await.expect("nothing panics there") {
            let thread = std::thread::current();
            skip(thread.name().unwrap_or("a test with a mail server"), why);
            return None;
        }
        // It ends by itself when its standard input does, so it does not outlive this process.
        let mut process = Command::new("node")
            .arg("server.mjs")
            .current_dir(DIRECTORY)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap_or_else(|error| panic!("cannot start node: {error}"));
        let pipes = Pipes::of(&mut process);
        let mut server = Self {
            process,
            pipes,
            options,
            port: 0,
        };
        let ready = server.pipes.exchange(String::new()).await;
        assert_eq!(ready, json!({ "ok": "ready" }));
        server.listen().await;
        Some(server)
    }

    /// Listens on its port, after [`stop`](Self::stop).
    ///
    /// # Panics
    ///
    /// When it cannot.
    pub async fn listen(&mut self) {
        self.options["port"] = json!(self.port);
        let port = self.call("start", self.options.clone()).await;
        self.port = serde_json::from_value(port).expect("a port");
    }

    /// Ends all connections, and takes no more.
    ///
    /// # Panics
    ///
    /// When it cannot.
    pub async fn stop(&self) {
        self.call("stop", Value::Null).await;
    }

    /// Ends all connections.
    ///
    /// # Panics
    ///
    /// When it cannot.
    pub async fn drop_connections(&self) {
        self.call("drop", Value::Null).await;
    }

    /// From now on it does as `behave` in `smtp/server.mjs` says.
    ///
    /// # Panics
    ///
    /// When it cannot.
    pub async fn behave(&self, behaviour: Value) {
        self.call("behave", behaviour).await;
    }

    /// The mails that it accepted, in the order in which they came.
    ///
    /// # Panics
    ///
    /// When it does not answer.
    pub async fn mails(&self) -> Vec<ReceivedMail> {
        let seen = self.call("seen", Value::Null).await;
        serde_json::from_value(seen["mails"].clone()).expect("mails")
    }

    /// The attempts to sign in, each with `user` and `secure`.
    ///
    /// # Panics
    ///
    /// When it does not answer.
    pub async fn sign_ins(&self) -> Vec<Value> {
        let seen = self.call("seen", Value::Null).await;
        seen["signIns"].as_array().cloned().expect("a list")
    }

    /// How many connections were opened to it.
    ///
    /// # Panics
    ///
    /// When it does not answer.
    pub async fn connections(&self) -> u64 {
        let seen = self.call("seen", Value::Null).await;
        seen["connections"].as_u64().expect("a number")
    }

    /// The port.
    #[must_use]
    pub fn port(&self) -> u16 {
        self.port
    }

    async fn call(&self, command: &str, argument: Value) -> Value {
        let line = format!("{}\n", json!({ command: argument }));
        let mut answer = self.pipes.exchange(line).await;
        assert!(answer.get("error").is_none(), "{command}: {answer}");
        answer["ok"].take()
    }
}

impl Drop for MailServer {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}
