//! Settings that no cookie can be made of. Those that it is made of are in `both/cookies.rs`.

use lucia::{Auth, CookieOptions, Error, SameSite};

use crate::support::Stage;

#[tokio::test]
async fn r08_the_host_prefix_is_refused_with_what_browsers_refuse_it_with() {
    let stage = Stage::postgres().await;
    let options = CookieOptions::new;
    for (cookie, at_fault) in [
        (options().domain("example.com"), "cookie.domain"),
        (options().path("/app"), "cookie.path"),
        (options().name("__Host-sid").secure(false), "cookie.secure"),
        (options().name("__HOST-sid").secure(false), "cookie.secure"),
    ] {
        match stage.builder().await.cookie(cookie).build() {
            Err(Error::Setting { setting, .. }) => assert_eq!(setting, at_fault),
            other => panic!("{at_fault}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn settings_that_make_no_cookie_are_refused() {
    let stage = Stage::postgres().await;
    let store = || async { Auth::builder(stage.pg_store().await) };
    for cookie in [
        CookieOptions::new().name("a;b"),
        CookieOptions::new().name("a\r\nb"),
        CookieOptions::new().name("sid").path("/\r\nSet-Cookie: x"),
        CookieOptions::new().name("sid").domain("a; Path=/"),
        CookieOptions::new()
            .name("sid")
            .secure(false)
            .same_site(SameSite::None),
    ] {
        let built = store().await.cookie(cookie).build();
        assert!(matches!(built, Err(Error::Setting { .. })), "{built:?}");
    }
}
