//! `User`, `Session`, `MaybeUser` and `AuthRequest` as parameters of plain handlers.

use lucia::{AuthRequest, MaybeSession, MaybeUser, Session, User};
use lucia_tests::watch;
use reqwest::Method;

use super::framework::{
    NO_AUTH, OPTION_DURING_AN_OUTAGE, Routes, auth_request, authenticated, serve,
    serve_without_auth,
};
use crate::support::{Profile, Reply, Site, Stage, on_each_store, sign_up};

on_each_store![
    who_is_signed_in_is_there_in_every_parameter,
    who_is_anonymous_is_401_where_somebody_is_asked_for,
    the_cookie_of_a_expired_session_is_anonymous,
    an_unsafe_request_of_another_origin_is_403_where_somebody_is_asked_for,
    r48_an_outage_is_503_and_never_anonymous,
];

/// The paths of handlers with one parameter each.
const USER: &str = "/user";
const SESSION: &str = "/session";
const BOTH: &str = "/both";
const MAYBE_USER: &str = "/maybe-user";
const MAYBE_ID: &str = "/maybe-id";
const MAYBE_SESSION: &str = "/maybe-session";
const OPTIONAL_USER: &str = "/optional-user";
const OPTIONAL_SESSION: &str = "/optional-session";
const VALIDATING: &str = "/validating";
const AUTHENTICATING: &str = "/authenticating";
const UNASKED: &str = "/unasked";

/// Those that an anonymous request reaches.
const ASKING_NOBODY_TO_SIGN_IN: [&str; 6] = [
    MAYBE_USER,
    MAYBE_ID,
    MAYBE_SESSION,
    OPTIONAL_USER,
    OPTIONAL_SESSION,
    VALIDATING,
];

fn routes() -> Routes {
    Routes::default()
        .any(USER, user)
        .any(SESSION, session)
        .any(BOTH, both)
        .any(MAYBE_USER, maybe_user)
        .any(MAYBE_ID, maybe_id)
        .any(MAYBE_SESSION, maybe_session)
        .any(OPTIONAL_USER, optional_user)
        .any(OPTIONAL_SESSION, optional_session)
        .any(VALIDATING, validating)
        .any(AUTHENTICATING, authenticating)
        .any(UNASKED, unasked)
        .get("/auth-request", with_auth_request)
        .get("/authenticated", with_authenticated)
        .get("/redirect", with_redirect)
}

async fn user(user: User<Profile>) -> String {
    user.attributes.username
}

async fn session(session: Session) -> String {
    session.user_id.to_string()
}

async fn both(session: Session, user: User) -> String {
    (session.user_id == user.id).to_string()
}

async fn maybe_user(MaybeUser(user): MaybeUser<Profile>) -> String {
    user.map_or("nobody".to_owned(), |user| user.attributes.username)
}

async fn maybe_id(MaybeUser(user): MaybeUser) -> String {
    user.map_or("nobody".to_owned(), |user| user.id.to_string())
}

async fn maybe_session(MaybeSession(session): MaybeSession) -> String {
    session.map_or("nobody".to_owned(), |session| session.user_id.to_string())
}

async fn optional_user(user: Option<User<Profile>>) -> String {
    user.map_or("nobody".to_owned(), |user| user.attributes.username)
}

async fn optional_session(session: Option<Session>) -> String {
    session.map_or("nobody".to_owned(), |session| session.user_id.to_string())
}

async fn validating(auth_request: AuthRequest) -> lucia::Result<String> {
    let session = auth_request.validate().await?;
    Ok(session.map_or("nobody".to_owned(), |session| session.user_id.to_string()))
}

async fn authenticating(auth_request: AuthRequest) -> lucia::Result<String> {
    let (user, _) = auth_request.require_user::<Profile>().await?;
    Ok(user.attributes.username)
}

async fn unasked(_auth_request: AuthRequest) -> &'static str {
    "nobody was asked"
}

#[auth_request]
async fn with_auth_request() -> &'static str {
    ""
}

#[authenticated]
async fn with_authenticated() -> &'static str {
    ""
}

#[authenticated(redirect = "/login")]
async fn with_redirect() -> &'static str {
    ""
}

async fn site(stage: &Stage) -> (Site, Session) {
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    (serve(auth, routes()).await, session)
}

#[track_caller]
fn assert_reply(reply: &Reply, path: &str, status: u16, body: &str) {
    assert_eq!(
        (reply.status, reply.body.as_str()),
        (status, body),
        "{path}: {reply:?}"
    );
}

