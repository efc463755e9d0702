//! A provider of OpenID Connect and OAuth 2, which is honest until a test tells it otherwise.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use axum::Router;
use axum::body::Body;
use axum::extract::{Form, State};
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, LOCATION};
use axum::http::{HeaderMap, Response, StatusCode};
use axum::routing::{get, post};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD as BASE64};
use ring::rand::SystemRandom;
use ring::signature::{
    ECDSA_P256_SHA256_FIXED_SIGNING, EcdsaKeyPair, KeyPair, RSA_PKCS1_SHA256, RsaKeyPair,
};
use ring::{digest, hmac, rsa};
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;
use url::Url;

pub(crate) const CLIENT: &str = "the client";
pub(crate) const SECRET: &str = "canary-client-secret:%+";
/// In every secret of this provider, so that a test finds it wherever it leaks.
pub(crate) const CANARY: &str = "canary-";

/// A provider on a port of 127.0.0.1.
pub(crate) struct Provider {
    pub(crate) url: String,
    inner: Arc<Inner>,
    task: JoinHandle<()>,
}

struct Inner {
    url: String,
    ways: Mutex<Ways>,
}

/// How it behaves, and what it has seen.
pub(crate) struct Ways {
    /// Changes the claims of an ID token.
    pub(crate) claims: Box<dyn Fn(&mut Value) + Send>,
    /// How an ID token is signed.
    pub(crate) sign: Sign,
    /// Changes the discovery document.
    pub(crate) discovery: Box<dyn Fn(&mut Value) + Send>,
    /// What is answered in place of tokens.
    pub(crate) token: Trick,
    /// What is answered in place of user info.
    pub(crate) user_info: Option<Value>,
    /// What is answered in place of a discovery document.
    pub(crate) document: Trick,
    /// The keys that it signs by; the first one does.
    pub(crate) keys: Vec<Key>,
    /// Whether the client is registered without a secret, and must not send one.
    pub(crate) is_public: bool,
    /// The refresh tokens that it gives.
    pub(crate) refresh: Refresh,
    /// The time on its clock.
    pub(crate) now: SystemTime,
    /// How often each path was asked for.
    pub(crate) asked: HashMap<&'static str, usize>,
    grants: HashMap<String, Grant>,
}

/// Refresh tokens, each of which works once: a second use ends the permission (RFC 9700, 4.14.2).
#[derive(Default)]
pub(crate) struct Refresh {
    /// Whether there are such. Otherwise there is one that always works.
    pub(crate) rotates: bool,
    /// How many were used.
    pub(crate) used: u32,
    /// Whether the permission has ended.
    pub(crate) revoked: bool,
    /// Whether a sign-in gives none.
    pub(crate) is_withheld: bool,
    /// Whether no token says how long it works.
    pub(crate) is_endless: bool,
    /// Answers wait here, if there is one.
    pub(crate) gate: Option<Arc<Semaphore>>,
}

impl Refresh {
    fn token(&self) -> String {
        match self.rotates {
            true => format!("{CANARY}refresh-{}", self.used),
            false => format!("{CANARY}refresh"),
        }
    }

    fn redeem(&mut self, token: &str) -> Result<(), &'static str> {
        let is_right = !self.revoked && token == self.token();
        if !is_right {
            self.revoked |= self.rotates;
            return Err("invalid_grant");
        }
        self.used += u32::from(self.rotates);
        Ok(())
    }
}

/// What to answer in place of the truth.
#[derive(Clone)]
pub(crate) enum Trick {
    None,
    Json(Value),
    Text(u16, &'static str, String),
    Redirect(String),
    /// Headers, and never a body.
    Silence,
    /// A body without an end.
    Endless,
}

#[derive(Clone)]
pub(crate) enum Sign {
    Right,
    /// `alg: none`, with nothing in place of the signature.
    None,
    /// By a shared secret.
    Hs256(Vec<u8>),
    /// By a key that is not published, under the name of one that is.
    Forged,
    /// The last character of the signature is another one.
    Damaged,
    /// These header fields.
    Header(Value),
}

/// A code that was given out.
struct Grant {
    challenge: String,
    redirect_uri: String,
    nonce: Option<String>,
    used: bool,
}

pub(crate) struct Key {
    id: &'static str,
    pair: Pair,
}

enum Pair {
    Ec(Box<EcdsaKeyPair>),
    Rsa(Box<RsaKeyPair>),
}

impl Key {
    pub(crate) fn ec(id: &'static str) -> Self {
        let random = SystemRandom::new();
        let algorithm = &ECDSA_P256_SHA256_FIXED_SIGNING;
        let pkcs8 = EcdsaKeyPair::generate_pkcs8(algorithm, &random).unwrap();
        let pair = EcdsaKeyPair::from_pkcs8(algorithm, pkcs8.as_ref(), &random).unwrap();
        let pair = Pair::Ec(Box::new(pair));
        Self { id, pair }
    }

