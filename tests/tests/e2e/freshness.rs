//! `#[authenticated(recent = "10m")]`: who has proved lately who they are.

use std::time::Duration;

use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, get, post};
use lucia::{Auth, Error, Result, Session, authenticated};
use serde::Deserialize;

use crate::support::{
    Browser, PASSWORD, Reply, Site, Stage, actix, on_each_store, sign_up, verified,
};

on_each_store![
    r24_a_proof_is_good_for_its_period_and_not_a_second_longer,
    r24_a_page_sends_whoever_has_to_prove_it_to_the_login_page,
    r24_a_renewal_is_no_proof,
    r24_a_rotation_is_no_proof,
    r24_a_new_password_is_no_proof,
    r24_an_unproven_session_passes_only_after_a_proof,
    r24_a_session_from_before_there_were_proofs_is_unproven,
    r24_a_wrong_password_is_no_proof,
    r24_a_proof_changes_the_token,
    r24_a_session_invalidated_meanwhile_is_not_proven,
];

const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[get("/danger")]
#[authenticated(recent = "10m")]
async fn danger() -> &'static str {
    "done"
}

#[get("/page")]
#[authenticated(redirect = "/login", recent = "10m")]
async fn page() -> &'static str {
    "page"
}

#[post("/page")]
#[authenticated(redirect = "/login", recent = "10m")]
async fn posted() -> &'static str {
    "posted"
}

#[derive(Deserialize)]
struct Proof {
    username: String,
    password: String,
}

#[post("/prove")]
#[authenticated]
async fn prove(
    auth: web::Data<Auth>,
    session: Session,
    form: web::Form<Proof>,
) -> Result<HttpResponse> {
    let key = auth.verify_password(("username", &form.username), &form.password);
    let session = auth.reauthenticate(&session, &key.await?).await?;
    auth_request.set_session(Some(&session));
    Ok(HttpResponse::NoContent().finish())
}

#[post("/rotate")]
#[authenticated]
async fn rotate(auth: web::Data<Auth>, session: Session) -> Result<HttpResponse> {
    let session = auth.rotate_session(&session).await?;
    auth_request.set_session(Some(&session));
    Ok(HttpResponse::NoContent().finish())
}

fn routes(config: &mut ServiceConfig) {
    actix::front_page().configure(config);
    config.service(danger).service(page).service(posted);
    config.service(prove).service(rotate);
}

async fn ada(stage: &Stage) -> (Site, Session) {
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    (
        actix::serve(auth, actix::Routes::of_config(routes)).await,
        session,
    )
}

/// Signed in, and asked to do so again.
async fn assert_stale(browser: &Browser) -> Reply {
    let reply = browser.get("/danger").await;
    assert_eq!((reply.status, &*reply.body), (401, "Sign in again."));
    assert_eq!(browser.get("/me").await.body, "Hello, ada!");
    reply
}

async fn assert_fresh(browser: &Browser) {
    let reply = browser.get("/danger").await;
    assert_eq!((reply.status, &*reply.body), (200, "done"));
}

async fn prove_by(browser: &Browser, username: &str, password: &str) -> Reply {
    let form = [("username", username), ("password", password)];
    browser.post("/prove", &form).await
}

async fn r24_a_proof_is_good_for_its_period_and_not_a_second_longer(stage: Stage) {
    let (site, session) = ada(&stage).await;
    let browser = site.browser_of(&session);
    assert_fresh(&browser).await;
    stage.clock.advance(10 * MINUTE);
    assert_fresh(&browser).await;
    stage.clock.advance(SECOND);
    let reply = assert_stale(&browser).await;
    assert!(reply.set_cookies().is_empty(), "{reply:?}");
    assert!(!site.auth.is_recently_authenticated(&session, 10 * MINUTE));

    assert_eq!(prove_by(&browser, "ada", PASSWORD).await.status, 204);
    assert_fresh(&browser).await;
    stage.clock.advance(10 * MINUTE);
    assert_fresh(&browser).await;
    stage.clock.advance(SECOND);
    assert_stale(&browser).await;
    // Whoever is not signed in at all is told something else.
    let reply = site.browser().get("/danger").await;
    assert_eq!((reply.status, &*reply.body), (401, "Not signed in."));
}

async fn r24_a_page_sends_whoever_has_to_prove_it_to_the_login_page(stage: Stage) {
    let (site, session) = ada(&stage).await;
    let browser = site.browser_of(&session);
    assert_eq!(browser.get("/page").await.body, "page");
    stage.clock.advance(10 * MINUTE + SECOND);
    let reply = browser.get("/page?tab=2").await;
    assert_eq!(reply.status, 303);
    let login = "/login?next=%2Fpage%3Ftab%3D2";
    assert_eq!(reply.header("location"), Some(login));
    assert!(reply.set_cookies().is_empty(), "{reply:?}");
    let reply = browser.post("/page", &[]).await;
    assert_eq!(
        (reply.status, reply.header("location")),
        (303, Some("/login"))
    );
    prove_by(&browser, "ada", PASSWORD).await;
    assert_eq!(browser.post("/page", &[]).await.body, "posted");
}