async fn who_is_signed_in_is_there_in_every_parameter(stage: Stage) {
    let (site, session) = site(&stage).await;
    let browser = site.browser_of(&session);
    let id = session.user_id.as_str();
    for (path, body) in [
        (USER, "ada"),
        (SESSION, id),
        (BOTH, "true"),
        (MAYBE_USER, "ada"),
        (MAYBE_ID, id),
        (MAYBE_SESSION, id),
        (OPTIONAL_USER, "ada"),
        (OPTIONAL_SESSION, id),
        (VALIDATING, id),
        (AUTHENTICATING, "ada"),
        (UNASKED, "nobody was asked"),
    ] {
        assert_reply(&browser.get(path).await, path, 200, body);
        assert_reply(&browser.post(path, &[]).await, path, 200, body);
    }
}

async fn who_is_anonymous_is_401_where_somebody_is_asked_for(stage: Stage) {
    let (site, _) = site(&stage).await;
    stage.probe.calls();
    let browser = site.browser();
    for path in [USER, SESSION, BOTH, AUTHENTICATING] {
        assert_reply(&browser.get(path).await, path, 401, "Not signed in.");
        assert_reply(&browser.post(path, &[]).await, path, 401, "Not signed in.");
    }
    for path in ASKING_NOBODY_TO_SIGN_IN {
        assert_reply(&browser.get(path).await, path, 200, "nobody");
    }
    assert_reply(
        &browser.get(UNASKED).await,
        UNASKED,
        200,
        "nobody was asked",
    );
    assert!(stage.probe.calls().is_empty());
}

async fn the_cookie_of_a_expired_session_is_anonymous(stage: Stage) {
    let (site, session) = site(&stage).await;
    site.auth.invalidate_session(&session.id).await.unwrap();
    for path in [USER, SESSION, BOTH, AUTHENTICATING] {
        let reply = site.browser_of(&session).get(path).await;
        assert_reply(&reply, path, 401, "Not signed in.");
    }
    for path in ASKING_NOBODY_TO_SIGN_IN {
        let reply = site.browser_of(&session).get(path).await;
        assert_reply(&reply, path, 200, "nobody");
    }
}

async fn an_unsafe_request_of_another_origin_is_403_where_somebody_is_asked_for(stage: Stage) {
    let (site, session) = site(&stage).await;
    stage.probe.calls();
    let browser = site.browser_of(&session);
    let post = async |path| {
        let request = browser.bare(Method::POST, path);
        let reply = browser
            .send(request.header("origin", "https://evil.example"))
            .await;
        assert!(reply.set_cookies().is_empty(), "{path}");
        reply
    };
    for path in [USER, SESSION, BOTH, AUTHENTICATING] {
        let sentence = "The origin of this request is missing or not allowed.";
        assert_reply(&post(path).await, path, 403, sentence);
    }
    for path in ASKING_NOBODY_TO_SIGN_IN {
        assert_reply(&post(path).await, path, 200, "nobody");
    }
    assert!(stage.probe.calls().is_empty());
}

async fn r48_an_outage_is_503_and_never_anonymous(stage: Stage) {
    let (site, session) = site(&stage).await;
    let browser = site.browser_of(&session);
    stage.probe.set_down(true);
    for path in [
        USER,
        SESSION,
        BOTH,
        MAYBE_USER,
        MAYBE_ID,
        MAYBE_SESSION,
        VALIDATING,
        AUTHENTICATING,
    ] {
        let reply = browser.get(path).await;
        assert_reply(&reply, path, 503, "Try again in a moment.");
        assert!(reply.header("retry-after").is_some(), "{path}");
        assert!(reply.set_cookies().is_empty(), "{path}");
    }
    for path in [OPTIONAL_USER, OPTIONAL_SESSION] {
        // actix-web makes `None` of every error, before lucia sees the `Option`.
        let (status, body) = OPTION_DURING_AN_OUTAGE;
        assert_reply(&browser.get(path).await, path, status, body);
    }
    // Nobody has asked the store here.
    assert_reply(
        &browser.get(UNASKED).await,
        UNASKED,
        200,
        "nobody was asked",
    );
    assert_reply(&site.browser().get(USER).await, USER, 401, "Not signed in.");
}

/// One test for all, since the log is that of the whole process.
#[tokio::test]
async fn without_an_auth_everything_is_500_and_the_log_says_what_to_add() {
    let stage = Stage::sqlite().await;
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    let site = serve_without_auth(auth, routes()).await;
    let browser = site.browser_of(&session);
    let (complaint, advice) = NO_AUTH;
    for path in [
        USER,
        SESSION,
        MAYBE_USER,
        UNASKED,
        "/auth-request",
        "/authenticated",
        "/redirect",
    ] {
        let log = watch([complaint]);
        let reply = browser.get(path).await;
        assert_reply(&reply, path, 500, "Internal error.");
        assert_eq!(reply.header("location"), None, "{path}");
        assert!(reply.set_cookies().is_empty(), "{path}");
        let lines = log.lines();
        assert_eq!(lines.len(), 1, "{path}: {lines:?}");
        assert!(lines[0].starts_with("ERROR lucia::"), "{path}: {lines:?}");
        assert!(lines[0].ends_with(advice), "{path}: {lines:?}");
    }
}
