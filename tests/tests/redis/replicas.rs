//! Writes that return when replicas have them.

use std::time::{Duration, Instant};

use lucia::store::{Owner, Result, SessionStore, StoreError};
use lucia::{Error, HealthStatus, RedisStore};
use lucia_tests::RedisCluster;

use crate::support::{
    ADA, BOB, eventually, expiries, id, now, prefix, rotation, session, user, with_replica,
};

/// How long a write waits for a replica in vain.
const PATIENCE: Duration = Duration::from_millis(400);

/// A call that fails, and says that it may have taken effect.
#[track_caller]
fn assert_not_received<T>(name: &str, call: Result<T>) {
    match call {
        Err(StoreError::Unavailable(source)) => {
            let source = source.to_string();
            assert!(source.contains("0 of 1 replicas"), "{name}: {source}");
        }
        Err(other) => panic!("{name}: {other:?}"),
        Ok(_) => panic!("{name} is acknowledged"),
    }
}

#[tokio::test]
async fn what_is_acknowledged_survives_the_loss_of_the_primary() {
    let Some((mut primary, replica)) = with_replica(&["--save", ""]).await else {
        return;
    };
    let prefix = prefix();
    let builder = RedisStore::builder().prefix(&prefix);
    let waiting = builder.clone().wait_for_replicas(1, PATIENCE);
    let store = waiting.connect(&primary.url()).await.unwrap();
    // Where replicas are well, a busy machine may take longer.
    let patient = builder.clone().wait_for_replicas(1, 10 * PATIENCE);
    let patient = patient.connect(&primary.url()).await.unwrap();
    for number in 1..=6 {
        patient.insert_session(session(number, ADA)).await.unwrap();
    }
    patient.insert_session(session(7, BOB)).await.unwrap();

    // A replica that stays behind has nothing, so nothing is acknowledged. What finds the work done does not say so
    // either, until the replica has it as well.
    replica.pause();
    assert_not_received("insert", store.insert_session(session(9, ADA)).await);
    assert_not_received("rotate", store.rotate_session(&id(1), rotation(11)).await);
    for _ in 0..2 {
        let deleted = store.delete_session(&id(2), Owner::Anyone).await;
        assert_not_received("delete", deleted);
        let deleted = store.delete_user_sessions(&user(BOB), None).await;
        assert_not_received("delete all", deleted);
    }
    let attributes = serde_json::Map::new();
    assert_not_received("update", store.update_session(&id(3), attributes).await);
    // Lookups and renewals do not wait for replicas, nor behind what does.
    let ending = tokio::spawn({
        let store = store.clone();
        async move { store.delete_session(&id(4), Owner::Anyone).await }
    });
    let is_listed = async || {
        let listed = store.user_sessions(&user(ADA)).await.unwrap();
        listed.iter().any(|session| session.id == id(4))
    };
    eventually(async || !is_listed().await).await;
    let begin = Instant::now();
    for _ in 0..20 {
        assert!(store.session(&id(3)).await.unwrap().is_some());
        assert!(store.renew_session(&id(3), expiries(now())).await.unwrap());
    }
    assert!(begin.elapsed() < PATIENCE, "{:?}", begin.elapsed());
    assert_not_received("delete beside lookups", ending.await.unwrap());

    // Once more, and at the end of each the primary dies.
    replica.resume();
    eventually(async || patient.delete_user_sessions(&user(BOB), None).await.is_ok()).await;
    assert!(!patient.delete_session(&id(2), Owner::Anyone).await.unwrap());
    assert!(patient.delete_session(&id(5), Owner::Anyone).await.unwrap());
    assert!(patient.rotate_session(&id(6), rotation(16)).await.unwrap());
    patient.insert_session(session(8, BOB)).await.unwrap();
    primary.kill();
    replica.ask::<()>(&["REPLICAOF", "NO", "ONE"]).await;
    let moved = builder.connect(&replica.url()).await.unwrap();
    for number in [2, 5, 6, 7] {
        assert_eq!(moved.session(&id(number)).await.unwrap(), None, "{number}");
    }
    for number in [3, 8, 16] {
        let found = moved.session(&id(number)).await.unwrap();
        assert!(found.is_some(), "{number}");
    }
}

