//! Functions for `permit` that take other extractors than the user and the session.

use std::io;
use std::time::Duration;

use lucia::{Guard, Session, User};
use lucia_tests::watch;
use serde::Deserialize;
use serde_json::Value;

use crate::support::{
    Either, Framework, Profile, Stage, below_each, handlers, on_each_store_with_each_framework,
    sign_up,
};

on_each_store_with_each_framework![
    the_document_in_the_path_decides,
    the_body_is_unread_until_it_has_decided,
    all_is_decided_by_one_lookup,
    a_rejection_of_an_extractor_is_the_answer,
    nothing_is_extracted_for_who_is_not_signed_in,
];

/// Paths of documents of `{}`. The last handler has no guard but that of its scope, and the scope knows
/// what its own path has matched.
const OWNERS: [&str; 5] = [
    "/owned/{}",
    "/owned-later/{}",
    "/owned-for-sure/{}",
    "/owned-by-four/{}",
    "/scope/{}/plain",
];

#[derive(Deserialize)]
struct Access {
    key: u32,
}

handlers! {
    post "/owned/{owner}" owned,
    post "/owned-later/{owner}" owned_later,
    post "/owned-for-sure/{owner}" owned_for_sure,
    post "/owned-by-four/{owner}" owned_by_four,
    post "/plain" plain,
    post "/numbered/{number}" numbered,
    post "/keyed" keyed,
    {
        pub(super) fn owns(user: User<Profile>, owner: extract::Path<String>) -> bool {
            user.username == owner.as_str()
        }

        async fn owns_later(owner: extract::Path<String>, user: User<Profile>) -> bool {
            tokio::task::yield_now().await;
            owns(user, owner)
        }

        async fn owns_for_sure(
            session: Session,
            owner: extract::Path<String>,
            user: User<Profile>,
        ) -> Result<bool, io::Error> {
            tokio::task::yield_now().await;
            match owner.as_str() {
                "nobody" => Err(io::Error::other("the owners are lost")),
                _ => Ok(session.user_id == user.id && owns(user, owner)),
            }
        }

        fn owns_by_four(
            user: User<Profile>,
            _: Session,
            owner: extract::Path<String>,
            _: lucia::AuthRequest,
        ) -> bool {
            owns(user, owner)
        }

        pub(super) fn is_odd(number: extract::Path<u32>) -> bool {
            *number % 2 == 1
        }

        fn has_key(_: User, access: extract::Query<Access>) -> bool {
            access.key == 42
        }

        #[authenticated(permit = owns)]
        async fn owned(body: extract::Json<Value>) -> String {
            body.to_string()
        }

        #[authenticated(permit = owns_later)]
        async fn owned_later(body: extract::Json<Value>) -> String {
            body.to_string()
        }

        #[authenticated(permit = owns_for_sure)]
        async fn owned_for_sure(
            user: User<Profile>,
            owner: extract::Path<String>,
            body: extract::Json<Value>,
        ) -> String {
            assert_eq!(user.username, *owner);
            body.to_string()
        }

        #[authenticated(permit = owns_by_four)]
        async fn owned_by_four(body: extract::Json<Value>) -> String {
            body.to_string()
        }

        async fn plain(body: extract::Json<Value>) -> String {
            body.to_string()
        }

        #[authenticated(permit = is_odd)]
        async fn numbered(body: extract::Json<Value>) -> String {
            body.to_string()
        }

        #[authenticated(permit = has_key)]
        async fn keyed(body: extract::Json<Value>) -> String {
            body.to_string()
        }
    }
}

struct Scene {
    stage: Stage,
    site: Either,
    ada: Session,
    eve: Session,
}

impl Scene {
    async fn of(stage: Stage, framework: Framework) -> Self {
        let auth = stage.auth().await;
        let (ada, eve) = (sign_up(&auth, "ada").await, sign_up(&auth, "eve").await);
        stage.probe.calls();
        let guards = [
            below_each(
                "/scope/{owner}",
                Guard::authenticated().permit(by_actix::owns),
                Guard::authenticated().permit(by_axum::owns),
            ),
            below_each(
                "/odd/{number}",
                Guard::authenticated().permit(by_actix::is_odd),
                Guard::authenticated().permit(by_axum::is_odd),
            ),
        ];
        let site = Either::serve(framework, auth, HANDLERS, guards).await;
        Self {
            stage,
            site,
            ada,
            eve,
        }
    }

    /// The status of a post of JSON with somebody's cookie, and what comes back.
    async fn post(&self, path: &str, session: &Session, json: &'static str) -> (u16, String) {
        let browser = self.site.browser_of(session);
        let request = browser.request(reqwest::Method::POST, path);
        let request = request
            .header("content-type", "application/json")
            .body(json);
        let reply = browser.send(request).await;
        (reply.status, reply.body)
    }
}

