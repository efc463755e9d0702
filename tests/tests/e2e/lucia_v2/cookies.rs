//! The cookie of both, attribute by attribute.

use std::collections::BTreeMap;

use lucia::{CookieOptions, Environment, SameSite, StoredIds};
use lucia_tests::PeerOptions;
use serde_json::{Value, json};

use super::both::Both;
use crate::support::sign_up;

/// The attributes by their names in lower case, with the pair of name and value under `""`.
fn attributes(header: &str) -> BTreeMap<String, String> {
    let (pair, rest) = header.split_once(';').unwrap();
    let named = rest.split(';').map(|attribute| {
        let (name, value) = attribute.split_once('=').unwrap_or((attribute, ""));
        (name.trim().to_lowercase(), value.trim().to_owned())
    });
    named.chain([(String::new(), pair.to_owned())]).collect()
}

/// Has both make the cookie of one session, and the one that removes it.
async fn assert_equal(peer: PeerOptions, environment: Environment, ours: CookieOptions) {
    let Some(both) = Both::with(&peer).await else {
        return;
    };
    let builder = both.builder(StoredIds::PlainTokens).await;
    let builder = builder.environment(environment).cookie(ours);
    let auth = builder.build().unwrap();
    let session = sign_up(&auth, "ada").await;
    let theirs = both.validate(session.token().expose()).await.unwrap();
    for (theirs, ours, max_age) in [
        (theirs, Some(&session), "1296000"),
        (Value::Null, None, "0"),
    ] {
        let theirs = both.call("createSessionCookie", json!({ "session": theirs }));
        let theirs = attributes(theirs.await["header"].as_str().unwrap());
        let mut ours = attributes(&auth.session_cookie(ours).to_string());
        // Lucia leaves the browser to compare `Expires` with a clock that may be wrong.
        assert_eq!(ours.remove("max-age").as_deref(), Some(max_age));
        assert_eq!(ours, theirs);
    }
}

#[tokio::test]
async fn they_are_equal_in_development() {
    let peer = PeerOptions::default();
    assert_equal(peer, Environment::Development, CookieOptions::new()).await;
}

/// Ours has another name there by default.
#[tokio::test]
async fn they_are_equal_in_production_under_the_same_name() {
    let peer = PeerOptions {
        production: true,
        ..PeerOptions::default()
    };
    let ours = CookieOptions::new().name("auth_session");
    assert_equal(peer, Environment::Production, ours).await;
}

#[tokio::test]
async fn they_are_equal_with_the_same_settings() {
    let peer = PeerOptions {
        production: true,
        cookie: json!({
            "name": "sid",
            "attributes": { "sameSite": "strict", "path": "/app", "domain": "example.com" }
        }),
        ..PeerOptions::default()
    };
    let ours = CookieOptions::new()
        .name("sid")
        .same_site(SameSite::Strict)
        .path("/app")
        .domain("example.com");
    assert_equal(peer, Environment::Production, ours).await;
}
