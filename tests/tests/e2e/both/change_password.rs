//! A user changes their password by one call.

use lucia::{Auth, Error, NewKey, Password, Session};
use reqwest::Method;
use serde::Deserialize;

use super::framework::{Form, Response, answer, auth_request, authenticated, front_page, serve};
use crate::support::{Browser, PASSWORD, Site, Stage, bearer, on_each_store, on_redis, sign_up};

on_each_store![
    r21_one_call_changes_the_password_and_keeps_only_this_session,
    r21_a_token_changes_the_password_and_gets_another_token,
    r26_another_site_changes_no_password,
    an_anonymous_request_changes_no_password,
    what_is_not_the_password_of_this_user_changes_nothing,
    r34_wrong_current_passwords_are_counted_with_those_of_sign_ins,
    a_new_password_that_breaks_the_policy_changes_nothing,
    a_session_that_ends_meanwhile_changes_no_password,
    r21_a_password_that_an_administrator_sets_meanwhile_stays,
    an_outage_in_any_step_changes_nothing,
];

on_redis![
    r21_a_token_changes_the_password_and_gets_another_token,
    what_is_not_the_password_of_this_user_changes_nothing,
    r34_wrong_current_passwords_are_counted_with_those_of_sign_ins,
    a_new_password_that_breaks_the_policy_changes_nothing,
];

const NEW: &str = "another horse battery";
const WRONG: &str = "wrong horse battery";

#[derive(Deserialize)]
struct Change {
    provider: String,
    name: String,
    old: String,
    new: String,
}

#[auth_request]
async fn change(Form(form): Form<Change>) -> lucia::Result<Response> {
    let current = Password::new((&form.provider, &form.name), &form.old);
    let session = auth_request.change_password(current, &form.new).await?;
    // From now on the request is that of the new token.
    let now = auth_request.require().await?;
    assert_eq!(now.id, session.id);
    Ok(answer(204, &[], ""))
}

#[authenticated(bearer)]
async fn change_by_token(Form(form): Form<Change>) -> lucia::Result<String> {
    let current = Password::new((&form.provider, &form.name), &form.old);
    let session = auth_request.change_password(current, &form.new).await?;
    Ok(session.token().expose().to_owned())
}

/// Ada here and elsewhere, and Bob.
struct Scene {
    stage: Stage,
    site: Site,
    here: Session,
    elsewhere: Session,
    bob: Session,
}

impl Scene {
    async fn on(stage: Stage) -> Self {
        let routes = front_page()
            .post("/password", change)
            .post("/token/password", change_by_token);
        let site = serve(stage.auth().await, routes).await;
        let here = sign_up(&site.auth, "ada").await;
        let elsewhere = site.auth.create_session(&here.user_id).await.unwrap();
        let bob = sign_up(&site.auth, "bob").await;
        stage.probe.calls();
        Self {
            stage,
            site,
            here,
            elsewhere,
            bob,
        }
    }

    fn browser(&self) -> Browser {
        self.site.browser_of(&self.here)
    }

    /// Which of Ada's sessions here and elsewhere, and Bob's, there are.
    async fn alive(&self) -> Vec<bool> {
        let mut alive = Vec::new();
        for session in [&self.here, &self.elsewhere, &self.bob] {
            let found = self.site.auth.session(&session.id).await;
            alive.push(found.unwrap().is_some());
        }
        alive
    }

    /// Whether Ada's key opens by the old password, and by the new one.
    async fn opens(&self) -> [bool; 2] {
        [
            opens(&self.site.auth, PASSWORD).await,
            opens(&self.site.auth, NEW).await,
        ]
    }

    async fn assert_unchanged(&self) {
        assert_eq!(self.opens().await, [true, false]);
        assert_eq!(self.alive().await, [true, true, true]);
        assert_eq!(self.stage.count("user_session").await, 3);
    }
}

async fn opens(auth: &Auth, password: &str) -> bool {
    match auth.verify_password(("username", "ada"), password).await {
        Ok(_) => true,
        Err(Error::InvalidCredentials) => false,
        Err(error) => panic!("{error:?}"),
    }
}

fn form<'a>(name: &'a str, old: &'a str, new: &'a str) -> [(&'a str, &'a str); 4] {
    [
        ("provider", "username"),
        ("name", name),
        ("old", old),
        ("new", new),
    ]
}

