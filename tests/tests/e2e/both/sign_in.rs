//! Signing in and up by one call, over HTTP.

use std::time::Duration;

use lucia::{Auth, NewKey, NewUser, Password, Session, SessionId, UserKey, VerifiedKey};

use super::framework::{Data, Form, Routes, auth_request, authenticated, front_page, serve};
use crate::support::{
    Browser, PASSWORD, Profile, Reply, Site, Stage, on_each_store, on_redis, sign_up,
};

on_each_store![
    a_sign_in_ends_the_session_that_the_cookie_had,
    a_sign_up_ends_the_session_that_the_cookie_had,
    a_sign_in_ends_the_sessions_of_all_cookies,
    a_sign_in_ends_the_session_of_the_cookie_also_after_another_was_set,
    two_sign_ins_in_one_request_leave_one_session,
    a_session_that_has_expired_is_replaced_without_being_looked_up,
    what_does_not_prove_a_user_leaves_the_old_session,
    an_outage_in_any_step_leaves_cookie_and_session,
    a_key_whose_password_changed_meanwhile_leaves_the_old_session,
    all_proofs_sign_in_and_say_what_the_session_is_to_keep,
    attributes_that_fit_no_column_are_found_before_a_user_is_created,
    a_user_without_a_key_is_signed_up,
    a_name_that_is_taken_leaves_the_old_session,
    r37_an_unknown_user_gets_the_answer_of_a_wrong_password,
    parallel_sign_ins_end_the_old_session_and_all_are_good,
    a_dropped_sign_in_leaves_the_old_session_or_none,
    a_late_renewal_does_not_bring_the_old_session_back,
];

on_redis![
    a_sign_in_ends_the_sessions_of_all_cookies,
    a_sign_in_ends_the_session_of_the_cookie_also_after_another_was_set,
    what_does_not_prove_a_user_leaves_the_old_session,
    all_proofs_sign_in_and_say_what_the_session_is_to_keep,
    a_user_without_a_key_is_signed_up,
    a_name_that_is_taken_leaves_the_old_session,
];

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const WRONG: &str = "wrong horse battery";

#[derive(serde::Deserialize)]
pub(super) struct Name {
    pub(super) name: String,
}

fn routes() -> Routes {
    front_page()
        .post("/private/login", private_login)
        .post("/key", by_key)
        .post("/borrowed-key", by_borrowed_key)
        .post("/trusted", trusted)
        .post("/keyless", keyless)
        .post("/misfit", misfit)
        .post("/set-and-login", set_and_login)
        .post("/twice", twice)
        .post("/at-once", at_once)
        .get("/id", id)
}

async fn scene(stage: &Stage) -> Site {
    serve(stage.auth().await, routes()).await
}

fn password(name: &str) -> Password<'_> {
    Password::new(("username", name), PASSWORD)
}

/// Behind a guard, with the session extracted.
#[authenticated]
async fn private_login(before: Session, Form(form): Form<Name>) -> lucia::Result<String> {
    let session = auth_request.sign_in(password(&form.name)).await?;
    assert_ne!(before.id, session.id);
    // From now on the request is that of the new session.
    let now = auth_request.validate().await?;
    Ok(now.map_or(String::new(), |now| now.id.to_string()))
}

#[auth_request]
async fn by_key(auth: Data<Auth>, Form(form): Form<Name>) -> lucia::Result<String> {
    let key: VerifiedKey = auth
        .verify_password(("username", &form.name), PASSWORD)
        .await?;
    let session = auth_request.sign_in(key).device("a phone").await?;
    assert_eq!(session.address, None);
    Ok(session.device.clone().unwrap_or_default())
}

