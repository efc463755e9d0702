//! Which of a token and a cookie counts, where there are both.

use reqwest::Method;

use super::{BAD_TOKEN, NOT_SIGNED_IN, Scene, challenge};
use crate::support::{Stage, bearer};

#[tokio::test]
async fn an_unsafe_request_with_a_token_may_come_from_anywhere() {
    let scene = Scene::of(Stage::sqlite().await).await;
    let token = bearer(&scene.bob);
    for path in ["/api", "/either"] {
        for cookie in [false, true] {
            let reply = scene.post_from_elsewhere(path, cookie, Some(&token)).await;
            assert_eq!((reply.status, &*reply.body), (200, "bob"), "{path}");
            assert!(reply.set_cookies().is_empty(), "{path}: {reply:?}");
        }
    }
    // A client that names no origin at all.
    let browser = scene.site.browser_of(&scene.ada);
    let request = browser.bare(Method::POST, "/api");
    let reply = browser.send(request.header("authorization", token)).await;
    assert_eq!((reply.status, &*reply.body), (200, "bob"));
}

#[tokio::test]
async fn a_cookie_is_nothing_where_a_token_is_asked_for() {
    let scene = Scene::of(Stage::sqlite().await).await;
    let Scene {
        stage, site, ada, ..
    } = &scene;
    for path in ["/api", "/by-bearer/plain", "/by-bearer/maybe"] {
        let reply = site.browser_of(ada).get(path).await;
        assert_eq!(challenge(&reply), NOT_SIGNED_IN, "{path}");
    }
    let posted = scene.post_from_elsewhere("/api", true, None).await;
    assert_eq!(challenge(&posted), NOT_SIGNED_IN);
    assert!(stage.probe.calls().is_empty());

    // An expired one is not even taken away.
    site.auth.invalidate_session(&ada.id).await.unwrap();
    let reply = site.browser_of(ada).get("/api").await;
    assert_eq!(challenge(&reply), NOT_SIGNED_IN);
    let accepted = scene.get_as_both("/api").await;
    for reply in [reply, accepted] {
        assert!(reply.set_cookies().is_empty(), "{reply:?}");
    }
}

#[tokio::test]
async fn a_token_is_nothing_where_a_cookie_is_asked_for() {
    let scene = Scene::of(Stage::sqlite().await).await;
    let Scene {
        stage, site, bob, ..
    } = &scene;
    for path in ["/page", "/plain", "/by-cookie/plain"] {
        let reply = site.get_with(path, &[&bearer(bob)]).await;
        assert_eq!(challenge(&reply), (401, None), "{path}");
    }
    let maybe = site.get_with("/maybe", &[&bearer(bob)]).await;
    assert_eq!(maybe.body, "nobody");
    assert!(stage.probe.calls().is_empty());
    for path in ["/page", "/plain", "/maybe", "/by-cookie/plain"] {
        assert_eq!(scene.get_as_both(path).await.body, "ada", "{path}");
        assert_eq!(stage.probe.calls().len(), 1, "{path}");
    }
}

#[tokio::test]
async fn where_either_will_do_the_token_decides_even_if_it_is_bad() {
    let scene = Scene::of(Stage::sqlite().await).await;
    let Scene {
        stage,
        site,
        ada,
        bob,
    } = &scene;
    for path in ["/either", "/by-either/plain", "/by-either/maybe"] {
        let by_cookie = site.browser_of(ada).get(path).await;
        assert_eq!((by_cookie.status, &*by_cookie.body), (200, "ada"), "{path}");
        let by_token = site.get_with(path, &[&bearer(bob)]).await;
        assert_eq!((by_token.status, &*by_token.body), (200, "bob"), "{path}");
        let by_both = scene.get_as_both(path).await;
        assert_eq!((by_both.status, &*by_both.body), (200, "bob"), "{path}");
    }
    stage.probe.calls();
    let unknown = format!("Bearer {}", "a".repeat(40));
    for (bad, calls) in [("Bearer x", 0), ("Bearer", 0), (&unknown, 1)] {
        for path in ["/either", "/by-either/plain", "/by-either/maybe"] {
            let browser = site.browser_of(ada);
            let request = browser.bare(Method::GET, path);
            let reply = browser.send(request.header("authorization", bad)).await;
            assert_eq!(challenge(&reply), BAD_TOKEN, "{path} {bad}");
            assert!(reply.set_cookies().is_empty(), "{path} {bad}");
            assert_eq!(stage.probe.calls().len(), calls, "{path} {bad}");
        }
    }
}

