//! What stands in the headers of a request, and in those of its answer.

use super::{BAD_TOKEN, DAY, NOT_SIGNED_IN, Scene, challenge};
use crate::support::{Reply, Stage, bearer};

/// Where a token is good.
const PATHS: [&str; 4] = ["/api", "/either", "/by-bearer/plain", "/by-either/plain"];

#[tokio::test]
async fn r32_the_scheme_is_the_same_in_any_case() {
    let Scene { site, bob, .. } = &Scene::of(Stage::sqlite().await).await;
    let token = bob.token().expose();
    for scheme in ["Bearer", "bearer", "BEARER", "bEaReR"] {
        let reply = site.get_with("/api", &[&format!("{scheme} {token}")]).await;
        assert_eq!((reply.status, &*reply.body), (200, "bob"), "{scheme}");
    }
    let spaced = site.get_with("/api", &[&format!("Bearer   {token}")]).await;
    assert_eq!(spaced.body, "bob");
}

/// What is no token, however it came to be in the header.
fn garbage(token: &str) -> Vec<String> {
    let token_in_capitals = token.to_uppercase();
    [
        "Bearer",
        "Bearer x",
        &format!("Bearer {}", &token[1..]),
        &format!("Bearer {token}x"),
        &format!("Bearer {token} {token}"),
        &format!("Bearer {token}, Bearer {token}"),
        &format!("Bearer {token},"),
        &format!("Bearer \"{token}\""),
        &format!("Bearer token={token}"),
        &format!("Bearer {token_in_capitals}"),
        &format!("Bearer {}", "f".repeat(64)),
        &format!("Bearer {}", "a".repeat(6000)),
    ]
    .map(str::to_owned)
    .into()
}

#[tokio::test]
async fn what_no_token_can_be_read_from_is_nobody_without_a_query() {
    let Scene {
        stage, site, bob, ..
    } = &Scene::of(Stage::sqlite().await).await;
    for garbage in garbage(bob.token().expose()) {
        for path in PATHS {
            let reply = site.get_with(path, &[&garbage]).await;
            assert_eq!(challenge(&reply), BAD_TOKEN, "{path} {garbage}");
            assert!(reply.set_cookies().is_empty());
        }
        let asked = site.get_with("/users", &[&garbage]).await;
        assert_eq!(asked.body, "nobody nobody", "{garbage}");
        let maybe = site.get_with("/by-bearer/maybe", &[&garbage]).await;
        assert_eq!(challenge(&maybe), BAD_TOKEN, "{garbage}");
    }
    // Bytes that are no text.
    let browser = site.browser();
    let request = browser.bare(reqwest::Method::GET, "/api");
    let request = request.header("authorization", &b"Bearer \xFF\xFE"[..]);
    assert_eq!(challenge(&browser.send(request).await), BAD_TOKEN);
    assert!(stage.probe.calls().is_empty());
}

#[tokio::test]
async fn several_headers_are_no_token_in_whatever_order() {
    let scene = Scene::of(Stage::sqlite().await).await;
    let Scene {
        stage,
        site,
        ada,
        bob,
    } = &scene;
    let (ada, bob) = (&*bearer(ada), &*bearer(bob));
    for headers in [
        [bob, bob],
        [ada, bob],
        [bob, "Basic YTpi"],
        ["Basic YTpi", bob],
        [bob, ""],
        ["", bob],
        [bob, "Bearer"],
    ] {
        for path in PATHS {
            let reply = site.get_with(path, &headers).await;
            assert_eq!(challenge(&reply), BAD_TOKEN, "{path} {headers:?}");
        }
        // Nor does the cookie step in.
        let browser = site.browser_of(&scene.ada);
        let mut request = browser.bare(reqwest::Method::GET, "/either");
        for header in headers {
            request = request.header("authorization", header);
        }
        let reply = browser.send(request).await;
        assert_eq!(challenge(&reply), BAD_TOKEN, "{headers:?}");
    }
    assert!(stage.probe.calls().is_empty());
}

#[tokio::test]
async fn another_scheme_is_somebody_elses() {
    let scene = Scene::of(Stage::sqlite().await).await;
    let Scene { site, ada, bob, .. } = &scene;
    let token = bob.token().expose();
    for header in [
        "Basic YTpi",
        &format!("Bearerx {token}"),
        &format!("Token {token}"),
        &format!("Basic Bearer {token}"),
        token,
        "",
    ] {
        for path in PATHS {
            let reply = site.get_with(path, &[header]).await;
            assert_eq!(challenge(&reply), NOT_SIGNED_IN, "{path} {header:?}");
        }
        let browser = site.browser_of(ada);
        let request = browser.bare(reqwest::Method::GET, "/either");
        let reply = browser.send(request.header("authorization", header)).await;
        assert_eq!((reply.status, &*reply.body), (200, "ada"), "{header:?}");
    }
}