/// A replica that is behind while a call waits for it has everything when the call returns.
#[tokio::test]
async fn a_call_returns_when_the_replica_has_caught_up() {
    let Some((mut primary, replica)) = with_replica(&["--save", ""]).await else {
        return;
    };
    let builder = RedisStore::builder().prefix(prefix());
    let waiting = builder
        .clone()
        .wait_for_replicas(1, Duration::from_secs(30))
        .timeout(Duration::from_secs(60));
    let store = waiting.connect(&primary.url()).await.unwrap();
    for number in 1..=3 {
        store.insert_session(session(number, ADA)).await.unwrap();
    }
    replica.pause();
    let ending = tokio::spawn({
        let store = store.clone();
        async move { store.delete_user_sessions(&user(ADA), None).await }
    });
    // The end is written, and waits.
    let index = async || store.user_sessions(&user(ADA)).await.unwrap();
    eventually(async || index().await.is_empty()).await;
    assert!(!ending.is_finished());
    replica.resume();
    ending.await.unwrap().unwrap();
    primary.kill();
    replica.ask::<()>(&["REPLICAOF", "NO", "ONE"]).await;
    let moved = builder.connect(&replica.url()).await.unwrap();
    for number in 1..=3 {
        assert_eq!(moved.session(&id(number)).await.unwrap(), None, "{number}");
    }
}

/// Each primary of a cluster waits for its own replica, over the connection that it was written by.
#[tokio::test(flavor = "multi_thread")]
async fn in_a_cluster_each_primary_waits_for_its_own_replica() {
    let Some(cluster) = RedisCluster::start().await else {
        return;
    };
    let builder = RedisStore::builder().prefix("waiting");
    let store = builder.clone().wait_for_replicas(1, PATIENCE);
    let store = store.cluster(cluster.urls()).await.unwrap();
    // Where replicas are well, a busy machine may take longer.
    let patient = builder.wait_for_replicas(1, 10 * PATIENCE);
    let patient = patient.cluster(cluster.urls()).await.unwrap();
    let of = |number: u64| format!("user {number}");
    for number in 0..30 {
        patient
            .insert_session(session(number, &of(number)))
            .await
            .unwrap();
    }
    let servers = cluster.servers();
    let mut is_of_first = Vec::new();
    for number in 0..30 {
        let keys = [
            format!("waiting:u:{}", of(number)),
            format!("waiting:s:{}", id(number)),
        ];
        let mut is_here = false;
        for key in keys {
            let slot: usize = servers[0].ask(&["CLUSTER", "KEYSLOT", &key]).await;
            is_here |= slot * RedisCluster::PRIMARIES / 16384 == 0;
        }
        is_of_first.push(is_here);
    }
    assert!(is_of_first.contains(&true) && is_of_first.contains(&false));
    // The replica of the first primary.
    let replica = &servers[RedisCluster::PRIMARIES];
    replica.pause();
    for (number, is_of_first) in (0..30).zip(&is_of_first) {
        let user = user(&of(number));
        match is_of_first {
            true => {
                assert_not_received("delete all", store.delete_user_sessions(&user, None).await)
            }
            false => patient.delete_user_sessions(&user, None).await.unwrap(),
        }
    }
    replica.resume();
    cluster.is_whole().await;
    for number in 0..30 {
        let of = of(number);
        eventually(async || store.delete_user_sessions(&user(&of), None).await.is_ok()).await;
        assert_eq!(store.session(&id(number)).await.unwrap(), None);
    }
}

#[tokio::test]
async fn what_makes_no_sense_is_refused_and_what_is_missing_is_told() {
    let Some((primary, replica)) = with_replica(&["--save", ""]).await else {
        return;
    };
    let builder = || RedisStore::builder().timeout(4 * PATIENCE);
    for (replicas, patience) in [
        (0, PATIENCE),
        (1, Duration::ZERO),
        (1, Duration::from_micros(999)),
        (1, 4 * PATIENCE),
    ] {
        let refused = builder().wait_for_replicas(replicas, patience);
        match refused.connect(&primary.url()).await {
            Err(Error::Setting { setting, .. }) => assert_eq!(setting, "wait_for_replicas"),
            other => panic!("{other:?}"),
        }
    }
    let store = builder().wait_for_replicas(1, PATIENCE);
    let store = store.connect(&primary.url()).await.unwrap();
    assert_eq!(store.health().await.unwrap().status, HealthStatus::Up);
    replica.ask::<()>(&["REPLICAOF", "NO", "ONE"]).await;
    let lacks = async || {
        let health = store.health().await.unwrap();
        health
            .reasons
            .iter()
            .any(|reason| reason.contains("`wait_for_replicas`"))
    };
    eventually(lacks).await;
}
