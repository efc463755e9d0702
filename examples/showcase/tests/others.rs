//! The site with a real mail server, and with a certified provider in a real browser.

mod support;

use std::net::TcpListener;

use lucia_tests::{MailServer, OidcProvider};
use serde_json::json;
use showcase::{Client, Database, Provider, Settings, Smtp};
use support::browser::{Browser, Driver};
use support::{PASSWORD, RunningSite, eventually, settings};

const ADDRESS: &str = "ada@example.com";

/// The client that the certified provider knows.
const CLIENT: &str = "the client";
const SECRET: &str = "canary-client-secret:%+";

#[actix_web::test]
async fn mails_are_sent_by_the_mail_server() {
    let Some(server) = MailServer::start(json!({ "tls": "none" })).await else {
        return;
    };
    let settings = Settings {
        smtp: Some(Smtp {
            url: format!("smtp://127.0.0.1:{}?tls=none", server.port()),
            from: "Showcase <no-reply@example.com>".to_owned(),
        }),
        ..settings(Database::Memory)
    };
    let site = RunningSite::with(settings, tempfile::tempdir().unwrap()).await;
    let ada = site.member(ADDRESS).await;
    eventually(async || server.mails().await.len() == 1).await;
    let mail = server.mails().await.remove(0);
    assert_eq!(mail.envelope.to, [ADDRESS]);
    assert!(
        mail.text
            .unwrap()
            .contains(&format!("{}/verify?token=", site.origin))
    );
    // The page links to no mailbox.
    assert_eq!(ada.get("/dev/mailbox").await.status, 404);
    for page in ["/verify/sent", "/home", "/"] {
        assert!(!ada.get(page).await.has("/dev/mailbox"), "{page}");
    }
}

/// Fills in the form of the provider's page and sends it, and waits for another page.
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

/// The form that links an account redirects to the provider, which the site's policy for forms has to allow.
#[actix_web::test]
async fn a_certified_provider_is_linked_and_signs_in() {
    let Some(driver) = Driver::start() else {
        return;
    };
    // The provider has to know the site's address, and the site that of the provider.
    let port = TcpListener::bind("127.0.0.1:0")
        .unwrap()
        .local_addr()
        .unwrap()
        .port();
    let callback = format!("http://127.0.0.1:{port}/login/with/oidc/callback");
    let Some(provider) = OidcProvider::start(&callback).await else {
        return;
    };
    let settings = Settings {
        port,
        clients: vec![Client {
            provider: Provider::Oidc {
                issuer: provider.issuer.clone(),
                name: "Company".to_owned(),
            },
            id: CLIENT.to_owned(),
            secret: SECRET.to_owned(),
        }],
        ..settings(Database::Memory)
    };
    let site = RunningSite::with(settings, tempfile::tempdir().unwrap()).await;
    site.member(ADDRESS).await;
    let browser = driver.browser(&site.origin).await;
    browser.open("/login?next=/security").await;
    browser.fill_in("E-mail address", ADDRESS).await;
    browser.fill_in("Password", PASSWORD).await;
    browser.click("Sign in").await;
    browser.sees("Security").await;
    browser.click("Link Company").await;
    eventually(async || browser.path().await.starts_with("/interaction/")).await;
    submit(&browser, &[("login", "ada"), ("password", "any")]).await;
    submit(&browser, &[]).await;
    browser
        .reads("The account is linked. You can sign in with it from now on.")
        .await;
    browser.open("/security").await;
    browser.click("Sign out this device").await;
    browser.sees("Sign in your way, and stay in control").await;
    browser.open("/login?next=/security").await;
    browser.click("Continue with Company").await;
    browser.sees("Security").await;
    assert_eq!(browser.count("[aria-label='Unlink Company']").await, 1);
}
