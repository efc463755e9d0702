//! Users sign in by a link or code that is sent to their address.

use std::time::Duration;

use futures_util::future::join_all;
use lucia::{Auth, Error, KeyId, NewKey, Session, SignInCode, SignInLink};
use reqwest::Method;
use serde::Deserialize;

use super::framework::{
    Data, Form, Query, Response, answer, auth_request, authenticated, front_page, serve,
};
use crate::support::{Browser, PASSWORD, Reply, Site, Stage, on_each_store, request_to, sign_up};

on_each_store![
    r60_a_sign_in_link_is_opened_and_then_posted,
    r58_of_fifty_sign_ins_by_one_link_at_once_one_succeeds,
    r58_a_sign_in_link_works_for_ten_minutes_and_for_its_user,
    r61_a_sign_in_code_can_be_tried_five_times,
    r61_a_new_sign_in_code_ends_the_old_one,
    r61_of_fifty_sign_ins_by_one_code_at_once_one_succeeds,
    r61_another_browser_neither_uses_nor_ends_a_code_nor_its_tries,
    r34_wrong_codes_are_counted_with_wrong_passwords,
    r26_another_site_signs_nobody_in_by_a_link_or_code,
    r24_a_link_or_code_of_the_user_proves_it_once_more,
    an_outage_in_any_step_signs_nobody_in,
];

const TOLD: &str = "This link or code is wrong, used or expired. Ask for another one.";

#[derive(Deserialize)]
struct Link {
    token: String,
}

#[derive(Deserialize)]
struct Name {
    name: String,
}

#[derive(Deserialize)]
struct Code {
    name: String,
    code: String,
}

#[auth_request]
async fn page(auth: Data<Auth>, link: Query<Link>) -> lucia::Result<String> {
    let key = auth.check_sign_in_link(&link.token).await?;
    Ok(key.id.provider_user_id().to_owned())
}

#[auth_request]
async fn sign_in(Form(form): Form<Link>) -> lucia::Result<Response> {
    let session = auth_request.sign_in(SignInLink::new(&form.token)).await?;
    assert_eq!(auth_request.require().await?.id, session.id);
    Ok(answer(204, &[], ""))
}

#[auth_request]
async fn ask_for_code(Form(form): Form<Name>) -> lucia::Result<String> {
    let key = ("username", form.name);
    let created = auth_request.create_sign_in_code(key).await?;
    Ok(created.map_or_else(String::new, |code| code.code.expose().to_owned()))
}

#[auth_request]
async fn sign_in_by_code(Form(form): Form<Code>) -> lucia::Result<Response> {
    let code = SignInCode::new(("username", &form.name), &form.code);
    auth_request.sign_in(code).await?;
    Ok(answer(204, &[], ""))
}

#[auth_request]
async fn prove(Form(form): Form<Link>) -> lucia::Result<Response> {
    let link = SignInLink::new(&form.token);
    auth_request.reauthenticate(link).await?;
    Ok(answer(204, &[], ""))
}

#[auth_request]
async fn prove_by_code(Form(form): Form<Code>) -> lucia::Result<Response> {
    let code = SignInCode::new(("username", &form.name), &form.code);
    auth_request.reauthenticate(code).await?;
    Ok(answer(204, &[], ""))
}

#[authenticated(recent = "10m")]
async fn danger() -> &'static str {
    "done"
}

async fn site(stage: &Stage) -> Site {
    let routes = front_page()
        .get("/sign-in", page)
        .post("/sign-in", sign_in)
        .post("/code/ask", ask_for_code)
        .post("/code", sign_in_by_code)
        .post("/prove", prove)
        .post("/prove-by-code", prove_by_code)
        .get("/danger", danger);
    serve(stage.auth().await, routes).await
}

/// A site with Ada, whose key is verified.
async fn with_ada(stage: &Stage) -> (Site, Session) {
    let site = site(stage).await;
    let ada = sign_up(&site.auth, "ada").await;
    let at = stage.clock.now().into();
    let store = stage.store().await;
    let verified = store.verify_key("username:ada", &ada.user_id, at).await;
    assert!(verified.unwrap());
    (site, ada)
}

async fn link(auth: &Auth, key: impl Into<KeyId>) -> String {
    let created = request_to(auth).create_sign_in_link(key).await;
    created.unwrap().unwrap().token.expose().to_owned()
}

