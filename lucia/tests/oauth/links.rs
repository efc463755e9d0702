//! A user who is signed in adds a provider, or takes it away.

use std::time::Duration;

use axum::http::Method;
use lucia::oauth::OAuthOutcome;
use lucia::{NewKey, NewUser, Session};
use serde_json::json;

use super::provider::Provider;
use super::site::{Browser, STATE, Site, stage};

/// A user with another key, signed in by a browser.
async fn signed_in<'a>(site: &'a Site, name: &str) -> (Browser<'a>, Session) {
    let key = NewKey::without_password(("other", name));
    let user = site.auth.create_user(NewUser::with_key(key)).await.unwrap();
    let session = site.auth.create_session(&user.id).await.unwrap();
    let browser = site.browser();
    let cookie = site.auth.session_cookie(Some(&session));
    browser
        .cookies
        .lock()
        .unwrap()
        .insert(cookie.name().to_owned(), cookie.value().to_owned());
    (browser, session)
}

async fn link(browser: &Browser<'_>, provider: &Provider) -> super::site::Reply {
    let reply = browser.post("/link/id").await;
    assert_eq!(reply.status, 303, "{reply:?}");
    let query = provider.agree(&reply.location());
    browser.come_back("id", &query).await
}

async fn keys(site: &Site, session: &Session) -> Vec<String> {
    let keys = site.auth.user_keys(&session.user_id).await.unwrap();
    let shown = keys
        .iter()
        .map(|key| format!("{}:{}", key.id.provider_id(), key.id.provider_user_id()));
    shown.collect()
}

#[tokio::test]
async fn a_user_links_a_provider_signs_in_by_it_and_unlinks_it() {
    let (provider, site) = stage().await;
    let (browser, session) = signed_in(&site, "ada").await;
    assert_eq!(link(&browser, &provider).await.status, 303);
    assert!(
        matches!(site.done().outcome, OAuthOutcome::Linked(key) if key.user_id == session.user_id)
    );
    assert_eq!(keys(&site, &session).await, ["id:ada", "other:ada"]);
    // The session is as it was.
    assert!(site.auth.session(&session.id).await.unwrap().is_some());
    // Once more changes nothing.
    assert_eq!(link(&browser, &provider).await.status, 303);
    site.done();

    let elsewhere = site.browser();
    assert_eq!(elsewhere.sign_in("id", &provider).await.status, 303);
    let OAuthOutcome::Known(key) = site.done().outcome else {
        panic!()
    };
    assert_eq!(key.user_id, session.user_id);

    assert_eq!(browser.post("/unlink/id/ada").await.body, "unlinked");
    assert_eq!(keys(&site, &session).await, ["other:ada"]);
    assert_eq!(link(&browser, &provider).await.status, 303);
    site.auth.delete_key(("other", "ada")).await.unwrap();
    let last = browser.post("/unlink/id/ada").await;
    assert_eq!(last.status, 409, "{last:?}");
    assert_eq!(keys(&site, &session).await, ["id:ada"]);
}

#[tokio::test]
async fn a_provider_is_linked_and_unlinked_after_a_recent_sign_in() {
    let (provider, site) = stage().await;
    let (browser, session) = signed_in(&site, "ada").await;
    assert_eq!(link(&browser, &provider).await.status, 303);
    site.clock.advance(Duration::from_secs(10 * 60 + 1));
    for path in ["/link/id", "/unlink/id/ada"] {
        let reply = browser.post(path).await;
        assert_eq!((reply.status, &*reply.body), (401, "Sign in again."));
    }
    assert_eq!(keys(&site, &session).await, ["id:ada", "other:ada"]);
}

#[tokio::test]
async fn only_a_key_of_the_provider_is_unlinked() {
    let (_, site) = stage().await;
    let (browser, session) = signed_in(&site, "ada").await;
    let password = NewKey::with_password(("id", "1815"), "correct horse battery");
    let address = NewKey::without_password(("email", "ada@example.com"));
    for key in [password, address] {
        site.auth.create_key(&session.user_id, key).await.unwrap();
    }
    let before = keys(&site, &session).await;
    for subject in [
        "1815",
        "ada",
        "ada@example.com",
        "email:ada@example.com",
        "",
    ] {
        let reply = browser.post(&format!("/unlink/id/{subject}")).await;
        assert_eq!(reply.status, 404, "{subject}: {reply:?}");
    }
    assert_eq!(keys(&site, &session).await, before);
}

#[tokio::test]
async fn r64_a_session_that_ends_while_the_provider_answers_links_nothing() {
    let (provider, site) = stage().await;
    let (browser, session) = signed_in(&site, "ada").await;
    let (auth, id) = (site.auth.clone(), session.id.clone());
    provider.ways().claims = Box::new(move |_| {
        let (auth, id) = (auth.clone(), id.clone());
        let ending = std::thread::spawn(move || {
            let mut runtime = tokio::runtime::Builder::new_current_thread();
            let runtime = runtime.enable_all().build().unwrap();
            runtime.block_on(auth.invalidate_session(&id)).unwrap();
        });
        ending.join().unwrap();
    });
    let reply = link(&browser, &provider).await;
    reply.assert_refused(401, "Not signed in.");
    assert_eq!(keys(&site, &session).await, ["other:ada"]);
}

