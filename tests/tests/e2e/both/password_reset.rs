//! A forgotten password is reset by a link.

use std::time::Duration;

use futures_util::future::join_all;
use lucia::{Auth, CodePurpose, Error, NewKey, TokenPurpose};
use reqwest::Method;
use serde::Deserialize;

use super::framework::{Data, Form, Query, Response, answer, auth_request, front_page, serve};
use crate::support::{PASSWORD, Site, Stage, on_each_store, on_redis, request_to, sign_up};

on_each_store![
    r60_a_reset_link_is_opened_and_then_posted,
    r59_a_used_reset_ends_all_sessions_links_and_codes_of_the_user,
    r59_a_reset_is_asked_for_in_the_same_steps_by_known_and_unknown_users,
    r58_of_ten_resets_by_one_link_at_once_one_succeeds,
    r26_another_site_resets_no_password,
    what_has_changed_since_ends_a_reset_link,
    an_outage_in_any_step_resets_nothing_or_leaves_no_link,
];

on_redis![
    r60_a_reset_link_is_opened_and_then_posted,
    r58_of_ten_resets_by_one_link_at_once_one_succeeds,
    r26_another_site_resets_no_password,
    what_has_changed_since_ends_a_reset_link,
];

const NEW: &str = "another horse battery";
const TOLD: &str = "This link or code is wrong, used or expired. Ask for another one.";

#[derive(Deserialize)]
struct Link {
    token: String,
}

#[auth_request]
async fn page(auth: Data<Auth>, link: Query<Link>) -> lucia::Result<String> {
    let key = auth.check_password_reset(&link.token).await?;
    Ok(key.id.provider_user_id().to_owned())
}

#[derive(Deserialize)]
struct Reset {
    token: String,
    password: String,
}

#[auth_request]
async fn reset(Form(form): Form<Reset>) -> lucia::Result<Response> {
    let session = auth_request
        .reset_password(&form.token, &form.password)
        .await?;
    assert_eq!(auth_request.require().await?.id, session.id);
    Ok(answer(204, &[], ""))
}

/// A site where ada has an account, and the token of a link that resets her password.
async fn forgotten(stage: &Stage) -> (Site, lucia::Session, String) {
    let routes = front_page().get("/reset", page).post("/reset", reset);
    let site = serve(stage.auth().await, routes).await;
    let ada = sign_up(&site.auth, "ada").await;
    let token = reset_token(&site.auth, "ada").await;
    (site, ada, token)
}

async fn reset_token(auth: &Auth, name: &str) -> String {
    let request = request_to(auth);
    let created = request.create_password_reset(("username", name)).await;
    created.unwrap().unwrap().token.expose().to_owned()
}

fn form<'a>(token: &'a str, password: &'a str) -> [(&'static str, &'a str); 2] {
    [("token", token), ("password", password)]
}

async fn r60_a_reset_link_is_opened_and_then_posted(stage: Stage) {
    let (site, ada, token) = forgotten(&stage).await;
    let browser = site.browser();
    let path = format!("/reset?token={token}");
    for method in [Method::GET, Method::HEAD, Method::GET] {
        let reply = browser.send(browser.request(method.clone(), &path)).await;
        // axum answers HEAD by the handler of GET, and actix-web does not.
        if method == Method::GET {
            assert_eq!((reply.status, &*reply.body), (200, "ada"));
        }
        assert_eq!(stage.count("one_time_token").await, 1);
    }
    for weak in ["", "short"] {
        assert_eq!(
            browser.post("/reset", &form(&token, weak)).await.status,
            400
        );
    }
    assert_eq!(site.browser_of(&ada).get("/me").await.status, 200);

    assert_eq!(browser.post("/reset", &form(&token, NEW)).await.status, 204);
    assert_eq!(browser.get("/me").await.body, "Hello, ada!");
    site.auth
        .verify_password(("username", "ada"), NEW)
        .await
        .unwrap();
    let old = site
        .auth
        .verify_password(("username", "ada"), PASSWORD)
        .await;
    assert!(matches!(old, Err(Error::InvalidCredentials)), "{old:?}");
    for reply in [
        browser.get(&path).await,
        browser.post("/reset", &form(&token, PASSWORD)).await,
        browser.post("/reset", &form("x", PASSWORD)).await,
    ] {
        assert_eq!((reply.status, &*reply.body), (400, TOLD));
    }
}

async fn r59_a_used_reset_ends_all_sessions_links_and_codes_of_the_user(stage: Stage) {
    const LINK: TokenPurpose = TokenPurpose::new("link");
    const CODE: CodePurpose = CodePurpose::new("code");

    let (site, ada, token) = forgotten(&stage).await;
    let auth = &site.auth;
    let bob = sign_up(auth, "bob").await;
    let again = reset_token(auth, "ada").await;
    for user in [&ada.user_id, &bob.user_id] {
        auth.create_token(LINK, &()).user(user).await.unwrap();
        auth.create_code(CODE, user, &()).user(user).await.unwrap();
    }
    let elsewhere = site.browser_of(&ada);
    let browser = site.browser();
    assert_eq!(browser.post("/reset", &form(&token, NEW)).await.status, 204);
    assert_eq!(elsewhere.get("/me").await.status, 401);
    assert_eq!(browser.get("/me").await.status, 200);
    let refused = site
        .browser()
        .post("/reset", &form(&again, PASSWORD))
        .await
        .status;
    assert_eq!(refused, 400);
    let left = stage
        .rows("SELECT DISTINCT user_id FROM one_time_token")
        .await;
    assert_eq!(left, [[Some(bob.user_id.to_string())]]);
    assert_eq!(stage.count("one_time_token").await, 2);
    assert_eq!(site.browser_of(&bob).get("/me").await.status, 200);
}

