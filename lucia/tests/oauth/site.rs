//! An application with a page for each call, and browsers.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::body::{Body, to_bytes};
use axum::extract::{Path, Query, RawQuery};
use axum::http::header::{COOKIE, HOST, LOCATION, ORIGIN, SET_COOKIE};
use axum::http::{HeaderMap, Method, Request};
use axum::response::Redirect;
use axum::routing::{get, post};
use axum::{Extension, Router};
use lucia::axum::{auth_request, authenticated};
use lucia::oauth::{OAuthOutcome, OAuthProvider, OAuthProviderBuilder, OAuthSignIn};
use lucia::testing::{Clock, memory_store};
use lucia::{Auth, AuthBuilder, Error, LocalPath, NewUser, SqliteStore, User};
use serde::{Deserialize, Serialize};
use tower::ServiceExt;

use super::provider::{CANARY, CLIENT, Provider, SECRET};

#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct Profile {
    name: Option<String>,
}

/// The providers by their ids.
type Providers = Extension<Arc<BTreeMap<String, OAuthProvider>>>;

/// What the last callback has returned.
type Last = Extension<Arc<Mutex<Option<lucia::Result<OAuthSignIn>>>>>;

pub(crate) struct Site {
    pub(crate) auth: Auth,
    pub(crate) clock: Clock,
    pub(crate) store: SqliteStore,
    router: Router,
    last: Arc<Mutex<Option<lucia::Result<OAuthSignIn>>>>,
}

pub(crate) struct Browser<'a> {
    site: &'a Site,
    pub(crate) cookies: Mutex<BTreeMap<String, String>>,
}

#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

#[derive(Deserialize)]
struct Page {
    #[serde(default)]
    next: LocalPath,
    prompt: Option<String>,
    max_age: Option<u64>,
}

#[auth_request]
async fn login(
    providers: Providers,
    Path(id): Path<String>,
    Query(page): Query<Page>,
) -> lucia::Result<Redirect> {
    let mut begin = auth_request.begin_oauth(&providers[&id]);
    if let Some(prompt) = page.prompt {
        begin = begin
            .parameter("prompt", "none")
            .parameter("prompt", prompt);
    }
    if let Some(max_age) = page.max_age {
        begin = begin.max_age(Duration::from_secs(max_age));
    }
    Ok(Redirect::to(&begin.next(page.next).await?))
}

#[auth_request]
async fn link(providers: Providers, Path(id): Path<String>) -> lucia::Result<Redirect> {
    let begin = auth_request.link_oauth(&providers[&id]);
    Ok(Redirect::to(&begin.await?))
}

/// A user who is deleted by another request in the meantime.
#[auth_request]
async fn late(providers: Providers, auth: Auth) -> lucia::Result<Redirect> {
    let session = auth_request.require().await?;
    auth.delete_user(&session.user_id).await?;
    let begin = auth_request.link_oauth(&providers["id"]);
    Ok(Redirect::to(&begin.await?))
}

#[auth_request]
async fn unlink(
    providers: Providers,
    Path((id, subject)): Path<(String, String)>,
) -> lucia::Result<&'static str> {
    auth_request.unlink_oauth(&providers[&id], &subject).await?;
    Ok("unlinked")
}

#[auth_request]
async fn callback(
    providers: Providers,
    last: Last,
    Path(id): Path<String>,
    RawQuery(query): RawQuery,
) -> lucia::Result<Redirect> {
    let query = query.unwrap_or_default();
    let done = auth_request.finish_oauth(&providers[&id], &query).await;
    let next = match &done {
        Err(_) => None,
        Ok(done) => {
            match &done.outcome {
                OAuthOutcome::Known(key) => {
                    auth_request.sign_in(key).await?;
                }
                OAuthOutcome::New => {
                    let name = done.identity.name.clone();
                    let new_user = NewUser::with_key(done.identity.new_key());
                    auth_request
                        .sign_up(new_user.attributes(&Profile { name }))
                        .await?;
                }
                _ => {}
            }
            Some(done.next.to_string())
        }
    };
    // Whatever comes of it shows no secret.
    let shown = format!("{done:?}");
    assert!(!shown.contains(CANARY), "{shown}");
    let mut kept = last.lock().unwrap();
    match (done, next) {
        (Ok(done), Some(next)) => {
            *kept = Some(Ok(done));
            Ok(Redirect::to(&next))
        }
        (done, _) => {
            let error = done.unwrap_err();
            let text = error.to_string();
            assert!(!text.contains(CANARY), "{text}");
            *kept = Some(Err(Error::Misuse(text)));
            Err(error)
        }
    }
}

#[authenticated]
async fn me(user: User<Profile>) -> String {
    user.attributes.name.unwrap_or_default()
}

/// A registration at this provider, under the id that is the path of its callback.
pub(crate) fn registration(id: &str, provider: &Provider) -> OAuthProviderBuilder {
    registered(id, OAuthProvider::oidc(id, &provider.url))
}

pub(crate) fn registered(id: &str, builder: OAuthProviderBuilder) -> OAuthProviderBuilder {
    builder
        .client(CLIENT, SECRET)
        .redirect_url(format!("https://app.example/callback/{id}"))
}

impl Site {
    pub(crate) async fn of(providers: impl IntoIterator<Item = OAuthProvider>) -> Self {
        Self::with(providers, |builder| builder).await
    }

