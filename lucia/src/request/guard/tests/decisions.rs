//! What guards decide about requests of a user who is signed in, and what their denials say.

use http::Request;

use super::*;
use crate::testing::{Clock, LoggedIn, memory_store};
use crate::{Auth, NewKey, NewUser};

const MINUTE: Duration = Duration::from_secs(60);

/// An `Auth`, its clock, and a user who has just signed in.
async fn signed_in() -> (Auth, Clock, LoggedIn) {
    let clock = Clock::new();
    let builder = Auth::builder(memory_store(&[]).await).clock(clock.clone());
    let auth = builder.build().unwrap();
    let ada = auth.create_user(NewUser::without_key()).await.unwrap();
    let key = NewKey::without_password(("github", "1815"));
    auth.create_key(&ada.id, key).await.unwrap();
    let key = auth.trusted_key(("github", "1815")).await.unwrap();
    let session = auth.create_session(&key).await.unwrap();
    let logged_in = LoggedIn::new(&auth, session);
    (auth, clock, logged_in)
}

fn request(auth: &Auth, name: &str, value: &str) -> AuthRequest {
    let request = Request::get("/a").header(name, value).body(()).unwrap();
    auth.handle_request(&request)
}

#[tokio::test]
async fn r24_a_proof_is_recent_for_as_long_as_the_guard_says() {
    let (auth, clock, ada) = signed_in().await;
    let request = || request(&auth, "cookie", &ada.cookie_header());
    let guard = Guard::authenticated().recent(MINUTE);
    guard.check(&request()).await.unwrap();
    clock.advance(MINUTE + Duration::from_millis(1));
    let denied = guard.check(&request()).await;
    let is_old = matches!(denied, Err(Error::ReauthenticationRequired));
    assert!(is_old, "{denied:?}");
    Guard::authenticated().check(&request()).await.unwrap();
}

#[tokio::test]
async fn only_who_is_helped_by_a_login_is_sent_to_log_in() {
    let (auth, _, _) = signed_in().await;
    let by_cookie = request(&auth, "cookie", "a=b");
    let guard = Guard::authenticated().redirect("/login");
    let sent = |denial, target| guard.redirection(&denial, &by_cookie, target);
    for denial in [Error::Unauthenticated, Error::ReauthenticationRequired] {
        let to_login = sent(denial, Some("/a"));
        assert_eq!(to_login.as_deref(), Some("/login?next=%2Fa"));
    }
    assert_eq!(
        sent(Error::Unauthenticated, None).as_deref(),
        Some("/login")
    );
    assert_eq!(sent(Error::Unauthenticated, Some("/login")), None);
    assert_eq!(sent(Error::Forbidden, Some("/a")), None);
    let by_token = request(&auth, "authorization", "Bearer x");
    by_token.accept(TokenSource::CookieOrBearer);
    let denial = Error::Unauthenticated;
    assert_eq!(guard.redirection(&denial, &by_token, Some("/a")), None);
}

#[tokio::test]
async fn a_challenge_is_for_clients_that_may_show_a_token() {
    let (auth, _, _) = signed_in().await;
    let without = request(&auth, "cookie", "a=b");
    let bad = request(&auth, "authorization", "Bearer x");
    let only_cookies = request(&auth, "authorization", "Bearer x");
    let by_bearer = Guard::authenticated().token_source(TokenSource::Bearer);
    // It takes the token that the guard around it takes.
    let inner = Guard::authenticated();
    for (guard, request, denial, challenge) in [
        (&by_bearer, &without, Error::Unauthenticated, Some("Bearer")),
        (
            &by_bearer,
            &bad,
            Error::Unauthenticated,
            Some("Bearer error=\"invalid_token\""),
        ),
        (
            &by_bearer,
            &without,
            Error::ReauthenticationRequired,
            Some("Bearer error=\"insufficient_user_authentication\""),
        ),
        (&by_bearer, &without, Error::Forbidden, None),
        (&inner, &without, Error::Unauthenticated, Some("Bearer")),
        (&inner, &only_cookies, Error::Unauthenticated, None),
    ] {
        assert!(guard.check(request).await.is_err());
        assert_eq!(guard.challenge(&denial, request), challenge, "{denial:?}");
    }
}
