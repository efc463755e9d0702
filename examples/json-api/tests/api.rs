//! The API over HTTP, as its clients meet it.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::time::Duration;

use actix_web::{HttpServer, rt};
use json_api::{COLUMNS, Profile, app, make_admin, open, settings};
use lucia::testing::{self, Clock, LoggedIn, login_as};
use lucia::{Auth, NewUser, User};
use lucia_tests::Database;
use reqwest::header::HeaderMap;
use reqwest::{Client, Method};
use serde_json::{Value, json};

const PASSWORD: &str = "correct horse battery";

/// A running API with a database of its own.
struct Api {
    address: String,
    auth: Auth,
    clock: Clock,
}

struct Reply {
    status: u16,
    headers: HeaderMap,
    body: Value,
}

impl Api {
    async fn start() -> Self {
        let clock = Clock::new();
        let store = testing::memory_store(COLUMNS).await;
        let auth = settings(store).clock(clock.clone()).build().unwrap();
        Self::serve(auth, clock)
    }

    fn serve(auth: Auth, clock: Clock) -> Self {
        let shared = auth.clone();
        let server = HttpServer::new(move || app(shared.clone())).workers(1);
        let server = server.bind(("127.0.0.1", 0)).unwrap();
        let address = format!("http://{}", server.addrs()[0]);
        rt::spawn(server.run());
        Self {
            address,
            auth,
            clock,
        }
    }

    async fn send(&self, method: &str, path: &str, token: Option<&str>, body: Value) -> Reply {
        let method = Method::from_bytes(method.as_bytes()).unwrap();
        let mut request = Client::new().request(method, format!("{}{path}", self.address));
        if let Some(token) = token {
            request = request.bearer_auth(token);
        }
        if !body.is_null() {
            request = request.json(&body);
        }
        let response = request.send().await.unwrap();
        Reply {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: serde_json::from_slice(&response.bytes().await.unwrap()).unwrap_or_default(),
        }
    }

    /// Somebody signed in, past the API: no password is hashed.
    async fn log_in(&self, username: &str) -> LoggedIn {
        let user: User = self
            .auth
            .create_user(
                NewUser::without_key()
                    .attributes(&json!({ "username": username }))
                    .returning(),
            )
            .await
            .unwrap();
        login_as(&self.auth, &user.id).await
    }
}

fn token(logged_in: &LoggedIn) -> Option<&str> {
    Some(logged_in.session().token().expose())
}

fn credentials(username: &str, password: &str) -> Value {
    json!({ "username": username, "password": password })
}

async fn somebody_signs_up_edits_their_profile_and_logs_out(api: &Api) {
    let signed_up = api
        .send("POST", "/signup", None, credentials(" Ada ", PASSWORD))
        .await;
    assert_eq!(signed_up.status, 201);
    assert_eq!(signed_up.headers["cache-control"], "no-store");
    let token = signed_up.body["token"].as_str();

    let me = api.send("GET", "/me", token, Value::Null).await;
    assert_eq!(me.status, 200);
    assert_eq!(me.body["username"], "ada");
    assert_eq!(me.body["is_admin"], false);
    assert_eq!(me.headers["cache-control"], "no-store");

    let edit = json!({ "display_name": "Ada Lovelace" });
    let edited = api.send("PATCH", "/me", token, edit).await;
    assert_eq!(
        (edited.status, &edited.body["display_name"]),
        (200, &json!("Ada Lovelace"))
    );

    assert_eq!(
        api.send("POST", "/logout", token, Value::Null).await.status,
        204
    );
    assert_eq!(api.send("GET", "/me", token, Value::Null).await.status, 401);

    let again = api
        .send("POST", "/login", None, credentials("ADA", PASSWORD))
        .await;
    let again = again.body["token"].as_str();
    assert_eq!(api.send("GET", "/me", again, Value::Null).await.status, 200);
}

#[actix_web::test]
async fn an_account_lives_on_sqlite() {
    somebody_signs_up_edits_their_profile_and_logs_out(&Api::start().await).await;
}

#[actix_web::test]
async fn an_account_lives_on_postgres() {
    let database = Database::new().await;
    let auth = open(&database.url()).await.unwrap();
    somebody_signs_up_edits_their_profile_and_logs_out(&Api::serve(auth, Clock::new())).await;
}

