//! authkestra on actix-web with its sessions in Redis, and the user from Postgres, as its documentation has it:
//! a request costs one `GET` of Redis, over a new connection, and one statement of Postgres.
//!
//! What was chosen, and why:
//!
//! - Redis, since its other store of sessions keeps them in the memory of one process. What it ships for SQL is
//!   a store of second factors and not of sessions.
//! - `RedisStore` as it comes. It opens a connection to Redis for each lookup, and has no option that keeps one.
//! - The configuration as by default: the session has no deadline that a request moves, so a request that
//!   changes nothing writes nothing.
//! - The session has the identity, and the user is read from Postgres: a role or a name that has changed would
//!   be the old one in the session.
//! - The user is read as in the hand-written server: a pool of `POOL` connections that are handed out without a
//!   test, and a statement that each prepares once.
//! - No subscriber for what the crate traces.

use std::collections::HashMap;
use std::env;
use std::fs::File;
use std::io::{BufWriter, Write};
use std::sync::Arc;

use actix_web::error::{ErrorServiceUnavailable, ErrorUnauthorized};
use actix_web::{App, HttpServer, get, web};
use anyhow::{Context, bail};
use authkestra::Authkestra;
use authkestra::actix::AuthSession;
use authkestra::core::{Identity, SessionConfig, SessionStore};
use authkestra::store::redis::RedisStore;
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use settings::Settings;
use tokio_postgres::NoTls;

/// `GET /me`.
#[get("/me")]
async fn me(AuthSession(session): AuthSession, pool: web::Data<Pool>) -> actix_web::Result<String> {
    let client = pool.get().await.map_err(ErrorServiceUnavailable)?;
    let statement = client
        .prepare_cached("SELECT username FROM auth_user WHERE id = $1")
        .await
        .map_err(ErrorServiceUnavailable)?;
    let row = client
        .query_opt(&statement, &[&session.identity.external_id])
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
    let sessions: Arc<dyn SessionStore> = Arc::new(redis()?);
    let sessions = web::Data::new(sessions);
    let config = web::Data::new(SessionConfig::default());
    let pool = web::Data::new(postgres(&settings.database_url, settings.pool)?);
    let server = HttpServer::new(move || {
        App::new()
            .app_data(pool.clone())
            .app_data(sessions.clone())
            .app_data(config.clone())
            .service(me)
    })
    .workers(settings.workers)
    .shutdown_timeout(1)
    .bind(("127.0.0.1", settings.port))?
    .run();
    settings::ready()?;
    Ok(server.await?)
}

/// Makes sessions by the engine, as after a sign-in.
async fn seed(file: &str, count: i64) -> anyhow::Result<()> {
    let engine = Authkestra::builder()
        .session_store(Arc::new(redis()?))
        .build();
    let cookie = &engine.session_config.cookie_name;
    let client = postgres(&env::var("DATABASE_URL")?, 1)?.get().await?;
    let users = "SELECT id, username FROM auth_user ORDER BY id LIMIT $1";
    let mut out = BufWriter::new(File::create(file)?);
    for user in client.query(users, &[&count]).await? {
        let username: String = user.get(1);
        let identity = Identity {
            provider_id: "password".to_owned(),
            external_id: user.get(0),
            email: None,
            username: Some(username.clone()),
            attributes: HashMap::new(),
        };
        let session = engine.create_session(identity).await?;
        writeln!(out, "{cookie}={}\t{username}", session.id)?;
    }
    Ok(out.flush()?)
}

fn redis() -> anyhow::Result<RedisStore> {
    let url = env::var("REDIS_URL").context("REDIS_URL")?;
    Ok(RedisStore::new(&url, "session".to_owned())?)
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
