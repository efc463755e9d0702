//! The program itself: how it starts, and what it says when it cannot.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::io::{BufRead, BufReader, Read};
use std::net::TcpListener;
use std::process::{Child, ChildStdout, Command, Output, Stdio};
use std::time::{Duration, Instant};

use lucia_tests::Database;
use tempfile::TempDir;
use tokio::task::JoinSet;

const VARIABLES: [&str; 16] = [
    "ADDRESS",
    "BEHIND_PROXY",
    "DATABASE_URL",
    "GITHUB_ID",
    "GITHUB_SECRET",
    "GOOGLE_ID",
    "GOOGLE_SECRET",
    "MAIL_FROM",
    "OIDC_ID",
    "OIDC_ISSUER",
    "OIDC_NAME",
    "OIDC_SECRET",
    "PORT",
    "PUBLIC_URL",
    "RUST_LOG",
    "SMTP_URL",
];

/// The program in an empty directory, without the settings of the person who runs the tests.
fn program(directory: &TempDir) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_showcase"));
    command.current_dir(directory).args(["--port", "0"]);
    for variable in VARIABLES {
        command.env_remove(variable);
    }
    command
}

/// The one line of a program that gave up.
fn complaint(output: &Output) -> String {
    assert_eq!(output.status.code(), Some(1));
    let stderr = String::from_utf8(output.stderr.clone()).unwrap();
    assert_eq!(stderr.lines().count(), 1, "{stderr}");
    assert!(stderr.starts_with("showcase: "), "{stderr}");
    for noise in ["panicked", "Error {", "Some(", "Os {", "swordfish"] {
        assert!(!stderr.contains(noise), "{stderr}");
    }
    stderr
}

#[test]
fn the_readme_names_every_variable() {
    let readme = include_str!("../README.md");
    for variable in VARIABLES {
        assert!(readme.contains(&format!("`{variable}`")), "{variable}");
    }
}

#[test]
fn what_is_in_the_way_is_one_clear_line() {
    let directory = tempfile::tempdir().unwrap();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port().to_string();
    let output = program(&directory)
        .args(["--port", &port])
        .output()
        .unwrap();
    assert!(complaint(&output).contains(&format!("cannot listen on 127.0.0.1:{port}")));
    let smtp = ("SMTP_URL", "smtps://ada:swordfish@mail.example.com");
    let from = ("MAIL_FROM", "Showcase <no-reply@example.com>");
    for (variables, word) in [
        (&[("ADDRESS", "0.0.0.0")][..], "PUBLIC_URL"),
        (&[("PUBLIC_URL", "https://example.com")], "SMTP_URL"),
        (&[("SMTP_URL", "ftp://ada:swordfish@host"), from], "smtp"),
        (&[smtp, ("MAIL_FROM", "nobody")], "smtp.from"),
        (
            &[("DATABASE_URL", "sqlite:no/such/directory/site.db")],
            "no/such/directory/site.db",
        ),
        (
            &[("DATABASE_URL", "postgres://ada:swordfish@127.0.0.1:1/site")],
            "DATABASE_URL",
        ),
    ] {
        let output = program(&directory)
            .envs(variables.iter().copied())
            .output()
            .unwrap();
        let line = complaint(&output);
        assert!(line.contains(word), "{line}");
    }
}

/// Ended with the test, however that ends.
struct Running(Child);