/// The code that this browser has asked for.
async fn code(browser: &Browser, name: &str) -> String {
    let reply = browser.post("/code/ask", &[("name", name)]).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.body
}

/// A code that is not this one.
fn wrong(code: &str) -> String {
    let last = if code.ends_with('0') { '1' } else { '0' };
    format!("{}{last}", &code[..code.len() - 1])
}

async fn post_link(browser: &Browser, token: &str) -> Reply {
    browser.post("/sign-in", &[("token", token)]).await
}

async fn post_code(browser: &Browser, name: &str, code: &str) -> Reply {
    let form = [("name", name), ("code", code)];
    browser.post("/code", &form).await
}

async fn r60_a_sign_in_link_is_opened_and_then_posted(stage: Stage) {
    let (site, ada) = with_ada(&stage).await;
    let token = link(&site.auth, ("username", "ada")).await;
    let browser = site.browser();
    let path = format!("/sign-in?token={token}");
    for method in [Method::GET, Method::HEAD, Method::GET] {
        let reply = browser.send(browser.request(method.clone(), &path)).await;
        if method == Method::GET {
            assert_eq!((reply.status, &*reply.body), (200, "ada"));
        }
        assert!(reply.set_cookies().is_empty(), "{reply:?}");
        assert_eq!(stage.count("one_time_token").await, 1);
    }
    assert_eq!(post_link(&browser, &token).await.status, 204);
    assert_eq!(browser.get("/me").await.body, "Hello, ada!");
    assert_eq!(stage.count("one_time_token").await, 0);
    // Nothing else has changed: the key was verified.
    assert_eq!(site.browser_of(&ada).get("/me").await.status, 200);
    let opened = site.auth.verify_password(("username", "ada"), PASSWORD);
    opened.await.unwrap();
    for reply in [
        browser.get(&path).await,
        post_link(&browser, &token).await,
        post_link(&site.browser(), "x").await,
    ] {
        assert_eq!((reply.status, &*reply.body), (400, TOLD));
    }
}

async fn r58_of_fifty_sign_ins_by_one_link_at_once_one_succeeds(stage: Stage) {
    let (site, _) = with_ada(&stage).await;
    let token = link(&site.auth, ("username", "ada")).await;
    // In another process as well.
    let routes = front_page().post("/sign-in", sign_in);
    let other = serve(stage.auth().await, routes).await;
    let browsers: Vec<_> = (0..50)
        .map(|number| [&site, &other][number % 2].browser())
        .collect();
    let replies = join_all(browsers.iter().map(|browser| post_link(browser, &token))).await;
    let mut statuses: Vec<_> = replies.iter().map(|reply| reply.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses[0], 204);
    assert!(
        statuses[1..].iter().all(|status| *status == 400),
        "{statuses:?}"
    );
    assert_eq!(stage.count("user_session").await, 2);
}

async fn r58_a_sign_in_link_works_for_ten_minutes_and_for_its_user(stage: Stage) {
    let (site, ada) = with_ada(&stage).await;
    let auth = &site.auth;
    let bob = sign_up(auth, "bob").await;
    let request = request_to(auth);
    let reset = request.create_password_reset(("username", "ada")).await;
    let reset = reset.unwrap().unwrap().token;
    assert_eq!(post_link(&site.browser(), reset.expose()).await.status, 400);
    let late = link(auth, ("username", "ada")).await;
    stage.clock.advance(Duration::from_secs(10 * 60 - 1));
    auth.check_sign_in_link(&late).await.unwrap();
    stage.clock.advance(Duration::from_secs(1));
    assert_eq!(post_link(&site.browser(), &late).await.status, 400);
    // The password was changed, and the key has another user.
    let token = link(auth, ("username", "ada")).await;
    let changed = auth.update_key_password(("username", "ada"), "another horse");
    changed.await.unwrap();
    assert_eq!(post_link(&site.browser(), &token).await.status, 204);
    let token = link(auth, ("username", "ada")).await;
    let key = auth.delete_key(("username", "ada")).even_if_last();
    key.await.unwrap();
    assert_eq!(post_link(&site.browser(), &token).await.status, 400);
    let nickname = NewKey::without_password(("username", "ada"));
    auth.create_key(&bob.user_id, nickname).await.unwrap();
    assert_eq!(post_link(&site.browser(), &token).await.status, 400);
    let ended = link(auth, ("username", "bob")).await;
    auth.delete_user(&bob.user_id).await.unwrap();
    assert_eq!(post_link(&site.browser(), &ended).await.status, 400);
    assert_eq!(site.browser_of(&ada).get("/me").await.status, 200);
}

