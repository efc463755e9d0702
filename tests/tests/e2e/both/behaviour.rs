//! What an `AuthRequest` does, sentence by sentence.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lucia::{Auth, AuthRequest, Session, SessionState, User, UserId};
use reqwest::Method;

use super::framework::{
    Data, Response, Routes, answer, auth_request, authenticated, front_page, serve,
};
use crate::support::{Probe, Profile, Reply, Site, Stage, on_each_store, sign_up};

on_each_store![
    there_is_one_for_each_request,
    validate_and_validate_user_share_one_lookup,
    validate_user_then_validate_costs_nothing_more,
    both_in_parallel_cost_nothing_more,
    an_error_is_not_cached_and_the_next_call_asks_again,
    renewal_moves_both_expiries_and_keeps_the_id_and_sends_the_cookie_again,
    the_renewed_session_reads_active_and_fresh,
    a_renewal_that_finds_the_row_gone_is_an_anonymous_request,
    a_token_without_a_valid_session_is_anonymous_and_its_cookie_stays,
    any_other_failure_is_an_error_and_touches_no_cookie,
    an_unsafe_request_from_another_origin_is_nobody_without_a_query_or_a_cookie,
    a_session_that_was_set_is_on_the_cookie_and_is_the_answer_without_a_query,
    a_session_that_was_unset_is_removed_and_nobody_is_the_answer,
    setting_a_session_does_not_touch_the_database,
    the_last_change_wins_and_there_is_one_cookie_at_the_most,
    a_private_response_is_not_stored_unless_the_handler_chose_otherwise,
];

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn routes() -> Routes {
    front_page()
        .get("/several", several)
        .get("/user-then-session", user_then_session)
        .get("/session-then-user", session_then_user)
        .get("/in-parallel", in_parallel)
        .get("/state", state)
        .post("/set", set)
        .post("/unset", unset)
        .get("/to-and-fro", to_and_fro)
        .get("/cacheable", cacheable)
        .get("/private", private)
}

/// A site, and somebody who is signed in there.
async fn site(stage: &Stage) -> (Site, Session) {
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    stage.probe.calls();
    (serve(auth, routes()).await, session)
}

#[auth_request]
async fn several(one: AuthRequest, other: AuthRequest) -> lucia::Result<String> {
    // What one handle is told, the other knows.
    one.set_session(None);
    Ok(format!("{}", other.validate().await?.is_none()))
}

async fn there_is_one_for_each_request(stage: Stage) {
    let (site, session) = site(&stage).await;
    let browser = site.browser_of(&session);
    assert_eq!(browser.get("/several").await.body, "true");
}

#[auth_request]
async fn user_then_session() -> lucia::Result<String> {
    let user = auth_request.validate_user::<Profile>().await?;
    let session = auth_request.validate().await?;
    let ids =
        user.map(|(_, session)| session.id.clone()) == session.map(|session| session.id.clone());
    Ok(ids.to_string())
}

#[auth_request]
async fn session_then_user() -> lucia::Result<String> {
    let session = auth_request.validate().await?;
    let user = auth_request.validate_user::<Profile>().await?;
    let ids = user.map(|(user, _)| user.id) == session.map(|session| session.user_id.clone());
    Ok(ids.to_string())
}

async fn validate_and_validate_user_share_one_lookup(stage: Stage) {
    let (site, session) = site(&stage).await;
    let reply = site.browser_of(&session).get("/session-then-user").await;
    assert_eq!(reply.body, "true");
    assert_eq!(stage.probe.calls(), ["session_and_user"]);
}

async fn validate_user_then_validate_costs_nothing_more(stage: Stage) {
    let (site, session) = site(&stage).await;
    let reply = site.browser_of(&session).get("/user-then-session").await;
    assert_eq!(reply.body, "true");
    assert_eq!(stage.probe.calls(), ["session_and_user"]);
}

#[auth_request]
async fn in_parallel() -> lucia::Result<String> {
    let user = auth_request.validate_user::<Profile>();
    let (one, two, user) =
        futures_util::future::try_join3(auth_request.validate(), auth_request.validate(), user)
            .await?;
    let found = one.is_some() && two.is_some() && user.is_some();
    Ok(found.to_string())
}

async fn both_in_parallel_cost_nothing_more(stage: Stage) {
    let (site, session) = site(&stage).await;
    let reply = site.browser_of(&session).get("/in-parallel").await;
    assert_eq!(reply.body, "true");
    assert_eq!(stage.probe.calls(), ["session_and_user"]);
}

#[auth_request]
async fn again_after_an_error(probe: Data<Probe>) -> lucia::Result<String> {
    probe.set_down(true);
    let down = auth_request.validate().await;
    let still_down = auth_request.validate().await;
    probe.set_down(false);
    let up = auth_request.validate().await?;
    Ok(format!(
        "{} {} {}",
        down.is_err(),
        still_down.is_err(),
        up.is_some()
    ))
}

