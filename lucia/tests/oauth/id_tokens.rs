//! ID tokens that are not what they have to be.

use std::time::Duration;

use serde_json::{Value, json};

use super::provider::{CLIENT, Key, Provider, SECRET, Sign, Trick};
use super::site::{ANSWER, Site, stage};

/// Signs in, which fails for this reason, and nobody is signed in.
async fn refused(provider: &Provider, site: &Site, reason: &str) {
    let browser = site.browser();
    let reply = browser.sign_in("id", provider).await;
    reply.assert_refused(ANSWER.0, ANSWER.1);
    let said = site.reason();
    assert!(said.contains(reason), "{said}");
    assert!(!browser.is_signed_in().await);
}

async fn accepted(provider: &Provider, site: &Site) {
    let browser = site.browser();
    let reply = browser.sign_in("id", provider).await;
    assert_eq!(reply.status, 303, "{reply:?}");
    assert!(browser.is_signed_in().await);
    site.done();
}

fn set(name: &'static str, value: Value) -> Box<dyn Fn(&mut Value) + Send> {
    Box::new(move |claims| claims[name] = value.clone())
}

#[tokio::test]
async fn r64_claims_of_an_id_token_are_compared() {
    let (provider, site) = stage().await;
    let url = provider.url.clone();
    for (claim, value, reason) in [
        ("aud", json!("another"), "(`aud`)"),
        ("aud", json!([]), "(`aud`)"),
        ("aud", json!([CLIENT, "another"]), "(`aud`)"),
        ("iss", json!("https://evil.example"), "(`iss`)"),
        ("iss", json!(format!("{url}/")), "(`iss`)"),
        ("nonce", json!("another"), "(`nonce`)"),
        ("nonce", json!(null), "(`nonce`)"),
        ("sub", json!(""), "subject"),
        ("sub", json!("a\u{0}"), "subject"),
        ("sub", json!("a".repeat(300)), "subject"),
        ("sub", json!(1), "cannot be read"),
        ("exp", json!("tomorrow"), "cannot be read"),
        ("exp", json!(null), "cannot be read"),
        ("iat", json!(null), "cannot be read"),
    ] {
        provider.ways().claims = set(claim, value);
        refused(&provider, &site, reason).await;
    }
    for claim in ["aud", "iss", "nonce", "sub", "exp", "iat"] {
        provider.ways().claims = Box::new(move |claims| {
            claims.as_object_mut().unwrap().remove(claim);
        });
        refused(&provider, &site, "").await;
    }
    provider.ways().claims = set("aud", json!([CLIENT]));
    accepted(&provider, &site).await;
}

#[tokio::test]
async fn r64_an_id_token_is_neither_expired_nor_of_the_future() {
    let (provider, site) = stage().await;
    let now = site.clock.now().duration_since(std::time::UNIX_EPOCH);
    let now = now.unwrap().as_secs();
    // A minute of difference between the clocks is allowed.
    for (claim, at, reason) in [
        ("exp", now - 60, Some("has expired")),
        ("exp", now - 3600, Some("has expired")),
        ("exp", now - 59, None),
        ("iat", now + 60, None),
        ("iat", now + 61, Some("in the future")),
        ("iat", now + 3600, Some("in the future")),
    ] {
        provider.ways().claims = set(claim, json!(at));
        match reason {
            Some(reason) => refused(&provider, &site, reason).await,
            None => accepted(&provider, &site).await,
        }
    }
}

#[tokio::test]
async fn r64_who_is_to_sign_in_again_has_done_so() {
    let (provider, site) = stage().await;
    let now = site.clock.now().duration_since(std::time::UNIX_EPOCH);
    let now = now.unwrap().as_secs();
    // A minute of difference between the clocks is allowed.
    for (max_age, signed_in, is_refused) in [
        ("", None, false),
        ("", Some(now - 361), false),
        ("?max_age=300", None, true),
        ("?max_age=300", Some(now - 361), true),
        ("?max_age=300", Some(now - 360), false),
        ("?max_age=300", Some(now + 60), false),
        ("?max_age=300", Some(now + 61), true),
        ("?max_age=0", Some(now - 61), true),
        ("?max_age=0", Some(now - 60), false),
        ("?max_age=18446744073709551615", Some(0), false),
        ("?max_age=18446744073709551615", None, true),
    ] {
        provider.ways().claims = Box::new(move |claims| {
            if let Some(signed_in) = signed_in {
                claims["auth_time"] = signed_in.into();
            }
        });
        let browser = site.browser();
        let url = browser.begin(&format!("/login/id{max_age}")).await;
        assert_eq!(url.contains("&max_age="), !max_age.is_empty(), "{url}");
        let reply = browser.come_back("id", &provider.agree(&url)).await;
        assert_eq!(browser.is_signed_in().await, !is_refused, "{reply:?}");
        if is_refused {
            reply.assert_refused(ANSWER.0, ANSWER.1);
            assert!(site.reason().contains("(`auth_time`)"));
        } else {
            let at = signed_in.map(|at| std::time::UNIX_EPOCH + Duration::from_secs(at));
            assert_eq!(site.done().identity.authenticated_at, at);
        }
    }
    provider.ways().claims = set("auth_time", json!("yesterday"));
    refused(&provider, &site, "cannot be read").await;
}

