//! Tokens in `Authorization: Bearer`, alone and beside a cookie.

mod choices;
mod headers;

use std::time::Duration;

use lucia::{AuthRequest, Guard, MaybeUser, Session, User};
use reqwest::Method;

use super::framework::{Routes, auth_request, authenticated, serve};
use crate::support::{Profile, Reply, Site, Stage, bearer, on_each_store, sign_up};

on_each_store![
    r02_r23_nothing_in_the_database_is_a_bearer_token,
    r32_a_bearer_never_gets_a_cookie_also_when_the_session_is_renewed,
    r32_the_token_and_the_cookie_never_share_a_result,
    a_session_that_was_ended_is_refused_and_the_client_is_told_why,
];

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

const NOT_SIGNED_IN: (u16, Option<&str>) = (401, Some("Bearer"));
const BAD_TOKEN: (u16, Option<&str>) = (401, Some("Bearer error=\"invalid_token\""));

fn routes() -> Routes {
    Routes::default()
        .get("/api", api)
        .post("/api", api)
        .get("/either", either)
        .post("/either", either)
        .get("/either-or-login", either_or_login)
        .get("/leave", leave)
        .get("/api/who", asks_who_was_let_in)
        .get("/page", page)
        .get("/plain", plain)
        .get("/maybe", maybe)
        .get("/bearer-then-cookie", bearer_then_cookie)
        .get("/cookie-then-bearer", cookie_then_bearer)
        .get("/in-parallel", in_parallel)
        .get("/users", users)
}

#[authenticated(bearer)]
async fn api(user: User<Profile>, session: Session, maybe: MaybeUser<Profile>) -> String {
    names(&user, &session, maybe)
}

#[authenticated(cookie, bearer)]
async fn either(maybe: MaybeUser<Profile>, user: User<Profile>, session: Session) -> String {
    names(&user, &session, maybe)
}

#[authenticated(cookie, bearer, redirect = "/login")]
async fn either_or_login() -> &'static str {
    "in"
}

#[authenticated(bearer)]
async fn asks_who_was_let_in() -> lucia::Result<String> {
    let found = auth_request.validate_user::<Profile>().await?;
    let session = auth_request.validate().await?;
    Ok(match (session, found) {
        (Some(session), Some((user, same))) if session.id == same.id => user.username.clone(),
        found => format!("{found:?}"),
    })
}

/// One log-out for whoever comes by either.
#[authenticated(cookie, bearer)]
async fn leave(session: Session) -> lucia::Result<&'static str> {
    auth_request.auth().invalidate_session(&session.id).await?;
    auth_request.set_session(None);
    Ok("out")
}

#[authenticated]
async fn page(session: Session, user: User<Profile>, maybe: MaybeUser<Profile>) -> String {
    names(&user, &session, maybe)
}

/// Without an attribute: what surrounds it decides.
async fn plain(user: User<Profile>, session: Session, maybe: MaybeUser<Profile>) -> String {
    names(&user, &session, maybe)
}

async fn maybe(MaybeUser(user): MaybeUser<Profile>) -> String {
    user.map_or("nobody".to_owned(), |user| user.attributes.username)
}

#[auth_request]
async fn bearer_then_cookie() -> lucia::Result<String> {
    let bearer = auth_request.validate_bearer_token().await?;
    let cookie = auth_request.validate().await?;
    ids(&auth_request, &cookie, &bearer).await
}

#[auth_request]
async fn cookie_then_bearer() -> lucia::Result<String> {
    let cookie = auth_request.validate().await?;
    let bearer = auth_request.validate_bearer_token().await?;
    ids(&auth_request, &cookie, &bearer).await
}

#[auth_request]
async fn in_parallel() -> lucia::Result<String> {
    let (user, bearer, cookie, user_of_bearer) = futures_util::future::try_join4(
        auth_request.validate_user::<Profile>(),
        auth_request.validate_bearer_token(),
        auth_request.validate(),
        auth_request.validate_bearer_token_user::<Profile>(),
    )
    .await?;
    let same = user.map(|(user, _)| user.id) == cookie.as_ref().map(|is| is.user_id.clone())
        && user_of_bearer.map(|(user, _)| user.id) == bearer.as_ref().map(|is| is.user_id.clone());
    assert!(same);
    ids(&auth_request, &cookie, &bearer).await
}

