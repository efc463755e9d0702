//! What is known of a sender without a query, and what has to be asked for.

use http::Request;

use super::*;
use crate::testing::{LoggedIn, memory_store};
use crate::{Auth, Error, NewUser};

async fn signed_in() -> (Auth, Session) {
    let auth = Auth::builder(memory_store(&[]).await).build().unwrap();
    let ada = auth.create_user(NewUser::without_key()).await.unwrap();
    let session = auth.create_session(&ada.id).await.unwrap();
    (auth, session)
}

fn request(auth: &Auth, cookie: Option<&str>) -> AuthRequest {
    let request = Request::get("/").header("cookie", cookie.unwrap_or_default());
    auth.handle_request(&request.body(()).unwrap())
}

#[tokio::test]
async fn a_sender_is_known_once_anything_has_asked() {
    let (auth, session) = signed_in().await;
    let ada = LoggedIn::new(&auth, session);
    let request = request(&auth, Some(&ada.cookie_header()));
    assert!(request.known::<Session>().is_none());
    assert!(request.known::<MaybeUser>().is_none());
    request.ask::<MaybeSession>().await.unwrap();
    let user = request.known::<User>().unwrap().unwrap();
    let session = request.known::<Session>().unwrap().unwrap();
    assert_eq!(session.user_id, user.id);
    let MaybeUser(maybe_user) = request.known().unwrap().unwrap();
    assert_eq!(maybe_user, Some(user));

    request.set_session(None);
    assert!(request.known::<Session>().is_none());
    let denied = request.ask::<User>().await;
    assert!(matches!(denied, Err(Error::Unauthenticated)), "{denied:?}");
}

#[tokio::test]
async fn an_anonymous_sender_is_refused_only_where_somebody_is_asked_for() {
    let (auth, _) = signed_in().await;
    let request = request(&auth, None);
    let session = request.ask::<Session>().await;
    assert!(matches!(session, Err(Error::Unauthenticated)));
    assert!(request.ask::<MaybeSession>().await.unwrap().0.is_none());
    assert!(request.ask::<Option<User>>().await.unwrap().is_none());
}

#[tokio::test]
async fn a_session_that_was_set_is_known_without_its_user() {
    let (auth, session) = signed_in().await;
    auth.delete_user(&session.user_id).await.unwrap();
    let request = request(&auth, None);
    request.set_session(Some(&session));
    assert!(request.known::<User>().is_none());
    let denied = request.ask::<User>().await;
    assert!(matches!(denied, Err(Error::Unauthenticated)), "{denied:?}");
    assert!(request.ask::<MaybeUser>().await.unwrap().0.is_none());
    // Only the user is gone for this request.
    assert!(request.known::<User>().is_none());
    let known = request.known::<Session>().unwrap().unwrap();
    assert_eq!(known.id, session.id);
    assert_eq!(request.ask::<Session>().await.unwrap().id, session.id);
}
