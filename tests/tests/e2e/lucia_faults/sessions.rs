//! Sessions and requests.

use actix_web::HttpRequest;
use actix_web::test::TestRequest;
use futures_util::future::join_all;
use lucia::{Auth, Error, Session, SessionState};
use reqwest::Method;

use super::{DAY, ada};
use crate::support::{PASSWORD, Stage, actix, on_each_store, sign_up, verified};

on_each_store![
    lucia_fault_01_a_renewal_sends_the_cookie_again,
    lucia_fault_02_a_renewed_session_is_active,
    lucia_fault_03_bearer_and_cookie_never_meet,
    lucia_fault_04_a_failed_lookup_is_asked_again,
    lucia_fault_05_a_renewal_that_finds_nothing_authenticates_nobody,
    lucia_fault_06_renewals_leave_one_session_with_one_token,
    lucia_fault_07_a_lifetime_can_have_an_end,
    lucia_fault_07_a_changed_password_ends_the_other_sessions,
    lucia_fault_08_no_token_is_in_the_database,
    lucia_fault_09_a_database_that_is_away_signs_nobody_out,
    lucia_fault_10_a_forged_request_signs_nobody_out,
    lucia_fault_11_who_stays_as_they_are_gets_no_cookie,
];

/// A request with the cookie of one session and the bearer token of another.
fn request(auth: &Auth, by_cookie: &Session, by_bearer: &Session) -> HttpRequest {
    let cookie = auth.session_cookie(Some(by_cookie));
    TestRequest::get()
        .insert_header(("cookie", format!("{}={}", cookie.name(), cookie.value())))
        .insert_header((
            "authorization",
            format!("Bearer {}", by_bearer.token().expose()),
        ))
        .to_http_request()
}

async fn lucia_fault_01_a_renewal_sends_the_cookie_again(stage: Stage) {
    let (site, session) = ada(&stage).await;
    let browser = site.browser_of(&session);
    for _ in 0..3 {
        stage.clock.advance(2 * DAY);
        let reply = browser.get("/me").await;
        assert_eq!(reply.status, 200);
        reply.assert_renews(&session);
    }
}

async fn lucia_fault_02_a_renewed_session_is_active(stage: Stage) {
    let (site, session) = ada(&stage).await;
    stage.clock.advance(2 * DAY);
    let stored = site.auth.session(&session.id).await.unwrap().unwrap();
    assert_eq!(stored.state, SessionState::Idle);
    let renewed = site.auth.validate_session(session.token()).await.unwrap();
    let renewed = renewed.unwrap();
    assert_eq!((renewed.state, renewed.fresh), (SessionState::Active, true));
    assert_eq!(renewed.active_expires, stage.clock.now() + DAY);
    let stored = site.auth.session(&session.id).await.unwrap().unwrap();
    assert_eq!(stored.state, SessionState::Active);
}

async fn lucia_fault_03_bearer_and_cookie_never_meet(stage: Stage) {
    let auth = stage.auth().await;
    let (ada, bob) = (sign_up(&auth, "ada").await, sign_up(&auth, "bob").await);
    let id = |found: lucia::Result<Option<Session>>| found.unwrap().unwrap().id.clone();
    for bearer_first in [true, false] {
        let request = auth.handle_request(&request(&auth, &ada, &bob));
        for is_bearer in [bearer_first, !bearer_first, bearer_first, !bearer_first] {
            if is_bearer {
                assert_eq!(id(request.validate_bearer_token().await), bob.id);
            } else {
                assert_eq!(id(request.validate().await), ada.id);
            }
        }
        let both = tokio::join!(request.validate(), request.validate_bearer_token());
        assert_eq!((id(both.0), id(both.1)), (ada.id.clone(), bob.id.clone()));
    }
}

async fn lucia_fault_04_a_failed_lookup_is_asked_again(stage: Stage) {
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    let request = auth.handle_request(&request(&auth, &session, &session));
    stage.probe.set_down(true);
    assert!(matches!(
        request.validate().await,
        Err(Error::Unavailable(_))
    ));
    let by_bearer = request.validate_bearer_token().await;
    assert!(matches!(by_bearer, Err(Error::Unavailable(_))));
    stage.probe.set_down(false);
    assert!(request.validate().await.unwrap().is_some());
    assert!(request.validate_bearer_token().await.unwrap().is_some());
}

async fn lucia_fault_05_a_renewal_that_finds_nothing_authenticates_nobody(stage: Stage) {
    let (site, session) = ada(&stage).await;
    stage.clock.advance(2 * DAY);
    stage.probe.halt("renew_session");
    let browser = site.browser_of(&session);
    let logging_out = async {
        stage.probe.arrived("renew_session").await;
        site.auth.invalidate_session(&session.id).await.unwrap();
        stage.probe.release("renew_session");
    };
    let (reply, ()) = tokio::join!(browser.get("/me"), logging_out);
    assert_eq!(reply.status, 401);
    assert!(reply.set_cookies().is_empty());
    assert_eq!(stage.count("user_session").await, 0);
}