#[actix_web::test]
async fn errors_are_problems_in_json() {
    let api = Api::start().await;
    api.send("POST", "/signup", None, credentials("ada", PASSWORD))
        .await;
    for (path, body, status, detail) in [
        (
            "/signup",
            credentials("ada", PASSWORD),
            409,
            "Already taken.",
        ),
        ("/signup", credentials("bob", "short"), 400, "8 characters"),
        ("/signup", credentials("", PASSWORD), 400, "empty"),
        ("/signup", json!({ "username": "bob" }), 400, "`password`"),
        (
            "/login",
            credentials("ada", "wrong password"),
            401,
            "Wrong credentials.",
        ),
        (
            "/login",
            credentials("bob", PASSWORD),
            401,
            "Wrong credentials.",
        ),
    ] {
        let reply = api.send("POST", path, None, body).await;
        assert_eq!(reply.status, status);
        assert_eq!(reply.headers["content-type"], "application/problem+json");
        assert_eq!(reply.body["status"], status);
        let told = reply.body["detail"].as_str().unwrap();
        assert!(told.contains(detail), "{told}");
    }
    for _ in 1..10 {
        let guess = credentials("ada", "wrong password");
        api.send("POST", "/login", None, guess).await;
    }
    let guess = credentials("ada", PASSWORD);
    let refused = api.send("POST", "/login", None, guess).await;
    assert_eq!(refused.status, 429);
    assert_eq!(refused.headers["retry-after"], "900");
    assert_eq!(refused.body["detail"], "Too many attempts.");

    let missing = api.send("GET", "/no/such/route", None, Value::Null).await;
    assert_eq!(
        (missing.status, missing.body["title"].as_str()),
        (404, Some("Not Found"))
    );
    assert_eq!(missing.body["code"], "not_found");
    let malformed = json!({ "username": "bob" });
    let refused = api.send("POST", "/signup", None, malformed).await;
    assert_eq!(refused.body["code"], "bad_request");
}

#[actix_web::test]
async fn without_a_good_token_the_answer_is_401_before_the_body_is_read() {
    let api = Api::start().await;
    let ada = api.log_in("ada").await;
    let cookie = ada.cookie_pair().1;
    for (token, challenge) in [
        (None, "Bearer"),
        (Some("nonsense"), "Bearer error=\"invalid_token\""),
        (Some(&*"a".repeat(40)), "Bearer error=\"invalid_token\""),
    ] {
        let reply = api.send("PATCH", "/me", token, json!("no object")).await;
        assert_eq!(reply.status, 401);
        assert_eq!(reply.headers["www-authenticate"], challenge);
        assert_eq!(reply.body["detail"], "Not signed in.");
        assert_eq!(reply.body["code"], "unauthenticated");
    }
    // The same secret is of no use in a cookie.
    let by_cookie = Client::new()
        .get(format!("{}/me", api.address))
        .header("cookie", format!("__Host-auth_session={cookie}"));
    assert_eq!(by_cookie.send().await.unwrap().status(), 401);
}

#[actix_web::test]
async fn nobody_makes_themselves_an_administrator() {
    let api = Api::start().await;
    let ada = api.log_in("ada").await;
    let edit = json!({ "display_name": "Ada", "is_admin": true });
    let refused = api.send("PATCH", "/me", token(&ada), edit).await;
    assert_eq!(refused.status, 400);
    let me = api.send("GET", "/me", token(&ada), Value::Null).await;
    assert_eq!(me.body["is_admin"], false);
}

#[actix_web::test]
async fn only_administrators_see_other_users() {
    let api = Api::start().await;
    api.send("POST", "/signup", None, credentials("bob", PASSWORD))
        .await;
    let ada = credentials("ada", PASSWORD);
    let ada = api.send("POST", "/signup", None, ada).await;
    let ada = ada.body["token"].as_str();

    let path = "/admin/users/bob";
    let refused = api.send("GET", path, ada, Value::Null).await;
    assert_eq!(
        (refused.status, &refused.body["detail"]),
        (403, &json!("Not permitted."))
    );
    assert_eq!(api.send("GET", path, None, Value::Null).await.status, 401);

    make_admin(&api.auth, "ada").await.unwrap();
    let bob = api.send("GET", path, ada, Value::Null).await;
    assert_eq!((bob.status, &bob.body["username"]), (200, &json!("bob")));
    let nobody = api.send("GET", "/admin/users/eve", ada, Value::Null).await;
    assert_eq!(nobody.status, 404);
    assert!(make_admin(&api.auth, "eve").await.is_err());
}

