//! An application on axum with axum-login, whose sessions are in Postgres.

use std::error::Error;

use axum::Router;
use axum::http::StatusCode;
use axum::routing::get;
use axum_login::tower_sessions::SessionManagerLayer;
use axum_login::{AuthManagerLayerBuilder, AuthSession, AuthUser, AuthnBackend};
use sqlx::postgres::PgPool;
use tokio::net::TcpListener;
use tower_sessions_sqlx_store::PostgresStore;

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
        Ok(None)
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
    Ok(format!("Hello 0, {}", user.username))
}

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let pool = PgPool::connect(&std::env::var("DATABASE_URL")?).await?;
    let sessions = SessionManagerLayer::new(PostgresStore::new(pool.clone()));
    let auth = AuthManagerLayerBuilder::new(Backend(pool), sessions).build();
    let app = Router::new().route("/", get(me)).layer(auth);
    Ok(axum::serve(TcpListener::bind("127.0.0.1:8080").await?, app).await?)
}
