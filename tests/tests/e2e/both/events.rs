//! What hooks are told of requests.

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use lucia::{Auth, AuthRequest, Event, NewKey, Password, Session, SignInLink, User};
use reqwest::Method;
use serde::Deserialize;

use super::framework::{
    Data, Form, Response, Routes, answer, auth_request, authenticated, front_page, serve,
};
use super::sign_in::{login, send};
use crate::support::{
    Browser, PASSWORD, Profile, Site, Stage, Told, bearer, name, on_each_store, request_of,
    request_to, sign_up,
};

on_each_store![
    r69_each_request_tells_what_it_has_done_once,
    r69_what_links_to_addresses_do_is_told_once,
    r69_what_is_refused_is_told_once,
    r69_the_client_of_a_request_is_told,
    r69_the_sessions_of_several_cookies_are_told_one_by_one,
    r69_a_hook_that_panics_fails_no_request,
    r69_a_lookup_tells_nothing,
];

const NEW: &str = "another horse battery";
const WRONG: &str = "wrong horse battery";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Deserialize)]
struct Change {
    old: String,
    new: String,
}

#[derive(Deserialize)]
struct Reset {
    token: String,
    password: String,
}

#[derive(Deserialize)]
struct Link {
    token: String,
}

#[auth_request]
async fn out() -> lucia::Result<Response> {
    auth_request.sign_out().await?;
    Ok(answer(204, &[], ""))
}

#[authenticated(cookie, bearer)]
async fn out_known() -> lucia::Result<Response> {
    auth_request.sign_out().await?;
    Ok(answer(204, &[], ""))
}

#[auth_request]
async fn out_everywhere() -> lucia::Result<Response> {
    auth_request.sign_out_everywhere().await?;
    Ok(answer(204, &[], ""))
}

#[auth_request]
async fn out_others() -> lucia::Result<Response> {
    auth_request.sign_out_others().await?;
    Ok(answer(204, &[], ""))
}

#[auth_request]
async fn change(Form(form): Form<Change>) -> lucia::Result<Response> {
    let current = Password::new(("username", "ada"), &form.old);
    auth_request.change_password(current, &form.new).await?;
    Ok(answer(204, &[], ""))
}

#[auth_request]
async fn confirm(Form(form): Form<Change>) -> lucia::Result<Response> {
    let current = Password::new(("username", "ada"), &form.old);
    auth_request.reauthenticate(current).await?;
    Ok(answer(204, &[], ""))
}

#[auth_request]
async fn reset(Form(form): Form<Reset>) -> lucia::Result<Response> {
    auth_request
        .reset_password(&form.token, &form.password)
        .await?;
    Ok(answer(204, &[], ""))
}

#[auth_request]
async fn link(Form(form): Form<Link>) -> lucia::Result<Response> {
    auth_request.sign_in(SignInLink::new(&form.token)).await?;
    Ok(answer(204, &[], ""))
}

#[auth_request]
async fn verify(Form(form): Form<Link>) -> lucia::Result<Response> {
    auth_request.verify_email(&form.token).await?;
    Ok(answer(204, &[], ""))
}

#[auth_request]
async fn ask_for_change() -> lucia::Result<Response> {
    let (current, new) = (("username", "ada"), ("username", "countess"));
    let created = auth_request.create_email_change(current, new).await?;
    Ok(answer(200, &[], created.unwrap().token.expose()))
}

#[auth_request]
async fn change_email(Form(form): Form<Link>) -> lucia::Result<Response> {
    let change = auth_request.change_email(&form.token).await?;
    Ok(answer(200, &[], change.undo.unwrap().token.expose()))
}

#[auth_request]
async fn add_key() -> lucia::Result<Response> {
    let key = NewKey::without_password(("github", "1815"));
    auth_request.create_key(key).await?;
    Ok(answer(204, &[], ""))
}

#[auth_request]
async fn delete_key() -> lucia::Result<Response> {
    auth_request.delete_key(("github", "1815")).await?;
    Ok(answer(204, &[], ""))
}

#[auth_request]
async fn undo(Form(form): Form<Link>) -> lucia::Result<Response> {
    auth_request.undo_email_change(&form.token).await?;
    Ok(answer(204, &[], ""))
}

/// The calls of an application that knows the request.
#[authenticated]
async fn revoke(session: Session) -> lucia::Result<Response> {
    auth_request.auth().invalidate_session(&session.id).await?;
    Ok(answer(204, &[], ""))
}

fn is_bob(user: User<Profile>) -> bool {
    user.username == "bob"
}

