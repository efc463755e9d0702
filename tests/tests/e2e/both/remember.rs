//! "Remember me": sessions that end with the browser, and those that do not.

use std::time::{Duration, SystemTime};

use lucia::{Auth, AuthBuilder, Environment, Password, Session};
use serde::Deserialize;
use serde_json::{Value, json};

use super::framework::{Data, Form, Routes, auth_request, authenticated, front_page, serve};
use crate::support::chromium::{self, Driver};
use crate::support::{
    Browser, Caching, PASSWORD, Reply, Site, Stage, on_each_store, on_redis, sign_up, verified,
};

on_each_store![
    r11_the_cookie_of_a_session_that_is_not_remembered_never_says_until_when,
    r11_it_says_nothing_whatever_changes_its_token,
    a_sign_in_decides_for_its_session_alone,
    r10_its_removal_is_that_of_any_session,
    r14_among_several_cookies_the_session_that_counts_is_renewed_as_what_it_is,
    r16_a_session_that_is_not_remembered_has_a_shorter_idle_limit,
    r16_the_shorter_idle_period_is_a_day_or_the_idle_period,
    r17_an_absolute_lifetime_ends_sessions_of_both_kinds,
    r25_a_limit_counts_sessions_of_both_kinds,
    two_processes_agree_on_what_is_remembered,
];

on_redis![
    r11_it_says_nothing_whatever_changes_its_token,
    a_sign_in_decides_for_its_session_alone,
    r10_its_removal_is_that_of_any_session,
    r16_the_shorter_idle_period_is_a_day_or_the_idle_period,
    r17_an_absolute_lifetime_ends_sessions_of_both_kinds,
    r25_a_limit_counts_sessions_of_both_kinds,
    two_processes_agree_on_what_is_remembered,
];

const SECOND: Duration = Duration::from_secs(1);
const HOUR: Duration = Duration::from_secs(60 * 60);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// What a browser sends for a checkbox that is checked; it sends nothing for another one.
#[derive(Deserialize)]
struct SignIn {
    username: String,
    remember: Option<String>,
}

fn routes() -> Routes {
    front_page()
        .post("/sign-in", sign_in)
        .post("/rotate", rotate)
        .post("/reauthenticate", reauthenticate)
        .post("/change-password", change_password)
}

#[auth_request]
async fn sign_in(Form(form): Form<SignIn>) -> lucia::Result<&'static str> {
    auth_request
        .sign_in(Password::new(("username", &form.username), PASSWORD))
        .remember(form.remember.is_some())
        .await?;
    Ok("")
}

#[authenticated]
async fn rotate(auth: Data<Auth>, session: Session) -> lucia::Result<&'static str> {
    let session = auth.rotate_session(&session).await?;
    auth_request.set_session(Some(&session));
    Ok("")
}

#[authenticated]
async fn reauthenticate(auth: Data<Auth>, session: Session) -> lucia::Result<&'static str> {
    let key = verified(&auth, "ada").await;
    let proof = auth.reauthenticate(&session, &key);
    auth_request.set_session(Some(&proof.await?));
    Ok("")
}

#[authenticated]
async fn change_password(auth: Data<Auth>, session: Session) -> lucia::Result<&'static str> {
    let key = verified(&auth, "ada").await;
    let changed = auth.change_password(&session, &key, PASSWORD);
    auth_request.set_session(Some(&changed.await?));
    Ok("")
}

async fn site(stage: &Stage) -> Site {
    site_with(stage, |settings| settings).await
}

/// Where Ada has signed up, and her session has ended.
async fn site_with(stage: &Stage, change: impl FnOnce(AuthBuilder) -> AuthBuilder) -> Site {
    let auth = change(stage.builder().await).build().unwrap();
    let session = sign_up(&auth, "ada").await;
    auth.invalidate_session(&session.id).await.unwrap();
    serve(auth, routes()).await
}

/// Signs Ada in by the form, with the checkbox or without.
async fn signs_in(browser: &Browser, remember: bool) -> Reply {
    let mut form = vec![("username", "ada")];
    form.extend(remember.then_some(("remember", "on")));
    let reply = browser.post("/sign-in", &form).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply
}

/// For how long a browser keeps the cookie: without an end, until it is closed.
#[track_caller]
fn kept_for(reply: &Reply) -> Option<Duration> {
    let cookie = reply.set_cookie();
    let find = |name| cookie.split("; ").find_map(|part| part.strip_prefix(name));
    let (max_age, expires): (_, Option<&str>) = (find("Max-Age="), find("Expires="));
    assert_eq!(max_age.is_some(), expires.is_some(), "{cookie}");
    max_age.map(|seconds: &str| Duration::from_secs(seconds.parse().unwrap()))
}

