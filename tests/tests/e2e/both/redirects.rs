//! `#[authenticated(redirect = "/login")]`: who is sent to sign in, and where they go afterwards.

use lucia::{Auth, LocalPath, Session, User, UserId};
use reqwest::Method;
use serde::Deserialize;
use url::Url;

use super::framework::{Data, Query, Response, Routes, answer, auth_request, authenticated, serve};
use crate::support::{Profile, Reply, Site, Stage, sign_up};

#[authenticated(redirect = "/login")]
async fn page(user: User<Profile>) -> String {
    user.attributes.username
}

#[authenticated(redirect = "/login?lang=en")]
async fn page_in_english() -> &'static str {
    "English"
}

#[derive(Deserialize)]
struct Next {
    #[serde(default)]
    next: LocalPath,
}

/// Signs in whoever comes, and sends them on.
#[auth_request]
async fn sign_in(
    auth: Data<Auth>,
    user_id: Data<UserId>,
    query: Query<Next>,
) -> lucia::Result<Response> {
    let session = auth.create_session(&**user_id).await?;
    auth_request.set_session(Some(&session));
    Ok(answer(303, &[("location", query.next.as_str())], ""))
}

/// A site whose every path is a private page.
async fn site(stage: &Stage) -> (Site, Session) {
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    let routes = Routes::default()
        .post("/login", sign_in)
        .get("/english", page_in_english)
        .elsewhere(page)
        .give(session.user_id.clone());
    (serve(auth, routes).await, session)
}

/// The only `Location`.
#[track_caller]
fn location(reply: &Reply) -> &str {
    let locations: Vec<_> = reply.headers.get_all("location").iter().collect();
    assert_eq!(locations.len(), 1, "{reply:?}");
    locations[0].to_str().unwrap()
}

#[tokio::test]
async fn a_page_sends_who_is_not_signed_in_to_sign_in_and_says_where_they_wanted_to_go() {
    let (site, _) = site(&Stage::sqlite().await).await;
    for (path, next) in [
        ("/", "/login?next=%2F"),
        ("/orders", "/login?next=%2Forders"),
        (
            "/orders?page=2&next=/x#top",
            "/login?next=%2Forders%3Fpage%3D2%26next%3D%2Fx",
        ),
        ("/english", "/login?lang=en&next=%2Fenglish"),
    ] {
        let reply = site.browser().get(path).await;
        assert_eq!(reply.status, 303, "{path}");
        assert_eq!(location(&reply), next);
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert_eq!(reply.body, "");
    }
}

#[tokio::test]
async fn who_is_signed_in_gets_the_page() {
    let (site, session) = site(&Stage::sqlite().await).await;
    let reply = site.browser_of(&session).get("/orders").await;
    assert_eq!((reply.status, reply.body.as_str()), (200, "ada"));
    assert_eq!(reply.header("location"), None);
}

#[tokio::test]
async fn the_cookie_of_a_expired_session_is_left_on_the_way_to_sign_in() {
    let (site, session) = site(&Stage::sqlite().await).await;
    site.auth.invalidate_session(&session.id).await.unwrap();
    let reply = site.browser_of(&session).get("/orders").await;
    assert_eq!(reply.status, 303);
    assert!(reply.set_cookies().is_empty());
}

#[tokio::test]
async fn an_unsafe_request_is_sent_to_sign_in_without_a_page_to_go_on_to() {
    let (site, _) = site(&Stage::sqlite().await).await;
    let start = "DELETE /orders/7";
    // Nobody waits for its body.
    let reply = site.exchange_part(start, &[], 4096, b"").await;
    assert_eq!((reply.status, location(&reply)), (303, "/login"));
}

#[tokio::test]
async fn an_unsafe_request_of_another_origin_is_403_and_not_sent_to_sign_in() {
    let (site, session) = site(&Stage::sqlite().await).await;
    let browser = site.browser_of(&session);
    let request = browser.bare(Method::POST, "/orders");
    let reply = browser
        .send(request.header("origin", "https://evil.example"))
        .await;
    assert_eq!(reply.status, 403);
    assert_eq!(reply.header("location"), None);
    assert!(reply.set_cookies().is_empty());
}

#[tokio::test]
async fn r48_during_an_outage_nobody_is_sent_to_sign_in() {
    let stage = Stage::sqlite().await;
    let (site, session) = site(&stage).await;
    stage.probe.set_down(true);
    let reply = site.browser_of(&session).get("/orders").await;
    assert_eq!(reply.status, 503);
    assert_eq!(reply.header("location"), None);
    assert!(reply.set_cookies().is_empty());
    assert!(reply.header("retry-after").is_some());
}

