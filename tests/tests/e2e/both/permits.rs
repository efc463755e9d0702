//! Functions that say what somebody may do, in `permit = ..` and in guards of scopes and layers.

mod arguments;
mod denials;

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use lucia::{Guard, Session, User};
use lucia_tests::watch;
use serde::Deserialize;

use super::framework::{Routes, authenticated, middleware, serve};
use crate::support::{Profile, Site, Stage, on_each_store, sign_up};

on_each_store![
    it_lets_in_whom_it_means_and_nobody_else,
    it_is_asked_of_the_one_lookup,
    it_sees_a_session_as_it_was_signed_in,
    a_renewed_cookie_goes_out_whatever_it_says,
    an_attribute_that_does_not_fit_is_500_and_the_column_is_in_the_log,
];

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A `permit` of each shape, all of which let ada in by her session on a laptop.
const PATHS: [&str; 10] = [
    "/user",
    "/session",
    "/both",
    "/later",
    "/fallible",
    "/fallible-later",
    "/page",
    "/scope/plain",
    "/guard-after/plain",
    // Behind two that agree.
    "/scope/both",
];

/// Those of them that look at the user alone, or at the session alone.
const BY_USER: [&str; 6] = [
    "/user",
    "/later",
    "/fallible",
    "/page",
    "/scope/plain",
    "/guard-after/plain",
];
const BY_SESSION: [&str; 1] = ["/session"];

fn is_ada(user: User<Profile>) -> bool {
    user.username == "ada"
}

fn is_on_a_laptop(session: Session) -> bool {
    session.device.as_deref() == Some("laptop")
}

fn is_ada_on_a_laptop(user: User<Profile>, session: Session) -> bool {
    session.user_id == user.id && is_ada(user) && is_on_a_laptop(session)
}

fn by_bearer() -> Guard {
    Guard::authenticated().token_source(lucia::TokenSource::Bearer)
}

async fn is_ada_later(user: User<Profile>) -> bool {
    tokio::task::yield_now().await;
    is_ada(user)
}

fn is_known_to_be_ada(user: User<Profile>) -> Result<bool, io::Error> {
    Ok(is_ada(user))
}

async fn will_be_known_to_be_ada(user: User<Profile>, session: Session) -> Result<bool, Unsure> {
    tokio::task::yield_now().await;
    Ok(is_ada_on_a_laptop(user, session))
}

/// An error of the application.
#[derive(Debug)]
struct Unsure(String);

impl std::fmt::Display for Unsure {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.0)
    }
}

impl std::error::Error for Unsure {}

fn cannot_say(user: User) -> Result<bool, Unsure> {
    Err(Unsure(format!("the rules about {} are lost", user.id)))
}

async fn cannot_say_later(session: Session) -> Result<bool, io::Error> {
    tokio::task::yield_now().await;
    let lost = format!("the rules about {} are lost", session.user_id);
    Err(io::Error::other(lost))
}

/// Ends the connection of whoever is asked about.
fn is_never_asked(_: User) -> bool {
    panic!("asked about somebody anonymous")
}

#[derive(Deserialize)]
struct Measured {
    height_in_feet: u64,
}

fn is_tall(user: User<Measured>) -> bool {
    user.height_in_feet > 6
}

fn routes() -> Routes {
    Routes::default()
        .post("/user", by_user)
        .post("/session", by_session)
        .post("/both", by_both)
        .post("/later", later)
        .post("/fallible", fallible)
        .post("/fallible-later", fallible_later)
        .post("/plain", plain)
        .post("/unsure", unsure)
        .post("/unsure-later", unsure_later)
        .post("/unasked", unasked)
        .get("/unasked", unasked)
        .post("/tall", tall)
        .get("/page", page)
        .post("/page", page)
        .post("/api", api)
        .post("/everything", everything)
}

#[authenticated(permit = is_ada)]
async fn by_user(body: String) -> String {
    body
}

#[authenticated(permit = is_on_a_laptop)]
async fn by_session(body: String) -> String {
    body
}