impl Drop for Running {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Starts the program, and waits for its address.
fn run(command: &mut Command) -> (Running, BufReader<ChildStdout>, String) {
    let mut running = Running(command.stdout(Stdio::piped()).spawn().unwrap());
    let mut stdout = BufReader::new(running.0.stdout.take().unwrap());
    let mut line = String::new();
    // The log says before that the tables have been made.
    while !line.starts_with("Listening on ") {
        line.clear();
        assert_ne!(stdout.read_line(&mut line).unwrap(), 0, "no address");
    }
    let address = line.trim().strip_prefix("Listening on ").unwrap();
    (running, stdout, address.to_owned())
}

#[tokio::test]
async fn it_prints_its_address_answers_there_logs_no_secret_and_stops_when_asked_to() {
    let directory = tempfile::tempdir().unwrap();
    let (mut running, mut stdout, address) = run(&mut program(&directory));
    assert_eq!(reqwest::get(&address).await.unwrap().status(), 200);
    for path in [
        "dev/mailbox",
        "demo-provider/.well-known/openid-configuration",
    ] {
        assert_eq!(
            reqwest::get(format!("{address}/{path}"))
                .await
                .unwrap()
                .status(),
            200
        );
    }
    reqwest::get(format!("{address}/reset?token=swordfish"))
        .await
        .unwrap();
    let sign_in = reqwest::Client::new()
        .post(format!("{address}/login"))
        .form(&[("email", "ada@example.com"), ("password", "swordfish")])
        .send();
    assert_eq!(sign_in.await.unwrap().status(), 401);
    assert!(directory.path().join("showcase.db").exists());

    let pid = running.0.id().to_string();
    assert!(Command::new("kill").arg(pid).status().unwrap().success());
    assert!(running.0.wait().unwrap().success());
    let mut log = String::new();
    stdout.read_to_string(&mut log).unwrap();
    assert!(
        log.contains("GET / 200") && log.contains("POST /login 401"),
        "{log}"
    );
    assert!(!log.contains("swordfish") && !log.contains("ada@"), "{log}");
}

#[tokio::test]
async fn what_is_under_way_when_it_is_asked_to_stop_is_finished_and_kept() {
    is_finished_and_kept(None).await;
}

/// With the cache, its listener and the pool, of which nothing is left at the database.
#[tokio::test]
async fn what_is_under_way_when_it_is_asked_to_stop_is_finished_and_kept_in_postgres() {
    let database = Database::new().await;
    is_finished_and_kept(Some(&database)).await;
}

async fn is_finished_and_kept(database: Option<&Database>) {
    // Attempts that are not answered yet count as failed ones, of which five are allowed.
    const SIGN_INS: usize = 5;
    // The time that requests and mails have to finish.
    const STOPS_WITHIN: Duration = Duration::from_secs(10);

    let directory = tempfile::tempdir().unwrap();
    let mut program = program(&directory);
    if let Some(database) = database {
        program.env("DATABASE_URL", database.url());
    }
    let (mut running, _stdout, address) = run(&mut program);
    let client = || {
        let builder = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
        builder.build().unwrap()
    };
    let post = |path: &str, form: &[(&str, &str)]| {
        let request = client().post(format!("{address}/{path}")).form(form);
        request.header("origin", &address).send()
    };
    let [email, password] = [
        ("email", "ada@example.com"),
        ("password", "correct horse battery"),
    ];
    let sign_up = post("signup", &[("name", "Ada"), email, password]).await;
    assert_eq!(sign_up.unwrap().status(), 303);

    if let Some(database) = database {
        assert_ne!(connections(database, "LISTEN%").await, 0);
    }
    let mut sign_ins = JoinSet::new();
    for _ in 0..SIGN_INS {
        sign_ins.spawn(post("login", &[email, password]));
    }
    // The others have been sent, and wait for their hashes.
    let first = sign_ins.join_next().await.unwrap().unwrap();
    let pid = running.0.id().to_string();
    assert!(Command::new("kill").arg(pid).status().unwrap().success());
    let asked = Instant::now();
    let mut answers = vec![first];
    answers.extend(sign_ins.join_all().await);
    assert!(running.0.wait().unwrap().success());
    // Nothing has waited for its time-out.
    assert!(asked.elapsed() < STOPS_WITHIN, "{:?}", asked.elapsed());
    if let Some(database) = database {
        // The server notices a moment later.
        while connections(database, "%").await > 0 {
            assert!(asked.elapsed() < STOPS_WITHIN, "connections are left");
        }
    }

    let (_running, _stdout, address) = run(&mut program);
    for answer in answers {
        let answer = answer.expect("a sign-in that was sent is answered");
        assert_eq!(answer.status(), 303);
        let cookie = answer.headers()["set-cookie"].to_str().unwrap();
        let cookie = cookie.split(';').next().unwrap();
        let home = client().get(format!("{address}/home"));
        let home = home.header("cookie", cookie).send().await.unwrap();
        assert_eq!(home.status(), 200);
    }
}

/// How many connections to a database have sent something like this.
async fn connections(database: &Database, sent: &str) -> i64 {
    let client = database.connect().await;
    let count = "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database() \
                 AND pid <> pg_backend_pid() AND query LIKE $1::TEXT";
    client.query_one(count, &[&sent]).await.unwrap().get(0)
}

#[tokio::test]
async fn a_public_site_has_no_mailbox_and_no_demo_provider_and_a_secure_cookie() {
    let directory = tempfile::tempdir().unwrap();
    let mut command = program(&directory);
    command
        .env("PUBLIC_URL", "https://example.com")
        .env("SMTP_URL", "smtps://ada:swordfish@mail.invalid")
        .env("MAIL_FROM", "Showcase <no-reply@example.com>")
        .env("GITHUB_ID", "id")
        .env("GITHUB_SECRET", "swordfish");
    let (_running, _stdout, address) = run(&mut command);
    for path in ["dev/mailbox", "demo-provider/keys", "login/with/demo"] {
        let page = reqwest::get(format!("{address}/{path}")).await.unwrap();
        assert_eq!(page.status(), 404, "{path}");
    }
    let page = reqwest::get(format!("{address}/login")).await.unwrap();
    let policy = page.headers()["content-security-policy"]
        .to_str()
        .unwrap()
        .to_owned();
    assert!(
        policy.contains("form-action 'self' https://github.com;"),
        "{policy}"
    );
    let page = page.text().await.unwrap();
    assert!(page.contains("Continue with GitHub") && !page.contains("Demo"));
    let form = [
        ("name", "Ada"),
        ("email", "ada@example.com"),
        ("password", "correct horse battery"),
    ];
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none());
    let sign_up = client
        .build()
        .unwrap()
        .post(format!("{address}/signup"))
        .form(&form);
    let sign_up = sign_up
        .header("origin", "https://example.com")
        .send()
        .await
        .unwrap();
    assert_eq!(sign_up.status(), 303);
    let cookie = sign_up.headers()["set-cookie"].to_str().unwrap();
    assert!(
        cookie.starts_with("__Host-auth_session=") && cookie.contains("Secure"),
        "{cookie}"
    );
}
