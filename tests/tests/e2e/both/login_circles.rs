//! Login pages that are themselves behind a guard.

use lucia::Auth;
use lucia_tests::watch;
use reqwest::Method;

use super::framework::{Response, Routes, answer, authenticated, serve};
use crate::support::{Reply, Site, Stage, sign_up};

/// More than any way to a login page has.
const HOPS: usize = 8;

async fn page() -> &'static str {
    "page"
}

/// The way of a browser that follows redirects: where it was sent, and what it got in the end.
async fn follow(
    site: &Site,
    start: &str,
    seen_by_the_site: fn(&str) -> String,
) -> (Vec<String>, Reply) {
    let browser = site.browser();
    let mut way = vec![start.to_owned()];
    loop {
        let reply = browser.get(&seen_by_the_site(way.last().unwrap())).await;
        match reply.header("location") {
            Some(location) if way.len() <= HOPS => way.push(location.to_owned()),
            _ => return (way, reply),
        }
    }
}

fn as_it_is(location: &str) -> String {
    location.to_owned()
}

#[track_caller]
fn assert_ends((way, reply): &(Vec<String>, Reply), hops: usize) {
    assert_eq!(
        (reply.status, reply.header("location")),
        (401, None),
        "{way:#?}"
    );
    assert!(way.len() <= hops + 1, "{way:#?}");
}

async fn site(routes: impl FnOnce(&Auth) -> Routes) -> Site {
    let auth = Stage::sqlite().await.auth().await;
    let routes = routes(&auth);
    serve(auth, routes).await
}

#[tokio::test]
async fn a_login_page_in_its_own_scope_is_401_and_one_error_in_the_log() {
    let site = site(|auth| {
        Routes::default()
            .get("/scoped/login", page)
            .get("/scoped/page", page)
            .protected_or_redirect(auth, "/scoped/login")
    })
    .await;
    let logged = watch(["/scoped/login"]);
    for start in [
        "/scoped/login",
        "/scoped/login?next=%2Fscoped%2Fpage",
        "/scoped/login?a=b&next=/x&c",
        "/scoped/page",
        "/scoped/page?next=/scoped/page/2",
    ] {
        assert_ends(&follow(&site, start, as_it_is).await, 1);
    }
    let posted = site.browser().post("/scoped/login", &[]).await;
    assert_eq!(
        (posted.status, posted.header("location")),
        (303, Some("/scoped/login"))
    );
    let errors = logged.lines();
    let errors: Vec<_> = errors
        .iter()
        .filter(|line| line.contains("ERROR"))
        .collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(
        errors[0].contains("out of what the guard protects"),
        "{errors:?}"
    );
}

#[authenticated(redirect = "/attributed/login?lang=en")]
async fn login_page() -> &'static str {
    "never"
}

#[tokio::test]
async fn a_login_page_with_the_attribute_that_redirects_to_it_is_401() {
    let site = site(|_| Routes::default().any("/attributed/login", login_page)).await;
    for start in ["/attributed/login", "/attributed/login?lang=de"] {
        assert_ends(&follow(&site, start, as_it_is).await, 1);
    }
    let head = site.browser();
    let head = head
        .send(head.bare(Method::HEAD, "/attributed/login"))
        .await;
    assert_eq!((head.status, head.header("location")), (401, None));
}

/// Redirects to the path with a slash, as servers and proxies do.
#[tokio::test]
async fn a_slash_that_a_proxy_adds_is_no_way_around() {
    let site = site(|auth| {
        Routes::default()
            .get("/slash/login/", page)
            .get("/slash/login", page)
            .protected_or_redirect(auth, "/slash/login")
    })
    .await;
    let with_slash = |location: &str| location.replacen("/slash/login?", "/slash/login/?", 1);
    for start in ["/slash/login/", "/slash/login/?next=%2F", "/slash/page"] {
        assert_ends(&follow(&site, start, with_slash).await, 3);
    }
}

#[tokio::test]
async fn a_proxy_that_takes_off_a_prefix_is_no_way_around() {
    let site = site(|auth| {
        Routes::default()
            .get("/login", page)
            .get("/page", page)
            .protected_or_redirect(auth, "/mounted/login")
    })
    .await;
    let without = |location: &str| location.replacen("/mounted", "", 1);
    for start in [
        "/mounted/page",
        "/mounted/login",
        "/mounted/login?next=/page",
    ] {
        assert_ends(&follow(&site, start, without).await, 2);
    }
}

#[tokio::test]
async fn a_proxy_that_adds_a_prefix_is_no_way_around() {
    let site = site(|auth| {
        let inner = Routes::default().get("/login", page).get("/page", page);
        Routes::default()
            .below("/prefixed", inner)
            .protected_or_redirect(auth, "/login")
    })
    .await;
    let with = |location: &str| format!("/prefixed{location}");
    for start in ["/page", "/login", "/login?next=/page"] {
        assert_ends(&follow(&site, start, with).await, 2);
    }
}

#[tokio::test]
async fn another_spelling_of_the_login_page_is_no_way_around() {
    let site = site(|auth| {
        Routes::default()
            .elsewhere(page)
            .protected_or_redirect(auth, "/sign%2din")
    })
    .await;
    for start in [
        "/sign-in",
        "/sign%2Din",
        "/sign%2din",
        "/sign%2din/",
        "/%73ign-in",
    ] {
        assert_ends(&follow(&site, start, as_it_is).await, 1);
    }
}

#[authenticated(redirect = "/b")]
async fn a() -> &'static str {
    "never"
}

#[authenticated(redirect = "/a")]
async fn b() -> &'static str {
    "never"
}

#[tokio::test]
async fn two_pages_that_redirect_to_each_other_come_to_an_end() {
    let site = site(|_| Routes::default().get("/a", a).get("/b", b)).await;
    for start in ["/a", "/b", "/a?next=%2Fx", "/b?next=%2Fx%3Fnext%3D%252Fy"] {
        assert_ends(&follow(&site, start, as_it_is).await, 2);
    }
}

#[authenticated(redirect = "/admin/login")]
async fn admin() -> &'static str {
    "admin"
}

#[authenticated(redirect = "/login")]
async fn admin_login() -> Response {
    answer(200, &[], "prove it once more")
}

/// One login page may be behind another one.
#[tokio::test]
async fn a_way_over_two_login_pages_is_no_circle() {
    let auth = Stage::sqlite().await.auth().await;
    let session = sign_up(&auth, "ada").await;
    let routes = Routes::default()
        .get("/admin", admin)
        .get("/admin/login", admin_login)
        .get("/login", page);
    let site = serve(auth, routes).await;
    for (start, end) in [
        ("/admin", "/login?next=%2Fadmin%2Flogin%3Fnext%3D%252Fadmin"),
        (
            "/admin/login?next=/admin/",
            "/login?next=%2Fadmin%2Flogin%3Fnext%3D%2Fadmin%2F",
        ),
        (
            "/admin/login?next=/login",
            "/login?next=%2Fadmin%2Flogin%3Fnext%3D%2Flogin",
        ),
    ] {
        let (way, reply) = follow(&site, start, as_it_is).await;
        assert_eq!(
            (reply.status, way.last().unwrap().as_str()),
            (200, end),
            "{way:?}"
        );
    }
    let reply = site.browser_of(&session).get("/admin/login").await;
    assert_eq!(reply.status, 200);
}