async fn r61_a_sign_in_code_can_be_tried_five_times(stage: Stage) {
    let (site, _) = with_ada(&stage).await;
    for (wrong_tries, status) in [(4, 204), (5, 400)] {
        // The count of failed sign-ins begins anew.
        stage.clock.advance(Duration::from_secs(15 * 60));
        let browser = site.browser();
        let code = code(&browser, "ada").await;
        assert_eq!(code.len(), 8);
        for _ in 0..wrong_tries {
            let reply = post_code(&browser, "ada", &wrong(&code)).await;
            assert_eq!((reply.status, &*reply.body), (400, TOLD));
        }
        let written = format!(" {} {} ", &code[..4], &code[4..]);
        let reply = post_code(&browser, "ada", &written).await;
        assert_eq!(reply.status, status, "{reply:?}");
        let again = post_code(&browser, "ada", &code).await;
        assert_eq!(again.status, 400, "{again:?}");
    }
    // What nobody has a code for is refused alike.
    for name in ["nobody", "ada", "", "bob"] {
        let reply = post_code(&site.browser(), name, "01234567").await;
        let told = (reply.status, &*reply.body);
        assert!(
            [(400, TOLD), (429, "Too many attempts.")].contains(&told),
            "{reply:?}"
        );
    }
}

async fn r61_a_new_sign_in_code_ends_the_old_one(stage: Stage) {
    let (site, _) = with_ada(&stage).await;
    sign_up(&site.auth, "bob").await;
    let browser = site.browser();
    let (old, other) = (code(&browser, "ada").await, code(&browser, "bob").await);
    let new = code(&browser, "ada").await;
    for code in [&old, &other] {
        let reply = post_code(&browser, "ada", code).await;
        assert_eq!(reply.status, 400, "{reply:?}");
    }
    assert_eq!(post_code(&browser, "ada", &new).await.status, 204);
    assert_eq!(browser.get("/me").await.body, "Hello, ada!");
    stage.clock.advance(Duration::from_secs(10 * 60));
    let late = post_code(&browser, "bob", &other).await;
    assert_eq!(late.status, 400, "{late:?}");
}

async fn r61_of_fifty_sign_ins_by_one_code_at_once_one_succeeds(stage: Stage) {
    let (site, _) = with_ada(&stage).await;
    let browser = site.browser();
    let code = code(&browser, "ada").await;
    let tries = (0..50).map(|_| post_code(&browser, "ada", &code));
    let mut counts = [0; 2];
    for reply in join_all(tries).await {
        match reply.status {
            204 => counts[0] += 1,
            400 | 429 | 503 => counts[1] += 1,
            other => panic!("{other}: {reply:?}"),
        }
    }
    assert!(counts[0] <= 1, "{counts:?}");
    assert_eq!(counts[0] + counts[1], 50);
    let sessions = stage.count("user_session").await;
    assert_eq!(sessions, 1 + counts[0]);
}

async fn r61_another_browser_neither_uses_nor_ends_a_code_nor_its_tries(stage: Stage) {
    let (site, _) = with_ada(&stage).await;
    let (hers, other) = (site.browser(), site.browser());
    let code = code(&hers, "ada").await;
    // With a cookie of its own, and without one.
    for _ in 0..2 {
        for number in 0..3 {
            let tried = if number == 2 {
                code.clone()
            } else {
                wrong(&code)
            };
            let reply = post_code(&other, "ada", &tried).await;
            assert_eq!((reply.status, &*reply.body), (400, TOLD));
        }
        let others = self::code(&other, "ada").await;
        assert_ne!(others, code);
        let reply = post_code(&hers, "ada", &others).await;
        assert_eq!(reply.status, 400);
    }
    assert_eq!(post_code(&hers, "ada", &code).await.status, 204);
    assert_eq!(hers.get("/me").await.body, "Hello, ada!");
}