    pub(crate) async fn with(
        providers: impl IntoIterator<Item = OAuthProvider>,
        set: impl FnOnce(AuthBuilder) -> AuthBuilder,
    ) -> Self {
        let clock = Clock::new();
        let store = memory_store(&["name TEXT"]).await;
        let builder = Auth::builder(store.clone()).clock(clock.clone());
        let auth = set(builder).build().unwrap();
        let by_id = |provider: OAuthProvider| (provider.id().to_owned(), provider);
        let providers: BTreeMap<_, _> = providers.into_iter().map(by_id).collect();
        let last = Arc::new(Mutex::new(None));
        let router = Router::new()
            .route("/login/{id}", get(login))
            .route("/link/{id}", get(link).post(link))
            .route("/late", post(late))
            .route("/unlink/{id}/{subject}", post(unlink))
            .route("/callback/{id}", get(callback).post(callback))
            .route("/me", get(me))
            .layer(Extension(Arc::new(providers)))
            .layer(Extension(last.clone()))
            .layer(auth.layer());
        Self {
            auth,
            clock,
            store,
            router,
            last,
        }
    }

    pub(crate) fn browser(&self) -> Browser<'_> {
        Browser {
            site: self,
            cookies: Mutex::default(),
        }
    }

    /// What the last callback has returned.
    pub(crate) fn done(&self) -> OAuthSignIn {
        self.last.lock().unwrap().take().unwrap().unwrap()
    }

    /// What the log says of the last callback, which failed.
    pub(crate) fn reason(&self) -> String {
        match self.last.lock().unwrap().take().unwrap() {
            Err(error) => error.to_string(),
            Ok(done) => panic!("{done:?}"),
        }
    }
}

impl Browser<'_> {
    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(Method::GET, path, None).await
    }

    pub(crate) async fn post(&self, path: &str) -> Reply {
        self.send(Method::POST, path, Some("https://app.example"))
            .await
    }

    pub(crate) async fn send(&self, method: Method, path: &str, origin: Option<&str>) -> Reply {
        let mut request = Request::builder()
            .method(method)
            .uri(path)
            .header(HOST, "app.example");
        if let Some(origin) = origin {
            request = request.header(ORIGIN, origin);
        }
        for (name, value) in &*self.cookies.lock().unwrap() {
            request = request.header(COOKIE, format!("{name}={value}"));
        }
        let request = request.body(Body::empty()).unwrap();
        let response = self.site.router.clone().oneshot(request).await.unwrap();
        let status = response.status().as_u16();
        let headers = response.headers().clone();
        for cookie in headers.get_all(SET_COOKIE) {
            let pair = cookie.to_str().unwrap().split(';').next().unwrap();
            let (name, value) = pair.split_once('=').unwrap();
            let mut cookies = self.cookies.lock().unwrap();
            cookies.insert(name.to_owned(), value.to_owned());
        }
        let body = to_bytes(response.into_body(), 1 << 20).await.unwrap();
        let body = String::from_utf8(body.into()).unwrap();
        assert!(!body.contains(CANARY), "{body}");
        Reply {
            status,
            headers,
            body,
        }
    }

    /// The URL of the provider that the browser is sent to.
    pub(crate) async fn begin(&self, path: &str) -> String {
        let reply = self.get(path).await;
        assert_eq!(reply.status, 303, "{reply:?}");
        assert_eq!(reply.headers["cache-control"], "no-store");
        reply.location()
    }

    /// The reply to the callback of a sign-in by this provider, which agrees.
    pub(crate) async fn sign_in(&self, id: &str, provider: &Provider) -> Reply {
        let url = self.begin(&format!("/login/{id}")).await;
        self.come_back(id, &provider.agree(&url)).await
    }

    pub(crate) async fn come_back(&self, id: &str, query: &str) -> Reply {
        self.get(&format!("/callback/{id}?{query}")).await
    }

    /// Whether it is signed in.
    pub(crate) async fn is_signed_in(&self) -> bool {
        self.get("/me").await.status == 200
    }
}

impl Reply {
    pub(crate) fn location(&self) -> String {
        self.headers[LOCATION].to_str().unwrap().to_owned()
    }

    /// Asserts that it is refused like this, and that the client learns nothing else.
    #[track_caller]
    pub(crate) fn assert_refused(&self, status: u16, body: &str) {
        assert_eq!((self.status, &*self.body), (status, body));
    }
}

pub(crate) const STATE: (u16, &str) = (
    400,
    "This sign-in has expired, or was begun elsewhere. Begin again.",
);
pub(crate) const ANSWER: (u16, &str) = (
    502,
    "The other site gave an answer that cannot be used. Try again, or sign in another way.",
);
pub(crate) const UNREACHABLE: (u16, &str) = (
    503,
    "The other site does not answer. Try again in a moment, or sign in another way.",
);

/// A site with one provider, both by the same clock.
pub(crate) async fn stage() -> (Provider, Site) {
    stage_with(|builder| builder).await
}

pub(crate) async fn stage_with(
    set: impl Fn(OAuthProviderBuilder) -> OAuthProviderBuilder,
) -> (Provider, Site) {
    let provider = Provider::start(std::time::SystemTime::now()).await;
    let builder = set(registration("id", &provider).timeout(Duration::from_secs(30)));
    let site = Site::of([builder.build().unwrap()]).await;
    provider.ways().now = site.clock.now();
    (provider, site)
}
