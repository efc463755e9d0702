//! A toy provider of OpenID Connect, so that sign-in by a provider can be tried without registering
//! anywhere. Everyone can be Ada or Grace there, so it is in development only, on this machine.
//!
//! For the site it is a provider like any other: the site asks for its discovery document and keys over
//! HTTP, and checks what it signs.

mod keys;
mod pages;

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use actix_web::http::header::{AUTHORIZATION, LOCATION};
use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine;
use base64::prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD};
use ring::digest;
use serde::Deserialize;
use serde_json::json;
use url::Url;

use crate::place::Place;
use crate::providers::callback;
use keys::{SigningKey, random};
use pages::{authorize, decide};

/// The provider id of its keys.
const ID: &str = "demo";
const CLIENT_ID: &str = "showcase";

/// How long a code works.
const CODE_LIFETIME: Duration = Duration::from_secs(60);
const ID_TOKEN_LIFETIME: Duration = Duration::from_secs(300);

/// Codes that wait to be exchanged; more than that are forgotten.
const MOST_CODES: usize = 1000;

pub struct DemoProvider {
    issuer: String,
    redirect_uri: String,
    client_secret: String,
    key: SigningKey,
    codes: Mutex<HashMap<String, Grant>>,
}

/// A person who has an account at the provider.
pub struct Person {
    pub id: &'static str,
    pub name: &'static str,
    pub email: &'static str,
}

pub const PEOPLE: [Person; 2] = [
    Person {
        id: "ada",
        name: "Ada Lovelace",
        email: "ada@demo.example",
    },
    Person {
        id: "grace",
        name: "Grace Hopper",
        email: "grace@demo.example",
    },
];

/// What a code stands for.
struct Grant {
    person: &'static Person,
    nonce: String,
    challenge: String,
    at: SystemTime,
}

/// What the site asks for (RFC 6749, 4.1.1; RFC 7636, 4.3).
#[derive(Deserialize)]
pub struct Question {
    client_id: String,
    redirect_uri: String,
    response_type: String,
    state: String,
    nonce: String,
    code_challenge: String,
    code_challenge_method: String,
}

/// What the site shows for tokens (RFC 6749, 4.1.3).
#[derive(Deserialize)]
struct Exchange {
    grant_type: String,
    code: String,
    redirect_uri: String,
    code_verifier: String,
}

pub fn configure(config: &mut web::ServiceConfig, provider: web::Data<DemoProvider>) {
    config.service(
        web::scope("/demo-provider")
            .app_data(provider)
            .route(
                "/.well-known/openid-configuration",
                web::get().to(discovery),
            )
            .route("/keys", web::get().to(keys))
            .route("/authorize", web::get().to(authorize))
            .route("/authorize", web::post().to(decide))
            .route("/token", web::post().to(token)),
    );
}

impl DemoProvider {
    pub fn new(place: &Place) -> lucia::Result<Self> {
        Ok(Self {
            issuer: place.url("/demo-provider"),
            redirect_uri: callback(place, ID),
            client_secret: random()?,
            key: SigningKey::generate()?,
            codes: Mutex::default(),
        })
    }

