//! What a replica that is behind does not decide, and what this process has changed.

use std::time::Duration;

use lucia::SessionToken;
use lucia::store::{Store as _, UserStore as _};
use serde_json::json;

use super::{LONG, Process, Replicated};
use crate::metrics::Recorded;
use crate::support::{PASSWORD, sign_up, verified};

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// A lookup, and how many statements it takes at the primary and at the replica.
async fn look(
    stage: &Replicated,
    process: &Process,
    token: &SessionToken,
) -> (bool, (usize, usize)) {
    stage.lookups();
    let is_valid = process.is_valid(token).await;
    (is_valid, stage.lookups())
}

#[tokio::test]
async fn r71_a_replica_that_is_behind_signs_nobody_out_and_renews_nothing_that_ended() {
    let test = "r71_a_replica_that_is_behind_signs_nobody_out_and_renews_nothing_that_ended";
    let Some(stage) = Replicated::start(test).await else {
        return;
    };
    let one = stage.process(LONG).await;
    let other = stage.process(LONG).await;
    let ada = stage.session(&one, "ada").await;
    let bob = stage.session(&one, "bob").await;
    let eve = stage.session(&one, "eve").await;
    let unknown = SessionToken::parse(&"0".repeat(40)).unwrap();
    assert_eq!(look(&stage, &one, ada.token()).await, (true, (0, 1)));
    assert_eq!(look(&stage, &one, &unknown).await, (false, (1, 1)));
    stage.pause(true).await;

    // Somebody who has just signed in at the other process. This one does not know of it.
    let late = sign_up(&other.auth, "late").await;
    assert_eq!(look(&stage, &one, late.token()).await, (true, (1, 1)));
    assert_eq!(look(&stage, &other, late.token()).await, (true, (1, 0)));

    // One that the other process has ended, and that is to be renewed by what the replica has: that is a write.
    stage.clock.advance(2 * DAY);
    other.auth.invalidate_session(&eve.id).await.unwrap();
    assert_eq!(look(&stage, &one, eve.token()).await, (false, (0, 1)));

    // One that the other process has renewed just before it expired. At the replica it has expired.
    stage.clock.advance(12 * DAY);
    assert!(other.is_valid(ada.token()).await);
    stage.clock.advance(2 * DAY);
    assert_eq!(look(&stage, &one, ada.token()).await, (true, (1, 1)));
    // One that has expired everywhere.
    assert_eq!(look(&stage, &one, bob.token()).await, (false, (1, 1)));
    stage.pause(false).await;

    let recorded = Recorded::default();
    metrics::with_local_recorder(&recorded, || one.auth.record_metrics());
    let value = |name: &str| recorded.value(name).unwrap_or_default();
    assert!(value("lucia_replica_lookups_total") >= 4.0);
    assert!(value("lucia_replica_fallbacks_total unknown") >= 2.0);
    assert!(value("lucia_replica_lag_seconds 1") > 0.0);
    assert!(value("lucia_batch_lookups_total postgres") >= 7.0);
    r71_what_a_process_changes_it_never_reads_at_a_replica_that_is_behind(&stage, [&one, &other])
        .await;
}

async fn r71_what_a_process_changes_it_never_reads_at_a_replica_that_is_behind(
    stage: &Replicated,
    [one, other]: [&Process; 2],
) {
    let ada = stage.session(one, "ada2").await;
    let bob = stage.session(one, "bob2").await;
    let eve = stage.session(one, "eve2").await;
    let dan = stage.session(one, "dan").await;
    let others = one.auth.create_session(&dan.user_id).await.unwrap();
    stage.is_read_at_the_replica(one, &others).await;
    stage.pause(true).await;

    one.auth.invalidate_session(&bob.id).await.unwrap();
    assert_eq!(look(stage, one, bob.token()).await, (false, (1, 0)));
    one.auth.delete_user(&eve.user_id).await.unwrap();
    assert_eq!(look(stage, one, eve.token()).await, (false, (1, 1)));
    // Whoever is not concerned is looked up at the replica as before.
    assert_eq!(look(stage, one, dan.token()).await, (true, (0, 1)));
    // The other process sees it within the bound.
    assert_eq!(look(stage, other, eve.token()).await, (true, (0, 1)));

    // A user's column, and a session's token.
    let update = json!({ "username": "countess" });
    let update = update.as_object().unwrap().clone();
    one.store.update_user(&ada.user_id, update).await.unwrap();
    let found = one.store.session_and_user(&ada.id).await.unwrap();
    assert!(found.unwrap().1.attributes.contains("countess"));
    let rotated = one.auth.rotate_session(&ada).await.unwrap();
    assert!(!look(stage, one, ada.token()).await.0);
    assert!(look(stage, one, rotated.token()).await.0);

    // A password that ends other sessions.
    let key = verified(&one.auth, "dan").await;
    let kept = one.auth.change_password(&dan, &key, PASSWORD);
    let kept = kept.await.unwrap();
    assert!(!look(stage, one, others.token()).await.0);
    assert!(!look(stage, one, dan.token()).await.0);
    assert!(look(stage, one, kept.token()).await.0);
    stage.pause(false).await;
}
