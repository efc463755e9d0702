//! Keys that are written in sessions of another database.

use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, post};
use lucia::{Auth, NewKey, Result, Session, auth_request};
use serde::Deserialize;

use super::{NEW, Split};
use crate::support::{Stage, request_of, sign_up};

on_two_stores![
    r63_no_key_is_added_by_a_session_that_has_ended,
    what_stands_for_a_session_is_not_left_behind,
    of_keys_that_are_added_at_once_all_are_there,
];

#[derive(Deserialize)]
struct Form {
    text: String,
}

#[post("/key")]
#[auth_request]
async fn add(form: web::Form<Form>) -> Result<HttpResponse> {
    let key = NewKey::without_password(("github", &form.text));
    auth_request.create_key(key).await?;
    Ok(HttpResponse::NoContent().finish())
}

#[post("/verify")]
#[auth_request]
async fn verify(form: web::Form<Form>) -> Result<HttpResponse> {
    auth_request.verify_email(&form.text).await?;
    Ok(HttpResponse::NoContent().finish())
}

pub(super) fn routes(config: &mut ServiceConfig) {
    config.service(add).service(verify);
}

#[derive(Clone, Copy, Debug)]
enum Ending {
    Claim,
    Reset,
    Everywhere,
}

/// Ends the session of Ada in another process, whose calls are not halted.
async fn end(split: &Split, elsewhere: &Auth, ending: Ending, session: &Session) {
    let key = ("username", "ada");
    match ending {
        Ending::Claim => {
            let request = request_of(elsewhere, session);
            let link = request.create_email_verification(key);
            let link = link.await.unwrap().unwrap();
            let site = split.site_over(elsewhere.clone()).await;
            let owner = site.browser();
            let reply = owner
                .post("/verify", &[("text", link.token.expose())])
                .await;
            assert_eq!(reply.status, 204, "{reply:?}");
            assert_eq!(owner.get("/me").await.status, 200);
        }
        Ending::Reset => {
            elsewhere.reset_password(key, NEW).await.unwrap();
        }
        Ending::Everywhere => {
            let ended = elsewhere.invalidate_user_sessions(&session.user_id);
            ended.await.unwrap();
        }
    }
}

async fn r63_no_key_is_added_by_a_session_that_has_ended(split: Split) {
    let auth = &split.site.auth;
    let sessions = split.sessions.store().await;
    let elsewhere = Auth::builder(split.users.store().await).sessions(sessions);
    let elsewhere = elsewhere.clock(split.users.clock.reader()).build().unwrap();
    // Before the look at the session, and after it.
    for step in ["insert_token", "write_key"] {
        for ending in [Ending::Claim, Ending::Reset, Ending::Everywhere] {
            let session = sign_up(auth, "ada").await;
            let browser = split.site.browser_of(&session);
            let probe = &split.users.probe;
            probe.halt(step);
            let ended = async {
                probe.arrived(step).await;
                end(&split, &elsewhere, ending, &session).await;
                probe.release(step);
            };
            let form = [("text", "666")];
            let (reply, ()) = tokio::join!(browser.post("/key", &form), ended);
            assert_eq!(
                (reply.status, &*reply.body),
                (401, "Not signed in."),
                "{step} {ending:?}"
            );
            let key = auth.key(("github", "666")).await.unwrap();
            assert_eq!(key, None, "{step} {ending:?}");
            auth.delete_user(&session.user_id).await.unwrap();
        }
    }
}

async fn what_stands_for_a_session_is_not_left_behind(split: Split) {
    let auth = &split.site.auth;
    let session = sign_up(auth, "ada").await;
    let browser = split.site.browser_of(&session);
    let form = [("text", "1815")];
    assert_eq!(browser.post("/key", &form).await.status, 204);
    assert_eq!(split.users.count("one_time_token").await, 0);
    assert_eq!(browser.post("/key", &form).await.status, 409);
    assert_eq!(split.users.count("one_time_token").await, 0);
    auth.invalidate_user_sessions(&session.user_id)
        .await
        .unwrap();
    assert_eq!(split.users.count("one_time_token").await, 0);

    // Where a store fails, it is swept.
    let session = auth.create_session(&session.user_id).await.unwrap();
    let browser = split.site.browser_of(&session);
    split.users.probe.halt("write_key");
    let outage = async {
        split.users.probe.arrived("write_key").await;
        split.users.probe.set_down(true);
        split.users.probe.release("write_key");
    };
    let form = [("text", "1816")];
    let (reply, ()) = tokio::join!(browser.post("/key", &form), outage);
    split.users.probe.set_down(false);
    assert_eq!(reply.status, 503);
    assert_eq!(split.users.count("one_time_token").await, 1);
    let store = split.users.store().await;
    let tokens = store.tokens().unwrap();
    let later = split.users.clock.now() + std::time::Duration::from_secs(60);
    assert_eq!(
        tokens
            .delete_expired_tokens(later.into(), 10)
            .await
            .unwrap(),
        1
    );
    assert_eq!(split.users.count("one_time_token").await, 0);
}

async fn of_keys_that_are_added_at_once_all_are_there(split: Split) {
    let session = sign_up(&split.site.auth, "ada").await;
    let adding = (0..10).map(|number| {
        let browser = split.site.browser_of(&session);
        async move {
            let text = number.to_string();
            browser.post("/key", &[("text", &text)]).await.status
        }
    });
    assert_eq!(futures_util::future::join_all(adding).await, [204; 10]);
    let keys = split.site.auth.user_keys(&session.user_id).await.unwrap();
    assert_eq!(keys.len(), 11);
}