async fn r21_one_call_changes_the_password_and_keeps_only_this_session(stage: Stage) {
    let scene = Scene::on(stage).await;
    let browser = scene.browser();
    let reply = browser.post("/password", &form("ada", PASSWORD, NEW)).await;
    assert_eq!(reply.status, 204, "{reply:?}");
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert!(!reply.set_cookie().contains(scene.here.token().expose()));
    let calls = scene.stage.probe.calls();
    // The sessions end in the transaction that changes the password.
    assert!(calls.contains(&"change_password"), "{calls:?}");
    assert!(!calls.contains(&"delete_user_sessions"), "{calls:?}");
    assert_eq!(browser.get("/me").await.body, "Hello, ada!");
    assert_eq!(scene.alive().await, [false, false, true]);
    assert_eq!(scene.opens().await, [false, true]);
    for ended in [&scene.here, &scene.elsewhere] {
        let reply = scene.site.browser_of(ended).get("/me").await;
        assert_eq!(reply.status, 401, "{reply:?}");
    }
}

async fn r21_a_token_changes_the_password_and_gets_another_token(stage: Stage) {
    let scene = Scene::on(stage).await;
    // The browser has a session of another user, which is left alone.
    let browser = scene.site.browser_of(&scene.bob);
    let change = |session: &Session, old, new| {
        let request = browser.bare(Method::POST, "/token/password");
        let request = request.header("authorization", bearer(session));
        browser.send(request.form(&form("ada", old, new)))
    };
    let reply = change(&scene.here, PASSWORD, NEW).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert!(reply.set_cookies().is_empty(), "{reply:?}");
    let token = lucia::SessionToken::parse(&reply.body).unwrap();
    let kept = scene.site.auth.validate_session(&token).await.unwrap();
    assert_eq!(kept.unwrap().user_id, scene.here.user_id);
    assert_eq!(scene.alive().await, [false, false, true]);
    assert_eq!(scene.opens().await, [false, true]);
    let reply = change(&scene.here, NEW, PASSWORD).await;
    assert_eq!(reply.status, 401, "{reply:?}");
}

async fn r26_another_site_changes_no_password(stage: Stage) {
    let scene = Scene::on(stage).await;
    let browser = scene.browser();
    for (name, value) in [
        ("origin", "https://evil.example"),
        ("origin", "null"),
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-site", "same-site"),
    ] {
        let request = browser.bare(Method::POST, "/password").header(name, value);
        let request = request.form(&form("ada", PASSWORD, NEW));
        let reply = browser.send(request).await;
        assert_eq!(reply.status, 403, "{value}: {reply:?}");
        assert!(reply.set_cookies().is_empty(), "{value}: {reply:?}");
    }
    assert_eq!(scene.stage.probe.calls(), [""; 0]);
    scene.assert_unchanged().await;
}

async fn an_anonymous_request_changes_no_password(stage: Stage) {
    let scene = Scene::on(stage).await;
    let ended = scene.site.auth.create_session(&scene.here.user_id).await;
    let ended = ended.unwrap();
    scene.site.auth.invalidate_session(&ended.id).await.unwrap();
    scene.stage.probe.calls();
    for browser in [scene.site.browser(), scene.site.browser_of(&ended)] {
        let reply = browser.post("/password", &form("ada", PASSWORD, NEW)).await;
        assert_eq!(reply.status, 401, "{reply:?}");
        assert!(reply.set_cookies().is_empty(), "{reply:?}");
    }
    // No password was looked at.
    assert_eq!(scene.stage.probe.calls(), ["session_and_user"]);
    scene.assert_unchanged().await;
}

async fn what_is_not_the_password_of_this_user_changes_nothing(stage: Stage) {
    let scene = Scene::on(stage).await;
    let github = NewKey::without_password(("github", "1815"));
    let user_id = &scene.here.user_id;
    scene.site.auth.create_key(user_id, github).await.unwrap();
    let browser = scene.browser();
    let mut answers = Vec::new();
    for (provider, name, old) in [
        ("username", "ada", WRONG),
        ("username", "ada", ""),
        // It is the password of Bob's key.
        ("username", "bob", PASSWORD),
        ("username", "unknown", PASSWORD),
        ("user:name", "ada", PASSWORD),
        ("github", "1815", PASSWORD),
        ("github", "1815", ""),
    ] {
        let mut form = form(name, old, NEW);
        form[0].1 = provider;
        let mut reply = browser.post("/password", &form).await;
        assert_eq!(reply.status, 401, "{provider}:{name}: {reply:?}");
        assert!(reply.set_cookies().is_empty(), "{reply:?}");
        reply.headers.remove("date");
        answers.push((reply.body, reply.headers));
    }
    for answer in &answers {
        assert_eq!(answer, &answers[0]);
    }
    assert!(!opens(&scene.site.auth, WRONG).await);
    let bob = scene
        .site
        .auth
        .verify_password(("username", "bob"), PASSWORD);
    bob.await.unwrap();
    scene.assert_unchanged().await;
}

