//! Handlers that put the session cookie on a response by themselves.

use lucia::{Auth, MaybeUser, Session};
use lucia_tests::watch;
use reqwest::Method;
use serde::Deserialize;
use url::form_urlencoded::Serializer;

use super::framework::{
    Query, Response, Routes, answer, auth_request, authenticated, serve, streamed, with_cookie,
};
use crate::support::{Browser, Profile, Reply, Site, Stage, sign_up};

const NAME: &str = "__Host-auth_session";

/// What the handler does by hand.
#[derive(Deserialize)]
struct ByHand {
    /// Values of `Set-Cookie`, one a line.
    set: String,
    status: Option<u16>,
    cache: Option<String>,
    streamed: Option<bool>,
}

fn by_hand(by_hand: &ByHand) -> Response {
    let mut headers: Vec<_> = by_hand
        .set
        .lines()
        .map(|line| ("set-cookie", line))
        .collect();
    if let Some(cache) = &by_hand.cache {
        headers.push(("cache-control", cache));
    }
    let status = by_hand.status.unwrap_or(200);
    if status == 303 {
        headers.push(("location", "/elsewhere"));
    }
    if by_hand.streamed == Some(true) {
        let response = streamed(["a", "b"]);
        return by_hand.set.lines().fold(response, with_cookie);
    }
    answer(status, &headers, "")
}

#[auth_request]
async fn attribute(Query(what): Query<ByHand>) -> Response {
    by_hand(&what)
}

#[authenticated(bearer)]
async fn bearer(Query(what): Query<ByHand>) -> Response {
    by_hand(&what)
}

#[authenticated(cookie, bearer)]
async fn either(Query(what): Query<ByHand>) -> Response {
    by_hand(&what)
}

async fn plain(Query(what): Query<ByHand>) -> Response {
    by_hand(&what)
}

/// Looks who it is, which renews or removes.
#[auth_request]
async fn looked(_user: MaybeUser<Profile>, Query(what): Query<ByHand>) -> Response {
    by_hand(&what)
}

#[auth_request]
async fn signed_out(Query(what): Query<ByHand>) -> Response {
    auth_request.set_session(None);
    by_hand(&what)
}

fn routes(auth: &Auth) -> Routes {
    let wrapped = Routes::default().any("/plain", plain).wrapped(auth);
    Routes::default()
        .any("/attribute", attribute)
        .any("/bearer", bearer)
        .any("/either", either)
        .any("/looked", looked)
        .any("/signed-out", signed_out)
        .below("/wrapped", wrapped)
}

/// Wherever a handler can stand.
const PLACES: [&str; 3] = ["/attribute", "/looked", "/wrapped/plain"];

struct Made {
    stage: Stage,
    site: Site,
    session: Session,
}

async fn made() -> Made {
    let stage = Stage::sqlite().await;
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    let routes = routes(&auth);
    let site = serve(auth, routes).await;
    Made {
        stage,
        site,
        session,
    }
}

impl Made {
    /// The `Set-Cookie` of another session.
    async fn another(&self) -> String {
        let another = self.site.auth.create_session(&self.session.user_id).await;
        self.site
            .auth
            .session_cookie(Some(&another.unwrap()))
            .to_string()
    }
}

const OWN: &[(&str, &str)] = &[];
const FOREIGN: &[(&str, &str)] = &[("origin", "https://evil.example")];

async fn post(
    browser: &Browser,
    path: &str,
    by_hand: &[(&str, &str)],
    headers: &[(&str, &str)],
) -> Reply {
    let query = Serializer::new(String::new())
        .extend_pairs(by_hand)
        .finish();
    let path = &format!("{path}?{query}");
    let mut request = match headers.iter().any(|(name, _)| *name == "origin") {
        true => browser.bare(Method::POST, path),
        false => browser.request(Method::POST, path),
    };
    for (name, value) in headers {
        request = request.header(*name, *value);
    }
    // It is not kept, so that the next request brings the same cookie.
    let response = request.send().await.unwrap();
    Reply {
        status: response.status().as_u16(),
        headers: response.headers().clone(),
        body: response.text().await.unwrap(),
    }
}

#[tokio::test]
async fn r33_a_response_that_carries_the_cookie_is_kept_by_nobody_however_it_got_there() {
    let made = made().await;
    let cookie = made.another().await;
    for (path, more) in [
        ("/attribute", &[][..]),
        ("/wrapped/plain", &[]),
        ("/attribute", &[("status", "303")]),
        ("/wrapped/plain", &[("status", "303")]),
        ("/attribute", &[("status", "422")]),
        ("/attribute", &[("streamed", "true")]),
        ("/wrapped/plain", &[("streamed", "true")]),
    ] {
        let by_hand = [&[("set", cookie.as_str())], more].concat();
        let reply = post(&made.site.browser(), path, &by_hand, OWN).await;
        assert_eq!(reply.set_cookies(), [cookie.as_str()], "{path} {more:?}");
        assert_eq!(
            reply.header("cache-control"),
            Some("no-store"),
            "{path} {more:?}"
        );
        assert_eq!(reply.header("vary"), Some("Cookie"), "{path} {more:?}");
        let chosen = [&by_hand[..], &[("cache", "private")]].concat();
        let reply = post(&made.site.browser(), path, &chosen, OWN).await;
        if !more.contains(&("streamed", "true")) {
            assert_eq!(reply.header("cache-control"), Some("private"), "{path}");
        }
    }
    // Another cookie is the handler's own business.
    let other = [("set", "theme=dark")];
    let reply = post(&made.site.browser(), "/attribute", &other, OWN).await;
    assert_eq!(reply.set_cookies(), ["theme=dark"]);
    assert_eq!(reply.header("cache-control"), None);
}

