//! Functions for `permit` that take other extractors than the user and the session.

use std::io;
use std::time::Duration;

use lucia::{Session, User};
use serde::Deserialize;
use serde_json::Value;

use super::super::framework::{
    BAD_PATH, Json, Path, Query, Routes, authenticated, middleware, serve,
};
use crate::support::{Profile, Site, Stage, on_each_store, sign_up};

on_each_store![
    the_document_in_the_path_decides,
    the_body_is_unread_until_it_has_decided,
    all_is_decided_by_one_lookup,
    a_rejection_of_an_extractor_is_the_answer,
    nothing_is_extracted_for_who_is_not_signed_in,
];

/// Paths of documents of `{}`. The last handler has no guard but that of its scope, and the scope knows
/// what its own path has matched.
const OWNERS: [&str; 5] = [
    "/owned/{}",
    "/owned-later/{}",
    "/owned-for-sure/{}",
    "/owned-by-four/{}",
    "/scope/{}/plain",
];

#[derive(Deserialize)]
struct Access {
    key: u32,
}

fn routes() -> Routes {
    Routes::default()
        .post("/owned/{owner}", owned)
        .post("/owned-later/{owner}", owned_later)
        .post("/owned-for-sure/{owner}", owned_for_sure)
        .post("/owned-by-four/{owner}", owned_by_four)
        .post("/plain", plain)
        .post("/numbered/{number}", numbered)
        .post("/keyed", keyed)
}

fn owns(user: User<Profile>, owner: Path<String>) -> bool {
    user.username == owner.as_str()
}

async fn owns_later(owner: Path<String>, user: User<Profile>) -> bool {
    tokio::task::yield_now().await;
    owns(user, owner)
}

async fn owns_for_sure(
    session: Session,
    owner: Path<String>,
    user: User<Profile>,
) -> Result<bool, io::Error> {
    tokio::task::yield_now().await;
    match owner.as_str() {
        "nobody" => Err(io::Error::other("the owners are lost")),
        _ => Ok(session.user_id == user.id && owns(user, owner)),
    }
}

fn owns_by_four(
    user: User<Profile>,
    _: Session,
    owner: Path<String>,
    _: lucia::AuthRequest,
) -> bool {
    owns(user, owner)
}

fn is_odd(number: Path<u32>) -> bool {
    *number % 2 == 1
}

fn has_key(_: User, access: Query<Access>) -> bool {
    access.key == 42
}

#[authenticated(permit = owns)]
async fn owned(body: Json<Value>) -> String {
    body.to_string()
}

#[authenticated(permit = owns_later)]
async fn owned_later(body: Json<Value>) -> String {
    body.to_string()
}

#[authenticated(permit = owns_for_sure)]
async fn owned_for_sure(user: User<Profile>, owner: Path<String>, body: Json<Value>) -> String {
    assert_eq!(user.username, *owner);
    body.to_string()
}

#[authenticated(permit = owns_by_four)]
async fn owned_by_four(body: Json<Value>) -> String {
    body.to_string()
}

async fn plain(body: Json<Value>) -> String {
    body.to_string()
}

#[authenticated(permit = is_odd)]
async fn numbered(body: Json<Value>) -> String {
    body.to_string()
}

#[authenticated(permit = has_key)]
async fn keyed(body: Json<Value>) -> String {
    body.to_string()
}

struct Scene {
    stage: Stage,
    site: Site,
    ada: Session,
    eve: Session,
}

impl Scene {
    async fn of(stage: Stage) -> Self {
        let auth = stage.auth().await;
        let (ada, eve) = (sign_up(&auth, "ada").await, sign_up(&auth, "eve").await);
        stage.probe.calls();
        let owned = routes().within(middleware(&auth).permit(owns));
        let odd = routes().within(middleware(&auth).permit(is_odd));
        let all = routes()
            .below("/scope/{owner}", owned)
            .below("/odd/{number}", odd);
        let site = serve(auth, all).await;
        Self {
            stage,
            site,
            ada,
            eve,
        }
    }

    /// The status of a post of JSON with somebody's cookie, and what comes back.
    async fn post(&self, path: &str, session: &Session, json: &'static str) -> (u16, String) {
        let browser = self.site.browser_of(session);
        let request = browser.request(reqwest::Method::POST, path);
        let request = request
            .header("content-type", "application/json")
            .body(json);
        let reply = browser.send(request).await;
        (reply.status, reply.body)
    }
}

async fn the_document_in_the_path_decides(stage: Stage) {
    let scene = Scene::of(stage).await;
    for path in OWNERS {
        for (session, other, name) in [
            (&scene.ada, &scene.eve, "ada"),
            (&scene.eve, &scene.ada, "eve"),
        ] {
            let path = path.replace("{}", name);
            let own = scene.post(&path, session, "1").await;
            assert_eq!(own, (200, "1".to_owned()), "{path}");
            let others = scene.post(&path, other, "1").await;
            assert_eq!(others, (403, "Not permitted.".to_owned()), "{path}");
        }
    }
    let lost = scene.post("/owned-for-sure/nobody", &scene.ada, "1").await;
    assert_eq!(lost.0, 503);
    assert_eq!(scene.post("/keyed?key=42", &scene.ada, "1").await.0, 200);
    assert_eq!(scene.post("/keyed?key=41", &scene.ada, "1").await.0, 403);
}

async fn the_body_is_unread_until_it_has_decided(stage: Stage) {
    let scene = Scene::of(stage).await;
    for path in OWNERS {
        let path = path.replace("{}", "ada");
        assert_eq!(scene.post(&path, &scene.eve, "{").await.0, 403, "{path}");
        assert_eq!(scene.post(&path, &scene.ada, "{").await.0, 400, "{path}");
    }
}

async fn all_is_decided_by_one_lookup(stage: Stage) {
    let scene = Scene::of(stage).await;
    for path in OWNERS {
        let path = path.replace("{}", "ada");
        for (session, status) in [(&scene.ada, 200), (&scene.eve, 403)] {
            assert_eq!(scene.post(&path, session, "1").await.0, status, "{path}");
            let calls = scene.stage.probe.calls();
            assert_eq!(calls, ["session_and_user"], "{path}");
        }
    }
}

async fn a_rejection_of_an_extractor_is_the_answer(stage: Stage) {
    let scene = Scene::of(stage).await;
    for (path, status) in [
        ("/numbered/1", 200),
        ("/numbered/2", 403),
        ("/numbered/ada", BAD_PATH),
        ("/odd/1/plain", 200),
        ("/odd/2/plain", 403),
        ("/odd/ada/plain", BAD_PATH),
        ("/keyed", 400),
        ("/keyed?key=ada", 400),
    ] {
        // The cookie is renewed, whatever the answer is.
        scene
            .stage
            .clock
            .advance(Duration::from_secs(2 * 24 * 60 * 60));
        let browser = scene.site.browser_of(&scene.ada);
        let request = browser.request(reqwest::Method::POST, path);
        let request = request.header("content-type", "application/json").body("1");
        let reply = browser.send(request).await;
        assert_eq!(reply.status, status, "{path}");
        reply.assert_renews(&scene.ada);
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{path}");
    }
}

async fn nothing_is_extracted_for_who_is_not_signed_in(stage: Stage) {
    let scene = Scene::of(stage).await;
    for path in ["/numbered/ada", "/odd/ada/plain", "/keyed"] {
        let reply = scene.site.browser().post(path, &[]).await;
        assert_eq!(reply.status, 401, "{path}");
    }
}
