use std::time::{Duration, SystemTime, UNIX_EPOCH};

use super::{Clock, LoggedIn, login_as, memory_store};
use crate::{Auth, Environment, NewUser, User};

const COLUMNS: &[&str] = &["username TEXT NOT NULL UNIQUE"];

async fn ada(auth: &Auth) -> User {
    let attributes = serde_json::json!({ "username": "ada" });
    let ada = NewUser::without_key().attributes(&attributes).returning();
    auth.create_user(ada).await.unwrap()
}

#[tokio::test]
async fn each_store_is_empty_and_has_the_columns() {
    for _ in 0..2 {
        ada(&Auth::builder(memory_store(COLUMNS).await).build().unwrap()).await;
    }
}

#[tokio::test]
#[should_panic(expected = "the store of the test")]
async fn a_column_that_cannot_be_made_is_told() {
    memory_store(&["no definition at all;"]).await;
}

#[test]
fn a_clock_stands_still_until_it_is_moved() {
    let clock = Clock::new();
    let other = clock.clone();
    let before = clock.now();
    clock.advance(Duration::from_millis(1500));
    assert_eq!(other.now(), before + Duration::from_millis(1500));
    other.set(UNIX_EPOCH);
    assert_eq!(crate::TimeSource::now(&clock), UNIX_EPOCH);
    let now = Clock::default().now();
    assert!(now <= SystemTime::now() && now + Duration::from_secs(60) > SystemTime::now());
}

#[tokio::test]
async fn who_is_logged_in_is_known_by_the_cookie_and_by_the_bearer_token() {
    for (environment, name) in [
        (Environment::Production, "__Host-auth_session"),
        (Environment::Development, "auth_session"),
    ] {
        let builder = Auth::builder(memory_store(COLUMNS).await).environment(environment);
        let auth = builder.build().unwrap();
        let user = ada(&auth).await;
        let logged_in = login_as(&auth, &user.id).await;
        let token = logged_in.session().token().expose();
        assert_eq!(logged_in.cookie_pair(), (name, token));
        assert_eq!(logged_in.cookie_header(), format!("{name}={token}"));
        assert_eq!(logged_in.bearer_header(), format!("Bearer {token}"));
        let validated = auth.validate_session(logged_in.session().token()).await;
        assert_eq!(validated.unwrap().unwrap().user_id, user.id);
    }
}

#[tokio::test]
#[should_panic(expected = "nobody can be signed in as `nobody`")]
async fn a_user_who_is_not_there_is_told() {
    let auth = Auth::builder(memory_store(COLUMNS).await).build().unwrap();
    login_as(&auth, &"nobody".parse().unwrap()).await;
}

#[tokio::test]
async fn debug_shows_no_token() {
    let auth = Auth::builder(memory_store(COLUMNS).await).build().unwrap();
    let user = ada(&auth).await;
    let logged_in = LoggedIn::new(&auth, auth.create_session(&user.id).await.unwrap());
    let token = logged_in.session().token().expose();
    assert!(!format!("{logged_in:?}").contains(token));
}

#[cfg(feature = "actix")]
mod with_actix {
    use actix_web::test::TestRequest;

    use super::*;
    use crate::Error;
    use crate::testing::TestRequestExt;

    #[tokio::test]
    async fn a_test_request_is_sent_by_who_is_logged_in_and_from_the_site_itself() {
        let auth = Auth::builder(memory_store(COLUMNS).await).build().unwrap();
        let user = ada(&auth).await;
        let logged_in = login_as(&auth, &user.id).await;
        let sent = |request: TestRequest| auth.handle_request(&request.to_http_request());

        let with_others = TestRequest::post()
            .append_header(("Cookie", "theme=dark"))
            .login_as(&logged_in);
        let session = sent(with_others).require().await.unwrap();
        assert_eq!(session.user_id, user.id);

        let from_nowhere = TestRequest::post().append_header(("Cookie", logged_in.cookie_header()));
        let refused = sent(from_nowhere).require().await;
        assert!(matches!(refused, Err(Error::CrossOrigin)));
    }
}
