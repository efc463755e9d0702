//! Debug output, attributes of cookies, and parsing.

use actix_web::test::TestRequest;
use actix_web::{HttpResponse, get};
use lucia::{CookieOptions, NewUser, SameSite, authenticated};
use reqwest::Method;

use super::{DAY, ada};
use crate::support::{PASSWORD, Stage, actix, on_each_store, sign_up};

on_each_store![
    lucia_fault_25_nothing_shows_a_password_or_token,
    lucia_fault_26_what_is_not_set_of_a_cookie_stays_as_it_is,
    lucia_fault_27_a_cookie_can_have_the_name_of_anything,
    lucia_fault_27_cookies_with_dates_stand_beside_ours,
    lucia_fault_27_a_scheme_is_the_same_in_any_case,
];

async fn lucia_fault_25_nothing_shows_a_password_or_token(stage: Stage) {
    let (site, session) = ada(&stage).await;
    let auth = &site.auth;
    let cookie = auth.session_cookie(Some(&session));
    let request = TestRequest::get()
        .insert_header(("cookie", format!("{}={}", cookie.name(), cookie.value())))
        .to_http_request();
    let auth_request = auth.handle_request(&request);
    let found = auth_request.validate().await.unwrap();
    assert!(found.is_some());
    let hash = stage.value("SELECT hashed_password FROM user_key").await;
    let key = stage.store().await.key("username:ada").await.unwrap();
    let shown = format!(
        "{auth:#?} {auth_request:#?} {found:#?} {session:#?} {:#?} {cookie:#?} {:#?} {key:#?} {:#?}",
        session.token(),
        NewUser::with_password(("username", "ada"), PASSWORD),
        auth.verify_password(("username", "ada"), PASSWORD).await,
    );
    for secret in [PASSWORD, session.token().expose(), &hash.unwrap()] {
        assert!(!shown.contains(secret), "{shown}");
    }
}

async fn lucia_fault_26_what_is_not_set_of_a_cookie_stays_as_it_is(stage: Stage) {
    let options = CookieOptions::new().same_site(SameSite::Strict);
    let auth = stage.builder().await.cookie(options).build().unwrap();
    let session = sign_up(&auth, "ada").await;
    let set = auth.session_cookie(Some(&session)).to_string();
    let removal = auth.session_cookie(None).to_string();
    for cookie in [set, removal] {
        assert!(cookie.starts_with("__Host-auth_session="), "{cookie}");
        for attribute in ["SameSite=Strict", "Path=/", "HttpOnly", "Secure"] {
            let has = cookie.split("; ").any(|part| part == attribute);
            assert!(has, "{attribute}: {cookie}");
        }
    }
}

async fn lucia_fault_27_a_cookie_can_have_the_name_of_anything(stage: Stage) {
    for name in ["toString", "constructor", "__proto__", "hasOwnProperty"] {
        let options = CookieOptions::new().name(name);
        let auth = stage.builder().await.cookie(options).build().unwrap();
        let site = actix::serve(auth, actix::front_page()).await;
        let browser = site.browser();
        let anonymous = browser.get("/who").await;
        assert_eq!(anonymous.body, "nobody");
        assert!(anonymous.set_cookies().is_empty());
        let form = [("username", name), ("password", PASSWORD)];
        assert_eq!(browser.post("/signup", &form).await.status, 201);
        let cookies = browser.cookie_header().unwrap();
        assert!(cookies.starts_with(&format!("{name}=")), "{cookies}");
        assert_eq!(browser.get("/who").await.body, name);
    }
}

const DATED: [&str; 2] = [
    "a=1; Expires=Wed, 21 Oct 2099 07:28:00 GMT; Path=/",
    "b=2, 3; Expires=Thu, 22 Oct 2099 07:28:00 GMT",
];

#[get("/dated")]
#[authenticated]
async fn dated() -> HttpResponse {
    let mut response = HttpResponse::Ok();
    for cookie in DATED {
        response.append_header(("set-cookie", cookie));
    }
    response.finish()
}

async fn lucia_fault_27_cookies_with_dates_stand_beside_ours(stage: Stage) {
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    let site = actix::serve(
        auth,
        actix::Routes::of_config(|config| {
            config.service(dated);
        }),
    )
    .await;
    stage.clock.advance(2 * DAY);
    let reply = site.browser_of(&session).get("/dated").await;
    let (ours, others): (Vec<_>, Vec<_>) = reply
        .set_cookies()
        .into_iter()
        .partition(|cookie| cookie.starts_with("__Host-auth_session="));
    assert_eq!(others, DATED);
    let [ours] = ours[..] else {
        panic!("{ours:?}");
    };
    let expires = ours.split("; ").find(|part| part.starts_with("Expires="));
    let expires = expires.unwrap().trim_start_matches("Expires=");
    // `Wed, 21 Oct 2099 07:28:00 GMT`
    assert_eq!((expires.len(), &expires[3..5]), (29, ", "), "{ours}");
}

#[get("/by-bearer")]
#[authenticated(bearer)]
async fn by_bearer() -> &'static str {
    "in"
}

async fn lucia_fault_27_a_scheme_is_the_same_in_any_case(stage: Stage) {
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    let site = actix::serve(
        auth,
        actix::Routes::of_config(|config| {
            config.service(by_bearer);
        }),
    )
    .await;
    let browser = site.browser();
    for (scheme, status) in [
        ("Bearer", 200),
        ("bearer", 200),
        ("BEARER", 200),
        ("bEaReR", 200),
        ("Basic", 401),
    ] {
        let request = browser.request(Method::GET, "/by-bearer");
        let value = format!("{scheme} {}", session.token().expose());
        let reply = browser.send(request.header("authorization", value)).await;
        assert_eq!(reply.status, status, "{scheme}");
        assert!(reply.set_cookies().is_empty());
    }
}
