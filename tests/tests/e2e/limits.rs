//! How many sessions a user can have, and what becomes of expired ones.

use std::collections::BTreeSet;
use std::time::Duration;

use futures_util::future::join_all;
use lucia::{Auth, Session, SessionId, UserId};

use crate::support::{PASSWORD, Stage, actix, on_each_store, on_redis, sign_up};

on_each_store![
    r25_fifty_parallel_logins_leave_at_most_n,
    r25_logins_over_http_leave_at_most_n_and_each_user_has_their_own,
    r25_the_newest_session_stays_and_the_longest_unused_goes,
    r25_expired_sessions_go_first,
    r25_a_session_that_is_replaced_does_not_count,
    r25_a_lower_limit_holds_from_the_next_sign_in_on,
    only_the_expired_sessions_of_one_user_are_deleted,
    r52_the_sweeper_deletes_only_expired_rows_in_batches,
    r52_two_sweepers_at_once_delete_each_expired_session_once,
    r52_a_session_renewed_beside_a_sweep_lives_on,
    r52_a_session_swept_beside_its_renewal_does_not_come_back,
];

on_redis![
    r25_fifty_parallel_logins_leave_at_most_n,
    r25_logins_over_http_leave_at_most_n_and_each_user_has_their_own,
    r25_the_newest_session_stays_and_the_longest_unused_goes,
    r25_a_session_that_is_replaced_does_not_count,
    r25_a_lower_limit_holds_from_the_next_sign_in_on,
];

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

async fn limited(stage: &Stage, limit: u32) -> Auth {
    let settings = stage.builder().await.max_sessions_per_user(limit);
    settings.build().unwrap()
}

async fn only_the_expired_sessions_of_one_user_are_deleted(stage: Stage) {
    let auth = stage.auth().await;
    let ada = sign_up(&auth, "ada").await;
    auth.create_session(&ada.user_id).await.unwrap();
    let bob = sign_up(&auth, "bob").await;
    stage.clock.set(ada.idle_expires);
    let valid = auth.create_session(&ada.user_id).await.unwrap();
    let delete = async |user: &UserId| auth.delete_expired_user_sessions(user).await.unwrap();
    assert_eq!(delete(&ada.user_id).await, 0);
    stage.clock.advance(SECOND);
    for unknown in ["nobody", "NOBODY", " "] {
        assert_eq!(delete(&UserId::new(unknown).unwrap()).await, 0);
    }
    assert_eq!(delete(&ada.user_id).await, 2);
    assert_eq!(delete(&ada.user_id).await, 0);
    assert!(is_alive(&auth, &valid).await);
    let left = stage.rows("SELECT id FROM user_session").await;
    let left: BTreeSet<_> = left.into_iter().flatten().flatten().collect();
    let expected = [&valid, &bob].map(|session| session.id.as_str().to_owned());
    assert_eq!(left, BTreeSet::from(expected));
}

async fn is_alive(auth: &Auth, session: &Session) -> bool {
    let found = auth.validate_session(session.token()).await;
    found.unwrap().is_some()
}

async fn alive_ids(auth: &Auth, user_id: &UserId) -> Vec<SessionId> {
    let list = auth.user_sessions(user_id).await.unwrap();
    list.into_iter().map(|session| session.id).collect()
}

async fn r25_fifty_parallel_logins_leave_at_most_n(stage: Stage) {
    let auth = limited(&stage, 3).await;
    let ada = sign_up(&auth, "ada").await.user_id.clone();
    let bob = sign_up(&auth, "bob").await;
    stage.clock.advance(SECOND);
    let logins = (0..50).map(|_| {
        let (auth, ada) = (auth.clone(), ada.clone());
        tokio::spawn(async move { auth.create_session(&ada).await })
    });
    let logins = join_all(logins).await.into_iter().map(Result::unwrap);
    let logins: Vec<Session> = logins.map(Result::unwrap).collect();
    let mut alive = 0;
    for session in &logins {
        alive += usize::from(is_alive(&auth, session).await);
    }
    assert_eq!(alive, 3);
    assert_eq!(alive_ids(&auth, &ada).await.len(), 3);
    assert_eq!(stage.count("user_session").await, 4);
    assert!(is_alive(&auth, &bob).await);
}