#[auth_request]
async fn by_borrowed_key(auth: Data<Auth>, Form(form): Form<Name>) -> lucia::Result<String> {
    let key = auth
        .verify_password(("username", &form.name), PASSWORD)
        .await?;
    let signing_in = auth_request.sign_in(&key).device(&form.name);
    let session = signing_in.store_address().await?;
    assert!(session.address.is_some());
    assert_eq!(session.address, auth_request.client_address());
    Ok(session.device.clone().unwrap_or_default())
}

#[auth_request]
async fn trusted(auth: Data<Auth>, Form(form): Form<Name>) -> lucia::Result<String> {
    let key = auth.trusted_key(("github", &form.name)).await?;
    auth_request.sign_in(key).await?;
    Ok(String::new())
}

#[auth_request]
async fn keyless(Form(form): Form<Name>) -> lucia::Result<String> {
    let profile = Profile {
        username: form.name.clone(),
    };
    let new_user = NewUser::without_key().attributes(&profile);
    let signing_up = auth_request.sign_up(new_user).device("a desk");
    let (user, session) = signing_up.store_address().await?;
    assert!(session.address.is_some());
    assert_eq!(session.address, auth_request.client_address());
    assert_eq!(session.device.as_deref(), Some("a desk"));
    Ok(user.attributes.username)
}

/// Attributes of the session that are no object.
#[auth_request]
async fn misfit(Form(form): Form<Name>) -> lucia::Result<String> {
    let profile = Profile {
        username: form.name.clone(),
    };
    let new_user = NewUser::with_password(("username", &form.name), PASSWORD).attributes(&profile);
    auth_request.sign_up(new_user).attributes("text").await?;
    Ok(String::new())
}

/// Has a session set already, and signed out as well, by the parts.
#[auth_request]
async fn set_and_login(auth: Data<Auth>, Form(form): Form<Name>) -> lucia::Result<String> {
    let key = auth
        .verify_password(("username", &form.name), PASSWORD)
        .await?;
    let other = auth.create_session(&key).await?;
    auth_request.set_session(Some(&other));
    auth_request.sign_in(&key).await?;
    Ok(other.id.to_string())
}

#[auth_request]
async fn twice(Form(form): Form<Name>) -> lucia::Result<String> {
    auth_request.set_session(None);
    auth_request.sign_in(password(&form.name)).await?;
    let last = auth_request.sign_in(password(&form.name)).await?;
    Ok(last.id.to_string())
}

#[auth_request]
async fn at_once(Form(form): Form<Name>) -> lucia::Result<String> {
    let one = auth_request.sign_in(password(&form.name)).into_future();
    let other = auth_request.sign_in(password(&form.name)).into_future();
    let (one, other) = tokio::join!(one, other);
    one?;
    other?;
    Ok(String::new())
}

#[authenticated]
async fn id(session: Session) -> String {
    session.id.to_string()
}

pub(super) fn login<'a>(name: &'a str, password: &'a str) -> [(&'a str, &'a str); 2] {
    [("username", name), ("password", password)]
}

/// Which of the sessions there are.
pub(super) async fn alive(auth: &Auth, sessions: &[&Session]) -> Vec<bool> {
    let mut alive = Vec::new();
    for session in sessions {
        alive.push(auth.session(&session.id).await.unwrap().is_some());
    }
    alive
}

/// The session that the browser has now.
async fn session_of(browser: &Browser) -> SessionId {
    let reply = browser.get("/id").await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.body.parse().unwrap()
}

pub(super) async fn sessions(stage: &Stage) -> u64 {
    stage.count("user_session").await
}

