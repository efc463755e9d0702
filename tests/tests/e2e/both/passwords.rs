//! Signing in with a password.

use std::pin::pin;

use futures_util::StreamExt as _;
use futures_util::future::{Either, select};
use futures_util::stream::FuturesUnordered;
use lucia::{Error, PasswordOptions};

use super::framework::{front_page, serve};
use crate::passwordless_keys::{key_without_password, refused};
use crate::support::{PASSWORD, Reply, Site, Stage, on_each_store, sign_up};

on_each_store![
    r38_whoever_is_refused_is_told_the_same,
    r45_an_empty_password_is_refused_everywhere,
    r40_a_password_is_the_same_on_every_keyboard,
    r37_more_sign_ins_than_may_wait_are_503_and_nobody_is_let_in,
    r37_sessions_are_answered_beside_a_flood_of_sign_ins,
    r41_a_banned_password_is_refused_and_nothing_is_written,
];

async fn login(site: &Site, username: &str, password: &str) -> Reply {
    let form = [("username", username), ("password", password)];
    site.browser().post("/login", &form).await
}

async fn r38_whoever_is_refused_is_told_the_same(stage: Stage) {
    let auth = stage.auth().await;
    sign_up(&auth, "ada").await;
    key_without_password(&stage, &auth).await;
    let site = serve(auth, front_page()).await;
    let mut replies = Vec::new();
    for (username, password) in refused() {
        let mut reply = login(&site, username, &password).await;
        reply.headers.remove("date");
        replies.push((reply.status, reply.headers, reply.body));
    }
    assert_eq!(replies[0].0, 401);
    assert!(
        replies.iter().all(|reply| *reply == replies[0]),
        "{replies:#?}"
    );
    assert_eq!(login(&site, "ada", PASSWORD).await.status, 204);
}

async fn r45_an_empty_password_is_refused_everywhere(stage: Stage) {
    let auth = stage.auth().await;
    sign_up(&auth, "ada").await;
    let site = serve(auth, front_page()).await;
    let form = [("username", "bob"), ("password", "")];
    assert_eq!(site.browser().post("/signup", &form).await.status, 400);
    assert_eq!(stage.count("auth_user").await, 1);
    assert_eq!(login(&site, "ada", "").await.status, 401);
    assert_eq!(login(&site, "bob", "").await.status, 401);
}

async fn r40_a_password_is_the_same_on_every_keyboard(stage: Stage) {
    let site = serve(stage.auth().await, front_page()).await;
    for (name, created, used) in [
        ("a", "pässwörd-ñ", "pa\u{308}sswo\u{308}rd-n\u{303}"),
        ("b", "ｐａｓｓｗｏｒｄ", "password"),
    ] {
        for (name, created, used) in [
            (format!("{name}1"), created, used),
            (format!("{name}2"), used, created),
        ] {
            let form = [("username", name.as_str()), ("password", created)];
            assert_eq!(site.browser().post("/signup", &form).await.status, 201);
            assert_eq!(login(&site, &name, used).await.status, 204);
        }
    }
}

async fn r37_more_sign_ins_than_may_wait_are_503_and_nobody_is_let_in(stage: Stage) {
    let options = PasswordOptions::new().at_once(1).waiting(1);
    let auth = stage.builder().await.passwords(options);
    let auth = auth.without_sign_in_limit().build().unwrap();
    sign_up(&auth, "ada").await;
    let site = serve(auth, front_page()).await;
    let logins = (0..12).map(|_| login(&site, "ada", PASSWORD));
    let replies = futures_util::future::join_all(logins).await;
    let (busy, let_in): (Vec<_>, Vec<_>) = replies.iter().partition(|reply| reply.status == 503);
    assert!(!busy.is_empty() && !let_in.is_empty());
    for reply in busy {
        assert!(reply.set_cookies().is_empty());
        assert!(reply.header("retry-after").is_some());
    }
    assert!(let_in.iter().all(|reply| reply.status == 204));
    // One session of signing up, and one for each that was let in.
    let sessions = stage.count("user_session").await;
    assert_eq!(sessions, u64::try_from(let_in.len()).unwrap() + 1);
    assert_eq!(login(&site, "ada", PASSWORD).await.status, 204);
}

async fn r37_sessions_are_answered_beside_a_flood_of_sign_ins(stage: Stage) {
    const LOGINS: usize = 60;

    let options = PasswordOptions::new().at_once(1).waiting(LOGINS);
    let auth = stage.builder().await.passwords(options).build().unwrap();
    let session = sign_up(&auth, "ada").await;
    let site = serve(auth, front_page()).await;
    let browser = site.browser_of(&session);
    // Each is another user, whom nobody knows, so that no attempt is one too many. Each is hashed.
    let names: Vec<_> = (0..LOGINS).map(|n| format!("user {n}")).collect();
    let logins = names.iter().map(|name| login(&site, name, PASSWORD));
    let mut flood: FuturesUnordered<_> = logins.collect();
    let first = flood.next().await.unwrap();
    assert_eq!(first.status, 401);
    let requests = pin!(async {
        for _ in 0..10 {
            assert_eq!(browser.get("/me").await.status, 200);
        }
    });
    let others = pin!(flood.by_ref().count());
    match select(requests, others).await {
        Either::Left(_) => {}
        Either::Right(_) => panic!("the requests waited for all of the sign-ins"),
    }
}

async fn r41_a_banned_password_is_refused_and_nothing_is_written(stage: Stage) {
    // Signed up before there was a list.
    sign_up(&stage.auth().await, "ada").await;
    let options = PasswordOptions::new().refuse_when(|password| async move {
        match password.as_str() {
            "unknown to the list" => Err(Error::unavailable("the list is away")),
            password => Ok(password == PASSWORD),
        }
    });
    let auth = stage.builder().await.passwords(options).build().unwrap();
    let site = serve(auth, front_page()).await;
    stage.probe.calls();
    for (password, status) in [(PASSWORD, 400), ("unknown to the list", 503)] {
        let form = [("username", "bob"), ("password", password)];
        let reply = site.browser().post("/signup", &form).await;
        assert_eq!(reply.status, status, "{password}");
        assert!(reply.set_cookies().is_empty());
        assert!(!reply.body.contains("list"), "{reply:?}");
    }
    assert_eq!(stage.probe.calls(), [""; 0]);
    assert_eq!(stage.count("auth_user").await, 1);

    let form = [("username", "bob"), ("password", "another password")];
    assert_eq!(site.browser().post("/signup", &form).await.status, 201);
    assert_eq!(login(&site, "ada", PASSWORD).await.status, 204);
}
