//! The program itself: how it starts, and what it says when it cannot.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, Command, Output, Stdio};

use tempfile::TempDir;

/// The program in an empty directory, without the settings of whoever runs the tests.
fn program(directory: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_quickstart"));
    command.current_dir(directory);
    for variable in ["DATABASE_URL", "ADDRESS", "PORT", "RUST_LOG"] {
        command.env_remove(variable);
    }
    command
}

/// The one line of a program that gave up.
fn complaint(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.starts_with("quickstart: "), "{stderr}");
    for noise in ["panicked", "Error {", "Some(", "Os {"] {
        assert!(!stderr.contains(noise), "{stderr}");
    }
    assert!(output.stdout.is_empty());
    stderr
}

#[test]
fn a_taken_port_is_one_clear_line() {
    let directory = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = program(&directory).args(["--port", &port]).output();
    let line = complaint(&output.unwrap());
    assert!(
        line.contains(&format!("cannot listen on 127.0.0.1:{port}")),
        "{line}"
    );
    assert!(line.contains("in use") && line.contains("--port"), "{line}");
    // Nothing was begun.
    assert_eq!(directory.path().read_dir().unwrap().count(), 0);
}

#[test]
fn an_unreachable_database_is_one_clear_line_without_its_password() {
    let directory = tempfile::tempdir().unwrap();
    let closed = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = closed.local_addr().unwrap();
    drop(closed);
    let output = program(&directory)
        .args(["--port", "0"])
        .env(
            "DATABASE_URL",
            format!("postgres://ada:swordfish@{address}/site"),
        )
        .output();
    let line = complaint(&output.unwrap());
    assert!(
        line.contains("Postgres") && line.contains("DATABASE_URL"),
        "{line}"
    );
    assert!(line.contains("refused"), "{line}");
    assert!(!line.contains("swordfish"), "{line}");
}

#[test]
fn a_database_file_that_cannot_be_is_one_clear_line() {
    let directory = tempfile::tempdir().unwrap();
    let output = program(&directory)
        .args(["--port", "0"])
        .env("DATABASE_URL", "sqlite:no/such/directory/site.db")
        .output();
    let line = complaint(&output.unwrap());
    assert!(line.contains("no/such/directory/site.db"), "{line}");
}

#[test]
fn settings_that_make_no_sense_are_named() {
    let directory = tempfile::tempdir().unwrap();
    for (argument, word) in [("--port=http", "`http`"), ("--verbose", "`--verbose`")] {
        let output = program(&directory).arg(argument).output().unwrap();
        assert!(complaint(&output).contains(word));
    }
    let output = program(&directory).env("ADDRESS", "999.0.0.1").output();
    assert!(complaint(&output.unwrap()).contains("999.0.0.1"));
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
    command.args(["--port", "0"]).stdout(Stdio::piped());
    let mut running = Running(command.spawn().unwrap());
    let mut stdout = BufReader::new(running.0.stdout.take().unwrap());

    let mut line = String::new();
    // The log says before that the tables have been made.
    while !line.starts_with("Listening on ") {
        line.clear();
        assert_ne!(stdout.read_line(&mut line).unwrap(), 0, "no address");
    }
    let address = line.trim().strip_prefix("Listening on ").unwrap();
    let page = reqwest::get(address).await.unwrap();
    assert_eq!(page.status(), 200);
    let log_in = reqwest::Client::new()
        .post(format!("{address}/login?next=/a-secret-place"))
        .form(&[("username", "ada"), ("password", "swordfish")])
        .send();
    assert_eq!(log_in.await.unwrap().status(), 401);
    assert!(directory.path().join("quickstart.db").exists());

    let pid = running.0.id().to_string();
    assert!(Command::new("kill").arg(pid).status().unwrap().success());
    assert!(running.0.wait().unwrap().success());
    let mut log = String::new();
    stdout.read_to_string(&mut log).unwrap();
    assert!(
        log.contains("GET / 200") && log.contains("POST /login 401"),
        "{log}"
    );
    assert!(
        !log.contains("swordfish") && !log.contains("secret"),
        "{log}"
    );
}
