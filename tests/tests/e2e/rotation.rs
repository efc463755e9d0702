//! Sessions under another token: at a sign-in, and when their users get more rights.

use std::time::Duration;

use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, post};
use futures_util::future::join_all;
use lucia::{Auth, Error, Result, Session, UserId, auth_request, authenticated};
use serde::Deserialize;

use crate::support::{
    PASSWORD, Reply, Site, Stage, actix, on_each_store, on_redis, sign_up, verified,
};

on_each_store![
    r05_a_sign_in_replaces_the_session_before_it,
    r05_a_sign_in_replaces_the_session_of_somebody_else,
    r05_without_replace_the_session_before_lives_on,
    r05_a_refused_sign_in_replaces_nothing,
    r05_a_sign_in_that_replaces_a_session_that_ended_meanwhile_goes_on,
    a_rotation_changes_the_token_and_keeps_the_rest,
    a_rotation_does_not_reach_beyond_the_absolute_lifetime,
    a_session_past_its_idle_limit_is_not_rotated,
    of_many_rotations_at_once_one_wins,
    r20_a_renewal_under_way_when_the_session_is_rotated_brings_nothing_back,
    r20_a_lookup_under_way_when_the_session_is_rotated_finds_nobody,
    r20_a_rotation_under_way_when_the_session_is_revoked_brings_nothing_back,
    r20_rotations_never_outrun_a_revocation,
];

on_redis![
    r05_a_sign_in_replaces_the_session_before_it,
    r05_a_sign_in_replaces_the_session_of_somebody_else,
    r05_without_replace_the_session_before_lives_on,
    r05_a_refused_sign_in_replaces_nothing,
    a_rotation_changes_the_token_and_keeps_the_rest,
    a_rotation_does_not_reach_beyond_the_absolute_lifetime,
    a_session_past_its_idle_limit_is_not_rotated,
    of_many_rotations_at_once_one_wins,
    r20_rotations_never_outrun_a_revocation,
];

#[derive(Deserialize)]
struct Credentials {
    username: String,
    password: String,
}

#[post("/login-replacing")]
#[auth_request]
async fn login_replacing(
    auth: web::Data<Auth>,
    form: web::Form<Credentials>,
) -> Result<HttpResponse> {
    let before = auth_request.validate().await?;
    let key = auth.verify_password(("username", &form.username), &form.password);
    let key = key.await?;
    let creation = auth.create_session(&key);
    let session = creation.replace(before.as_deref()).await?;
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
    config.service(login_replacing).service(rotate);
}

async fn site(stage: &Stage) -> Site {
    actix::serve(stage.auth().await, actix::Routes::of_config(routes)).await
}

async fn who(site: &Site, session: &Session) -> String {
    site.browser_of(session).get("/who").await.body
}

async fn is_alive(auth: &Auth, session: &Session) -> bool {
    let found = auth.validate_session(session.token()).await;
    found.unwrap().is_some()
}

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

const ADA: [(&str, &str); 2] = [("username", "ada"), ("password", PASSWORD)];

async fn r05_a_sign_in_replaces_the_session_before_it(stage: Stage) {
    let site = site(&stage).await;
    let old = sign_up(&site.auth, "ada").await;
    let elsewhere = site.auth.create_session(&old.user_id).await.unwrap();
    let browser = site.browser_of(&old);
    let reply = browser.post("/login-replacing", &ADA).await;
    assert_eq!(reply.status, 204);
    assert!(!reply.set_cookie().contains(old.token().expose()));
    assert_eq!(browser.get("/who").await.body, "ada");
    assert_eq!(who(&site, &old).await, "nobody");
    assert_eq!(who(&site, &elsewhere).await, "ada");
    assert_eq!(stage.count("user_session").await, 2);
}

async fn r05_a_sign_in_replaces_the_session_of_somebody_else(stage: Stage) {
    let site = site(&stage).await;
    sign_up(&site.auth, "ada").await;
    let bob = sign_up(&site.auth, "bob").await;
    let browser = site.browser_of(&bob);
    assert_eq!(browser.post("/login-replacing", &ADA).await.status, 204);
    assert_eq!(browser.get("/who").await.body, "ada");
    assert_eq!(who(&site, &bob).await, "nobody");
    assert_eq!(stage.count("user_session").await, 2);
}

async fn r05_without_replace_the_session_before_lives_on(stage: Stage) {
    let site = site(&stage).await;
    let old = sign_up(&site.auth, "ada").await;
    let new = site.auth.create_session(&old.user_id).await.unwrap();
    assert_ne!(new.token().expose(), old.token().expose());
    assert_eq!(who(&site, &new).await, "ada");
    assert_eq!(who(&site, &old).await, "ada");
    // And with it, where there was none.
    let browser = site.browser();
    assert_eq!(browser.post("/login-replacing", &ADA).await.status, 204);
    assert_eq!(stage.count("user_session").await, 3);
}