#[authenticated(permit = is_bob)]
async fn for_bob() -> &'static str {
    ""
}

#[authenticated(recent = "10m")]
async fn recent() -> &'static str {
    ""
}

/// Asks several times.
#[auth_request]
async fn checked() -> lucia::Result<Response> {
    let _ = auth_request.check_origin();
    let _ = auth_request.sign_out().await;
    let signing_in = auth_request.sign_in(Password::new(("username", "ada"), PASSWORD));
    signing_in.await?;
    Ok(answer(204, &[], ""))
}

/// A sign-in by a request with a safe method, as where a provider or a link in a mail leads back to the site.
#[auth_request]
async fn arrive() -> lucia::Result<Response> {
    let wrong = Password::new(("username", "ada"), WRONG);
    auth_request.sign_in(wrong).await?;
    Ok(answer(204, &[], ""))
}

/// Looks the session up in every way.
async fn look(auth_request: &AuthRequest) -> lucia::Result<()> {
    auth_request.validate().await?;
    auth_request.validate_user::<Profile>().await?;
    auth_request.require().await?;
    Ok(())
}

#[authenticated(cookie, bearer)]
async fn looked_up(auth: Data<Auth>, session: Session) -> lucia::Result<Response> {
    look(&auth_request).await?;
    auth.user_sessions(&session.user_id).await?;
    Ok(answer(204, &[], ""))
}

fn routes() -> Routes {
    front_page()
        .any("/arrive", arrive)
        .post("/out", out)
        .post("/out/known", out_known)
        .post("/out/everywhere", out_everywhere)
        .post("/out/others", out_others)
        .post("/change", change)
        .post("/confirm", confirm)
        .post("/reset", reset)
        .post("/link", link)
        .post("/verify", verify)
        .post("/email/ask", ask_for_change)
        .post("/email/change", change_email)
        .post("/email/undo", undo)
        .post("/key/add", add_key)
        .post("/key/delete", delete_key)
        .post("/revoke", revoke)
        .get("/for-bob", for_bob)
        .get("/recent", recent)
        .post("/checked", checked)
        .get("/looked-up", looked_up)
        .post("/looked-up", looked_up)
}

struct Scene {
    site: Site,
    told: Told,
}

impl Scene {
    async fn of(stage: &Stage) -> Self {
        let told = Told::default();
        let builder = stage.builder().await.on_event(told.hook());
        let site = serve(builder.build().unwrap(), routes()).await;
        Self { site, told }
    }

    /// Ada, whose sign-up is not told.
    async fn ada(&self) -> Session {
        let session = sign_up(&self.site.auth, "ada").await;
        self.told.events();
        session
    }

    /// The answer to a form, after a comparison of what is told.
    async fn asked(
        &self,
        browser: &Browser,
        path: &str,
        form: &[(&str, &str)],
        told: &[&str],
    ) -> String {
        let reply = browser.post(path, form).await;
        assert_eq!(reply.status, 200, "{path}: {reply:?}");
        assert_eq!(self.told.names(), told, "{path}");
        reply.body
    }

    /// Posts a form, and compares the status and what is told.
    async fn post(
        &self,
        browser: &Browser,
        path: &str,
        form: &[(&str, &str)],
        status: u16,
        told: &[&str],
    ) -> Vec<Event> {
        let reply = browser.post(path, form).await;
        assert_eq!(reply.status, status, "{path}: {reply:?}");
        let events = self.told.events();
        let names: Vec<_> = events.iter().map(|event| name(&event.kind)).collect();
        assert_eq!(names, told, "{path}");
        events
    }
}