#[tokio::test]
async fn where_either_will_do_a_cookie_has_to_come_from_this_site() {
    let scene = Scene::of(Stage::sqlite().await).await;
    let Scene {
        stage, site, ada, ..
    } = &scene;
    let own = site.browser_of(ada).post("/either", &[]).await;
    assert_eq!((own.status, &*own.body), (200, "ada"));
    stage.probe.calls();

    let forged = scene.post_from_elsewhere("/either", true, None).await;
    assert_eq!(challenge(&forged), (403, None));
    assert_eq!(
        forged.body,
        "The origin of this request is missing or not allowed."
    );
    // A bad token does not make a good one of the cookie.
    let with_token = scene.post_from_elsewhere("/either", true, Some("Bearer x"));
    assert_eq!(challenge(&with_token.await), BAD_TOKEN);
    // Nor does what belongs to another scheme.
    let with_basic = scene.post_from_elsewhere("/either", true, Some("Basic YTpi"));
    assert_eq!(challenge(&with_basic.await), (403, None));
    assert!(stage.probe.calls().is_empty());
}

#[tokio::test]
async fn where_either_will_do_only_who_shows_no_token_is_sent_to_log_in() {
    let Scene { site, ada, bob, .. } = &Scene::of(Stage::sqlite().await).await;
    let path = "/either-or-login";
    let anonymous = site.get_with(path, &[]).await;
    assert_eq!(challenge(&anonymous), (303, None));
    let login = Some("/login?next=%2Feither-or-login");
    assert_eq!(anonymous.header("location"), login);

    let unknown = format!("Bearer {}", "a".repeat(40));
    for bad in ["Bearer x", &unknown] {
        let client = site.get_with(path, &[bad]).await;
        assert_eq!(challenge(&client), BAD_TOKEN, "{bad}");
        assert_eq!(client.header("location"), None);
    }
    assert_eq!(site.get_with(path, &[&bearer(bob)]).await.body, "in");
    assert_eq!(site.browser_of(ada).get(path).await.body, "in");
}

#[tokio::test]
async fn a_guard_around_a_handler_says_what_its_parameters_go_by() {
    let scene = Scene::of(Stage::sqlite().await).await;
    for (path, name) in [
        ("/by-bearer/plain", "bob"),
        ("/by-bearer/maybe", "bob"),
        ("/by-either/plain", "bob"),
        ("/by-cookie/plain", "ada"),
        ("/by-cookie/maybe", "ada"),
        ("/plain", "ada"),
        ("/by-bearer/either", "bob"),
    ] {
        let reply = scene.get_as_both(path).await;
        assert_eq!((reply.status, &*reply.body), (200, name), "{path}");
    }
}

/// What the outer guard asks of one person is not to be answered by another: somebody could bring
/// their own fresh cookie for it, and a stolen token for the handler.
#[tokio::test]
async fn two_guards_of_one_request_let_in_the_same_session_or_nobody() {
    let scene = Scene::of(Stage::sqlite().await).await;
    for path in ["/by-cookie/api", "/by-cookie/either"] {
        let reply = scene.get_as_both(path).await;
        let denied = (403, "Not permitted.");
        assert_eq!((reply.status, &*reply.body), denied, "{path}");
    }
    // A guard that names no token takes that of the guard around it.
    let reply = scene.get_as_both("/by-bearer/page").await;
    assert_eq!((reply.status, &*reply.body), (200, "bob"));
    let of_ada = scene.site.browser_of(&scene.ada);
    assert_eq!(of_ada.get("/by-bearer/page").await.status, 401);
    // One person by both is one person only by the same session.
    let browser = scene.site.browser_of(&scene.ada);
    let request = browser.bare(Method::GET, "/by-cookie/api");
    let request = request.header("authorization", bearer(&scene.ada));
    let reply = browser.send(request).await;
    assert_eq!((reply.status, &*reply.body), (200, "ada"));
}

#[tokio::test]
async fn one_log_out_serves_both_and_touches_the_cookie_of_nobody_else() {
    let scene = Scene::of(Stage::sqlite().await).await;
    let left_by_token = scene.get_as_both("/leave").await;
    assert_eq!(&*left_by_token.body, "out");
    assert!(left_by_token.set_cookies().is_empty(), "{left_by_token:?}");

    let Scene { site, ada, bob, .. } = &scene;
    let bob = site.get_with("/api", &[&bearer(bob)]).await;
    assert_eq!(challenge(&bob), BAD_TOKEN);
    let browser = site.browser_of(ada);
    assert_eq!(browser.get("/page").await.body, "ada");
    let left_by_cookie = browser.get("/leave").await;
    assert!(left_by_cookie.removes_cookie());
    assert_eq!(browser.get("/page").await.status, 401);
}

#[tokio::test]
async fn where_a_token_was_accepted_the_cookie_is_not_read() {
    let scene = Scene::of(Stage::sqlite().await).await;
    scene.stage.clock.advance(2 * super::DAY);
    let reply = scene.get_as_both("/api/who").await;
    assert_eq!(&*reply.body, "bob");
    // The session of the cookie is not renewed, either.
    assert!(reply.set_cookies().is_empty(), "{reply:?}");
    assert_eq!(
        scene.stage.probe.calls(),
        ["session_and_user", "renew_session"]
    );
}