#[auth_request]
async fn users() -> lucia::Result<String> {
    let bearer = auth_request.validate_bearer_token_user::<Profile>().await?;
    let cookie = auth_request.validate_user::<Profile>().await?;
    let session = |found: Option<(User<Profile>, Session)>| found.map(|(_, session)| session);
    ids(&auth_request, &session(cookie), &session(bearer)).await
}

/// Of whom a handler was told by each of its parameters.
fn names(user: &User<Profile>, session: &Session, MaybeUser(maybe): MaybeUser<Profile>) -> String {
    assert_eq!(session.user_id, user.id);
    assert_eq!(maybe.map(|maybe| maybe.id).as_ref(), Some(&user.id));
    user.username.clone()
}

/// Whose the cookie and the token are, and that nobody says otherwise when asked once more.
async fn ids(
    request: &AuthRequest,
    cookie: &Option<Session>,
    bearer: &Option<Session>,
) -> lucia::Result<String> {
    let id = |session: &Option<Session>| session.as_ref().map(|session| session.id.clone());
    assert_eq!(id(&request.validate().await?), id(cookie));
    assert_eq!(id(&request.validate_bearer_token().await?), id(bearer));
    let name = |session| match session {
        Some(id) => format!("{id}"),
        None => "nobody".to_owned(),
    };
    Ok(format!("{} {}", name(id(cookie)), name(id(bearer))))
}

/// A site, somebody with a cookie, and somebody with a token.
struct Scene {
    stage: Stage,
    site: Site,
    ada: Session,
    bob: Session,
}

impl Scene {
    async fn of(stage: Stage) -> Self {
        use lucia::TokenSource::{Bearer, CookieOrBearer};

        let auth = stage.auth().await;
        let (ada, bob) = (sign_up(&auth, "ada").await, sign_up(&auth, "bob").await);
        stage.probe.calls();
        let guarded = |guard| routes().guarded(&auth, guard);
        let all = routes()
            .below(
                "/by-bearer",
                guarded(Guard::authenticated().token_source(Bearer)),
            )
            .below(
                "/by-either",
                guarded(Guard::authenticated().token_source(CookieOrBearer)),
            )
            .below("/by-cookie", guarded(Guard::authenticated()));
        let site = serve(auth, all).await;
        Self {
            stage,
            site,
            ada,
            bob,
        }
    }

    /// Gets a page with the cookie of ada and the token of bob.
    async fn get_as_both(&self, path: &str) -> Reply {
        let browser = self.site.browser_of(&self.ada);
        let request = browser.bare(Method::GET, path);
        browser
            .send(request.header("authorization", bearer(&self.bob)))
            .await
    }

    /// Posts from another site, with what is given of the cookie of ada and an `Authorization`.
    async fn post_from_elsewhere(
        &self,
        path: &str,
        cookie: bool,
        authorization: Option<&str>,
    ) -> Reply {
        let browser = match cookie {
            true => self.site.browser_of(&self.ada),
            false => self.site.browser(),
        };
        let mut request = browser
            .bare(Method::POST, path)
            .header("origin", "https://evil.example")
            .header("sec-fetch-site", "cross-site");
        if let Some(authorization) = authorization {
            request = request.header("authorization", authorization);
        }
        browser.send(request).await
    }
}

/// The status of a response, and how it asks for a token.
fn challenge(reply: &Reply) -> (u16, Option<&str>) {
    (reply.status, reply.header("www-authenticate"))
}

async fn r32_a_bearer_never_gets_a_cookie_also_when_the_session_is_renewed(stage: Stage) {
    let Scene {
        stage, site, bob, ..
    } = &Scene::of(stage).await;
    for path in ["/api", "/either", "/users", "/by-bearer/plain"] {
        stage.clock.advance(2 * DAY);
        stage.probe.calls();
        let renewing = site.get_with(path, &[&bearer(bob)]).await;
        assert_eq!(renewing.status, 200, "{path}");
        assert!(renewing.set_cookies().is_empty(), "{path}: {renewing:?}");
        let calls = stage.probe.calls();
        assert_eq!(calls, ["session_and_user", "renew_session"], "{path}");
        // It was renewed in the store, and not for this request alone.
        let next = site.get_with(path, &[&bearer(bob)]).await;
        assert_eq!(next.body, renewing.body);
        assert_eq!(stage.probe.calls(), ["session_and_user"], "{path}");
        let session = site.auth.session(&bob.id).await.unwrap().unwrap();
        assert_eq!(session.idle_expires, stage.clock.now() + 15 * DAY);
        stage.probe.calls();
    }
    let ended = site.auth.invalidate_session(&bob.id).await;
    ended.unwrap();
    for path in ["/api", "/either", "/users", "/by-bearer/plain"] {
        let refused = site.get_with(path, &[&bearer(bob)]).await;
        assert!(refused.set_cookies().is_empty(), "{path}: {refused:?}");
    }
}

