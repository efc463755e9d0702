//! The sessions that mailed links begin.

use std::net::{IpAddr, Ipv4Addr};

use http::Request;

use crate::http::PeerAddress;
use crate::testing::memory_store;
use crate::{Auth, AuthRequest, NewUser, Password, Session};

const KEY: (&str, &str) = ("email", "ada@example.com");
const PASSWORD: &str = "correct horse battery";
const ADDRESS: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));

fn request(auth: &Auth, session: Option<&Session>) -> AuthRequest {
    let mut request = Request::post("/").header("sec-fetch-site", "same-origin");
    if let Some(session) = session {
        let cookie = auth.session_cookie(Some(session));
        let cookie = format!("{}={}", cookie.name(), session.token().expose());
        request = request.header("cookie", cookie);
    }
    let mut request = request.body(()).unwrap();
    request.extensions_mut().insert(PeerAddress(ADDRESS));
    auth.handle_request(&request)
}

#[track_caller]
fn assert_has_options(session: &Session) {
    assert_eq!(session.device.as_deref(), Some("Firefox"));
    assert_eq!(session.address, Some(ADDRESS));
    assert!(!session.persistent);
}

#[tokio::test]
async fn a_session_of_a_mailed_link_has_the_options_of_a_sign_in() {
    let auth = Auth::builder(memory_store(&[]).await).build().unwrap();
    let new_user = NewUser::with_password(KEY, PASSWORD);
    let (_, ada) = request(&auth, None).sign_up(new_user).await.unwrap();

    let link = request(&auth, Some(&ada))
        .create_email_verification(KEY)
        .await
        .unwrap();
    let token = link.unwrap().token;
    let elsewhere = request(&auth, None);
    let verifying = elsewhere.verify_email(token.expose());
    let verifying = verifying.device("Firefox").remember(false).store_address();
    let verified = verifying.await.unwrap();
    assert_has_options(&verified.new_session.unwrap());

    let link = request(&auth, None)
        .create_password_reset(KEY)
        .await
        .unwrap();
    let token = link.unwrap().token;
    let elsewhere = request(&auth, None);
    let resetting = elsewhere.reset_password(token.expose(), PASSWORD);
    // What is said of it in a log holds neither the token nor the password.
    let said = format!("{resetting:?}");
    assert!(
        !said.contains(token.expose()) && !said.contains(PASSWORD),
        "{said}"
    );
    let resetting = resetting.device("Firefox").remember(false).store_address();
    let ada = resetting.await.unwrap();
    assert_has_options(&ada);

    let of_ada = request(&auth, Some(&ada));
    let change = of_ada.create_email_change(KEY, ("email", "ada@example.org"));
    let token = change.await.unwrap().unwrap().token;
    let changed = of_ada.change_email(token.expose()).await.unwrap();
    let undo = changed.undo.unwrap().token;
    let elsewhere = request(&auth, None);
    let undoing = elsewhere.undo_email_change(undo.expose());
    let undoing = undoing.device("Firefox").remember(false).store_address();
    assert_has_options(&undoing.await.unwrap());
}

#[tokio::test]
async fn options_that_do_not_fit_use_up_no_link() {
    let auth = Auth::builder(memory_store(&[]).await).build().unwrap();
    auth.create_user(NewUser::with_password(KEY, PASSWORD))
        .await
        .unwrap();
    let link = request(&auth, None)
        .create_password_reset(KEY)
        .await
        .unwrap();
    let token = link.unwrap().token;
    let elsewhere = request(&auth, None);
    let bad = elsewhere.reset_password(token.expose(), "another horse battery");
    assert!(bad.attributes(&"no columns").await.is_err());
    elsewhere
        .sign_in(Password::new(KEY, PASSWORD))
        .await
        .unwrap();
    let good = elsewhere.reset_password(token.expose(), "another horse battery");
    good.await.unwrap();
}