async fn a_sign_in_ends_the_session_that_the_cookie_had(stage: Stage) {
    let site = scene(&stage).await;
    let ada = sign_up(&site.auth, "ada").await;
    // Of the same user and of another one, with and without a guard.
    for (number, path) in ["/login", "/private/login"].into_iter().enumerate() {
        for owner in ["ada", &format!("bob{number}")] {
            let before = match owner {
                "ada" => site.auth.create_session(&ada.user_id).await.unwrap(),
                other => sign_up(&site.auth, other).await,
            };
            let browser = site.browser_of(&before);
            stage.probe.calls();
            let form = [("username", "ada"), ("name", "ada"), ("password", PASSWORD)];
            let reply = browser.post(path, &form).await;
            assert!(reply.status < 300, "{path} {owner}: {reply:?}");
            assert_eq!(reply.header("cache-control"), Some("no-store"));
            let calls = stage.probe.calls();
            // One transaction, and no call besides that ends the old one.
            assert!(calls.contains(&"insert_session_by_key"), "{calls:?}");
            assert!(!calls.contains(&"delete_session"), "{calls:?}");
            assert_eq!(alive(&site.auth, &[&before, &ada]).await, [false, true]);
            let now = session_of(&browser).await;
            if path == "/private/login" {
                assert_eq!(reply.body, now.to_string());
            }
            let info = site.auth.session(&now).await.unwrap().unwrap();
            assert_eq!(info.user_id, ada.user_id);
            // The old token opens nothing any more.
            assert_eq!(site.browser_of(&before).get("/me").await.status, 401);
        }
    }
}

async fn a_sign_up_ends_the_session_that_the_cookie_had(stage: Stage) {
    let site = scene(&stage).await;
    let ada = sign_up(&site.auth, "ada").await;
    let browser = site.browser_of(&ada);
    stage.probe.calls();
    let reply = browser.post("/signup", &login("eve", PASSWORD)).await;
    assert_eq!(reply.status, 201, "{reply:?}");
    assert_eq!(
        stage.probe.calls(),
        ["insert_user", "insert_session_by_key"]
    );
    assert_eq!(alive(&site.auth, &[&ada]).await, [false]);
    assert_eq!(browser.get("/me").await.body, "Hello, eve!");
    // It is tied to the key, and needs no second sign-in to count as one.
    let again = site.browser();
    let reply = again.post("/login", &login("eve", PASSWORD)).await;
    assert_eq!(reply.status, 204, "{reply:?}");
}

pub(super) async fn send(site: &Site, path: &str, cookies: &[&Session], form: &str) -> Reply {
    let pairs: Vec<_> = cookies
        .iter()
        .map(|session| format!("__Host-auth_session={}", session.token().expose()))
        .collect();
    let headers = [
        format!("cookie: {}", pairs.join("; ")),
        format!("origin: {}", site.origin()),
        "content-type: application/x-www-form-urlencoded".to_owned(),
    ];
    let headers: Vec<_> = headers.iter().map(String::as_bytes).collect();
    let start = format!("POST {path}");
    site.exchange(&start, &headers, form.as_bytes()).await
}

async fn a_sign_in_ends_the_sessions_of_all_cookies(stage: Stage) {
    let site = scene(&stage).await;
    let ada = sign_up(&site.auth, "ada").await;
    let bob = sign_up(&site.auth, "bob").await;
    let form = format!("username=ada&password={}", PASSWORD.replace(' ', "+"));
    for owners in [[&ada, &ada], [&ada, &bob], [&bob, &ada], [&bob, &bob]] {
        let [one, other] = owners.map(|owner| site.auth.create_session(&owner.user_id));
        let (one, other) = (one.await.unwrap(), other.await.unwrap());
        let reply = send(&site, "/login", &[&one, &other], &form).await;
        assert_eq!(reply.status, 204, "{reply:?}");
        let left = alive(&site.auth, &[&one, &other, &ada, &bob]).await;
        assert_eq!(left, [false, false, true, true]);
    }
}

async fn a_sign_in_ends_the_session_of_the_cookie_also_after_another_was_set(stage: Stage) {
    let site = scene(&stage).await;
    let ada = sign_up(&site.auth, "ada").await;
    let browser = site.browser_of(&ada);
    let reply = browser.post("/set-and-login", &[("name", "ada")]).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let now = session_of(&browser).await;
    assert_ne!(now.to_string(), reply.body);
    assert_eq!(alive(&site.auth, &[&ada]).await, [false]);
    assert_eq!(sessions(&stage).await, 1, "the one that was set is left");
}

