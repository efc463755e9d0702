//! Several cookies of our name: of a parent and a child domain, or of a path that was changed.

use std::time::Duration;

use lucia::{Auth, Session};
use lucia_tests::watch;
use reqwest::Method;

use super::framework::{Data, Response, answer, auth_request, front_page, serve};
use crate::support::{Profile, Reply, Site, Stage, on_each_store, sign_up};

on_each_store![
    r14_the_one_valid_session_among_several_cookies_counts_wherever_it_stands,
    r14_valid_sessions_of_two_users_are_nobody_and_the_log_says_why,
    r14_of_two_valid_sessions_of_one_user_the_newer_one_counts,
    r14_more_cookies_than_a_handful_are_nobody_without_a_query,
    an_idle_session_among_several_cookies_is_renewed,
    several_cookies_of_no_valid_session_are_nobody,
    an_outage_is_503_with_several_cookies_too,
    a_cross_origin_request_with_several_cookies_asks_nothing,
    signing_out_ends_the_sessions_of_all_cookies,
    signing_in_ends_the_sessions_of_the_other_cookies,
];

const DAY: Duration = Duration::from_secs(24 * 60 * 60);
const SECOND: Duration = Duration::from_secs(1);

async fn site(stage: &Stage) -> Site {
    let routes = front_page()
        .post("/sign-in", sign_in)
        .post("/own", own_token);
    serve(stage.auth().await, routes).await
}

/// As whoever is named, without a password.
#[auth_request]
async fn sign_in(auth: Data<Auth>, user_id: String) -> lucia::Result<Response> {
    let session = auth
        .create_session(&lucia::UserId::new(user_id).unwrap())
        .await?;
    auth_request.set_session(Some(&session));
    Ok(answer(204, &[], ""))
}

#[auth_request]
async fn own_token() -> lucia::Result<String> {
    let found = auth_request.validate_user::<Profile>().await?;
    Ok(found.map_or(String::new(), |(_, session)| session.id.to_string()))
}

fn cookie(value: &str) -> String {
    format!("__Host-auth_session={value}")
}

fn of(session: &Session) -> String {
    cookie(session.token().expose())
}

/// A request with these cookies, in one `Cookie` header and in one for each, as HTTP/2 may send
/// them, and both once more in the other order. The answers are to be the same.
async fn ask(site: &Site, start: &str, cookies: &[&str]) -> Reply {
    let mut replies = Vec::new();
    let reversed: Vec<_> = cookies.iter().rev().copied().collect();
    for cookies in [cookies, &reversed] {
        replies.push(send(site, start, &[&cookies.join("; ")]).await);
        replies.push(send(site, start, cookies).await);
    }
    let first = replies.remove(0);
    for other in replies {
        assert_eq!(
            (other.status, &other.body, other.set_cookies()),
            (first.status, &first.body, first.set_cookies()),
            "{cookies:?}"
        );
    }
    first
}

async fn send(site: &Site, start: &str, cookies: &[&str]) -> Reply {
    let origin = format!("origin: {}", site.origin());
    let mut headers: Vec<_> = cookies.iter().map(|one| format!("cookie: {one}")).collect();
    headers.push(origin);
    let headers: Vec<_> = headers.iter().map(String::as_bytes).collect();
    site.exchange(start, &headers, b"").await
}

async fn r14_the_one_valid_session_among_several_cookies_counts_wherever_it_stands(stage: Stage) {
    let site = site(&stage).await;
    let ada = sign_up(&site.auth, "ada").await;
    let expired = site.auth.create_session(&ada.user_id).await.unwrap();
    let sql = format!(
        "UPDATE user_session SET active_expires = 1, idle_expires = 1 WHERE id = '{}'",
        expired.id
    );
    stage.execute(&sql).await;
    let ended = site.auth.create_session(&ada.user_id).await.unwrap();
    site.auth.invalidate_session(&ended.id).await.unwrap();
    let unknown = cookie(&"a".repeat(40));
    let (ada, expired, ended) = (of(&ada), of(&expired), of(&ended));
    stage.probe.calls();
    for others in [
        &[unknown.as_str()][..],
        &[&expired],
        &[&ended],
        &[&unknown, &expired, &ended],
        &[&unknown, &unknown, &unknown, &unknown, &unknown],
    ] {
        let cookies = [others, &[&ada]].concat();
        let reply = ask(&site, "GET /me", &cookies).await;
        assert_eq!(
            (reply.status, reply.body.as_str()),
            (200, "Hello, ada!"),
            "{others:?}"
        );
        assert!(reply.set_cookies().is_empty(), "{reply:?}");
        assert_eq!(reply.header("cache-control"), Some("no-store"));
        assert_eq!(stage.probe.calls(), ["sessions_and_users"; 4]);
    }
    // What cannot be a token is not looked up, and the same one twice is one.
    for others in [
        &[cookie("")][..],
        &[cookie("x"), cookie(&"A".repeat(40)), cookie("\"\"")],
        std::slice::from_ref(&ada),
        &[ada.clone(), cookie("x"), ada.clone()],
    ] {
        let others: Vec<_> = others.iter().map(String::as_str).collect();
        let cookies = [&*others, &[&ada]].concat();
        let reply = ask(&site, "GET /who", &cookies).await;
        assert_eq!(reply.body, "ada", "{others:?}");
        assert_eq!(stage.probe.calls(), ["session_and_user"; 4]);
    }
}

