//! Pages of another origin that use an API with cookies, as `docs/json-apis-and-spas.md` sets it up.

use ::axum::Router;
use ::axum::http::HeaderValue;
use ::axum::http::header::CONTENT_TYPE;
use ::axum::routing::{get, post};
use actix_web::web;
use lucia::{Auth, DenialBody, Session, User};
use reqwest::Method;
use tower_http::cors::CorsLayer;

use crate::support::actix as framework;
use crate::support::{Browser, Profile, Reply, Site, Stage, axum::serve_router, sign_up};

const APP: &str = "https://app.example.com";
const EVIL: &str = "https://evil.example";

async fn name(user: User<Profile>) -> String {
    user.attributes.username
}

mod with_attribute {
    use super::{Profile, User};

    #[lucia::actix::authenticated]
    pub(super) async fn actix(user: User<Profile>) -> String {
        user.attributes.username
    }

    #[lucia::axum::authenticated]
    pub(super) async fn axum(user: User<Profile>) -> String {
        user.attributes.username
    }
}

async fn auth() -> (Auth, Session) {
    let builder = Stage::sqlite().await.builder().await;
    let builder = builder.allowed_origins([APP]).denials(DenialBody::problem);
    let auth = builder.build().unwrap();
    let session = sign_up(&auth, "ada").await;
    (auth, session)
}

async fn on_actix() -> (Site, Session) {
    let (auth, session) = auth().await;
    let given = auth.clone();
    let site = framework::serve(
        auth,
        framework::Routes::of_config(move |config| {
            let cors = actix_cors::Cors::default()
                .allowed_origin(APP)
                .allowed_methods(["GET", "POST"])
                .allowed_header(actix_web::http::header::CONTENT_TYPE)
                .supports_credentials();
            // The last `wrap` is the outermost.
            let api = web::scope("")
                .wrap(given.middleware())
                .wrap(cors)
                .route("/me", web::route().to(name))
                .route("/attribute", web::route().to(with_attribute::actix))
                .service(
                    web::scope("/private")
                        .wrap(given.middleware().protect())
                        .route("/me", web::route().to(name)),
                );
            config.service(api);
        }),
    )
    .await;
    (site, session)
}

async fn on_axum() -> (Site, Session) {
    let (auth, session) = auth().await;
    let cors = CorsLayer::new()
        .allow_origin(HeaderValue::from_static(APP))
        .allow_methods([::axum::http::Method::GET, ::axum::http::Method::POST])
        .allow_headers([CONTENT_TYPE])
        .allow_credentials(true);
    let private = Router::new()
        .route("/private/me", get(name).post(name))
        .layer(auth.layer().protect());
    let attribute = get(with_attribute::axum).post(with_attribute::axum);
    // The last `layer` is the outermost.
    let router = Router::new()
        .route("/me", get(name))
        .route("/me", post(name))
        .route("/attribute", attribute)
        .merge(private)
        .layer(auth.layer())
        .layer(cors);
    (serve_router(auth, router).await, session)
}

async fn ask(browser: &Browser, method: Method, path: &str, origin: &str) -> Reply {
    let request = browser.bare(method, path).header("origin", origin);
    browser.send(request).await
}

fn allowed(reply: &Reply) -> (Option<&str>, Option<&str>) {
    let origin = reply.header("access-control-allow-origin");
    (origin, reply.header("access-control-allow-credentials"))
}

const READABLE: (Option<&str>, Option<&str>) = (Some(APP), Some("true"));

async fn a_page_of_an_allowed_origin_reads_answers_and_denials((site, session): (Site, Session)) {
    let browser = site.browser_of(&session);
    for path in ["/me", "/attribute", "/private/me"] {
        for method in [Method::GET, Method::POST] {
            let reply = ask(&browser, method.clone(), path, APP).await;
            assert_eq!((reply.status, reply.body.as_str()), (200, "ada"), "{path}");
            assert_eq!(allowed(&reply), READABLE, "{path}: {reply:?}");

            let reply = ask(&site.browser(), method, path, APP).await;
            assert_eq!(reply.status, 401, "{path}");
            assert!(reply.body.contains("unauthenticated"), "{path}: {reply:?}");
            assert_eq!(allowed(&reply), READABLE, "{path}: {reply:?}");
            let vary: Vec<_> = reply.headers.get_all("vary").iter().collect();
            let vary = format!("{vary:?}").to_lowercase();
            assert!(vary.contains("origin") && vary.contains("cookie"), "{vary}");
        }
    }
}

async fn a_preflight_is_answered_before_anyone_is_asked_for((site, _): (Site, Session)) {
    for path in ["/me", "/attribute", "/private/me"] {
        let browser = site.browser();
        let request = browser.bare(Method::OPTIONS, path).header("origin", APP);
        let request = request.header("access-control-request-method", "POST");
        let request = request.header("access-control-request-headers", "content-type");
        let reply = browser.send(request).await;
        assert!((200..300).contains(&reply.status), "{path}: {reply:?}");
        assert_eq!(allowed(&reply), READABLE, "{path}: {reply:?}");
    }
}

async fn a_page_of_another_origin_neither_acts_nor_reads((site, session): (Site, Session)) {
    let browser = site.browser_of(&session);
    for path in ["/me", "/attribute", "/private/me"] {
        let reply = ask(&browser, Method::POST, path, EVIL).await;
        assert!((400..500).contains(&reply.status), "{path}: {reply:?}");
        assert_ne!(reply.header("access-control-allow-origin"), Some(EVIL));
        let reply = ask(&browser, Method::GET, path, EVIL).await;
        assert_ne!(reply.header("access-control-allow-origin"), Some(EVIL));
    }
}

mod actix {
    #[tokio::test]
    async fn a_page_of_an_allowed_origin_reads_answers_and_denials() {
        super::a_page_of_an_allowed_origin_reads_answers_and_denials(super::on_actix().await).await;
    }

    #[tokio::test]
    async fn a_preflight_is_answered_before_anyone_is_asked_for() {
        super::a_preflight_is_answered_before_anyone_is_asked_for(super::on_actix().await).await;
    }

    #[tokio::test]
    async fn a_page_of_another_origin_neither_acts_nor_reads() {
        super::a_page_of_another_origin_neither_acts_nor_reads(super::on_actix().await).await;
    }
}

mod on_axum {
    #[tokio::test]
    async fn a_page_of_an_allowed_origin_reads_answers_and_denials() {
        super::a_page_of_an_allowed_origin_reads_answers_and_denials(super::on_axum().await).await;
    }

    #[tokio::test]
    async fn a_preflight_is_answered_before_anyone_is_asked_for() {
        super::a_preflight_is_answered_before_anyone_is_asked_for(super::on_axum().await).await;
    }

    #[tokio::test]
    async fn a_page_of_another_origin_neither_acts_nor_reads() {
        super::a_page_of_another_origin_neither_acts_nor_reads(super::on_axum().await).await;
    }
}
