//! The whole way, with a real Lucia v2 for the Node application.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::net::{SocketAddr, TcpListener};

use actix_web::rt;
use lucia::Environment;
use lucia_migration::Step;
use lucia_tests::{Database, Peer};
use serde_json::{Value, json};

const PASSWORD: &str = "correct horse battery";

/// The application in one of its steps, until it is dropped.
struct Running {
    address: SocketAddr,
    task: rt::task::JoinHandle<std::io::Result<()>>,
}

impl Running {
    async fn start(step: Step, database: &Database) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = database.url();
        let site = lucia_migration::start(step, Environment::Development, &url, listener)
            .await
            .unwrap();
        Self {
            address: site.address(),
            task: rt::spawn(site.run()),
        }
    }

    /// The status and body of a request with the token of a session.
    async fn get(&self, path: &str, token: &str) -> (u16, String) {
        let request = client().get(format!("http://{}{path}", self.address));
        let request = request.header("cookie", format!("auth_session={token}"));
        let response = request.send().await.unwrap();
        (response.status().as_u16(), response.text().await.unwrap())
    }

    async fn assert_signed_in(&self, token: &str) {
        let hello = (200, "Hello, ada!".to_owned());
        assert_eq!(self.get("/me", token).await, hello);
    }

    /// The token of a new session.
    async fn log_in(&self) -> String {
        let request = client().post(format!("http://{}/login", self.address));
        let form = [("username", "ada"), ("password", PASSWORD)];
        let response = request.form(&form).send().await.unwrap();
        assert_eq!(response.status(), 204);
        let cookie = response.headers()["set-cookie"].to_str().unwrap();
        let (name, rest) = cookie.split_once('=').unwrap();
        assert_eq!(name, "auth_session");
        rest.split(';').next().unwrap().to_owned()
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn client() -> reqwest::Client {
    let client = reqwest::Client::builder().no_proxy();
    client.build().unwrap()
}

/// Runs the statements of a file one by one, as `psql` does.
async fn run(database: &Database, sql: &str) {
    let client = database.connect().await;
    let lines = sql.lines().filter(|line| !line.starts_with("--"));
    let sql = lines.collect::<Vec<_>>().join("\n");
    for statement in sql.split(';') {
        client.batch_execute(statement).await.unwrap();
    }
}

async fn texts(database: &Database, sql: &str) -> Vec<String> {
    let client = database.connect().await;
    let rows = client.query(sql, &[]).await.unwrap();
    rows.iter().map(|row| row.get(0)).collect()
}

/// How many tokens and how many hashes of Lucia's there are.
async fn remaining(database: &Database) -> (i64, i64) {
    let client = database.connect().await;
    let row = client.query_one(include_str!("../sql/remaining.sql"), &[]);
    let row = row.await.unwrap();
    (row.get("tokens"), row.get("hashes"))
}

async fn token(peer: &Peer, user: &Value) -> String {
    let session = peer.call("createSession", json!({ "userId": user["userId"] }));
    let session = session.await.unwrap();
    session["sessionId"].as_str().unwrap().to_owned()
}

#[actix_web::test]
async fn nobody_is_logged_out_on_the_way_from_lucia_v2() {
    let database = Database::new().await;
    let Some(peer) = Peer::start(&database).await else {
        return;
    };
    peer.call("createTables", Value::Null).await.unwrap();
    let ada = json!({ "username": "ada", "password": PASSWORD });
    let user = peer.call("createUser", ada.clone()).await.unwrap();
    let bob = json!({ "username": "bob", "password": PASSWORD });
    peer.call("createUser", bob).await.unwrap();
    let (comes_back, stays_away) = (token(&peer, &user).await, token(&peer, &user).await);

    // 1. Indexes for a large table, and the application beside the other one.
    run(&database, include_str!("../sql/indexes.sql")).await;
    // Tables that are made anew have their own, and are empty or small.
    let sql = "SELECT indexdef FROM pg_indexes \
               WHERE schemaname = 'public' \
               AND tablename NOT IN ('sign_in_attempt', 'one_time_token', 'outgoing_mail', \
                   'user_credential', 'lucia_migration') \
               ORDER BY 1";
    let indexes = texts(&database, sql).await;
    let beside = Running::start(Step::Beside, &database).await;
    assert_eq!(texts(&database, sql).await, indexes);
    beside.assert_signed_in(&comes_back).await;
    let made_here = beside.log_in().await;
    let there = peer.call("validateSession", json!({ "id": made_here }));
    assert_eq!(there.await.unwrap()["user"]["username"], "ada");
    peer.call("useKey", ada.clone()).await.unwrap();
    let (_, sessions) = beside.get("/sessions", &made_here).await;
    let sessions: Vec<Value> = serde_json::from_str(&sessions).unwrap();
    assert_eq!(sessions.len(), 3);
    assert_eq!(remaining(&database).await, (3, 2));
    let cookie = format!("auth_session={comes_back}");
    let headers = json!({ "Cookie": cookie });
    let request = json!({ "method": "GET", "url": "http://localhost/", "headers": headers });
    let request = peer.call("request", request).await.unwrap();
    assert_eq!(request["session"]["user"]["username"], "ada");

    // 2. The Node application has stopped: sessions and hashes go over as people come.
    drop((beside, peer));
    let stopped = Running::start(Step::Stopped, &database).await;
    stopped.assert_signed_in(&comes_back).await;
    stopped.assert_signed_in(&made_here).await;
    assert_eq!(remaining(&database).await, (1, 2));
    stopped.log_in().await;
    assert_eq!(remaining(&database).await, (1, 1));
    let sql = "SELECT hashed_password FROM user_key WHERE id = 'username:ada'";
    assert!(texts(&database, sql).await[0].starts_with("$argon2id$"));

    // 3. The rest, all at once.
    run(&database, include_str!("../sql/hash_tokens.sql")).await;
    assert_eq!(remaining(&database).await, (0, 1));
    drop(stopped);
    let done = Running::start(Step::Done, &database).await;
    run(&database, include_str!("../sql/drop_index.sql")).await;
    for token in [&comes_back, &stays_away, &made_here] {
        done.assert_signed_in(token).await;
    }
    for id in texts(&database, "SELECT id FROM user_session").await {
        assert_eq!(done.get("/me", &id).await.0, 401);
    }
    // Who has not signed in since has the hash of Lucia's still, and can.
    let sql = "SELECT hashed_password FROM user_key WHERE id = 'username:bob'";
    assert!(texts(&database, sql).await[0].starts_with("s2:"));
}

#[actix_web::test]
async fn a_database_that_is_not_lucias_is_told_by_what_it_lacks() {
    let database = Database::new().await;
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let started = lucia_migration::start(
        Step::Beside,
        Environment::Development,
        &database.url(),
        listener,
    )
    .await;
    let error = started.unwrap_err().to_string();
    assert!(
        error.contains("auth_user") && error.contains("username"),
        "{error}"
    );
}
