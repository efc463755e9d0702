//! Applications with several `Auth`s in actix-web, one inside of another: the nearest one decides.

mod each_level;
mod one_level;

use std::fmt::Write;

use actix_web::middleware::Condition;
use actix_web::web::{self, ServiceConfig};
use actix_web::{App, HttpResponse, Resource, test};
use lucia::{Auth, AuthRequest, CookieOptions, MaybeUser, Session, User, authenticated};
use lucia_tests::watch;

use crate::support::{Browser, Profile, Site, Stage, actix, sign_up};

/// How a level of the application is given its `Auth`.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Given {
    Nothing,
    Data,
    Plain,
    Middleware,
    DataAndMiddleware,
    PlainAndMiddleware,
}

impl Given {
    fn has_data(self) -> bool {
        matches!(self, Self::Data | Self::DataAndMiddleware)
    }

    fn has_plain(self) -> bool {
        matches!(self, Self::Plain | Self::PlainAndMiddleware)
    }

    fn has_middleware(self) -> bool {
        matches!(
            self,
            Self::Middleware | Self::DataAndMiddleware | Self::PlainAndMiddleware
        )
    }
}

const ALL: [Given; 6] = [
    Given::Nothing,
    Given::Data,
    Given::Plain,
    Given::Middleware,
    Given::DataAndMiddleware,
    Given::PlainAndMiddleware,
];

/// From the outermost level to the innermost one.
type Levels = [Given; 3];

fn all_levels() -> impl Iterator<Item = Levels> {
    ALL.into_iter().flat_map(|outer| {
        ALL.into_iter()
            .flat_map(move |middle| ALL.into_iter().map(move |inner| [outer, middle, inner]))
    })
}

/// What a request gets at the innermost level.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Expected {
    /// What the users of this level get.
    Level(usize),
    /// The nearest `Auth` cannot be told: there is none, or `web::Data<Auth>` and `Auth` are of
    /// different levels. Who asks for it gets 500.
    Untold,
    /// A middleware has met the data of another level: all get 500.
    Refused,
}

/// A request meets the data of a level before its middleware.
fn expected(levels: Levels) -> Expected {
    let (mut data, mut plain, mut middleware) = (None, None, None);
    for (level, given) in levels.into_iter().enumerate() {
        if given.has_data() {
            data = Some(level);
        }
        if given.has_plain() {
            plain = Some(level);
        }
        if given.has_middleware() {
            if [data, plain].into_iter().flatten().any(|of| of != level) {
                return Expected::Refused;
            }
            middleware = Some(level);
        }
    }
    match (data, plain) {
        (Some(_), Some(_)) => Expected::Untold,
        (Some(level), None) | (None, Some(level)) => Expected::Level(level),
        (None, None) => middleware.map_or(Expected::Untold, Expected::Level),
    }
}

/// Three `Auth`s, each with a user, a database and a cookie of its own.
struct Three {
    auths: [Auth; 3],
    sessions: [Session; 3],
}

impl Three {
    async fn new() -> Self {
        let mut auths = Vec::new();
        let mut sessions = Vec::new();
        for level in 0..3 {
            let cookie = CookieOptions::new().name(format!("__Host-level{level}"));
            let auth = Stage::sqlite().await.builder().await.cookie(cookie);
            let auth = auth.build().unwrap();
            sessions.push(sign_up(&auth, &format!("level{level}")).await);
            auths.push(auth);
        }
        Self {
            auths: auths.try_into().unwrap(),
            sessions: sessions.try_into().unwrap(),
        }
    }

    /// Somebody who is signed in at these levels.
    fn browser(&self, site: &Site, levels: impl IntoIterator<Item = usize>) -> Browser {
        let browser = site.browser();
        for level in levels {
            let cookie = self.auths[level].session_cookie(Some(&self.sessions[level]));
            browser.keep(cookie.name(), cookie.value());
        }
        browser
    }
}

async fn user(user: User<Profile>) -> String {
    user.attributes.username
}

async fn maybe(user: MaybeUser<Profile>) -> HttpResponse {
    match user.0 {
        Some(user) => HttpResponse::Ok().body(user.attributes.username),
        None => HttpResponse::Unauthorized().finish(),
    }
}