    /// One of 2048 bits. There is one only: it takes long to make.
    pub(crate) fn rsa(id: &'static str) -> Self {
        let pair = RsaKeyPair::from_pkcs8(include_bytes!("rsa.pk8")).unwrap();
        let pair = Pair::Rsa(Box::new(pair));
        Self { id, pair }
    }

    fn algorithm(&self) -> &'static str {
        match self.pair {
            Pair::Ec(_) => "ES256",
            Pair::Rsa(_) => "RS256",
        }
    }

    fn sign(&self, text: &[u8]) -> Vec<u8> {
        let random = SystemRandom::new();
        match &self.pair {
            Pair::Ec(pair) => pair.sign(&random, text).unwrap().as_ref().to_vec(),
            Pair::Rsa(pair) => {
                let mut signature = vec![0; pair.public().modulus_len()];
                pair.sign(&RSA_PKCS1_SHA256, &random, text, &mut signature)
                    .unwrap();
                signature
            }
        }
    }

    fn public(&self) -> Value {
        let text = |bytes: &[u8]| BASE64.encode(bytes);
        match &self.pair {
            Pair::Ec(pair) => {
                let point = &pair.public_key().as_ref()[1..];
                json!({
                    "kty": "EC", "crv": "P-256", "use": "sig", "kid": self.id,
                    "x": text(&point[..32]), "y": text(&point[32..]),
                })
            }
            Pair::Rsa(pair) => {
                let public = rsa::PublicKeyComponents::<Vec<u8>>::from(pair.public());
                json!({
                    "kty": "RSA", "use": "sig", "kid": self.id,
                    "n": text(&public.n), "e": text(&public.e),
                })
            }
        }
    }

    /// The public key as a confused client may take it for a shared secret.
    pub(crate) fn as_secret(&self) -> Vec<u8> {
        match &self.pair {
            Pair::Ec(pair) => pair.public_key().as_ref().to_vec(),
            Pair::Rsa(pair) => pair.public().as_ref().to_vec(),
        }
    }
}

impl Provider {
    pub(crate) async fn start(now: SystemTime) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let url = format!("http://{}", listener.local_addr().unwrap());
        let ways = Ways {
            claims: Box::new(|_| {}),
            sign: Sign::Right,
            discovery: Box::new(|_| {}),
            token: Trick::None,
            user_info: None,
            document: Trick::None,
            keys: vec![Key::ec("first")],
            is_public: false,
            refresh: Refresh::default(),
            now,
            asked: HashMap::new(),
            grants: HashMap::new(),
        };
        let inner = Arc::new(Inner {
            url: url.clone(),
            ways: Mutex::new(ways),
        });
        let router = Router::new()
            .route("/.well-known/openid-configuration", get(discovery))
            .route("/keys", get(keys))
            .route("/token", post(token))
            .route("/user", get(user_info).post(user_info))
            .route("/emails", get(emails))
            .with_state(inner.clone());
        let task = tokio::spawn(async move {
            axum::serve(listener, router).await.unwrap();
        });
        Self { url, inner, task }
    }

    pub(crate) fn ways(&self) -> MutexGuard<'_, Ways> {
        self.inner.ways.lock().unwrap()
    }

    /// What a person does there who agrees: the query that they come back with.
    pub(crate) fn agree(&self, url: &str) -> String {
        let url = Url::parse(url).unwrap();
        let all: Vec<(String, String)> = url.query_pairs().into_owned().collect();
        let query: HashMap<_, _> = all.iter().cloned().collect();
        assert_eq!(all.len(), query.len(), "a parameter is there twice: {url}");
        assert!(
            url.as_str()
                .starts_with(&format!("{}/authorize?", self.url))
        );
        assert_eq!(query["response_type"], "code");
        assert_eq!(query["client_id"], CLIENT);
        assert_eq!(query["code_challenge_method"], "S256");
        assert_eq!(query["code_challenge"].len(), 43);
        assert!(query["state"].len() >= 22);
        let mut ways = self.ways();
        let code = format!("{CANARY}code-{}", ways.grants.len());
        let grant = Grant {
            challenge: query["code_challenge"].clone(),
            redirect_uri: query["redirect_uri"].clone(),
            nonce: query.get("nonce").cloned(),
            used: false,
        };
        ways.grants.insert(code.clone(), grant);
        format!("code={code}&state={}&iss={}", query["state"], self.url)
    }

    /// How often a path was asked for.
    pub(crate) fn asked(&self, path: &str) -> usize {
        self.ways().asked.get(path).copied().unwrap_or(0)
    }
}

