//! Answers that are overtaken: while a request is on its way, another one changes the token.

use std::sync::Arc;
use std::time::Duration;

use lucia::{Auth, MaybeUser, Session, User};

use super::framework::{Data, Routes, auth_request, authenticated, serve};
use crate::support::{
    Browser, Gate, PASSWORD, Profile, Site, Stage, Teapot, on_each_store, sign_up, verified,
};

on_each_store![
    a_late_answer_touches_no_cookie_that_it_did_not_see,
    a_renewal_that_was_overtaken_is_not_sent,
    a_late_renewal_that_was_not_overtaken_is_sent,
    a_renewal_that_is_answered_at_once_asks_nothing_more,
    a_session_that_was_set_and_has_ended_meanwhile_is_not_sent,
    a_sign_out_removes_the_cookie_also_when_the_session_has_ended_meanwhile,
    a_renewal_is_not_sent_while_the_store_is_away_and_a_set_session_is,
];

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const MILLISECOND: Duration = Duration::from_millis(1);
const NEW: &str = "another correct horse";

/// What another request does to a session.
#[derive(Clone, Copy, Debug)]
enum Change {
    Rotate,
    Reauthenticate,
    NewPassword,
    ResetPassword,
    Replace,
    SignOut,
    SignOutEverywhere,
    DeleteUser,
}

const CHANGES: [Change; 8] = [
    Change::Rotate,
    Change::Reauthenticate,
    Change::NewPassword,
    Change::ResetPassword,
    Change::Replace,
    Change::SignOut,
    Change::SignOutEverywhere,
    Change::DeleteUser,
];

impl Change {
    async fn make(self, auth: &Auth, session: &Session, name: &str) {
        match self {
            Self::Rotate => drop(auth.rotate_session(session).await.unwrap()),
            Self::Reauthenticate => {
                let key = verified(auth, name).await;
                auth.reauthenticate(session, &key).await.unwrap();
            }
            Self::NewPassword => {
                let key = verified(auth, name).await;
                auth.change_password(session, &key, NEW).await.unwrap();
            }
            Self::ResetPassword => {
                let key = auth.reset_password(("username", name), NEW).await.unwrap();
                auth.create_session(&key).await.unwrap();
            }
            Self::Replace => {
                let new = auth.create_session(&session.user_id);
                new.replace(Some(session.info())).await.unwrap();
            }
            Self::SignOut => auth.invalidate_session(&session.id).await.unwrap(),
            Self::SignOutEverywhere => {
                let user_id = &session.user_id;
                auth.invalidate_user_sessions(user_id).await.unwrap();
            }
            Self::DeleteUser => auth.delete_user(&session.user_id).await.unwrap(),
        }
    }
}

/// A site behind the probe, and another process on the same database.
struct Scene {
    stage: Stage,
    site: Site,
    elsewhere: Auth,
    gate: Arc<Gate>,
}

impl Scene {
    async fn of(stage: Stage) -> Self {
        let auth = stage.auth().await;
        let elsewhere = Auth::builder(stage.store().await).clock(stage.clock.reader());
        let gate = Arc::new(Gate::default());
        let routes = routes(&auth).give(gate.clone());
        Self {
            site: serve(auth, routes).await,
            elsewhere: elsewhere.build().unwrap(),
            gate,
            stage,
        }
    }

    async fn sign_up(&self, name: &str) -> (Session, Browser) {
        let session = sign_up(&self.elsewhere, name).await;
        let browser = self.site.browser_of(&session);
        self.stage.probe.calls();
        (session, browser)
    }
}

/// What looks the session up, in each of the ways that there are.
const ASKING: [&str; 6] = [
    "/attribute",
    "/open",
    "/redirecting",
    "/wrapped/maybe",
    "/wrapped/user",
    "/protected/user",
];

/// What looks it up, and then waits at the gate.
const HELD: [&str; 6] = [
    "/held/attribute",
    "/held/open",
    "/held/failing",
    "/wrapped/held/maybe",
    "/wrapped/held/failing",
    "/protected/held/maybe",
];

type AtGate = Data<Arc<Gate>>;

fn plain() -> Routes {
    Routes::default()
        .get("/maybe", maybe)
        .get("/user", user)
        .get("/held/maybe", held_maybe)
        .get("/held/failing", held_failing_by_extractor)
}

