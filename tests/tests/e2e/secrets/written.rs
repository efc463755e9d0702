//! What is logged by any crate at any level, and what clients are told.

use actix_web::web::ServiceConfig;
use actix_web::{HttpResponse, get, post, web};
use lucia::{Auth, NewUser, NoAttributes, User, authenticated};
use serde_json::{Map, Value, json};

use super::{BROKEN_HASH, NEW_VALUE, PASSWORD, Secrets, WRONG_PASSWORD, watch_everything};
use crate::support::{Reply, Site, Stage, Told, actix, on_each_store};

on_each_store![
    r46_no_secret_is_logged_or_told_while_somebody_comes_and_goes,
    r46_no_secret_is_logged_or_told_when_values_are_refused,
    r46_no_secret_is_logged_or_told_when_a_stored_hash_is_malformed,
    r46_no_secret_is_logged_or_told_when_a_row_does_not_fit_the_code,
    r46_no_secret_is_logged_or_told_in_an_outage,
];

/// Signs somebody up with the columns that a client sends.
#[post("/join")]
async fn join(
    auth: web::Data<Auth>,
    columns: web::Json<Map<String, Value>>,
) -> lucia::Result<HttpResponse> {
    let new_user = NewUser::with_password(("username", "joined"), PASSWORD);
    let new_user = new_user.attributes(&columns.into_inner());
    auth.create_user(new_user.returning::<NoAttributes>())
        .await?;
    Ok(HttpResponse::Created().finish())
}

#[derive(serde::Deserialize)]
#[allow(dead_code)]
struct Numbered {
    nickname: u64,
}

#[get("/numbered")]
#[authenticated]
async fn numbered(_user: User<Numbered>) -> &'static str {
    "a number"
}

fn routes(config: &mut ServiceConfig) {
    actix::front_page().configure(config);
    config.service(join).service(numbered);
}

/// A site, and requests written byte by byte, since an HTTP client would log as well.
struct Visit<'a> {
    stage: &'a Stage,
    site: Site,
    secrets: Secrets,
    told: Told,
}

impl<'a> Visit<'a> {
    async fn to(stage: &'a Stage) -> Self {
        let told = Told::default();
        let auth = stage.builder().await.on_event(told.hook());
        let auth = auth.build().unwrap();
        Self {
            stage,
            site: actix::serve(auth, actix::Routes::of_config(routes)).await,
            secrets: Secrets::with::<String>([]),
            told,
        }
    }

    async fn get(&self, path: &str, token: &str, status: u16) -> Reply {
        let cookie = format!("cookie: __Host-auth_session={token}");
        let start = format!("GET {path}");
        let reply = self.site.exchange(&start, &[cookie.as_bytes()], b"").await;
        self.checked(reply, path, status)
    }

    async fn post(&self, path: &str, kind: &str, body: &str, token: &str, status: u16) -> Reply {
        let headers = [
            format!("origin: {}", self.site.origin()),
            format!("content-type: {kind}"),
            format!("cookie: __Host-auth_session={token}"),
        ];
        let headers: Vec<_> = headers.iter().map(String::as_bytes).collect();
        let start = format!("POST {path}");
        let reply = self.site.exchange(&start, &headers, body.as_bytes()).await;
        self.checked(reply, path, status)
    }

    /// No event may have a secret in it, or the name that a user is known by.
    fn assert_no_secret_is_told(&self) {
        let events = self.told.events();
        assert!(!events.is_empty());
        for event in events {
            let kind = serde_json::to_string(&event.kind).unwrap();
            let text = format!("{event:?} {event:#?} {kind}");
            self.secrets.assert_not_in(&text, "an event");
            assert!(!text.contains("\"ada"), "a name is told: {text}");
        }
    }

    async fn form(&self, path: &str, password: &str, status: u16) -> Reply {
        let form = format!("username=ada&password={password}");
        let kind = "application/x-www-form-urlencoded";
        self.post(path, kind, &form, "", status).await
    }

    async fn join(&self, columns: &Value, status: u16) -> Reply {
        let body = columns.to_string();
        self.post("/join", "application/json", &body, "", status)
            .await
    }

    /// Only the cookie may show the token.
    fn checked(&self, mut reply: Reply, path: &str, status: u16) -> Reply {
        assert_eq!(reply.status, status, "{path}: {reply:?}");
        let cookies = reply.headers.remove("set-cookie");
        let rest = format!("{:?} {}", reply.headers, reply.body);
        self.secrets.assert_not_in(&rest, path);
        if let Some(cookies) = cookies {
            reply.headers.insert("set-cookie", cookies);
        }
        reply
    }