async fn r14_valid_sessions_of_two_users_are_nobody_and_the_log_says_why(stage: Stage) {
    let site = site(&stage).await;
    let ada = sign_up(&site.auth, "ada").await;
    let bob = sign_up(&site.auth, "bob").await;
    let log = watch([ada.id.as_str()]);
    let secrets = watch([ada.token().expose(), bob.token().expose()]);
    let unknown = cookie(&"a".repeat(40));
    let cookies = [&*of(&ada), &of(&bob), &unknown];
    assert_eq!(ask(&site, "GET /who", &cookies).await.body, "nobody");
    let warnings: Vec<_> = log
        .lines()
        .into_iter()
        .filter(|line| line.starts_with("WARN"))
        .collect();
    // Once for each request.
    assert_eq!(warnings.len(), 4, "{warnings:?}");
    for word in ["path", "domain", bob.id.as_str()] {
        assert!(warnings[0].contains(word), "{warnings:?}");
    }
    assert!(secrets.lines().is_empty());
    let reply = ask(&site, "GET /me", &cookies).await;
    assert_eq!(reply.status, 401);
    assert!(reply.set_cookies().is_empty(), "{reply:?}");
}

async fn r14_of_two_valid_sessions_of_one_user_the_newer_one_counts(stage: Stage) {
    let site = site(&stage).await;
    let older = sign_up(&site.auth, "ada").await;
    stage.clock.advance(SECOND);
    let newer = site.auth.create_session(&older.user_id).await.unwrap();
    let log = watch([older.id.as_str()]);
    let cookies = [&*of(&older), &of(&newer)];
    let reply = ask(&site, "POST /own", &cookies).await;
    assert_eq!(reply.body, newer.id.as_str());
    assert!(log.lines().iter().any(|line| line.starts_with("WARN")));
    // The newer one by its creation, whichever was used last.
    stage.clock.advance(2 * DAY);
    assert_eq!(send(&site, "GET /who", &[cookies[0]]).await.body, "ada");
    let renewing = send(&site, "GET /who", &cookies).await;
    renewing.assert_renews(&newer);
    let reply = ask(&site, "POST /own", &cookies).await;
    assert_eq!(reply.body, newer.id.as_str());
    // At one moment, by their ids.
    let sql = "UPDATE user_session SET created_at = 1";
    stage.execute(sql).await;
    let reply = ask(&site, "POST /own", &cookies).await;
    assert_eq!(reply.body, older.id.clone().max(newer.id.clone()).as_str());
}

async fn r14_more_cookies_than_a_handful_are_nobody_without_a_query(stage: Stage) {
    let site = site(&stage).await;
    let ada = of(&sign_up(&site.auth, "ada").await);
    let log = watch(["session cookies"]);
    let unknown: Vec<_> = (0..40).map(|n| cookie(&format!("{n:0>40}"))).collect();
    let unknown: Vec<_> = unknown.iter().map(String::as_str).collect();
    stage.probe.calls();
    for number in [4, 5, 40] {
        let cookies = [&unknown[..number], &[&ada]].concat();
        assert_eq!(ask(&site, "GET /who", &cookies).await.body, "nobody");
        assert!(stage.probe.calls().is_empty(), "{number}");
    }
    assert!(log.lines().iter().any(|line| line.starts_with("WARN")));
    let cookies = [&unknown[..3], &[&ada]].concat();
    assert_eq!(ask(&site, "GET /who", &cookies).await.body, "ada");
}

async fn an_idle_session_among_several_cookies_is_renewed(stage: Stage) {
    let site = site(&stage).await;
    let session = sign_up(&site.auth, "ada").await;
    let unknown = cookie(&"a".repeat(40));
    stage.clock.advance(2 * DAY);
    stage.probe.calls();
    let reply = send(&site, "GET /me", &[&format!("{unknown}; {}", of(&session))]).await;
    assert_eq!(reply.body, "Hello, ada!");
    reply.assert_renews(&session);
    let calls = stage.probe.calls();
    assert_eq!(calls, ["sessions_and_users", "renew_session"]);
}