async fn the_document_in_the_path_decides(stage: Stage, framework: Framework) {
    let scene = Scene::of(stage, framework).await;
    for path in OWNERS {
        for (session, other, name) in [
            (&scene.ada, &scene.eve, "ada"),
            (&scene.eve, &scene.ada, "eve"),
        ] {
            let path = path.replace("{}", name);
            let own = scene.post(&path, session, "1").await;
            assert_eq!(own, (200, "1".to_owned()), "{path}");
            let others = scene.post(&path, other, "1").await;
            assert_eq!(others, (403, "Not permitted.".to_owned()), "{path}");
        }
    }
    let lost = scene.post("/owned-for-sure/nobody", &scene.ada, "1").await;
    assert_eq!(lost.0, 503);
    assert_eq!(scene.post("/keyed?key=42", &scene.ada, "1").await.0, 200);
    assert_eq!(scene.post("/keyed?key=41", &scene.ada, "1").await.0, 403);
}

async fn the_body_is_unread_until_it_has_decided(stage: Stage, framework: Framework) {
    let scene = Scene::of(stage, framework).await;
    for path in OWNERS {
        let path = path.replace("{}", "ada");
        assert_eq!(scene.post(&path, &scene.eve, "{").await.0, 403, "{path}");
        assert_eq!(scene.post(&path, &scene.ada, "{").await.0, 400, "{path}");
    }
}

async fn all_is_decided_by_one_lookup(stage: Stage, framework: Framework) {
    let scene = Scene::of(stage, framework).await;
    for path in OWNERS {
        let path = path.replace("{}", "ada");
        for (session, status) in [(&scene.ada, 200), (&scene.eve, 403)] {
            assert_eq!(scene.post(&path, session, "1").await.0, status, "{path}");
            let calls = scene.stage.probe.calls();
            assert_eq!(calls, ["session_and_user"], "{path}");
        }
    }
}

async fn a_rejection_of_an_extractor_is_the_answer(stage: Stage, framework: Framework) {
    let rejected = match framework {
        Framework::Actix => 404,
        Framework::Axum => 400,
    };
    let scene = Scene::of(stage, framework).await;
    for (path, status) in [
        ("/numbered/1", 200),
        ("/numbered/2", 403),
        ("/numbered/ada", rejected),
        ("/odd/1/plain", 200),
        ("/odd/2/plain", 403),
        ("/odd/ada/plain", rejected),
        ("/keyed", 400),
        ("/keyed?key=ada", 400),
    ] {
        // The cookie is renewed, whatever the answer is.
        scene
            .stage
            .clock
            .advance(Duration::from_secs(2 * 24 * 60 * 60));
        let browser = scene.site.browser_of(&scene.ada);
        let request = browser.request(reqwest::Method::POST, path);
        let request = request.header("content-type", "application/json").body("1");
        let reply = browser.send(request).await;
        assert_eq!(reply.status, status, "{path}");
        reply.assert_renews(&scene.ada);
        assert_eq!(reply.header("cache-control"), Some("no-store"), "{path}");
    }
}

async fn nothing_is_extracted_for_who_is_not_signed_in(stage: Stage, framework: Framework) {
    let scene = Scene::of(stage, framework).await;
    for path in ["/numbered/ada", "/odd/ada/plain", "/keyed"] {
        let reply = scene.site.browser().post(path, &[]).await;
        assert_eq!(reply.status, 401, "{path}");
    }
}

mod bodies {
    use actix_web::web;
    use lucia::actix::authenticated;

    use super::*;

    fn reads_json(_: User, body: web::Json<Value>) -> bool {
        body.is_null()
    }

    fn reads_bytes(body: web::Bytes) -> bool {
        body.is_empty()
    }

    fn reads_a_stream(_: web::Payload) -> bool {
        true
    }

    fn reads_perhaps(body: Option<String>) -> bool {
        body.is_none()
    }

    #[authenticated(permit = reads_json)]
    async fn json() -> &'static str {
        "in"
    }

    #[authenticated(permit = reads_bytes)]
    async fn bytes() -> &'static str {
        "in"
    }

    #[authenticated(permit = reads_a_stream)]
    async fn stream() -> &'static str {
        "in"
    }

    #[authenticated(permit = reads_perhaps)]
    async fn perhaps() -> &'static str {
        "in"
    }

    fn routes(config: &mut web::ServiceConfig) {
        config
            .route("/json", web::post().to(json))
            .route("/bytes", web::post().to(bytes))
            .route("/stream", web::post().to(stream))
            .route("/perhaps", web::post().to(perhaps));
    }

    /// axum refuses them when they are compiled.
    #[tokio::test]
    async fn a_function_that_takes_the_body_is_500_and_the_log_says_so() {
        let auth = Stage::sqlite().await.auth().await;
        let ada = sign_up(&auth, "ada").await;
        let handlers = crate::support::Handlers {
            actix: routes,
            axum: axum::Router::new,
        };
        let site = Either::serve(Framework::Actix, auth, handlers, []).await;
        for path in ["/json", "/bytes", "/stream", "/perhaps"] {
            let found = watch(["a function for `permit` takes"]);
            let browser = site.browser_of(&ada);
            let request = browser.request(reqwest::Method::POST, path);
            let request = request
                .header("content-type", "application/json")
                .body("null");
            let reply = browser.send(request).await;
            assert_eq!(
                (reply.status, reply.body.as_str()),
                (500, "Internal error."),
                "{path}"
            );
            assert!(!found.lines().is_empty(), "{path}");
        }
    }
}