async fn r59_a_reset_is_asked_for_in_the_same_steps_by_known_and_unknown_users(stage: Stage) {
    let (site, ..) = forgotten(&stage).await;
    let mut steps = Vec::new();
    for (number, name) in [(2, "ada"), (3, "nobody")] {
        stage.probe.calls();
        let request = request_to(&site.auth);
        let created = request.create_password_reset(("username", name)).await;
        assert_eq!(created.unwrap().is_some(), name == "ada");
        steps.push(stage.probe.calls());
        assert_eq!(stage.count("one_time_token").await, number);
    }
    assert_eq!(steps[0], ["count_attempt", "insert_token"]);
    assert_eq!(steps[1], steps[0]);
}

async fn r58_of_ten_resets_by_one_link_at_once_one_succeeds(stage: Stage) {
    let (site, _, token) = forgotten(&stage).await;
    let passwords: Vec<_> = (0..10).map(|number| format!("{NEW} {number}")).collect();
    let browsers: Vec<_> = passwords.iter().map(|_| site.browser()).collect();
    let replies = join_all(
        browsers
            .iter()
            .zip(&passwords)
            .map(async |(browser, password)| {
                browser.post("/reset", &form(&token, password)).await.status
            }),
    )
    .await;
    let won = replies.iter().position(|status| *status == 204).unwrap();
    assert!(
        replies
            .iter()
            .enumerate()
            .all(|(at, status)| at == won || *status == 400),
        "{replies:?}"
    );
    let key = site
        .auth
        .verify_password(("username", "ada"), &passwords[won])
        .await;
    key.unwrap();
    assert_eq!(stage.count("user_session").await, 1);
}

async fn r26_another_site_resets_no_password(stage: Stage) {
    let (site, ada, token) = forgotten(&stage).await;
    let browser = site.browser();
    for origin in ["https://evil.example", "null"] {
        let request = browser
            .bare(Method::POST, "/reset")
            .header("origin", origin);
        let reply = browser.send(request.form(&form(&token, NEW))).await;
        assert_eq!(reply.status, 403);
    }
    assert_eq!(site.browser_of(&ada).get("/me").await.status, 200);
    site.auth.check_password_reset(&token).await.unwrap();
}

async fn what_has_changed_since_ends_a_reset_link(stage: Stage) {
    let (site, ada, _) = forgotten(&stage).await;
    let auth = &site.auth;
    let bob = sign_up(auth, "bob").await;
    let assert_ended = async |token: &str| {
        let checked = auth.check_password_reset(token).await;
        assert!(
            matches!(checked, Err(Error::InvalidOneTimeToken)),
            "{checked:?}"
        );
        let reply = site.browser().post("/reset", &form(token, NEW)).await;
        assert_eq!((reply.status, &*reply.body), (400, TOLD));
    };
    // The key has another user.
    let nickname = || NewKey::with_password(("username", "nick"), PASSWORD);
    auth.create_key(&ada.user_id, nickname()).await.unwrap();
    let token = reset_token(auth, "nick").await;
    auth.delete_key(("username", "nick")).await.unwrap();
    assert_ended(&token).await;
    auth.create_key(&bob.user_id, nickname()).await.unwrap();
    assert_ended(&token).await;
    auth.verify_password(("username", "nick"), PASSWORD)
        .await
        .unwrap();
    // The user was deleted.
    let token = reset_token(auth, "ada").await;
    auth.delete_user(&ada.user_id).await.unwrap();
    assert_ended(&token).await;
    // The time is over.
    let token = reset_token(auth, "bob").await;
    stage.clock.advance(Duration::from_secs(60 * 60));
    assert_ended(&token).await;
}

async fn an_outage_in_any_step_resets_nothing_or_leaves_no_link(stage: Stage) {
    let (site, ada, mut token) = forgotten(&stage).await;
    for step in ["token", "key", "claim_key"] {
        stage.probe.halt(step);
        let browser = site.browser();
        let posted = form(&token, NEW);
        let outage = async {
            stage.probe.arrived(step).await;
            stage.probe.set_down(true);
            stage.probe.release(step);
        };
        let (reply, ()) = tokio::join!(browser.post("/reset", &posted), outage);
        stage.probe.set_down(false);
        assert_eq!(reply.status, 503, "{step}");
        assert_eq!(reply.set_cookies(), Vec::<&str>::new());
        assert_eq!(site.browser_of(&ada).get("/me").await.status, 200, "{step}");
        site.auth.check_password_reset(&token).await.unwrap();
    }
    site.auth
        .verify_password(("username", "ada"), PASSWORD)
        .await
        .unwrap();
    // From here on nothing is left of what another person can have had, and the password is the new one from
    // the step after this on.
    for (step, is_new) in [("change_password", false), ("insert_session_by_key", true)] {
        stage.probe.halt(step);
        let browser = site.browser();
        let posted = form(&token, NEW);
        let outage = async {
            stage.probe.arrived(step).await;
            stage.probe.set_down(true);
            stage.probe.release(step);
        };
        let (reply, ()) = tokio::join!(browser.post("/reset", &posted), outage);
        stage.probe.set_down(false);
        assert_eq!(reply.status, 503);
        assert_eq!(site.browser_of(&ada).get("/me").await.status, 401);
        let old = site.auth.verify_password(("username", "ada"), PASSWORD);
        assert!(old.await.is_err());
        let new = site.auth.verify_password(("username", "ada"), NEW).await;
        assert_eq!(new.is_ok(), is_new, "{step}");
        token = reset_token(&site.auth, "ada").await;
    }
}
