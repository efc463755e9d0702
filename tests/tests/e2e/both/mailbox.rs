//! The page of the development mailbox.

use std::time::Duration;

use fantoccini::Locator;
use lucia::Environment;
use lucia::mail::{Mail, MailContent, MailTexts, Mailbox};
use serde_json::json;

use super::framework::{Response, Routes, answer, serve};
use crate::support::chromium::Driver;
use crate::support::{Site, Stage, eventually, on_each_store};

on_each_store![mails_are_on_the_page_and_it_is_kept_nowhere];

const HOUR: Duration = Duration::from_secs(60 * 60);

/// Answers the link of a mail.
async fn opened() -> Response {
    let html = [("content-type", "text/html")];
    answer(200, &html, "<!DOCTYPE html><h1>opened</h1>")
}

async fn site(stage: &Stage) -> (Site, Mailbox) {
    let auth = stage.builder().await.environment(Environment::Development);
    let auth = auth.build().unwrap();
    let mailbox = Mailbox::new(&auth).unwrap();
    let routes = Routes::default().get("/opened", opened);
    let routes = routes.mailbox("/dev/mailbox", &mailbox);
    (serve(auth, routes).await, mailbox)
}

async fn mails_are_on_the_page_and_it_is_kept_nowhere(stage: Stage) {
    let (site, mailbox) = site(&stage).await;
    let outbox = site.auth.outbox(mailbox.clone()).start().await.unwrap();
    let browser = site.browser();
    assert!(
        browser
            .get("/dev/mailbox")
            .await
            .body
            .contains("No mails yet")
    );
    outbox
        .send(Mail::new("ada@example.com", "Grüße <b>", "text & more").unwrap())
        .unwrap();
    eventually(async || !mailbox.mails().is_empty()).await;
    let reply = browser.get("/dev/mailbox").await;
    assert_eq!(reply.status, 200);
    assert!(reply.body.contains("Grüße &lt;b&gt;") && reply.body.contains("text &amp; more"));
    for (name, value) in Mailbox::HEADERS {
        let values: Vec<_> = reply.headers.get_all(name).iter().collect();
        assert_eq!(values, [value], "{name}");
    }
    let posted = browser.post("/dev/mailbox", &[]).await.status;
    assert!(matches!(posted, 404 | 405), "{posted}");
}

/// A mail that tries what it can, in a real browser.
#[tokio::test]
async fn a_browser_shows_mails_and_runs_nothing_of_them() {
    let Some(driver) = Driver::start() else {
        return;
    };
    let stage = Stage::sqlite().await;
    let (site, mailbox) = site(&stage).await;
    let outbox = site.auth.outbox(mailbox.clone()).start().await.unwrap();
    let script = "<script>top.document.title = 'run'</script>\
                  <img src=x onerror=\"top.document.title = 'run'\">\
                  <form action=/opened><button id=b>send</button></form>";
    let hostile = Mail::new("eve@example.com", "hostile", "text")
        .unwrap()
        .with_html(script);
    let texts = MailTexts::new("Example");
    let link = format!("{}/opened?token=abc", site.origin());
    let content = MailContent::ResetPassword { link: &link };
    let good = texts.mail("ada@example.com", "en", content, HOUR).unwrap();
    outbox.send(hostile).unwrap();
    eventually(async || mailbox.mails().len() == 1).await;
    outbox.send(good).unwrap();
    eventually(async || mailbox.mails().len() == 2).await;

    for (name, arguments) in [
        ("wide", vec!["--window-size=1280,1400"]),
        ("narrow", vec!["--window-size=500,1400"]),
        (
            "dark",
            vec![
                "--window-size=1280,1400",
                "--force-dark-mode",
                "--blink-settings=preferredColorScheme=0",
            ],
        ),
    ] {
        let browser = driver.browser_with(&site.origin(), &arguments).await;
        browser.open("/dev/mailbox").await;
        browser.sees("Mailbox").await;
        // Opens all, and waits until the frames have loaded.
        let open = "const done = arguments[arguments.length - 1]; \
            for (const one of document.querySelectorAll('details')) one.open = true; \
            for (const one of document.querySelectorAll('iframe')) one.loading = 'eager'; \
            setTimeout(() => done([document.title, \
                document.documentElement.scrollWidth <= window.innerWidth]), 1500)";
        assert_eq!(
            browser.run(open, Vec::new()).await,
            json!(["Mailbox (2)", true]),
            "{name}"
        );
        assert_eq!(browser.count("iframe").await, 2);
        // The newest mail is the first one. Its link opens another tab.
        let client = browser.client();
        let page = client.window().await.unwrap();
        client.enter_frame(0).await.unwrap();
        let link = client.find(Locator::Css("a")).await.unwrap();
        link.click().await.unwrap();
        eventually(async || client.windows().await.unwrap().len() == 2).await;
        let windows = client.windows().await.unwrap();
        let other = windows.into_iter().find(|window| *window != page).unwrap();
        client.switch_to_window(other).await.unwrap();
        browser.sees("opened").await;
        assert_eq!(browser.path().await, "/opened");
    }
}
