//! A user who is signed in proves once more who they are, by one call.

use std::time::Duration;

use lucia::{Auth, NewKey, Password, Session};
use reqwest::Method;
use serde::Deserialize;

use super::framework::{
    Data, Form, Response, answer, auth_request, authenticated, front_page, serve,
};
use crate::support::{PASSWORD, Site, Stage, bearer, on_each_store, on_redis, sign_up};

on_each_store![
    r24_one_call_proves_it_and_gives_the_session_another_token,
    r24_a_token_proves_it_and_gets_another_token,
    r26_another_site_proves_nothing,
    what_is_not_the_password_of_this_user_proves_nothing,
    r34_wrong_passwords_are_counted_with_those_of_sign_ins,
    r34_the_right_password_of_another_user_is_counted_as_a_wrong_one,
    r24_a_key_that_the_application_vouches_for_proves_it,
];

on_redis![
    r24_one_call_proves_it_and_gives_the_session_another_token,
    r24_a_token_proves_it_and_gets_another_token,
    r26_another_site_proves_nothing,
    what_is_not_the_password_of_this_user_proves_nothing,
    r34_wrong_passwords_are_counted_with_those_of_sign_ins,
    r34_the_right_password_of_another_user_is_counted_as_a_wrong_one,
    r24_a_key_that_the_application_vouches_for_proves_it,
];

const WRONG: &str = "wrong horse battery";

#[derive(Deserialize)]
struct Proof {
    username: String,
    password: String,
}

#[auth_request]
async fn prove(Form(proof): Form<Proof>) -> lucia::Result<Response> {
    let password = Password::new(("username", &proof.username), &proof.password);
    let session = auth_request.reauthenticate(password).await?;
    // From now on the request is that of the new token.
    assert_eq!(auth_request.require().await?.id, session.id);
    Ok(answer(204, &[], ""))
}

/// As after a visit to an OAuth provider.
#[auth_request]
async fn vouch(auth: Data<Auth>, Form(proof): Form<Proof>) -> lucia::Result<Response> {
    let key = auth.trusted_key(("github", &proof.username)).await?;
    auth_request.reauthenticate(key).await?;
    Ok(answer(204, &[], ""))
}

#[authenticated(bearer)]
async fn prove_by_token(Form(proof): Form<Proof>) -> lucia::Result<String> {
    let password = Password::new(("username", &proof.username), &proof.password);
    let session = auth_request.reauthenticate(password).await?;
    Ok(session.token().expose().to_owned())
}

#[authenticated(cookie, bearer, recent = "10m")]
async fn danger() -> &'static str {
    "done"
}

/// Ada, who signed in eleven minutes ago, and Bob.
struct Scene {
    stage: Stage,
    site: Site,
    ada: Session,
    bob: Session,
}

impl Scene {
    async fn on(stage: Stage) -> Self {
        let routes = front_page()
            .post("/prove", prove)
            .post("/vouch", vouch)
            .post("/token/prove", prove_by_token)
            .get("/danger", danger);
        let site = serve(stage.auth().await, routes).await;
        let ada = sign_up(&site.auth, "ada").await;
        let bob = sign_up(&site.auth, "bob").await;
        stage.clock.advance(Duration::from_secs(11 * 60));
        Self {
            stage,
            site,
            ada,
            bob,
        }
    }

    async fn assert_unproven(&self) {
        let browser = self.site.browser_of(&self.ada);
        assert_eq!(browser.get("/danger").await.status, 401);
        assert_eq!(browser.get("/me").await.body, "Hello, ada!");
        assert_eq!(self.stage.count("user_session").await, 2);
    }
}

fn form<'a>(username: &'a str, password: &'a str) -> [(&'a str, &'a str); 2] {
    [("username", username), ("password", password)]
}

async fn r24_one_call_proves_it_and_gives_the_session_another_token(stage: Stage) {
    let scene = Scene::on(stage).await;
    scene.assert_unproven().await;
    let browser = scene.site.browser_of(&scene.ada);
    let reply = browser.post("/prove", &form("ada", PASSWORD)).await;
    assert_eq!(reply.status, 204, "{reply:?}");
    assert!(!reply.set_cookie().contains(scene.ada.token().expose()));
    assert_eq!(browser.get("/danger").await.body, "done");
    let old = scene.site.browser_of(&scene.ada);
    assert_eq!(old.get("/me").await.status, 401);
    assert_eq!(scene.stage.count("user_session").await, 2);
}

