//! Settings that no cookie can be made of. Those that it is made of are in `both/cookies.rs`.

use lucia::{Auth, CookieOptions, Environment, Error, SameSite};

use crate::support::Stage;

#[tokio::test]
async fn r08_the_host_prefix_is_refused_with_what_browsers_refuse_it_with() {
    let stage = Stage::postgres().await;
    let options = CookieOptions::new;
    for (cookie, at_fault) in [
        (options().domain("example.com"), "cookie.domain"),
        (options().path("/app"), "cookie.path"),
    ] {
        match stage.builder().await.cookie(cookie).build() {
            Err(Error::Setting { setting, .. }) => assert_eq!(setting, at_fault),
            other => panic!("{at_fault}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn r09_development_is_refused_with_what_browsers_take_with_secure_only() {
    let stage = Stage::sqlite().await;
    let options = CookieOptions::new;
    for (cookie, at_fault) in [
        (options().name("__Host-sid"), "cookie.name"),
        (options().name("__HOST-sid"), "cookie.name"),
        (options().name("__Secure-sid"), "cookie.name"),
        (options().same_site(SameSite::None), "cookie.same_site"),
        (options().partitioned(true), "cookie.partitioned"),
    ] {
        let builder = stage.builder().await.cookie(cookie.clone());
        builder.build().expect(at_fault);
        let builder = stage.builder().await.cookie(cookie);
        match builder.environment(Environment::Development).build() {
            Err(error @ Error::Setting { setting, .. }) => {
                assert_eq!(setting, at_fault);
                assert!(error.to_string().contains("Environment::Development"));
            }
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
    ] {
        let built = store().await.cookie(cookie).build();
        assert!(matches!(built, Err(Error::Setting { .. })), "{built:?}");
    }
}
