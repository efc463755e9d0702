//! The cross-origin check.

use lucia::{Auth, AuthBuilder, CookieOptions, Error, PgStore, Session, SqliteStore};
use reqwest::Method;

use crate::support::{Profile, Site, Stage, actix, sign_up};

/// A site with these settings, and somebody who is signed in there.
async fn site(settings: impl FnOnce(AuthBuilder) -> AuthBuilder) -> (Stage, Site, Session) {
    let stage = Stage::sqlite().await;
    let auth = settings(stage.builder().await).build().unwrap();
    let site = actix::serve(auth, actix::front_page()).await;
    let session = sign_up(&site.auth, "ada").await;
    (stage, site, session)
}

/// The status of an unsafe request to a host that says where it comes from.
async fn status(site: &Site, session: &Session, host: &str, origin: &str) -> u16 {
    let browser = site.browser_of(session);
    let request = browser.bare(Method::POST, "/who");
    let request = request.header("host", host).header("origin", origin);
    let reply = browser.send(request).await;
    match (reply.status, &*reply.body) {
        (200, "ada") => 200,
        (200, "nobody") => 403,
        _ => panic!("{reply:?}"),
    }
}

#[tokio::test]
async fn lucia_fault_12_an_opaque_origin_is_foreign_and_no_crash() {
    let (_stage, site, session) = site(|settings| settings).await;
    let browser = site.browser_of(&session);
    for origin in ["null", "", "://", "https://", "https://[", "about:blank"] {
        let request = browser.bare(Method::POST, "/logout");
        let reply = browser
            .send(request.header("origin", origin.as_bytes()))
            .await;
        assert_eq!(reply.status, 403, "{origin:?}");
        let request = browser.bare(Method::GET, "/me").header("origin", "null");
        assert_eq!(browser.send(request).await.status, 200);
    }
}

#[tokio::test]
async fn lucia_fault_13_no_site_is_trusted_for_the_end_of_its_name() {
    let (stage, plain, session) = site(|settings| settings).await;
    let (_other, listed, of_listed) =
        site(|settings| settings.allowed_origins(["https://app.victim.co.uk"])).await;
    for (site, session) in [(&plain, &session), (&listed, &of_listed)] {
        for (origin, expected) in [
            ("https://victim.co.uk", 200),
            ("https://attacker.co.uk", 403),
            ("https://evil.victim.co.uk", 403),
            ("https://co.uk", 403),
            ("https://evilvictim.co.uk", 403),
        ] {
            let status = status(site, session, "victim.co.uk", origin).await;
            assert_eq!(status, expected, "{origin}");
        }
    }
    for pattern in ["*", "*.co.uk", "https://*", "https://*.victim.co.uk"] {
        let settings = stage.builder().await.allowed_origins([pattern]);
        let refused = settings.build().err();
        assert!(
            matches!(
                &refused,
                Some(Error::Setting {
                    setting: "allowed_origins",
                    ..
                })
            ),
            "{pattern}: {refused:?}"
        );
    }
}

#[tokio::test]
async fn lucia_fault_14_scheme_port_and_case_are_those_of_the_site() {
    let (_stage, site, session) = site(|settings| settings).await;
    for (host, origin, expected) in [
        ("app.example.com", "https://app.example.com", 200),
        ("app.example.com", "http://app.example.com", 403),
        ("app.example.com", "ws://app.example.com", 403),
        ("APP.Example.COM", "https://app.example.com", 200),
        ("app.example.com:443", "https://app.example.com", 200),
        ("app.example.com", "https://app.example.com:443", 200),
        ("app.example.com", "https://app.example.com:8443", 403),
        ("app.example.com:8443", "https://app.example.com", 403),
        ("app.example.com:8443", "https://app.example.com:8443", 200),
        ("APP.example.com:8443", "https://app.example.com:8443", 200),
        ("[2001:db8::1]:8443", "https://[2001:db8::1]:8443", 200),
        ("[2001:db8::1]:8443", "https://[2001:db8::1]", 403),
    ] {
        let status = status(&site, &session, host, origin).await;
        assert_eq!(status, expected, "{host} {origin}");
    }
}

/// A misspelt setting is no method, and a misspelt option of an attribute no option:
/// `ui-tests/fail/misspelt-setting.rs` and `unknown-option.rs`. What is left are misspelt values.
#[tokio::test]
async fn lucia_fault_15_a_misspelt_value_is_refused_and_named() {
    let stage = Stage::postgres().await;
    let cookie = async |options: CookieOptions| stage.builder().await.cookie(options);
    for (settings, name) in [
        (
            cookie(CookieOptions::new().path("app")).await,
            "cookie.path",
        ),
        (
            cookie(CookieOptions::new().name("my session")).await,
            "cookie.name",
        ),
        (
            cookie(
                CookieOptions::new()
                    .name("sid")
                    .domain("https://example.com"),
            )
            .await,
            "cookie.domain",
        ),
        (
            stage.builder().await.allowed_origins(["app.example.com"]),
            "allowed_origins",
        ),
    ] {
        match settings.build() {
            Err(Error::Setting { setting, .. }) => assert_eq!(setting, name),
            other => panic!("{name}: {other:?}"),
        }
    }

    let url = stage.database().url();
    let named = async |store: PgStore| {
        let auth: Auth = Auth::builder(store).build().unwrap();
        match auth.check_schema::<Profile>().await {
            Err(Error::Schema { table, column, .. }) => (table, column),
            other => panic!("{other:?}"),
        }
    };
    let column = |name: &str| Some(name.to_owned());
    let users = PgStore::builder().fetched_user_columns(["username", "emial"]);
    let users = named(users.connect(&url).await.unwrap()).await;
    assert_eq!(users, ("auth_user".to_owned(), column("emial")));
    let sessions = PgStore::builder().session_columns(["contry"]);
    let sessions = named(sessions.connect(&url).await.unwrap()).await;
    assert_eq!(sessions, ("user_session".to_owned(), column("contry")));
    let table = PgStore::builder().user_table("auth_usr");
    let table = named(table.connect(&url).await.unwrap()).await;
    assert_eq!(table, ("auth_usr".to_owned(), None));
    let nonsense = SqliteStore::builder().session_columns(["id"]).in_memory();
    assert!(matches!(nonsense.await, Err(Error::Setting { .. })));
}