fn routes(auth: &Auth) -> Routes {
    Routes::default()
        .get("/attribute", attribute)
        .get("/open", open)
        .get("/redirecting", redirecting)
        .get("/held/attribute", held_attribute)
        .get("/held/open", held_open)
        .get("/held/failing", held_failing)
        .post("/held/sign-in", held_sign_in)
        .post("/held/sign-out", held_sign_out)
        .below("/wrapped", plain().wrapped(auth))
        .below("/protected", plain().protected(auth))
}

#[authenticated]
async fn attribute() -> &'static str {
    ""
}

#[auth_request]
async fn open() -> lucia::Result<String> {
    Ok(auth_request.validate().await?.is_some().to_string())
}

#[authenticated(redirect = "/login")]
async fn redirecting() -> &'static str {
    ""
}

async fn maybe(_user: MaybeUser<Profile>) -> &'static str {
    ""
}

async fn user(user: User<Profile>) -> String {
    user.attributes.username
}

#[authenticated]
async fn held_attribute(gate: AtGate) -> &'static str {
    gate.pass().await;
    ""
}

#[auth_request]
async fn held_open(gate: AtGate) -> lucia::Result<&'static str> {
    auth_request.validate().await?;
    gate.pass().await;
    Ok("")
}

#[authenticated]
async fn held_failing(gate: AtGate) -> Result<&'static str, Teapot> {
    gate.pass().await;
    Err(Teapot)
}

async fn held_maybe(_user: MaybeUser<Profile>, gate: AtGate) -> &'static str {
    gate.pass().await;
    ""
}

async fn held_failing_by_extractor(
    _user: User<Profile>,
    gate: AtGate,
) -> Result<&'static str, Teapot> {
    gate.pass().await;
    Err(Teapot)
}

/// Sets a session, and works on.
#[auth_request]
async fn held_sign_in(auth: Data<Auth>, gate: AtGate, name: String) -> lucia::Result<String> {
    let key = auth.verify_password(("username", &name), PASSWORD).await?;
    let session = auth.create_session(&key).await?;
    auth_request.set_session(Some(&session));
    gate.pass().await;
    Ok(session.id.to_string())
}

#[auth_request]
async fn held_sign_out(auth: Data<Auth>, gate: AtGate) -> lucia::Result<&'static str> {
    if let Some(session) = auth_request.validate().await? {
        auth.invalidate_session(&session.id).await?;
    }
    auth_request.set_session(None);
    gate.pass().await;
    Ok("")
}

async fn a_late_answer_touches_no_cookie_that_it_did_not_see(stage: Stage) {
    let scene = Scene::of(stage).await;
    for path in ASKING {
        for change in CHANGES {
            let name = format!("{path} {change:?}");
            let (session, browser) = scene.sign_up(&name).await;
            scene.stage.probe.halt("session_and_user");
            let changing = async {
                scene.stage.probe.arrived("session_and_user").await;
                change.make(&scene.elsewhere, &session, &name).await;
                scene.stage.probe.release("session_and_user");
            };
            let (reply, ()) = tokio::join!(browser.get(path), changing);
            assert!(reply.set_cookies().is_empty(), "{name}: {reply:?}");
            assert_eq!(reply.header("vary"), Some("Cookie"), "{name}: {reply:?}");
        }
    }
}

async fn a_renewal_that_was_overtaken_is_not_sent(stage: Stage) {
    let scene = Scene::of(stage).await;
    for path in HELD {
        for change in CHANGES {
            let name = format!("{path} {change:?}");
            let (session, browser) = scene.sign_up(&name).await;
            scene.stage.clock.advance(2 * DAY);
            let changing = async {
                scene.gate.arrived().await;
                scene.stage.clock.advance(MILLISECOND);
                change.make(&scene.elsewhere, &session, &name).await;
                scene.gate.release();
            };
            let (reply, ()) = tokio::join!(browser.get(path), changing);
            assert!(reply.set_cookies().is_empty(), "{name}: {reply:?}");
            // It is for one person all the same.
            assert_eq!(reply.header("cache-control"), Some("no-store"), "{name}");
            assert_eq!(reply.header("vary"), Some("Cookie"), "{name}: {reply:?}");
        }
    }
}