    /// Signs `ada` up. Gives her token, which is a secret from the moment when it was made, as is the
    /// hash of her password.
    async fn sign_up(&mut self) -> String {
        let log = watch_everything();
        let reply = self.form("/signup", PASSWORD, 201).await;
        let logged = log.lines();
        drop(log);
        assert!(!logged.is_empty());
        let cookie = reply.set_cookie();
        let (_, token) = cookie.split_once('=').unwrap();
        let token = &token[..lucia::SessionToken::LENGTH];
        let hash = self
            .stage
            .value("SELECT hashed_password FROM user_key")
            .await;
        self.secrets = Secrets::with([token.to_owned(), hash.unwrap()]);
        for line in logged {
            self.secrets.assert_not_in(&line, "the log of a sign-up");
        }
        let token = token.to_owned();
        self.checked(reply, "/signup", 201);
        token
    }
}

/// A secret in a statement of the test's own, which is logged as a whole.
fn in_sql(secret: &str) -> String {
    format!("'{}'", secret.replace("canary-", "canary' || '-"))
}

async fn r46_no_secret_is_logged_or_told_while_somebody_comes_and_goes(stage: Stage) {
    let mut visit = Visit::to(&stage).await;
    let token = visit.sign_up().await;
    let found = visit.secrets.watch();
    visit.form("/signup", PASSWORD, 409).await;
    visit.form("/signup", "canary", 400).await;
    visit.form("/login", WRONG_PASSWORD, 401).await;
    visit.form("/login", PASSWORD, 204).await;
    visit.get("/me", &token, 200).await;
    visit.get(&format!("/me?token={token}"), &token, 200).await;
    stage
        .clock
        .advance(std::time::Duration::from_secs(2 * 24 * 60 * 60));
    let renewed = visit.get("/me", &token, 200).await;
    assert!(renewed.set_cookie().contains(&token), "it was renewed");
    visit.post("/logout", "text/plain", "", &token, 204).await;
    visit.get("/me", &token, 401).await;
    visit.get("/who", &token, 200).await;
    assert_eq!(found.lines(), Vec::<String>::new());
    visit.assert_no_secret_is_told();
}

async fn r46_no_secret_is_logged_or_told_when_values_are_refused(stage: Stage) {
    stage
        .add_columns(&[
            "nickname TEXT",
            "age INTEGER CONSTRAINT adult CHECK (age >= 18)",
            "motto TEXT CHECK (motto NOT LIKE '%canary%')",
        ])
        .await;
    let visit = Visit::to(&stage).await;
    let found = visit.secrets.watch();
    let with = |column: &str, value: Value| json!({ "username": NEW_VALUE, column: value });
    visit.join(&with("nowhere", json!(NEW_VALUE)), 400).await;
    visit.join(&with("nickname", json!("\0")), 400).await;
    visit.join(&with("age", json!(3)), 400).await;
    visit.join(&with("motto", json!(NEW_VALUE)), 400).await;
    visit.join(&with("username", json!(null)), 400).await;
    visit.join(&with("nickname", json!(NEW_VALUE)), 201).await;
    visit.join(&with("nickname", json!(NEW_VALUE)), 409).await;
    stage.execute("DELETE FROM user_key").await;
    visit.join(&with("nickname", json!(NEW_VALUE)), 409).await;
    assert_eq!(found.lines(), Vec::<String>::new());
    visit.assert_no_secret_is_told();
}

async fn r46_no_secret_is_logged_or_told_when_a_stored_hash_is_malformed(stage: Stage) {
    let mut visit = Visit::to(&stage).await;
    visit.sign_up().await;
    let found = visit.secrets.watch();
    for hash in [
        BROKEN_HASH.to_owned(),
        format!("$argon2id${BROKEN_HASH}"),
        format!("$argon2id$v=19${BROKEN_HASH}=1$c2FsdHNhbHQ$aGFzaGhhc2g"),
        format!("$argon2id$v=19$m={BROKEN_HASH}$c2FsdHNhbHQ$aGFzaGhhc2g"),
        format!("$argon2id$v=19$m=19456,t=2,p=1${BROKEN_HASH}!$aGFzaGhhc2g"),
        format!("${BROKEN_HASH}$v=19$m=19456,t=2,p=1$c2FsdHNhbHQ$aGFzaGhhc2g"),
    ] {
        let hash = in_sql(&hash);
        let sql = format!("UPDATE user_key SET hashed_password = {hash}");
        stage.execute(&sql).await;
        visit.form("/login", PASSWORD, 401).await;
    }
    assert_eq!(found.lines(), Vec::<String>::new());
    visit.assert_no_secret_is_told();
}