#[authenticated(permit = is_ada_on_a_laptop)]
async fn by_both(body: String) -> String {
    body
}

#[authenticated(permit = is_ada_later)]
async fn later(body: String) -> String {
    body
}

#[authenticated(permit = is_known_to_be_ada)]
async fn fallible(body: String) -> String {
    body
}

#[authenticated(permit = will_be_known_to_be_ada)]
async fn fallible_later(body: String) -> String {
    body
}

async fn plain(body: String) -> String {
    body
}

#[authenticated(permit = cannot_say)]
async fn unsure(body: String) -> String {
    body
}

#[authenticated(permit = cannot_say_later)]
async fn unsure_later(body: String) -> String {
    body
}

#[authenticated(permit = is_never_asked)]
async fn unasked(body: String) -> String {
    body
}

#[authenticated(permit = is_tall)]
async fn tall(body: String) -> String {
    body
}

#[authenticated(redirect = "/login", permit = is_ada)]
async fn page(body: String) -> String {
    body
}

#[authenticated(bearer, permit = is_ada)]
async fn api(body: String) -> String {
    body
}

#[authenticated(permit = will_be_known_to_be_ada)]
async fn everything(user: User<Profile>, session: Session, body: String) -> String {
    format!("{} {} {body}", user.username, session.user_id == user.id)
}

/// A site, who may do all, and two who may not.
struct Scene {
    stage: Stage,
    site: Site,
    ada: Session,
    ada_on_a_phone: Session,
    eve: Session,
    /// How often the guard of `/counting` asked.
    asked: Arc<AtomicUsize>,
}

impl Scene {
    async fn of(stage: Stage) -> Self {
        let auth = stage.auth().await;
        let ada_on_a_phone = sign_up(&auth, "ada").await;
        let ada = auth.create_session(&ada_on_a_phone.user_id);
        let ada = ada.device("laptop").await.unwrap();
        let eve = sign_up(&auth, "eve").await;
        stage.probe.calls();

        let asked = Arc::new(AtomicUsize::new(0));
        let counter = asked.clone();
        let counting = move |user: User<Profile>| {
            counter.fetch_add(1, Ordering::SeqCst);
            is_ada(user)
        };
        let within = |middleware| routes().within(middleware);
        let all = routes()
            .below("/scope", within(middleware(&auth).permit(is_ada)))
            .below("/counting", within(middleware(&auth).permit(counting)))
            // The guard stays, whichever comes first.
            .below(
                "/by-bearer",
                within(middleware(&auth).guard(by_bearer()).permit(is_ada_later)),
            )
            .below(
                "/by-bearer-after",
                within(middleware(&auth).permit(is_ada_later).guard(by_bearer())),
            )
            .below(
                "/guard-after",
                within(middleware(&auth).permit(is_ada).guard(Guard::anyone())),
            );
        let site = serve(auth, all).await;
        Self {
            stage,
            site,
            ada,
            ada_on_a_phone,
            eve,
            asked,
        }
    }

    /// The status of a post with somebody's cookie, and what comes back.
    async fn post(&self, path: &str, session: &Session) -> (u16, String) {
        let browser = self.site.browser_of(session);
        let reply = browser.post(path, &[("a", "1")]).await;
        (reply.status, reply.body)
    }
}

fn permitted() -> (u16, String) {
    (200, "a=1".to_owned())
}

fn forbidden() -> (u16, String) {
    (403, "Not permitted.".to_owned())
}

