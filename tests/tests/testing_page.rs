//! The first example of `docs/testing.md`; `documents.rs` holds them equal.
#![allow(clippy::unwrap_used)] // A test that panics has failed.

use std::time::Duration;

use actix_web::test::{TestRequest, call_service, init_service, read_body};
use actix_web::{App, HttpResponse, Responder, get, post, web};
use lucia::testing::{self, TestRequestExt, login_as};
use lucia::{Auth, NewUser, User, authenticated};
use serde::{Deserialize, Serialize};

#[derive(Serialize, Deserialize)]
struct Profile {
    username: String,
}

#[get("/me")]
#[authenticated]
async fn me(user: User<Profile>) -> impl Responder {
    format!("Hello, {}!", user.username)
}

#[post("/orders")]
#[authenticated]
async fn order() -> impl Responder {
    HttpResponse::Created()
}

/// An `Auth` over a database of the test's own, and a clock that stands still.
async fn auth() -> (Auth, testing::Clock) {
    let store = testing::memory_store(&["username TEXT NOT NULL UNIQUE"]).await;
    let clock = testing::Clock::new();
    let auth = Auth::builder(store).clock(clock.clone()).build().unwrap();
    (auth, clock)
}

/// A user without a key: no password is hashed, which keeps the test fast.
async fn create(auth: &Auth, username: &str) -> User<Profile> {
    let username = username.to_owned();
    auth.create_user(NewUser::without_key().attributes(&Profile { username }))
        .await
        .unwrap()
}

#[actix_web::test]
async fn who_is_signed_in_is_greeted() {
    let (auth, _) = auth().await;
    let ada = create(&auth, "ada").await;
    let ada = login_as(&auth, &ada.id).await;
    let app = App::new().app_data(web::Data::new(auth)).service(me);
    let app = init_service(app).await;

    let request = TestRequest::get().uri("/me").login_as(&ada).to_request();
    let response = call_service(&app, request).await;
    assert_eq!(read_body(response).await, "Hello, ada!");

    let request = TestRequest::get().uri("/me").to_request();
    assert_eq!(call_service(&app, request).await.status(), 401);
}

#[actix_web::test]
async fn an_order_that_another_site_sends_is_refused() {
    let (auth, _) = auth().await;
    let ada = create(&auth, "ada").await;
    let ada = login_as(&auth, &ada.id).await;
    let app = App::new().app_data(web::Data::new(auth)).service(order);
    let app = init_service(app).await;

    // `login_as` says that the request comes from the site itself, as a browser does.
    let own = TestRequest::post().uri("/orders").login_as(&ada);
    assert_eq!(call_service(&app, own.to_request()).await.status(), 201);

    let foreign = TestRequest::post()
        .uri("/orders")
        .login_as(&ada)
        .insert_header(("Sec-Fetch-Site", "cross-site"));
    assert_eq!(call_service(&app, foreign.to_request()).await.status(), 403);
}

#[actix_web::test]
async fn a_session_that_nobody_uses_ends() {
    let (auth, clock) = auth().await;
    let ada = create(&auth, "ada").await;
    let ada = login_as(&auth, &ada.id).await;
    let app = App::new().app_data(web::Data::new(auth)).service(me);
    let app = init_service(app).await;

    // A day of active use, and 14 idle days.
    clock.advance(Duration::from_secs(16 * 24 * 60 * 60));
    let request = TestRequest::get().uri("/me").login_as(&ada).to_request();
    assert_eq!(call_service(&app, request).await.status(), 401);
}
