//! The address of a key changes when its new mailbox confirms it, and the former one can undo that.

use std::net::IpAddr;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use lucia::{Auth, Error, NewKey, NewUser, Session, User};
use reqwest::Method;
use serde::Deserialize;

use super::framework::{
    Data, Form, Query, Response, answer, auth_request, authenticated, front_page, serve,
};
use crate::support::{
    Browser, PASSWORD, Profile, Site, Stage, on_each_store, request_from, request_of, request_to,
};

on_each_store![
    r60_r62_an_address_changes_when_the_link_is_posted_and_nothing_else_does,
    r62_the_former_address_undoes_the_change_and_ends_what_the_other_person_had,
    r62_a_change_can_be_undone_for_seven_days_whatever_is_done_meanwhile,
    r62_nobody_keeps_the_former_address_from_its_owner,
    r62_a_link_from_before_does_not_change_an_address_a_second_time,
    r62_an_address_that_was_never_verified_undoes_nothing,
    r59_what_is_not_sent_uses_up_no_mail_of_another_user,
    r62_a_change_needs_the_user_and_a_recent_sign_in,
    r62_a_taken_address_is_answered_in_the_same_steps_and_never_taken_over,
    r62_of_ten_users_who_change_to_one_address_at_once_one_does,
    r62_a_change_that_fails_at_any_step_changes_nothing,
    r59_a_full_count_of_changes_does_not_tell_who_has_an_address,
    r59_links_to_undo_a_change_once_more_are_counted,
    r26_another_site_changes_no_address,
];

pub(super) const OLD: &str = "ada@example.com";
pub(super) const NEW: &str = "ada@example.org";
pub(super) const TOLD: &str = "This link or code is wrong, used or expired. Ask for another one.";
pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Deserialize)]
struct Addresses {
    current: String,
    new: String,
}

#[derive(Deserialize)]
struct Link {
    token: String,
}

#[authenticated]
async fn ask(Form(form): Form<Addresses>) -> lucia::Result<String> {
    let keys = (("email", &form.current), ("email", &form.new));
    let created = auth_request.create_email_change(keys.0, keys.1).await?;
    Ok(created.map_or_else(String::new, |link| link.token.expose().to_owned()))
}

#[auth_request]
async fn page(auth: Data<Auth>, link: Query<Link>) -> lucia::Result<String> {
    let key = auth.check_email_change(&link.token).await?;
    Ok(key.provider_user_id().to_owned())
}

#[auth_request]
async fn change(Form(form): Form<Link>) -> lucia::Result<String> {
    let change = auth_request.change_email(&form.token).await?;
    assert!(change.key.verified_at.is_some());
    let Some(undo) = &change.undo else {
        return Ok("-".to_owned());
    };
    let token = undo.token.expose();
    assert!(!format!("{change:?}").contains(token));
    Ok(format!("{} {token}", undo.key.provider_user_id()))
}

#[auth_request]
async fn undo_page(auth: Data<Auth>, link: Query<Link>) -> lucia::Result<String> {
    let key = auth.check_email_change_undo(&link.token).await?;
    Ok(key.provider_user_id().to_owned())
}

#[auth_request]
async fn undo(Form(form): Form<Link>) -> lucia::Result<Response> {
    auth_request.undo_email_change(&form.token).await?;
    Ok(answer(204, &[], ""))
}

pub(super) async fn site(stage: &Stage) -> Site {
    site_of(stage.auth().await).await
}

async fn site_of(auth: Auth) -> Site {
    let routes = front_page()
        .post("/ask", ask)
        .get("/change", page)
        .post("/change", change)
        .get("/undo", undo_page)
        .post("/undo", undo);
    serve(auth, routes).await
}

/// A user with this address, which is verified, signed in a moment ago.
pub(super) async fn user(auth: &Auth, address: &str) -> Session {
    let key = NewKey::with_password(("email", address), PASSWORD);
    user_by(auth, address, key.verified()).await
}