#[tokio::test]
async fn r64_an_id_token_is_signed_by_a_key_of_the_provider() {
    let (provider, site) = stage().await;
    let public = provider.ways().keys[0].as_secret();
    let header = |alg: &str, kid: Option<&str>| {
        Sign::Header(match kid {
            Some(kid) => json!({ "alg": alg, "kid": kid }),
            None => json!({ "alg": alg }),
        })
    };
    for (sign, reason) in [
        (Sign::None, ""),
        (Sign::Hs256(SECRET.as_bytes().to_vec()), "algorithm"),
        (Sign::Hs256(public), "algorithm"),
        (Sign::Hs256(Vec::new()), "algorithm"),
        (Sign::Forged, "not signed by a key"),
        (Sign::Damaged, "not signed by a key"),
        (header("ES256", Some("unknown")), "not signed by a key"),
        (header("RS256", Some("first")), "not signed by a key"),
        (header("ES384", Some("first")), "signature"),
        (header("ES512", Some("first")), "algorithm"),
        (header("nonsense", Some("first")), "cannot be read"),
        (header("None", Some("first")), ""),
        (Sign::Header(json!({ "kid": "first" })), "cannot be read"),
        (
            Sign::Header(json!({ "alg": "ES256", "kid": "first", "crit": ["x"], "x": 1 })),
            "",
        ),
        (
            Sign::Header(json!({ "alg": "ES256", "kid": "first", "typ": "at+jwt" })),
            "",
        ),
    ] {
        provider.ways().sign = sign;
        refused(&provider, &site, reason).await;
    }
    // One key needs no name.
    provider.ways().sign = header("ES256", None);
    accepted(&provider, &site).await;
}

#[tokio::test]
async fn r64_an_id_token_without_a_key_id_is_refused_where_there_are_several_keys() {
    let (provider, site) = stage().await;
    provider.ways().keys.push(Key::ec("second"));
    provider.ways().sign = Sign::Header(json!({ "alg": "ES256" }));
    refused(&provider, &site, "(`kid`)").await;
    provider.ways().sign = Sign::Right;
    accepted(&provider, &site).await;
}

#[tokio::test]
async fn an_id_token_is_signed_by_rsa_as_well() {
    let (provider, site) = stage().await;
    provider.ways().keys = vec![Key::rsa("rsa"), Key::ec("ec")];
    accepted(&provider, &site).await;
    provider.ways().sign = Sign::Damaged;
    refused(&provider, &site, "not signed by a key").await;
    let public = provider.ways().keys[0].as_secret();
    provider.ways().sign = Sign::Hs256(public);
    refused(&provider, &site, "algorithm").await;
}

#[tokio::test]
async fn an_id_token_that_is_none_is_refused() {
    let (provider, site) = stage().await;
    let answer = |id_token: Value| {
        Trick::Json(json!({
            "access_token": "canary-access", "token_type": "Bearer", "id_token": id_token,
        }))
    };
    for (id_token, reason) in [
        (json!(null), "no ID token"),
        (json!(""), "cannot be read"),
        (json!("a.b.c"), "cannot be read"),
        (json!("canary-a.b"), "cannot be read"),
        (json!("..."), "cannot be read"),
        (json!("a".repeat(100_000)), "cannot be read"),
        (json!(7), "cannot be read"),
    ] {
        provider.ways().token = answer(id_token);
        refused(&provider, &site, reason).await;
    }
}

#[tokio::test]
async fn r64_keys_are_fetched_anew_once_a_minute_and_not_for_every_bad_token() {
    let (provider, site) = stage().await;
    accepted(&provider, &site).await;
    assert_eq!(provider.asked("keys"), 1);
    // The provider signs by another key from now on.
    provider.ways().keys = vec![Key::ec("next")];
    accepted(&provider, &site).await;
    assert_eq!(provider.asked("keys"), 2);
    accepted(&provider, &site).await;
    assert_eq!(provider.asked("keys"), 2);

    provider.ways().sign = Sign::Header(json!({ "alg": "ES256", "kid": "made up" }));
    for _ in 0..5 {
        refused(&provider, &site, "not signed by a key").await;
    }
    assert_eq!(provider.asked("keys"), 2);
    site.clock.advance(Duration::from_secs(61));
    provider.ways().now = site.clock.now();
    for _ in 0..5 {
        refused(&provider, &site, "not signed by a key").await;
    }
    assert_eq!(provider.asked("keys"), 3);
    // A token that was expired, or meant for others, is no reason to fetch keys.
    site.clock.advance(Duration::from_secs(61));
    provider.ways().now = site.clock.now();
    provider.ways().sign = Sign::Right;
    provider.ways().claims = set("aud", json!("another"));
    refused(&provider, &site, "(`aud`)").await;
    assert_eq!(provider.asked("keys"), 3);
}