async fn r46_no_secret_is_logged_or_told_when_a_row_does_not_fit_the_code(stage: Stage) {
    stage.add_columns(&["nickname TEXT"]).await;
    let mut visit = Visit::to(&stage).await;
    let token = visit.sign_up().await;
    let found = visit.secrets.watch();
    stage
        .execute(&format!(
            "UPDATE auth_user SET nickname = {}",
            in_sql(NEW_VALUE)
        ))
        .await;
    visit.get("/numbered", &token, 500).await;
    stage
        .execute("ALTER TABLE user_session RENAME TO elsewhere")
        .await;
    visit.get("/me", &token, 500).await;
    visit.form("/login", PASSWORD, 500).await;
    stage
        .execute("ALTER TABLE user_key RENAME TO nowhere")
        .await;
    visit.form("/login", PASSWORD, 500).await;
    visit.form("/signup", PASSWORD, 500).await;
    assert_eq!(found.lines(), Vec::<String>::new());
    visit.assert_no_secret_is_told();
}

async fn r46_no_secret_is_logged_or_told_in_an_outage(stage: Stage) {
    let mut visit = Visit::to(&stage).await;
    let token = visit.sign_up().await;
    let found = visit.secrets.watch();
    stage.probe.set_down(true);
    visit.get("/me", &token, 503).await;
    visit.form("/login", PASSWORD, 503).await;
    visit.form("/signup", PASSWORD, 503).await;
    visit.post("/logout", "text/plain", "", &token, 503).await;
    assert_eq!(found.lines(), Vec::<String>::new());
    visit.assert_no_secret_is_told();
}

#[tokio::test]
async fn r46_no_secret_is_logged_or_told_when_postgres_goes_away_in_the_middle() {
    let stage = Stage::postgres().await;
    let mut visit = Visit::to(&stage).await;
    let token = visit.sign_up().await;
    let found = visit.secrets.watch();
    // The attempt is counted and its key read in one statement, which is not sent again. That the attempt
    // is taken back is sent over another connection, or left. The session comes last, and is not written
    // again.
    for (statements, status) in [(0, 503), (1, 204), (2, 503)] {
        stage.proxy().cut_after(statements);
        visit.form("/login", PASSWORD, status).await;
        stage.proxy().heal();
    }
    stage.proxy().cut_after(0);
    visit.get("/me", &token, 200).await;
    stage.proxy().cut();
    visit.form("/signup", PASSWORD, 503).await;
    visit.get("/me", &token, 503).await;
    stage.proxy().heal();
    visit.get("/me", &token, 200).await;
    assert_eq!(found.lines(), Vec::<String>::new());
    visit.assert_no_secret_is_told();
}

#[tokio::test]
async fn r46_no_secret_is_logged_or_told_when_postgres_quotes_values() {
    let stage = Stage::postgres().await;
    stage
        .execute(
            "CREATE TYPE plan AS ENUM ('free', 'pro'); \
             CREATE DOMAIN handle AS TEXT CHECK (VALUE NOT LIKE '%canary%'); \
             CREATE FUNCTION quote() RETURNS TRIGGER LANGUAGE plpgsql AS $$ BEGIN \
                IF NEW.code IS NOT NULL THEN \
                    RAISE EXCEPTION 'no % here', NEW.nickname USING ERRCODE = NEW.code; \
                END IF; RETURN NEW; END $$; \
             CREATE TRIGGER quote BEFORE INSERT ON auth_user FOR EACH ROW EXECUTE FUNCTION quote()",
        )
        .await;
    stage
        .add_columns(&[
            "nickname TEXT",
            "code TEXT",
            "plan plan",
            "number INT",
            "seen TIMESTAMPTZ",
            "short VARCHAR(3)",
            "handle handle",
            "tags TEXT[]",
            "settings JSONB",
        ])
        .await;
    let visit = Visit::to(&stage).await;
    let found = visit.secrets.watch();
    for column in ["plan", "number", "seen", "short", "handle", "tags"] {
        let columns = json!({ "username": "ada", column: NEW_VALUE });
        visit.join(&columns, 400).await;
    }
    // What a trigger raises is its own message, under whatever code.
    for (code, status) in [
        ("P0001", 500),
        ("UX001", 500),
        ("23514", 400),
        ("23505", 409),
        ("22000", 400),
        ("42501", 500),
        ("55000", 503),
        ("0A000", 500),
    ] {
        let columns = json!({ "username": "ada", "code": code, "nickname": NEW_VALUE });
        visit.join(&columns, status).await;
    }
    assert_eq!(found.lines(), Vec::<String>::new());
    visit.assert_no_secret_is_told();
}
