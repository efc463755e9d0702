//! What somebody who knows their tools writes by hand for this one question: the cookie's hash, a
//! connection of the pool, a prepared statement, one join. It has no renewal, no time-out, and no
//! check of where a request comes from.

use std::error::Error;
use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};

use actix_web::error::{ErrorServiceUnavailable, ErrorUnauthorized};
use actix_web::http::header;
use actix_web::{App, HttpRequest, HttpServer, get, web};
use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use settings::Settings;
use sha2::{Digest, Sha256};
use tokio_postgres::NoTls;

const FIND: &str = r#"
    SELECT u."username", s."idle_expires"
    FROM "user_session" AS s JOIN "auth_user" AS u ON u."id" = s."user_id"
    WHERE s."id" = $1"#;

#[get("/me")]
async fn me(request: HttpRequest, pool: web::Data<Pool>) -> actix_web::Result<String> {
    let token = token(&request).ok_or_else(|| ErrorUnauthorized("no session"))?;
    let client = pool.get().await.map_err(ErrorServiceUnavailable)?;
    let statement = client
        .prepare_cached(FIND)
        .await
        .map_err(ErrorServiceUnavailable)?;
    let row = client
        .query_opt(&statement, &[&hash(token)])
        .await
        .map_err(ErrorServiceUnavailable)?
        .ok_or_else(|| ErrorUnauthorized("no such session"))?;
    if row.get::<_, i64>(1) < now() {
        return Err(ErrorUnauthorized("the session has expired"));
    }
    Ok(row.get(0))
}

fn token(request: &HttpRequest) -> Option<&str> {
    let cookies = request.headers().get(header::COOKIE)?.to_str().ok()?;
    let mut pairs = cookies.split(';').map(str::trim);
    let token = pairs.find_map(|pair| pair.strip_prefix("__Host-auth_session="))?;
    (token.len() == 40).then_some(token)
}

fn hash(token: &str) -> String {
    let mut text = String::with_capacity(64);
    for byte in Sha256::digest(token) {
        // Writing to a string cannot fail.
        let _ = write!(text, "{byte:02x}");
    }
    text
}

/// The time in Unix milliseconds.
fn now() -> i64 {
    let now = SystemTime::now().duration_since(UNIX_EPOCH);
    i64::try_from(now.unwrap_or_default().as_millis()).unwrap_or(i64::MAX)
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let settings = Settings::from_env()?;
    let manager = Manager::from_config(
        settings.database_url.parse()?,
        NoTls,
        ManagerConfig {
            recycling_method: RecyclingMethod::Fast,
        },
    );
    let pool = web::Data::new(Pool::builder(manager).max_size(settings.pool).build()?);
    let server = HttpServer::new(move || App::new().app_data(pool.clone()).service(me))
        .workers(settings.workers)
        .shutdown_timeout(1)
        .bind(("127.0.0.1", settings.port))?
        .run();
    settings::ready()?;
    Ok(server.await?)
}