async fn r69_each_request_tells_what_it_has_done_once(stage: Stage) {
    let scene = Scene::of(&stage).await;
    let auth = &scene.site.auth;
    let browser = scene.site.browser();
    let post = async |path, form: &[_], status, told: &[_]| {
        scene.post(&browser, path, form, status, told).await
    };
    let ada = login("ada", PASSWORD);
    let events = post("/signup", &ada, 201, &["user_created", "signed_in"]).await;
    let first = events[1].kind.session_id().cloned();
    let user_id = events[0].kind.user_id().cloned().unwrap();
    let events = post("/login", &ada, 204, &["key_verified", "signed_in"]).await;
    let kind = serde_json::to_value(&events[1].kind).unwrap();
    assert_eq!(
        kind["replaced_session_id"],
        serde_json::to_value(first).unwrap()
    );
    let wrong = login("ada", WRONG);
    post("/login", &wrong, 401, &["sign_in_failed: wrong_password"]).await;
    let unknown = login("eve", WRONG);
    post("/login", &unknown, 401, &["sign_in_failed: unknown_key"]).await;
    post("/signup", &ada, 409, &[]).await;

    let current = [("old", PASSWORD), ("new", NEW)];
    let told = ["key_verified", "reauthenticated"];
    post("/confirm", &current, 204, &told).await;
    let told = ["key_verified", "password_changed"];
    post("/change", &current, 204, &told).await;
    let told = ["sign_in_failed: wrong_password"];
    post("/change", &current, 401, &told).await;
    let weak = [("old", NEW), ("new", "short")];
    post("/change", &weak, 400, &["key_verified"]).await;

    post("/key/add", &[], 204, &["key_created"]).await;
    let events = post("/key/delete", &[], 204, &["key_deleted"]).await;
    assert_eq!(events[0].kind.user_id(), Some(&user_id));
    post("/key/delete", &[], 404, &[]).await;

    auth.create_session(&user_id).await.unwrap();
    scene.told.events();
    let told = ["sessions_invalidated: sign_out_others"];
    post("/out/others", &[], 204, &told).await;
    let told = ["sessions_invalidated: sign_out_everywhere"];
    post("/out/everywhere", &[], 204, &told).await;
    post("/out/everywhere", &[], 401, &[]).await;
    post("/out", &[], 204, &[]).await;

    let request = request_to(auth);
    let reset = request.create_password_reset(("username", "ada")).await;
    let token = reset.unwrap().unwrap().token;
    scene.told.events();
    let form = |password| [("token", token.expose()), ("password", password)];
    post("/reset", &form("short"), 400, &[]).await;
    let told = [
        "email_claimed",
        "one_time_token_used",
        "password_reset",
        "signed_in",
    ];
    post("/reset", &form(PASSWORD), 204, &told).await;
    let told = ["one_time_token_refused"];
    post("/reset", &form(PASSWORD), 400, &told).await;

    // Who it was is known where it has been looked up.
    let events = post("/out/known", &[], 204, &["signed_out"]).await;
    assert_eq!(events[0].kind.user_id(), Some(&user_id));
    post("/login", &ada, 204, &["key_verified", "signed_in"]).await;
    let events = post("/out", &[], 204, &["signed_out"]).await;
    assert_eq!(events[0].kind.user_id(), None);
    assert!(events[0].kind.session_id().is_some());
    post("/login", &ada, 204, &["key_verified", "signed_in"]).await;
    post("/logout", &[], 204, &["session_invalidated: application"]).await;
}

async fn r69_what_links_to_addresses_do_is_told_once(stage: Stage) {
    let scene = Scene::of(&stage).await;
    let auth = &scene.site.auth;
    let (browser, other) = (scene.site.browser(), scene.site.browser());
    let ada = login("ada", PASSWORD);
    let told = ["user_created", "signed_in"];
    let events = scene.post(&browser, "/signup", &ada, 201, &told).await;
    let user_id = events[0].kind.user_id().unwrap();
    let session = auth.create_session(user_id).await.unwrap();
    let verification = async || {
        let request = request_of(auth, &session);
        let created = request.create_email_verification(("username", "ada")).await;
        scene.told.events();
        created.unwrap().unwrap().token.expose().to_owned()
    };

    // One link for another browser, and one for that of the user.
    let (by_owner, by_user) = (verification().await, verification().await);
    let told = ["email_verified", "one_time_token_used"];
    let form = [("token", &*by_user)];
    scene.post(&browser, "/verify", &form, 204, &told).await;
    let told = ["one_time_token_refused"];
    scene.post(&browser, "/verify", &form, 400, &told).await;
    let told = ["one_time_token_used"];
    let form = [("token", &*by_owner)];
    scene.post(&other, "/verify", &form, 204, &told).await;

    let told = ["one_time_token_created"];
    let secret = scene.asked(&browser, "/email/ask", &[], &told).await;
    let told = [
        "email_changed",
        "one_time_token_used",
        "one_time_token_created",
    ];
    let form = [("token", &*secret)];
    let undo = scene.asked(&browser, "/email/change", &form, &told).await;
    let told = [
        "email_change_undone",
        "email_claimed",
        "key_deleted",
        "one_time_token_used",
        "signed_in",
    ];
    let form = [("token", &*undo)];
    scene.post(&other, "/email/undo", &form, 204, &told).await;

    // Grace has signed up, and somebody else has the mailbox.
    let grace = login("grace", PASSWORD);
    let told = ["user_created", "signed_in"];
    scene.post(&browser, "/signup", &grace, 201, &told).await;
    let request = request_to(auth);
    let created = request.create_sign_in_link(("username", "grace")).await;
    let token = created.unwrap().unwrap().token;
    scene.told.events();
    let told = ["email_claimed", "one_time_token_used", "signed_in"];
    let form = [("token", token.expose())];
    scene.post(&other, "/link", &form, 204, &told).await;
}

