//! How many statements a request costs, counted between the store and its Postgres.

use lucia::{Auth, AuthRequest, MaybeUser, Session, User};

use super::framework::{Routes, auth_request, authenticated, front_page, serve};
use crate::support::{Browser, PASSWORD, Profile, Site, Stage, sign_up};

/// What asks who sent a request. Those after the first need somebody who is signed in.
const OPEN: [&str; 3] = ["/who", "/maybe", "/open-mixture"];
const PRIVATE: [&str; 6] = [
    "/me",
    "/plain/session",
    "/plain/user",
    "/macro-mixture",
    "/in-parallel",
    "/wrapped/protected",
];

fn routes(auth: &Auth) -> Routes {
    let wrapped = Routes::default()
        .get("/protected", protected)
        .protected(auth)
        .wrapped(auth);
    front_page()
        .get("/maybe", maybe)
        .get("/open-mixture", open_mixture)
        .get("/macro-mixture", macro_mixture)
        .get("/in-parallel", in_parallel)
        .get("/plain/session", plain_session)
        .get("/plain/user", plain_user)
        .below("/wrapped", wrapped)
}

async fn maybe(_user: MaybeUser<Profile>) -> &'static str {
    "maybe"
}

async fn plain_session(_session: Session) -> &'static str {
    "session"
}

async fn plain_user(_user: User<Profile>) -> &'static str {
    "user"
}

#[auth_request]
async fn open_mixture(
    profile: MaybeUser<Profile>,
    id_only: MaybeUser,
    request: AuthRequest,
) -> lucia::Result<String> {
    let user = request.validate_user::<Profile>().await?.is_some();
    let session = request.validate().await?.is_some();
    Ok(format!(
        "{} {} {user} {session}",
        profile.0.is_some(),
        id_only.0.is_some()
    ))
}

#[authenticated]
async fn macro_mixture(
    user: User<Profile>,
    _session: Session,
    _maybe: MaybeUser<Profile>,
    _id_only: User,
) -> lucia::Result<String> {
    auth_request.validate().await?;
    auth_request.validate_user::<Profile>().await?;
    auth_request.require().await?;
    Ok(user.attributes.username)
}

#[authenticated]
async fn in_parallel() -> lucia::Result<String> {
    let users = (0..20).map(|_| auth_request.require_user::<Profile>());
    let sessions = (0..20).map(|_| auth_request.require());
    let (users, sessions) = futures_util::future::join(
        futures_util::future::try_join_all(users),
        futures_util::future::try_join_all(sessions),
    )
    .await;
    Ok(format!("{} {}", users?.len(), sessions?.len()))
}

#[authenticated]
async fn protected(user: User<Profile>, _session: Session) -> String {
    user.attributes.username
}

async fn site(stage: &Stage) -> Site {
    let auth = stage.auth().await;
    let routes = routes(&auth);
    serve(auth, routes).await
}

/// What a request executes, and its status.
async fn costs(stage: &Stage, browser: &Browser, path: &str) -> (Vec<String>, u16) {
    stage.proxy().statements();
    let reply = browser.get(path).await;
    let statements = stage.proxy().statements();
    (
        statements.into_iter().map(|one| one.sql).collect(),
        reply.status,
    )
}

#[tokio::test]
async fn an_anonymous_request_costs_nothing() {
    let stage = Stage::postgres().await;
    let site = site(&stage).await;
    let browser = site.browser();
    for path in OPEN {
        assert_eq!(costs(&stage, &browser, path).await, (vec![], 200), "{path}");
    }
    for path in PRIVATE {
        assert_eq!(costs(&stage, &browser, path).await, (vec![], 401), "{path}");
    }
}

#[tokio::test]
async fn a_garbage_token_costs_nothing() {
    let stage = Stage::postgres().await;
    let site = site(&stage).await;
    for garbage in ["", "x", &"a".repeat(39), &"A".repeat(40), &"f".repeat(64)] {
        let browser = site.browser();
        browser.keep("__Host-auth_session", garbage);
        for path in OPEN {
            assert_eq!(costs(&stage, &browser, path).await, (vec![], 200), "{path}");
        }
        for path in PRIVATE {
            assert_eq!(costs(&stage, &browser, path).await, (vec![], 401), "{path}");
        }
    }
}

#[tokio::test]
async fn an_authenticated_request_costs_one_statement_whatever_asks() {
    let stage = Stage::postgres().await;
    let site = site(&stage).await;
    let session = sign_up(&site.auth, "ada").await;
    let browser = site.browser_of(&session);
    // Also the first time on a new connection.
    for _ in 0..3 {
        for path in OPEN.iter().chain(&PRIVATE) {
            let (statements, status) = costs(&stage, &browser, path).await;
            assert_eq!(
                (statements.len(), status),
                (1, 200),
                "{path}: {statements:#?}"
            );
        }
    }
    let mixture = browser.get("/open-mixture").await;
    assert_eq!(mixture.body, "true true true true");
}

#[tokio::test]
async fn a_request_with_an_unknown_token_costs_one_statement_whatever_asks() {
    let stage = Stage::postgres().await;
    let site = site(&stage).await;
    for path in OPEN.iter().chain(&PRIVATE) {
        let browser = site.browser();
        browser.keep("__Host-auth_session", &"a".repeat(40));
        let (statements, _) = costs(&stage, &browser, path).await;
        assert_eq!(statements.len(), 1, "{path}: {statements:#?}");
    }
}

#[tokio::test]
async fn a_renewal_costs_one_more() {
    let stage = Stage::postgres().await;
    let site = site(&stage).await;
    let session = sign_up(&site.auth, "ada").await;
    let browser = site.browser_of(&session);
    for path in OPEN.iter().chain(&PRIVATE) {
        stage
            .clock
            .set(session.active_expires + std::time::Duration::from_millis(1));
        // Back to where it was.
        let sql = "UPDATE user_session SET active_expires = 0 RETURNING 1";
        assert_eq!(stage.rows(sql).await.len(), 1);
        let (statements, status) = costs(&stage, &browser, path).await;
        assert_eq!(
            (statements.len(), status),
            (2, 200),
            "{path}: {statements:#?}"
        );
        assert!(statements[1].starts_with("UPDATE"), "{statements:#?}");
    }
}

#[tokio::test]
async fn signing_up_in_and_out_cost_one_statement_for_each_thing_done() {
    let stage = Stage::postgres().await;
    let site = site(&stage).await;
    let browser = site.browser();
    let form = [("username", "ada"), ("password", PASSWORD)];
    let cost = async |path: &str| {
        stage.proxy().statements();
        let reply = browser.post(path, &form).await;
        assert!(reply.status < 300, "{reply:?}");
        stage.proxy().statements().len()
    };
    // The user with their key; the session.
    assert_eq!(cost("/signup").await, 2);
    // The attempt in both places, and the key; the same places, to take it back; the session.
    assert_eq!(cost("/login").await, 3);
    // The lookup; the deletion.
    assert_eq!(cost("/logout").await, 2);
}