async fn r32_the_token_and_the_cookie_never_share_a_result(stage: Stage) {
    let scene = Scene::of(stage).await;
    let Scene {
        stage,
        site,
        ada,
        bob,
    } = &scene;
    let both = format!("{} {}", ada.id, bob.id);
    for path in [
        "/bearer-then-cookie",
        "/cookie-then-bearer",
        "/in-parallel",
        "/users",
    ] {
        assert_eq!(scene.get_as_both(path).await.body, both, "{path}");
        assert_eq!(stage.probe.calls().len(), 2, "{path}");

        let cookie_alone = site.browser_of(ada).get(path).await;
        assert_eq!(cookie_alone.body, format!("{} nobody", ada.id), "{path}");
        assert_eq!(stage.probe.calls().len(), 1, "{path}");

        let token_alone = site.get_with(path, &[&bearer(bob)]).await;
        assert_eq!(token_alone.body, format!("nobody {}", bob.id), "{path}");
        assert_eq!(stage.probe.calls().len(), 1, "{path}");

        // Each is renewed, and the one cookie is that of the cookie's session.
        stage.clock.advance(2 * DAY);
        let renewing = scene.get_as_both(path).await;
        assert_eq!(renewing.body, both, "{path}");
        let cookie = renewing.set_cookie();
        assert!(cookie.contains(ada.token().expose()), "{path}: {cookie}");
        assert_eq!(stage.probe.calls().len(), 4, "{path}");
    }

    // What becomes of one is nothing to the other.
    site.auth.invalidate_session(&ada.id).await.unwrap();
    let after = scene.get_as_both("/users").await;
    assert_eq!(after.body, format!("nobody {}", bob.id));
    assert!(after.set_cookies().is_empty());
    let api = scene.get_as_both("/api").await;
    assert_eq!((api.status, &*api.body), (200, "bob"));
    assert!(api.set_cookies().is_empty(), "{api:?}");
}

async fn a_session_that_was_ended_is_refused_and_the_client_is_told_why(stage: Stage) {
    let Scene {
        stage, site, bob, ..
    } = &Scene::of(stage).await;
    let other = site.auth.create_session(&bob.user_id).await.unwrap();
    let paths = ["/api", "/either", "/by-bearer/plain", "/by-either/plain"];
    site.auth.invalidate_session(&bob.id).await.unwrap();
    for path in paths {
        let ended = site.get_with(path, &[&bearer(bob)]).await;
        assert_eq!(challenge(&ended), BAD_TOKEN, "{path}");
        assert_eq!(ended.body, "Not signed in.");
        assert_eq!(site.get_with(path, &[&bearer(&other)]).await.body, "bob");
    }
    stage.clock.advance(15 * DAY + Duration::from_millis(1));
    for path in paths {
        let expired = site.get_with(path, &[&bearer(&other)]).await;
        assert_eq!(challenge(&expired), BAD_TOKEN, "{path}");
    }
    assert_eq!(
        site.get_with("/maybe", &[&bearer(bob)]).await.body,
        "nobody"
    );
}

async fn r02_r23_nothing_in_the_database_is_a_bearer_token(stage: Stage) {
    let Scene {
        stage, site, bob, ..
    } = &Scene::of(stage).await;
    let dump = stage.dump().await;
    assert!(dump.iter().any(|value| value == bob.id.as_str()));
    for value in dump {
        let reply = site.get_with("/api", &[&format!("Bearer {value}")]).await;
        assert_eq!(challenge(&reply), BAD_TOKEN, "{value}");
    }
    stage.probe.calls();
    let public_id = format!("Bearer {}", bob.id);
    for path in ["/api", "/either", "/by-bearer/plain"] {
        let reply = site.get_with(path, &[&public_id]).await;
        assert_eq!(challenge(&reply), BAD_TOKEN, "{path}");
    }
    assert_eq!(
        site.get_with("/users", &[&public_id]).await.body,
        "nobody nobody"
    );
    assert!(stage.probe.calls().is_empty());
}