async fn it_lets_in_whom_it_means_and_nobody_else(stage: Stage) {
    let scene = Scene::of(stage).await;
    let Scene {
        ada,
        ada_on_a_phone,
        eve,
        ..
    } = &scene;
    for path in PATHS {
        assert_eq!(scene.post(path, ada).await, permitted(), "{path}");
        assert_eq!(scene.post(path, eve).await, forbidden(), "{path}");
        let on_a_phone = match BY_USER.contains(&path) {
            true => permitted(),
            false => forbidden(),
        };
        let answer = scene.post(path, ada_on_a_phone).await;
        assert_eq!(answer, on_a_phone, "{path}");
    }
    let eve_on_a_laptop = scene.site.auth.create_session(&eve.user_id);
    let eve_on_a_laptop = eve_on_a_laptop.device("laptop").await.unwrap();
    for path in PATHS {
        let on_a_laptop = match BY_SESSION.contains(&path) {
            true => permitted(),
            false => forbidden(),
        };
        let answer = scene.post(path, &eve_on_a_laptop).await;
        assert_eq!(answer, on_a_laptop, "{path}");
    }
}

async fn it_is_asked_of_the_one_lookup(stage: Stage) {
    let scene = Scene::of(stage).await;
    let Scene {
        stage, ada, eve, ..
    } = &scene;
    for path in PATHS
        .into_iter()
        .chain(["/everything", "/scope/everything"])
    {
        for (session, status) in [(ada, 200), (eve, 403)] {
            let (answer, _) = scene.post(path, session).await;
            assert_eq!(answer, status, "{path}");
            assert_eq!(stage.probe.calls(), ["session_and_user"], "{path}");
        }
        stage.clock.advance(2 * DAY);
        assert_eq!(scene.post(path, ada).await.0, 200, "{path}");
        let calls = stage.probe.calls();
        assert_eq!(calls, ["session_and_user", "renew_session"], "{path}");
        assert_eq!(scene.post(path, eve).await.0, 403, "{path}");
        stage.probe.calls();
    }
    let everything = scene.post("/everything", ada).await;
    assert_eq!(everything, (200, "ada true a=1".to_owned()));
}

async fn it_sees_a_session_as_it_was_signed_in(stage: Stage) {
    let scene = Scene::of(stage).await;
    let Scene {
        stage, site, ada, ..
    } = &scene;
    // What the row says counts, from the next request on.
    let sql = format!(
        "UPDATE auth_user SET username = 'eva' WHERE id = '{}'",
        ada.user_id
    );
    stage.execute(&sql).await;
    for path in PATHS.into_iter().filter(|path| *path != "/session") {
        assert_eq!(scene.post(path, ada).await, forbidden(), "{path}");
    }
    assert_eq!(scene.post("/session", ada).await, permitted());
    site.auth.invalidate_session(&ada.id).await.unwrap();
    let (status, _) = scene.post("/session", ada).await;
    assert_eq!(status, 401);
}

async fn a_renewed_cookie_goes_out_whatever_it_says(stage: Stage) {
    let scene = Scene::of(stage).await;
    let Scene {
        stage,
        site,
        ada,
        eve,
        ..
    } = &scene;
    for path in PATHS {
        stage.clock.advance(2 * DAY);
        for (session, status) in [(ada, 200), (eve, 403)] {
            let browser = site.browser_of(session);
            let reply = browser.post(path, &[]).await;
            assert_eq!(reply.status, status, "{path}");
            reply.assert_renews(session);
        }
    }
    stage.clock.advance(2 * DAY);
    let unsure = site.browser_of(ada).post("/unsure", &[]).await;
    assert_eq!(unsure.status, 503);
    unsure.assert_renews(ada);
}

async fn an_attribute_that_does_not_fit_is_500_and_the_column_is_in_the_log(stage: Stage) {
    stage
        .add_columns(&["height_in_feet TEXT NOT NULL DEFAULT 'quite'"])
        .await;
    let scene = Scene::of(stage).await;
    let found = watch(["column `height_in_feet` of table `auth_user`"]);
    assert_eq!(
        scene.post("/tall", &scene.ada).await,
        (500, "Internal error.".to_owned())
    );
    let lines = found.lines();
    assert!(!lines.is_empty());
    for line in lines {
        assert!(line.starts_with("ERROR"), "{line}");
        assert!(!line.contains("quite"), "{line}");
    }
    // Who it is not asked about is not told of it.
    let anonymous = scene.site.browser().post("/tall", &[]).await;
    assert_eq!(anonymous.status, 401);
}
