//! Servers that fall silent, are replaced, or tell of no changes.

use std::sync::Arc;
use std::sync::atomic::{AtomicU16, Ordering};
use std::time::{Duration, Instant};

use lucia::store::{Owner, SessionStore};
use lucia::{CacheOptions, Error, HealthStatus, RedisStore};
use lucia_tests::{RedisCluster, RedisServer, watch};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Mutex;

use super::{answering, keep, look_up, options};
use crate::proxy::Proxy;
use crate::support::{ADA, Place, builder, eventually, id, session, with_replica};

/// How long the cache may answer when all falls silent, and time for a machine that is busy.
const SILENCE: Duration = Duration::from_secs(1);
const BUSY: Duration = Duration::from_secs(20);

/// Held by tests that log the same, where one of them looks for it.
static LOG: Mutex<()> = Mutex::const_new(());

async fn cached(url: &str) -> RedisStore {
    let builder = RedisStore::builder().cache(options());
    let store = answering(builder.connect(url).await.unwrap()).await;
    store.insert_session(session(1, ADA)).await.unwrap();
    keep(&store, 1).await;
    store
}

/// Waits until the cache has stopped. It may answer again by then, without what it had.
async fn stops(store: &RedisStore) {
    let begin = Instant::now();
    while store.cached_session(&id(1)).is_some() {
        assert!(begin.elapsed() < BUSY, "it goes on");
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[tokio::test]
async fn r54_it_stops_when_the_server_stands_still_and_begins_empty() {
    let Some(server) = RedisServer::start(&["--save", ""]).await else {
        return;
    };
    let store = cached(&server.url()).await;
    server.pause();
    stops(&store).await;
    server.resume();
    answering(store.clone()).await;
    assert_eq!(store.cached_session(&id(1)), None, "it begins empty");
    keep(&store, 1).await;
}

#[tokio::test]
async fn r54_it_stops_when_its_connection_breaks_and_begins_empty() {
    let Some(server) = RedisServer::start(&["--save", ""]).await else {
        return;
    };
    let store = cached(&server.url()).await;
    for round in 0..3 {
        cut(&server, tracks).await;
        // Nothing reports what is deleted meanwhile.
        let other = RedisStore::connect(&server.url()).await.unwrap();
        other.delete_session(&id(1), Owner::Anyone).await.unwrap();
        eventually(async || look_up(&store, 1).await.is_none()).await;
        answering(store.clone()).await;
        assert_eq!(store.cached_session(&id(1)), None, "{round}");
        store.insert_session(session(1, ADA)).await.unwrap();
        keep(&store, 1).await;
    }
}

fn field<'a>(line: &'a str, name: &str) -> &'a str {
    let mut fields = line.split(' ').filter_map(|field| field.split_once('='));
    fields.find(|(field, _)| *field == name).unwrap().1
}

async fn two_servers() -> Option<(RedisServer, RedisServer)> {
    let start = async || RedisServer::start(&["--save", ""]).await;
    Some((start().await?, start().await?))
}

/// The address of what leads each new connection to the server at a port that can be changed.
async fn switch(port: u16) -> (String, Arc<AtomicU16>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("redis://{}", listener.local_addr().unwrap());
    let target = Arc::new(AtomicU16::new(port));
    let current = target.clone();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            let port = current.load(Ordering::SeqCst);
            let mut server = TcpStream::connect(("127.0.0.1", port)).await.unwrap();
            tokio::spawn(async move {
                let _ = tokio::io::copy_bidirectional(&mut client, &mut server).await;
            });
        }
    });
    (url, target)
}

/// Cuts the connection that a server lists like this.
async fn cut(server: &RedisServer, is_meant: impl Fn(&str) -> bool) {
    let listed: String = server.ask(&["CLIENT", "LIST"]).await;
    let line = listed.lines().find(|line| is_meant(line)).unwrap();
    let id = field(line, "id");
    server.ask::<()>(&["CLIENT", "KILL", "ID", id]).await;
}

fn tracks(line: &str) -> bool {
    field(line, "flags").contains('t')
}

/// The other way round: the cache listens to the new one, and lookups still go to the old one.
#[tokio::test]
async fn r54_an_old_primary_is_told_from_a_proxy_that_holds_messages_back() {
    let _log = LOG.lock().await;
    let Some((old, new)) = two_servers().await else {
        return;
    };
    let (url, target) = switch(old.port()).await;
    let port = old.port();
    let store = cached(&url).await;
    let another = watch(["another one than lookups go to"]);
    let held_back = watch(["holds them back"]);
    target.store(new.port(), Ordering::SeqCst);
    cut(&old, tracks).await;
    eventually(async || !another.lines().is_empty()).await;
    assert!(!store.is_cache_answering());
    target.store(port, Ordering::SeqCst);
    answering(store).await;
    assert_eq!(held_back.lines(), [""; 0]);
}

/// The lookups go to another server, as after a failover, and the cache still listens to the old one.
#[tokio::test]
async fn r54_an_old_primary_says_nothing_of_a_new_one() {
    let _log = LOG.lock().await;
    let Some((old, new)) = two_servers().await else {
        return;
    };
    let (url, target) = switch(old.port()).await;
    let store = cached(&url).await;
    target.store(new.port(), Ordering::SeqCst);
    cut(&old, |line| {
        let command = field(line, "cmd");
        !field(line, "flags").contains('t') && (command == "hmget" || command == "info")
    })
    .await;
    stops(&store).await;
    // It begins anew with the new server, and with nothing.
    answering(store.clone()).await;
    assert_eq!(look_up(&store, 1).await, None);
    store.insert_session(session(1, ADA)).await.unwrap();
    keep(&store, 1).await;
    let other = RedisStore::connect(&new.url()).await.unwrap();
    other.delete_session(&id(1), Owner::Anyone).await.unwrap();
    eventually(async || look_up(&store, 1).await.is_none()).await;
}