async fn lucia_fault_06_renewals_leave_one_session_with_one_token(stage: Stage) {
    let (site, session) = ada(&stage).await;
    let cookie = format!("__Host-auth_session={};", session.token().expose());
    for _ in 0..2 {
        stage.clock.advance(2 * DAY);
        // Each with the cookie from before: a replay.
        let browsers: Vec<_> = (0..10).map(|_| site.browser_of(&session)).collect();
        let replies = join_all(browsers.iter().map(|browser| browser.get("/me"))).await;
        for reply in replies {
            assert_eq!(reply.status, 200);
            let set = reply.set_cookies();
            assert!(set.iter().all(|set| set.starts_with(&cookie)), "{set:?}");
        }
        assert_eq!(stage.count("user_session").await, 1);
    }
}

async fn lucia_fault_07_a_lifetime_can_have_an_end(stage: Stage) {
    let auth = stage.builder().await.absolute_period(30 * DAY);
    let auth = auth.build().unwrap();
    let session = sign_up(&auth, "ada").await;
    for _ in 0..30 {
        stage.clock.advance(DAY);
        let found = auth.validate_session(session.token()).await.unwrap();
        assert!(found.is_some());
    }
    stage.clock.advance(DAY / 24);
    let found = auth.validate_session(session.token()).await.unwrap();
    assert!(found.is_none());
}

async fn lucia_fault_07_a_changed_password_ends_the_other_sessions(stage: Stage) {
    let auth = stage.auth().await;
    let here = sign_up(&auth, "ada").await;
    let elsewhere = auth.create_session(&here.user_id).await.unwrap();
    let new = "another horse battery";
    let key = verified(&auth, "ada").await;
    let changed = auth.change_password(&here, &key, new);
    let changed = changed.await.unwrap();
    for (session, lives) in [(&elsewhere, false), (&here, false), (&changed, true)] {
        let found = auth.validate_session(session.token()).await.unwrap();
        assert_eq!(found.is_some(), lives);
    }
    auth.reset_password(("username", "ada"), PASSWORD)
        .await
        .unwrap();
    let found = auth.validate_session(changed.token()).await.unwrap();
    assert!(found.is_none());
}

async fn lucia_fault_08_no_token_is_in_the_database(stage: Stage) {
    let (site, session) = ada(&stage).await;
    let rotated = site.auth.rotate_session(&session).await.unwrap();
    let other = site.auth.create_session(&session.user_id).await.unwrap();
    let dump = stage.dump().await;
    for session in [&session, &rotated, &other] {
        let token = session.token().expose();
        assert!(!dump.iter().any(|value| value.contains(token)));
    }
    for value in dump {
        let browser = site.browser();
        browser.keep("__Host-auth_session", &value);
        assert_eq!(browser.get("/who").await.body, "nobody");
    }
}

async fn lucia_fault_09_a_database_that_is_away_signs_nobody_out(stage: Stage) {
    let (site, session) = ada(&stage).await;
    let browser = site.browser_of(&session);
    stage.probe.set_down(true);
    for path in ["/me", "/who"] {
        let reply = browser.get(path).await;
        assert_eq!(reply.status, 503, "{path}");
        assert!(reply.set_cookies().is_empty());
    }
    stage.probe.set_down(false);
    assert_eq!(browser.get("/me").await.status, 200);
}

async fn lucia_fault_10_a_forged_request_signs_nobody_out(stage: Stage) {
    let (site, session) = ada(&stage).await;
    let browser = site.browser_of(&session);
    for path in ["/logout", "/who"] {
        let forged = browser.bare(Method::POST, path);
        let forged = forged.header("origin", "https://evil.example");
        let reply = browser.send(forged).await;
        assert!(reply.set_cookies().is_empty(), "{path}");
        assert!(!reply.body.contains("ada"), "{path}");
    }
    assert_eq!(browser.get("/me").await.status, 200);
}

async fn lucia_fault_11_who_stays_as_they_are_gets_no_cookie(stage: Stage) {
    let (site, session) = ada(&stage).await;
    let (anonymous, active) = (site.browser(), site.browser_of(&session));
    for _ in 0..3 {
        for (browser, who) in [(&anonymous, "nobody"), (&active, "ada")] {
            let reply = browser.get("/who").await;
            assert_eq!(reply.body, who);
            assert!(reply.set_cookies().is_empty(), "{reply:?}");
        }
    }
    // The cookie of a session that has ended stays as well.
    let ended = actix::serve(stage.auth().await, actix::front_page()).await;
    ended.auth.invalidate_session(&session.id).await.unwrap();
    let reply = active.get("/who").await;
    assert_eq!(reply.body, "nobody");
    assert!(reply.set_cookies().is_empty(), "{reply:?}");
}
