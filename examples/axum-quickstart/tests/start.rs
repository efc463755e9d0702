//! The program itself: how it starts, and what it says when it cannot.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::io::{BufRead, BufReader};
use std::net::TcpListener;
use std::process::{Child, Command, Stdio};

use tempfile::TempDir;

/// The program in an empty directory, without the settings of whoever runs the tests.
fn program(directory: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_axum-quickstart"));
    command.current_dir(directory).env("PORT", "0");
    command.env_remove("DATABASE_URL").env_remove("RUST_LOG");
    command
}

/// The one line of a program that gives up.
fn complaint(command: &mut Command) -> String {
    let output = command.output().unwrap();
    assert_eq!(output.status.code(), Some(1));
    assert!(output.stdout.is_empty());
    let stderr = String::from_utf8(output.stderr).unwrap();
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.starts_with("axum-quickstart: "), "{stderr}");
    stderr
}

#[test]
fn what_is_in_the_way_is_one_clear_line() {
    let directory = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let line = complaint(program(&directory).env("PORT", &port));
    assert!(line.contains(&port) && line.contains("in use"), "{line}");
    // Nothing was begun.
    assert_eq!(directory.path().read_dir().unwrap().count(), 0);

    let line = complaint(program(&directory).env("PORT", "http"));
    assert!(line.contains("PORT: `http`"), "{line}");

    let line = complaint(program(&directory).env("DATABASE_URL", "no/such/directory/a.db"));
    assert!(line.contains("no/such/directory/a.db"), "{line}");

    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    let url = format!("postgres://ada:swordfish@{address}/site");
    let line = complaint(program(&directory).env("DATABASE_URL", url));
    assert!(
        line.contains("Postgres") && line.contains("refused"),
        "{line}"
    );
    assert!(!line.contains("swordfish"), "{line}");
}

/// Ended with the test, however that ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[tokio::test]
async fn it_prints_its_address_answers_there_and_stops_when_asked_to() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = program(&directory);
    let mut running = Running(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut lines = BufReader::new(running.0.stdout.take().unwrap()).lines();
    let mut printed = lines.by_ref().map(Result::unwrap);
    // The log says before that the tables have been made.
    let line = printed.find(|line| line.starts_with("Listening on "));
    let line = line.expect("an address");
    let address = line.strip_prefix("Listening on ").unwrap();
    let page = reqwest::get(format!("{address}/?secret=swordfish"));
    assert_eq!(page.await.unwrap().status(), 200);
    assert!(directory.path().join("axum-quickstart.db").exists());

    let pid = running.0.id().to_string();
    let interrupt = Command::new("kill").args(["-INT", &pid]).status();
    assert!(interrupt.unwrap().success());
    assert!(running.0.wait().unwrap().success());
    let log: Vec<_> = lines.map(Result::unwrap).collect();
    assert!(log.iter().any(|line| line.contains("GET / 200")), "{log:?}");
    assert!(!log.concat().contains("swordfish"), "{log:?}");
}