    pub fn id(&self) -> &'static str {
        ID
    }

    pub fn issuer(&self) -> &str {
        &self.issuer
    }

    pub fn client_id(&self) -> &'static str {
        CLIENT_ID
    }

    pub fn client_secret(&self) -> &str {
        &self.client_secret
    }

    pub fn redirect_uri(&self) -> &str {
        &self.redirect_uri
    }

    /// Refuses what this site would not ask. Such people are not sent anywhere: the address is not known.
    fn check(&self, question: &Question) -> Result<(), &'static str> {
        if question.client_id != CLIENT_ID {
            return Err("The client is not registered here.");
        }
        if question.redirect_uri != self.redirect_uri {
            return Err("The address to go back to is not registered here.");
        }
        if question.response_type != "code" || question.code_challenge_method != "S256" {
            return Err("This provider gives codes, to clients with PKCE (S256).");
        }
        Ok(())
    }

    /// A code for this person, to be exchanged once.
    fn grant(&self, question: &Question, person: &'static Person) -> lucia::Result<String> {
        let code = random()?;
        let grant = Grant {
            person,
            nonce: question.nonce.clone(),
            challenge: question.code_challenge.clone(),
            at: SystemTime::now(),
        };
        let mut codes = self.codes();
        codes.retain(|_, grant| grant.is_fresh());
        if codes.len() < MOST_CODES {
            codes.insert(code.clone(), grant);
        }
        Ok(code)
    }

    /// Back to the site, with the answer (RFC 6749, 4.1.2; RFC 9207).
    fn answer(&self, question: &Question, answer: (&str, &str)) -> lucia::Result<HttpResponse> {
        let mut back = Url::parse(&self.redirect_uri).map_err(lucia::Error::internal)?;
        back.query_pairs_mut()
            .append_pair(answer.0, answer.1)
            .append_pair("state", &question.state)
            .append_pair("iss", &self.issuer);
        let mut response = HttpResponse::SeeOther();
        Ok(response.insert_header((LOCATION, back.as_str())).finish())
    }

    fn id_token(&self, grant: &Grant) -> lucia::Result<String> {
        let since = |at: SystemTime| at.duration_since(UNIX_EPOCH).unwrap_or_default();
        let now = since(SystemTime::now());
        self.key.sign(&json!({
            "iss": self.issuer,
            "sub": grant.person.id,
            "aud": CLIENT_ID,
            "iat": now.as_secs(),
            "exp": (now + ID_TOKEN_LIFETIME).as_secs(),
            // It has no sessions: each authorization is a sign-in.
            "auth_time": since(grant.at).as_secs(),
            "nonce": grant.nonce,
            "name": grant.person.name,
            "email": grant.person.email,
            "email_verified": true,
        }))
    }

    fn is_client(&self, request: &HttpRequest) -> bool {
        let header = request.headers().get(AUTHORIZATION);
        let basic = header.and_then(|value| value.to_str().ok()?.strip_prefix("Basic "));
        // Neither has a character that is encoded there (RFC 6749, 2.3.1).
        let expected = BASE64_STANDARD.encode(format!("{CLIENT_ID}:{}", self.client_secret));
        basic.is_some_and(|basic| basic == expected)
    }

    fn codes(&self) -> MutexGuard<'_, HashMap<String, Grant>> {
        self.codes.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Grant {
    fn is_fresh(&self) -> bool {
        self.at.elapsed().unwrap_or_default() < CODE_LIFETIME
    }

    /// Whether this is the verifier of the challenge (RFC 7636, 4.6).
    fn is_proven_by(&self, verifier: &str) -> bool {
        let hash = digest::digest(&digest::SHA256, verifier.as_bytes());
        BASE64_URL_SAFE_NO_PAD.encode(hash) == self.challenge
    }
}

async fn discovery(provider: web::Data<DemoProvider>) -> HttpResponse {
    let issuer = &provider.issuer;
    HttpResponse::Ok().json(json!({
        "issuer": issuer,
        "authorization_endpoint": format!("{issuer}/authorize"),
        "token_endpoint": format!("{issuer}/token"),
        "jwks_uri": format!("{issuer}/keys"),
        "response_types_supported": ["code"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
        "token_endpoint_auth_methods_supported": ["client_secret_basic"],
        "code_challenge_methods_supported": ["S256"],
        "authorization_response_iss_parameter_supported": true,
    }))
}

async fn keys(provider: web::Data<DemoProvider>) -> HttpResponse {
    HttpResponse::Ok().json(json!({ "keys": [provider.key.public()] }))
}

async fn token(
    provider: web::Data<DemoProvider>,
    request: HttpRequest,
    form: web::Form<Exchange>,
) -> lucia::Result<HttpResponse> {
    if !provider.is_client(&request) {
        return Ok(HttpResponse::Unauthorized().json(json!({ "error": "invalid_client" })));
    }
    let grant = provider.codes().remove(&form.code); // used, whatever comes of it
    let is_asked_rightly =
        form.grant_type == "authorization_code" && form.redirect_uri == provider.redirect_uri;
    let grant = grant.filter(|grant| {
        is_asked_rightly && grant.is_fresh() && grant.is_proven_by(&form.code_verifier)
    });
    let Some(grant) = grant else {
        return Ok(HttpResponse::BadRequest().json(json!({ "error": "invalid_grant" })));
    };
    Ok(HttpResponse::Ok().json(json!({
        "access_token": random()?,
        "token_type": "Bearer",
        "expires_in": ID_TOKEN_LIFETIME.as_secs(),
        "id_token": provider.id_token(&grant)?,
    })))
}
