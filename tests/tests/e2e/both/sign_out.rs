//! Signing out by one call, over HTTP.

use std::time::Duration;

use lucia::{Auth, AuthRequest, Session};
use reqwest::Method;

use super::framework::{
    Data, Form, Response, answer, auth_request, authenticated, front_page, serve,
};
use super::sign_in::{Name, alive, login, send, sessions};
use crate::support::{
    Browser, PASSWORD, Profile, Site, Stage, bearer, on_each_store, on_redis, sign_up,
};

on_each_store![
    r29_another_site_signs_nobody_in_up_or_out,
    signing_out_ends_the_session_and_the_cookie,
    signing_out_ends_the_sessions_of_all_cookies_and_the_one_that_was_set,
    signing_out_by_a_token_ends_its_session_and_leaves_the_cookie,
    signing_out_everywhere_ends_all_sessions_of_the_user,
    signing_out_others_leaves_this_one,
    an_outage_while_signing_out_changes_nothing,
];

on_redis![
    signing_out_ends_the_session_and_the_cookie,
    signing_out_ends_the_sessions_of_all_cookies_and_the_one_that_was_set,
    signing_out_by_a_token_ends_its_session_and_leaves_the_cookie,
    signing_out_everywhere_ends_all_sessions_of_the_user,
    signing_out_others_leaves_this_one,
];

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn scene(stage: &Stage) -> Site {
    let routes = front_page()
        .post("/set-and-sign-out", set_and_sign_out)
        .post("/out", out)
        .post("/out/private", out_private)
        .post("/out/token", out_token)
        .post("/out/either", out_either)
        .post("/out/everywhere", out_everywhere)
        .post("/out/everywhere/token", out_everywhere_token)
        .post("/out/others", out_others)
        .post("/out/others/token", out_others_token);
    serve(stage.auth().await, routes).await
}

#[auth_request]
async fn set_and_sign_out(auth: Data<Auth>, Form(form): Form<Name>) -> lucia::Result<String> {
    let key = auth
        .verify_password(("username", &form.name), PASSWORD)
        .await?;
    auth_request.set_session(Some(&auth.create_session(&key).await?));
    auth_request.sign_out().await?;
    Ok(String::new())
}

/// What the request is after it was signed out.
async fn anonymous(auth_request: &AuthRequest) -> lucia::Result<Response> {
    assert!(auth_request.validate().await?.is_none());
    assert!(auth_request.validate_user::<Profile>().await?.is_none());
    Ok(answer(204, &[], ""))
}

#[auth_request]
async fn out() -> lucia::Result<Response> {
    auth_request.sign_out().await?;
    anonymous(&auth_request).await
}

#[authenticated]
async fn out_private() -> lucia::Result<Response> {
    auth_request.sign_out().await?;
    anonymous(&auth_request).await
}

#[authenticated(bearer)]
async fn out_token() -> lucia::Result<Response> {
    auth_request.sign_out().await?;
    anonymous(&auth_request).await
}

#[authenticated(cookie, bearer)]
async fn out_either() -> lucia::Result<Response> {
    auth_request.sign_out().await?;
    anonymous(&auth_request).await
}

#[auth_request]
async fn out_everywhere() -> lucia::Result<Response> {
    auth_request.sign_out_everywhere().await?;
    anonymous(&auth_request).await
}

#[authenticated(bearer)]
async fn out_everywhere_token() -> lucia::Result<Response> {
    auth_request.sign_out_everywhere().await?;
    anonymous(&auth_request).await
}

#[auth_request]
async fn out_others() -> lucia::Result<Response> {
    auth_request.sign_out_others().await?;
    assert!(auth_request.validate().await?.is_some());
    Ok(answer(204, &[], ""))
}

#[authenticated(bearer)]
async fn out_others_token() -> lucia::Result<Response> {
    auth_request.sign_out_others().await?;
    assert!(auth_request.validate().await?.is_some());
    Ok(answer(204, &[], ""))
}

fn with_token(browser: &Browser, path: &str, session: &Session) -> reqwest::RequestBuilder {
    browser
        .bare(Method::POST, path)
        .header("authorization", bearer(session))
}