async fn two_sign_ins_in_one_request_leave_one_session(stage: Stage) {
    let site = scene(&stage).await;
    for path in ["/twice", "/at-once"] {
        stage.execute("DELETE FROM user_session").await;
        let ada = sign_up(&site.auth, path).await;
        let browser = site.browser_of(&ada);
        let reply = browser.post(path, &[("name", path)]).await;
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        session_of(&browser).await;
        assert_eq!(alive(&site.auth, &[&ada]).await, [false], "{path}");
        assert_eq!(sessions(&stage).await, 1, "{path}");
    }
}

async fn a_session_that_has_expired_is_replaced_without_being_looked_up(stage: Stage) {
    let site = scene(&stage).await;
    let ada = sign_up(&site.auth, "ada").await;
    let browser = site.browser_of(&ada);
    stage.clock.advance(100 * DAY);
    stage.probe.calls();
    let reply = browser.post("/login", &login("ada", PASSWORD)).await;
    assert_eq!(reply.status, 204, "{reply:?}");
    let calls = ["count_attempt", "uncount_attempt", "insert_session_by_key"];
    assert_eq!(stage.probe.calls(), calls);
    assert_eq!(sessions(&stage).await, 1);
    // As is one that the store never had.
    let unknown = site.browser();
    unknown.keep("__Host-auth_session", &"a".repeat(40));
    let reply = unknown.post("/login", &login("ada", PASSWORD)).await;
    assert_eq!(reply.status, 204, "{reply:?}");
    assert_eq!(sessions(&stage).await, 2);
}

async fn what_does_not_prove_a_user_leaves_the_old_session(stage: Stage) {
    let site = scene(&stage).await;
    let ada = sign_up(&site.auth, "ada").await;
    let trusted = NewKey::without_password(("username", "trusted"));
    site.auth.create_key(&ada.user_id, trusted).await.unwrap();
    let long = "x".repeat(300);
    let browser = site.browser_of(&ada);
    for (name, password) in [
        ("ada", WRONG),
        ("ada", ""),
        ("eve", PASSWORD),
        ("trusted", PASSWORD),
        ("trusted", ""),
        ("", PASSWORD),
        (&*long, PASSWORD),
        ("a\0", PASSWORD),
    ] {
        let reply = browser.post("/login", &login(name, password)).await;
        assert_eq!(reply.status, 401, "{name}: {reply:?}");
        assert!(reply.set_cookies().is_empty(), "{name}: {reply:?}");
        assert_eq!(browser.get("/me").await.body, "Hello, ada!", "{name}");
    }
    // A key with a password is not opened on trust.
    let by_password = NewKey::with_password(("github", "ada"), PASSWORD);
    site.auth
        .create_key(&ada.user_id, by_password)
        .await
        .unwrap();
    let reply = browser.post("/trusted", &[("name", "ada")]).await;
    assert_eq!(reply.status, 401, "{reply:?}");
    assert_eq!(sessions(&stage).await, 1);
}

async fn an_outage_in_any_step_leaves_cookie_and_session(stage: Stage) {
    let site = scene(&stage).await;
    let ada = sign_up(&site.auth, "ada").await;
    let browser = site.browser_of(&ada);
    for (path, name, steps) in [
        (
            "/login",
            "ada",
            &["count_attempt", "insert_session_by_key"][..],
        ),
        ("/signup", "eve", &["insert_user", "insert_session_by_key"]),
    ] {
        for step in steps {
            stage.probe.halt(step);
            let form = login(name, PASSWORD);
            let failing = async {
                stage.probe.arrived(step).await;
                stage.probe.set_down(true);
                stage.probe.release(step);
            };
            let (reply, ()) = tokio::join!(browser.post(path, &form), failing);
            stage.probe.set_down(false);
            assert_eq!(reply.status, 503, "{step}: {reply:?}");
            assert!(reply.set_cookies().is_empty(), "{step}: {reply:?}");
            assert_eq!(browser.get("/me").await.body, "Hello, ada!", "{step}");
        }
    }
    assert_eq!(sessions(&stage).await, 1);
    // Whoever was created and got no session signs in.
    let reply = browser.post("/login", &login("eve", PASSWORD)).await;
    assert_eq!(reply.status, 204, "{reply:?}");
}