async fn a_late_renewal_that_was_not_overtaken_is_sent(stage: Stage) {
    let scene = Scene::of(stage).await;
    for path in HELD {
        let (session, browser) = scene.sign_up(path).await;
        scene.stage.clock.advance(2 * DAY);
        let waiting = async {
            scene.gate.arrived().await;
            // Somebody else's sessions make no difference.
            let (other, _) = scene.sign_up(&format!("other {path}")).await;
            scene.elsewhere.rotate_session(&other).await.unwrap();
            scene.stage.clock.advance(Duration::from_millis(999));
            scene.gate.release();
        };
        let (reply, ()) = tokio::join!(browser.get(path), waiting);
        // In whole seconds, and never longer than the session.
        let set = format!("__Host-auth_session={};", session.token().expose());
        assert!(reply.set_cookie().starts_with(&set), "{path}: {reply:?}");
        assert!(reply.set_cookie().contains("Max-Age=1295999;"), "{reply:?}");
        // However many put headers on the response, they ask once.
        assert_eq!(scene.stage.probe.calls(), ["session"], "{path}");
    }
}

async fn a_renewal_that_is_answered_at_once_asks_nothing_more(stage: Stage) {
    let scene = Scene::of(stage).await;
    for path in ASKING {
        let (session, browser) = scene.sign_up(path).await;
        scene.stage.clock.advance(2 * DAY);
        browser.get(path).await.assert_renews(&session);
        let calls = scene.stage.probe.calls();
        assert_eq!(calls, ["session_and_user", "renew_session"], "{path}");
    }
}

async fn a_session_that_was_set_and_has_ended_meanwhile_is_not_sent(stage: Stage) {
    let scene = Scene::of(stage).await;
    for (name, late, ends) in [
        ("at once", false, false),
        ("late", true, false),
        ("late and ended", true, true),
    ] {
        let (first, browser) = scene.sign_up(name).await;
        let waiting = async {
            scene.gate.arrived().await;
            if late {
                scene.stage.clock.advance(MILLISECOND);
            }
            if ends {
                let user_id = &first.user_id;
                let elsewhere = &scene.elsewhere;
                elsewhere.invalidate_user_sessions(user_id).await.unwrap();
            }
            scene.gate.release();
        };
        let request = browser.request(reqwest::Method::POST, "/held/sign-in");
        let signing_in = browser.send(request.body(name.to_owned()));
        let (reply, ()) = tokio::join!(signing_in, waiting);
        assert_eq!(reply.status, 200, "{name}: {reply:?}");
        assert_eq!(reply.set_cookies().is_empty(), ends, "{name}: {reply:?}");
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{name}");
        let asked = scene.stage.probe.calls().contains(&"session");
        assert_eq!(asked, late, "{name}");
    }
}

async fn a_sign_out_removes_the_cookie_also_when_the_session_has_ended_meanwhile(stage: Stage) {
    let scene = Scene::of(stage).await;
    let (session, browser) = scene.sign_up("ada").await;
    scene.stage.probe.halt("session_and_user");
    let rotating = async {
        scene.stage.probe.arrived("session_and_user").await;
        scene.elsewhere.rotate_session(&session).await.unwrap();
        scene.stage.probe.release("session_and_user");
        scene.gate.arrived().await;
        scene.gate.release();
    };
    let (reply, ()) = tokio::join!(browser.post("/held/sign-out", &[]), rotating);
    assert!(reply.removes_cookie(), "{reply:?}");
}

async fn a_renewal_is_not_sent_while_the_store_is_away_and_a_set_session_is(stage: Stage) {
    let scene = Scene::of(stage).await;
    let (_, browser) = scene.sign_up("ada").await;
    scene.stage.clock.advance(2 * DAY);
    let going_away = async || {
        scene.gate.arrived().await;
        scene.stage.clock.advance(MILLISECOND);
        scene.stage.probe.set_down(true);
        scene.gate.release();
    };
    let (reply, ()) = tokio::join!(browser.get("/held/attribute"), going_away());
    assert_eq!(reply.status, 200, "{reply:?}");
    assert!(reply.set_cookies().is_empty(), "{reply:?}");

    // The browser has no other cookie that is good.
    scene.stage.probe.set_down(false);
    let request = browser.request(reqwest::Method::POST, "/held/sign-in");
    let signing_in = browser.send(request.body("ada"));
    let (reply, ()) = tokio::join!(signing_in, going_away());
    assert_eq!(reply.status, 200, "{reply:?}");
    assert!(reply.set_cookie().starts_with("__Host-auth_session="));
}