#[tokio::test]
async fn signing_in_leads_back_to_the_page_that_was_asked_for() {
    let (site, _) = site(&Stage::sqlite().await).await;
    let browser = site.browser();
    let sent_away = browser.get("/orders?page=2").await;
    let signed_in = browser.post(location(&sent_away), &[]).await;
    assert_eq!(location(&signed_in), "/orders?page=2");
    assert_eq!(browser.get(location(&signed_in)).await.body, "ada");
}

/// Signs in where `reply` leads to, and asserts that a browser stays on the site all the way.
async fn assert_stays(site: &Site, reply: &Reply, asked: &str) {
    let home = Url::parse(&site.origin()).unwrap();
    let stays = |location: &str| {
        let target = home.join(location).unwrap();
        assert_eq!(target.origin(), home.origin(), "{asked}: {location}");
    };
    let login = location(reply);
    stays(login);
    assert!(
        login == "/login" || login.starts_with("/login?next=%2F"),
        "{asked}: {login}"
    );
    let signed_in = site.browser().post(login, &[]).await;
    assert_eq!(signed_in.status, 303, "{asked}");
    stays(location(&signed_in));
    assert!(reply.header("x-evil").is_none() && signed_in.header("x-evil").is_none());
}

#[tokio::test]
async fn r57_next_after_login_is_only_a_path_of_this_site() {
    let (site, _) = site(&Stage::sqlite().await).await;
    for (target, next) in [
        ("//evil.example/x", None),
        ("///evil.example/x", None),
        ("//evil.example@127.0.0.1/", None),
        ("/%2F/evil.example", Some("%2F%252F%2Fevil.example")),
        ("/%5Cevil.example", Some("%2F%255Cevil.example")),
        ("/x%0d%0aX-Evil:%201", Some("%2Fx%250d%250aX-Evil%3A%25201")),
        ("/x%0d%0a%0d%0abody", Some("%2Fx%250d%250a%250d%250abody")),
        ("/%09/evil.example", Some("%2F%2509%2Fevil.example")),
        // A proxy's form of a request: the path is taken, the host is not.
        ("http://evil.example/x", Some("%2Fx")),
        ("http://evil.example//evil.example/x", None),
        ("https://user@evil.example:8443/x?y", Some("%2Fx%3Fy")),
        ("http://evil.example", Some("%2F")),
    ] {
        let reply = site.exchange(&format!("GET {target}"), &[], b"").await;
        assert_eq!(reply.status, 303, "{target}: {reply:?}");
        let expected = match next {
            Some(next) => format!("/login?next={next}"),
            None => "/login".to_owned(),
        };
        assert_eq!(location(&reply), expected, "{target}");
        assert_stays(&site, &reply, target).await;
    }
}

#[tokio::test]
async fn r57_a_target_that_http_has_no_place_for_leads_nowhere_else() {
    let (site, _) = site(&Stage::sqlite().await).await;
    for start in [
        "GET /\\evil.example/x",
        "GET \\\\evil.example",
        "GET /x\\..\\\\evil.example",
        "GET /\t/evil.example",
        "GET evil.example/x",
        "GET javascript:alert(1)",
        "OPTIONS *",
        "GET /\u{e9}",
        "GET /x\rx-evil:1",
    ] {
        let reply = site.exchange(start, &[], b"").await;
        match reply.status {
            303 => {
                assert_eq!(location(&reply), "/login", "{start:?}");
                assert_stays(&site, &reply, start).await;
            }
            status => {
                assert_eq!(status, 400, "{start:?}: {reply:?}");
                assert_eq!(reply.header("location"), None, "{start:?}");
            }
        }
    }
}

#[tokio::test]
async fn r57_a_forged_next_leads_to_the_front_page() {
    let (site, _) = site(&Stage::sqlite().await).await;
    // Without any, it is the front page as well.
    let reply = site.browser().post("/login", &[]).await;
    assert_eq!((reply.status, location(&reply)), (303, "/"));
    for next in [
        "//evil.example",
        "%2F%2Fevil.example",
        "/%5Cevil.example",
        "%5C%5Cevil.example",
        "https://evil.example",
        "https:evil.example",
        "javascript:alert(1)",
        "evil.example",
        "/%09/evil.example",
        "/%0d%0aX-Evil:%201",
        "/%0a/evil.example",
        "%20//evil.example",
        "/%00",
        "",
    ] {
        let login = format!("/login?next={next}");
        let reply = site.browser().post(&login, &[]).await;
        assert_eq!((reply.status, location(&reply)), (303, "/"), "{next}");
        assert!(reply.header("x-evil").is_none(), "{next}");
    }
}
