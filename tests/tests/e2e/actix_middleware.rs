//! What is in the types of actix-web when it passes `auth.middleware()`: above all, errors.

use std::future::{Ready, ready};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use actix_web::dev::{Service, ServiceRequest, ServiceResponse, fn_service};
use actix_web::error::ErrorInternalServerError;
use actix_web::http::header::{HeaderName, HeaderValue};
use actix_web::web::{self, ServiceConfig};
use actix_web::{Error, HttpResponse};
use futures_util::TryFutureExt;
use lucia::{Auth, Denial, DenialBody, Session, User, authenticated};

use crate::support::{Browser, Profile, Site, Stage, Teapot, actix, sign_up};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A site, and a browser whose session is renewed by its next request.
async fn idle(
    routes: impl Fn(&mut ServiceConfig, &Auth) + Send + Sync + 'static,
) -> (Site, Session, Browser) {
    let stage = Stage::sqlite().await;
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    let given = auth.clone();
    let site = actix::serve(
        auth,
        actix::Routes::of_config(move |config: &mut ServiceConfig| {
            routes(config, &given);
        }),
    )
    .await;
    stage.clock.advance(2 * DAY);
    let browser = site.browser_of(&session);
    (site, session, browser)
}

/// What is asked who it is, finds somebody, and fails: a service, or a middleware before one.
async fn asks_and_fails(auth: Auth, request: ServiceRequest) -> Result<ServiceResponse, Error> {
    auth.handle_request(request.request()).require().await?;
    Err(Teapot.into())
}

/// Two services and a middleware that fail, below `/failing`.
fn failing_services(config: &mut ServiceConfig, auth: &Auth) {
    let (of_service, of_middleware) = (auth.clone(), auth.clone());
    let service = fn_service(move |request| asks_and_fails(of_service.clone(), request));
    let middleware = web::scope("/middleware")
        .wrap_fn(move |request, _| asks_and_fails(of_middleware.clone(), request))
        .route("", web::to(HttpResponse::Ok));
    config
        .service(web::service("/service").finish(service))
        .service(middleware);
}

const FAILING: [&str; 2] = ["/service", "/middleware"];

#[tokio::test]
async fn a_renewal_reaches_the_client_on_errors_of_inner_services_and_middleware() {
    for path in FAILING {
        let (_site, session, browser) = idle(|config, auth| {
            let scope = web::scope("").wrap(auth.middleware());
            config.service(scope.configure(|config| failing_services(config, auth)));
        })
        .await;
        let reply = browser.get(path).await;
        let answer = (reply.status, reply.body.as_str());
        assert_eq!(answer, (418, Teapot::MESSAGE), "{path}");
        reply.assert_renews(&session);
    }
}

#[tokio::test]
async fn an_error_that_passes_two_of_them_has_one_cookie() {
    for path in FAILING {
        let (_site, session, browser) = idle(|config, auth| {
            let scope = web::scope("")
                .wrap(auth.middleware().protect())
                .wrap(auth.middleware());
            config.service(scope.configure(|config| failing_services(config, auth)));
        })
        .await;
        let reply = browser.get(path).await;
        assert_eq!(reply.status, 418, "{path}");
        reply.assert_renews(&session);
    }
}

#[tokio::test]
async fn the_original_error_of_an_inner_service_stays_reachable_for_outer_middleware() {
    for path in FAILING {
        let (_site, session, browser) = idle(|config, auth| {
            let scope = web::scope("")
                .wrap(auth.middleware())
                .wrap_fn(|request, service| {
                    service
                        .call(request)
                        .map_err(|error| match error.as_error::<Teapot>() {
                            Some(_) => error,
                            None => ErrorInternalServerError("another error"),
                        })
                });
            config.service(scope.configure(|config| failing_services(config, auth)));
        })
        .await;
        let reply = browser.get(path).await;
        assert_eq!(reply.status, 418, "{path}");
        reply.assert_renews(&session);
    }
}