async fn several_cookies_of_no_valid_session_are_nobody(stage: Stage) {
    let site = site(&stage).await;
    let one = cookie(&"a".repeat(40));
    let other = cookie(&"b".repeat(40));
    let reply = ask(&site, "GET /me", &[&one, &other]).await;
    assert_eq!(reply.status, 401);
    assert!(reply.set_cookies().is_empty(), "{reply:?}");
    assert_eq!(reply.header("vary"), Some("Cookie"));
}

async fn an_outage_is_503_with_several_cookies_too(stage: Stage) {
    let site = site(&stage).await;
    let ada = of(&sign_up(&site.auth, "ada").await);
    let unknown = cookie(&"a".repeat(40));
    stage.probe.set_down(true);
    let reply = ask(&site, "GET /me", &[&ada, &unknown]).await;
    assert_eq!(reply.status, 503);
    assert!(reply.set_cookies().is_empty(), "{reply:?}");
}

async fn a_cross_origin_request_with_several_cookies_asks_nothing(stage: Stage) {
    let site = site(&stage).await;
    let ada = of(&sign_up(&site.auth, "ada").await);
    let unknown = cookie(&"a".repeat(40));
    stage.probe.calls();
    let browser = site.browser();
    for path in ["/who", "/logout"] {
        let forged = browser.bare(Method::POST, path);
        let forged = forged.header("origin", "https://evil.example");
        let reply = browser
            .send(forged.header("cookie", format!("{ada}; {unknown}")))
            .await;
        assert_ne!(reply.body, "ada");
        assert!(reply.set_cookies().is_empty(), "{reply:?}");
    }
    assert!(stage.probe.calls().is_empty());
}

async fn signing_out_ends_the_sessions_of_all_cookies(stage: Stage) {
    let site = site(&stage).await;
    for start in ["POST /logout", "GET /forget"] {
        let name = format!("ada {start}");
        let older = sign_up(&site.auth, &name).await;
        stage.clock.advance(SECOND);
        let newer = site.auth.create_session(&older.user_id).await.unwrap();
        let elsewhere = site.auth.create_session(&older.user_id).await.unwrap();
        let both = format!("{}; {}", of(&older), of(&newer));
        let reply = send(&site, start, &[&both]).await;
        assert!(reply.removes_cookie(), "{reply:?}");
        // Whichever of the two the browser has left.
        for cookie in [of(&older), of(&newer)] {
            assert_eq!(send(&site, "GET /who", &[&cookie]).await.body, "nobody");
        }
        assert_eq!(send(&site, "GET /who", &[&of(&elsewhere)]).await.body, name);
    }
}

async fn signing_in_ends_the_sessions_of_the_other_cookies(stage: Stage) {
    let site = site(&stage).await;
    let ada = sign_up(&site.auth, "ada").await;
    let bob = sign_up(&site.auth, "bob").await;
    let origin = format!("origin: {}", site.origin());
    let both = format!("cookie: {}; {}", of(&ada), of(&bob));
    let headers = [both.as_bytes(), origin.as_bytes()];
    let user_id = ada.user_id.as_str().as_bytes();
    let reply = site.exchange("POST /sign-in", &headers, user_id).await;
    let set = reply.set_cookie().split(';').next().unwrap();
    // Only one of the two is replaced by it.
    for left in [of(&ada), of(&bob)] {
        let reply = ask(&site, "GET /who", &[set, &left]).await;
        assert_eq!(reply.body, "ada");
    }
}

#[tokio::test]
async fn reading_the_cookie_alone_chooses_none_of_several() {
    let stage = Stage::sqlite().await;
    let auth = stage.auth().await;
    let ada = of(&sign_up(&auth, "ada").await);
    let read = |cookies: &str| {
        let request = axum::http::Request::builder().header("cookie", cookies);
        auth.read_session_cookie(&request.body(()).unwrap())
    };
    assert!(read(&ada).is_some());
    assert!(read(&format!("{ada}; {}", cookie("x"))).is_some());
    assert!(read(&format!("{ada}; {}", cookie(&"a".repeat(40)))).is_none());
}

#[tokio::test]
async fn several_cookies_cost_one_statement() {
    let stage = Stage::postgres().await;
    let site = site(&stage).await;
    let ada = of(&sign_up(&site.auth, "ada").await);
    let unknown = cookie(&"a".repeat(40));
    for _ in 0..3 {
        for (cookies, cost) in [
            (&[&*ada][..], 1),
            (&[&ada, &unknown], 1),
            (
                &[
                    &unknown,
                    &cookie(&"b".repeat(40)),
                    &cookie(&"c".repeat(40)),
                    &ada,
                ],
                1,
            ),
        ] {
            stage.proxy().statements();
            let reply = send(&site, "GET /who", cookies).await;
            assert_eq!(reply.body, "ada");
            assert_eq!(stage.proxy().statements().len(), cost, "{cookies:?}");
        }
    }
}