async fn r05_a_refused_sign_in_replaces_nothing(stage: Stage) {
    let site = site(&stage).await;
    let old = sign_up(&site.auth, "ada").await;
    let browser = site.browser_of(&old);
    let form = [("username", "ada"), ("password", "wrong horse battery")];
    let reply = browser.post("/login-replacing", &form).await;
    assert_eq!(reply.status, 401);
    assert!(reply.set_cookies().is_empty());
    assert_eq!(browser.get("/who").await.body, "ada");
    // Nor one that cannot be stored.
    let nobody = UserId::new("nobody").unwrap();
    let refused = site.auth.create_session(&nobody).replace(Some(&old)).await;
    assert!(matches!(refused, Err(Error::UnknownUser)), "{refused:?}");
    assert_eq!(browser.get("/who").await.body, "ada");
}

async fn r05_a_sign_in_that_replaces_a_session_that_ended_meanwhile_goes_on(stage: Stage) {
    let site = site(&stage).await;
    let old = sign_up(&site.auth, "ada").await;
    let browser = site.browser_of(&old);
    stage.probe.halt("insert_session_by_key");
    let ending = async {
        stage.probe.arrived("insert_session_by_key").await;
        site.auth.invalidate_session(&old.id).await.unwrap();
        stage.probe.release("insert_session_by_key");
    };
    let (reply, ()) = tokio::join!(browser.post("/login-replacing", &ADA), ending);
    assert_eq!(reply.status, 204);
    assert_eq!(browser.get("/who").await.body, "ada");
    assert_eq!(stage.count("user_session").await, 1);
}

async fn a_rotation_changes_the_token_and_keeps_the_rest(stage: Stage) {
    let site = site(&stage).await;
    let old = sign_up(&site.auth, "ada").await;
    let other = site.auth.create_session(&old.user_id).await.unwrap();
    let browser = site.browser_of(&old);
    stage.clock.advance(DAY / 2);
    let reply = browser.post("/rotate", &[]).await;
    assert_eq!(reply.status, 204);
    assert!(!reply.set_cookie().contains(old.token().expose()));
    assert!(reply.set_cookie().contains("Max-Age=1296000;"), "{reply:?}");
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    assert_eq!(browser.get("/me").await.status, 200);
    assert!(!is_alive(&site.auth, &old).await);
    assert!(is_alive(&site.auth, &other).await);

    let list = site.auth.user_sessions(&old.user_id).await.unwrap();
    assert_eq!(list.len(), 2);
    let rotated = list.iter().find(|info| info.id != other.id).unwrap();
    assert_ne!(rotated.id, old.id);
    assert_eq!(rotated.created_at, old.created_at);
    assert_eq!(rotated.authenticated_at, old.authenticated_at);
    assert_eq!(rotated.renewed_at, stage.clock.now());
    assert_eq!(rotated.idle_expires, stage.clock.now() + 15 * DAY);
}

async fn a_rotation_does_not_reach_beyond_the_absolute_lifetime(stage: Stage) {
    let settings = stage.builder().await.absolute_period(20 * DAY);
    let auth = settings.build().unwrap();
    let mut session = sign_up(&auth, "ada").await;
    let end = session.created_at + 20 * DAY;
    for _ in 0..20 {
        stage.clock.advance(DAY);
        session = auth.rotate_session(&session).await.unwrap();
        assert!(session.idle_expires <= end);
    }
    assert!(is_alive(&auth, &session).await);
    stage.clock.advance(SECOND);
    assert!(!is_alive(&auth, &session).await);
}

async fn a_session_past_its_idle_limit_is_not_rotated(stage: Stage) {
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    stage.clock.set(session.idle_expires + SECOND);
    // Its row is still there, as long as nobody sweeps.
    let password = "another horse battery";
    let rotated = auth.rotate_session(&session).await;
    let key = verified(&auth, "ada").await;
    let changed = auth.change_password(&session, &key, password).await;
    let proven = auth.reauthenticate(&session, &key).await;
    for refused in [rotated, changed, proven] {
        assert!(
            matches!(refused, Err(Error::Unauthenticated)),
            "{refused:?}"
        );
    }
    assert!(!is_alive(&auth, &session).await);
    let list = auth.user_sessions(&session.user_id).await.unwrap();
    assert!(list.is_empty(), "{list:?}");
    let old_password = auth.verify_password(("username", "ada"), PASSWORD).await;
    assert!(old_password.is_ok());
}