async fn r24_a_renewal_is_no_proof(stage: Stage) {
    let (site, session) = ada(&stage).await;
    let browser = site.browser_of(&session);
    stage.clock.advance(2 * DAY);
    let reply = browser.get("/danger").await;
    assert_eq!(reply.status, 401);
    // It was renewed all the same, and that is as good as any renewal.
    reply.assert_renews(&session);
    assert_stale(&browser).await;
    let stored = site.auth.session(&session.id).await.unwrap().unwrap();
    assert_eq!(stored.renewed_at, stage.clock.now());
    assert_eq!(stored.authenticated_at, Some(session.created_at));
}

async fn r24_a_rotation_is_no_proof(stage: Stage) {
    let (site, session) = ada(&stage).await;
    let browser = site.browser_of(&session);
    stage.clock.advance(5 * MINUTE);
    assert_eq!(browser.post("/rotate", &[]).await.status, 204);
    // Nor does it take one away.
    assert_fresh(&browser).await;
    stage.clock.advance(5 * MINUTE + SECOND);
    assert_stale(&browser).await;
    assert_eq!(browser.post("/rotate", &[]).await.status, 204);
    assert_stale(&browser).await;
}

async fn r24_a_new_password_is_no_proof(stage: Stage) {
    let (site, session) = ada(&stage).await;
    stage.clock.advance(10 * MINUTE + SECOND);
    let password = "another horse battery";
    let key = verified(&site.auth, "ada").await;
    let changed = site.auth.change_password(&session, &key, password);
    let browser = site.browser_of(&changed.await.unwrap());
    assert_stale(&browser).await;
    prove_by(&browser, "ada", password).await;
    assert_fresh(&browser).await;
}

async fn r24_an_unproven_session_passes_only_after_a_proof(stage: Stage) {
    let (site, session) = ada(&stage).await;
    let creation = site.auth.create_session(&session.user_id);
    let unproven = creation.unproven().await.unwrap();
    assert_eq!(unproven.authenticated_at, None);
    let browser = site.browser_of(&unproven);
    assert_stale(&browser).await;
    stage.clock.advance(2 * DAY);
    browser.get("/me").await;
    assert_stale(&browser).await;
    browser.post("/rotate", &[]).await;
    assert_stale(&browser).await;
    assert_eq!(prove_by(&browser, "ada", PASSWORD).await.status, 204);
    assert_fresh(&browser).await;
}

async fn r24_a_session_from_before_there_were_proofs_is_unproven(stage: Stage) {
    let (site, session) = ada(&stage).await;
    stage
        .execute("UPDATE user_session SET authenticated_at = NULL")
        .await;
    let browser = site.browser_of(&session);
    assert_stale(&browser).await;
    assert_eq!(prove_by(&browser, "ada", PASSWORD).await.status, 204);
    assert_fresh(&browser).await;
}

async fn r24_a_wrong_password_is_no_proof(stage: Stage) {
    let (site, session) = ada(&stage).await;
    sign_up(&site.auth, "bob").await;
    let browser = site.browser_of(&session);
    stage.clock.advance(10 * MINUTE + SECOND);
    for (username, password) in [
        ("ada", "wrong horse battery"),
        ("ada", ""),
        ("nobody", PASSWORD),
        // Right, and somebody else's.
        ("bob", PASSWORD),
    ] {
        let reply = prove_by(&browser, username, password).await;
        assert_eq!((reply.status, &*reply.body), (401, "Wrong credentials."));
        assert!(reply.set_cookies().is_empty(), "{reply:?}");
        assert_stale(&browser).await;
    }
    assert_eq!(site.browser_of(&session).get("/me").await.status, 200);
}

async fn r24_a_proof_changes_the_token(stage: Stage) {
    let (site, session) = ada(&stage).await;
    let browser = site.browser_of(&session);
    let reply = prove_by(&browser, "ada", PASSWORD).await;
    assert!(!reply.set_cookie().contains(session.token().expose()));
    assert_eq!(site.browser_of(&session).get("/me").await.status, 401);
    assert_eq!(browser.get("/me").await.status, 200);
    assert_eq!(stage.count("user_session").await, 1);
}

async fn r24_a_session_invalidated_meanwhile_is_not_proven(stage: Stage) {
    let (site, session) = ada(&stage).await;
    stage.probe.halt("rotate_session");
    let revoking = async {
        stage.probe.arrived("rotate_session").await;
        site.auth.invalidate_session(&session.id).await.unwrap();
        stage.probe.release("rotate_session");
    };
    let key = verified(&site.auth, "ada").await;
    let proof = site.auth.reauthenticate(&session, &key);
    let (refused, ()) = tokio::join!(proof, revoking);
    assert!(
        matches!(refused, Err(Error::Unauthenticated)),
        "{refused:?}"
    );
    assert_eq!(stage.count("user_session").await, 0);
}