async fn r29_another_site_signs_nobody_in_up_or_out(stage: Stage) {
    let site = scene(&stage).await;
    let ada = sign_up(&site.auth, "ada").await;
    let other = site.auth.create_session(&ada.user_id).await.unwrap();
    stage.probe.calls();
    let forms = [
        ("/login", login("ada", PASSWORD)),
        ("/signup", login("eve", PASSWORD)),
        ("/out", login("", "")),
        ("/out/everywhere", login("", "")),
        ("/out/others", login("", "")),
    ];
    for browser in [site.browser_of(&ada), site.browser()] {
        for (path, form) in &forms {
            for (name, value) in [
                ("origin", "https://evil.example"),
                ("origin", "null"),
                ("sec-fetch-site", "cross-site"),
            ] {
                let request = browser.bare(Method::POST, path).header(name, value);
                let reply = browser.send(request.form(form)).await;
                assert_eq!(reply.status, 403, "{path} {value}: {reply:?}");
                assert!(reply.set_cookies().is_empty(), "{path}: {reply:?}");
            }
        }
    }
    // Nothing was counted, hashed or ended.
    assert_eq!(stage.probe.calls(), [""; 0]);
    assert_eq!(alive(&site.auth, &[&ada, &other]).await, [true, true]);
    assert!(site.auth.key(("username", "eve")).await.unwrap().is_none());
    assert_eq!(sessions(&stage).await, 2);
}

async fn signing_out_ends_the_session_and_the_cookie(stage: Stage) {
    let site = scene(&stage).await;
    let ada = sign_up(&site.auth, "ada").await;
    for path in ["/out", "/out/private", "/out/either"] {
        let session = site.auth.create_session(&ada.user_id).await.unwrap();
        let browser = site.browser_of(&session);
        let reply = browser.post(path, &[]).await;
        assert_eq!(reply.status, 204, "{path}: {reply:?}");
        assert!(reply.removes_cookie(), "{path}: {reply:?}");
        assert_eq!(alive(&site.auth, &[&session, &ada]).await, [false, true]);
        assert_eq!(site.browser_of(&session).get("/me").await.status, 401);
        // Once more, by nobody, and by a cookie of a session that has ended.
        for browser in [site.browser(), site.browser_of(&session)] {
            let reply = browser.post("/out", &[]).await;
            assert_eq!(reply.status, 204, "{reply:?}");
            assert!(reply.removes_cookie(), "{reply:?}");
        }
    }
    // A renewal that was due is not sent.
    stage.clock.advance(2 * DAY);
    let reply = site.browser_of(&ada).post("/out/private", &[]).await;
    assert!(reply.removes_cookie(), "{reply:?}");
    assert_eq!(sessions(&stage).await, 0);
}

async fn signing_out_ends_the_sessions_of_all_cookies_and_the_one_that_was_set(stage: Stage) {
    let site = scene(&stage).await;
    let ada = sign_up(&site.auth, "ada").await;
    let bob = sign_up(&site.auth, "bob").await;
    let reply = send(&site, "/out", &[&ada, &bob], "").await;
    assert_eq!(reply.status, 204, "{reply:?}");
    assert_eq!(sessions(&stage).await, 0);

    let eve = sign_up(&site.auth, "eve").await;
    let browser = site.browser_of(&eve);
    let reply = browser.post("/set-and-sign-out", &[("name", "eve")]).await;
    assert!(reply.removes_cookie(), "{reply:?}");
    assert_eq!(sessions(&stage).await, 0);
}

async fn signing_out_by_a_token_ends_its_session_and_leaves_the_cookie(stage: Stage) {
    let site = scene(&stage).await;
    let ada = sign_up(&site.auth, "ada").await;
    for path in ["/out/token", "/out/either"] {
        let session = site.auth.create_session(&ada.user_id).await.unwrap();
        // No browser sends a token by itself, so it may come from any origin.
        let browser = site.browser_of(&ada);
        let request = with_token(&browser, path, &session).header("origin", "https://app.example");
        let reply = browser.send(request).await;
        assert_eq!(reply.status, 204, "{path}: {reply:?}");
        assert!(reply.set_cookies().is_empty(), "{path}: {reply:?}");
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(alive(&site.auth, &[&session, &ada]).await, [false, true]);
        let reply = browser.send(with_token(&browser, path, &session)).await;
        assert_eq!(reply.status, 401, "{path}: {reply:?}");
        // The cookie is not asked in its place.
        assert_eq!(browser.get("/me").await.body, "Hello, ada!");
    }
    // Where tokens were not let in, one ends nothing.
    let browser = site.browser();
    let reply = browser.send(with_token(&browser, "/out", &ada)).await;
    assert_eq!(reply.status, 204, "{reply:?}");
    assert_eq!(alive(&site.auth, &[&ada]).await, [true]);
}