/// The only session that Ada has.
async fn only_session(auth: &Auth) -> lucia::SessionInfo {
    let key = auth.key(("username", "ada")).await.unwrap().unwrap();
    let sessions = auth.user_sessions(&key.user_id).await.unwrap();
    let [session] = sessions.try_into().unwrap();
    session
}

async fn r11_the_cookie_of_a_session_that_is_not_remembered_never_says_until_when(stage: Stage) {
    for (remember, kept) in [(false, None), (true, Some(15 * DAY))] {
        let stage = match stage.is_postgres() {
            true => Stage::postgres().await,
            false => Stage::sqlite().await,
        };
        let site = site(&stage).await;
        let browser = site.browser();
        assert_eq!(kept_for(&signs_in(&browser, remember).await), kept);
        assert!(browser.get("/who").await.set_cookies().is_empty());
        for renewal in 1..=5 {
            stage.clock.advance(DAY + SECOND);
            let reply = browser.get("/who").await;
            assert_eq!(reply.body, "ada", "renewal {renewal}");
            assert_eq!(kept_for(&reply), kept, "renewal {renewal}");
            assert_eq!(reply.header("cache-control"), Some("no-store"));
            // By the attribute as well.
            assert_eq!(browser.get("/me").await.body, "Hello, ada!");
            let session = only_session(&site.auth).await;
            assert_eq!(session.persistent, remember, "renewal {renewal}");
            assert_eq!(session.renewed_at, stage.clock.now());
        }
    }
}

async fn r11_it_says_nothing_whatever_changes_its_token(stage: Stage) {
    let site = site(&stage).await;
    let browser = site.browser();
    signs_in(&browser, false).await;
    for path in ["/rotate", "/reauthenticate", "/change-password", "/rotate"] {
        stage.clock.advance(HOUR);
        let before = only_session(&site.auth).await;
        let reply = browser.post(path, &[]).await;
        assert_eq!((reply.status, kept_for(&reply)), (200, None), "{path}");
        let after = only_session(&site.auth).await;
        assert_ne!(after.id, before.id, "{path}");
        assert!(!after.persistent, "{path}");
        assert_eq!(after.idle_expires, stage.clock.now() + 2 * DAY, "{path}");
        // And by the renewal that comes next.
        stage.clock.advance(DAY + SECOND);
        let renewed = browser.get("/me").await;
        assert_eq!((renewed.status, kept_for(&renewed)), (200, None), "{path}");
    }
    // With a renewal that is due in the same request.
    stage.clock.advance(DAY + SECOND);
    assert_eq!(kept_for(&browser.post("/rotate", &[]).await), None);
}

async fn a_sign_in_decides_for_its_session_alone(stage: Stage) {
    let site = site(&stage).await;
    let browser = site.browser();
    for remember in [false, true, false] {
        let reply = signs_in(&browser, remember).await;
        assert_eq!(kept_for(&reply).is_some(), remember);
        assert_eq!(only_session(&site.auth).await.persistent, remember);
    }
    // Without a word, it is remembered.
    let form = [("username", "ada"), ("password", PASSWORD)];
    let reply = site.browser().post("/login", &form).await;
    assert_eq!(kept_for(&reply), Some(15 * DAY));
    let signed_up = [("username", "bob"), ("password", PASSWORD)];
    let reply = site.browser().post("/signup", &signed_up).await;
    assert_eq!(kept_for(&reply), Some(15 * DAY));
}

async fn r10_its_removal_is_that_of_any_session(stage: Stage) {
    let site = site(&stage).await;
    let removals = [false, true].map(async |remember| {
        let browser = site.browser();
        signs_in(&browser, remember).await;
        let reply = browser.post("/logout", &[]).await;
        assert!(reply.removes_cookie(), "{reply:?}");
        reply.set_cookie().to_owned()
    });
    let [one, other] = removals;
    let one = one.await;
    assert_eq!(one, other.await);
    assert!(
        one.contains("Expires=Thu, 01 Jan 1970 00:00:00 GMT"),
        "{one}"
    );
}

