//! The callback: who began what, where, with whom, and once.

use std::time::Duration;

use axum::http::Method;

use super::provider::{Provider, Trick};
use super::site::{ANSWER, STATE, Site, registration, stage, stage_with};

#[tokio::test]
async fn a_person_signs_up_by_a_provider_and_then_in() {
    let (provider, site) = stage().await;
    let browser = site.browser();
    let url = browser.begin("/login/id?next=/orders%3Fpage%3D2").await;
    let query = provider.agree(&url);
    let reply = browser.come_back("id", &query).await;
    assert_eq!((reply.status, &*reply.location()), (303, "/orders?page=2"));
    assert_eq!(browser.get("/me").await.body, "Ada");
    let done = site.done();
    assert!(matches!(done.outcome, lucia::oauth::OAuthOutcome::New));

    let again = site.browser();
    assert_eq!(again.sign_in("id", &provider).await.location(), "/");
    assert_eq!(again.get("/me").await.body, "Ada");
    let done = site.done();
    let lucia::oauth::OAuthOutcome::Known(key) = done.outcome else {
        panic!("{done:?}")
    };
    let user = site.auth.user_keys(&key.user_id).await.unwrap();
    assert_eq!(user.len(), 1);
    assert_eq!(user[0].id.provider_user_id(), "ada");
    // One document, and one set of keys, for both.
    assert_eq!(
        (provider.asked("discovery"), provider.asked("keys")),
        (1, 1)
    );
}

#[tokio::test]
async fn r57_a_path_of_another_site_is_not_followed() {
    let (provider, site) = stage().await;
    for next in ["https://evil.example", "//evil.example", "/%5Cevil.example"] {
        let browser = site.browser();
        let url = browser.begin(&format!("/login/id?next={next}")).await;
        let reply = browser.come_back("id", &provider.agree(&url)).await;
        assert_eq!(reply.location(), "/", "{next}");
    }
}

#[tokio::test]
async fn a_path_of_more_than_2048_bytes_becomes_the_front_page() {
    let (provider, site) = stage().await;
    let longest = format!("/{}", "x".repeat(2047));
    for (next, kept) in [(&*longest, &*longest), (&format!("{longest}x"), "/")] {
        let browser = site.browser();
        let url = browser.begin(&format!("/login/id?next={next}")).await;
        let reply = browser.come_back("id", &provider.agree(&url)).await;
        assert_eq!(reply.location(), kept);
    }
}

#[tokio::test]
async fn r64_pkce_a_state_and_a_nonce_are_new_each_time() {
    let (_provider, site) = stage().await;
    let browser = site.browser();
    let mut seen = std::collections::HashSet::new();
    for _ in 0..3 {
        let url = url::Url::parse(&browser.begin("/login/id").await).unwrap();
        for (name, value) in url.query_pairs() {
            if ["state", "nonce", "code_challenge"].contains(&&*name) {
                assert!(seen.insert(value.clone().into_owned()), "{name}");
            }
            if name == "code_challenge_method" {
                assert_eq!(value, "S256");
            }
        }
    }
    assert_eq!(seen.len(), 9);
}

#[tokio::test]
async fn parameters_of_the_application_are_sent_once() {
    let set = |builder: lucia::oauth::OAuthProviderBuilder| {
        builder.parameter("prompt", "consent").parameter("hd", "x")
    };
    let (provider, site) = stage_with(set).await;
    let browser = site.browser();
    for (query, prompt) in [("", "consent"), ("?prompt=login", "login")] {
        let url = browser.begin(&format!("/login/id{query}")).await;
        assert!(url.contains(&format!("&prompt={prompt}")), "{url}");
        assert!(url.contains("&hd=x"), "{url}");
        // It finds a parameter that is there twice.
        provider.agree(&url);
    }
}