async fn r25_logins_over_http_leave_at_most_n_and_each_user_has_their_own(stage: Stage) {
    let site = actix::serve(limited(&stage, 2).await, actix::front_page()).await;
    sign_up(&site.auth, "ada").await;
    let bob = sign_up(&site.auth, "bob").await;
    stage.clock.advance(SECOND);
    let form = [("username", "ada"), ("password", PASSWORD)];
    let browsers = join_all((0..6).map(|_| async {
        let browser = site.browser();
        assert_eq!(browser.post("/login", &form).await.status, 204);
        browser
    }))
    .await;
    let replies = join_all(browsers.iter().map(|browser| browser.get("/me"))).await;
    let mut statuses: Vec<_> = replies.iter().map(|reply| reply.status).collect();
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 200, 401, 401, 401, 401]);
    let turned_out = replies.iter().filter(|reply| reply.status == 401);
    assert!(
        turned_out
            .into_iter()
            .all(|reply| reply.set_cookies().is_empty())
    );
    assert_eq!(site.browser_of(&bob).get("/me").await.status, 200);
}

async fn r25_the_newest_session_stays_and_the_longest_unused_goes(stage: Stage) {
    let auth = limited(&stage, 3).await;
    let first = sign_up(&auth, "ada").await;
    let sign_in = async || {
        stage.clock.advance(2 * DAY);
        auth.create_session(&first.user_id).await.unwrap()
    };
    let second = sign_in().await;
    let third = sign_in().await;
    // The oldest is in use.
    assert!(is_alive(&auth, &first).await);
    let fourth = sign_in().await;
    let ids = |sessions: [&Session; 3]| sessions.map(|session| session.id.clone());
    let alive = alive_ids(&auth, &first.user_id).await;
    assert_eq!(alive, ids([&first, &third, &fourth]));
    assert!(!is_alive(&auth, &second).await);
    // At one moment all are as old, and the one that was just made stays.
    for _ in 0..10 {
        let newest = auth.create_session(&first.user_id).await.unwrap();
        assert!(is_alive(&auth, &newest).await);
        assert_eq!(stage.count("user_session").await, 3);
    }
}

async fn r25_expired_sessions_go_first(stage: Stage) {
    let auth = limited(&stage, 2).await;
    let old = sign_up(&auth, "ada").await;
    stage.clock.advance(SECOND);
    let expired = auth.create_session(&old.user_id).await.unwrap();
    // Renewed later than the other, and expired before it.
    let expire = "UPDATE user_session SET idle_expires = 1, active_expires = 1 WHERE id";
    stage.execute(&format!("{expire} = '{}'", expired.id)).await;
    stage.clock.advance(SECOND);
    let new = auth.create_session(&old.user_id).await.unwrap();
    let alive = alive_ids(&auth, &old.user_id).await;
    assert_eq!(alive, [old.id.clone(), new.id.clone()]);
    assert_eq!(stage.count("user_session").await, 2);
}

async fn r25_a_session_that_is_replaced_does_not_count(stage: Stage) {
    let auth = limited(&stage, 2).await;
    let one = sign_up(&auth, "ada").await;
    stage.clock.advance(SECOND);
    let mut two = auth.create_session(&one.user_id).await.unwrap();
    for _ in 0..3 {
        stage.clock.advance(SECOND);
        let creation = auth.create_session(&one.user_id);
        two = creation.replace(Some(&two)).await.unwrap();
        assert!(is_alive(&auth, &one).await);
        assert!(is_alive(&auth, &two).await);
    }
    assert_eq!(stage.count("user_session").await, 2);
}

async fn r25_a_lower_limit_holds_from_the_next_sign_in_on(stage: Stage) {
    let unlimited = stage.auth().await;
    let first = sign_up(&unlimited, "ada").await;
    for _ in 0..9 {
        stage.clock.advance(SECOND);
        unlimited.create_session(&first.user_id).await.unwrap();
    }
    let auth = limited(&stage, 1).await;
    assert!(is_alive(&auth, &first).await);
    assert_eq!(stage.count("user_session").await, 10);
    let only = auth.create_session(&first.user_id).await.unwrap();
    let alive = alive_ids(&auth, &first.user_id).await;
    assert_eq!(alive, std::slice::from_ref(&only.id));
    assert_eq!(stage.count("user_session").await, 1);
}

/// So many sessions of a user, expired in 2001.
async fn insert_expired(stage: &Stage, user_id: &UserId, count: usize) {
    let rows: Vec<_> = (0..count)
        .map(|number| format!("('{number:064x}', '{user_id}', 1, 1, 1, 1000000000000)"))
        .collect();
    let columns = "id, user_id, created_at, renewed_at, active_expires, idle_expires";
    let rows = rows.join(", ");
    stage
        .execute(&format!(
            "INSERT INTO user_session ({columns}) VALUES {rows}"
        ))
        .await;
}

