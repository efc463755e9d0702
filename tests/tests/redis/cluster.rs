//! A cluster that changes under load.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::time::{Duration, Instant};

use lucia::RedisStore;
use lucia::store::{Owner, SessionStore, StoreError};
use lucia_tests::{RedisCluster, RedisServer};

use crate::support::{builder, eventually, expiries, id, now, rotation, session, user};

/// Keeps a store busy with all of its calls until it is told to stop.
struct Load<'a> {
    store: &'a RedisStore,
    stops: AtomicBool,
    calls: AtomicU64,
    failures: AtomicU64,
    longest: std::sync::Mutex<Duration>,
}

impl<'a> Load<'a> {
    fn new(store: &'a RedisStore) -> Self {
        Self {
            store,
            stops: AtomicBool::new(false),
            calls: AtomicU64::new(0),
            failures: AtomicU64::new(0),
            longest: std::sync::Mutex::default(),
        }
    }

    /// Log-ins, lookups, renewals, rotations and log-outs of one user, whose sessions have numbers from `first`
    /// on. A call may fail where it says that the store is away; what returned is as it said.
    async fn of_user(&self, number: u64, may_fail: bool) {
        let of = format!("user {number}");
        for round in 0.. {
            if self.stops.load(Ordering::Relaxed) {
                return;
            }
            let first = number * 1_000_000 + round * 10;
            let (old, new) = (&id(first), &id(first + 1));
            let steps = async {
                self.timed(self.store.insert_session(session(first, &of)))
                    .await?;
                let found = self.timed(self.store.session(old)).await?;
                assert!(found.is_some() || may_fail, "a log-in is lost");
                let renewed = self.timed(self.store.renew_session(old, expiries(now())));
                assert!(renewed.await? || may_fail, "a log-in is lost");
                let rotated = self.store.rotate_session(old, rotation(first + 1));
                assert!(self.timed(rotated).await? || may_fail, "a log-in is lost");
                let listed = self.timed(self.store.user_sessions(&user(&of))).await?;
                assert!(!listed.is_empty() || may_fail, "a session is not listed");
                let deleted = self.store.delete_session(new, Owner::Anyone);
                assert!(self.timed(deleted).await? || may_fail, "a log-in is lost");
                let found = self.timed(self.store.session(new)).await?;
                assert!(found.is_none() || may_fail, "a log-out is lost");
                Ok::<_, StoreError>(())
            };
            match steps.await {
                Ok(()) => {}
                Err(StoreError::Unavailable(_)) if may_fail => {
                    self.failures.fetch_add(1, Ordering::Relaxed);
                }
                Err(other) => panic!("{other:?}: {}", source(&other)),
            }
        }
    }

    async fn timed<T>(&self, call: impl Future<Output = T>) -> T {
        let begin = Instant::now();
        let answer = call.await;
        let mut longest = self.longest.lock().unwrap();
        *longest = begin.elapsed().max(*longest);
        self.calls.fetch_add(1, Ordering::Relaxed);
        answer
    }

    fn calls(&self) -> u64 {
        self.calls.load(Ordering::Relaxed)
    }

    /// Waits for some calls more.
    async fn goes_on(&self) {
        let before = self.calls();
        eventually(async || self.calls() > before + 500).await;
    }

    async fn run(&self, may_fail: bool, meanwhile: impl Future<Output = ()>) {
        let users =
            futures_util::future::join_all((0..8).map(|number| self.of_user(number, may_fail)));
        let meanwhile = async {
            self.goes_on().await;
            meanwhile.await;
            self.goes_on().await;
            self.stops.store(true, Ordering::Relaxed);
        };
        tokio::join!(users, meanwhile);
    }
}

fn source(error: &StoreError) -> String {
    let source = std::error::Error::source(error);
    source.map(ToString::to_string).unwrap_or_default()
}

/// Moves a slot, key by key, from one server to another.
async fn move_slot(cluster: &RedisCluster, slot: u16, from: usize, to: usize) {
    let slot = slot.to_string();
    let servers = cluster.servers();
    let (from_id, to_id): (String, String) = (
        servers[from].ask(&["CLUSTER", "MYID"]).await,
        servers[to].ask(&["CLUSTER", "MYID"]).await,
    );
    let set = ["CLUSTER", "SETSLOT", &slot];
    servers[to]
        .ask::<()>(&[&set[..], &["IMPORTING", &from_id]].concat())
        .await;
    servers[from]
        .ask::<()>(&[&set[..], &["MIGRATING", &to_id]].concat())
        .await;
    let port = servers[to].port().to_string();
    loop {
        let keys = ["CLUSTER", "GETKEYSINSLOT", &slot, "1"];
        let keys: Vec<String> = servers[from].ask(&keys).await;
        let Some(key) = keys.first() else { break };
        let migrate = ["MIGRATE", "127.0.0.1", &port, key, "0", "5000"];
        servers[from].ask::<String>(&migrate).await;
    }
    for server in [to, from] {
        let node = [&set[..], &["NODE", &to_id]].concat();
        servers[server].ask::<()>(&node).await;
    }
}

