//! The data and the middleware of one level have different `Auth`s.

use std::future::{Ready, poll_fn, ready};
use std::pin::Pin;
use std::rc::Rc;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use actix_web::body::{BoxBody, MessageBody};
use actix_web::dev::{Service, ServiceRequest, ServiceResponse, Transform, forward_ready};
use actix_web::middleware::{Logger, Next, NormalizePath, from_fn};

use super::*;

const REFUSED: &str = "middleware of one `Auth` and the data of another";
const WARNED: &str = "another `Auth` than the middleware";

/// How often a handler was reached that asks nothing about its client.
type Reached = Arc<AtomicU32>;

/// The cookie of the `Auth` in the data.
async fn data(auth: web::Data<Auth>) -> String {
    auth.session_cookie(None).name().to_owned()
}

/// Our handlers, and two that ask nothing about their client.
fn routes(reached: &Reached) -> impl FnOnce(&mut ServiceConfig) + use<> {
    let reached = reached.clone();
    move |config| {
        let count = move || ready(reached.fetch_add(1, Ordering::Relaxed).to_string());
        config.configure(handlers);
        config.route("/data", web::get().to(data));
        config.route("/open", web::get().to(count));
    }
}

/// Middleware that hides the type of what it is wrapped around.
async fn hiding(
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
        Site::serve_app($three.auths[0].clone(), factory).await
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
        "a scope within has its own": |app, a, b| app
            .app_data(web::Data::new(a.clone()))
            .service(web::scope("/scope").app_data(web::Data::new(b.clone())))
            .wrap(b.middleware());
    }
}

/// Without a server, as in the unit tests of an application.
#[tokio::test]
async fn it_is_refused_without_a_server_as_well() {
    let three = Three::new().await;
    let [a, b, _] = three.auths.clone();
    let app = App::new()
        .app_data(web::Data::new(a))
        .wrap(Logger::default())
        .wrap(b.middleware())
        .configure(handlers);
    let app = test::init_service(app).await;
    let request = test::TestRequest::get().uri("/attribute").to_request();
    let response = test::call_service(&app, request).await;
    assert_eq!(response.status(), 500);
    assert_eq!(test::read_body(response).await, "Internal error.");
}

/// Asks what it is wrapped around whether it is ready, before each call: few do so.
struct Asking;

impl<S, B> Transform<S, ServiceRequest> for Asking
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
    B: MessageBody,
{
    type Response = ServiceResponse<B>;
    type Error = actix_web::Error;
    type Transform = AskingService<S>;
    type InitError = ();
    type Future = Ready<Result<Self::Transform, ()>>;

    fn new_transform(&self, service: S) -> Self::Future {
        ready(Ok(AskingService {
            service: Rc::new(service),
        }))
    }
}

struct AskingService<S> {
    service: Rc<S>,
}