/// A user who has signed up with this address.
pub(super) async fn unverified(auth: &Auth, address: &str) -> Session {
    let key = NewKey::with_password(("email", address), PASSWORD);
    user_by(auth, address, key).await
}

async fn user_by(auth: &Auth, address: &str, key: NewKey<'_>) -> Session {
    static NUMBER: AtomicU32 = AtomicU32::new(0);

    // Two users can have the address, one after the other.
    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    let profile = Profile {
        username: format!("{address} {number}"),
    };
    let user = NewUser::with_key(key).attributes(&profile);
    let _: User<Profile> = auth.create_user(user).await.unwrap();
    let key = auth.verify_password(("email", address), PASSWORD).await;
    auth.create_session(&key.unwrap()).await.unwrap()
}

pub(super) async fn token(browser: &Browser, current: &str, new: &str) -> String {
    let reply = browser
        .post("/ask", &[("current", current), ("new", new)])
        .await;
    assert_eq!(reply.status, 200, "{reply:?}");
    reply.body
}

pub(super) fn form(token: &str) -> [(&'static str, &str); 1] {
    [("token", token)]
}

/// Changes the address, and returns the token that undoes it.
pub(super) async fn changed(browser: &Browser, current: &str, new: &str) -> String {
    let token = token(browser, current, new).await;
    let reply = browser.post("/change", &form(&token)).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    let Some((former, undo)) = reply.body.split_once(' ') else {
        return reply.body;
    };
    assert_eq!(former, current);
    undo.to_owned()
}

pub(super) async fn has_key(site: &Site, address: &str) -> bool {
    let key = site.auth.key(("email", address)).await;
    key.unwrap().is_some()
}

async fn r60_r62_an_address_changes_when_the_link_is_posted_and_nothing_else_does(stage: Stage) {
    let site = site(&stage).await;
    let auth = &site.auth;
    let ada = user(auth, OLD).await;
    let elsewhere = auth.create_session(&ada.user_id).await.unwrap();
    let browser = site.browser_of(&ada);
    let token = token(&browser, OLD, NEW).await;
    let path = format!("/change?token={token}");
    for method in [Method::GET, Method::HEAD, Method::GET] {
        let reply = browser.send(browser.request(method.clone(), &path)).await;
        if method == Method::GET {
            assert_eq!((reply.status, &*reply.body), (200, NEW));
        }
    }
    // Nobody else can confirm it: the new address may be mistyped.
    let bob = user(auth, "bob@example.com").await;
    for (stranger, status) in [(site.browser(), 401), (site.browser_of(&bob), 400)] {
        let reply = stranger.post("/change", &form(&token)).await;
        assert_eq!(reply.status, status, "{reply:?}");
    }
    assert!(has_key(&site, OLD).await && !has_key(&site, NEW).await);
    let hash = stage.value("SELECT hashed_password FROM user_key").await;

    stage.clock.advance(Duration::from_secs(60));
    let reply = browser.post("/change", &form(&token)).await;
    assert_eq!(reply.status, 200, "{reply:?}");
    assert!(reply.set_cookies().is_empty(), "{reply:?}");
    assert!(!has_key(&site, OLD).await);
    let key = auth.key(("email", NEW)).await.unwrap().unwrap();
    assert_eq!(key.verified_at, Some(stage.clock.now()));
    assert_eq!(key.user_id, ada.user_id);
    let same = "SELECT hashed_password FROM user_key WHERE id = 'email:ada@example.org'";
    assert_eq!(stage.value(same).await, hash);
    auth.verify_password(("email", NEW), PASSWORD)
        .await
        .unwrap();
    for session in [&ada, &elsewhere] {
        assert_eq!(site.browser_of(session).get("/me").await.status, 200);
    }
    // Once more, it gives another link to undo it, and changes nothing.
    let again = browser.post("/change", &form(&token)).await;
    assert_eq!(again.status, 200, "{again:?}");
    assert_ne!(again.body, reply.body);
    let keys = auth.user_keys(&ada.user_id).await.unwrap();
    assert_eq!(keys, [key]);
}

async fn r62_the_former_address_undoes_the_change_and_ends_what_the_other_person_had(stage: Stage) {
    let site = site(&stage).await;
    let auth = &site.auth;
    let ada = user(auth, OLD).await;
    // Somebody else is at her computer, and knows her password.
    let thief = site.browser_of(&ada);
    let undo = changed(&thief, OLD, NEW).await;
    let link = request_to(auth).create_sign_in_link(("email", NEW)).await;
    let link = link.unwrap().unwrap().token;
    let owner = site.browser();
    let path = format!("/undo?token={undo}");
    for _ in 0..2 {
        let reply = owner.get(&path).await;
        assert_eq!((reply.status, &*reply.body), (200, OLD));
    }
    assert_eq!(owner.post("/undo", &form(&undo)).await.status, 204);
    assert_eq!(owner.get("/me").await.status, 200);
    assert_eq!(thief.get("/me").await.status, 401);
    assert!(has_key(&site, OLD).await && !has_key(&site, NEW).await);
    let opened = auth.verify_password(("email", OLD), PASSWORD).await;
    assert!(
        matches!(opened, Err(Error::InvalidCredentials)),
        "{opened:?}"
    );
    let checked = auth.check_sign_in_link(link.expose()).await;
    assert!(
        matches!(checked, Err(Error::InvalidOneTimeToken)),
        "{checked:?}"
    );
    for reply in [
        owner.get(&path).await,
        owner.post("/undo", &form(&undo)).await,
    ] {
        assert_eq!((reply.status, &*reply.body), (400, TOLD));
    }
    // She can change it again.
    changed(&owner, OLD, NEW).await;
}

async fn r62_a_change_can_be_undone_for_seven_days_whatever_is_done_meanwhile(stage: Stage) {
    let site = site(&stage).await;
    let auth = &site.auth;
    let ada = user(auth, OLD).await;
    let thief = site.browser_of(&ada);
    let pending = token(&thief, OLD, "third@example.org").await;
    let undo = changed(&thief, OLD, NEW).await;
    // A second change would hide the first one.
    let asked = thief
        .post("/ask", &[("current", NEW), ("new", "third@example.org")])
        .await;
    assert_eq!(asked.status, 429, "{asked:?}");
    assert!(asked.header("retry-after").is_some());
    let reply = thief.post("/change", &form(&pending)).await;
    assert_eq!(reply.status, 400, "{reply:?}");
    // A new password ends the tokens of the user.
    auth.invalidate_user_tokens(&ada.user_id).await.unwrap();
    let reset = auth.reset_password(("email", NEW), "another horse battery");
    reset.await.unwrap();
    stage.clock.advance(7 * DAY - Duration::from_secs(1));
    auth.delete_expired_sessions().await.unwrap();
    auth.check_email_change_undo(&undo).await.unwrap();
    let owner = site.browser();
    assert_eq!(owner.post("/undo", &form(&undo)).await.status, 204);
    assert!(has_key(&site, OLD).await && !has_key(&site, NEW).await);

    let undo = changed(&owner, OLD, NEW).await;
    stage.clock.advance(7 * DAY);
    let late = site.browser().post("/undo", &form(&undo)).await;
    assert_eq!((late.status, &*late.body), (400, TOLD));
    // From now on it can change again.
    let link = request_to(auth).create_sign_in_link(("email", NEW)).await;
    assert!(link.unwrap().is_some());
    let ada = auth.reset_password(("email", NEW), PASSWORD).await.unwrap();
    let ada = auth.create_session(&ada).await.unwrap();
    changed(&site.browser_of(&ada), NEW, OLD).await;
}

async fn r62_nobody_keeps_the_former_address_from_its_owner(stage: Stage) {
    let site = site(&stage).await;
    let auth = &site.auth;
    let ada = user(auth, OLD).await;
    let undo = changed(&site.browser_of(&ada), OLD, NEW).await;
    // Another account with the address, which nobody has proved.
    let squatter = unverified(auth, OLD).await;
    let owner = site.browser();
    assert_eq!(owner.post("/undo", &form(&undo)).await.status, 204);
    let key = auth.key(("email", OLD)).await.unwrap().unwrap();
    assert_eq!(key.user_id, ada.user_id);
    assert!(auth.user_keys(&squatter.user_id).await.unwrap().is_empty());

    // Where its owner has proved it for another account, that is theirs.
    let undo = changed(&owner, OLD, NEW).await;
    let other = NewKey::with_password(("email", OLD), PASSWORD);
    auth.create_key(&squatter.user_id, other).await.unwrap();
    stage.verify_key("email:ada@example.com").await;
    let reply = site.browser().post("/undo", &form(&undo)).await;
    assert_eq!((reply.status, &*reply.body), (400, TOLD));
    assert!(has_key(&site, NEW).await);
    assert_eq!(owner.get("/me").await.status, 200);
}

async fn r62_a_link_from_before_does_not_change_an_address_a_second_time(stage: Stage) {
    let site = site(&stage).await;
    let auth = &site.auth;
    let ada = user(auth, OLD).await;
    let thief = site.browser_of(&ada);
    // A key with the address that hers is going to have, and a link for it.
    let key = NewKey::with_password(("email", NEW), PASSWORD).verified();
    auth.create_key(&ada.user_id, key).await.unwrap();
    let from_before = token(&thief, NEW, "third@example.org").await;
    auth.delete_key(("email", NEW)).await.unwrap();
    let undo = changed(&thief, OLD, NEW).await;
    let reply = thief.post("/change", &form(&from_before)).await;
    assert_eq!(reply.status, 429, "{reply:?}");
    assert_eq!(site.browser().post("/undo", &form(&undo)).await.status, 204);
    assert!(has_key(&site, OLD).await && !has_key(&site, NEW).await);
}

async fn r62_an_address_that_was_never_verified_undoes_nothing(stage: Stage) {
    let site = site(&stage).await;
    // She has mistyped it, and it is somebody else's.
    let ada = unverified(&site.auth, OLD).await;
    let browser = site.browser_of(&ada);
    assert_eq!(changed(&browser, OLD, NEW).await, "-");
    // So nothing has to wait for an undo, which the next change has.
    let undo = changed(&browser, NEW, "third@example.org").await;
    site.auth.check_email_change_undo(&undo).await.unwrap();
}

async fn r59_what_is_not_sent_uses_up_no_mail_of_another_user(stage: Stage) {
    const TAKEN: &str = "bob@example.com";

    let site = site(&stage).await;
    let auth = &site.auth;
    let ada = user(auth, OLD).await;
    let bob = unverified(auth, TAKEN).await;
    for client in 0..25 {
        let request = request_from(auth, client_of(client));
        request.set_session(Some(&ada));
        let foreign = request.create_email_change(("email", OLD), ("email", TAKEN));
        assert!(foreign.await.unwrap().is_none());
        let foreign = request.create_email_verification(("email", TAKEN)).await;
        assert!(foreign.unwrap().is_none());
    }
    let request = request_of(auth, &bob);
    let link = request.create_sign_in_link(("email", TAKEN)).await;
    assert!(link.unwrap().is_some());
    let link = request.create_email_verification(("email", TAKEN)).await;
    assert!(link.unwrap().is_some());
}

async fn r62_a_change_needs_the_user_and_a_recent_sign_in(stage: Stage) {
    let site = site(&stage).await;
    let ada = user(&site.auth, OLD).await;
    user(&site.auth, "bob@example.com").await;
    let browser = site.browser_of(&ada);
    for (current, new, status) in [
        ("bob@example.com", NEW, 404),
        ("unknown", NEW, 404),
        (OLD, "", 400),
        (OLD, &*"x".repeat(256), 400),
    ] {
        let reply = browser
            .post("/ask", &[("current", current), ("new", new)])
            .await;
        assert_eq!(reply.status, status, "{current} {new}");
    }
    let asked = [("current", OLD), ("new", NEW)];
    assert_eq!(site.browser().post("/ask", &asked).await.status, 401);
    let late = token(&browser, OLD, NEW).await;
    stage.clock.advance(Duration::from_secs(10 * 60 + 1));
    let reply = browser.post("/ask", &asked).await;
    assert_eq!((reply.status, &*reply.body), (401, "Sign in again."));
    stage.clock.advance(DAY);
    let reply = browser.post("/change", &form(&late)).await;
    assert_eq!((reply.status, &*reply.body), (400, TOLD));
    assert!(has_key(&site, OLD).await);
}

async fn r62_a_taken_address_is_answered_in_the_same_steps_and_never_taken_over(stage: Stage) {
    const TAKEN: &str = "bob@example.com";

    let site = site(&stage).await;
    let ada = user(&site.auth, OLD).await;
    let browser = site.browser_of(&ada);
    user(&site.auth, TAKEN).await;
    let mut steps = Vec::new();
    for (new, is_sent) in [(NEW, true), (TAKEN, false), (OLD, false)] {
        stage.probe.calls();
        assert_eq!(!token(&browser, OLD, new).await.is_empty(), is_sent);
        steps.push(stage.probe.calls());
    }
    assert_eq!(steps[1], steps[0]);
    assert_eq!(steps[2], steps[0]);
    // It is taken between the request and the link.
    let late = token(&browser, OLD, NEW).await;
    user(&site.auth, NEW).await;
    let reply = browser.post("/change", &form(&late)).await;
    assert_eq!((reply.status, &*reply.body), (400, TOLD));
    let key = site.auth.key(("email", OLD)).await.unwrap().unwrap();
    assert_eq!(key.user_id, ada.user_id);
    let key = site.auth.key(("email", NEW)).await.unwrap().unwrap();
    assert_ne!(key.user_id, ada.user_id);
}

async fn r62_of_ten_users_who_change_to_one_address_at_once_one_does(stage: Stage) {
    // More ask from one address than may.
    let auth = stage.builder().await.without_sign_in_limit();
    let site = site_of(auth.build().unwrap()).await;
    let mut asked = Vec::new();
    for number in 0..10 {
        let address = format!("{number}@example.com");
        let browser = site.browser_of(&user(&site.auth, &address).await);
        let token = token(&browser, &address, NEW).await;
        asked.push((browser, token));
    }
    let changes = asked.iter().map(async |(browser, token)| {
        let reply = browser.post("/change", &form(token)).await;
        reply.status
    });
    let mut statuses = join_all(changes).await;
    statuses.sort_unstable();
    assert_eq!(statuses, [vec![200], vec![400; 9]].concat());
    assert_eq!(stage.count("user_key").await, 10);
}

async fn r62_a_change_that_fails_at_any_step_changes_nothing(stage: Stage) {
    let site = site(&stage).await;
    let ada = user(&site.auth, OLD).await;
    for step in ["token", "key", "user_keys", "write_key"] {
        let browser = site.browser_of(&ada);
        let token = token(&browser, OLD, NEW).await;
        stage.probe.halt(step);
        let outage = async {
            stage.probe.arrived(step).await;
            stage.probe.set_down(true);
            stage.probe.release(step);
        };
        let form = form(&token);
        let (reply, ()) = tokio::join!(browser.post("/change", &form), outage);
        stage.probe.set_down(false);
        assert_eq!(reply.status, 503, "{step}");
        assert!(has_key(&site, OLD).await && !has_key(&site, NEW).await);
        assert_eq!(browser.get("/me").await.status, 200);
    }
    let browser = site.browser_of(&ada);
    changed(&browser, OLD, NEW).await;
}

async fn r59_a_full_count_of_changes_does_not_tell_who_has_an_address(stage: Stage) {
    const TAKEN: [&str; 2] = ["bob@example.com", "eve@example.com"];

    let auth = stage.auth().await;
    let ada = user(&auth, OLD).await;
    for taken in TAKEN {
        unverified(&auth, taken).await;
    }
    let ask = async |new: &str, from: Option<IpAddr>| {
        let request = request_from(&auth, from);
        request.set_session(Some(&ada));
        let created = request.create_email_change(("email", OLD), ("email", new));
        created.await.map(|link| link.is_some())
    };
    for (from, allowed) in [(Some(client_of(1)), 5), (None, 20)] {
        // Taken ones first: a count that they share would be full for the second.
        for new in [TAKEN[0], TAKEN[1], OLD, NEW] {
            for number in 0..allowed {
                // The client before has asked for five of the twenty.
                let is_sent = new == NEW && (from.is_some() || number < 15);
                let asked = ask(new, from).await;
                assert_eq!(asked.unwrap(), is_sent, "{new} {from:?} {number}");
            }
            match ask(new, from).await {
                Err(Error::TooManyAttempts { retry_after }) => {
                    assert_eq!(retry_after, Duration::from_secs(60 * 60), "{new} {from:?}");
                }
                other => panic!("{new} {from:?}: {other:?}"),
            }
        }
    }
    // They count among all mails that the client asks for: 24 until here, those that were refused included.
    for number in 0..76 {
        let new = format!("{number}@example.com");
        assert!(ask(&new, Some(client_of(1))).await.unwrap(), "{number}");
    }
    let refused = ask("another@example.com", Some(client_of(1))).await;
    assert!(
        matches!(refused, Err(Error::TooManyAttempts { .. })),
        "{refused:?}"
    );
}

async fn r59_links_to_undo_a_change_once_more_are_counted(stage: Stage) {
    let site = site(&stage).await;
    let auth = &site.auth;
    let ada = user(auth, OLD).await;
    let link = token(&site.browser_of(&ada), OLD, NEW).await;
    let change = async |client: u8| {
        let request = request_from(auth, client_of(client));
        request.set_session(Some(&ada));
        let changed = request.change_email(&link).await;
        changed.map(|change| change.undo.map(|undo| undo.token))
    };
    let first = change(0).await.unwrap().unwrap();
    for client in 0..4 {
        for _ in 0..5 {
            let again = change(client).await.unwrap().unwrap();
            let checked = auth.check_email_change_undo(again.expose()).await;
            checked.unwrap();
        }
        let refused = change(client).await;
        assert!(
            matches!(refused, Err(Error::TooManyAttempts { .. })),
            "{refused:?}"
        );
    }
    let before = stage.count("one_time_token").await;
    assert!(change(4).await.unwrap().is_none());
    assert_eq!(stage.count("one_time_token").await, before);
    // The first link still works, and mails of other purposes to the address are sent.
    let undone = site.browser().post("/undo", &form(first.expose())).await;
    assert_eq!(undone.status, 204, "{undone:?}");
    let request = request_from(auth, client_of(0));
    let reset = request.create_password_reset(("email", OLD)).await;
    assert!(reset.unwrap().is_some());
}

/// The address of the client of this number.
fn client_of(number: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, number])
}

async fn r26_another_site_changes_no_address(stage: Stage) {
    let site = site(&stage).await;
    let ada = user(&site.auth, OLD).await;
    let browser = site.browser_of(&ada);
    let token = token(&browser, OLD, NEW).await;
    for (path, form) in [
        ("/ask", vec![("current", OLD), ("new", NEW)]),
        ("/change", form(&token).to_vec()),
        ("/undo", form(&token).to_vec()),
    ] {
        let request = browser.bare(Method::POST, path);
        let request = request.header("origin", "https://evil.example");
        assert_eq!(browser.send(request.form(&form)).await.status, 403);
    }
    assert!(has_key(&site, OLD).await);
}