#[tokio::test]
async fn r64_a_state_that_this_browser_has_not_begun_signs_nobody_in() {
    let (provider, site) = stage().await;
    let victim = site.browser();
    let url = victim.begin("/login/id").await;
    let query = provider.agree(&url);
    let (code, _) = query.split_once("&state=").unwrap();

    let unknown = "x".repeat(40);
    for (what, query, reason) in [
        ("missing", code.to_owned(), "no `state`"),
        ("empty", format!("{code}&state="), "unknown"),
        ("unknown", format!("{code}&state={unknown}"), "unknown"),
        ("no token", format!("{code}&state=%00%ff"), "unknown"),
        ("twice", format!("{query}&state={unknown}"), "twice"),
        ("code twice", format!("{query}&code=x"), "twice"),
        ("iss twice", format!("{query}&iss=x"), "twice"),
        (
            "long",
            format!("{query}&x={}", "a".repeat(9000)),
            "too long",
        ),
    ] {
        let reply = victim.come_back("id", &query).await;
        reply.assert_refused(STATE.0, STATE.1);
        let said = site.reason();
        assert!(said.contains(reason), "{what}: {said}");
    }

    // An attacker's own sign-in, which a victim's browser is made to finish.
    let other = site.browser();
    other.begin("/login/id").await;
    for (browser, reason) in [(&site.browser(), "no cookie"), (&other, "another browser")] {
        browser
            .come_back("id", &query)
            .await
            .assert_refused(STATE.0, STATE.1);
        let said = site.reason();
        assert!(said.contains(reason), "{said}");
        assert!(!browser.is_signed_in().await);
    }
    assert_eq!(provider.asked("token"), 0, "no code was sent on");

    // None of them has used it up.
    assert_eq!(victim.come_back("id", &query).await.status, 303);
    assert!(victim.is_signed_in().await);
}

#[tokio::test]
async fn r64_a_state_works_once() {
    let (provider, site) = stage().await;
    let browser = site.browser();
    let url = browser.begin("/login/id").await;
    let query = provider.agree(&url);
    let all = (0..20).map(|_| browser.come_back("id", &query));
    let replies = futures_util::future::join_all(all).await;
    let good = replies.iter().filter(|reply| reply.status == 303).count();
    assert_eq!(good, 1);
    for reply in replies.iter().filter(|reply| reply.status != 303) {
        reply.assert_refused(STATE.0, STATE.1);
    }
    assert_eq!(provider.asked("token"), 1);
    browser
        .come_back("id", &query)
        .await
        .assert_refused(STATE.0, STATE.1);
}

#[tokio::test]
async fn r64_a_state_expires_after_15_minutes() {
    let (provider, site) = stage().await;
    for (seconds, status) in [(15 * 60 - 1, 303), (15 * 60, 400)] {
        let browser = site.browser();
        let url = browser.begin("/login/id").await;
        site.clock.advance(Duration::from_secs(seconds));
        provider.ways().now = site.clock.now();
        let reply = browser.come_back("id", &provider.agree(&url)).await;
        assert_eq!(reply.status, status, "{seconds}: {reply:?}");
    }
}

#[tokio::test]
async fn two_tabs_of_a_browser_sign_in_at_once() {
    let (provider, site) = stage().await;
    let browser = site.browser();
    let one = browser.begin("/login/id").await;
    let other = browser.begin("/login/id").await;
    for url in [one, other] {
        let reply = browser.come_back("id", &provider.agree(&url)).await;
        assert_eq!(reply.status, 303, "{reply:?}");
    }
}

#[tokio::test]
async fn the_cookie_of_a_sign_in_is_bound_to_this_host() {
    let (_provider, site) = stage().await;
    let reply = site.browser().get("/login/id").await;
    let cookie = reply.headers["set-cookie"].to_str().unwrap();
    for part in [
        "__Host-auth_browser=",
        "HttpOnly",
        "SameSite=Lax",
        "Secure",
        "Path=/",
        "Max-Age=900",
    ] {
        assert!(cookie.contains(part), "{cookie}");
    }
    assert!(!cookie.contains("Domain"), "{cookie}");
}