async fn signing_out_everywhere_ends_all_sessions_of_the_user(stage: Stage) {
    let site = scene(&stage).await;
    let bob = sign_up(&site.auth, "bob").await;
    let ada = sign_up(&site.auth, "ada").await;
    for by_token in [false, true] {
        let here = site.auth.create_session(&ada.user_id).await.unwrap();
        let there = site.auth.create_session(&ada.user_id).await.unwrap();
        let browser = site.browser_of(&here);
        let reply = match by_token {
            false => browser.post("/out/everywhere", &[]).await,
            true => {
                let path = "/out/everywhere/token";
                browser.send(with_token(&browser, path, &here)).await
            }
        };
        assert_eq!(reply.status, 204, "{reply:?}");
        assert_eq!(reply.set_cookies().is_empty(), by_token, "{reply:?}");
        assert!(by_token || reply.removes_cookie(), "{reply:?}");
        let left = alive(&site.auth, &[&here, &there, &ada, &bob]).await;
        assert_eq!(left, [false, false, false, true]);
    }
    for browser in [site.browser(), site.browser_of(&ada)] {
        for path in ["/out/everywhere", "/out/others"] {
            let reply = browser.post(path, &[]).await;
            assert_eq!(reply.status, 401, "{reply:?}");
            assert!(reply.set_cookies().is_empty(), "{reply:?}");
        }
    }
    assert_eq!(alive(&site.auth, &[&bob]).await, [true]);
}

async fn signing_out_others_leaves_this_one(stage: Stage) {
    let site = scene(&stage).await;
    let bob = sign_up(&site.auth, "bob").await;
    let ada = sign_up(&site.auth, "ada").await;
    for by_token in [false, true] {
        let there = site.auth.create_session(&ada.user_id).await.unwrap();
        let reply = match by_token {
            false => site.browser_of(&ada).post("/out/others", &[]).await,
            true => {
                let browser = site.browser();
                let path = "/out/others/token";
                browser.send(with_token(&browser, path, &ada)).await
            }
        };
        assert_eq!(reply.status, 204, "{reply:?}");
        assert!(reply.set_cookies().is_empty(), "{reply:?}");
        let left = alive(&site.auth, &[&there, &ada, &bob]).await;
        assert_eq!(left, [false, true, true]);
    }
}

async fn an_outage_while_signing_out_changes_nothing(stage: Stage) {
    let site = scene(&stage).await;
    let ada = sign_up(&site.auth, "ada").await;
    for (path, by_token, step) in [
        ("/out", false, "delete_session"),
        ("/out/private", false, "delete_session"),
        ("/out/token", true, "delete_session"),
        ("/out/everywhere", false, "session_and_user"),
        ("/out/everywhere", false, "delete_user_sessions"),
        ("/out/everywhere/token", true, "delete_user_sessions"),
        ("/out/others", false, "delete_user_sessions"),
    ] {
        let browser = site.browser_of(&ada);
        stage.probe.halt(step);
        let failing = async {
            stage.probe.arrived(step).await;
            stage.probe.set_down(true);
            stage.probe.release(step);
        };
        let asking = async {
            match by_token {
                false => browser.post(path, &[]).await,
                true => browser.send(with_token(&browser, path, &ada)).await,
            }
        };
        let (reply, ()) = tokio::join!(asking, failing);
        stage.probe.set_down(false);
        assert_eq!(reply.status, 503, "{path} {step}: {reply:?}");
        assert!(reply.set_cookies().is_empty(), "{path} {step}: {reply:?}");
        assert_eq!(alive(&site.auth, &[&ada]).await, [true], "{path} {step}");
        assert_eq!(browser.get("/me").await.body, "Hello, ada!", "{path}");
    }
}