async fn a_key_whose_password_changed_meanwhile_leaves_the_old_session(stage: Stage) {
    let site = scene(&stage).await;
    let elsewhere = Auth::builder(stage.store().await).build().unwrap();
    let ada = sign_up(&site.auth, "ada").await;
    let bob = sign_up(&site.auth, "bob").await;
    let browser = site.browser_of(&bob);
    stage.probe.halt("insert_session_by_key");
    let changing = async {
        stage.probe.arrived("insert_session_by_key").await;
        let reset = elsewhere.reset_password(("username", "ada"), "another horse battery");
        reset.await.unwrap();
        stage.probe.release("insert_session_by_key");
    };
    let form = login("ada", PASSWORD);
    let (reply, ()) = tokio::join!(browser.post("/login", &form), changing);
    assert_eq!(reply.status, 401, "{reply:?}");
    assert!(reply.set_cookies().is_empty(), "{reply:?}");
    assert_eq!(alive(&site.auth, &[&ada, &bob]).await, [false, true]);
}

async fn all_proofs_sign_in_and_say_what_the_session_is_to_keep(stage: Stage) {
    let site = scene(&stage).await;
    let ada = sign_up(&site.auth, "ada").await;
    let github = NewKey::without_password(("github", "1815"));
    let github: UserKey = site.auth.create_key(&ada.user_id, github).await.unwrap();
    for (path, name, device) in [
        ("/key", "ada", "a phone"),
        ("/borrowed-key", "ada", "ada"),
        ("/trusted", "1815", ""),
    ] {
        let browser = site.browser();
        let reply = browser.post(path, &[("name", name)]).await;
        assert_eq!((reply.status, &*reply.body), (200, device), "{path}");
        assert_eq!(browser.get("/me").await.body, "Hello, ada!", "{path}");
    }
    site.auth.delete_key(&github.id).await.unwrap();
    let reply = site.browser().post("/trusted", &[("name", "1815")]).await;
    assert_eq!(reply.status, 401, "{reply:?}");
}

async fn attributes_that_fit_no_column_are_found_before_a_user_is_created(stage: Stage) {
    let site = scene(&stage).await;
    let ada = sign_up(&site.auth, "ada").await;
    stage.probe.calls();
    let browser = site.browser_of(&ada);
    let reply = browser.post("/misfit", &[("name", "eve")]).await;
    assert_eq!(reply.status, 400, "{reply:?}");
    assert_eq!(stage.probe.calls(), [""; 0]);
    assert_eq!(browser.get("/me").await.body, "Hello, ada!");
}

async fn a_user_without_a_key_is_signed_up(stage: Stage) {
    let site = scene(&stage).await;
    let browser = site.browser();
    let reply = browser.post("/keyless", &[("name", "guest")]).await;
    assert_eq!((reply.status, &*reply.body), (200, "guest"), "{reply:?}");
    assert_eq!(browser.get("/me").await.body, "Hello, guest!");
}