/// A primary that becomes a replica has what others change later than they do.
#[tokio::test]
async fn r54_a_server_that_becomes_a_replica_has_no_cache() {
    let _log = LOG.lock().await;
    let Some((primary, replica)) = with_replica(&["--save", ""]).await else {
        return;
    };
    let store = cached(&primary.url()).await;
    replica.ask::<()>(&["REPLICAOF", "NO", "ONE"]).await;
    let port = replica.port().to_string();
    primary.ask::<()>(&["REPLICAOF", "127.0.0.1", &port]).await;
    stops(&store).await;
    eventually(async || !store.is_cache_answering()).await;
}

#[tokio::test]
async fn it_goes_on_when_the_memory_is_full_and_writes_are_refused() {
    let Some(server) = RedisServer::start(&["--save", ""]).await else {
        return;
    };
    let store = cached(&server.url()).await;
    server.ask::<()>(&["CONFIG", "SET", "maxmemory", "1"]).await;
    assert!(store.insert_session(session(2, ADA)).await.is_err());
    // For longer than one heartbeat lasts.
    let begin = Instant::now();
    eventually(async || begin.elapsed() > SILENCE + SILENCE / 2).await;
    answering(store.clone()).await;
    keep(&store, 1).await;
    store.delete_session(&id(1), Owner::Anyone).await.unwrap();
    assert_eq!(look_up(&store, 1).await, None);
}

/// Such a server answers `PING` with an error.
#[tokio::test]
async fn it_goes_on_while_the_server_cannot_write_to_its_disk() {
    let Some(server) = RedisServer::start(&["--save", "3600 1"]).await else {
        return;
    };
    let store = cached(&server.url()).await;
    // A directory is in the place of the snapshot.
    std::fs::create_dir_all(server.directory().join("dump.rdb/full")).unwrap();
    server.ask::<String>(&["BGSAVE"]).await;
    let refuses = async || store.insert_session(session(2, ADA)).await.is_err();
    eventually(refuses).await;
    let begin = Instant::now();
    eventually(async || {
        assert!(store.is_cache_answering());
        begin.elapsed() > SILENCE + SILENCE / 2
    })
    .await;
    keep(&store, 1).await;
}

/// Lookups go to the server, and an operator is told.
#[tokio::test]
async fn without_the_permissions_it_does_not_answer() {
    for command in ["-client|tracking", "-ping"] {
        does_not_answer_without(command).await;
    }
}

async fn does_not_answer_without(command: &str) {
    let Some(server) = RedisServer::start(&["--save", ""]).await else {
        return;
    };
    server
        .ask::<()>(&[
            "ACL", "SETUSER", "app", "on", ">secret", "~*", "+@all", command,
        ])
        .await;
    let url = format!("redis://app:secret@127.0.0.1:{}", server.port());
    let log = watch(["refuses `CLIENT TRACKING`"]);
    let store = builder()
        .cache(CacheOptions::new())
        .connect(&url)
        .await
        .unwrap();
    eventually(async || !log.lines().is_empty()).await;
    assert!(log.lines().iter().all(|line| !line.contains("secret")));
    store.insert_session(session(1, ADA)).await.unwrap();
    assert!(look_up(&store, 1).await.is_some());
    assert_eq!(store.cached_session(&id(1)), None);
    let health = store.health().await.unwrap();
    assert_eq!(health.status, HealthStatus::Degraded);
    assert!(
        health
            .reasons
            .iter()
            .any(|reason| reason.contains("the cache")),
        "{health:?}"
    );
}

#[tokio::test]
async fn a_proxy_that_passes_no_messages_on_is_noticed() {
    let _log = LOG.lock().await;
    let Some(place) = Place::new().await else {
        return;
    };
    let proxy = Proxy::before(place.server).await;
    proxy.hide_tracking();
    let log = watch(["something between lucia and the server"]);
    let store = place
        .builder()
        .cache(CacheOptions::new())
        .connect(&proxy.url())
        .await
        .unwrap();
    eventually(async || !log.lines().is_empty()).await;
    assert!(!store.is_cache_answering());
    store.insert_session(session(1, ADA)).await.unwrap();
    assert!(look_up(&store, 1).await.is_some());
}

#[tokio::test]
async fn settings_that_it_cannot_have_are_refused() {
    let Some(server) = RedisServer::shared().await else {
        return;
    };
    let cluster = RedisCluster::shared().await.unwrap();
    let refused = |store: lucia::Result<RedisStore>, named: &str| match store {
        Err(Error::Setting { setting, .. }) => assert_eq!(setting, named),
        other => panic!("{other:?}"),
    };
    let of = |cache| builder().cache(cache);
    let new = CacheOptions::new;
    refused(of(new()).cluster(cluster.urls()).await, "cache");
    refused(
        of(new().entries(0)).connect(&server.url()).await,
        "cache.entries",
    );
    let silent = new().max_silence(Duration::from_secs(2));
    refused(of(silent).connect(&server.url()).await, "cache.max_silence");
}