async fn slot_of(cluster: &RedisCluster, key: &str) -> u16 {
    cluster.servers()[0].ask(&["CLUSTER", "KEYSLOT", key]).await
}

#[tokio::test(flavor = "multi_thread")]
async fn slots_that_move_under_load_lose_nothing() {
    let Some(cluster) = RedisCluster::start().await else {
        return;
    };
    let store = RedisStore::builder()
        .prefix("moving")
        .cluster(cluster.urls())
        .await
        .unwrap();
    let load = Load::new(&store);
    let moving = async {
        for number in 0..8 {
            let slot = slot_of(&cluster, &format!("moving:u:user {number}")).await;
            let owner = usize::from(slot) * RedisCluster::PRIMARIES / 16384;
            move_slot(&cluster, slot, owner, (owner + 1) % RedisCluster::PRIMARIES).await;
            load.goes_on().await;
        }
    };
    load.run(false, moving).await;
}

/// While a slot moves, some of its keys are here and some are there, and a command for two of them is refused.
/// Each call works all the same, also where it waits for replicas.
#[tokio::test(flavor = "multi_thread")]
async fn calls_succeed_while_a_slot_is_half_moved() {
    let Some(cluster) = RedisCluster::start().await else {
        return;
    };
    let builder = RedisStore::builder().prefix("{half}");
    let waiting = builder.clone().wait_for_replicas(1, Duration::from_secs(4));
    let stores = [
        builder.cluster(cluster.urls()).await.unwrap(),
        waiting.cluster(cluster.urls()).await.unwrap(),
    ];
    let store = &stores[0];
    for number in 0..20 {
        let of = format!("user {}", number % 4);
        store.insert_session(session(number, &of)).await.unwrap();
    }
    let slot = slot_of(&cluster, "{half}").await;
    let from = usize::from(slot) * RedisCluster::PRIMARIES / 16384;
    let to = (from + 1) % RedisCluster::PRIMARIES;
    let servers = cluster.servers();
    let (from_id, to_id): (String, String) = (
        servers[from].ask(&["CLUSTER", "MYID"]).await,
        servers[to].ask(&["CLUSTER", "MYID"]).await,
    );
    let slot = slot.to_string();
    let set = ["CLUSTER", "SETSLOT", &slot];
    servers[to]
        .ask::<()>(&[&set[..], &["IMPORTING", &from_id]].concat())
        .await;
    servers[from]
        .ask::<()>(&[&set[..], &["MIGRATING", &to_id]].concat())
        .await;
    let port = servers[to].port().to_string();
    for key in ["{half}:u:user 0", "{half}:u:user 1"] {
        let migrate = ["MIGRATE", "127.0.0.1", &port, key, "0", "5000"];
        servers[from].ask::<String>(&migrate).await;
    }
    for number in (0..20).step_by(2) {
        let key = format!("{{half}}:s:{}", id(number));
        let migrate = ["MIGRATE", "127.0.0.1", &port, &key, "0", "5000"];
        servers[from].ask::<String>(&migrate).await;
    }
    for number in 0..20 {
        let store = &stores[usize::from(number % 4 > 1)];
        assert!(store.session(&id(number)).await.unwrap().is_some());
        assert!(
            store
                .renew_session(&id(number), expiries(now()))
                .await
                .unwrap()
        );
        let of = format!("user {}", number % 4);
        let mut new = session(100 + number, &of);
        new.replaces = Some(id(number));
        store.insert_session(new).await.unwrap();
        assert_eq!(store.session(&id(number)).await.unwrap(), None);
        let new = id(100 + number);
        let rotated = store.rotate_session(&new, rotation(200 + number));
        assert!(rotated.await.unwrap());
    }
    for number in 0..4 {
        let of = user(&format!("user {number}"));
        assert_eq!(store.user_sessions(&of).await.unwrap().len(), 5);
        store.delete_user_sessions(&of, None).await.unwrap();
    }
    for number in 200..220 {
        assert_eq!(store.session(&id(number)).await.unwrap(), None);
    }
}