async fn a_name_that_is_taken_leaves_the_old_session(stage: Stage) {
    let site = scene(&stage).await;
    sign_up(&site.auth, "ada").await;
    let bob = sign_up(&site.auth, "bob").await;
    let browser = site.browser_of(&bob);
    for (name, password, status) in [
        ("ada", PASSWORD, 409),
        ("eve", "short", 400),
        ("", PASSWORD, 400),
    ] {
        let reply = browser.post("/signup", &login(name, password)).await;
        assert_eq!(reply.status, status, "{name}: {reply:?}");
        assert!(reply.set_cookies().is_empty(), "{reply:?}");
        assert_eq!(browser.get("/me").await.body, "Hello, bob!");
    }
    assert_eq!(stage.count("auth_user").await, 2);
}

async fn r37_an_unknown_user_gets_the_answer_of_a_wrong_password(stage: Stage) {
    let site = scene(&stage).await;
    sign_up(&site.auth, "ada").await;
    let mut answers = Vec::new();
    for name in ["ada", "unknown", "a:b", ""] {
        stage.probe.calls();
        let mut reply = site.browser().post("/login", &login(name, WRONG)).await;
        reply.headers.remove("date");
        answers.push((reply.status, reply.body, reply.headers));
    }
    for answer in &answers {
        assert_eq!(answer, &answers[0]);
    }
}

async fn parallel_sign_ins_end_the_old_session_and_all_are_good(stage: Stage) {
    let site = scene(&stage).await;
    for round in 0..5 {
        stage.execute("DELETE FROM user_session").await;
        let ada = sign_up(&site.auth, &format!("ada{round}")).await;
        let browsers = [site.browser_of(&ada), site.browser_of(&ada)];
        let name = format!("ada{round}");
        let form = login(&name, PASSWORD);
        let [one, other] = &browsers;
        let replies = tokio::join!(one.post("/login", &form), other.post("/login", &form));
        assert_eq!((replies.0.status, replies.1.status), (204, 204));
        assert_eq!(alive(&site.auth, &[&ada]).await, [false]);
        assert_ne!(session_of(one).await, session_of(other).await);
        assert_eq!(sessions(&stage).await, 2);
    }
}

async fn a_dropped_sign_in_leaves_the_old_session_or_none(stage: Stage) {
    let auth = stage.auth().await;
    let ada = sign_up(&auth, "ada").await;
    for step in ["count_attempt", "insert_session_by_key"] {
        let cookie = format!("__Host-auth_session={}", ada.token().expose());
        let request = ::axum::http::Request::builder().header("cookie", cookie);
        let auth_request = auth.handle_request(&request.body(()).unwrap());
        stage.probe.halt(step);
        let signing_in = auth_request.sign_in(password("ada")).into_future();
        tokio::select! {
            _ = signing_in => panic!("{step} was not halted"),
            () = stage.probe.arrived(step) => {}
        }
        stage.probe.release(step);
        let headers = lucia::adapter::response_headers(&auth_request).await;
        assert!(headers.set_cookie.is_none());
        assert_eq!(alive(&auth, &[&ada]).await, [true], "{step}");
        assert_eq!(sessions(&stage).await, 1, "{step}");
    }
}

async fn a_late_renewal_does_not_bring_the_old_session_back(stage: Stage) {
    let site = scene(&stage).await;
    let ada = sign_up(&site.auth, "ada").await;
    let (late, browser) = (site.browser_of(&ada), site.browser_of(&ada));
    // Renewals are due, and this one has been on its way since before the sign-in.
    stage.clock.advance(2 * DAY);
    stage.probe.halt("renew_session");
    let signing_in = async {
        stage.probe.arrived("renew_session").await;
        let reply = browser.post("/login", &login("ada", PASSWORD)).await;
        assert_eq!(reply.status, 204, "{reply:?}");
        stage.probe.release("renew_session");
    };
    let (reply, ()) = tokio::join!(late.get("/me"), signing_in);
    assert_eq!(reply.status, 401, "{reply:?}");
    assert!(reply.set_cookies().is_empty(), "{reply:?}");
    assert_eq!(alive(&site.auth, &[&ada]).await, [false]);
    assert_eq!(browser.get("/me").await.body, "Hello, ada!");
}