#[actix_web::test]
async fn sessions_are_listed_and_ended_by_their_owner_alone() {
    let api = Api::start().await;
    let ada = api.log_in("ada").await;
    let phone = login_as(&api.auth, &ada.session().user_id).await;
    let bob = api.log_in("bob").await;

    let listed = api.send("GET", "/sessions", token(&ada), Value::Null).await;
    let listed = listed.body.as_array().unwrap();
    assert_eq!(listed.len(), 2);
    let current = |session: &&Value| session["is_current"] == true;
    let current: Vec<_> = listed.iter().filter(current).collect();
    assert_eq!(current[0]["id"], ada.session().id.as_str());
    for secret in [token(&ada), token(&phone)] {
        assert!(!json!(listed).to_string().contains(secret.unwrap()));
    }

    let end = format!("/sessions/{}", phone.session().id);
    assert_eq!(
        api.send("DELETE", &end, token(&bob), Value::Null)
            .await
            .status,
        404
    );
    assert_eq!(
        api.send("GET", "/me", token(&phone), Value::Null)
            .await
            .status,
        200
    );
    assert_eq!(
        api.send("DELETE", &end, token(&ada), Value::Null)
            .await
            .status,
        204
    );
    assert_eq!(
        api.send("GET", "/me", token(&phone), Value::Null)
            .await
            .status,
        401
    );

    let phone = login_as(&api.auth, &ada.session().user_id).await;
    let others = api
        .send("DELETE", "/sessions", token(&ada), Value::Null)
        .await;
    assert_eq!(others.status, 204);
    assert_eq!(
        api.send("GET", "/me", token(&phone), Value::Null)
            .await
            .status,
        401
    );
    assert_eq!(
        api.send("GET", "/me", token(&ada), Value::Null)
            .await
            .status,
        200
    );
    assert_eq!(
        api.send("GET", "/me", token(&bob), Value::Null)
            .await
            .status,
        200
    );
}

#[actix_web::test]
async fn deleting_an_account_asks_for_a_recent_password() {
    let api = Api::start().await;
    let ada = api
        .send("POST", "/signup", None, credentials("ada", PASSWORD))
        .await;
    let ada = ada.body["token"].as_str();
    api.clock.advance(Duration::from_secs(11 * 60));

    let late = api.send("DELETE", "/me", ada, Value::Null).await;
    assert_eq!(
        (late.status, &late.body["detail"]),
        (401, &json!("Sign in again."))
    );
    assert_eq!(api.send("GET", "/me", ada, Value::Null).await.status, 200);

    let wrong = json!({ "password": "wrong password" });
    let wrong = api.send("POST", "/reauthenticate", ada, wrong).await;
    assert_eq!(wrong.status, 401);
    let right = json!({ "password": PASSWORD });
    let right = api.send("POST", "/reauthenticate", ada, right).await;
    let renewed = right.body["token"].as_str();
    assert_eq!(api.send("GET", "/me", ada, Value::Null).await.status, 401);

    assert_eq!(
        api.send("DELETE", "/me", renewed, Value::Null).await.status,
        204
    );
    assert_eq!(
        api.send("GET", "/me", renewed, Value::Null).await.status,
        401
    );
    let key = api.auth.key(("username", "ada")).await.unwrap();
    assert!(key.is_none());
}

#[actix_web::test]
async fn a_session_that_nobody_uses_dies() {
    let api = Api::start().await;
    let ada = api.log_in("ada").await;
    api.clock.advance(Duration::from_secs(14 * 24 * 60 * 60));
    assert_eq!(
        api.send("GET", "/me", token(&ada), Value::Null)
            .await
            .status,
        200
    );
    api.clock.advance(Duration::from_secs(16 * 24 * 60 * 60));
    assert_eq!(
        api.send("GET", "/me", token(&ada), Value::Null)
            .await
            .status,
        401
    );
    let user = api.auth.user::<Profile>(&ada.session().user_id).await;
    assert_eq!(user.unwrap().unwrap().username, "ada");
}
