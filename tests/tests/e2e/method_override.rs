//! A middleware that changes the method, inside of lucia's own: `GET /item?_method=DELETE` from a link of
//! another site is refused as the DELETE that it becomes.

use actix_web::body::MessageBody;
use actix_web::dev::{ServiceRequest, ServiceResponse};
use actix_web::http::Method;
use actix_web::middleware::{Condition, Next, from_fn};
use actix_web::test::{TestRequest, call_service, init_service};
use actix_web::{App, web};
use axum::Router;
use axum::body::Body;
use axum::routing::any;
use lucia::{Auth, Session};
use tower::ServiceExt;

use crate::support::{Profile, Stage, sign_up};

const OVERRIDDEN: &str = "/item?_method=DELETE";

/// Where the request says that it comes from, and what it is answered.
const CASES: [(Option<&str>, u16); 3] = [
    (Some("cross-site"), 403),
    (Some("same-origin"), 200),
    (None, 403),
];

async fn signed_in() -> (Auth, String) {
    let auth = Stage::sqlite().await.auth().await;
    let session = sign_up(&auth, "ada").await;
    let cookie = pair(&auth, &session);
    (auth, cookie)
}

fn pair(auth: &Auth, session: &Session) -> String {
    let cookie = auth.session_cookie(Some(session));
    format!("{}={}", cookie.name(), cookie.value())
}

mod by_actix {
    use super::Profile;
    use lucia::{User, authenticated};

    #[authenticated]
    pub(super) async fn attribute() -> &'static str {
        "in"
    }

    pub(super) async fn extractor(user: User<Profile>) -> String {
        user.attributes.username
    }
}

mod by_axum {
    use super::Profile;
    use lucia::User;
    use lucia::axum::authenticated;

    #[authenticated]
    pub(super) async fn attribute() -> &'static str {
        "in"
    }

    pub(super) async fn extractor(user: User<Profile>) -> String {
        user.attributes.username
    }
}

async fn overrides(
    mut request: ServiceRequest,
    next: Next<impl MessageBody + 'static>,
) -> actix_web::Result<ServiceResponse<impl MessageBody>> {
    if request.query_string() == "_method=DELETE" {
        request.head_mut().method = Method::DELETE;
    }
    next.call(request).await
}

#[tokio::test]
async fn r26_a_method_that_a_middleware_of_actix_changes_is_refused() {
    let (auth, cookie) = signed_in().await;
    for with_middleware in [false, true] {
        for is_attribute in [false, true] {
            let route = match is_attribute {
                true => web::delete().to(by_actix::attribute),
                false => web::delete().to(by_actix::extractor),
            };
            let middleware = auth.middleware().protect();
            let app = App::new()
                .app_data(web::Data::new(auth.clone()))
                .route("/item", route)
                .wrap(from_fn(overrides))
                .wrap(Condition::new(with_middleware, middleware));
            let app = init_service(app).await;
            for (site, status) in CASES {
                let mut request = TestRequest::get()
                    .uri(OVERRIDDEN)
                    .append_header(("cookie", cookie.clone()));
                if let Some(site) = site {
                    request = request.append_header(("sec-fetch-site", site));
                }
                let response = call_service(&app, request.to_request()).await;
                let told = (with_middleware, is_attribute, site);
                assert_eq!(response.status(), status, "{told:?}");
            }
        }
    }
}

#[tokio::test]
async fn r26_a_method_that_a_middleware_of_axum_changes_is_refused() {
    let (auth, cookie) = signed_in().await;
    let overrides = axum::middleware::from_fn(
        async |mut request: axum::extract::Request, next: axum::middleware::Next| {
            if request.uri().query() == Some("_method=DELETE") {
                *request.method_mut() = axum::http::Method::DELETE;
            }
            next.run(request).await
        },
    );
    for handler in [any(by_axum::attribute), any(by_axum::extractor)] {
        let app = Router::new()
            .route("/item", handler)
            .layer(overrides.clone())
            .layer(auth.layer().protect());
        for (site, status) in CASES {
            let mut request = axum::http::Request::builder()
                .uri(OVERRIDDEN)
                .header("cookie", &cookie);
            if let Some(site) = site {
                request = request.header("sec-fetch-site", site);
            }
            let request = request.body(Body::empty()).expect("a request");
            let response = app.clone().oneshot(request).await.expect("a response");
            assert_eq!(response.status(), status, "{site:?}");
        }
    }
}
