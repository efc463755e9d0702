//! Settings of an `Auth` that make no sense.

use std::time::Duration;

use lucia::{Auth, AuthBuilder, Error, SqliteStore};

use crate::support::Stage;

async fn refused(change: impl FnOnce(AuthBuilder) -> AuthBuilder) -> (&'static str, String) {
    let store = SqliteStore::in_memory().await.unwrap();
    match change(Auth::builder(store)).build() {
        Err(Error::Setting { setting, reason }) => (setting, reason),
        other => panic!("{other:?}"),
    }
}

async fn accepted(change: impl FnOnce(AuthBuilder) -> AuthBuilder) {
    let store = SqliteStore::in_memory().await.unwrap();
    change(Auth::builder(store)).build().unwrap();
}

const HOUR: Duration = Duration::from_secs(60 * 60);

#[tokio::test]
async fn nobody_can_be_limited_to_no_session() {
    let (setting, reason) = refused(|auth| auth.max_sessions_per_user(0)).await;
    assert_eq!(setting, "max_sessions_per_user");
    assert_eq!(reason, "with 0, no user could sign in");
    accepted(|auth| auth.max_sessions_per_user(1)).await;
    accepted(|auth| auth.max_sessions_per_user(u32::MAX)).await;
}

#[tokio::test]
async fn r34_a_limit_of_attempts_leaves_one_and_has_a_period() {
    let (setting, reason) = refused(|auth| auth.sign_in_limit(0, HOUR)).await;
    assert_eq!(setting, "sign_in_limit");
    assert!(
        reason.starts_with("with 0, no user could sign in"),
        "{reason}"
    );
    for period in [Duration::ZERO, Duration::from_millis(999), Duration::MAX] {
        let (setting, _) = refused(|auth| auth.sign_in_limit(1, period)).await;
        assert_eq!(setting, "sign_in_limit");
    }
    accepted(|auth| auth.sign_in_limit(1, Duration::from_secs(1))).await;
    accepted(|auth| auth.sign_in_limit(0, HOUR).without_sign_in_limit()).await;
}

#[tokio::test]
async fn r34_attempts_are_limited_only_by_a_store_that_counts_them() {
    let stage = Stage::sqlite().await;
    let sessions = Stage::sqlite().await;
    stage.probe.count_no_attempts();
    let limited = stage.builder().await;
    let elsewhere = stage.builder().await.sessions(sessions.store().await);
    for settings in [limited, elsewhere] {
        let Err(Error::Setting { setting, reason }) = settings.build() else {
            panic!("it counts none")
        };
        assert_eq!(setting, "sign_in_limit");
        assert!(reason.contains("`without_sign_in_limit()`"), "{reason}");
    }
    let auth = stage
        .builder()
        .await
        .without_sign_in_limit()
        .build()
        .unwrap();
    auth.check_schema::<lucia::NoAttributes>().await.unwrap();
    auth.delete_expired_sessions().await.unwrap();

    // The sessions need not count them.
    let users = sessions.builder().await.sessions(stage.store().await);
    users.build().unwrap();
}

#[tokio::test]
async fn periods_are_neither_too_short_nor_too_long() {
    let short = Duration::from_millis(999);
    let centuries = 24 * 366 * 200 * HOUR;
    for period in [Duration::ZERO, short, centuries, Duration::MAX] {
        let refusals = [
            refused(|auth| auth.active_period(period)).await,
            refused(|auth| auth.idle_period(period)).await,
            refused(|auth| auth.absolute_period(period)).await,
            refused(|auth| auth.browser_session_idle_period(period)).await,
        ];
        let settings = refusals.map(|(setting, _)| setting);
        assert_eq!(
            settings,
            [
                "active_period",
                "idle_period",
                "absolute_period",
                "browser_session_idle_period",
            ]
        );
    }
    accepted(|auth| auth.active_period(Duration::from_secs(1))).await;
}

#[tokio::test]
async fn a_session_that_is_not_remembered_does_not_outlive_one_that_is() {
    let longer = |auth: AuthBuilder| auth.idle_period(HOUR).browser_session_idle_period(2 * HOUR);
    let (setting, reason) = refused(longer).await;
    assert_eq!(setting, "browser_session_idle_period");
    assert!(
        reason.starts_with("it is longer than the idle period"),
        "{reason}"
    );
    // In whatever order they are set, and where only one of them is.
    let longer = |auth: AuthBuilder| auth.browser_session_idle_period(2 * HOUR).idle_period(HOUR);
    assert_eq!(refused(longer).await.0, "browser_session_idle_period");
    let longer = |auth: AuthBuilder| auth.browser_session_idle_period(15 * 24 * HOUR);
    assert_eq!(refused(longer).await.0, "browser_session_idle_period");
    accepted(|auth| auth.idle_period(HOUR)).await;
    accepted(|auth| auth.idle_period(HOUR).browser_session_idle_period(HOUR)).await;
}

#[tokio::test]
async fn an_absolute_period_is_no_shorter_than_the_active_one() {
    let (setting, _) = refused(|auth| auth.active_period(2 * HOUR).absolute_period(HOUR)).await;
    assert_eq!(setting, "absolute_period");
    accepted(|auth| auth.active_period(HOUR).absolute_period(HOUR)).await;
}

#[tokio::test]
async fn no_store_answers_in_no_time() {
    let (setting, _) = refused(|auth| auth.store_timeout(Duration::ZERO)).await;
    assert_eq!(setting, "store_timeout");
}

#[tokio::test]
async fn r30_proxies_are_counted_where_one_is_trusted() {
    let (setting, reason) = refused(|auth| auth.proxy_hops(1)).await;
    assert_eq!(setting, "proxy_hops");
    assert!(reason.contains("`trusted_proxy`"), "{reason}");
    let trusting = |auth: AuthBuilder| auth.trusted_proxy(lucia::TrustedProxy::Forwarded);
    let (setting, _) = refused(|auth| trusting(auth).proxy_hops(0)).await;
    assert_eq!(setting, "proxy_hops");
    accepted(|auth| trusting(auth).proxy_hops(2)).await;
    accepted(trusting).await;
}
