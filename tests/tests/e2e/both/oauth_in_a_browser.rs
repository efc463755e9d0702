//! Sign-in by a certified provider, in a real browser.

use std::collections::HashMap;
use std::sync::{Arc, OnceLock};

use lucia::oauth::{OAuthOutcome, OAuthProvider};
use lucia::{Environment, NewUser, User};
use lucia_tests::OidcProvider;
use serde_json::json;

use super::framework::{Data, Query, Response, Routes, answer, auth_request, authenticated, serve};
use crate::support::chromium::{Browser, Driver};
use crate::support::oauth::{CLIENT, SECRET};
use crate::support::{Profile, Stage, eventually};

/// Known once the site has an address.
type Late = Arc<OnceLock<OAuthProvider>>;

#[auth_request]
async fn login(provider: Data<Late>) -> lucia::Result<Response> {
    let provider = provider.get().unwrap();
    let url = auth_request.begin_oauth(provider).await?;
    Ok(answer(303, &[("location", &url)], ""))
}

#[auth_request]
async fn callback(
    provider: Data<Late>,
    query: Query<HashMap<String, String>>,
) -> lucia::Result<Response> {
    let raw = url::form_urlencoded::Serializer::new(String::new())
        .extend_pairs(query.iter())
        .finish();
    let provider = provider.get().unwrap();
    let done = auth_request.finish_oauth(provider, &raw).await?;
    // oidc-provider has the address at its user-info endpoint.
    let email = done.identity.verified_email().unwrap_or_default();
    match done.outcome {
        OAuthOutcome::Known(key) => {
            auth_request.sign_in(key).await?;
        }
        _ => {
            let profile = Profile {
                username: email.to_owned(),
            };
            let new_user = NewUser::with_key(done.identity.new_key());
            auth_request.sign_up(new_user.attributes(&profile)).await?;
        }
    }
    Ok(answer(303, &[("location", "/me")], ""))
}

#[authenticated]
async fn me(user: User<Profile>) -> Response {
    let html = format!("<!DOCTYPE html><h1>{}</h1>", user.username);
    answer(200, &[("content-type", "text/html")], &html)
}

/// Fills in the form of the page and sends it, and waits for another page.
async fn submit(browser: &Browser, fields: &[(&str, &str)]) {
    let fill = "for (const [name, value] of arguments[0])
            document.querySelector(`[name=${name}]`).value = value;
        window.former = true;
        setTimeout(() => document.querySelector('form').requestSubmit());
        arguments[1]();";
    browser.run(fill, vec![json!(fields)]).await;
    let look = "arguments[0](!window.former && document.readyState === 'complete')";
    eventually(async || browser.run(look, vec![]).await == json!(true)).await;
}

#[tokio::test]
async fn r64_a_person_signs_in_by_a_certified_provider_in_a_browser() {
    let Some(driver) = Driver::start() else {
        return;
    };
    let stage = Stage::sqlite().await;
    let auth = stage.builder().await.environment(Environment::Development);
    // The provider has a clock of its own.
    let auth = auth.clock(std::time::SystemTime::now).build().unwrap();
    let provider = Late::default();
    let routes = Routes::default()
        .get("/login", login)
        .get("/callback", callback)
        .get("/me", me);
    let site = serve(auth, routes.give(provider.clone())).await;
    let redirect_url = format!("{}/callback", site.origin());
    let Some(peer) = OidcProvider::start(&redirect_url).await else {
        return;
    };
    let registered = OAuthProvider::oidc("peer", &peer.issuer)
        .client(CLIENT, SECRET)
        .redirect_url(redirect_url)
        .build()
        .unwrap();
    provider.set(registered).unwrap();

    // At first with the pages of the provider, and then without: the browser is signed in there.
    let browser = driver.browser(&site.origin()).await;
    browser.open("/login").await;
    assert!(browser.path().await.starts_with("/interaction/"));
    submit(&browser, &[("login", "ada"), ("password", "any")]).await;
    assert!(browser.path().await.starts_with("/interaction/"));
    submit(&browser, &[]).await;
    browser.sees("ada@example.com").await;
    assert_eq!(browser.path().await, "/me");
    assert_eq!(stage.count("user_session").await, 1);
    browser.open("/login").await;
    browser.sees("ada@example.com").await;
    assert_eq!(browser.path().await, "/me");
    assert_eq!(stage.count("auth_user").await, 1);
}