async fn of_many_rotations_at_once_one_wins(stage: Stage) {
    let auth = stage.auth().await;
    let mut session = sign_up(&auth, "ada").await;
    for _ in 0..5 {
        let rotations = join_all((0..8).map(|_| auth.rotate_session(&session))).await;
        let (won, lost): (Vec<_>, Vec<_>) = rotations.into_iter().partition(Result::is_ok);
        assert_eq!(won.len(), 1);
        let are_late = |lost: &Result<Session>| matches!(lost, Err(Error::Unauthenticated));
        assert!(lost.iter().all(are_late), "{lost:?}");
        session = won.into_iter().next().unwrap().unwrap();
        assert!(is_alive(&auth, &session).await);
        assert_eq!(stage.count("user_session").await, 1);
    }
}

/// A request that waits before `method` while the session is rotated.
async fn overtaken(stage: &Stage, site: &Site, session: &Session, method: &'static str) -> Reply {
    let browser = site.browser_of(session);
    stage.probe.halt(method);
    let rotating = async {
        stage.probe.arrived(method).await;
        let rotated = site.auth.rotate_session(session).await.unwrap();
        stage.probe.release(method);
        rotated
    };
    let (reply, rotated) = tokio::join!(browser.get("/me"), rotating);
    assert_eq!(who(site, session).await, "nobody");
    assert_eq!(who(site, &rotated).await, "ada");
    assert_eq!(stage.count("user_session").await, 1);
    reply
}

async fn r20_a_renewal_under_way_when_the_session_is_rotated_brings_nothing_back(stage: Stage) {
    let site = site(&stage).await;
    let session = sign_up(&site.auth, "ada").await;
    stage.clock.advance(2 * DAY);
    let reply = overtaken(&stage, &site, &session, "renew_session").await;
    assert_eq!(reply.status, 401);
    assert!(!format!("{reply:?}").contains(session.token().expose()));
}

async fn r20_a_lookup_under_way_when_the_session_is_rotated_finds_nobody(stage: Stage) {
    let site = site(&stage).await;
    let session = sign_up(&site.auth, "ada").await;
    let reply = overtaken(&stage, &site, &session, "session_and_user").await;
    assert_eq!(reply.status, 401);
    assert!(!format!("{reply:?}").contains(session.token().expose()));
}

async fn r20_a_rotation_under_way_when_the_session_is_revoked_brings_nothing_back(stage: Stage) {
    let site = site(&stage).await;
    let session = sign_up(&site.auth, "ada").await;
    let browser = site.browser_of(&session);
    stage.probe.halt("rotate_session");
    let revoking = async {
        stage.probe.arrived("rotate_session").await;
        let user_id = &session.user_id;
        let revoked = site
            .auth
            .invalidate_user_session(user_id, &session.id)
            .await;
        assert!(revoked.unwrap());
        stage.probe.release("rotate_session");
    };
    let (reply, ()) = tokio::join!(browser.post("/rotate", &[]), revoking);
    assert_eq!(reply.status, 401);
    assert!(reply.set_cookies().is_empty(), "{reply:?}");
    assert_eq!(stage.count("user_session").await, 0);
    assert_eq!(who(&site, &session).await, "nobody");
}

async fn r20_rotations_never_outrun_a_revocation(stage: Stage) {
    let auth = stage.auth().await;
    let first = sign_up(&auth, "ada").await;
    for _ in 0..10 {
        let session = auth.create_session(&first.user_id).await.unwrap();
        let rotations = join_all((0..4).map(|_| auth.rotate_session(&session)));
        let revocation = auth.invalidate_user_sessions(&session.user_id);
        let (rotations, revocation) = tokio::join!(rotations, revocation);
        revocation.unwrap();
        assert_eq!(stage.count("user_session").await, 0);
        for rotated in rotations.into_iter().flatten() {
            assert!(!is_alive(&auth, &rotated).await);
        }
    }
}

/// As by two futures of one handler, one of which signs in or out.
#[tokio::test]
async fn a_lookup_that_is_overtaken_by_another_session_answers_with_that_one() {
    let stage = Stage::sqlite().await;
    let auth = stage.auth().await;
    let (ada, bob) = (sign_up(&auth, "ada").await, sign_up(&auth, "bob").await);
    let cookie = auth.session_cookie(Some(&ada));
    for replacement in [Some(&bob), None] {
        let pair = format!("{}={}", cookie.name(), cookie.value());
        let request = axum::http::Request::get("/").header("cookie", pair);
        let request = auth.handle_request(&request.body(()).unwrap());
        lucia::adapter::adopt(&request);
        stage.probe.halt("session_and_user");
        let replacing = async {
            stage.probe.arrived("session_and_user").await;
            request.set_session(replacement);
            stage.probe.release("session_and_user");
        };
        let (found, ()) = tokio::join!(request.validate(), replacing);
        let found = found.unwrap().map(|session| session.id.clone());
        assert_eq!(found, replacement.map(|session| session.id.clone()));
    }
}
