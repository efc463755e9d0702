//! Replicas that hang, are away, take writes, or follow somebody else.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use lucia::PgStore;
use lucia_tests::{Database, Pair, Stop};

use super::{COLUMNS, PATIENCE, Process, Replicated, pool};
use crate::support::sign_up;

const BOUND: Duration = Duration::from_secs(2);

/// More than a replica may cost, and less than the time-out.
const SOON: Duration = Duration::from_secs(8);

async fn blocking<T: Send + 'static>(
    pair: Pair,
    change: impl FnOnce(&mut Pair) -> T + Send + 'static,
) -> Pair {
    let changing = tokio::task::spawn_blocking(move || {
        let mut pair = pair;
        change(&mut pair);
        pair
    });
    changing.await.unwrap()
}

/// Lookups while the replica does not work: all of them are right and come soon. After the first ones, none
/// is sent there.
async fn lookups_go_on(
    stage: &Replicated,
    process: &Process,
    token: &lucia::SessionToken,
) -> String {
    let begin = Instant::now();
    let first = join_all((0..20).map(|_| process.is_valid(token))).await;
    assert!(first.into_iter().all(|is_valid| is_valid));
    assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
    stage.lookups();
    let begin = Instant::now();
    for _ in 0..50 {
        assert!(process.is_valid(token).await);
    }
    assert!(begin.elapsed() < SOON, "{:?}", begin.elapsed());
    let (at_primary, at_replica) = stage.lookups();
    assert_eq!((at_primary, at_replica), (50, 0));
    process.complaint().await
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn r48_r71_lookups_go_on_at_the_primary_whatever_is_wrong_with_a_replica() {
    let test = "r48_r71_lookups_go_on_at_the_primary_whatever_is_wrong_with_a_replica";
    let Some(mut stage) = Replicated::start(test).await else {
        return;
    };
    assert!(SOON < PATIENCE);
    let process = stage.process(BOUND).await;
    let ada = stage.session(&process, "ada").await;

    stage.replica.stall();
    let complaint = lookups_go_on(&stage, &process, ada.token()).await;
    assert!(complaint.contains("no answer within"), "{complaint}");
    stage.replica.heal();
    stage.is_read_at_the_replica(&process, &ada).await;

    stage.pair = blocking(stage.pair, |pair| pair.standby_mut().stop(Stop::Immediate)).await;
    let complaint = lookups_go_on(&stage, &process, ada.token()).await;
    assert!(complaint.contains("replica 1 is not used"), "{complaint}");
    stage.pair = blocking(stage.pair, |pair| pair.standby_mut().restart()).await;
    stage.is_read_at_the_replica(&process, &ada).await;

    // The replica takes writes now, and so does the primary, which goes on.
    stage.pair = blocking(stage.pair, |pair| pair.promote().unwrap()).await;
    let complaint = lookups_go_on(&stage, &process, ada.token()).await;
    assert!(complaint.contains("not in recovery"), "{complaint}");
    let old_primary = stage.process_over(BOUND, stage.replica.port()).await;
    old_primary.auth.invalidate_session(&ada.id).await.unwrap();
    // The server that was promoted does not know of that.
    let promoted = stage.database.url_by(stage.pair.primary().port());
    let promoted = PgStore::connect(&promoted).await.unwrap();
    let promoted = lucia::Auth::builder(promoted).clock(stage.clock.reader());
    let promoted = promoted.build().unwrap();
    assert!(
        promoted
            .validate_session(ada.token())
            .await
            .unwrap()
            .is_some()
    );
    for _ in 0..20 {
        assert!(!process.is_valid(ada.token()).await);
    }

    // A process that writes to the new primary, which is among its replicas as well, and so is the old one.
    let ports = [stage.replica.port(), stage.primary.port()];
    let replicas = ports.map(|port| pool(&stage.database.url_by(port)));
    let builder = PgStore::builder().replicas(replicas, BOUND);
    let moved = stage.process_with(builder, stage.replica.port()).await;
    let bob = sign_up(&moved.auth, "bob").await;
    moved.auth.invalidate_session(&ada.id).await.unwrap();
    for _ in 0..20 {
        assert!(moved.is_valid(bob.token()).await);
        assert!(!moved.is_valid(ada.token()).await);
    }
    let health = moved.auth.health().await;
    assert_eq!(health.stores[0].reasons.len(), 2, "{health:?}");

    // The old one follows it: now it is a replica of the server that `moved` writes to, and of no other.
    stage.pair = blocking(stage.pair, |pair| pair.follow().unwrap()).await;
    // By the ports, they have changed places.
    std::mem::swap(&mut stage.primary, &mut stage.replica);
    stage.is_read_at_the_replica(&moved, &bob).await;
    let elsewhere = Database::new().await;
    let stranger = PgStore::builder()
        .replicas([pool(&stage.database.url_by(stage.replica.port()))], BOUND)
        .connect(&elsewhere.url())
        .await
        .unwrap();
    stranger.migrate(COLUMNS).await.unwrap();
    let stranger = lucia::Auth::builder(stranger).clock(stage.clock.reader());
    let stranger = stranger.build().unwrap();
    let health = || async { stranger.health().await.stores.remove(0).reasons };
    crate::support::eventually(async || {
        let reasons = health().await;
        reasons
            .iter()
            .any(|reason| reason.contains("does not follow"))
    })
    .await;
    for _ in 0..20 {
        // The replica knows this session, and the server that this process writes to does not.
        assert!(
            stranger
                .validate_session(bob.token())
                .await
                .unwrap()
                .is_none()
        );
    }
}