impl Drop for Provider {
    fn drop(&mut self) {
        self.task.abort();
    }
}

fn respond(status: u16, content_type: &str, body: impl Into<Body>) -> Response<Body> {
    Response::builder()
        .status(status)
        .header(CONTENT_TYPE, content_type)
        .body(body.into())
        .unwrap()
}

fn answer(json: &Value) -> Response<Body> {
    respond(200, "application/json", json.to_string())
}

async fn tricked(trick: Trick) -> Option<Response<Body>> {
    Some(match trick {
        Trick::None => return None,
        Trick::Json(json) => answer(&json),
        Trick::Text(status, content_type, text) => respond(status, content_type, text),
        Trick::Redirect(place) => Response::builder()
            .status(StatusCode::TEMPORARY_REDIRECT)
            .header(LOCATION, place)
            .body(Body::empty())
            .unwrap(),
        Trick::Silence => {
            let silence = futures_util::stream::pending::<Result<String, std::io::Error>>();
            respond(200, "application/json", Body::from_stream(silence))
        }
        Trick::Endless => {
            let spaces = futures_util::stream::repeat_with(|| {
                Ok::<_, std::io::Error>(" ".repeat(64 * 1024))
            });
            respond(200, "application/json", Body::from_stream(spaces))
        }
    })
}

impl Inner {
    fn note(&self, path: &'static str) -> MutexGuard<'_, Ways> {
        let mut ways = self.ways.lock().unwrap();
        *ways.asked.entry(path).or_default() += 1;
        ways
    }
}

async fn discovery(State(inner): State<Arc<Inner>>) -> Response<Body> {
    let trick = inner.note("discovery").document.clone();
    if let Some(trick) = tricked(trick).await {
        return trick;
    }
    let url = &inner.url;
    let mut document = json!({
        "issuer": url,
        "authorization_endpoint": format!("{url}/authorize"),
        "token_endpoint": format!("{url}/token"),
        "jwks_uri": format!("{url}/keys"),
        "userinfo_endpoint": format!("{url}/user"),
        "authorization_response_iss_parameter_supported": true,
    });
    (inner.ways.lock().unwrap().discovery)(&mut document);
    answer(&document)
}

async fn keys(State(inner): State<Arc<Inner>>) -> Response<Body> {
    let keys: Vec<_> = inner.note("keys").keys.iter().map(Key::public).collect();
    answer(&json!({ "keys": keys }))
}

async fn token(
    State(inner): State<Arc<Inner>>,
    headers: HeaderMap,
    Form(form): Form<HashMap<String, String>>,
) -> Response<Body> {
    let trick = inner.note("token").token.clone();
    let (claims, ok) = inner.redeem(&headers, &form);
    let gate = inner.ways.lock().unwrap().refresh.gate.clone();
    if let Some(gate) = gate {
        gate.acquire().await.unwrap().forget();
    }
    if let Some(trick) = tricked(trick).await {
        return trick;
    }
    let error = |error: &str| {
        let described =
            json!({ "error": error, "error_description": format!("{CANARY}description") });
        respond(400, "application/json", described.to_string())
    };
    match ok {
        Err(code) => error(code),
        Ok(()) => {
            let ways = inner.ways.lock().unwrap();
            let mut tokens = json!({
                "access_token": format!("{CANARY}access"),
                "refresh_token": ways.refresh.token(),
                "token_type": "bearer",
                "expires_in": 3600,
                "scope": "openid email",
            });
            if ways.refresh.rotates && ways.refresh.used > 0 {
                tokens["access_token"] = format!("{CANARY}access-{}", ways.refresh.used).into();
            }
            if ways.refresh.is_withheld {
                tokens["refresh_token"] = Value::Null;
            }
            if ways.refresh.is_endless {
                tokens["expires_in"] = Value::Null;
            }
            drop(ways);
            if let Some(claims) = claims {
                tokens["id_token"] = inner.id_token(claims).into();
            }
            answer(&tokens)
        }
    }
}

impl Inner {
    /// The claims for a code that is good, and whether it is (RFC 6749, 4.1.3; RFC 7636, 4.6).
    fn redeem(
        &self,
        headers: &HeaderMap,
        form: &HashMap<String, String>,
    ) -> (Option<Value>, Result<(), &'static str>) {
        let authorization = headers.get(AUTHORIZATION);
        let encode = |text: &str| -> String {
            url::form_urlencoded::byte_serialize(text.as_bytes()).collect()
        };
        let basic = BASE64_STANDARD.encode(format!("{}:{}", encode(CLIENT), encode(SECRET)));
        let by_header = authorization.is_some_and(|given| *given == format!("Basic {basic}"));
        let field = |name: &str| form.get(name).map_or("", |value| value.as_str());
        let by_body = field("client_id") == CLIENT && field("client_secret") == SECRET;
        let by_name = authorization.is_none() && field("client_id") == CLIENT;
        let is_client = match self.ways.lock().unwrap().is_public {
            true => by_name && !form.contains_key("client_secret"),
            false => by_header || by_body,
        };
        if !is_client {
            return (None, Err("invalid_client"));
        }
        if field("grant_type") == "refresh_token" {
            let mut ways = self.ways.lock().unwrap();
            return (None, ways.refresh.redeem(field("refresh_token")));
        }
        let mut ways = self.ways.lock().unwrap();
        let now = ways.now.duration_since(UNIX_EPOCH).unwrap().as_secs();
        let Some(grant) = ways.grants.get_mut(field("code")) else {
            return (None, Err("invalid_grant"));
        };
        let hash = digest::digest(&digest::SHA256, field("code_verifier").as_bytes());
        let is_right = !grant.used
            && grant.challenge == BASE64.encode(hash)
            && grant.redirect_uri == field("redirect_uri");
        grant.used = true;
        let mut claims = json!({
            "iss": self.url,
            "sub": "ada",
            "aud": CLIENT,
            "iat": now,
            "exp": now + 300,
            "email": "ada@example.com",
            "email_verified": true,
            "name": "Ada",
        });
        if let Some(nonce) = &grant.nonce {
            claims["nonce"] = nonce.as_str().into();
        }
        (ways.claims)(&mut claims);
        (Some(claims), is_right.then_some(()).ok_or("invalid_grant"))
    }

