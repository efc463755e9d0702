//! Settings of a cache that make no sense.

use std::sync::Arc;
use std::time::Duration;

use lucia::deadpool_postgres::{Manager, Pool};
use lucia::{Auth, CacheOptions, Error, PgStore, PgStoreBuilder, SqliteStore};
use tokio_postgres::{Config, NoTls};

fn pool() -> Pool {
    // Nobody connects.
    let manager = Manager::new(Config::new(), NoTls);
    Pool::builder(manager).build().unwrap()
}

fn built(options: CacheOptions) -> Result<PgStore, Error> {
    listening(options).build(pool())
}

fn listening(options: CacheOptions) -> PgStoreBuilder {
    let builder = PgStore::builder().cache(options);
    builder.cache_listener(Config::new(), NoTls)
}

fn refused(options: CacheOptions) -> (&'static str, String) {
    refused_by(listening(options))
}

fn refused_by(builder: PgStoreBuilder) -> (&'static str, String) {
    match builder.build(pool()) {
        Err(Error::Setting { setting, reason }) => (setting, reason),
        other => panic!("{other:?}"),
    }
}

fn options() -> CacheOptions {
    CacheOptions::new()
}

#[test]
fn a_cache_that_could_keep_nothing_is_refused() {
    assert_eq!(refused(options().entries(0)).0, "cache.entries");
    assert_eq!(
        refused(options().max_age(Duration::ZERO)).0,
        "cache.max_age"
    );
    assert!(built(options().entries(1).max_age(Duration::from_nanos(1))).is_ok());
}

#[test]
fn r54_a_silence_is_no_longer_than_a_second_and_not_too_short_to_be_heard() {
    let millis = Duration::from_millis;
    for silence in [millis(1_001), Duration::MAX, millis(99), Duration::ZERO] {
        assert_eq!(
            refused(options().max_silence(silence)).0,
            "cache.max_silence"
        );
    }
    for silence in [millis(1_000), millis(100)] {
        assert!(built(options().max_silence(silence)).is_ok());
    }
}

#[test]
fn r54_changes_are_polled_for_at_least_twice_in_a_silence() {
    let millis = Duration::from_millis;
    let polling = |interval, silence| {
        let options = options().max_silence(millis(silence));
        let builder = PgStore::builder().cache(options);
        builder.cache_poll_interval(millis(interval))
    };
    for (interval, silence) in [(9, 1_000), (0, 1_000), (501, 1_000), (51, 100)] {
        let (setting, _) = refused_by(polling(interval, silence));
        assert_eq!(setting, "cache_poll_interval");
    }
    for (interval, silence) in [(10, 1_000), (500, 1_000), (50, 100)] {
        assert!(polling(interval, silence).build(pool()).is_ok());
    }
}

#[test]
fn a_pool_does_not_tell_how_to_listen() {
    let (setting, reason) = refused_by(PgStore::builder().cache(options()));
    assert_eq!(setting, "cache_listener");
    for way in ["`cache_listener`", "`cache_poll_interval`"] {
        assert!(reason.contains(way), "{reason}");
    }
}

#[test]
fn without_a_cache_there_is_nothing_to_listen_or_poll_for() {
    let listening = PgStore::builder().cache_listener(Config::new(), NoTls);
    assert_eq!(refused_by(listening).0, "cache_listener");
    let polling = PgStore::builder().cache_poll_interval(Duration::from_millis(250));
    assert_eq!(refused_by(polling).0, "cache_poll_interval");
}

#[test]
fn the_options_show_no_password() {
    let mut config = Config::new();
    config.password("swordfish");
    let shown = format!("{:?}", listening(options()).cache_listener(config, NoTls));
    assert!(!shown.contains("swordfish"), "{shown}");
}

#[tokio::test]
async fn a_cache_that_would_answer_no_lookup_is_refused() {
    let cached = || built(options()).unwrap();
    let other = SqliteStore::in_memory().await.unwrap();
    for (which, settings) in [
        ("sessions", Auth::builder(other.clone()).sessions(cached())),
        ("both", Auth::builder(cached()).sessions(cached())),
        (
            "shared",
            Auth::builder(other.clone()).sessions(Arc::new(cached())),
        ),
    ] {
        match settings.build() {
            Err(Error::Setting { setting, reason }) => {
                assert_eq!(setting, "cache", "{which}");
                assert!(reason.contains("`sessions(..)`"), "{reason}");
            }
            other => panic!("{which}: {other:?}"),
        }
    }
    Auth::builder(cached()).build().unwrap();
    // It answers for users.
    let users = Auth::builder(cached()).sessions(other.clone());
    users.build().unwrap();
    let users = Auth::builder(Arc::new(cached())).sessions(other);
    users.build().unwrap();
    let pg = || PgStore::new(pool());
    Auth::builder(pg()).sessions(pg()).build().unwrap();
}
