//! A small application over a store that answers at once, so that all that is seen is the library.

pub mod fixed;

use actix_web::http::StatusCode;
use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::{App, Responder, get, web};
use lucia::{Auth, AuthRequest, MaybeUser, User, authenticated};
use serde::Deserialize;

use fixed::Fixed;

#[derive(Deserialize)]
struct Profile {
    username: String,
}

/// `GET /plain`.
#[get("/plain")]
async fn plain() -> impl Responder {
    "ada".to_owned()
}

/// `GET /me`.
#[get("/me")]
#[authenticated]
async fn me(user: User<Profile>) -> impl Responder {
    user.attributes.username
}

/// `GET /open`.
#[get("/open")]
async fn open(_: AuthRequest) -> impl Responder {
    "ada".to_owned()
}

/// `GET /greeting`.
#[get("/greeting")]
async fn greeting(MaybeUser(user): MaybeUser<Profile>) -> impl Responder {
    user.map_or_else(|| "ada".to_owned(), |user| user.attributes.username)
}

/// One kind of request.
#[derive(Clone, Copy, Debug)]
pub struct Kind {
    /// What it is called.
    pub name: &'static str,
    path: &'static str,
    route: fn(&mut web::ServiceConfig),
    signed_in: bool,
}

/// What is asked, the cheapest first.
pub const KINDS: [Kind; 6] = [
    Kind::new(
        "plain",
        "/plain",
        |app| {
            app.service(plain);
        },
        false,
    ),
    Kind::new(
        "plain, cookie sent",
        "/plain",
        |app| {
            app.service(plain);
        },
        true,
    ),
    Kind::new(
        "AuthRequest, anonymous",
        "/open",
        |app| {
            app.service(open);
        },
        false,
    ),
    Kind::new(
        "MaybeUser, anonymous",
        "/greeting",
        |app| {
            app.service(greeting);
        },
        false,
    ),
    Kind::new(
        "MaybeUser, signed in",
        "/greeting",
        |app| {
            app.service(greeting);
        },
        true,
    ),
    Kind::new(
        "#[authenticated]",
        "/me",
        |app| {
            app.service(me);
        },
        true,
    ),
];

impl std::fmt::Display for Kind {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.name)
    }
}

impl Kind {
    const fn new(
        name: &'static str,
        path: &'static str,
        route: fn(&mut web::ServiceConfig),
        signed_in: bool,
    ) -> Self {
        Self {
            name,
            path,
            route,
            signed_in,
        }
    }

    /// A request of this kind, as a browser sends it.
    pub fn request(&self) -> TestRequest {
        let request = TestRequest::get()
            .uri(self.path)
            .insert_header(("host", "localhost:8080"))
            .insert_header(("user-agent", "Mozilla/5.0 (X11; Linux x86_64; rv:140.0)"))
            .insert_header(("accept", "text/html,application/xhtml+xml"))
            .insert_header(("accept-language", "en"))
            .insert_header(("sec-fetch-site", "same-origin"));
        if self.signed_in {
            let cookie = format!("theme=dark; __Host-auth_session={}", fixed::TOKEN);
            request.insert_header(("cookie", cookie))
        } else {
            request
        }
    }
}

/// Sends `count` requests of a kind, one after another, without a network.
///
/// # Panics
///
/// When an answer is not what it should be.
pub async fn send(kind: Kind, count: usize) {
    let auth = Auth::builder(Fixed::with_one_user())
        .without_sign_in_limit()
        .build()
        .expect("settings");
    // One route only, so that none of them is found later than another.
    let app = App::new()
        .app_data(web::Data::new(auth))
        .configure(kind.route);
    let service = init_service(app).await;
    for _ in 0..count {
        let response = call_service(&service, kind.request().to_request()).await;
        assert_eq!(response.status(), StatusCode::OK);
        assert_eq!(read_body(response).await, "ada");
    }
}
