//! An `App` with the middleware of one `Auth` and the data of another.

use std::future::{Ready, ready};
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse};
use actix_web::middleware::{Logger, Next, NormalizePath, from_fn};

use super::*;

pub(super) const REFUSED: &str = "middleware of one `Auth` and the data of another";

/// How often a handler was reached that asks nothing about its client.
pub(super) type Reached = Arc<AtomicU32>;

/// The cookie of the `Auth` in the data.
pub(super) async fn data(auth: web::Data<Auth>) -> String {
    auth.session_cookie(None).name().to_owned()
}

/// A handler that counts how often it was reached.
pub(super) fn counting(reached: &Reached) -> impl Fn() -> Ready<String> + Clone + use<> {
    let reached = reached.clone();
    move || ready(reached.fetch_add(1, Ordering::Relaxed).to_string())
}

/// Our handlers, and two that ask nothing about their client.
pub(super) fn routes(reached: &Reached) -> impl FnOnce(&mut ServiceConfig) + use<> {
    let count = counting(reached);
    move |config| {
        config.configure(handlers);
        config.route("/data", web::get().to(data));
        config.route("/open", web::get().to(count));
    }
}

/// Middleware that hides the type of what it is wrapped around.
pub(super) async fn hiding(
    request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> actix_web::Result<ServiceResponse<BoxBody>> {
    Ok(next.call(request).await?.map_into_boxed_body())
}

/// Answers of a site to everybody, by path.
async fn answers(three: &Three, site: &Site) -> Vec<(String, u16, String)> {
    let everybody = three.browser(site, 0..3);
    let mut answers = Vec::new();
    for name in HANDLERS.into_iter().chain(["data", "open", "nowhere"]) {
        let path = format!("/{name}");
        let reply = everybody.get(&path).await;
        assert!(reply.set_cookies().is_empty(), "{path}");
        answers.push((path, reply.status, reply.body));
    }
    answers
}

/// An `App` by `$build` of `|App, A, B|`, whose handlers are those of `routes`.
macro_rules! serve_app {
    ($three:ident, $reached:ident, |$app:ident, $a:ident, $b:ident| $build:expr) => {{
        let [$a, $b, _] = $three.auths.clone();
        let reached = $reached.clone();
        let factory = move || {
            let $app = App::new().configure(routes(&reached));
            $build
        };
        actix::serve_app(
            $three.auths[0].clone(),
            std::net::Ipv4Addr::LOCALHOST.into(),
            factory,
        )
        .await
    }};
}

macro_rules! assert_refused {
    ($three:ident, $($name:literal: |$app:ident, $a:ident, $b:ident| $build:expr;)*) => {$(
        let reached = Reached::default();
        let logged = watch([REFUSED]);
        let site = serve_app!($three, reached, |$app, $a, $b| $build);
        for (path, status, body) in answers(&$three, &site).await {
            assert_eq!((status, &*body), (500, "Internal error."), "{}: {path}", $name);
        }
        assert_eq!(reached.load(Ordering::Relaxed), 0, "{}", $name);
        let lines = logged.lines();
        let is_error = |line: &String| line.starts_with("ERROR") && line.contains("`.app_data(");
        assert!(lines.iter().any(is_error), "{}: {lines:?}", $name);
    )*};
}

/// `$level` is whose users the handlers have.
macro_rules! assert_served {
    ($three:ident, $($name:literal, $level:literal: |$app:ident, $a:ident, $b:ident| $build:expr;)*) => {$(
        let reached = Reached::default();
        let site = serve_app!($three, reached, |$app, $a, $b| $build);
        let everybody = $three.browser(&site, 0..3);
        for handler in HANDLERS {
            let reply = everybody.get(&format!("/{handler}")).await;
            let expected = (200, concat!("level", $level));
            assert_eq!((reply.status, &*reply.body), expected, "{}: {handler}", $name);
        }
    )*};
}

#[tokio::test]
async fn an_app_with_the_data_of_one_auth_and_the_middleware_of_another_refuses_every_request() {
    let three = Three::new().await;
    assert_refused! { three,
        "data first": |app, a, b| app.app_data(web::Data::new(a.clone())).wrap(b.middleware());
        "middleware first": |app, a, b| app.wrap(b.middleware()).app_data(web::Data::new(a.clone()));
        "plain": |app, a, b| app.app_data(a.clone()).wrap(b.middleware());
        "plain beside the right data": |app, a, b| app
            .app_data(web::Data::new(b.clone()))
            .app_data(a.clone())
            .wrap(b.middleware());
        "data beside the right plain": |app, a, b| app
            .app_data(web::Data::new(a.clone()))
            .app_data(b.clone())
            .wrap(b.middleware());
        "by configure": |app, a, b| app
            .wrap(b.middleware())
            .configure(|config| { config.app_data(web::Data::new(a.clone())); });
        "by a factory": |app, a, b| {
            let a = a.clone();
            app.data_factory(move || ready(Ok::<_, ()>(a.clone()))).wrap(b.middleware())
        };
        "protected": |app, a, b| app
            .app_data(web::Data::new(a.clone()))
            .wrap(b.middleware().protect());
        "by a condition": |app, a, b| app
            .app_data(web::Data::new(a.clone()))
            .wrap(Condition::new(true, b.middleware()));
    }
}

#[tokio::test]
async fn it_is_refused_among_other_middleware_as_well() {
    let three = Three::new().await;
    assert_refused! { three,
        "inside of others": |app, a, b| app
            .app_data(web::Data::new(a.clone()))
            .wrap(b.middleware())
            .wrap(Logger::default())
            .wrap(from_fn(hiding));
        "around others": |app, a, b| app
            .app_data(web::Data::new(a.clone()))
            .wrap(Logger::default())
            .wrap(NormalizePath::trim())
            .wrap_fn(|request, service| service.call(request))
            .wrap(b.middleware());
        "around one that hides what it is around": |app, a, b| app
            .app_data(web::Data::new(a.clone()))
            .wrap(from_fn(hiding))
            .wrap(b.middleware());
        "two, and the inner one is another": |app, a, b| app
            .app_data(web::Data::new(a.clone()))
            .wrap(b.middleware())
            .wrap(a.middleware());
        "two, and the outer one is another": |app, a, b| app
            .app_data(web::Data::new(a.clone()))
            .wrap(a.middleware())
            .wrap(b.middleware());
        "a scope within has the same as the middleware": |app, a, b| app
            .app_data(web::Data::new(a.clone()))
            .service(web::scope("/scope").app_data(web::Data::new(b.clone())))
            .wrap(b.middleware());
    }
}

#[tokio::test]
async fn what_agrees_and_what_stands_further_in_is_not_refused() {
    let three = Three::new().await;
    assert_served! { three,
        "the same, twice", 1: |app, _a, b| app
            .app_data(web::Data::new(b.clone()))
            .app_data(b.clone())
            .wrap(b.middleware())
            .wrap(b.middleware());
        "no data", 1: |app, a, b| app.wrap(b.middleware()).wrap(a.middleware());
        "by a condition that does not hold", 0: |app, a, b| app
            .app_data(web::Data::new(a.clone()))
            .wrap(Condition::new(false, b.middleware()));
    }
}

/// Without a server, as in the unit tests of an application: of the `App` by `$app`, of
/// `|App, A, B|`.
macro_rules! assert_refused_in_tests {
    ($three:ident, $($name:literal: |$app:ident, $a:ident, $b:ident| $build:expr;)*) => {$(
        let [$a, $b, _] = $three.auths.clone();
        let $app = App::new();
        let app = test::init_service($build).await;
        let request = test::TestRequest::get().uri("/attribute").to_request();
        let response = test::call_service(&app, request).await;
        assert_eq!(response.status(), 500, "{}", $name);
        assert_eq!(test::read_body(response).await, "Internal error.", "{}", $name);
    )*};
}

#[tokio::test]
async fn it_is_refused_without_a_server_as_well() {
    let three = Three::new().await;
    assert_refused_in_tests! { three,
        "app": |app, a, b| app
            .app_data(web::Data::new(a))
            .wrap(Logger::default())
            .wrap(b.middleware())
            .configure(handlers);
        "around one that hides what it is around": |app, a, b| app
            .app_data(web::Data::new(a))
            .wrap(from_fn(hiding))
            .wrap(b.middleware())
            .configure(handlers);
        "scope": |app, a, b| app
            .app_data(web::Data::new(a))
            .service(web::scope("").wrap(b.middleware()).configure(handlers));
        "resource": |app, a, b| app
            .app_data(web::Data::new(a))
            .service(web::resource("/attribute").route(web::get().to(attribute)).wrap(b.middleware()));
    }
}

/// An `App` whose scope has data that the middleware does not see, since it stands around it.
#[tokio::test]
async fn the_data_of_a_scope_further_in_decides_for_web_data_as_well() {
    let three = Three::new().await;
    let [_, inner, _] = three.auths.clone();
    let reached = Reached::default();
    let outer = three.auths[0].clone();
    let site = actix::serve_app(
        three.auths[0].clone(),
        std::net::Ipv4Addr::LOCALHOST.into(),
        move || {
            let innermost = web::scope("")
                .app_data(web::Data::new(inner.clone()))
                .configure(routes(&reached));
            App::new()
                .app_data(web::Data::new(outer.clone()))
                .wrap(outer.middleware())
                .service(innermost)
        },
    )
    .await;
    let everybody = three.browser(&site, 0..3);
    for handler in HANDLERS {
        let reply = everybody.get(&format!("/{handler}")).await;
        assert_eq!((reply.status, &*reply.body), (200, "level1"), "{handler}");
    }
    assert_eq!(everybody.get("/data").await.body, "__Host-level1");
}