async fn r24_a_token_proves_it_and_gets_another_token(stage: Stage) {
    let scene = Scene::on(stage).await;
    // The browser has a session of another user, which is left alone.
    let browser = scene.site.browser_of(&scene.bob);
    let request = browser.bare(Method::POST, "/token/prove");
    let request = request.header("authorization", bearer(&scene.ada));
    let reply = browser.send(request.form(&form("ada", PASSWORD))).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert!(reply.set_cookies().is_empty(), "{reply:?}");
    let by_token = |token: String| {
        let request = browser.bare(Method::GET, "/danger");
        browser.send(request.header("authorization", format!("Bearer {token}")))
    };
    assert_eq!(by_token(reply.body).await.body, "done");
    let old = scene.ada.token().expose().to_owned();
    assert_eq!(by_token(old).await.status, 401);
    assert_eq!(browser.get("/me").await.body, "Hello, bob!");
}

async fn r26_another_site_proves_nothing(stage: Stage) {
    let scene = Scene::on(stage).await;
    let browser = scene.site.browser_of(&scene.ada);
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
    ] {
        let request = browser.bare(Method::POST, "/prove").header(name, value);
        let reply = browser.send(request.form(&form("ada", PASSWORD))).await;
        assert_eq!(reply.status, 403, "{value}: {reply:?}");
        assert!(reply.set_cookies().is_empty(), "{value}: {reply:?}");
    }
    scene.assert_unproven().await;
}

async fn what_is_not_the_password_of_this_user_proves_nothing(stage: Stage) {
    let scene = Scene::on(stage).await;
    let browser = scene.site.browser_of(&scene.ada);
    for (username, password) in [
        ("ada", WRONG),
        ("ada", ""),
        // It is the password of Bob's key.
        ("bob", PASSWORD),
        ("unknown", PASSWORD),
    ] {
        let reply = browser.post("/prove", &form(username, password)).await;
        assert_eq!(reply.status, 401, "{username}: {reply:?}");
        assert_eq!(reply.body, "Wrong credentials.", "{username}");
        assert!(reply.set_cookies().is_empty(), "{reply:?}");
    }
    let anonymous = scene.site.browser();
    let reply = anonymous.post("/prove", &form("ada", PASSWORD)).await;
    assert_eq!((reply.status, &*reply.body), (401, "Not signed in."));
    scene.assert_unproven().await;
}

async fn r34_wrong_passwords_are_counted_with_those_of_sign_ins(stage: Stage) {
    let scene = Scene::on(stage).await;
    let browser = scene.site.browser_of(&scene.ada);
    for _ in 0..9 {
        let reply = browser.post("/prove", &form("ada", WRONG)).await;
        assert_eq!(reply.status, 401, "{reply:?}");
    }
    let stranger = scene.site.browser();
    let login = stranger.post("/login", &form("ada", WRONG)).await;
    assert_eq!(login.status, 401);
    let reply = browser.post("/prove", &form("ada", PASSWORD)).await;
    assert_eq!(reply.status, 429, "{reply:?}");
    assert!(reply.header("retry-after").is_some(), "{reply:?}");
    scene.assert_unproven().await;
}

async fn r34_the_right_password_of_another_user_is_counted_as_a_wrong_one(stage: Stage) {
    let scene = Scene::on(stage).await;
    let browser = scene.site.browser_of(&scene.ada);
    for _ in 0..10 {
        let reply = browser.post("/prove", &form("bob", PASSWORD)).await;
        assert_eq!(reply.status, 401, "{reply:?}");
    }
    let stranger = scene.site.browser();
    let login = stranger.post("/login", &form("bob", PASSWORD)).await;
    assert_eq!(login.status, 429);
    scene.assert_unproven().await;
}

async fn r24_a_key_that_the_application_vouches_for_proves_it(stage: Stage) {
    let scene = Scene::on(stage).await;
    let auth = &scene.site.auth;
    for (session, id) in [(&scene.ada, "1815"), (&scene.bob, "1912")] {
        let key = NewKey::without_password(("github", id));
        auth.create_key(&session.user_id, key).await.unwrap();
    }
    let browser = scene.site.browser_of(&scene.ada);
    for (id, status) in [("1912", 401), ("unknown", 401), ("1815", 204)] {
        scene.assert_unproven().await;
        let reply = browser.post("/vouch", &form(id, "")).await;
        assert_eq!(reply.status, status, "{id}: {reply:?}");
    }
    assert_eq!(browser.get("/danger").await.status, 200);
}
