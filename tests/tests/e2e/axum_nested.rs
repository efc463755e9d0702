//! Applications with several `Auth`s in axum, one inside of another: the nearest layer decides.

use std::fmt::Write;

use axum::extract::{Extension, FromRequestParts, Request};
use axum::http::request::Parts;
use axum::http::{HeaderValue, StatusCode};
use axum::middleware::Next;
use axum::response::Response;
use axum::routing::{get, post};
use axum::{Router, middleware};
use lucia::axum::authenticated;
use lucia::{Auth, AuthRequest, CookieOptions, MaybeUser, NoAttributes, Session, User};

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
        router = router.layer(middleware::map_request(async |request: Request| request));
        router = Router::new().nest(&format!("/{given:?}"), router);
    }
    router
}

/// An `Auth` for each level, and a session of its user `level0`, `level1` or `level2`.
async fn three_levels() -> ([Auth; 3], Vec<Session>) {
    let mut auths = Vec::new();
    let mut sessions: Vec<Session> = Vec::new();
    for level in 0..3 {
        let cookie = CookieOptions::new().name(format!("__Host-level{level}"));
        let auth = Stage::sqlite().await.builder().await.cookie(cookie);
        let auth = auth.build().unwrap();
        sessions.push(sign_up(&auth, &format!("level{level}")).await);
        auths.push(auth);
    }
    (auths.try_into().unwrap(), sessions)
}

#[tokio::test]
async fn the_nearest_layer_decides_three_levels_deep_however_each_is_given() {
    let (auths, sessions) = three_levels().await;
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

/// Who a copy of the parts of a request belongs to, by each extractor.
async fn owner(mut copied: Parts) -> String {
    let user = User::<Profile>::from_request_parts(&mut copied, &()).await;
    let user = user.unwrap().attributes.username;
    let auth_request = AuthRequest::from_request_parts(&mut copied, &()).await;
    let found = auth_request.unwrap().require_user::<Profile>().await;
    assert_eq!(found.unwrap().0.attributes.username, user);
    let session = Session::<NoAttributes>::from_request_parts(&mut copied, &()).await;
    let session = session.unwrap();
    let auth = Auth::from_request_parts(&mut copied, &()).await.unwrap();
    assert!(auth.session(&session.id).await.unwrap().is_some(), "{user}");
    user
}

/// Copies the parts on the way in, and looks at the copy on the way out, when all layers further in
/// have had the request.
async fn look_at_a_copy(request: Request, next: Next) -> Response {
    let (parts, body) = request.into_parts();
    let copied = parts.clone();
    let mut response = next.run(Request::from_parts(parts, body)).await;
    let owner = owner(copied).await;
    let owner = HeaderValue::from_str(&owner).unwrap();
    response.headers_mut().append("x-owner", owner);
    response
}

/// Looks at a copy in another task.
async fn copying(request: Request) -> String {
    let (parts, _) = request.into_parts();
    let copied = parts.clone();
    drop(parts);
    tokio::spawn(owner(copied)).await.unwrap()
}

/// As [`copying`], behind a guard, which copies the request as well.
#[authenticated]
async fn copying_guarded(user: User<Profile>, request: Request) -> String {
    let (parts, _) = request.into_parts();
    let owner = owner(parts.clone()).await;
    assert_eq!(owner, user.attributes.username);
    owner
}

/// Signs out by a copy.
async fn leave(request: Request) {
    let (mut copied, _) = request.into_parts();
    let auth_request = AuthRequest::from_request_parts(&mut copied, &()).await;
    auth_request.unwrap().sign_out().await.unwrap();
}

#[tokio::test]
async fn a_copy_of_a_request_belongs_to_the_layer_that_it_was_copied_in() {
    let (auths, sessions) = three_levels().await;
    // From the outermost layer to the innermost one: each once, one twice in a row, and one on both
    // sides of another.
    let orders: [&[usize]; 7] = [
        &[0, 1],
        &[1, 0],
        &[0, 0],
        &[0, 1, 0],
        &[0, 1, 1],
        &[0, 1, 2],
        &[0, 1, 2, 1, 0],
    ];
    let mut all = Router::new();
    for (number, order) in orders.iter().enumerate() {
        let mut router = Router::new()
            .route("/copying", get(copying))
            .route("/copying-guarded", get(copying_guarded));
        for level in order.iter().rev() {
            router = router
                .layer(middleware::from_fn(look_at_a_copy))
                .layer(auths[*level].layer());
        }
        all = all.nest(&format!("/{number}"), router);
    }
    let site = serve_router(auths[0].clone(), all).await;
    let browser = site.browser();
    for (auth, session) in auths.iter().zip(&sessions) {
        let cookie = auth.session_cookie(Some(session));
        browser.keep(cookie.name(), cookie.value());
    }
    for (number, order) in orders.iter().enumerate() {
        let innermost = format!("level{}", order[order.len() - 1]);
        let outwards = order.iter().rev().map(|level| format!("level{level}"));
        for handler in ["copying", "copying-guarded"] {
            let reply = browser.get(&format!("/{number}/{handler}")).await;
            assert_eq!(reply.body, innermost, "{order:?}: {reply:?}");
            let owners: Vec<_> = reply.headers.get_all("x-owner").iter().collect();
            let owners: Vec<_> = owners.iter().map(|owner| owner.to_str().unwrap()).collect();
            assert_eq!(owners, outwards.clone().collect::<Vec<_>>(), "{order:?}");
        }
    }
}

#[tokio::test]
async fn a_sign_out_by_a_copy_of_a_request_is_that_of_its_layer() {
    for order in [[0, 1], [1, 0], [0, 0]] {
        let (auths, sessions) = three_levels().await;
        let [outer, inner] = order;
        let router = Router::new()
            .route("/leave", post(leave))
            .layer(auths[inner].layer())
            .layer(auths[outer].layer());
        let site = serve_router(auths[0].clone(), router).await;
        let browser = site.browser();
        for (auth, session) in auths.iter().zip(&sessions) {
            let cookie = auth.session_cookie(Some(session));
            browser.keep(cookie.name(), cookie.value());
        }
        let reply = browser.post("/leave", &[]).await;
        assert_eq!(reply.status, 200, "{order:?}: {reply:?}");
        let removed = reply.set_cookies();
        assert_eq!(removed.len(), 1, "{order:?}: {removed:?}");
        let name = format!("__Host-level{inner}=;");
        assert!(removed[0].starts_with(&name), "{order:?}: {removed:?}");
        for (level, (auth, session)) in auths.iter().zip(&sessions).enumerate() {
            let found = auth.session(&session.id).await.unwrap();
            assert_eq!(found.is_some(), level != inner, "{order:?}: {level}");
        }
    }
}
