//! actix-session with its sessions in Redis, actix-identity, and the user from Postgres, as their
//! documentation has it: a request costs one `GET` of Redis and one statement of Postgres.
//!
//! What was chosen, and why:
//!
//! - The cookie is encrypted and its life left to the browser, as by default. With that, a request
//!   that changes nothing writes nothing to Redis.
//! - One connection to Redis for all workers, as by default: the `ConnectionManager` sends the
//!   commands of many requests at once. A pool is an option of the crate and would only add a
//!   check-out.
//! - No deadline for a login or a visit, as by default. One for visits would write to Redis on every
//!   request.
//! - The user is read as in the hand-written server: a pool of `POOL` connections that are handed out
//!   without a test, and a statement that each prepares once.
//! - No `Logger` middleware.

use std::collections::HashMap;
use std::env;
use std::fs::File;
use std::io::{BufWriter, Write};

use actix_identity::{Identity, IdentityMiddleware};
use actix_session::SessionMiddleware;
use actix_session::storage::{RedisSessionStore, SessionStore};
use actix_web::cookie::{Cookie, CookieJar, Key, time::Duration};
use actix_web::error::{ErrorServiceUnavailable, ErrorUnauthorized};
use actix_web::{App, HttpServer, get, web};
use anyhow::{Context, bail};
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use settings::Settings;
use tokio_postgres::NoTls;

/// `GET /me`.
#[get("/me")]
async fn me(identity: Identity, pool: web::Data<Pool>) -> actix_web::Result<String> {
    let id = identity.id().map_err(ErrorUnauthorized)?;
    let client = pool.get().await.map_err(ErrorServiceUnavailable)?;
    let statement = client
        .prepare_cached("SELECT username FROM auth_user WHERE id = $1")
        .await
        .map_err(ErrorServiceUnavailable)?;
    let row = client
        .query_opt(&statement, &[&id])
        .await
        .map_err(ErrorServiceUnavailable)?
        .ok_or_else(|| ErrorUnauthorized("no such user"))?;
    Ok(row.get(0))
}

#[actix_web::main]
async fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve"] => serve().await,
        ["seed", file, count] => seed(file, count.parse()?).await,
        _ => bail!("say `serve`, or `seed OUTFILE COUNT`"),
    }
}

async fn serve() -> anyhow::Result<()> {
    let settings = Settings::from_env()?;
    let redis = redis().await?;
    let pool = web::Data::new(postgres(&settings.database_url, settings.pool)?);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(pool.clone())
            .wrap(IdentityMiddleware::default())
            .wrap(SessionMiddleware::new(redis.clone(), key()))
            .service(me)
    })
    .workers(settings.workers)
    .shutdown_timeout(1)
    .bind(("127.0.0.1", settings.port))?
    .run();
    settings::ready()?;
    Ok(server.await?)
}

/// Saves sessions by the crate's own store, and writes their cookies as its middleware does.
async fn seed(file: &str, count: i64) -> anyhow::Result<()> {
    let redis = redis().await?;
    let client = postgres(&env::var("DATABASE_URL")?, 1)?.get().await?;
    let users = "SELECT id, username FROM auth_user ORDER BY id LIMIT $1";
    let mut out = BufWriter::new(File::create(file)?);
    for user in client.query(users, &[&count]).await? {
        let (id, username): (String, String) = (user.get(0), user.get(1));
        let id = serde_json::to_string(&id)?;
        let state = HashMap::from([("actix_identity.user_id".to_owned(), id)]);
        let saved = redis.save(state, &Duration::days(1)).await;
        let mut jar = CookieJar::new();
        let cookie = Cookie::new("id", String::from(saved?));
        jar.private_mut(&key()).add(cookie);
        let cookie = jar.get("id").context("the jar lost its cookie")?;
        writeln!(out, "{}\t{username}", cookie.encoded().stripped())?;
    }
    Ok(out.flush()?)
}

/// The same in all processes.
fn key() -> Key {
    Key::from(&[7; 64])
}

async fn redis() -> anyhow::Result<RedisSessionStore> {
    RedisSessionStore::new(env::var("REDIS_URL").context("REDIS_URL")?).await
}

fn postgres(database_url: &str, connections: usize) -> anyhow::Result<Pool> {
    let manager = Manager::from_config(
        database_url.parse()?,
        NoTls,
        ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        },
    );
    Ok(Pool::builder(manager).max_size(connections).build()?)
}