async fn r69_what_is_refused_is_told_once(stage: Stage) {
    let scene = Scene::of(&stage).await;
    let ada = scene.ada().await;
    let form = login("ada", PASSWORD);
    for browser in [scene.site.browser_of(&ada), scene.site.browser()] {
        // By the guard, by one call, and by several.
        for path in ["/revoke", "/login", "/signup", "/checked", "/out"] {
            let request = browser.bare(Method::POST, path).form(&form);
            let reply = browser.send(request.header("origin", "https://evil.example"));
            assert_eq!(reply.await.status, 403, "{path}");
            assert_eq!(scene.told.names(), ["origin_refused"], "{path}");
        }
    }
    let browser = scene.site.browser_of(&ada);
    assert_eq!(browser.get("/for-bob").await.status, 403);
    let events = scene.told.events();
    let names: Vec<_> = events.iter().map(|event| name(&event.kind)).collect();
    assert_eq!(names, ["access_denied: forbidden"]);
    assert_eq!(events[0].kind.user_id(), Some(&ada.user_id));
    assert_eq!(events[0].kind.session_id(), Some(&ada.id));
    stage.clock.advance(Duration::from_secs(11 * 60));
    assert_eq!(browser.get("/recent").await.status, 401);
    let told = ["access_denied: reauthentication_required"];
    assert_eq!(scene.told.names(), told);
    // An anonymous request is nothing to be told.
    for path in ["/for-bob", "/recent", "/me"] {
        assert_eq!(scene.site.browser().get(path).await.status, 401);
    }
    assert_eq!(scene.told.names(), [""; 0]);

    for _ in 0..10 {
        let wrong = login("ada", WRONG);
        let told = ["sign_in_failed: wrong_password"];
        scene.post(&browser, "/login", &wrong, 401, &told).await;
    }
    let told = ["sign_in_failed: throttled"];
    scene.post(&browser, "/login", &form, 429, &told).await;
}

async fn r69_the_client_of_a_request_is_told(stage: Stage) {
    const HERE: IpAddr = IpAddr::V4(Ipv4Addr::LOCALHOST);

    let scene = Scene::of(&stage).await;
    let ada = scene.ada().await;
    let browser = scene.site.browser_of(&ada);
    let clients = || {
        let events = scene.told.events();
        let clients = events.into_iter().map(|event| {
            let user_agent = event.user_agent.as_deref().map(str::to_owned);
            (event.kind.name(), event.address, user_agent)
        });
        clients.collect::<Vec<_>>()
    };
    let long = format!("Browser/1.0 {}", "x".repeat(300));
    for (sent, kept) in [
        (Some("Browser/1.0"), Some("Browser/1.0")),
        (Some(&*long), Some(&long[..255])),
        (None, None),
    ] {
        let request = |path| {
            let request = browser.request(Method::POST, path);
            match sent {
                Some(sent) => request.header("user-agent", sent),
                None => request,
            }
        };
        let kept = kept.map(str::to_owned);
        let client = |name| (name, Some(HERE), kept.clone());
        let form = login("ada", PASSWORD);
        browser.send(request("/login").form(&form)).await;
        assert_eq!(clients(), [client("key_verified"), client("signed_in")]);
        let form = login("ada", WRONG);
        browser.send(request("/login").form(&form)).await;
        assert_eq!(clients(), [client("sign_in_failed")]);
        let form = [("old", PASSWORD), ("new", PASSWORD)];
        browser.send(request("/change").form(&form)).await;
        let told = [client("key_verified"), client("password_changed")];
        assert_eq!(clients(), told);
        // A call of the application that names the request, and one that does not.
        browser.send(request("/revoke")).await;
        assert_eq!(clients(), [client("session_invalidated")]);
        browser
            .send(request("/login").form(&login("ada", PASSWORD)))
            .await;
        clients();
        browser.send(request("/logout")).await;
        assert_eq!(clients(), [("session_invalidated", None, None)]);
        let foreign = browser
            .bare(Method::POST, "/login")
            .header("sec-fetch-site", "cross-site");
        let form = login("ada", PASSWORD);
        let foreign = match sent {
            Some(sent) => foreign.header("user-agent", sent),
            None => foreign,
        };
        browser.send(foreign.form(&form)).await;
        assert_eq!(clients(), [client("origin_refused")]);
    }
}