#[tokio::test]
async fn a_refused_request_of_another_origin_gets_no_session_cookie_however_it_was_put_there() {
    let made = made().await;
    let cookie = made.another().await;
    let set = format!("{cookie}\ntheme=dark\n{cookie}");
    let browsers = [made.site.browser(), made.site.browser_of(&made.session)];
    let logged = watch(["was taken off the response"]);
    for browser in &browsers {
        for path in PLACES {
            for more in [
                &[][..],
                &[("status", "303")],
                &[("status", "500")],
                &[("streamed", "true")],
            ] {
                let by_hand = [&[("set", set.as_str())], more].concat();
                let reply = post(browser, path, &by_hand, FOREIGN).await;
                assert_eq!(reply.set_cookies(), ["theme=dark"], "{path} {more:?}");
            }
        }
    }
    let logged = logged.lines();
    assert!(
        logged
            .iter()
            .any(|line| line.contains(" WARN ") || line.starts_with("WARN"))
    );
}

#[tokio::test]
async fn r32_whoever_comes_by_a_bearer_token_gets_no_session_cookie() {
    let made = made().await;
    let cookie = made.another().await;
    let by_hand = [("set", cookie.as_str())];
    let token = format!("Bearer {}", made.session.token().expose());
    for path in ["/bearer", "/either"] {
        let headers = [("authorization", token.as_str())];
        let reply = post(&made.site.browser(), path, &by_hand, &headers).await;
        assert_eq!(
            (reply.status, reply.set_cookies().len()),
            (200, 0),
            "{path}"
        );
    }
    // By the cookie, it is a browser.
    let browser = made.site.browser_of(&made.session);
    let reply = post(&browser, "/either", &by_hand, OWN).await;
    assert_eq!(reply.set_cookies(), [cookie.as_str()]);
}

/// RFC 6265bis, 5.6: white space around the name is dropped, its case counts, and what has no name
/// is sent back without one.
#[tokio::test]
async fn the_name_is_compared_as_browsers_read_it() {
    let made = made().await;
    for ours in [
        "__Host-auth_session=x; Path=/; Secure",
        "__Host-auth_session=",
        "__Host-auth_session=\"x\"",
        "__Host-auth_session = x",
        "__Host-auth_session\t=x",
        " __Host-auth_session=x",
        "__Host-auth_session=x=y",
        "=__Host-auth_session=x",
        " = __Host-auth_session=x",
        "__Host-auth_session=; Max-Age=0",
    ] {
        for path in PLACES {
            let reply = post(&made.site.browser(), path, &[("set", ours)], FOREIGN).await;
            assert!(reply.set_cookies().is_empty(), "{ours:?} {path}");
            let reply = post(&made.site.browser(), path, &[("set", ours)], OWN).await;
            assert_eq!(reply.header("cache-control"), Some("no-store"), "{ours:?}");
        }
    }
    for other in [
        "__host-auth_session=x",
        "__HOST-AUTH_SESSION=x",
        "__Host-auth_session2=x",
        "__Host-auth_sessio=x",
        "auth_session=x",
        "a=__Host-auth_session=x",
        "a; __Host-auth_session=x",
        "__Host-auth_session",
        "__Host-auth_session; a=b",
        "\"__Host-auth_session\"=x",
        "==__Host-auth_session=x",
    ] {
        for path in PLACES {
            let reply = post(&made.site.browser(), path, &[("set", other)], FOREIGN).await;
            assert_eq!(reply.set_cookies(), [other], "{path}");
        }
    }
}

#[tokio::test]
async fn what_the_application_tells_the_request_counts_more_than_a_cookie_by_hand() {
    let made = made().await;
    let cookie = made.another().await;
    let browser = made.site.browser_of(&made.session);
    let set = format!("{cookie}\ntheme=dark");
    let reply = post(&browser, "/signed-out", &[("set", &set)], OWN).await;
    let cookies = reply.set_cookies();
    assert_eq!(cookies.len(), 2, "{cookies:?}");
    assert_eq!(cookies[0], "theme=dark");
    assert!(cookies[1].starts_with(&format!("{NAME}=;")), "{cookies:?}");
}

#[tokio::test]
async fn a_cookie_by_hand_counts_more_than_a_renewal_or_the_removal_of_a_expired_one() {
    let made = made().await;
    let browser = made.site.browser_of(&made.session);
    let day = std::time::Duration::from_secs(24 * 60 * 60);
    made.stage.clock.advance(2 * day);
    let cookie = made.another().await;
    let reply = post(&browser, "/looked", &[("set", &cookie)], OWN).await;
    assert_eq!(
        reply.set_cookies(),
        [cookie.as_str()],
        "in place of a renewal"
    );

    made.site
        .auth
        .invalidate_session(&made.session.id)
        .await
        .unwrap();
    let reply = post(&browser, "/looked", &[("set", &cookie)], OWN).await;
    assert_eq!(
        reply.set_cookies(),
        [cookie.as_str()],
        "in place of a removal"
    );
    assert_eq!(reply.header("cache-control"), Some("no-store"));
}
