//! What `connect` and `cluster` refuse.

use std::time::Duration;

use lucia::store::{Owner, SessionStore};
use lucia::{CacheOptions, Error, RedisStore, Result};
use lucia_tests::{RedisCluster, RedisServer, watch};
use serde_json::json;

use crate::support::{ADA, builder, eventually, expiries, id, now, rotation, session};

fn refused(store: Result<RedisStore>, setting: &str, words: &str) {
    match store {
        Err(Error::Setting {
            setting: named,
            reason,
        }) => {
            assert_eq!(named, setting);
            assert!(reason.contains(words), "{reason}");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn a_server_that_evicts_keys_is_refused() {
    let settings = ["--save", "", "--maxmemory", "100mb"];
    let Some(server) = RedisServer::start(&settings).await else {
        return;
    };
    for policy in ["allkeys-lru", "volatile-ttl"] {
        let set = ["CONFIG", "SET", "maxmemory-policy", policy];
        server.ask::<()>(&set).await;
        let store = RedisStore::connect(&server.url()).await;
        refused(store, "redis", "set `maxmemory-policy noeviction`");
    }
    for set in [
        ["CONFIG", "SET", "maxmemory-policy", "noeviction"],
        ["CONFIG", "SET", "maxmemory", "0"],
    ] {
        server.ask::<()>(&set).await;
        assert!(RedisStore::connect(&server.url()).await.is_ok());
    }
}

#[tokio::test]
async fn a_replica_is_refused() {
    let Some(primary) = RedisServer::start(&["--save", ""]).await else {
        return;
    };
    let of = format!("127.0.0.1 {}", primary.port());
    let replica = RedisServer::start(&["--save", "", "--replicaof", &of])
        .await
        .unwrap();
    let store = RedisStore::connect(&replica.url()).await;
    refused(store, "redis", "name the primary");
}

#[tokio::test]
async fn a_server_and_a_cluster_are_told_apart() {
    let Some(server) = RedisServer::shared().await else {
        return;
    };
    let cluster = RedisCluster::shared().await.unwrap();
    let store = RedisStore::cluster([server.url()]).await;
    refused(store, "urls", "use `RedisStore::connect`");
    let store = RedisStore::connect(&cluster.urls()[0]).await;
    refused(store, "url", "use `RedisStore::cluster`");
    refused(
        RedisStore::cluster([""; 0]).await,
        "urls",
        "one server at least",
    );
    // One server is enough, and it need not be the first one.
    let urls = ["redis://127.0.0.1:1".to_owned(), cluster.urls()[5].clone()];
    let store = builder().cluster(urls).await.unwrap();
    for number in 0..50 {
        store.insert_session(session(number, ADA)).await.unwrap();
        assert!(store.session(&id(number)).await.unwrap().is_some());
    }
}

#[tokio::test]
async fn a_password_is_needed_and_is_never_shown() {
    let settings = ["--save", "", "--requirepass", "swordfish"];
    let Some(server) = RedisServer::start_locked(&settings, "swordfish").await else {
        return;
    };
    let url = |password: &str| format!("redis://{password}127.0.0.1:{}", server.port());
    for password in ["", ":haddock@", "mallory:haddock@"] {
        let store = RedisStore::connect(&url(password)).await;
        assert!(matches!(store, Err(Error::Unavailable(_))), "{store:?}");
        assert!(!format!("{store:?}").contains("haddock"));
    }
    for password in [":swordfish@", "default:swordfish@"] {
        let store = builder().connect(&url(password)).await.unwrap();
        store.insert_session(session(1, ADA)).await.unwrap();
        assert!(!format!("{store:?}").contains("swordfish"));
    }
    for url in [
        "redis://:swordfish@",
        "http://x:swordfish@y",
        "swordfish",
        "",
    ] {
        let store = RedisStore::connect(url).await;
        assert!(!format!("{store:?}").contains("swordfish"), "{store:?}");
        refused(store, "url", "redis://user:password@host:6379/0");
        let store = RedisStore::cluster([url]).await;
        refused(store, "url", "redis://user:password@host:6379/0");
    }
}

#[tokio::test]
async fn a_server_that_is_not_there_is_reported_at_once() {
    let builder = builder().timeout(Duration::from_secs(60));
    let store = builder.clone().connect("redis://127.0.0.1:1").await;
    assert!(matches!(store, Err(Error::Unavailable(_))), "{store:?}");
    let urls = ["redis://127.0.0.1:1", "redis://127.0.0.1:2"];
    let store = builder.cluster(urls).await;
    assert!(matches!(store, Err(Error::Unavailable(_))), "{store:?}");
}

#[tokio::test]
async fn a_server_that_forgets_is_warned_of() {
    let settings = ["--save", "", "--appendonly"];
    for (appendonly, is_warned_of) in [("no", true), ("yes", false)] {
        let settings = [&settings[..], &[appendonly]].concat();
        let Some(server) = RedisServer::start(&settings).await else {
            return;
        };
        // Other tests of this process may connect at the same time.
        let warning = format!("127.0.0.1:{}", server.port());
        let watched = watch([warning.clone()]);
        RedisStore::connect(&server.url()).await.unwrap();
        let lines = watched.lines();
        let is_warning = |line: &String| line.contains("neither an append-only file nor a replica");
        assert_eq!(lines.iter().any(is_warning), is_warned_of, "{lines:?}");
    }
}

#[tokio::test]
async fn settings_that_make_no_sense_are_refused() {
    let Some(server) = RedisServer::shared().await else {
        return;
    };
    let url = server.url();
    let store = builder().timeout(Duration::ZERO).connect(&url).await;
    refused(store, "timeout", "it is zero: every call would time out");
    for attributes in [json!(["country"]), json!("country"), json!(null)] {
        let store = builder().session_attributes(attributes).connect(&url).await;
        refused(store, "session_attributes", "a JSON object");
    }
    let store = builder()
        .session_attributes(json!({ "user_id": null }))
        .connect(&url)
        .await;
    refused(store, "session_attributes", "`user_id`");
}

#[tokio::test]
async fn an_attribute_has_the_type_of_its_default() {
    let Some(server) = RedisServer::shared().await else {
        return;
    };
    let defaults = json!({ "country": null, "visits": 1, "tags": ["a"], "admin": false });
    let builder = builder();
    let store = builder.clone().session_attributes(defaults);
    let store = store.connect(&server.url()).await.unwrap();
    let with = |number, attributes: serde_json::Value| {
        let mut session = session(number, ADA);
        session.attributes = attributes.as_object().unwrap().clone();
        session
    };
    for refused in [
        json!({ "visits": "2" }),
        json!({ "tags": {} }),
        json!({ "admin": 1 }),
        json!({ "admin": null }),
    ] {
        let inserted = store.insert_session(with(1, refused.clone())).await;
        assert!(inserted.is_err(), "{refused}");
    }
    let given =
        json!({ "country": { "of": "any type" }, "tags": [], "visits": 12345678901234567890_u64 });
    store.insert_session(with(1, given)).await.unwrap();
    // Another version of the application, which has one attribute more and one fewer.
    let defaults = json!({ "tags": [], "visits": 1, "theme": "light" });
    let later = builder.session_attributes(defaults);
    let later = later.connect(&server.url()).await.unwrap();
    let session = later.session(&id(1)).await.unwrap().unwrap();
    let attributes: serde_json::Value = serde_json::from_str(&session.attributes).unwrap();
    let expected = json!({ "tags": [], "theme": "light", "visits": 12345678901234567890_u64 });
    assert_eq!(attributes, expected);
}

/// The rules that `docs/redis.md` gives.
#[tokio::test]
async fn a_user_with_the_rules_of_the_guide_can_do_everything() {
    let guide = include_str!("../../../docs/redis.md");
    let rules = guide
        .lines()
        .find_map(|line| line.strip_prefix("ACL SETUSER app on >password ~lucia:* "));
    let rules = rules.unwrap().split(' ');
    let Some(server) = RedisServer::start(&["--save", ""]).await else {
        return;
    };
    let cluster = RedisCluster::start().await.unwrap();
    let user: Vec<_> = ["ACL", "SETUSER", "app", "on", ">password", "~lucia:*"]
        .into_iter()
        .chain(rules)
        .collect();
    let url = |server: &RedisServer| format!("redis://app:password@127.0.0.1:{}", server.port());
    for server in cluster.servers().iter().chain([&server]) {
        server.ask::<()>(&user).await;
    }
    let urls = cluster.servers().iter().map(url);
    let on_cluster = RedisStore::cluster(urls).await.unwrap();
    for store in [
        RedisStore::connect(&url(&server)).await.unwrap(),
        on_cluster,
    ] {
        for number in 1..=9 {
            let mut session = session(number, ADA);
            session.limit = Some(3);
            session.replaces = Some(id(number - 1));
            store.insert_session(session).await.unwrap();
            store
                .renew_session(&id(number), expiries(now()))
                .await
                .unwrap();
        }
        assert!(store.rotate_session(&id(9), rotation(10)).await.unwrap());
        let updated = store.update_session(&id(10), serde_json::Map::new()).await;
        assert!(updated.unwrap().is_some());
        assert!(store.session(&id(10)).await.unwrap().is_some());
        let found = store.sessions(&[id(8), id(10)]).await.unwrap();
        assert_eq!(found.len(), 1);
        let of_ada = store.user_sessions(&crate::support::user(ADA)).await;
        assert_eq!(of_ada.unwrap().len(), 1);
        let deleted = store.delete_session(&id(10), Owner::Anyone).await;
        assert!(deleted.unwrap());
        store
            .delete_user_sessions(&crate::support::user(ADA), None)
            .await
            .unwrap();
        let left = store
            .user_sessions(&crate::support::user(ADA))
            .await
            .unwrap();
        assert!(left.is_empty());
    }
    // What the guide says to add for a cache.
    let with_cache = "add `+client|tracking +ping`";
    assert!(guide.contains(with_cache));
    for rule in ["+client|tracking", "+ping"] {
        server.ask::<()>(&["ACL", "SETUSER", "app", rule]).await;
    }
    let cached = builder().prefix("lucia").cache(CacheOptions::new());
    let cached = cached.connect(&url(&server)).await.unwrap();
    eventually(async || cached.is_cache_answering()).await;
}
