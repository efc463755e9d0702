//! Who is turned away by `#[authenticated]` and by a protecting middleware, with the body unread.

use lucia::{Auth, Session};
use reqwest::Method;
use serde_json::Value;

use super::framework::{Json, Routes, authenticated, serve};
use crate::support::{Browser, Polls, Reply, Site, Stage, on_each_store, sign_up};

on_each_store![
    r55_on_denial_the_body_is_never_polled,
    r55_a_body_that_never_arrives_is_not_waited_for,
    bad_json_from_somebody_anonymous_is_401_and_not_400,
];

/// Two ways to keep a handler with a body private.
const PATHS: [&str; 2] = ["/attribute", "/private/plain"];

fn routes(auth: &Auth, polls: &Polls) -> Routes {
    let private = Routes::default().post("/plain", plain);
    Routes::default()
        .post("/attribute", attribute)
        .below("/private", private.protected(auth))
        .counted(polls)
}

#[authenticated]
async fn attribute(Json(json): Json<Value>) -> String {
    json.to_string()
}

async fn plain(Json(json): Json<Value>) -> String {
    json.to_string()
}

/// A site that counts how often bodies are polled.
struct Counting {
    stage: Stage,
    site: Site,
    polls: Polls,
    session: Session,
}

/// Who sends a request.
#[derive(Clone, Copy, Debug)]
enum Sender {
    SignedIn,
    Anonymous,
    /// With the cookie of a session that was ended.
    Dead,
    CrossOrigin,
    DuringAnOutage,
}

const DENIED: [(Sender, u16); 4] = [
    (Sender::Anonymous, 401),
    (Sender::Dead, 401),
    (Sender::CrossOrigin, 403),
    (Sender::DuringAnOutage, 503),
];

impl Counting {
    async fn on(stage: Stage) -> Self {
        let auth = stage.auth().await;
        let session = sign_up(&auth, "ada").await;
        let polls = Polls::default();
        let routes = routes(&auth, &polls);
        let site = serve(auth, routes).await;
        Self {
            stage,
            site,
            polls,
            session,
        }
    }

    /// The cookie and the origin of a sender. The store is left as the sender finds it.
    async fn sender(&self, sender: Sender) -> (Browser, String) {
        let own = self.site.origin();
        match sender {
            Sender::SignedIn => (self.site.browser_of(&self.session), own),
            Sender::Anonymous => (self.site.browser(), own),
            Sender::Dead => {
                let auth = &self.site.auth;
                let session = auth.create_session(&self.session.user_id).await.unwrap();
                auth.invalidate_session(&session.id).await.unwrap();
                (self.site.browser_of(&session), own)
            }
            Sender::CrossOrigin => {
                let foreign = "https://evil.example".to_owned();
                (self.site.browser_of(&self.session), foreign)
            }
            Sender::DuringAnOutage => {
                self.stage.probe.set_down(true);
                (self.site.browser_of(&self.session), own)
            }
        }
    }

    /// Posts a body.
    async fn post(&self, path: &str, sender: Sender, body: &'static str) -> Reply {
        let (browser, origin) = self.sender(sender).await;
        let request = browser.bare(Method::POST, path).header("origin", origin);
        let request = request.header("content-type", "application/json");
        let reply = browser.send(request.body(body)).await;
        self.stage.probe.set_down(false);
        reply
    }

    /// Announces a body, and sends the first byte of it at the most.
    async fn post_without_the_rest(&self, path: &str, sender: Sender, body: &[u8]) -> Reply {
        let (browser, origin) = self.sender(sender).await;
        let mut headers = vec![
            format!("origin: {origin}"),
            "content-type: application/json".to_owned(),
        ];
        headers.extend(browser.cookie_header().map(|is| format!("cookie: {is}")));
        let headers: Vec<_> = headers.iter().map(String::as_bytes).collect();
        let start = format!("POST {path}");
        let reply = self.site.exchange_part(&start, &headers, 4096, body).await;
        self.stage.probe.set_down(false);
        reply
    }
}

async fn r55_on_denial_the_body_is_never_polled(stage: Stage) {
    let counting = Counting::on(stage).await;
    for path in PATHS {
        for (sender, status) in DENIED {
            let reply = counting.post(path, sender, r#"{"a":1}"#).await;
            assert_eq!(reply.status, status, "{path} {sender:?}: {reply:?}");
            assert_eq!(counting.polls.count(), 0, "{path} {sender:?}");
        }
        // Who is let in has it read, and counted.
        let reply = counting.post(path, Sender::SignedIn, r#"{"a":1}"#).await;
        assert_eq!(reply.body, r#"{"a":1}"#, "{path}");
        assert!(counting.polls.count() > 0, "{path}");
    }
}

async fn r55_a_body_that_never_arrives_is_not_waited_for(stage: Stage) {
    let counting = Counting::on(stage).await;
    for path in PATHS {
        for (sender, status) in DENIED {
            for begun in [&b""[..], b"{"] {
                let reply = counting.post_without_the_rest(path, sender, begun).await;
                assert_eq!(reply.status, status, "{path} {sender:?}: {reply:?}");
            }
        }
    }
}

async fn bad_json_from_somebody_anonymous_is_401_and_not_400(stage: Stage) {
    let counting = Counting::on(stage).await;
    for path in PATHS {
        for (sender, status) in DENIED {
            let reply = counting.post(path, sender, "no JSON").await;
            assert_eq!(reply.status, status, "{path} {sender:?}");
        }
        let reply = counting.post(path, Sender::SignedIn, "no JSON").await;
        assert_eq!(reply.status, 400, "{path}");
    }
}

#[tokio::test]
async fn a_denial_touches_no_cookie() {
    let counting = Counting::on(Stage::sqlite().await).await;
    for path in PATHS {
        for (sender, status) in DENIED {
            let reply = counting.post(path, sender, "{}").await;
            assert_eq!(reply.status, status, "{path}: {reply:?}");
            assert!(reply.set_cookies().is_empty(), "{path}: {reply:?}");
        }
    }
}

#[tokio::test]
async fn a_denial_is_not_stored_and_says_one_sentence() {
    let counting = Counting::on(Stage::sqlite().await).await;
    for path in PATHS {
        for (sender, sentence) in [
            (Sender::Anonymous, "Not signed in."),
            (Sender::Dead, "Not signed in."),
            (
                Sender::CrossOrigin,
                "The origin of this request is missing or not allowed.",
            ),
            (Sender::DuringAnOutage, "Try again in a moment."),
        ] {
            let reply = counting.post(path, sender, "{}").await;
            assert_eq!(reply.body, sentence, "{path}");
            assert_eq!(reply.header("cache-control"), Some("no-store"), "{path}");
            let wait = reply.header("retry-after");
            assert_eq!(wait.is_some(), reply.status == 503, "{path} {sender:?}");
        }
    }
}