#[tokio::test]
async fn the_challenge_says_whether_a_token_was_shown() {
    let Scene { site, .. } = &Scene::of(Stage::sqlite().await).await;
    let unknown = format!("Bearer {}", "a".repeat(40));
    for path in PATHS {
        let anonymous = site.get_with(path, &[]).await;
        assert_eq!(challenge(&anonymous), NOT_SIGNED_IN, "{path}");
        let refused = site.get_with(path, &[&unknown]).await;
        assert_eq!(challenge(&refused), BAD_TOKEN, "{path}");
        for reply in [anonymous, refused] {
            assert_eq!(reply.body, "Not signed in.");
            assert_eq!(reply.header("cache-control"), Some("no-store"));
        }
    }
    // Where no token will do, none is asked for.
    for headers in [&[][..], &[&*unknown]] {
        let reply = site.get_with("/page", headers).await;
        assert_eq!(challenge(&reply), (401, None));
    }
}

#[tokio::test]
async fn what_decided_is_named_in_vary_and_nothing_is_stored() {
    let scene = Scene::of(Stage::sqlite().await).await;
    let Scene { site, ada, bob, .. } = &scene;
    let kept_by = |reply: &Reply, path: &str| {
        assert_eq!(reply.status, 200, "{path}");
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{path}");
        reply.header("vary").unwrap().to_owned()
    };
    for path in PATHS {
        let by_token = site.get_with(path, &[&bearer(bob)]).await;
        assert_eq!(kept_by(&by_token, path), "Authorization", "{path}");
        let as_both = scene.get_as_both(path).await;
        assert_eq!(kept_by(&as_both, path), "Authorization", "{path}");
    }
    let page = site.browser_of(ada).get("/page").await;
    assert_eq!(kept_by(&page, "/page"), "Cookie");
    // That there was no token was looked at, too.
    for path in ["/either", "/by-either/plain"] {
        let by_cookie = site.browser_of(ada).get(path).await;
        assert_eq!(kept_by(&by_cookie, path), "Cookie, Authorization", "{path}");
    }
    let both = scene.get_as_both("/users").await;
    assert_eq!(kept_by(&both, "/users"), "Cookie, Authorization");
    let nobody = site.get_with("/users", &[]).await;
    assert_eq!(nobody.header("vary"), Some("Cookie, Authorization"));
}

#[tokio::test]
async fn an_outage_is_503_and_no_challenge() {
    let Scene {
        stage, site, bob, ..
    } = &Scene::of(Stage::sqlite().await).await;
    stage.probe.set_down(true);
    for path in PATHS.into_iter().chain(["/users", "/in-parallel"]) {
        let reply = site.get_with(path, &[&bearer(bob)]).await;
        assert_eq!(challenge(&reply), (503, None), "{path}");
        assert_eq!(reply.body, "Try again in a moment.");
        assert!(reply.header("retry-after").is_some());
        assert!(reply.set_cookies().is_empty());
    }
    // Who shows nothing is known to be nobody.
    let anonymous = site.get_with("/api", &[]).await;
    assert_eq!(challenge(&anonymous), NOT_SIGNED_IN);
    stage.probe.set_down(false);
    assert_eq!(site.get_with("/api", &[&bearer(bob)]).await.body, "bob");
}

#[tokio::test]
async fn a_token_costs_as_many_statements_as_a_cookie() {
    let Scene {
        stage, site, bob, ..
    } = &Scene::of(Stage::postgres().await).await;
    let cost = async |path: &str, headers: &[&str]| {
        stage.proxy().statements();
        let reply = site.get_with(path, headers).await;
        (stage.proxy().statements().len(), reply.status)
    };
    for path in PATHS {
        assert_eq!(cost(path, &[]).await, (0, 401), "{path}");
        assert_eq!(cost(path, &["Bearer x"]).await, (0, 401), "{path}");
        let unknown = format!("Bearer {}", "a".repeat(40));
        assert_eq!(cost(path, &[&unknown]).await, (1, 401), "{path}");
        assert_eq!(cost(path, &[&bearer(bob)]).await, (1, 200), "{path}");
        stage.clock.advance(2 * DAY);
        assert_eq!(cost(path, &[&bearer(bob)]).await, (2, 200), "{path}");
        assert_eq!(cost(path, &[&bearer(bob)]).await, (1, 200), "{path}");
    }
}
