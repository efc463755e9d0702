//! What these tests share: a database with the tables in it, a site over HTTP, a browser.

pub(crate) mod actix;
pub(crate) mod axum;
mod browser;
mod caching;
#[path = "../../../examples/quickstart/tests/support/browser.rs"]
#[allow(dead_code, unreachable_pub)] // The quickstart's tests use the rest of it.
pub(crate) mod chromium;
mod errors;
mod gate;
#[path = "../../../lucia/tests/oauth/provider.rs"]
#[allow(dead_code)] // The tests of lucia use the rest of it.
pub(crate) mod oauth;
mod polls;
mod probe;
mod raw;
mod requests;
mod site;
mod stage;
mod told;

pub(crate) use browser::{Browser, Reply};
pub(crate) use caching::{
    Caching, POLL_INTERVAL, Source, eventually, is_beat, on_each_source, until_waiting,
};
pub(crate) use errors::{Taken, Teapot};
pub(crate) use gate::Gate;
pub(crate) use polls::Polls;
pub(crate) use probe::{ADMITTED, Probe};
pub(crate) use requests::{request_from, request_of, request_to};
pub(crate) use site::{Site, bearer};
pub(crate) use stage::{PASSWORD, Profile, Stage, open_key, sign_up, verified};
pub(crate) use told::{Told, name};

/// Makes each function a test on each store: `postgres::name` and `sqlite::name`.
macro_rules! on_each_store {
    ($($name:ident),* $(,)?) => {
        mod postgres {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::support::Stage::postgres().await).await;
            })*
        }

        mod sqlite {
            $(#[tokio::test]
            async fn $name() {
                super::$name(crate::support::Stage::sqlite().await).await;
            })*
        }
    };
}
pub(crate) use on_each_store;

/// Makes a test of each function on Postgres and on SQLite, with the sessions in Redis: beside Postgres in
/// its cache as well, and beside SQLite not.
macro_rules! on_redis {
    ($($name:ident),* $(,)?) => {
        mod redis_beside_postgres {
            $(#[tokio::test]
            async fn $name() {
                let stage = crate::support::Stage::postgres().await;
                if let Some(stage) = stage.with_cached_redis().await {
                    super::$name(stage).await;
                }
            })*
        }

        mod redis_beside_sqlite {
            $(#[tokio::test]
            async fn $name() {
                let stage = crate::support::Stage::sqlite().await;
                if let Some(stage) = stage.with_redis().await {
                    super::$name(stage).await;
                }
            })*
        }
    };
}
pub(crate) use on_redis;
