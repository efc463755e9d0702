//! The session cookie on the wire.

use std::time::Duration;

use lucia::{CookieOptions, Environment, SameSite, Session};

use super::framework::{front_page, serve};
use crate::support::{PASSWORD, Reply, Site, Stage, sign_up};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn signed_in(stage: &Stage) -> (Site, Session) {
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    stage.probe.calls();
    (serve(auth, front_page()).await, session)
}

/// The attributes of a cookie, sorted, without those that tell a time.
fn flags(cookie: &str) -> Vec<&str> {
    let is_time = |flag: &&str| flag.starts_with("Max-Age=") || flag.starts_with("Expires=");
    let mut flags: Vec<_> = cookie
        .split("; ")
        .skip(1)
        .filter(|flag| !is_time(flag))
        .collect();
    flags.sort_unstable();
    flags
}

fn max_age(cookie: &str) -> Duration {
    let age = cookie
        .split("; ")
        .find_map(|flag| flag.strip_prefix("Max-Age="));
    Duration::from_secs(age.unwrap().parse().unwrap())
}

#[tokio::test]
async fn r07_the_cookie_is_secure_http_only_lax_and_for_the_whole_host_alone() {
    let stage = Stage::postgres().await;
    let site = serve(stage.auth().await, front_page()).await;
    let form = [("username", "ada"), ("password", PASSWORD)];
    for path in ["/signup", "/login"] {
        let reply = site.browser().post(path, &form).await;
        let cookie = reply.set_cookie();
        assert_eq!(
            flags(cookie),
            ["HttpOnly", "Path=/", "SameSite=Lax", "Secure"]
        );
        assert_eq!(max_age(cookie), 15 * DAY);
    }
}

#[tokio::test]
async fn r08_its_name_has_the_host_prefix_where_it_is_secure() {
    let stage = Stage::postgres().await;
    let site = serve(stage.auth().await, front_page()).await;
    let form = [("username", "ada"), ("password", PASSWORD)];
    let reply = site.browser().post("/signup", &form).await;
    assert!(reply.set_cookie().starts_with("__Host-auth_session="));

    let development = stage.builder().await.environment(Environment::Development);
    let site = serve(development.build().unwrap(), front_page()).await;
    let reply = site.browser().post("/login", &form).await;
    assert!(reply.set_cookie().starts_with("auth_session="));
    assert_eq!(
        flags(reply.set_cookie()),
        ["HttpOnly", "Path=/", "SameSite=Lax"]
    );
}

#[tokio::test]
async fn r10_the_removal_cookie_repeats_name_path_domain_and_flags() {
    let stage = Stage::postgres().await;
    let odd = CookieOptions::new()
        .name("__Secure-sid")
        .path("/app")
        .domain("example.com")
        .same_site(SameSite::Strict);
    for cookie in [CookieOptions::new(), odd] {
        let auth = stage.builder().await.cookie(cookie).build().unwrap();
        let site = serve(auth, front_page()).await;
        let name = format!("ada {}", site.address());
        let form = [("username", name.as_str()), ("password", PASSWORD)];
        let set = site.browser().post("/signup", &form).await;
        let removal = site.browser().get("/forget").await;
        let (set, removal) = (set.set_cookie(), removal.set_cookie());
        assert_eq!(flags(set), flags(removal));
        assert_eq!(
            set.split_once('=').unwrap().0,
            removal.split_once('=').unwrap().0
        );
        assert_eq!(max_age(removal), Duration::ZERO);
        assert!(
            removal.contains("Expires=Thu, 01 Jan 1970 00:00:00 GMT"),
            "{removal}"
        );
    }
}

#[tokio::test]
async fn r11_the_cookie_is_sent_again_on_each_extension_and_never_outlives_the_session() {
    let stage = Stage::postgres().await;
    let auth = stage
        .builder()
        .await
        .absolute_period(20 * DAY)
        .build()
        .unwrap();
    let session = sign_up(&auth, "ada").await;
    let site = serve(auth, front_page()).await;
    let browser = site.browser_of(&session);
    // Each time the session has less than before to live at the most.
    for (days, left) in [(2, 15), (4, 15), (6, 14), (10, 10), (19, 1)] {
        stage.clock.set(session.created_at + days * DAY);
        let reply = browser.get("/who").await;
        assert_eq!(max_age(reply.set_cookie()), left * DAY, "day {days}");
    }
}

