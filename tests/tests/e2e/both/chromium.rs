//! What a real browser makes of it: late answers, and several cookies of our name.

use std::sync::Arc;
use std::time::Duration;

use lucia::{Auth, CookieOptions, Environment, MaybeUser, NewUser, Session, User};
use serde::Deserialize;
use serde_json::{Value, json};

use super::framework::{Data, Form, Response, Routes, answer, auth_request, authenticated, serve};
use crate::support::chromium::{Browser, Driver};
use crate::support::{Gate, PASSWORD, Profile, Site, Stage, Teapot, verified};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const MILLISECOND: Duration = Duration::from_millis(1);

#[derive(Deserialize)]
struct Name {
    name: String,
}

/// Every call that changes tokens, and the page to make them from.
fn changes() -> Routes {
    Routes::default()
        .get("/page", page)
        .get("/app/page", page)
        .get("/id", id)
        .get("/app/id", id)
        .post("/sign-up", sign_up)
        .post("/sign-in", sign_in)
        .post("/sign-in-beside", sign_in_beside)
        .post("/sign-out", sign_out)
        .post("/rotate", rotate)
        .post("/reauthenticate", reauthenticate)
        .post("/change-password", change_password)
        .post("/reset-password", reset_password)
}

async fn page() -> Response {
    let html = [("content-type", "text/html")];
    answer(200, &html, "<!DOCTYPE html><h1>page</h1>")
}

/// The session that the browser is signed in with.
#[auth_request]
async fn id() -> lucia::Result<String> {
    let session = auth_request.validate().await?;
    Ok(session.map_or("nobody".to_owned(), |session| session.id.to_string()))
}

fn is_set(auth_request: &lucia::AuthRequest, session: &Session) -> String {
    auth_request.set_session(Some(session));
    session.id.to_string()
}

#[auth_request]
async fn sign_up(auth: Data<Auth>, Form(form): Form<Name>) -> lucia::Result<String> {
    let profile = Profile {
        username: form.name.clone(),
    };
    let new_user = NewUser::with_password(("username", &form.name), PASSWORD);
    let user = auth.create_user(new_user.attributes(&profile)).await?;
    let session = auth.create_session(&user.id).await?;
    Ok(is_set(&auth_request, &session))
}

#[auth_request]
async fn sign_in(auth: Data<Auth>, Form(form): Form<Name>) -> lucia::Result<String> {
    let before = auth_request.validate().await?;
    let key = auth
        .verify_password(("username", &form.name), PASSWORD)
        .await?;
    let session = auth.create_session(&key).replace(before.as_deref()).await?;
    Ok(is_set(&auth_request, &session))
}

/// Leaves the session that the browser had.
#[auth_request]
async fn sign_in_beside(auth: Data<Auth>, Form(form): Form<Name>) -> lucia::Result<String> {
    let key = auth
        .verify_password(("username", &form.name), PASSWORD)
        .await?;
    let session = auth.create_session(&key).await?;
    Ok(is_set(&auth_request, &session))
}

#[authenticated]
async fn sign_out(auth: Data<Auth>, session: Session) -> lucia::Result<&'static str> {
    auth.invalidate_session(&session.id).await?;
    auth_request.set_session(None);
    Ok("nobody")
}

#[authenticated]
async fn rotate(auth: Data<Auth>, session: Session) -> lucia::Result<String> {
    let session = auth.rotate_session(&session).await?;
    Ok(is_set(&auth_request, &session))
}

#[authenticated]
async fn reauthenticate(
    auth: Data<Auth>,
    session: Session,
    Form(form): Form<Name>,
) -> lucia::Result<String> {
    let key = verified(&auth, &form.name).await;
    let session = auth.reauthenticate(&session, &key).await?;
    Ok(is_set(&auth_request, &session))
}

#[authenticated]
async fn change_password(
    auth: Data<Auth>,
    session: Session,
    Form(form): Form<Name>,
) -> lucia::Result<String> {
    let key = verified(&auth, &form.name).await;
    let session = auth.change_password(&session, &key, PASSWORD).await?;
    Ok(is_set(&auth_request, &session))
}