#[tokio::test]
async fn r69_the_user_agent_of_a_request_without_a_token_is_told_whatever_its_method() {
    let scene = Scene::of(&Stage::sqlite().await).await;
    let ada = scene.ada().await;
    let (anonymous, known) = (scene.site.browser(), scene.site.browser_of(&ada));
    let token = bearer(&ada);
    for (browser, authorization, kept) in [
        (&anonymous, None, Some("Browser/1.0")),
        (&known, None, None),
        (&anonymous, Some(&*token), None),
        (&known, Some(&*token), None),
    ] {
        let mut request = browser.bare(Method::GET, "/arrive");
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        browser
            .send(request.header("user-agent", "Browser/1.0"))
            .await;
        let events = scene.told.events();
        let [event] = &events[..] else {
            panic!("{events:?}")
        };
        assert_eq!(event.kind.name(), "sign_in_failed");
        assert_eq!(event.user_agent.as_deref(), kept);
    }
}

async fn r69_the_sessions_of_several_cookies_are_told_one_by_one(stage: Stage) {
    let scene = Scene::of(&stage).await;
    let ada = scene.ada().await;
    let other = scene.site.auth.create_session(&ada.user_id).await.unwrap();
    scene.told.events();
    let form = format!("username=ada&password={}", PASSWORD.replace(' ', "+"));
    let reply = send(&scene.site, "/login", &[&ada, &other], &form).await;
    assert_eq!(reply.status, 204, "{reply:?}");
    let told = ["key_verified", "signed_in", "session_invalidated: sign_in"];
    assert_eq!(scene.told.names(), told);

    let sessions = [(); 2].map(|()| scene.site.auth.create_session(&ada.user_id));
    let [one, other] = sessions;
    let (one, other) = (one.await.unwrap(), other.await.unwrap());
    scene.told.events();
    let reply = send(&scene.site, "/out", &[&one, &other], "").await;
    assert_eq!(reply.status, 204, "{reply:?}");
    assert_eq!(scene.told.names(), ["signed_out", "signed_out"]);
}

async fn r69_a_hook_that_panics_fails_no_request(stage: Stage) {
    let told = Told::default();
    let builder = stage.builder().await.on_event(|_| panic!("a mistake"));
    let auth = builder.on_event(told.hook()).build().unwrap();
    let site = serve(auth, routes()).await;
    let browser = site.browser();
    let ada = login("ada", PASSWORD);
    for (path, form, status) in [
        ("/signup", &ada, 201),
        ("/login", &ada, 204),
        ("/login", &login("ada", WRONG), 401),
    ] {
        let reply = browser.post(path, form).await;
        assert_eq!(reply.status, status, "{path}: {reply:?}");
        assert_eq!(reply.set_cookies().is_empty(), status == 401, "{path}");
    }
    assert_eq!(browser.get("/me").await.body, "Hello, ada!");
    let reply = browser.post("/out", &[]).await;
    assert!(reply.removes_cookie(), "{reply:?}");
    let names = [
        "user_created",
        "signed_in",
        "key_verified",
        "signed_in",
        "sign_in_failed: wrong_password",
        "signed_out",
    ];
    assert_eq!(told.names(), names);
}

async fn r69_a_lookup_tells_nothing(stage: Stage) {
    let scene = Scene::of(&stage).await;
    let ada = scene.ada().await;
    let browser = scene.site.browser_of(&ada);
    let by_token = |method| {
        let browser = scene.site.browser();
        let request = browser.bare(method, "/looked-up");
        (browser, request.header("authorization", bearer(&ada)))
    };
    for (stage_of_life, told) in [("active", &[][..]), ("idle", &["session_renewed"])] {
        assert_eq!(browser.get("/looked-up").await.status, 204);
        assert_eq!(scene.told.names(), told, "{stage_of_life}");
        assert_eq!(browser.post("/looked-up", &[]).await.status, 204);
        for method in [Method::GET, Method::POST] {
            let (browser, request) = by_token(method);
            assert_eq!(browser.send(request).await.status, 204);
        }
        assert_eq!(browser.get("/who").await.body, "ada");
        assert_eq!(scene.told.names(), [""; 0], "{stage_of_life}");
        stage.clock.advance(2 * DAY);
    }
    // Expired, and unknown.
    stage.clock.advance(30 * DAY);
    assert_eq!(browser.get("/me").await.status, 401);
    browser.keep("__Host-auth_session", &"a".repeat(40));
    assert_eq!(browser.get("/me").await.status, 401);
    assert_eq!(scene.told.names(), [""; 0]);
}
