//! Sessions over time, without a framework. Those of requests are in `both/sessions.rs`.

use std::time::{Duration, UNIX_EPOCH};

use lucia::{SessionId, UserId};

use crate::support::{Stage, on_each_store, on_redis, sign_up};

on_each_store![
    r18_the_clock_of_the_application_decides,
    r20_renewals_never_outrun_a_revocation,
    r23_the_list_shows_valid_sessions_by_public_ids,
    one_user_can_end_all_other_sessions,
    the_sweeper_deletes_expired_sessions_and_no_others,
];

on_redis![
    r18_the_clock_of_the_application_decides,
    r20_renewals_never_outrun_a_revocation,
    r23_the_list_shows_valid_sessions_by_public_ids,
    one_user_can_end_all_other_sessions,
];

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn r18_the_clock_of_the_application_decides(stage: Stage) {
    let auth = stage.auth().await;
    for year in [1975, 2200] {
        stage.clock.set(UNIX_EPOCH + (year - 1970) * 365 * DAY);
        let session = sign_up(&auth, &format!("ada {year}")).await;
        stage.clock.advance(15 * DAY);
        let alive = auth.validate_session(session.token()).await.unwrap();
        assert!(alive.is_some(), "{year}");
        stage.clock.advance(15 * DAY + SECOND);
        let expired = auth.validate_session(session.token()).await.unwrap();
        assert!(expired.is_none(), "{year}");
    }
}

async fn r20_renewals_never_outrun_a_revocation(stage: Stage) {
    let auth = stage.auth().await;
    let first = sign_up(&auth, "ada").await;
    for _ in 0..10 {
        let session = auth.create_session(&first.user_id).await.unwrap();
        stage.clock.advance(2 * DAY);
        let renewals = (0..8).map(|_| auth.validate_session(session.token()));
        let renewals = futures_util::future::join_all(renewals);
        let revocation = auth.invalidate_session(&session.id);
        let (renewals, revocation) = tokio::join!(renewals, revocation);
        revocation.unwrap();
        assert!(renewals.iter().all(Result::is_ok));
        assert!(auth.session(&session.id).await.unwrap().is_none());
        let replayed = auth.validate_session(session.token()).await.unwrap();
        assert!(replayed.is_none());
    }
}

async fn r23_the_list_shows_valid_sessions_by_public_ids(stage: Stage) {
    let auth = stage.auth().await;
    let old = sign_up(&auth, "ada").await;
    let other = sign_up(&auth, "bob").await;
    stage.clock.advance(DAY);
    let phone = auth
        .create_session(&old.user_id)
        .device("A phone")
        .await
        .unwrap();
    let ids = |sessions: Vec<lucia::SessionInfo>| -> Vec<SessionId> {
        sessions.into_iter().map(|session| session.id).collect()
    };
    let list = auth.user_sessions(&old.user_id).await.unwrap();
    let shown = format!("{list:?}");
    assert!(!shown.contains(old.token().expose()) && !shown.contains(phone.token().expose()));
    assert_eq!(list[1].device.as_deref(), Some("A phone"));
    assert_eq!(ids(list), [old.id.clone(), phone.id.clone()]);

    stage.clock.set(old.idle_expires + SECOND);
    let list = auth.user_sessions(&old.user_id).await.unwrap();
    assert_eq!(ids(list), std::slice::from_ref(&phone.id));
    assert!(auth.session(&old.id).await.unwrap().is_none());
    assert!(auth.user_sessions(&other.user_id).await.unwrap().is_empty());
    let nobody = auth
        .user_sessions(&UserId::new("nobody").unwrap())
        .await
        .unwrap();
    assert!(nobody.is_empty());
}

async fn one_user_can_end_all_other_sessions(stage: Stage) {
    let auth = stage.auth().await;
    let here = sign_up(&auth, "ada").await;
    let bob = sign_up(&auth, "bob").await;
    let elsewhere = auth.create_session(&here.user_id).await.unwrap();
    auth.invalidate_other_sessions(&here).await.unwrap();
    let lives = async |session: &lucia::Session| {
        auth.validate_session(session.token())
            .await
            .unwrap()
            .is_some()
    };
    assert!(lives(&here).await);
    assert!(!lives(&elsewhere).await);
    assert!(lives(&bob).await);
}

async fn the_sweeper_deletes_expired_sessions_and_no_others(stage: Stage) {
    let auth = stage.auth().await;
    let first = sign_up(&auth, "ada").await;
    for _ in 0..4 {
        auth.create_session(&first.user_id).await.unwrap();
    }
    stage.clock.advance(10 * DAY);
    let young = auth.create_session(&first.user_id).await.unwrap();
    stage.clock.set(first.idle_expires);
    assert_eq!(auth.delete_expired_sessions().await.unwrap(), 0);
    stage.clock.advance(SECOND);
    let (one, two) = tokio::join!(
        auth.delete_expired_sessions(),
        auth.delete_expired_sessions()
    );
    assert_eq!(one.unwrap() + two.unwrap(), 5);
    assert_eq!(stage.count("user_session").await, 1);
    assert!(
        auth.validate_session(young.token())
            .await
            .unwrap()
            .is_some()
    );
}