async fn an_error_is_not_cached_and_the_next_call_asks_again(stage: Stage) {
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    let routes = Routes::default().get("/again", again_after_an_error);
    let site = serve(auth, routes.give(stage.probe.clone())).await;
    stage.probe.calls();
    let reply = site.browser_of(&session).get("/again").await;
    assert_eq!(reply.body, "true true true");
    assert_eq!(stage.probe.calls(), ["session_and_user"; 3]);
}

#[auth_request]
async fn state() -> lucia::Result<String> {
    Ok(match auth_request.validate().await? {
        Some(session) => format!(
            "{} {:?} {} {}",
            session.id,
            session.state,
            session.fresh,
            millis(session.idle_expires)
        ),
        None => "nobody".to_owned(),
    })
}

fn millis(time: SystemTime) -> u128 {
    time.duration_since(UNIX_EPOCH).unwrap().as_millis()
}

async fn renewal_moves_both_expiries_and_keeps_the_id_and_sends_the_cookie_again(stage: Stage) {
    let (site, session) = site(&stage).await;
    let browser = site.browser_of(&session);
    let before = browser.cookie_header();
    stage.clock.advance(DAY + Duration::from_secs(60));
    let reply = browser.get("/state").await;

    let sql = "SELECT active_expires, idle_expires, id FROM user_session";
    let row = stage.rows(sql).await.remove(0);
    let now = stage.clock.now();
    assert_eq!(row[0], Some(millis(now + DAY).to_string()));
    assert_eq!(row[1], Some(millis(now + 15 * DAY).to_string()));
    assert_eq!(row[2].as_deref(), Some(session.id.as_str()));
    assert!(reply.body.starts_with(session.id.as_str()), "{reply:?}");

    // The same token, and as long as the database says.
    assert_eq!(browser.cookie_header(), before);
    let cookie = reply.set_cookie();
    assert!(cookie.contains(session.token().expose()));
    assert!(
        cookie.contains(&format!("Max-Age={};", 15 * DAY.as_secs())),
        "{cookie}"
    );
    assert_eq!(stage.probe.calls(), ["session_and_user", "renew_session"]);
    assert!(browser.get("/state").await.set_cookies().is_empty());
}

async fn the_renewed_session_reads_active_and_fresh(stage: Stage) {
    let (site, session) = site(&stage).await;
    let browser = site.browser_of(&session);
    let reads = |period: SessionState, fresh: bool, until: SystemTime| {
        format!("{} {period:?} {fresh} {}", session.id, millis(until))
    };
    let until = session.idle_expires;
    let before = browser.get("/state").await;
    assert_eq!(before.body, reads(SessionState::Active, false, until));

    stage.clock.advance(2 * DAY);
    let until = stage.clock.now() + 15 * DAY;
    let renewing = browser.get("/state").await;
    assert_eq!(renewing.body, reads(SessionState::Active, true, until));
    let after = browser.get("/state").await;
    assert_eq!(after.body, reads(SessionState::Active, false, until));
}

async fn a_renewal_that_finds_the_row_gone_is_an_anonymous_request(stage: Stage) {
    let (site, session) = site(&stage).await;
    let browser = site.browser_of(&session);
    stage.clock.advance(2 * DAY);
    stage.probe.halt("renew_session");
    let renewing = browser.get("/state");
    let logging_out = async {
        stage.probe.arrived("renew_session").await;
        site.auth.invalidate_session(&session.id).await.unwrap();
        stage.probe.release("renew_session");
    };
    let (reply, ()) = tokio::join!(renewing, logging_out);
    assert_eq!(reply.body, "nobody");
    assert!(reply.set_cookies().is_empty());
    assert_eq!(stage.count("user_session").await, 0);
}

async fn a_token_without_a_valid_session_is_anonymous_and_its_cookie_stays(stage: Stage) {
    let (site, session) = site(&stage).await;
    let browser = site.browser_of(&session);
    stage.clock.advance(15 * DAY + Duration::from_millis(1));
    let reply = browser.get("/state").await;
    assert_eq!(reply.body, "nobody");
    assert!(reply.set_cookies().is_empty(), "{reply:?}");
    // It may be kept, for this cookie alone: nothing in it is about a person.
    assert_eq!(reply.header("vary"), Some("Cookie"));
    assert_eq!(reply.header("cache-control"), None);
    // Each request asks for it anew.
    stage.probe.calls();
    assert_eq!(browser.get("/state").await.body, "nobody");
    assert_eq!(stage.probe.calls(), ["session_and_user"]);
}

async fn any_other_failure_is_an_error_and_touches_no_cookie(stage: Stage) {
    let (site, session) = site(&stage).await;
    let browser = site.browser_of(&session);
    stage.probe.set_down(true);
    let reply = browser.get("/state").await;
    assert_eq!(reply.status, 503);
    assert!(reply.set_cookies().is_empty(), "{reply:?}");
    stage.probe.set_down(false);
    assert!(browser.get("/state").await.body.contains("Active"));
}