#[auth_request]
async fn reset_password(auth: Data<Auth>, Form(form): Form<Name>) -> lucia::Result<String> {
    let key = auth
        .reset_password(("username", &form.name), PASSWORD)
        .await?;
    let session = auth.create_session(&key).await?;
    Ok(is_set(&auth_request, &session))
}

/// What looks the session up, in each of the ways that there are.
fn slow(auth: &Auth) -> Routes {
    let plain = || {
        Routes::default()
            .get("/maybe", maybe)
            .get("/user", user)
            .get("/held", held_by_extractor)
    };
    Routes::default()
        .any("/attribute", attribute)
        .any("/open", id)
        .get("/redirecting", redirecting)
        .get("/held/attribute", held)
        .get("/held/failing", held_failing)
        .get("/form", form)
        .below("/wrapped", plain().wrapped(auth))
        .below("/protected", plain().protected(auth))
}

type AtGate = Data<Arc<Gate>>;

#[authenticated]
async fn attribute() -> &'static str {
    "in"
}

#[authenticated(redirect = "/form")]
async fn redirecting() -> &'static str {
    "in"
}

async fn maybe(MaybeUser(user): MaybeUser) -> &'static str {
    user.map_or("nobody", |_| "somebody")
}

async fn user(user: User<Profile>) -> String {
    user.attributes.username
}

#[authenticated]
async fn held(gate: AtGate) -> &'static str {
    gate.pass().await;
    "in"
}

#[authenticated]
async fn held_failing(gate: AtGate) -> Result<&'static str, Teapot> {
    gate.pass().await;
    Err(Teapot)
}

async fn held_by_extractor(_user: User<Profile>, gate: AtGate) -> Result<&'static str, Teapot> {
    gate.pass().await;
    Err(Teapot)
}

/// A form that sends itself.
async fn form() -> Response {
    let html = "<form method=post action=/open></form><script>
        onload = () => setTimeout(() => document.forms[0].submit())
        </script>";
    answer(200, &[("content-type", "text/html")], html)
}

