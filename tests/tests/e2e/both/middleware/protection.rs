//! `protect()`, `protect_or_redirect(..)` and `permit(..)`. That they read no body is in `denials.rs`.

use std::time::Duration;

use lucia::{Auth, Guard, User};
use reqwest::Method;

use super::super::framework::{Routes, middleware};
use super::{handlers, idle};
use crate::support::{Profile, Stage, on_each_store};

on_each_store![
    a_protected_scope_lets_in_who_is_signed_in_and_nobody_else,
    conditions_of_a_scope_add_up_in_any_order,
];

/// The same below a scope that is kept private.
fn protected(auth: &Auth) -> Routes {
    Routes::default().below("/private", handlers().protected(auth))
}

async fn a_protected_scope_lets_in_who_is_signed_in_and_nobody_else(stage: Stage) {
    let (site, session, browser) = idle(&stage, protected).await;
    let reply = browser.get("/private/maybe").await;
    assert_eq!(reply.body, "somebody");
    reply.assert_renews(&session);

    let anonymous = site.browser();
    assert_eq!(anonymous.get("/private/maybe").await.status, 401);
    let foreign = browser.bare(Method::POST, "/private/sign-out");
    let foreign = foreign.header("origin", "https://evil.example");
    let foreign = browser.send(foreign).await;
    assert_eq!(foreign.status, 403);
    assert!(foreign.set_cookies().is_empty());
    stage.probe.set_down(true);
    assert_eq!(browser.get("/private/maybe").await.status, 503);
    assert_eq!(anonymous.get("/private/maybe").await.status, 401);
    stage.probe.set_down(false);

    site.auth.invalidate_session(&session.id).await.unwrap();
    let expired = browser.get("/private/maybe").await;
    assert_eq!(expired.status, 401);
    assert!(expired.set_cookies().is_empty());
}

async fn conditions_of_a_scope_add_up_in_any_order(stage: Stage) {
    const LOGIN: &str = "/login";
    const PATHS: [&str; 7] = ["/0", "/1", "/2", "/3", "/4", "/5", "/6"];

    let (site, session, browser) = idle(&stage, |auth| {
        let recent = || Guard::authenticated().recent(Duration::from_secs(600));
        let here = || middleware(auth);
        let orders = [
            here().protect().protect_or_redirect(LOGIN).guard(recent()),
            here().protect().guard(recent()).protect_or_redirect(LOGIN),
            here().protect_or_redirect(LOGIN).protect().guard(recent()),
            here().protect_or_redirect(LOGIN).guard(recent()).protect(),
            here().guard(recent()).protect().protect_or_redirect(LOGIN),
            here().guard(recent()).protect_or_redirect(LOGIN).protect(),
            // By two guards, and one that asks for nothing.
            here()
                .guard(Guard::anyone().redirect(LOGIN))
                .guard(recent())
                .guard(Guard::anyone()),
        ];
        let scopes = PATHS.into_iter().zip(orders);
        scopes.fold(Routes::default(), |routes, (path, middleware)| {
            routes.below(path, handlers().within(middleware))
        })
    })
    .await;
    // The session is from days ago.
    let again = site.auth.create_session(&session.user_id).await.unwrap();
    for path in PATHS {
        let path = format!("{path}/maybe");
        for browser in [&site.browser(), &browser] {
            let reply = browser.get(&path).await;
            assert_eq!(reply.status, 303, "{path}: {reply:?}");
            let location = reply.header("location").unwrap();
            assert!(location.starts_with(LOGIN), "{path}: {location}");
        }
        assert_eq!(site.browser_of(&again).get(&path).await.status, 200);
    }
}

#[tokio::test]
async fn a_protected_scope_does_not_say_which_of_its_pages_exist() {
    let (site, session, browser) = idle(&Stage::sqlite().await, protected).await;
    let anonymous = site.browser().get("/private/nowhere").await;
    assert_eq!(
        (anonymous.status, anonymous.body.as_str()),
        (401, "Not signed in.")
    );
    let reply = browser.get("/private/nowhere").await;
    assert_eq!(reply.status, 404);
    reply.assert_renews(&session);
    // What is not below it is nobody's business.
    assert_eq!(site.browser().get("/nowhere").await.status, 404);
}

#[tokio::test]
async fn a_protected_scope_that_redirects_sends_nobody_away_who_is_signed_in_or_unknown() {
    let stage = Stage::sqlite().await;
    let (site, session, browser) = idle(&stage, |auth| {
        let handlers = handlers().protected_or_redirect(auth, "/login");
        Routes::default().below("/private", handlers)
    })
    .await;
    let reply = browser.get("/private/user").await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "ada"));
    reply.assert_renews(&session);

    let anonymous = site.browser();
    let reply = anonymous.get("/private/user?a=b").await;
    assert_eq!(reply.status, 303);
    assert_eq!(
        reply.header("location"),
        Some("/login?next=%2Fprivate%2Fuser%3Fa%3Db")
    );
    assert_eq!(reply.header("cache-control"), Some("no-store"));
    // The body of a form is lost, so it is not gone on to.
    let reply = anonymous.post("/private/user", &[("a", "b")]).await;
    assert_eq!(
        (reply.status, reply.header("location")),
        (303, Some("/login"))
    );

    let foreign = browser.bare(Method::POST, "/private/user");
    let foreign = foreign.header("origin", "https://evil.example");
    let foreign = browser.send(foreign).await;
    assert_eq!((foreign.status, foreign.header("location")), (403, None));
    stage.probe.set_down(true);
    let away = browser.get("/private/user").await;
    assert_eq!((away.status, away.header("location")), (503, None));
    stage.probe.set_down(false);

    site.auth.invalidate_session(&session.id).await.unwrap();
    let expired = browser.get("/private/user").await;
    assert_eq!(expired.status, 303);
    assert!(expired.set_cookies().is_empty());
}

#[tokio::test]
async fn a_guard_of_ones_own_decides_for_a_whole_scope() {
    let (site, _, browser) = idle(&Stage::sqlite().await, |auth| {
        let is = |name: &'static str| move |user: User<Profile>| user.username == name;
        Routes::default()
            .below(
                "/of-ada",
                handlers().within(middleware(auth).permit(is("ada"))),
            )
            .below(
                "/of-eve",
                handlers().within(middleware(auth).permit(is("eve"))),
            )
    })
    .await;
    assert_eq!(browser.get("/of-ada/user").await.body, "ada");
    assert_eq!(browser.get("/of-eve/user").await.status, 403);
    assert_eq!(site.browser().get("/of-ada/user").await.status, 401);
}

#[tokio::test]
async fn a_renewal_by_a_protected_scope_reaches_the_client_on_errors_of_what_is_below() {
    for (path, status) in [
        ("/private/failing", 418),
        ("/private/bad-json", 400),
        ("/private/nowhere", 404),
    ] {
        let (_site, session, browser) = idle(&Stage::sqlite().await, protected).await;
        let request = browser.request(Method::POST, path);
        let request = request.header("content-type", "application/json");
        let reply = browser.send(request.body("no JSON")).await;
        assert_eq!(reply.status, status, "{path}");
        reply.assert_renews(&session);
    }
}