#[tokio::test]
async fn r64_a_callback_of_another_provider_is_refused() {
    let honest = Provider::start(std::time::SystemTime::now()).await;
    let hostile = Provider::start(std::time::SystemTime::now()).await;
    let build = |id, provider: &Provider| registration(id, provider).build().unwrap();
    let site = Site::of([build("honest", &honest), build("hostile", &hostile)]).await;
    let browser = site.browser();

    // The hostile one sends the browser on to the honest one, with its own state, and gets the code sent
    // (RFC 9207, 1; RFC 9700, 4.4).
    let url = browser.begin("/login/hostile").await;
    let state = url::Url::parse(&url).unwrap();
    let state = state
        .query_pairs()
        .find(|(name, _)| name == "state")
        .unwrap()
        .1
        .into_owned();
    let with_hostile = honest.agree(&browser.begin("/login/honest").await);
    let code = with_hostile.split('&').next().unwrap().to_owned();

    // The honest one sends it back to its own callback.
    browser
        .come_back(
            "honest",
            &format!("{code}&state={state}&iss={}", honest.url),
        )
        .await
        .assert_refused(STATE.0, STATE.1);
    assert!(site.reason().contains("another provider"));
    // Where both share a callback, the `iss` tells.
    browser
        .come_back(
            "hostile",
            &format!("{code}&state={state}&iss={}", honest.url),
        )
        .await
        .assert_refused(ANSWER.0, ANSWER.1);
    assert!(site.reason().contains("(`iss`)"));
    assert_eq!((honest.asked("token"), hostile.asked("token")), (0, 0));
}

#[tokio::test]
async fn r64_the_issuer_of_a_callback_is_compared() {
    let (provider, site) = stage().await;
    let url = provider.url.clone();
    for (announced, iss, is_good) in [
        (true, Some(url.clone()), true),
        (true, None, false),
        (true, Some(format!("{url}/")), false),
        (true, Some("https://evil.example".to_owned()), false),
        (true, Some(String::new()), false),
        (false, None, true),
        (false, Some("https://evil.example".to_owned()), false),
    ] {
        provider.ways().discovery = Box::new(move |document| {
            document["authorization_response_iss_parameter_supported"] = announced.into();
        });
        // So that the document is fetched again.
        site.clock.advance(Duration::from_secs(2 * 60 * 60));
        provider.ways().now = site.clock.now();
        let browser = site.browser();
        let query = provider.agree(&browser.begin("/login/id").await);
        let query = query.split("&iss=").next().unwrap();
        let query = match &iss {
            Some(iss) => format!("{query}&iss={iss}"),
            None => query.to_owned(),
        };
        let asked = provider.asked("token");
        let reply = browser.come_back("id", &query).await;
        if is_good {
            assert_eq!(reply.status, 303, "{iss:?}");
            site.done();
        } else {
            reply.assert_refused(ANSWER.0, ANSWER.1);
            assert!(site.reason().contains("(`iss`)"));
            assert_eq!(provider.asked("token"), asked, "the code was sent on");
        }
    }
}