async fn r34_wrong_current_passwords_are_counted_with_those_of_sign_ins(stage: Stage) {
    let scene = Scene::on(stage).await;
    let browser = scene.browser();
    for _ in 0..9 {
        let reply = browser.post("/password", &form("ada", WRONG, NEW)).await;
        assert_eq!(reply.status, 401, "{reply:?}");
    }
    let login = [("username", "ada"), ("password", WRONG)];
    assert_eq!(
        scene.site.browser().post("/login", &login).await.status,
        401
    );
    let reply = browser.post("/password", &form("ada", PASSWORD, NEW)).await;
    assert_eq!(reply.status, 429, "{reply:?}");
    assert!(reply.header("retry-after").is_some(), "{reply:?}");
    // The session is as good as before.
    assert_eq!(browser.get("/me").await.body, "Hello, ada!");
    scene.assert_unchanged().await;
}

async fn a_new_password_that_breaks_the_policy_changes_nothing(stage: Stage) {
    let scene = Scene::on(stage).await;
    let browser = scene.browser();
    for new in ["", "short", &"x".repeat(1024)] {
        let reply = browser.post("/password", &form("ada", PASSWORD, new)).await;
        assert_eq!(reply.status, 400, "{reply:?}");
        assert!(reply.set_cookies().is_empty(), "{reply:?}");
    }
    scene.assert_unchanged().await;
}

async fn a_session_that_ends_meanwhile_changes_no_password(stage: Stage) {
    let scene = Scene::on(stage).await;
    let probe = &scene.stage.probe;
    let browser = scene.browser();
    probe.halt("change_password");
    let revoking = async {
        probe.arrived("change_password").await;
        let auth = &scene.site.auth;
        auth.invalidate_session(&scene.here.id).await.unwrap();
        probe.release("change_password");
    };
    let form = form("ada", PASSWORD, NEW);
    let (reply, ()) = tokio::join!(browser.post("/password", &form), revoking);
    assert_eq!(reply.status, 401, "{reply:?}");
    assert!(reply.set_cookies().is_empty(), "{reply:?}");
    assert_eq!(scene.opens().await, [true, false]);
    assert_eq!(scene.alive().await, [false, true, true]);
}

/// Between the check of the current password and the write of the new one.
async fn r21_a_password_that_an_administrator_sets_meanwhile_stays(stage: Stage) {
    const SET: &str = "a third horse battery";

    let scene = Scene::on(stage).await;
    let probe = &scene.stage.probe;
    // As in another process.
    let elsewhere = scene.stage.auth().await;
    let key = ("username", "ada");
    for step in ["set", "removed", "created anew"] {
        elsewhere.update_key_password(key, PASSWORD).await.unwrap();
        probe.halt("change_password");
        let setting = async {
            probe.arrived("change_password").await;
            let done = match step {
                "set" => elsewhere.update_key_password(key, SET).await.map(drop),
                "removed" => elsewhere.remove_key_password(key).await.map(drop),
                _ => {
                    let deleted = elsewhere.delete_key(key).even_if_last().await;
                    deleted.unwrap();
                    let new = NewKey::with_password(key, SET);
                    elsewhere
                        .create_key(&scene.here.user_id, new)
                        .await
                        .map(drop)
                }
            };
            done.unwrap();
            probe.release("change_password");
        };
        let browser = scene.browser();
        let form = form("ada", PASSWORD, NEW);
        let (reply, ()) = tokio::join!(browser.post("/password", &form), setting);
        assert_eq!(reply.status, 401, "{step}: {reply:?}");
        assert!(reply.set_cookies().is_empty(), "{step}: {reply:?}");
        assert_eq!(scene.opens().await, [false, false], "{step}");
        let set = step != "removed";
        assert_eq!(opens(&scene.site.auth, SET).await, set, "{step}");
        assert_eq!(scene.alive().await, [true, true, true], "{step}");
        assert_eq!(browser.get("/me").await.status, 200, "{step}");
    }
}

async fn an_outage_in_any_step_changes_nothing(stage: Stage) {
    let scene = Scene::on(stage).await;
    let probe = &scene.stage.probe;
    let browser = scene.browser();
    for step in ["session_and_user", "count_attempt", "change_password"] {
        probe.halt(step);
        let failing = async {
            probe.arrived(step).await;
            probe.set_down(true);
            probe.release(step);
        };
        let form = form("ada", PASSWORD, NEW);
        let (reply, ()) = tokio::join!(browser.post("/password", &form), failing);
        probe.set_down(false);
        assert_eq!(reply.status, 503, "{step}: {reply:?}");
        assert!(reply.set_cookies().is_empty(), "{step}: {reply:?}");
        scene.assert_unchanged().await;
    }
}
