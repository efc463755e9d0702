//! The address of a database, of which nothing may be seen but host and database.

use std::time::Duration;

use lucia::store::UserStore as _;
use lucia::{CacheOptions, Error, PgStore, PgStoreBuilder, UserId};
use lucia_tests::{Database, watch};
use tokio_postgres::NoTls;

use crate::support::{Stage, eventually};

const SECRET: &str = "canary7313";

fn builders() -> [PgStoreBuilder; 2] {
    let builder = || PgStore::builder().timeout(Duration::from_secs(20));
    [builder(), builder().cache(CacheOptions::new())]
}

/// An error with all that it came from.
fn shown(error: &Error) -> String {
    let mut text = format!("{error:?} {error}");
    let mut source = std::error::Error::source(error);
    while let Some(cause) = source {
        text.push_str(&format!(" {cause:?} {cause}"));
        source = cause.source();
    }
    text
}

#[tokio::test]
async fn r46_no_part_of_a_database_url_is_shown_that_cannot_be_used() {
    let database = Database::new().await;
    let (host, port) = database.host();
    let there = format!("{host}:{port}");
    let found = watch([SECRET]);
    for url in [
        // What an unescaped password makes of a URL.
        format!("postgres://app:{SECRET}@x@{there}/app"),
        format!("postgres://app:x@{SECRET}@{there}/app"),
        format!("postgres://app:x@{SECRET}:y@{there}/app"),
        format!("postgres://app:x@{SECRET},y@{there}/app"),
        format!("postgres://lucia:x@{there}/{SECRET}@{there}/app"),
        format!("postgres://app:x@{there}?{SECRET}@{there}/app"),
        format!("postgres://app:x@{there}?{SECRET}=y@{there}/app"),
        format!("postgres://app:x@{there}/app?sslmode={SECRET}@{there}/app"),
        format!("postgres://app:x@[{SECRET}@{there}/app"),
        format!("postgres://%ff{SECRET}:x@{there}/app"),
        // No URL, or none of Postgres.
        SECRET.to_owned(),
        format!("mysql://app:{SECRET}@{there}/app"),
        format!("postgres:/app:{SECRET}@{there}/app"),
        format!("postgres://app:{SECRET}/app"),
        // Keys and values.
        format!("host={host} port={port} user=app password=x {SECRET}"),
        format!("host={host} port={port} user=app password=x {SECRET}=y"),
        format!("host={host} port={port} user=app password='x' {SECRET}'"),
        format!("host={host} port={port} user=app password='{SECRET}"),
        format!("host={host} port={SECRET} user=app"),
        format!("host=x@{SECRET} port={port} user=app"),
        // An account that is not let in, and servers that are not there.
        format!("postgres://{SECRET}:{SECRET}@{there}/postgres"),
        format!("postgres://app:{SECRET}@127.0.0.1:1/app"),
        format!(
            "postgres://app:{SECRET}@127.0.0.1:1,127.0.0.1:2/app?target_session_attrs=read-write"
        ),
        format!("postgres://app:x%40{SECRET}%3A%2F%20@127.0.0.1:1/app"),
        format!("host=127.0.0.1 port=1 user=app password='x @:/ {SECRET}'"),
        format!("postgres://app:{SECRET}@{there}/app?sslmode=require"),
    ] {
        for builder in builders() {
            let Err(error) = builder.connect(&url).await else {
                panic!("{url}");
            };
            let text = shown(&error);
            assert!(!text.contains(SECRET), "{url}: {text}");
        }
    }
    assert_eq!(found.lines(), Vec::<String>::new());
}

#[tokio::test]
async fn an_unescaped_password_is_told_how_to_be_written() {
    let error = PgStore::connect("postgres://app:p@ss@localhost/app").await;
    let error = error.unwrap_err();
    assert!(
        matches!(error, Error::Setting { setting: "url", .. }),
        "{error:?}"
    );
    assert!(error.to_string().contains("`%40` for `@`"), "{error}");
}

#[tokio::test]
async fn r46_no_password_of_a_database_url_is_shown_in_an_outage() {
    let stage = Stage::postgres().await;
    let found = watch([SECRET]);
    let (before, after) = (
        format!("lucia:x%40%3A%2F{SECRET}@"),
        "?application_name=here",
    );
    let url = stage.database().url_by(stage.proxy().port());
    let url = format!("{}{after}", url.replace("lucia@", &before));
    assert!(url.contains(SECRET), "{url}");
    let config: tokio_postgres::Config = url.parse().unwrap();
    let cached = || PgStore::builder().cache(CacheOptions::new());
    for builder in [cached(), cached().cache_listener(config, NoTls)] {
        let mut texts = vec![format!("{builder:?}")];
        let store = builder.connect(&url).await.unwrap();
        store.migrate(&[]).await.unwrap();
        eventually(async || store.is_cache_answering()).await;
        stage.proxy().cut();
        eventually(async || !store.is_cache_answering()).await;
        let error = store.user(&UserId::new("ada").unwrap()).await.unwrap_err();
        texts.extend([shown(&error.into()), format!("{store:?}")]);
        for text in texts {
            assert!(!text.contains(SECRET), "{text}");
        }
        stage.proxy().heal();
        eventually(async || store.is_cache_answering()).await;
    }
    assert_eq!(found.lines(), Vec::<String>::new());
}