async fn r34_wrong_codes_are_counted_with_wrong_passwords(stage: Stage) {
    let (site, _) = with_ada(&stage).await;
    let browser = site.browser();
    for round in 0..2 {
        let code = code(&browser, "ada").await;
        for _ in 0..4 {
            let reply = post_code(&browser, "ada", &wrong(&code)).await;
            assert_eq!(reply.status, 400, "{round}: {reply:?}");
        }
        // A success is no failure, and forgives none.
        let reply = post_code(&browser, "ada", &code).await;
        assert_eq!(reply.status, 204, "{round}: {reply:?}");
    }
    let code = code(&browser, "ada").await;
    for name in ["ada", "ADA"] {
        let form = [("username", name), ("password", "wrong horse")];
        assert_eq!(browser.post("/login", &form).await.status, 401);
    }
    let reply = post_code(&browser, "ada", &code).await;
    assert_eq!(reply.status, 429, "{reply:?}");
    assert!(reply.header("retry-after").is_some(), "{reply:?}");
    let form = [("username", "ada"), ("password", PASSWORD)];
    assert_eq!(browser.post("/login", &form).await.status, 429);
    // It was not tried.
    let from_elsewhere = SignInCode::new(("username", "ada"), &code);
    assert!(format!("{from_elsewhere:?}").contains("SignInCode"));
    stage.clock.advance(Duration::from_secs(15 * 60));
    let code = self::code(&browser, "ada").await;
    assert_eq!(post_code(&browser, "ada", &code).await.status, 204);
}

async fn r26_another_site_signs_nobody_in_by_a_link_or_code(stage: Stage) {
    let (site, _) = with_ada(&stage).await;
    let token = link(&site.auth, ("username", "ada")).await;
    let browser = site.browser();
    let code = code(&browser, "ada").await;
    for origin in ["https://evil.example", "null"] {
        for (path, form) in [
            ("/sign-in", [("token", &*token), ("", "")]),
            ("/code", [("name", "ada"), ("code", &code)]),
        ] {
            let request = browser.bare(Method::POST, path).header("origin", origin);
            let reply = browser.send(request.form(&form)).await;
            assert_eq!(reply.status, 403, "{path}");
            assert!(reply.set_cookies().is_empty(), "{reply:?}");
        }
    }
    assert_eq!(post_link(&browser, &token).await.status, 204);
    assert_eq!(post_code(&browser, "ada", &code).await.status, 204);
}

async fn r24_a_link_or_code_of_the_user_proves_it_once_more(stage: Stage) {
    let site = site(&stage).await;
    let auth = &site.auth;
    let ada = sign_up(auth, "ada").await;
    sign_up(auth, "bob").await;
    let browser = site.browser_of(&ada);
    for by_code in [false, true] {
        stage.clock.advance(Duration::from_secs(11 * 60));
        assert_eq!(browser.get("/danger").await.status, 401);
        for (name, status) in [("bob", 400), ("ada", 204)] {
            let reply = if by_code {
                let code = code(&browser, name).await;
                let form = [("name", name), ("code", &*code)];
                browser.post("/prove-by-code", &form).await
            } else {
                let token = link(auth, ("username", name)).await;
                browser.post("/prove", &[("token", &*token)]).await
            };
            assert_eq!(reply.status, status, "{name}: {reply:?}");
        }
        assert_eq!(browser.get("/danger").await.body, "done");
    }
    // Here the user was signed in, and so the key is verified and still has its password.
    let key = auth.key(("username", "ada")).await.unwrap().unwrap();
    assert!(key.verified_at.is_some() && key.has_password);
    let key = auth.key(("username", "bob")).await.unwrap().unwrap();
    assert!(key.verified_at.is_none() && key.has_password);
}

async fn an_outage_in_any_step_signs_nobody_in(stage: Stage) {
    let (site, _) = with_ada(&stage).await;
    for (step, is_used) in [
        ("token", false),
        ("key", false),
        ("take_token", false),
        ("insert_session_by_key", true),
    ] {
        let token = link(&site.auth, ("username", "ada")).await;
        stage.probe.halt(step);
        let browser = site.browser();
        let outage = async {
            stage.probe.arrived(step).await;
            stage.probe.set_down(true);
            stage.probe.release(step);
        };
        let (reply, ()) = tokio::join!(post_link(&browser, &token), outage);
        stage.probe.set_down(false);
        assert_eq!(reply.status, 503, "{step}");
        assert!(reply.set_cookies().is_empty(), "{reply:?}");
        assert_eq!(stage.count("user_session").await, 1);
        let checked = site.auth.check_sign_in_link(&token).await;
        match is_used {
            true => assert!(
                matches!(checked, Err(Error::InvalidOneTimeToken)),
                "{checked:?}"
            ),
            false => drop(checked.unwrap()),
        }
    }
}
