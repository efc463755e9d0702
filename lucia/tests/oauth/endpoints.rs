//! Providers that are slow, down, or answer nonsense.

use std::time::Duration;

use serde_json::{Value, json};

use super::provider::{CLIENT, LONG, Provider, Trick};
use super::site::{ANSWER, Site, UNREACHABLE, registration, stage, stage_with};

type Expected = (u16, &'static str);

/// What each trick comes to.
fn tricks(url: &str) -> Vec<(Trick, Expected, &'static str)> {
    let text = |status, kind, text: &str| Trick::Text(status, kind, text.to_owned());
    vec![
        (text(200, "text/html", "<h1>canary-</h1>"), ANSWER, "JSON"),
        (text(200, "application/json", "canary-"), ANSWER, ""),
        (text(200, "application/json", ""), ANSWER, ""),
        (text(200, "application/json", "{}"), ANSWER, ""),
        (text(200, "application/json", "[[[["), ANSWER, ""),
        (
            text(200, "application/json", &"[".repeat(10_000)),
            ANSWER,
            "",
        ),
        (text(400, "text/plain", "canary-"), ANSWER, ""),
        (text(404, "text/plain", ""), ANSWER, ""),
        (
            text(500, "text/plain", "canary-"),
            UNREACHABLE,
            "status 500",
        ),
        (
            text(503, "application/json", "{}"),
            UNREACHABLE,
            "status 503",
        ),
        (
            Trick::Redirect(format!("{url}/elsewhere")),
            ANSWER,
            "redirect",
        ),
        (Trick::Endless, ANSWER, "more than"),
    ]
}

#[tokio::test]
async fn r64_a_token_endpoint_that_answers_nonsense_signs_nobody_in() {
    let (provider, site) = stage().await;
    for (number, (trick, expected, reason)) in tricks(&provider.url).into_iter().enumerate() {
        provider.ways().token = trick;
        let browser = site.browser();
        let reply = browser.sign_in("id", &provider).await;
        assert_eq!((reply.status, &*reply.body), expected, "{number}");
        let said = site.reason();
        assert!(said.contains(reason), "{number}: {said}");
        assert!(!browser.is_signed_in().await);
    }
    // A redirect would have carried the code and the secret to another place.
    assert_eq!(provider.asked("token"), tricks("").len());
}

#[tokio::test]
async fn r64_errors_of_the_token_endpoint_are_told_apart_whatever_their_status() {
    let (provider, site) = stage().await;
    for status in [200, 400, 401] {
        let error = json!({ "error": "invalid_client", "error_description": "canary-" });
        provider.ways().token = Trick::Text(status, "application/json", error.to_string());
        let reply = site.browser().sign_in("id", &provider).await;
        reply.assert_refused(ANSWER.0, ANSWER.1);
        let said = site.reason();
        assert!(said.contains("`error=invalid_client`"), "{status}: {said}");
    }
    let odd = json!({ "access_token": "canary-access", "token_type": "mac", "id_token": "x" });
    provider.ways().token = Trick::Json(odd);
    site.browser()
        .sign_in("id", &provider)
        .await
        .assert_refused(ANSWER.0, ANSWER.1);
    assert!(site.reason().contains("bearer"));
}

#[tokio::test]
async fn a_discovery_document_that_is_none_begins_nothing() {
    let provider = Provider::start(std::time::SystemTime::now()).await;
    for (number, (trick, expected, _)) in tricks(&provider.url).into_iter().enumerate() {
        let site = Site::of([registration("id", &provider).build().unwrap()]).await;
        provider.ways().document = trick;
        let reply = site.browser().get("/login/id").await;
        assert_eq!((reply.status, &*reply.body), expected, "{number}");
    }
}

#[tokio::test]
async fn r64_a_discovery_document_of_another_issuer_or_without_tls_is_refused() {
    let provider = Provider::start(std::time::SystemTime::now()).await;
    for (field, value) in [
        ("issuer", json!("https://evil.example")),
        ("issuer", json!(format!("{}/", provider.url))),
        ("issuer", json!(null)),
        ("token_endpoint", json!("http://evil.example/token")),
        ("token_endpoint", json!("/token")),
        ("token_endpoint", json!(null)),
        ("jwks_uri", json!("http://evil.example/keys")),
        ("jwks_uri", json!("file:///etc/passwd")),
        ("authorization_endpoint", json!("javascript:alert(1)")),
        ("userinfo_endpoint", json!("http://evil.example/user")),
    ] {
        let site = Site::of([registration("id", &provider).build().unwrap()]).await;
        let shown: Value = value.clone();
        provider.ways().discovery = Box::new(move |document| document[field] = value.clone());
        let reply = site.browser().get("/login/id").await;
        assert_eq!((reply.status, &*reply.body), ANSWER, "{field} {shown}");
    }
}

#[tokio::test]
async fn a_provider_that_is_silent_or_away_ends_in_time() {
    let (provider, site) = stage_with(|builder| builder.timeout(Duration::from_millis(300))).await;
    let within = |future| tokio::time::timeout(LONG, future);
    let browser = site.browser();
    let query = provider.agree(&browser.begin("/login/id").await);
    provider.ways().token = Trick::Silence;
    let reply = within(browser.come_back("id", &query)).await.unwrap();
    reply.assert_refused(UNREACHABLE.0, UNREACHABLE.1);
    assert!(site.reason().contains("no answer within"));

    let url = provider.url.clone();
    drop(provider);
    let gone = lucia::oauth::OAuthProvider::oidc("id", url);
    let gone = super::site::registered("id", gone).build().unwrap();
    let site = Site::of([gone]).await;
    // It may still listen for a moment.
    let reply = tokio::time::timeout(LONG, async {
        loop {
            let reply = site.browser().get("/login/id").await;
            if reply.status == 503 {
                return reply;
            }
            tokio::task::yield_now().await;
        }
    });
    let reply = reply.await.unwrap();
    assert_eq!((reply.status, &*reply.body), UNREACHABLE);
}

#[tokio::test]
async fn a_discovery_document_is_kept_for_an_hour_and_a_day_where_there_is_no_other() {
    let (provider, site) = stage().await;
    let begin = async || site.browser().get("/login/id").await.status;
    let advance = |minutes: u64| site.clock.advance(Duration::from_secs(minutes * 60));
    assert_eq!(begin().await, 303);
    advance(59);
    assert_eq!((begin().await, provider.asked("discovery")), (303, 1));
    advance(1);
    assert_eq!((begin().await, provider.asked("discovery")), (303, 2));

    provider.ways().document = Trick::Text(500, "text/plain", String::new());
    advance(61);
    assert_eq!((begin().await, provider.asked("discovery")), (303, 3));
    // It is asked again a minute later, not by each sign-in.
    assert_eq!((begin().await, provider.asked("discovery")), (303, 3));
    advance(1);
    assert_eq!((begin().await, provider.asked("discovery")), (303, 4));
    advance(24 * 60);
    assert_eq!((begin().await, provider.asked("discovery")), (503, 5));
    provider.ways().document = Trick::None;
    assert_eq!((begin().await, provider.asked("discovery")), (303, 6));
}

#[tokio::test]
async fn sign_ins_that_meet_share_one_request_for_the_document() {
    let (provider, site) = stage().await;
    let browsers: Vec<_> = (0..10).map(|_| site.browser()).collect();
    let all = browsers.iter().map(|browser| browser.begin("/login/id"));
    futures_util::future::join_all(all).await;
    assert_eq!(
        (provider.asked("discovery"), provider.asked("keys")),
        (1, 1)
    );
}

#[tokio::test]
async fn the_secret_is_sent_as_the_provider_asks() {
    for methods in [
        json!(["client_secret_post"]),
        json!(["client_secret_basic", "client_secret_post"]),
        json!(null),
    ] {
        let (provider, site) = stage().await;
        provider.ways().discovery = Box::new(move |document| {
            document["token_endpoint_auth_methods_supported"] = methods.clone();
        });
        assert_eq!(site.browser().sign_in("id", &provider).await.status, 303);
    }
}

/// The code is still bound to the browser: the provider compares the code verifier (RFC 7636).
#[tokio::test]
async fn a_public_client_sends_no_secret() {
    for methods in [json!(["none"]), json!(["client_secret_post"]), json!(null)] {
        let provider = Provider::start(std::time::SystemTime::now()).await;
        provider.ways().is_public = true;
        provider.ways().discovery = Box::new(move |document| {
            document["token_endpoint_auth_methods_supported"] = methods.clone();
        });
        let registration = || registration("id", &provider);
        let with_secret = Site::of([registration().build().unwrap()]).await;
        let reply = with_secret.browser().sign_in("id", &provider).await;
        reply.assert_refused(ANSWER.0, ANSWER.1);

        let public = registration().public_client(CLIENT).build().unwrap();
        let site = Site::of([public.clone()]).await;
        assert_eq!(site.browser().sign_in("id", &provider).await.status, 303);
        let tokens = site.done().tokens;
        let token = tokens.refresh_token().unwrap();
        let refreshing = site.auth.refresh_oauth_tokens(&public, token);
        refreshing.await.unwrap();
    }
}

#[tokio::test]
async fn tokens_are_handed_over_and_refreshed() {
    let provider = Provider::start(std::time::SystemTime::now()).await;
    let registered = registration("id", &provider).build().unwrap();
    let site = Site::of([registered.clone()]).await;
    site.browser().sign_in("id", &provider).await;
    let tokens = site.done().tokens;
    assert_eq!(tokens.access_token(), "canary-access");
    assert_eq!(tokens.expires_in(), Some(Duration::from_secs(3600)));
    let refresh_token = tokens.refresh_token().unwrap();
    let refresh = async |token: &str| site.auth.refresh_oauth_tokens(&registered, token).await;
    let again = refresh(refresh_token).await.unwrap();
    assert_eq!(again.access_token(), "canary-access");
    assert_eq!(again.refresh_token(), Some(refresh_token));
    let refused = refresh("another").await.unwrap_err();
    assert!(refused.to_string().contains("invalid_grant"), "{refused}");
}