/// A replica takes over. What it had not received may be lost; everybody else stays signed in, and calls succeed
/// again.
#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_is_killed_under_load_is_replaced() {
    let Some(mut cluster) = RedisCluster::start().await else {
        return;
    };
    replaced(&mut cluster, |cluster| cluster.server(0).kill()).await;
}

/// It keeps its connections and says nothing.
#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_stops_under_load_is_replaced() {
    let Some(mut cluster) = RedisCluster::start().await else {
        return;
    };
    replaced(&mut cluster, |cluster| cluster.server(0).pause()).await;
}

async fn replaced(cluster: &mut RedisCluster, goes: impl FnOnce(&mut RedisCluster)) {
    let timeout = Duration::from_secs(4);
    let settings = builder().timeout(timeout);
    let store = settings.clone().cluster(cluster.urls()).await.unwrap();
    // Replication is asynchronous: these have arrived.
    let waiting = settings.wait_for_replicas(1, timeout / 2);
    let waiting = waiting.cluster(cluster.urls()).await.unwrap();
    for number in 0..200 {
        let new = session(900_000_000 + number, &format!("quiet {number}"));
        waiting.insert_session(new).await.unwrap();
    }
    let load = Load::new(&store);
    let changing = async {
        goes(cluster);
        let takes_over = async || {
            let role: Result<String, _> =
                cluster.servers()[3].try_ask(&["INFO", "replication"]).await;
            role.is_ok_and(|role| role.contains("role:master"))
        };
        eventually(takes_over).await;
        // Calls for all slots succeed again.
        for number in 0..200 {
            let id = id(900_000_000 + number);
            eventually(async || match store.session(&id).await {
                Ok(found) => {
                    assert!(found.is_some(), "somebody is logged out");
                    true
                }
                Err(StoreError::Unavailable(_)) => false,
                Err(other) => panic!("{other:?}"),
            })
            .await;
        }
    };
    load.run(true, changing).await;
    let longest = *load.longest.lock().unwrap();
    let failures = load.failures.load(Ordering::Relaxed);
    assert!(
        longest < 10 * timeout,
        "{failures} failures, the longest call took {longest:?}"
    );
    for number in 0..200 {
        let id = id(900_000_000 + number);
        let renewed = store.renew_session(&id, expiries(now()));
        assert!(renewed.await.unwrap(), "somebody is logged out");
    }
}

/// A primary that is cut off from all others. Outside its half of the cluster, its replica would take over.
#[tokio::test(flavor = "multi_thread")]
async fn a_primary_that_has_lost_the_others_is_away_until_they_are_back() {
    let Some(cluster) = RedisCluster::start().await else {
        return;
    };
    // All keys are in one slot, and the first primary has it.
    let mut prefix = String::new();
    for number in 0.. {
        prefix = format!("{{cut {number}}}");
        if usize::from(slot_of(&cluster, &prefix).await) < 16384 / RedisCluster::PRIMARIES {
            break;
        }
    }
    let settings = RedisStore::builder()
        .prefix(prefix)
        .timeout(Duration::from_secs(1));
    let store = settings.cluster(cluster.urls()).await.unwrap();
    for number in 1..=2 {
        store.insert_session(session(number, "ada")).await.unwrap();
    }
    let (_, others) = cluster.servers().split_first().unwrap();
    others.iter().for_each(RedisServer::pause);
    let is_away = |answer: Result<(), StoreError>| match answer {
        Ok(()) => false,
        Err(StoreError::Unavailable(_)) => true,
        Err(other) => panic!("{other:?}: {}", source(&other)),
    };
    // Until it has noticed, what it answers counts, since the others do as well as nothing.
    let (ada, first) = (user("ada"), id(1));
    eventually(async || {
        let found = store.session(&first).await;
        assert!(!matches!(found, Ok(None)), "somebody is signed out");
        is_away(found.map(drop))
    })
    .await;
    assert!(is_away(store.delete_user_sessions(&ada, None).await));
    let inserted = store.insert_session(session(3, "ada")).await;
    assert!(is_away(inserted.map(drop)));
    others.iter().for_each(RedisServer::resume);
    eventually(async || {
        let found = store.session(&first).await;
        assert!(!matches!(found, Ok(None)), "somebody is signed out");
        !is_away(found.map(drop))
    })
    .await;
    store.delete_user_sessions(&ada, None).await.unwrap();
    assert_eq!(store.session(&first).await.unwrap(), None);
}