/// How the browser comes to send a request that is answered late.
#[derive(Clone, Copy, Debug)]
enum Way {
    Fetch(&'static str),
    Frame(&'static str),
    Tab(&'static str),
    Form,
}

impl Way {
    /// Sends it, and has `window.late` wait for the answer.
    async fn begin(self, browser: &Browser, site: &Site) {
        let (path, script) = match self {
            Self::Fetch(path) => (
                path,
                "window.late = fetch(arguments[0], { mode: 'no-cors', credentials: 'include' });",
            ),
            Self::Frame(path) => (path, FRAME),
            // It loads twice: the form, and what it is answered with.
            Self::Form => ("/form?twice", FRAME),
            Self::Tab(path) => (
                path,
                "const tab = open(arguments[0]);
                window.late = new Promise(done => {
                    const timer = setInterval(() => {
                        // Another origin is there once the answer is.
                        try { tab.location.href; } catch { clearInterval(timer); tab.close(); done(); }
                    }, 5);
                });",
            ),
        };
        let address = json!(format!("{}{path}", site.origin()));
        let script = format!("{script} arguments[1]();");
        browser.run(&script, vec![address]).await;
    }
}

const FRAME: &str = "
    const frame = document.createElement('iframe');
    let loads = arguments[0].endsWith('twice') ? 2 : 1;
    window.late = new Promise(done => {
        frame.onload = () => { if (--loads === 0) { frame.remove(); done(); } };
    });
    frame.src = arguments[0];
    document.body.append(frame);";

/// Waits for the late answer.
async fn has_arrived(browser: &Browser) {
    browser.run("late.then(() => arguments[0]())", vec![]).await;
}

/// Sends a form from the page, and returns the answer to it.
async fn post(browser: &Browser, path: &str, name: &str) -> String {
    let script =
        "fetch(arguments[0], { method: 'POST', body: new URLSearchParams({ name: arguments[1] }) })
        .then(async reply => arguments[2](reply.ok ? await reply.text() : `${reply.status}`));";
    text(browser.run(script, vec![json!(path), json!(name)]).await)
}

async fn get(browser: &Browser, path: &str) -> String {
    let script = "fetch(arguments[0]).then(reply => reply.text()).then(arguments[1]);";
    text(browser.run(script, vec![json!(path)]).await)
}

fn text(value: Value) -> String {
    value.as_str().unwrap().to_owned()
}

/// Calls that change tokens, one after the other. The last one says who is signed in then.
const CHANGES: [&[&str]; 9] = [
    &["/rotate"],
    &["/reauthenticate"],
    &["/change-password"],
    &["/reset-password"],
    &["/sign-in"],
    &["/sign-in-beside"],
    &["/sign-out", "/sign-in"],
    &["/sign-out"],
    &["/sign-out", "/sign-up"],
];

/// Two processes on one database, and a browser at the second one.
struct Scene {
    stage: Stage,
    gate: Arc<Gate>,
    late: Site,
    quick: Site,
    browser: Browser,
    people: u32,
    _driver: Driver,
}

impl Scene {
    async fn new() -> Option<Self> {
        let driver = Driver::start()?;
        let stage = Stage::postgres().await;
        let gate = Arc::new(Gate::default());
        let late = stage.builder().await.environment(Environment::Development);
        let late = late.build().unwrap();
        let routes = slow(&late).give(gate.clone());
        let late = serve(late, routes).await;
        let quick = Auth::builder(stage.store().await)
            .clock(stage.clock.reader())
            .environment(Environment::Development)
            .build()
            .unwrap();
        let quick = serve(quick, changes()).await;
        // Cookies are for a host, whatever the port.
        let browser = driver.browser(&quick.origin()).await;
        browser.open("/page").await;
        Some(Self {
            stage,
            gate,
            late,
            quick,
            browser,
            people: 0,
            _driver: driver,
        })
    }

    /// Signs in as somebody new.
    async fn somebody(&mut self) -> String {
        self.people += 1;
        let name = format!("ada{}", self.people);
        post(&self.browser, "/sign-up", &name).await;
        name
    }

    /// Makes changes, and returns the session that the browser is then signed in with.
    async fn change(&self, changes: &[&str], name: &str) -> String {
        let mut newest = String::new();
        for change in changes {
            let name = match *change {
                "/sign-up" => &format!("new {name}"),
                _ => name,
            };
            newest = post(&self.browser, change, name).await;
        }
        assert!(
            newest == "nobody" || newest.len() == 64,
            "{changes:?}: {newest}"
        );
        newest
    }
}

#[tokio::test]
async fn a_late_answer_in_a_browser_leaves_the_newest_session() {
    let Some(mut scene) = Scene::new().await else {
        return;
    };
    for way in [
        Way::Fetch("/attribute"),
        Way::Fetch("/open"),
        Way::Fetch("/redirecting"),
        Way::Fetch("/wrapped/maybe"),
        Way::Fetch("/wrapped/user"),
        Way::Fetch("/protected/user"),
        Way::Frame("/attribute"),
        Way::Frame("/wrapped/maybe"),
        Way::Tab("/redirecting"),
        Way::Form,
    ] {
        for changes in CHANGES {
            let name = scene.somebody().await;
            scene.stage.probe.halt("session_and_user");
            way.begin(&scene.browser, &scene.late).await;
            scene.stage.probe.arrived("session_and_user").await;
            let newest = scene.change(changes, &name).await;
            scene.stage.probe.release("session_and_user");
            has_arrived(&scene.browser).await;
            let now = get(&scene.browser, "/id").await;
            assert_eq!(now, newest, "{way:?} {changes:?}");
        }
    }
    drop(scene.quick);
}

#[tokio::test]
async fn a_late_renewal_in_a_browser_leaves_the_newest_session() {
    let Some(mut scene) = Scene::new().await else {
        return;
    };
    for way in [
        Way::Fetch("/held/attribute"),
        Way::Fetch("/held/failing"),
        Way::Fetch("/wrapped/held"),
        Way::Fetch("/protected/held"),
        Way::Frame("/held/attribute"),
        Way::Tab("/held/failing"),
    ] {
        // A sign-in beside the old session leaves that alive.
        for changes in CHANGES
            .into_iter()
            .filter(|calls| calls != &["/sign-in-beside"])
        {
            let name = scene.somebody().await;
            scene.stage.clock.advance(2 * DAY);
            way.begin(&scene.browser, &scene.late).await;
            scene.gate.arrived().await;
            scene.stage.clock.advance(MILLISECOND);
            let newest = scene.change(changes, &name).await;
            scene.gate.release();
            has_arrived(&scene.browser).await;
            let now = get(&scene.browser, "/id").await;
            assert_eq!(now, newest, "{way:?} {changes:?}");
        }
    }
}

#[tokio::test]
async fn a_changed_path_in_a_browser_signs_nobody_out() {
    let Some(driver) = Driver::start() else {
        return;
    };
    let stage = Stage::postgres().await;
    let site = async |path: &str| {
        let auth = stage.builder().await.environment(Environment::Development);
        let auth = auth.cookie(CookieOptions::new().path(path));
        serve(auth.build().unwrap(), changes()).await
    };
    let (before, after) = (site("/app").await, site("/").await);
    let browser = driver.browser(&before.origin()).await;
    browser.open("/app/page").await;
    let old = post(&browser, "/sign-up", "ada").await;
    assert_eq!(get(&browser, "/app/id").await, old);

    let browser = browser.at(&after.origin());
    browser.open("/app/page").await;
    stage.clock.advance(MILLISECOND);
    // The path of a call that is not below `/app` sees one cookie only.
    let new = post(&browser, "/sign-in", "ada").await;
    assert_ne!(new, old);
    assert_eq!(get(&browser, "/id").await, new);
    assert_eq!(get(&browser, "/app/id").await, new);
}

#[tokio::test]
async fn cookies_of_a_parent_and_a_child_domain_in_a_browser_sign_nobody_out() {
    let Some(driver) = Driver::start() else {
        return;
    };
    let stage = Stage::postgres().await;
    let site = async |cookie: CookieOptions| {
        let auth = stage.builder().await.environment(Environment::Development);
        serve(auth.cookie(cookie).build().unwrap(), changes()).await
    };
    let parent = site(CookieOptions::new().domain("site.test")).await;
    let child = site(CookieOptions::new()).await;
    let at = |host: &str, site: &Site| format!("http://{host}:{}", site.address().port());
    let rules = "--host-resolver-rules=MAP *.site.test 127.0.0.1";
    let browser = driver
        .browser_with(&at("www.site.test", &parent), &[rules])
        .await;
    browser.open("/page").await;
    let old = post(&browser, "/sign-up", "ada").await;
    assert_eq!(get(&browser, "/id").await, old);

    let browser = browser.at(&at("app.site.test", &child));
    browser.open("/page").await;
    assert_eq!(get(&browser, "/id").await, old);
    stage.clock.advance(MILLISECOND);
    let new = post(&browser, "/sign-in-beside", "ada").await;
    assert_eq!(get(&browser, "/id").await, new);
    // The other site goes on as it was.
    let browser = browser.at(&at("www.site.test", &parent));
    browser.open("/page").await;
    assert_eq!(get(&browser, "/id").await, old);

    // Signed out is signed out, of what the browser has shown.
    let browser = browser.at(&at("app.site.test", &child));
    browser.open("/page").await;
    assert_eq!(post(&browser, "/sign-out", "ada").await, "nobody");
    assert_eq!(get(&browser, "/id").await, "nobody");
}