impl<S, B> Service<ServiceRequest> for AskingService<S>
where
    S: Service<ServiceRequest, Response = ServiceResponse<B>, Error = actix_web::Error> + 'static,
    B: MessageBody,
{
    type Response = ServiceResponse<B>;
    type Error = actix_web::Error;
    type Future = Pin<Box<dyn Future<Output = Result<ServiceResponse<B>, Self::Error>>>>;

    forward_ready!(service);

    fn call(&self, request: ServiceRequest) -> Self::Future {
        let service = self.service.clone();
        Box::pin(async move {
            poll_fn(|context| service.poll_ready(context)).await?;
            service.call(request).await
        })
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

/// `$nested` is what `|scope, B|` makes of a scope with the handlers, in an `App` of A.
macro_rules! assert_nested {
    ($three:ident, $($name:literal: |$scope:ident, $b:ident| $nested:expr;)*) => {$(
        let [a, $b, _] = $three.auths.clone();
        let factory = move || {
            let $scope = web::scope("").app_data(0_u8).configure(routes(&Reached::default()));
            App::new()
                .app_data(web::Data::new(a.clone()))
                .wrap(from_fn(hiding))
                .wrap(a.middleware())
                .service($nested)
        };
        let site = Site::serve_app($three.auths[0].clone(), factory).await;
        let everybody = $three.browser(&site, 0..3);
        for handler in HANDLERS {
            let reply = everybody.get(&format!("/{handler}")).await;
            let answer = (reply.status, &*reply.body);
            assert_eq!(answer, (200, "level1"), "{}: {handler}", $name);
        }
        let reply = everybody.get("/data").await;
        assert_eq!(reply.body, "__Host-level0", "{}", $name);
    )*};
}

#[tokio::test]
async fn a_scope_without_data_whose_middleware_differs_from_what_is_around_it_is_not_refused() {
    let three = Three::new().await;
    assert_nested! { three,
        "an empty scope": |scope, b| scope.wrap(b.middleware());
        "among middleware": |scope, b| scope
            .wrap(Logger::default())
            .wrap(b.middleware())
            .wrap(from_fn(hiding));
        "around middleware that hides": |scope, b| scope.wrap(from_fn(hiding)).wrap(b.middleware());
        "inside of one that asks": |scope, b| scope.wrap(b.middleware()).wrap(Asking);
        "two empty scopes": |scope, b| web::scope("")
            .service(scope.wrap(from_fn(hiding)).wrap(b.middleware()));
        "around an empty scope": |scope, b| web::scope("").service(scope).wrap(b.middleware());
    }
}

#[tokio::test]
async fn a_path_that_is_matched_is_not_refused_even_if_its_type_is_hidden_and_it_is_asked() {
    let three = Three::new().await;
    let [outer, inner, _] = three.auths.clone();
    let site = Site::serve(outer, move |config: &mut ServiceConfig| {
        let scope = web::scope("/scope").configure(handlers);
        let scope = scope.wrap(from_fn(hiding)).wrap(inner.middleware());
        config.service(scope.wrap(Asking));
        let resource = resource("attribute").wrap(inner.middleware());
        config.service(resource.wrap(Asking));
    })
    .await;
    let everybody = three.browser(&site, 0..3);
    for handler in HANDLERS {
        let reply = everybody.get(&format!("/scope/{handler}")).await;
        assert_eq!((reply.status, &*reply.body), (200, "level1"), "{handler}");
    }
    let reply = everybody.get("/resource/attribute").await;
    assert_eq!((reply.status, &*reply.body), (200, "level1"));
}

/// The data of a scope cannot be told from that around it: attributes and extractors go by the
/// middleware, `web::Data<Auth>` goes by the data, and the log says so.
#[tokio::test]
async fn in_a_scope_or_a_resource_the_middleware_decides_and_the_log_warns() {
    let three = Three::new().await;
    for plain in [false, true] {
        let [outer, a, b] = three.auths.clone();
        let logged = watch([WARNED]);
        let site = Site::serve(outer, move |config: &mut ServiceConfig| {
            let mut scope = web::scope("/scope").configure(routes(&Reached::default()));
            let mut resource = resource("attribute");
            if plain {
                scope = scope.app_data(a.clone());
                resource = resource.app_data(a.clone());
            } else {
                scope = scope.app_data(web::Data::new(a.clone()));
                resource = resource.app_data(web::Data::new(a.clone()));
            }
            config.service(scope.wrap(b.middleware()));
            config.service(resource.wrap(b.middleware()));
        })
        .await;
        let everybody = three.browser(&site, 0..3);
        for handler in HANDLERS {
            let reply = everybody.get(&format!("/scope/{handler}")).await;
            assert_eq!(reply.body, "level2", "{handler}");
        }
        let reply = everybody.get("/resource/attribute").await;
        assert_eq!(reply.body, "level2");
        let reply = everybody.get("/scope/data").await;
        let in_data = if plain {
            "__Host-level0"
        } else {
            "__Host-level1"
        };
        assert_eq!(reply.body, in_data);
        if !plain {
            let lines = logged.lines();
            assert!(
                lines.iter().any(|line| line.starts_with("WARN")),
                "{lines:?}"
            );
        }
    }
}