async fn r14_among_several_cookies_the_session_that_counts_is_renewed_as_what_it_is(stage: Stage) {
    let site = site(&stage).await;
    let key = site.auth.key(("username", "ada")).await.unwrap().unwrap();
    for remember in [false, true] {
        let older = site
            .auth
            .create_session(&key.user_id)
            .remember(!remember)
            .await;
        stage.clock.advance(SECOND);
        let newer = site
            .auth
            .create_session(&key.user_id)
            .remember(remember)
            .await;
        stage.clock.advance(DAY + SECOND);
        let cookies = [older, newer].map(|session| {
            let cookie = site.auth.session_cookie(Some(&session.unwrap()));
            format!("cookie: {}={}", cookie.name(), cookie.value())
        });
        let headers = cookies.each_ref().map(|cookie| cookie.as_bytes());
        let reply = site.exchange("GET /me", &headers, b"").await;
        assert_eq!(reply.body, "Hello, ada!", "{reply:?}");
        assert_eq!(kept_for(&reply), remember.then_some(15 * DAY));
    }
}

async fn r16_a_session_that_is_not_remembered_has_a_shorter_idle_limit(stage: Stage) {
    let site = site_with(&stage, |settings| {
        settings
            .active_period(HOUR)
            .idle_period(9 * HOUR)
            .browser_session_idle_period(2 * HOUR)
    })
    .await;
    let [used, unused, remembered] = [(); 3].map(|()| site.browser());
    signs_in(&used, false).await;
    signs_in(&unused, false).await;
    signs_in(&remembered, true).await;

    stage.clock.advance(3 * HOUR);
    let renewed = used.get("/who").await;
    assert_eq!((&*renewed.body, kept_for(&renewed)), ("ada", None));
    stage.clock.advance(SECOND);
    let replayed = unused.get("/who").await;
    assert_eq!(replayed.body, "nobody");
    assert!(replayed.set_cookies().is_empty());

    // The renewal gave it as long again, and no longer.
    stage.clock.advance(3 * HOUR);
    assert_eq!(used.get("/who").await.body, "nobody");
    stage.clock.advance(3 * HOUR);
    let renewed = remembered.get("/who").await;
    assert_eq!(
        (&*renewed.body, kept_for(&renewed)),
        ("ada", Some(10 * HOUR))
    );

    // What the sweeper deletes, and what the list shows, follows.
    site.auth.delete_expired_sessions().await.unwrap();
    assert_eq!(stage.count("user_session").await, 1);
    assert!(only_session(&site.auth).await.persistent);
}

async fn r16_the_shorter_idle_period_is_a_day_or_the_idle_period(stage: Stage) {
    sign_up(&stage.auth().await, "ada").await;
    for (idle, browser_idle) in [(14 * DAY, DAY), (DAY, DAY), (HOUR, HOUR)] {
        let settings = stage.builder().await.active_period(HOUR);
        let auth = settings.idle_period(idle).build().unwrap();
        let key = auth.key(("username", "ada")).await.unwrap().unwrap();
        for (remember, idle) in [(true, idle), (false, browser_idle)] {
            let session = auth.create_session(&key.user_id).remember(remember).await;
            let session = session.unwrap();
            let period = since(session.active_expires, session.idle_expires);
            assert_eq!(period, idle, "{session:?}");
        }
    }
}

async fn r17_an_absolute_lifetime_ends_sessions_of_both_kinds(stage: Stage) {
    let site = site_with(&stage, |settings| {
        settings
            .active_period(HOUR)
            .idle_period(3 * HOUR)
            .browser_session_idle_period(2 * HOUR)
            .absolute_period(10 * HOUR)
    })
    .await;
    let browsers = [false, true].map(|remember| (site.browser(), remember));
    for (browser, remember) in &browsers {
        signs_in(browser, *remember).await;
    }
    for hour in 1..=10 {
        stage.clock.advance(HOUR);
        for (browser, remember) in &browsers {
            assert_eq!(browser.get("/who").await.body, "ada", "{remember} {hour}");
        }
    }
    stage.clock.advance(SECOND);
    for (browser, remember) in &browsers {
        assert_eq!(browser.get("/who").await.body, "nobody", "{remember}");
    }
}

async fn r25_a_limit_counts_sessions_of_both_kinds(stage: Stage) {
    let site = site_with(&stage, |settings| settings.max_sessions_per_user(2)).await;
    let browsers = [false, true, false].map(|remember| (site.browser(), remember));
    for (browser, remember) in &browsers {
        let reply = signs_in(browser, *remember).await;
        assert_eq!(kept_for(&reply).is_some(), *remember);
        stage.clock.advance(SECOND);
    }
    let mut left = Vec::new();
    for (browser, _) in &browsers {
        left.push(browser.get("/who").await.body);
    }
    assert_eq!(left, ["nobody", "ada", "ada"]);
    assert_eq!(stage.count("user_session").await, 2);
    stage.clock.advance(DAY);
    for (browser, remember) in &browsers[1..] {
        let renewed = browser.get("/who").await;
        assert_eq!(kept_for(&renewed).is_some(), *remember);
    }
}