async fn an_unsafe_request_from_another_origin_is_nobody_without_a_query_or_a_cookie(stage: Stage) {
    let (site, session) = site(&stage).await;
    let browser = site.browser_of(&session);
    let foreign = browser.bare(Method::POST, "/who");
    let reply = browser
        .send(foreign.header("origin", "https://evil.example"))
        .await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "nobody"));
    assert!(reply.set_cookies().is_empty());
    assert!(stage.probe.calls().is_empty());
    assert_eq!(browser.post("/who", &[]).await.body, "ada");
}

#[auth_request]
async fn set(auth: Data<Auth>, user_id: String) -> lucia::Result<String> {
    let session = auth.create_session(&UserId::new(user_id).unwrap()).await?;
    auth_request.set_session(Some(&session));
    let answer = auth_request.validate().await?;
    Ok((answer.map(|answer| answer.id.clone()) == Some(session.id.clone())).to_string())
}

async fn a_session_that_was_set_is_on_the_cookie_and_is_the_answer_without_a_query(stage: Stage) {
    let (site, session) = site(&stage).await;
    let browser = site.browser();
    let request = browser.request(Method::POST, "/set");
    let reply = browser
        .send(request.body(session.user_id.to_string()))
        .await;
    assert_eq!(reply.body, "true");
    assert_eq!(stage.probe.calls(), ["insert_session"]);
    assert!(reply.set_cookie().starts_with("__Host-auth_session="));
    assert_eq!(browser.get("/who").await.body, "ada");
}

#[auth_request]
async fn unset() -> lucia::Result<String> {
    auth_request.set_session(None);
    let nobody = auth_request.validate().await?.is_none();
    Ok(nobody.to_string())
}

async fn a_session_that_was_unset_is_removed_and_nobody_is_the_answer(stage: Stage) {
    let (site, session) = site(&stage).await;
    let reply = site.browser_of(&session).post("/unset", &[]).await;
    assert_eq!(reply.body, "true");
    let mut setting = attributes(&site.auth.session_cookie(Some(&session)).to_string());
    let mut removal = attributes(reply.set_cookie());
    // All but the value and the times.
    for attributes in [&mut setting, &mut removal] {
        attributes.retain(|one| {
            !["__Host-auth_session=", "Max-Age=", "Expires="]
                .iter()
                .any(|start| one.starts_with(start))
        });
    }
    assert_eq!(setting, removal);
    assert!(reply.removes_cookie());
}

fn attributes(cookie: &str) -> Vec<String> {
    cookie.split("; ").map(str::to_owned).collect()
}

async fn setting_a_session_does_not_touch_the_database(stage: Stage) {
    let (site, session) = site(&stage).await;
    let browser = site.browser_of(&session);
    assert!(browser.post("/unset", &[]).await.removes_cookie());
    assert!(stage.probe.calls().is_empty());
    // So the session lives on, for whoever has its token.
    assert_eq!(site.browser_of(&session).get("/who").await.body, "ada");
}

#[auth_request]
async fn to_and_fro(auth: Data<Auth>) -> lucia::Result<Response> {
    let (user, old) = auth_request.require_user::<Profile>().await?;
    let new = auth.create_session(&user.id).await?;
    auth_request.set_session(None);
    auth_request.set_session(Some(&old));
    auth_request.set_session(None);
    auth_request.set_session(Some(&new));
    // One of our own making is replaced, others stay.
    let cookies = [
        ("set-cookie", "__Host-auth_session=forged; Path=/"),
        ("set-cookie", "theme=dark"),
    ];
    Ok(answer(200, &cookies, new.id.as_str()))
}

async fn the_last_change_wins_and_there_is_one_cookie_at_the_most(stage: Stage) {
    let (site, session) = site(&stage).await;
    let browser = site.browser_of(&session);
    let reply = browser.get("/to-and-fro").await;
    let ours = |cookie: &&&str| cookie.starts_with("__Host-auth_session=");
    assert_eq!(reply.set_cookies().iter().filter(ours).count(), 1);
    assert!(reply.set_cookies().contains(&"theme=dark"));
    let next = browser.get("/state").await;
    assert!(next.body.starts_with(&reply.body), "{reply:?} {next:?}");
}

#[authenticated]
async fn cacheable() -> Response {
    answer(200, &[("cache-control", "max-age=60")], "")
}

#[authenticated]
async fn private(user: User<Profile>) -> String {
    user.attributes.username
}

async fn a_private_response_is_not_stored_unless_the_handler_chose_otherwise(stage: Stage) {
    let (site, session) = site(&stage).await;
    let stored = |reply: &Reply| reply.header("cache-control").map(str::to_owned);
    let of_ada = site.browser_of(&session);
    assert_eq!(
        stored(&of_ada.get("/private").await).as_deref(),
        Some("no-store")
    );
    assert_eq!(
        stored(&of_ada.get("/cacheable").await).as_deref(),
        Some("max-age=60")
    );
    assert_eq!(stored(&site.browser().get("/who").await), None);
    // Nobody is signed in any more, but the cookie is for one person.
    let removal = of_ada.post("/unset", &[]).await;
    assert_eq!(stored(&removal).as_deref(), Some("no-store"));
}