#[tokio::test]
async fn r11_no_cookie_asks_for_more_than_400_days() {
    let stage = Stage::postgres().await;
    let auth = stage
        .builder()
        .await
        .idle_period(1000 * DAY)
        .build()
        .unwrap();
    let session = sign_up(&auth, "ada").await;
    let cookie = auth.session_cookie(Some(&session)).to_string();
    assert_eq!(max_age(&cookie), 400 * DAY);
    let site = serve(auth, front_page()).await;
    let browser = site.browser_of(&session);
    stage.clock.advance(900 * DAY);
    let reply = browser.get("/who").await;
    assert_eq!(
        (reply.body.as_str(), max_age(reply.set_cookie())),
        ("ada", 400 * DAY)
    );
}

async fn who_with(site: &Site, cookies: &[&[u8]]) -> Reply {
    let headers: Vec<_> = cookies
        .iter()
        .map(|value| [b"cookie: ", *value].concat())
        .collect();
    let headers: Vec<_> = headers.iter().map(Vec::as_slice).collect();
    site.exchange("GET /who", &headers, b"").await
}

#[tokio::test]
async fn r13_odd_neighbours_never_hide_the_cookie() {
    let stage = Stage::postgres().await;
    let (site, session) = signed_in(&stage).await;
    let ours = format!("__Host-auth_session={}", session.token().expose()).into_bytes();
    let many = (0..100)
        .map(|n| format!("cookie{n}=value{n}"))
        .collect::<Vec<_>>()
        .join("; ");
    let neighbours: [&[u8]; 9] = [
        b"a",
        b"=x",
        b"a=%db",
        b"raw=\xff\xfe",
        b";;",
        b"__Host-auth_sessio=x",
        b"__Host-auth_session2=x",
        b"quoted=\"a; b\"",
        many.as_bytes(),
    ];
    for neighbour in neighbours {
        let before = [neighbour, b"; ", &ours].concat();
        let after = [&*ours, b"; ", neighbour].concat();
        for cookies in [
            &[&*before][..],
            &[&*after],
            &[neighbour, &*ours],
            &[&*ours, neighbour],
        ] {
            let reply = who_with(&site, cookies).await;
            assert_eq!(reply.body, "ada", "{}", String::from_utf8_lossy(neighbour));
        }
    }
}

#[tokio::test]
async fn r15_what_is_no_token_is_nobody_without_a_query() {
    let stage = Stage::postgres().await;
    let (site, session) = signed_in(&stage).await;
    let token = session.token().expose();
    let values = [
        Vec::new(),
        b"\"\"".to_vec(),
        vec![b'a'; 8 * 1024],
        token[1..].into(),
        format!("{token}0").into(),
        token.to_uppercase().into(),
        "ümläut-🦀".into(),
        b"\xff\xff".to_vec(),
        session.id.as_str().into(),
        format!("\"{token}\"").into(),
    ];
    for value in values {
        let cookie = [&b"__Host-auth_session="[..], &value].concat();
        let reply = who_with(&site, &[&cookie]).await;
        let shown = String::from_utf8_lossy(&value).into_owned();
        assert_eq!(
            (reply.status, reply.body.as_str()),
            (200, "nobody"),
            "{shown}"
        );
        assert!(reply.set_cookies().is_empty(), "{shown}");
    }
    // HTTP itself has no place for NUL.
    let reply = who_with(&site, &[b"__Host-auth_session=\0"]).await;
    assert_eq!(reply.status, 400);
    assert!(stage.probe.calls().is_empty());
    assert_eq!(
        who_with(&site, &[format!("__Host-auth_session={token}").as_bytes()])
            .await
            .body,
        "ada"
    );
}

#[tokio::test]
async fn r33_private_responses_are_not_stored_and_vary_by_cookie() {
    let stage = Stage::postgres().await;
    let (site, session) = signed_in(&stage).await;
    let of = |reply: &Reply| {
        let header = |name| reply.header(name).map(str::to_owned);
        (header("cache-control"), header("vary"))
    };
    let private = (Some("no-store".to_owned()), Some("Cookie".to_owned()));
    let browser = site.browser_of(&session);
    let form = [("username", "ada"), ("password", PASSWORD)];
    assert_eq!(of(&browser.get("/me").await), private);
    assert_eq!(of(&site.browser().post("/login", &form).await), private);
    assert_eq!(of(&site.browser().get("/forget").await), private);
    assert_eq!(of(&browser.post("/logout", &[]).await), private);
    let denied = site.browser().get("/me").await;
    assert_eq!((denied.status, of(&denied)), (401, private));
    // What nobody was asked for can be kept, for others who bring no cookie.
    let anonymous = site.browser().get("/who").await;
    assert_eq!(of(&anonymous), (None, Some("Cookie".to_owned())));
}