    fn id_token(&self, claims: Value) -> String {
        let ways = self.ways.lock().unwrap();
        let key = &ways.keys[0];
        let mut header = json!({ "alg": key.algorithm(), "kid": key.id, "typ": "JWT" });
        match &ways.sign {
            Sign::None => header["alg"] = "none".into(),
            Sign::Hs256(_) => header["alg"] = "HS256".into(),
            Sign::Header(other) => header = other.clone(),
            Sign::Right | Sign::Forged | Sign::Damaged => {}
        }
        let part = |json: &Value| BASE64.encode(json.to_string());
        let text = format!("{}.{}", part(&header), part(&claims));
        let mut signature = match &ways.sign {
            Sign::None => Vec::new(),
            Sign::Hs256(secret) => {
                let key = hmac::Key::new(hmac::HMAC_SHA256, secret);
                hmac::sign(&key, text.as_bytes()).as_ref().to_vec()
            }
            Sign::Forged => Key::ec("first").sign(text.as_bytes()),
            Sign::Right | Sign::Damaged | Sign::Header(_) => key.sign(text.as_bytes()),
        };
        if matches!(ways.sign, Sign::Damaged) {
            *signature.last_mut().unwrap() ^= 1;
        }
        format!("{text}.{}", BASE64.encode(signature))
    }
}

async fn user_info(State(inner): State<Arc<Inner>>, headers: HeaderMap) -> Response<Body> {
    let ways = inner.note("user");
    assert!(headers.contains_key("user-agent"));
    if headers[AUTHORIZATION] != format!("Bearer {CANARY}access") {
        return respond(401, "text/plain", "");
    }
    match &ways.user_info {
        Some(user_info) => answer(user_info),
        None => answer(&json!({ "sub": "ada", "id": 1815, "login": "ada" })),
    }
}

async fn emails(State(inner): State<Arc<Inner>>) -> Response<Body> {
    drop(inner.note("emails"));
    answer(&json!([
        { "email": "old@example.com", "primary": false, "verified": true },
        { "email": "ada@example.com", "primary": true, "verified": true },
    ]))
}

/// More than any test waits.
pub(crate) const LONG: Duration = Duration::from_secs(60);
