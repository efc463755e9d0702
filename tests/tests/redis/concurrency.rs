//! Calls that meet.

use futures_util::future::join_all;
use lucia::store::{Owner, SessionStore};
use lucia::{RedisStore, SessionId};
use lucia_tests::{RedisCluster, RedisServer};

use crate::support::{ADA, expiries, id, now, prefix, rotation, session, user};

/// Two stores with the same sessions, as two processes have.
async fn two_stores(on_cluster: bool) -> Option<[RedisStore; 2]> {
    let builder = RedisStore::builder().prefix(prefix());
    let connect = async || match on_cluster {
        true => {
            let cluster = RedisCluster::shared().await?;
            Some(builder.clone().cluster(cluster.urls()).await.unwrap())
        }
        false => {
            let server = RedisServer::shared().await?;
            Some(builder.clone().connect(&server.url()).await.unwrap())
        }
    };
    Some([connect().await?, connect().await?])
}

macro_rules! on_both {
    ($($name:ident)*) => {
        mod on_a_server {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                if let Some(stores) = super::two_stores(false).await {
                    super::$name(&stores).await;
                }
            })*
        }

        mod on_a_cluster {
            $(#[tokio::test(flavor = "multi_thread")]
            async fn $name() {
                if let Some(stores) = super::two_stores(true).await {
                    super::$name(&stores).await;
                }
            })*
        }
    };
}

on_both! {
    signing_out_everywhere_beside_log_ins_leaves_only_what_came_after
    signing_out_everywhere_beside_renewals_and_rotations_leaves_nothing
    of_all_that_delete_a_session_one_did
    a_limit_holds_for_two_processes
}

async fn signing_out_everywhere_beside_log_ins_leaves_only_what_came_after(
    stores: &[RedisStore; 2],
) {
    for round in 0..4 {
        let numbers = round * 100..round * 100 + 50;
        let log_ins = numbers.clone().map(async |number| {
            let store = &stores[usize::try_from(number % 2).unwrap()];
            store.insert_session(session(number, ADA)).await.unwrap();
        });
        let sign_out = async {
            stores[0]
                .delete_user_sessions(&user(ADA), None)
                .await
                .unwrap();
        };
        tokio::join!(join_all(log_ins), sign_out);
        is_consistent(&stores[1], numbers).await;
        stores[1]
            .delete_user_sessions(&user(ADA), None)
            .await
            .unwrap();
        is_consistent(&stores[0], round * 100..round * 100 + 50).await;
        assert_eq!(listed(&stores[0]).await, []);
    }
}

async fn signing_out_everywhere_beside_renewals_and_rotations_leaves_nothing(
    stores: &[RedisStore; 2],
) {
    for round in 0..4 {
        let first = round * 1000;
        for number in first..first + 50 {
            stores[0]
                .insert_session(session(number, ADA))
                .await
                .unwrap();
        }
        let changes = (first..first + 50).map(async |number| {
            let store = &stores[usize::try_from(number % 2).unwrap()];
            match number % 4 {
                0 | 1 => {
                    store
                        .renew_session(&id(number), expiries(now()))
                        .await
                        .unwrap();
                    store
                        .renew_session(&id(number), expiries(now()))
                        .await
                        .unwrap();
                }
                _ => {
                    let rotated = rotation(number + 100);
                    store.rotate_session(&id(number), rotated).await.unwrap();
                    let rotated = rotation(number + 200);
                    store
                        .rotate_session(&id(number + 100), rotated)
                        .await
                        .unwrap();
                }
            }
        });
        let sign_out = async {
            stores[1]
                .delete_user_sessions(&user(ADA), None)
                .await
                .unwrap();
        };
        tokio::join!(join_all(changes), sign_out);
        for number in first..first + 250 {
            let found = stores[0].session(&id(number)).await.unwrap();
            assert_eq!(found, None, "session {number} is left");
        }
        assert_eq!(listed(&stores[0]).await, []);
    }
}

async fn of_all_that_delete_a_session_one_did(stores: &[RedisStore; 2]) {
    for number in 0..20 {
        stores[0]
            .insert_session(session(number, ADA))
            .await
            .unwrap();
        let ada = user(ADA);
        let (id, ada) = (&id(number), &ada);
        let deletions = (0..10).map(async |turn| {
            let owner = if turn < 5 {
                Owner::Anyone
            } else {
                Owner::Is(ada)
            };
            let deleted = stores[turn % 2].delete_session(id, owner).await.unwrap();
            // Whoever is answered, the session has ended.
            assert_eq!(stores[0].session(id).await.unwrap(), None);
            deleted
        });
        let deleted = join_all(deletions).await;
        assert_eq!(deleted.iter().filter(|deleted| **deleted).count(), 1);
    }
}

async fn a_limit_holds_for_two_processes(stores: &[RedisStore; 2]) {
    let log_ins = (0..50).map(async |number| {
        let mut session = session(number, ADA);
        session.limit = Some(3);
        let store = &stores[usize::try_from(number % 2).unwrap()];
        store.insert_session(session).await.unwrap();
    });
    join_all(log_ins).await;
    assert_eq!(listed(&stores[0]).await.len(), 3);
    is_consistent(&stores[1], 0..50).await;
}

async fn listed(store: &RedisStore) -> Vec<SessionId> {
    let sessions = store.user_sessions(&user(ADA)).await.unwrap();
    sessions.into_iter().map(|session| session.id).collect()
}

/// The sessions that authenticate are those that are listed.
async fn is_consistent(store: &RedisStore, numbers: std::ops::Range<u64>) {
    let listed = listed(store).await;
    for id in numbers.map(id) {
        let found = store.session(&id).await.unwrap();
        assert_eq!(found.is_some(), listed.contains(&id));
    }
}