#[tokio::test]
async fn errors_of_the_callback_are_told_apart() {
    let (provider, site) = stage().await;
    for (error, status, reason) in [
        ("access_denied", 403, "refused the sign-in"),
        ("user_cancelled_login", 403, "refused the sign-in"),
        ("server_error", 502, "`error=server_error`"),
        ("%3Cscript%3E", 502, "(no word)"),
        ("", 502, "(no word)"),
    ] {
        let browser = site.browser();
        let query = provider.agree(&browser.begin("/login/id").await);
        let (_, rest) = query.split_once('&').unwrap();
        let reply = browser
            .come_back("id", &format!("error={error}&{rest}"))
            .await;
        assert_eq!(reply.status, status, "{reply:?}");
        let said = site.reason();
        assert!(said.contains(reason), "{said}");
        // The code that came with an error is not used.
        let query = provider.agree(&browser.begin("/login/id").await);
        let reply = browser
            .come_back("id", &format!("error={error}&{query}"))
            .await;
        assert_eq!(reply.status, status, "{reply:?}");
        site.reason();
    }
    let browser = site.browser();
    let query = provider.agree(&browser.begin("/login/id").await);
    let (_, rest) = query.split_once('&').unwrap();
    for code in ["", "code=&"] {
        let query = provider.agree(&browser.begin("/login/id").await);
        let (_, rest) = query.split_once('&').unwrap();
        browser
            .come_back("id", &format!("{code}{rest}"))
            .await
            .assert_refused(ANSWER.0, ANSWER.1);
        assert!(site.reason().contains("no `code`"));
    }
    // Without a state, an error is nobody's.
    let (_, without) = rest.split_once('&').unwrap();
    let reply = browser
        .come_back("id", &format!("error=access_denied&{without}"))
        .await;
    reply.assert_refused(STATE.0, STATE.1);
    assert_eq!(provider.asked("token"), 0);
}

#[tokio::test]
async fn r64_a_code_that_was_used_before_is_refused() {
    let (provider, site) = stage().await;
    let browser = site.browser();
    let first = provider.agree(&browser.begin("/login/id").await);
    let code = first.split('&').next().unwrap().to_owned();
    assert_eq!(browser.come_back("id", &first).await.status, 303);
    // The code of another sign-in, injected into this one: its verifier does not fit, either.
    let attacker = site.browser();
    for _ in 0..2 {
        let query = provider.agree(&attacker.begin("/login/id").await);
        let (_, rest) = query.split_once('&').unwrap();
        let reply = attacker.come_back("id", &format!("{code}&{rest}")).await;
        reply.assert_refused(ANSWER.0, ANSWER.1);
        let said = site.reason();
        assert!(said.contains("`error=invalid_grant`"), "{said}");
    }
    assert!(!attacker.is_signed_in().await);
}

#[tokio::test]
async fn r64_a_code_of_another_sign_in_is_refused_by_pkce() {
    let (provider, site) = stage().await;
    let victim = site.browser();
    let stolen = provider.agree(&victim.begin("/login/id").await);
    let code = stolen.split('&').next().unwrap().to_owned();
    let attacker = site.browser();
    let query = provider.agree(&attacker.begin("/login/id").await);
    let (_, rest) = query.split_once('&').unwrap();
    let reply = attacker.come_back("id", &format!("{code}&{rest}")).await;
    reply.assert_refused(ANSWER.0, ANSWER.1);
    assert!(!attacker.is_signed_in().await);
}

#[tokio::test]
async fn r26_another_site_posts_to_neither_page() {
    let (provider, site) = stage().await;
    let browser = site.browser();
    let query = provider.agree(&browser.begin("/login/id").await);
    for path in [format!("/callback/id?{query}"), "/link/id".to_owned()] {
        let reply = browser
            .send(Method::POST, &path, Some("https://evil.example"))
            .await;
        assert_eq!(reply.status, 403, "{path}");
        assert!(!reply.headers.contains_key("set-cookie"));
    }
    // It is as it was.
    assert_eq!(browser.come_back("id", &query).await.status, 303);
}

#[tokio::test]
async fn a_provider_that_is_away_stores_nothing_and_sets_no_cookie() {
    let (provider, site) = stage().await;
    provider.ways().document = Trick::Text(500, "text/plain", String::new());
    let reply = site.browser().get("/login/id").await;
    assert_eq!(reply.status, 503, "{reply:?}");
    assert_eq!(reply.headers["retry-after"], "1");
    assert!(!reply.headers.contains_key("set-cookie"));
}
