//! How many commands a call takes, on a server and on a cluster.

use std::collections::BTreeMap;

use lucia::RedisStore;
use lucia::store::{Owner, SessionStore};
use lucia_tests::{RedisCluster, RedisServer};

use crate::support::{expiries, id, now, rotation, session, user};

/// How many users there are, spread over all servers.
const USERS: u64 = 30;

type Calls = BTreeMap<String, u64>;

/// How often each command was called, by scripts as well, except those by which a connection is made and servers
/// talk to each other.
async fn calls_of(servers: &[RedisServer], work: impl Future<Output = ()>) -> Calls {
    for server in servers {
        server.ask::<()>(&["CONFIG", "RESETSTAT"]).await;
    }
    work.await;
    let mut calls = Calls::new();
    for server in servers {
        let info: String = server.ask(&["INFO", "commandstats"]).await;
        for line in info.lines() {
            let Some((name, rest)) = line
                .strip_prefix("cmdstat_")
                .and_then(|line| line.split_once(":calls="))
            else {
                continue;
            };
            let about_servers = [
                "client", "cluster", "config", "hello", "info", "ping", "repl",
            ];
            if about_servers.iter().any(|other| name.starts_with(other)) {
                continue;
            }
            let (count, _) = rest.split_once(',').unwrap();
            *calls.entry(name.to_owned()).or_default() += count.parse::<u64>().unwrap();
        }
    }
    calls
}

/// What each kind of call takes for all users together. Servers know the scripts already.
async fn calls_of_each_kind(
    store: &RedisStore,
    servers: &[RedisServer],
) -> Vec<(&'static str, Calls)> {
    let of = |number: u64| format!("user {number}");
    let sign_in = async |offset: u64| {
        for number in 0..USERS {
            let new = session(offset + number, &of(number));
            store.insert_session(new).await.unwrap();
        }
    };
    let look_up = async |offset: u64| {
        for number in 0..USERS {
            store.session(&id(offset + number)).await.unwrap().unwrap();
        }
    };
    let renew = async |offset: u64| {
        for number in 0..USERS {
            let id = id(offset + number);
            assert!(store.renew_session(&id, expiries(now())).await.unwrap());
        }
    };
    let rotate = async |offset: u64| {
        for number in 0..USERS {
            let (old, new) = (id(offset + number), rotation(offset + number + 1000));
            assert!(store.rotate_session(&old, new).await.unwrap());
        }
    };
    let sign_out = async |offset: u64| {
        for number in 0..USERS {
            let id = id(offset + number + 1000);
            assert!(store.delete_session(&id, Owner::Anyone).await.unwrap());
        }
    };
    let sign_out_everywhere = async || {
        for number in 0..USERS {
            store
                .delete_user_sessions(&user(&of(number)), None)
                .await
                .unwrap();
        }
    };
    for offset in [10_000, 20_000] {
        sign_in(offset).await;
        renew(offset).await;
        rotate(offset).await;
        sign_out(offset).await;
        sign_in(offset + 5000).await;
        sign_out_everywhere().await;
    }
    vec![
        ("sign in", calls_of(servers, sign_in(0)).await),
        ("look up", calls_of(servers, look_up(0)).await),
        ("renew", calls_of(servers, renew(0)).await),
        ("rotate", calls_of(servers, rotate(0)).await),
        ("sign out", calls_of(servers, sign_out(0)).await),
        ("nobody", calls_of(servers, sign_out_everywhere()).await),
    ]
}

#[tokio::test]
async fn a_lookup_is_one_command_and_no_call_takes_more_of_them_on_a_cluster() {
    let Some(server) = RedisServer::start(&["--save", ""]).await else {
        return;
    };
    let Some(cluster) = RedisCluster::start().await else {
        return;
    };
    let alone = RedisStore::connect(&server.url()).await.unwrap();
    let spread = RedisStore::cluster(cluster.urls()).await.unwrap();
    let mut alone = calls_of_each_kind(&alone, std::slice::from_ref(&server)).await;
    let primaries = &cluster.servers()[..RedisCluster::PRIMARIES];
    let mut spread = calls_of_each_kind(&spread, primaries).await;
    for (_, calls) in alone.iter_mut().chain(&mut spread) {
        // The script of an entry moves the expiry of its index where a millisecond has passed.
        calls.remove("pexpire");
    }
    assert_eq!(alone, spread);
    assert_eq!(alone[1].1, Calls::from([("hmget".to_owned(), USERS)]));
    // What clients send: scripts, and what is no part of them.
    for (at, scripts, deletions) in [(0, 2, 0), (2, 2, 0), (3, 4, 1), (4, 2, 1), (5, 1, 0)] {
        let (kind, calls) = &alone[at];
        let sent = |name: &str| calls.get(name).copied().unwrap_or_default() / USERS;
        let sent = (sent("evalsha"), sent("unlink"));
        assert_eq!(sent, (scripts, deletions), "{kind}: {calls:?}");
    }
}