async fn optional(user: Option<User<Profile>>) -> HttpResponse {
    maybe(MaybeUser(user)).await
}

async fn request(auth_request: AuthRequest) -> lucia::Result<String> {
    let (user, _) = auth_request.require_user::<Profile>().await?;
    Ok(user.attributes.username)
}

#[authenticated]
async fn attribute(user: User<Profile>) -> String {
    user.attributes.username
}

/// The attribute alone: whom the guard lets in, and not the parameters after it.
#[authenticated]
async fn guarded() -> lucia::Result<String> {
    let user = auth_request.validate_user::<Profile>().await?;
    Ok(user.map_or_else(String::new, |(user, _)| user.attributes.username))
}

const HANDLERS: [&str; 6] = [
    "user",
    "maybe",
    "optional",
    "request",
    "attribute",
    "guarded",
];

fn handlers(config: &mut ServiceConfig) {
    config
        .route("/user", web::get().to(user))
        .route("/maybe", web::get().to(maybe))
        .route("/optional", web::get().to(optional))
        .route("/request", web::get().to(request))
        .route("/attribute", web::get().to(attribute))
        .route("/guarded", web::get().to(guarded));
}

fn resource(name: &str) -> Resource {
    let resource = web::resource(format!("/resource/{name}"));
    resource.route(match name {
        "user" => web::get().to(user),
        "maybe" => web::get().to(maybe),
        "optional" => web::get().to(optional),
        "request" => web::get().to(request),
        "attribute" => web::get().to(attribute),
        _ => web::get().to(guarded),
    })
}

fn path(levels: Levels) -> String {
    levels.iter().fold(String::new(), |mut path, given| {
        write!(path, "/{given:?}").unwrap();
        path
    })
}

/// Scopes in scopes, and at the innermost level a scope and resources.
fn configure(config: &mut ServiceConfig, levels: Levels, auths: &[Auth; 3], from: usize) {
    let given = levels[from];
    let auth = &auths[from];
    let middleware = || Condition::new(given.has_middleware(), auth.middleware());
    let mut scope = web::scope(if from == 0 { "/" } else { "" });
    if from == 0 {
        scope = web::scope(&path(levels));
    }
    if from == 2 {
        for name in HANDLERS {
            let mut resource = resource(name);
            if given.has_data() {
                resource = resource.app_data(web::Data::new(auth.clone()));
            } else if given.has_plain() {
                resource = resource.app_data(auth.clone());
            }
            config.service(resource.wrap(middleware()));
        }
        scope = scope.configure(handlers);
    } else {
        scope = scope.configure(|config| configure(config, levels, auths, from + 1));
    }
    // By `configure`, as by the scope itself.
    scope = scope.configure(|config| {
        if given.has_data() {
            config.app_data(web::Data::new(auth.clone()));
        }
    });
    if given.has_plain() {
        scope = scope.app_data(auth.clone());
    }
    config.service(scope.wrap(middleware()));
}

#[tokio::test]
async fn the_nearest_auth_decides_three_levels_deep_however_each_is_given() {
    let three = Three::new().await;
    let auths = three.auths.clone();
    let site = actix::serve_without_auth(
        three.auths[0].clone(),
        actix::Routes::of_config(move |config| {
            for levels in all_levels() {
                configure(config, levels, &auths, 0);
            }
        }),
    )
    .await;
    let everybody = three.browser(&site, 0..3);
    let mut wrong = String::new();
    for levels in all_levels() {
        let expected = expected(levels);
        let is_other = |level: &usize| expected != Expected::Level(*level);
        let others = three.browser(&site, (0..3).filter(is_other));
        for handler in HANDLERS {
            for kind in ["", "/resource"] {
                let path = format!("{}{kind}/{handler}", path(levels));
                let reply = everybody.get(&path).await;
                let answer = (reply.status, reply.body.as_str());
                let right = match expected {
                    Expected::Level(level) => answer == (200, &*format!("level{level}")),
                    // actix's `Option` makes `None` of every error.
                    Expected::Untold if handler == "optional" => answer.0 == 401,
                    Expected::Untold | Expected::Refused => answer.0 == 500,
                };
                if !right {
                    writeln!(wrong, "{path}: {answer:?}, and not {expected:?}").unwrap();
                }
                let stranger = others.get(&path).await.status;
                let refused = if right && answer.0 == 500 { 500 } else { 401 };
                if stranger != refused {
                    writeln!(wrong, "{path} of a stranger: {stranger}").unwrap();
                }
            }
        }
    }
    assert!(
        wrong.is_empty(),
        "{} wrong:\n{wrong}",
        wrong.lines().count()
    );
}