#[tokio::test]
async fn r64_an_identity_of_another_user_is_not_linked() {
    let (provider, site) = stage().await;
    // Eve has the identity. Ada has the address of it, and nothing follows from that.
    site.browser().sign_in("id", &provider).await;
    let OAuthOutcome::New = site.done().outcome else {
        panic!()
    };
    let (ada, session) = signed_in(&site, "ada@example.com").await;
    let reply = link(&ada, &provider).await;
    reply.assert_refused(409, "Already taken.");
    assert_eq!(keys(&site, &session).await, ["other:ada@example.com"]);
    let reply = ada.post("/unlink/id/ada").await;
    assert_eq!(reply.status, 404, "{reply:?}");
    assert_eq!(site.browser().sign_in("id", &provider).await.status, 303);
}

#[tokio::test]
async fn r64_a_user_is_never_found_by_an_address() {
    let (provider, site) = stage().await;
    // An attacker has signed up with the address before.
    let (_, session) = signed_in(&site, "ada@example.com").await;
    let email = NewKey::without_password(("email", "ada@example.com"));
    site.auth.create_key(&session.user_id, email).await.unwrap();
    let browser = site.browser();
    assert_eq!(browser.sign_in("id", &provider).await.status, 303);
    assert!(matches!(site.done().outcome, OAuthOutcome::New));
    assert_eq!(keys(&site, &session).await.len(), 2);
    // And another subject with the same address is another person.
    provider.ways().claims = Box::new(|claims| claims["sub"] = json!("eve"));
    site.browser().sign_in("id", &provider).await;
    assert!(matches!(site.done().outcome, OAuthOutcome::New));
}

#[tokio::test]
async fn r64_a_link_is_begun_by_a_post_of_the_user_who_finishes_it() {
    let (provider, site) = stage().await;
    let (ada, session) = signed_in(&site, "ada").await;
    // By a link of another site.
    assert_eq!(ada.get("/link/id").await.status, 500);
    let evil = Some("https://evil.example");
    assert_eq!(ada.send(Method::POST, "/link/id", evil).await.status, 403);
    assert_eq!(site.browser().post("/link/id").await.status, 401);
    assert_eq!(site.browser().post("/unlink/id/ada").await.status, 401);
    assert_eq!(
        ada.send(Method::POST, "/unlink/id/ada", evil).await.status,
        403
    );

    // Another user has signed in meanwhile.
    let url = ada.post("/link/id").await.location();
    let query = provider.agree(&url);
    let (bob, bobs) = signed_in(&site, "bob").await;
    let cookies = bob.cookies.lock().unwrap().clone();
    ada.cookies.lock().unwrap().extend(cookies);
    ada.come_back("id", &query)
        .await
        .assert_refused(STATE.0, STATE.1);
    assert!(site.reason().contains("another user"));
    assert_eq!(keys(&site, &session).await, ["other:ada"]);
    assert_eq!(keys(&site, &bobs).await, ["other:bob"]);

    // The user has signed out meanwhile.
    let (ada, session) = signed_in(&site, "ada again").await;
    let query = provider.agree(&ada.post("/link/id").await.location());
    site.auth.invalidate_session(&session.id).await.unwrap();
    assert_eq!(ada.come_back("id", &query).await.status, 401);
    assert_eq!(keys(&site, &session).await, ["other:ada again"]);
    // The user is gone.
    let (ada, session) = signed_in(&site, "ada for ever").await;
    let query = provider.agree(&ada.post("/link/id").await.location());
    site.auth.delete_user(&session.user_id).await.unwrap();
    ada.come_back("id", &query)
        .await
        .assert_refused(STATE.0, STATE.1);
    assert_eq!(provider.asked("token"), 0);
}

#[tokio::test]
async fn a_key_with_a_password_is_not_opened_by_a_provider() {
    let (provider, site) = stage().await;
    let key = NewKey::with_password(("id", "ada"), "correct horse battery");
    site.auth.create_user(NewUser::with_key(key)).await.unwrap();
    let browser = site.browser();
    assert_eq!(browser.sign_in("id", &provider).await.status, 401);
    assert!(!browser.is_signed_in().await);
}

#[tokio::test]
async fn a_sign_in_that_cannot_begin_sets_no_cookie() {
    let (_provider, site) = stage().await;
    let (ada, _) = signed_in(&site, "ada").await;
    let reply = ada.post("/late").await;
    assert_eq!(reply.status, 404, "{reply:?}");
    assert!(!reply.headers.contains_key("set-cookie"), "{reply:?}");
}