#[tokio::test]
async fn an_error_that_outer_middleware_has_looked_at_still_makes_its_response() {
    for path in FAILING {
        let (_site, session, browser) = idle(|config, auth| {
            let scope = web::scope("")
                .wrap(auth.middleware())
                .wrap_fn(|request, service| {
                    service
                        .call(request)
                        .inspect_err(|error| drop(error.error_response()))
                });
            config.service(scope.configure(|config| failing_services(config, auth)));
        })
        .await;
        let reply = browser.get(path).await;
        assert_eq!(reply.status, 418, "{path}");
        reply.assert_renews(&session);
    }
}

async fn failing(_user: User<Profile>) -> Result<String, Teapot> {
    Err(Teapot)
}

#[authenticated]
async fn failing_with_attribute() -> Result<String, Teapot> {
    Err(Teapot)
}

#[tokio::test]
async fn the_original_error_of_a_handler_stays_reachable_on_its_response() {
    let (_site, _, browser) = idle(|config, auth| {
        let scope = web::scope("")
            .wrap(auth.middleware())
            .wrap_fn(|request, service| {
                service.call(request).map_ok(|mut response| {
                    let error = response.response().error();
                    let original = error.and_then(|error| error.as_error::<Teapot>());
                    if original.is_some() {
                        let name = HeaderName::from_static("x-original");
                        let seen = HeaderValue::from_static("seen");
                        response.headers_mut().insert(name, seen);
                    }
                    response
                })
            });
        let scope = scope
            .route("/failing", web::to(failing))
            .route("/failing-attribute", web::to(failing_with_attribute));
        config.service(scope);
    })
    .await;
    for path in ["/failing", "/failing-attribute"] {
        let reply = browser.get(path).await;
        assert_eq!(reply.status, 418, "{path}");
        assert_eq!(reply.header("x-original"), Some("seen"), "{path}");
    }
}

#[tokio::test]
async fn a_login_page_that_is_no_path_of_this_site_panics_when_it_is_set() {
    let auth = Stage::sqlite().await.auth().await;
    for login in [
        "",
        "login",
        "//evil.example",
        "/\\evil.example",
        "https://evil.example/login",
        "/log in",
        "/login\r\nX-Evil: 1",
    ] {
        let set = || auth.middleware().protect_or_redirect(login);
        let panic = catch_unwind(AssertUnwindSafe(set)).expect_err(login);
        let message = panic.downcast_ref::<String>().unwrap();
        assert!(message.contains(&format!("not `{login}`")), "{message}");
    }
    drop(auth.middleware().protect_or_redirect("/login?lang=en"));
}

#[tokio::test]
async fn an_error_of_lucia_from_inner_middleware_has_the_look_of_the_application() {
    let stage = Stage::sqlite().await;
    let look = |name: &'static str| move |_: &Denial<'_>| DenialBody::text(name);
    let outer = stage
        .builder()
        .await
        .denials(look("outer"))
        .build()
        .unwrap();
    let inner = stage
        .builder()
        .await
        .denials(look("inner"))
        .build()
        .unwrap();
    let (outer_of_site, inner_of_site) = (outer.clone(), inner.clone());
    let site = actix::serve(
        outer,
        actix::Routes::of_config(move |config| {
            let refusing = || {
                let refuse = |_, _: &_| -> Ready<Result<ServiceResponse, Error>> {
                    ready(Err(lucia::Error::Forbidden.into()))
                };
                let scope = web::scope("").wrap_fn(refuse);
                scope.route("/page", web::get().to(failing_with_attribute))
            };
            let inner = web::scope("/inner")
                .app_data(web::Data::new(inner_of_site.clone()))
                .wrap(inner_of_site.middleware());
            config.service(
                web::scope("")
                    .wrap(outer_of_site.middleware())
                    .service(inner.service(refusing()))
                    .service(web::scope("/outer").service(refusing())),
            );
        }),
    )
    .await;
    for (path, name) in [("/inner/page", "inner"), ("/outer/page", "outer")] {
        let reply = site.browser().get(path).await;
        assert_eq!((reply.status, reply.body.as_str()), (403, name), "{path}");
    }
}
