//! What is said to those who are not let in, and who is not even asked about.

use std::sync::atomic::Ordering;

use lucia::Session;
use lucia_tests::watch;
use reqwest::Method;

use super::{PATHS, Scene, forbidden, permitted};
use crate::support::{Site, Stage, bearer};

#[tokio::test]
async fn a_denial_is_403_with_one_sentence_and_is_not_stored() {
    let Scene { site, eve, .. } = &Scene::of(Stage::sqlite().await).await;
    for path in PATHS {
        let reply = site.browser_of(eve).post(path, &[("a", "1")]).await;
        assert_eq!((reply.status, reply.body.clone()), forbidden(), "{path}");
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{path}");
        assert_eq!(reply.header("vary"), Some("Cookie"), "{path}");
        for name in ["www-authenticate", "location", "retry-after"] {
            assert_eq!(reply.header(name), None, "{path}");
        }
        assert!(reply.set_cookies().is_empty(), "{path}: {reply:?}");
    }
}

fn cookie(site: &Site, session: &Session) -> String {
    let cookie = site.auth.session_cookie(Some(session));
    format!("cookie: {}={}", cookie.name(), cookie.value())
}

#[tokio::test]
async fn r55_on_denial_the_body_is_not_waited_for() {
    let Scene { site, ada, eve, .. } = &Scene::of(Stage::sqlite().await).await;
    for path in PATHS {
        let reply = site.post_without_the_rest(path, &cookie(site, eve)).await;
        assert_eq!((reply.status, reply.body), forbidden(), "{path}");
    }
    for path in ["/api", "/by-bearer/plain"] {
        let reply = site
            .post_without_the_rest(path, &format!("authorization: {}", bearer(eve)))
            .await;
        assert_eq!((reply.status, reply.body), forbidden(), "{path}");
    }
    let unsure = site
        .post_without_the_rest("/unsure", &cookie(site, ada))
        .await;
    assert_eq!(unsure.status, 503);
}

#[tokio::test]
async fn nobody_is_asked_about_who_is_not_signed_in() {
    let Scene {
        stage,
        site,
        ada,
        asked,
        ..
    } = &Scene::of(Stage::sqlite().await).await;
    let expired = site.auth.create_session(&ada.user_id).await.unwrap();
    site.auth.invalidate_session(&expired.id).await.unwrap();
    for path in ["/unasked", "/counting/plain"] {
        let anonymous = site.browser().post(path, &[]).await;
        assert_eq!(anonymous.status, 401, "{path}");

        let of_the_expired = site.browser_of(&expired).post(path, &[]).await;
        assert_eq!(of_the_expired.status, 401, "{path}");
        assert!(of_the_expired.set_cookies().is_empty(), "{path}");

        let by_token = site.browser();
        let request = by_token.request(Method::POST, path);
        let request = request.header("authorization", bearer(ada));
        assert_eq!(by_token.send(request).await.status, 401, "{path}");

        let browser = site.browser_of(ada);
        let forged = browser.bare(Method::POST, path);
        let forged = forged.header("origin", "https://evil.example");
        let forged = browser.send(forged).await;
        assert_eq!(forged.status, 403, "{path}");
        assert_eq!(
            forged.body, "The origin of this request is missing or not allowed.",
            "{path}"
        );

        stage.probe.set_down(true);
        let unknown = browser.post(path, &[]).await;
        assert_eq!(unknown.status, 503, "{path}");
        stage.probe.set_down(false);
    }
    assert_eq!(asked.load(Ordering::SeqCst), 0);
}

#[tokio::test]
async fn a_guard_asks_once_a_request() {
    let scene = Scene::of(Stage::sqlite().await).await;
    let Scene { ada, eve, .. } = &scene;
    let asked = || scene.asked.swap(0, Ordering::SeqCst);
    for path in ["/counting/plain", "/counting/user", "/counting/both"] {
        assert_eq!(scene.post(path, ada).await, permitted(), "{path}");
        assert_eq!(asked(), 1, "{path}");
        assert_eq!(scene.post(path, eve).await, forbidden(), "{path}");
        assert_eq!(asked(), 1, "{path}");
    }
    // Nor about what another scope keeps.
    assert_eq!(scene.post("/scope/plain", ada).await, permitted());
    assert_eq!(asked(), 0);
}

#[tokio::test]
async fn who_is_not_permitted_is_not_sent_to_log_in() {
    let Scene {
        stage,
        site,
        ada,
        eve,
        ..
    } = &Scene::of(Stage::sqlite().await).await;
    let anonymous = site.browser().get("/page?tab=1").await;
    assert_eq!(anonymous.status, 303);
    let login = Some("/login?next=%2Fpage%3Ftab%3D1");
    assert_eq!(anonymous.header("location"), login);

    assert_eq!(site.browser_of(ada).get("/page").await.status, 200);
    // There she would be signed in, and sent back here.
    let reply = site.browser_of(eve).get("/page").await;
    assert_eq!(reply.header("location"), None);
    assert_eq!((reply.status, reply.body), forbidden());

    stage.probe.set_down(true);
    let unknown = site.browser_of(eve).get("/page").await;
    assert_eq!((unknown.status, unknown.header("location")), (503, None));
}

#[tokio::test]
async fn a_bearer_is_asked_about_too() {
    let Scene {
        stage,
        site,
        ada,
        eve,
        ..
    } = &Scene::of(Stage::sqlite().await).await;
    for path in ["/api", "/by-bearer/plain"] {
        // Whoever's cookie it comes with.
        for (token, cookie, answer) in [(ada, eve, permitted()), (eve, ada, forbidden())] {
            let browser = site.browser_of(cookie);
            let request = browser.bare(Method::POST, path).body("a=1");
            let request = request.header("authorization", bearer(token));
            let reply = browser.send(request).await;
            assert_eq!(reply.header("vary"), Some("Authorization"), "{path}");
            assert_eq!(reply.header("cache-control"), Some("no-store"), "{path}");
            assert_eq!(reply.header("www-authenticate"), None, "{path}");
            assert!(reply.set_cookies().is_empty(), "{path}: {reply:?}");
            assert_eq!((reply.status, reply.body), answer, "{path}");
            assert_eq!(stage.probe.calls(), ["session_and_user"], "{path}");
        }
        let by_cookie = site.browser_of(ada).post(path, &[]).await;
        assert_eq!(by_cookie.status, 401, "{path}");
        assert_eq!(by_cookie.header("www-authenticate"), Some("Bearer"));
    }
}

#[tokio::test]
async fn when_it_cannot_say_that_is_503_and_the_reason_is_in_the_log() {
    let Scene { site, ada, eve, .. } = &Scene::of(Stage::sqlite().await).await;
    for (path, session) in [("/unsure", ada), ("/unsure-later", eve)] {
        let reason = format!("the rules about {} are lost", session.user_id);
        let found = watch([&*reason]);
        let reply = site.browser_of(session).post(path, &[]).await;
        assert_eq!(reply.status, 503, "{path}");
        assert_eq!(reply.body, "Try again in a moment.", "{path}");
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{path}");
        assert!(reply.header("retry-after").is_some(), "{path}");
        assert!(reply.set_cookies().is_empty(), "{path}");
        let lines = found.lines();
        assert_eq!(lines.len(), 1, "{path}: {lines:?}");
        assert!(
            lines[0].starts_with("ERROR lucia::adapter::permit"),
            "{lines:?}"
        );
    }
}