async fn two_processes_agree_on_what_is_remembered(stage: Stage) {
    let here = site(&stage).await;
    let there = serve(stage.auth().await, routes()).await;
    for remember in [false, true] {
        let browser = here.browser();
        signs_in(&browser, remember).await;
        for site in [&there, &here, &there] {
            stage.clock.advance(DAY + SECOND);
            let session = only_session(&site.auth).await;
            assert_eq!(session.persistent, remember);
            let request = site.browser().bare(reqwest::Method::GET, "/who");
            let cookies = browser.cookie_header().unwrap();
            let reply = site.browser().send(request.header("cookie", cookies)).await;
            assert_eq!(reply.body, "ada");
            assert_eq!(kept_for(&reply), remember.then_some(15 * DAY));
        }
        browser.post("/logout", &[]).await;
    }
}

#[tokio::test]
async fn r54_a_cache_remembers_what_is_not_remembered() {
    let stage = Stage::postgres().await;
    let caching = Caching::on(&stage).await;
    let plain = site(&stage).await;
    let cached = serve(caching.auth.clone(), routes()).await;
    let key = plain.auth.key(("username", "ada")).await.unwrap().unwrap();
    for remember in [false, true] {
        let session = plain.auth.create_session(&key.user_id).remember(remember);
        let mut session = session.await.unwrap();
        for _ in 0..3 {
            // Without a statement, it is known until when it is good.
            caching.remember(&stage, &session).await;
            let found = caching.auth.validate_session(session.token()).await;
            let found = found.unwrap().unwrap();
            assert_eq!(found.persistent, remember);
            assert_eq!(found.idle_expires, session.idle_expires);
            let cookie = caching.auth.session_cookie(Some(&found)).to_string();
            assert_eq!(cookie.contains("Max-Age="), remember, "{cookie}");

            stage.clock.advance(DAY + SECOND);
            let reply = cached.browser_of(&session).get("/who").await;
            assert_eq!(reply.body, "ada");
            assert_eq!(kept_for(&reply), remember.then_some(15 * DAY));
            stage.clock.advance(DAY / 2);
            // The other process rotates it, and the cache finds it under its new token.
            let found = plain.auth.validate_session(session.token()).await;
            session = plain
                .auth
                .rotate_session(&found.unwrap().unwrap())
                .await
                .unwrap();
        }
        // Past the limit, the cache does not answer either.
        caching.remember(&stage, &session).await;
        stage.clock.set(session.idle_expires + SECOND);
        let reply = cached.browser_of(&session).get("/who").await;
        assert_eq!(reply.body, "nobody");
        let days = if remember { 15 } else { 2 };
        let limit = since(session.renewed_at, session.idle_expires);
        assert_eq!(limit, days * DAY);
    }
}

#[tokio::test]
async fn r11_a_browser_keeps_the_cookie_of_a_session_that_is_not_remembered_until_it_is_closed() {
    let Some(driver) = Driver::start() else {
        return;
    };
    let stage = Stage::postgres().await;
    let site = site_with(&stage, |settings| {
        settings.environment(Environment::Development)
    })
    .await;
    for remember in [false, true] {
        let browser = driver.browser(&site.origin()).await;
        browser.open("/who").await;
        let form = match remember {
            true => "username=ada&remember=on",
            false => "username=ada",
        };
        post(&browser, "/sign-in", form).await;
        let ends = browser.cookie_ends("auth_session").await;
        assert_eq!(ends, remember, "at the sign-in");
        for path in ["/rotate", "/reauthenticate", "/change-password"] {
            post(&browser, path, "").await;
            let ends = browser.cookie_ends("auth_session").await;
            assert_eq!(ends, remember, "{path}");
        }
        stage.clock.advance(DAY + SECOND);
        browser.open("/who").await;
        let ends = browser.cookie_ends("auth_session").await;
        assert_eq!(ends, remember, "after a renewal");
        let renewed_at = stage.clock.now();
        let session = only_session(&site.auth).await;
        assert_eq!(
            (session.renewed_at, session.persistent),
            (renewed_at, remember)
        );
        post(&browser, "/logout", "").await;
    }
}

async fn post(browser: &chromium::Browser, path: &str, form: &str) {
    let script = "fetch(arguments[0], {
            method: 'POST',
            headers: { 'content-type': 'application/x-www-form-urlencoded' },
            body: arguments[1]
        }).then(reply => arguments[2](reply.ok));";
    let is_ok = browser.run(script, vec![json!(path), json!(form)]).await;
    assert_eq!(is_ok, Value::Bool(true), "{path}");
}

fn since(earlier: SystemTime, later: SystemTime) -> Duration {
    later.duration_since(earlier).unwrap()
}