async fn r52_the_sweeper_deletes_only_expired_rows_in_batches(stage: Stage) {
    let auth = stage.auth().await;
    let ada = sign_up(&auth, "ada").await;
    insert_expired(&stage, &ada.user_id, 2500).await;
    // At its very last moment.
    stage.clock.set(ada.idle_expires);
    let young = auth.create_session(&ada.user_id).await.unwrap();
    stage.probe.calls();
    assert_eq!(auth.delete_expired_sessions().await.unwrap(), 2500);
    let mut calls = stage.probe.calls();
    calls.retain(|call| *call == "delete_expired_sessions");
    assert_eq!(calls.len(), 3);
    assert_eq!(stage.count("user_session").await, 2);
    assert!(is_alive(&auth, &young).await && is_alive(&auth, &ada).await);
    assert_eq!(auth.delete_expired_sessions().await.unwrap(), 0);

    // What is deleted before an outage stays deleted.
    insert_expired(&stage, &ada.user_id, 1500).await;
    stage.probe.halt("delete_expired_sessions");
    let failing = async {
        stage.probe.arrived("delete_expired_sessions").await;
        stage.probe.release("delete_expired_sessions");
        stage.probe.halt("delete_expired_sessions");
        stage.probe.arrived("delete_expired_sessions").await;
        assert_eq!(stage.count("user_session").await, 502);
        stage.probe.set_down(true);
        stage.probe.release("delete_expired_sessions");
    };
    let (swept, ()) = tokio::join!(auth.delete_expired_sessions(), failing);
    assert!(swept.is_err());
    stage.probe.set_down(false);
    assert_eq!(auth.delete_expired_sessions().await.unwrap(), 500);
}

async fn r52_two_sweepers_at_once_delete_each_expired_session_once(stage: Stage) {
    let (one, two) = (stage.auth().await, stage.auth().await);
    let ada = sign_up(&one, "ada").await;
    insert_expired(&stage, &ada.user_id, 3500).await;
    stage.probe.halt("delete_expired_sessions");
    let at_once = async {
        stage.probe.arrived("delete_expired_sessions").await;
        stage.probe.arrived("delete_expired_sessions").await;
        stage.probe.release("delete_expired_sessions");
    };
    let sweeps = async {
        let (one, two) = tokio::join!(one.delete_expired_sessions(), two.delete_expired_sessions());
        one.unwrap() + two.unwrap()
    };
    let (deleted, ()) = tokio::join!(sweeps, at_once);
    assert_eq!(deleted, 3500);
    assert_eq!(stage.count("user_session").await, 1);
    assert!(is_alive(&one, &ada).await);
}

async fn r52_a_session_renewed_beside_a_sweep_lives_on(stage: Stage) {
    let site = actix::serve(stage.auth().await, actix::front_page()).await;
    let session = sign_up(&site.auth, "ada").await;
    // The sweep has looked at its clock when the renewal comes, by a clock that is behind.
    stage.clock.set(session.idle_expires + SECOND);
    stage.probe.halt("delete_expired_sessions");
    let renewing = async {
        stage.probe.arrived("delete_expired_sessions").await;
        stage.clock.set(session.idle_expires);
        let reply = site.browser_of(&session).get("/me").await;
        stage.probe.release("delete_expired_sessions");
        reply
    };
    let (swept, reply) = tokio::join!(site.auth.delete_expired_sessions(), renewing);
    assert_eq!(swept.unwrap(), 0);
    reply.assert_renews(&session);
    assert_eq!(site.browser_of(&session).get("/me").await.status, 200);
}

async fn r52_a_session_swept_beside_its_renewal_does_not_come_back(stage: Stage) {
    let site = actix::serve(stage.auth().await, actix::front_page()).await;
    let session = sign_up(&site.auth, "ada").await;
    stage.clock.set(session.idle_expires);
    stage.probe.halt("renew_session");
    let sweeping = async {
        stage.probe.arrived("renew_session").await;
        stage.clock.advance(SECOND);
        assert_eq!(site.auth.delete_expired_sessions().await.unwrap(), 1);
        stage.probe.release("renew_session");
    };
    let browser = site.browser_of(&session);
    let (reply, ()) = tokio::join!(browser.get("/me"), sweeping);
    assert_eq!(reply.status, 401);
    assert!(reply.set_cookies().is_empty());
    assert_eq!(stage.count("user_session").await, 0);
}