#[tokio::test]
async fn what_stands_around_the_application_itself_is_the_outermost_level() {
    let three = Three::new().await;
    let [outer, middle, inner] = three.auths.clone();
    let app = App::new()
        .wrap(middle.middleware())
        .wrap(outer.middleware())
        .service(
            web::scope("/inner")
                .app_data(web::Data::new(inner))
                .configure(handlers),
        )
        .configure(handlers);
    let app = test::init_service(app).await;
    for (prefix, level) in [("", 1), ("/inner", 2)] {
        for handler in HANDLERS {
            let uri = format!("{prefix}/{handler}");
            let mut request = test::TestRequest::get().uri(&uri);
            for (auth, session) in three.auths.iter().zip(&three.sessions) {
                let cookie = auth.session_cookie(Some(session));
                let pair = format!("{}={}", cookie.name(), cookie.value());
                request = request.append_header(("cookie", pair));
            }
            let response = test::call_and_read_body(&app, request.to_request()).await;
            assert_eq!(response, format!("level{level}"), "{uri}");
        }
    }
}

/// `protect` of the outer level is asked as well: its users have to be signed in there, too.
#[tokio::test]
async fn each_middleware_asks_by_its_own_auth() {
    let three = Three::new().await;
    let [outer, middle, inner] = three.auths.clone();
    let site = actix::serve_without_auth(
        outer.clone(),
        actix::Routes::of_config(move |config: &mut ServiceConfig| {
            let innermost = web::scope("")
                .app_data(web::Data::new(inner.clone()))
                .wrap(inner.middleware().protect())
                .configure(handlers);
            let scope = web::scope("")
                .app_data(web::Data::new(middle.clone()))
                .service(innermost);
            let scope = web::scope("")
                .wrap(outer.middleware().protect())
                .service(scope);
            config.service(scope);
        }),
    )
    .await;
    for handler in HANDLERS {
        let path = format!("/{handler}");
        let status = async |levels: &[usize]| {
            let browser = three.browser(&site, levels.iter().copied());
            let reply = browser.get(&path).await;
            (reply.status, reply.body)
        };
        assert_eq!(status(&[0]).await.0, 401);
        assert_eq!(status(&[2]).await.0, 401);
        assert_eq!(status(&[0, 1]).await.0, 401);
        assert_eq!(status(&[0, 2]).await, (200, "level2".to_owned()));
    }
}

/// Handlers would have the outer one as `web::Data<Auth>`, and attributes the inner one.
#[tokio::test]
async fn where_the_nearest_cannot_be_told_the_log_says_what_to_write() {
    let three = Three::new().await;
    for has_middleware in [false, true] {
        let [outer, _, inner] = three.auths.clone();
        let logged = watch(["two `Auth`s"]);
        let site = actix::serve_without_auth(
            outer.clone(),
            actix::Routes::of_config(move |config: &mut ServiceConfig| {
                let scope = web::scope("/mixed")
                    .app_data(inner.clone())
                    .configure(handlers);
                let outermost = web::scope("")
                    .app_data(web::Data::new(outer.clone()))
                    .service(scope)
                    .wrap(Condition::new(has_middleware, outer.middleware()));
                config.service(outermost);
            }),
        )
        .await;
        let reply = three.browser(&site, 0..3).get("/mixed/attribute").await;
        assert_eq!(reply.status, 500, "{has_middleware}");
        assert!(reply.set_cookies().is_empty());
        let logged = logged.lines();
        let advice = "`.app_data(web::Data::new(auth))`";
        assert!(
            logged.iter().any(|line| line.contains(advice)),
            "{logged:?}"
        );
    }
}
