//! Who a provider says that a person is.

use lucia::oauth::presets::{EmailIn, Endpoints, Preset, SecretIn, Server, UserInfoMethod};
use lucia::oauth::{OAuthProvider, OAuthProviderBuilder};
use serde_json::{Value, json};

use super::provider::Provider;
use super::site::{ANSWER, Site, registered, stage};

/// A provider without ID tokens, such as GitHub.
fn plain(provider: &Provider, email: impl Fn(&str) -> EmailIn) -> OAuthProviderBuilder {
    // Presets are constants.
    let url = |path: &str| -> &'static str { format!("{}{path}", provider.url).leak() };
    let preset = Preset {
        id: "plain",
        name: "Plain",
        server: Server::Plain(Endpoints {
            authorization: url("/authorize"),
            token: url("/token"),
            secret_in: SecretIn::Body,
            user_info: url("/user"),
            user_info_method: UserInfoMethod::Get,
            subject: "/id",
            email: email(&provider.url),
            name: "/login",
        }),
        scopes: &["read:user"],
        parameters: &[("audience", "tests")],
    };
    registered("plain", OAuthProvider::preset(&preset))
}

#[tokio::test]
async fn a_provider_without_id_tokens_tells_by_its_user_info() {
    let provider = Provider::start(std::time::SystemTime::now()).await;
    let list = |url: &str| EmailIn::List {
        url: format!("{url}/emails").leak(),
        list: "",
        email: "email",
        primary: "primary",
        verified: "verified",
    };
    let site = Site::of([plain(&provider, list).build().unwrap()]).await;
    let browser = site.browser();
    let url = browser.begin("/login/plain").await;
    assert!(
        url.contains("audience=tests") && !url.contains("nonce"),
        "{url}"
    );
    let query = provider.agree(&url);
    // It has no issuer, so another one cannot be told from it by `iss`: the state tells.
    assert_eq!(browser.come_back("plain", &query).await.status, 303);
    let identity = site.done().identity;
    assert_eq!((&*identity.provider, &*identity.subject), ("plain", "1815"));
    assert_eq!(identity.verified_email(), Some("ada@example.com"));
    assert_eq!(identity.name.as_deref(), Some("ada"));
    #[derive(serde::Deserialize)]
    struct Claims {
        login: String,
    }
    assert_eq!(identity.claims::<Claims>().unwrap().login, "ada");
    assert!(identity.claims::<Vec<u8>>().is_err());
    assert_eq!(identity.authenticated_at, None);
    assert_eq!((provider.asked("user"), provider.asked("emails")), (1, 1));
}

#[tokio::test]
async fn a_user_info_without_a_subject_is_refused() {
    let provider = Provider::start(std::time::SystemTime::now()).await;
    let site = Site::of([plain(&provider, |_| EmailIn::Nowhere).build().unwrap()]).await;
    for user_info in [
        json!({}),
        json!([]),
        json!(null),
        json!({ "id": null }),
        json!({ "id": "" }),
        json!({ "id": true }),
        json!({ "id": 1.5 }),
        json!({ "id": -1 }),
        json!({ "id": [1815] }),
        json!({ "id": "a\u{0}" }),
        json!({ "id": "a".repeat(300) }),
    ] {
        let shown = user_info.to_string();
        provider.ways().user_info = Some(user_info);
        let reply = site.browser().sign_in("plain", &provider).await;
        assert_eq!((reply.status, &*reply.body), ANSWER, "{shown}");
        assert!(site.reason().contains("subject"));
    }
}

#[tokio::test]
async fn r64_an_address_is_verified_only_where_the_provider_says_so() {
    let (provider, site) = stage().await;
    let ada = Some("ada@example.com");
    for (claims, email, verified) in [
        (json!({ "email_verified": true }), ada, true),
        // As Apple has it.
        (json!({ "email_verified": "true" }), ada, true),
        (json!({ "email_verified": false }), ada, false),
        (json!({ "email_verified": "false" }), ada, false),
        (json!({ "email_verified": null }), ada, false),
        (json!({ "email": "none" }), None, false),
        (json!({ "email": "a@x\r\nBcc: b@x" }), None, false),
        // As Auth0 has it.
        (
            json!({ "updated_at": "2026-11-30T00:00:00.000Z" }),
            ada,
            true,
        ),
    ] {
        let shown = claims.to_string();
        provider.ways().claims = with(claims);
        let reply = site.browser().sign_in("id", &provider).await;
        assert_eq!(reply.status, 303, "{shown}");
        let identity = site.done().identity;
        let found = (identity.email.as_deref(), identity.email_verified);
        assert_eq!(found, (email, verified), "{shown}");
    }
    for verified in [json!("no"), json!(1), json!({})] {
        provider.ways().claims = with(json!({ "email_verified": verified }));
        let reply = site.browser().sign_in("id", &provider).await;
        reply.assert_refused(ANSWER.0, ANSWER.1);
        assert!(site.reason().contains("cannot be read"));
    }
}

/// Adds these claims.
fn with(claims: Value) -> Box<dyn Fn(&mut Value) + Send> {
    let Value::Object(claims) = claims else {
        unreachable!()
    };
    Box::new(move |all| all.as_object_mut().unwrap().extend(claims.clone()))
}

#[tokio::test]
async fn r64_user_info_adds_to_the_id_token_and_is_about_the_same_person() {
    let (provider, site) = stage().await;
    provider.ways().claims = Box::new(|claims| {
        claims.as_object_mut().unwrap().remove("email");
    });
    let user_info = |sub: &str| {
        Some(json!({ "sub": sub, "email": "ada@example.com", "name": "Not Ada", "extra": 1 }))
    };
    provider.ways().user_info = user_info("ada");
    assert_eq!(site.browser().sign_in("id", &provider).await.status, 303);
    let identity = site.done().identity;
    assert_eq!(identity.email.as_deref(), Some("ada@example.com"));
    // What was signed counts more.
    assert_eq!(identity.name.as_deref(), Some("Ada"));
    assert_eq!(identity.claims::<Value>().unwrap()["extra"], 1);

    for hostile in [
        user_info("eve"),
        Some(json!({ "email": "ada@example.com" })),
        Some(json!([])),
    ] {
        provider.ways().user_info = hostile;
        let reply = site.browser().sign_in("id", &provider).await;
        reply.assert_refused(ANSWER.0, ANSWER.1);
        site.reason();
    }
}

#[tokio::test]
async fn a_provider_without_id_tokens_cannot_make_a_person_sign_in_again() {
    let provider = Provider::start(std::time::SystemTime::now()).await;
    let site = Site::of([plain(&provider, |_| EmailIn::Nowhere).build().unwrap()]).await;
    let reply = site.browser().get("/login/plain?max_age=0").await;
    assert_eq!(reply.status, 500, "{reply:?}");
}
