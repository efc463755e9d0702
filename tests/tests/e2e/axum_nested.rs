//! Applications with several `Auth`s in axum, one inside of another: the nearest layer decides.

use std::fmt::Write;

use axum::extract::Extension;
use axum::http::StatusCode;
use axum::routing::get;
use axum::{Router, middleware};
use lucia::axum::authenticated;
use lucia::{Auth, AuthRequest, CookieOptions, MaybeUser, Session, User};

use crate::support::axum::serve_router;
use crate::support::{Browser, Profile, Site, Stage, sign_up};

/// How a level of the application is given its `Auth`.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Given {
    Nothing,
    Layer,
    RouteLayer,
    /// By the application itself, which says nothing of who asks.
    Extension,
}

const ALL: [Given; 4] = [
    Given::Nothing,
    Given::Layer,
    Given::RouteLayer,
    Given::Extension,
];

/// From the outermost level to the innermost one.
type Levels = [Given; 3];

fn all_levels() -> impl Iterator<Item = Levels> {
    ALL.into_iter().flat_map(|outer| {
        ALL.into_iter()
            .flat_map(move |middle| ALL.into_iter().map(move |inner| [outer, middle, inner]))
    })
}

fn nearest(levels: Levels) -> Option<usize> {
    let is_layer = |given: &Given| matches!(given, Given::Layer | Given::RouteLayer);
    levels.iter().rposition(is_layer)
}

async fn user(user: User<Profile>) -> String {
    user.attributes.username
}

async fn maybe(user: MaybeUser<Profile>) -> Result<String, StatusCode> {
    let user = user.0.ok_or(StatusCode::UNAUTHORIZED)?;
    Ok(user.attributes.username)
}

async fn request(auth_request: AuthRequest) -> lucia::Result<String> {
    let (user, _) = auth_request.require_user::<Profile>().await?;
    Ok(user.attributes.username)
}

#[authenticated]
async fn attribute(user: User<Profile>) -> String {
    user.attributes.username
}

#[authenticated]
async fn guarded() -> lucia::Result<String> {
    let user = auth_request.validate_user::<Profile>().await?;
    Ok(user.map_or_else(String::new, |(user, _)| user.attributes.username))
}

const HANDLERS: [&str; 5] = ["user", "maybe", "request", "attribute", "guarded"];

fn router(levels: Levels, auths: &[Auth; 3]) -> Router {
    let mut router = Router::new()
        .route("/user", get(user))
        .route("/maybe", get(maybe))
        .merge(Router::new().route("/request", get(request)))
        .route("/attribute", get(attribute))
        .route("/guarded", get(guarded));
    for (level, given) in levels.into_iter().enumerate().rev() {
        let auth = &auths[level];
        router = match given {
            Given::Nothing => router,
            Given::Layer => router.layer(auth.layer()),
            Given::RouteLayer => router.route_layer(auth.layer()),
            Given::Extension => router.layer(Extension(auth.clone())),
        };
        // What others do between the layers makes no difference.
        router = router.layer(middleware::map_request(
            async |request: axum::extract::Request| request,
        ));
        router = Router::new().nest(&format!("/{given:?}"), router);
    }
    router
}

#[tokio::test]
async fn the_nearest_layer_decides_three_levels_deep_however_each_is_given() {
    let mut auths = Vec::new();
    let mut sessions: Vec<Session> = Vec::new();
    for level in 0..3 {
        let cookie = CookieOptions::new().name(format!("__Host-level{level}"));
        let auth = Stage::sqlite().await.builder().await.cookie(cookie);
        let auth = auth.build().unwrap();
        sessions.push(sign_up(&auth, &format!("level{level}")).await);
        auths.push(auth);
    }
    let auths: [Auth; 3] = auths.try_into().unwrap();
    let mut all = Router::new();
    for levels in all_levels() {
        all = all.merge(router(levels, &auths));
    }
    let site = serve_router(auths[0].clone(), all).await;
    let browser_of = |site: &Site, levels: &mut dyn Iterator<Item = usize>| -> Browser {
        let browser = site.browser();
        for level in levels {
            let cookie = auths[level].session_cookie(Some(&sessions[level]));
            browser.keep(cookie.name(), cookie.value());
        }
        browser
    };
    let everybody = browser_of(&site, &mut (0..3));
    let mut wrong = String::new();
    for levels in all_levels() {
        let expected = nearest(levels);
        let others = browser_of(&site, &mut (0..3).filter(|level| Some(*level) != expected));
        for handler in HANDLERS {
            let [outer, middle, inner] = levels;
            let path = format!("/{outer:?}/{middle:?}/{inner:?}/{handler}");
            let reply = everybody.get(&path).await;
            let answer = (reply.status, reply.body.as_str());
            let (right, refused) = match expected {
                Some(level) => (answer == (200, &*format!("level{level}")), 401),
                None => (answer.0 == 500, 500),
            };
            let stranger = others.get(&path).await.status;
            if !right || stranger != refused {
                writeln!(
                    wrong,
                    "{path}: {answer:?}, {stranger}, and not {expected:?}"
                )
                .unwrap();
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{wrong}",
        wrong.lines().count()
    );
}
