//! axum-login on axum, with the sessions of tower-sessions in Postgres and the users beside them, as
//! its documentation has it: a request costs two statements, one for the session and one for the
//! user.
//!
//! What was chosen, and why:
//!
//! - Sessions end two weeks after their last change. A request that changes nothing writes nothing,
//!   as by default.
//! - The cookie is neither signed nor encrypted, as by default.
//! - One pool of `POOL` connections for sessions and users. It hands out connections without a test
//!   (`test_before_acquire(false)`), as those of the other servers do; by default sqlx would ask the
//!   database before each statement whether it is still there. sqlx prepares each statement once for
//!   a connection.
//! - The hash that ends sessions when a password changes is made of the user's name: the table of the
//!   kit has no password. It costs the same.
//! - No `TraceLayer`, and no subscriber for what the crates trace.

use std::collections::HashMap;
use std::env;
use std::fs::File;
use std::io::{BufWriter, Write};

use anyhow::bail;
use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use axum_login::tower_sessions::session::{Id, Record};
use axum_login::tower_sessions::{Expiry, SessionManagerLayer, SessionStore};
use axum_login::{AuthManagerLayerBuilder, AuthSession, AuthUser, AuthnBackend};
use settings::Settings;
use sqlx::postgres::{PgPool, PgPoolOptions};
use time::{Duration, OffsetDateTime};
use tokio::net::TcpListener;
use tokio::signal::unix::{SignalKind, signal};
use tower_sessions_sqlx_store::PostgresStore;

const LIFE: Duration = Duration::weeks(2);

#[derive(Clone, Debug, sqlx::FromRow)]
struct User {
    id: String,
    username: String,
}

impl AuthUser for User {
    type Id = String;

    fn id(&self) -> String {
        self.id.clone()
    }

    fn session_auth_hash(&self) -> &[u8] {
        self.username.as_bytes()
    }
}

#[derive(Clone, Debug)]
struct Backend(PgPool);

impl AuthnBackend for Backend {
    type User = User;
    type Credentials = ();
    type Error = sqlx::Error;

    async fn authenticate(&self, (): ()) -> Result<Option<User>, sqlx::Error> {
        Ok(None) // Nobody signs in here: the kit comes with cookies.
    }

    async fn get_user(&self, id: &String) -> Result<Option<User>, sqlx::Error> {
        sqlx::query_as("SELECT id, username FROM auth_user WHERE id = $1")
            .bind(id)
            .fetch_optional(&self.0)
            .await
    }
}

async fn me(auth_session: AuthSession<Backend>) -> Result<String, StatusCode> {
    let user = auth_session.user.ok_or(StatusCode::UNAUTHORIZED)?;
    Ok(user.username)
}

fn main() -> anyhow::Result<()> {
    let arguments: Vec<String> = env::args().skip(1).collect();
    let mut runtime = tokio::runtime::Builder::new_multi_thread();
    match arguments.iter().map(String::as_str).collect::<Vec<_>>()[..] {
        ["serve"] => {
            let settings = Settings::from_env()?;
            let runtime = runtime.worker_threads(settings.workers).enable_all();
            runtime.build()?.block_on(serve(settings))
        }
        ["seed", file, count] => {
            let runtime = runtime.enable_all().build()?;
            runtime.block_on(seed(file, count.parse()?))
        }
        _ => bail!("say `serve`, or `seed OUTFILE COUNT`"),
    }
}

async fn serve(settings: Settings) -> anyhow::Result<()> {
    let pool = postgres(&settings.database_url, settings.pool).await?;
    let sessions = SessionManagerLayer::new(PostgresStore::new(pool.clone()))
        .with_expiry(Expiry::OnInactivity(LIFE));
    let auth = AuthManagerLayerBuilder::new(Backend(pool), sessions).build();
    let app = Router::new().route("/me", get(me)).layer(auth);

    let listener = TcpListener::bind(("127.0.0.1", settings.port)).await?;
    let mut terminated = signal(SignalKind::terminate())?;
    settings::ready()?;
    tokio::select! {
        served = axum::serve(listener, app) => Ok(served?),
        _ = terminated.recv() => Ok(()),
    }
}

/// Saves sessions by the crate's own store, as axum-login's `login` fills them.
async fn seed(file: &str, count: i64) -> anyhow::Result<()> {
    let pool = postgres(&env::var("DATABASE_URL")?, 1).await?;
    // One commit for each session; what a crash would lose is made again.
    sqlx::query("SET synchronous_commit TO off")
        .execute(&pool)
        .await?;
    let store = PostgresStore::new(pool.clone());
    store.migrate().await?;
    let users = sqlx::query_as("SELECT id, username FROM auth_user ORDER BY id LIMIT $1");
    let users: Vec<User> = users.bind(count).fetch_all(&pool).await?;
    let mut out = BufWriter::new(File::create(file)?);
    for user in users {
        let data = serde_json::json!({
            "user_id": user.id,
            "auth_hash": user.session_auth_hash(),
        });
        let record = Record {
            id: Id::default(),
            data: HashMap::from([("axum-login.data".to_owned(), data)]),
            expiry_date: OffsetDateTime::now_utc() + LIFE,
        };
        store.save(&record).await?;
        writeln!(out, "id={}\t{}", record.id, user.username)?;
    }
    Ok(out.flush()?)
}

async fn postgres(database_url: &str, connections: usize) -> anyhow::Result<PgPool> {
    let connections = u32::try_from(connections)?;
    let options = PgPoolOptions::new()
        .max_connections(connections)
        .test_before_acquire(false);
    Ok(options.connect(database_url).await?)
}
