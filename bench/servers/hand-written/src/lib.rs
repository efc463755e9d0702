//! What an expert writes by hand for the one question who sent a request, without a framework: the hash of the
//! cookie, a connection from the pool, a prepared statement, one join. It renews nothing, has no time-outs and
//! does not check where a request comes from.

use std::fmt::Write;
use std::time::{SystemTime, UNIX_EPOCH};
use std::{error::Error, fmt};

use deadpool_postgres::{Manager, ManagerConfig, Pool, RecyclingMethod};
use settings::Settings;
use sha2::{Digest, Sha256};
use tokio_postgres::NoTls;

const FIND: &str = r#"
    SELECT u."username", s."idle_expires"
    FROM "user_session" AS s JOIN "auth_user" AS u ON u."id" = s."user_id"
    WHERE s."id" = $1"#;

/// The sessions in Postgres.
#[derive(Clone, Debug)]
pub struct Sessions(Pool);

/// Why a request is not answered.
#[derive(Debug)]
pub enum Refused {
    /// It has no valid session: 401.
    NoSession,
    /// The database does not answer: 503.
    Unavailable,
}

impl Sessions {
    /// A pool of connections that opens them as they are needed.
    ///
    /// # Errors
    ///
    /// A URL that cannot be read.
    pub fn new(settings: &Settings) -> Result<Self, Box<dyn Error>> {
        let manager = Manager::from_config(
            settings.database_url.parse()?,
            NoTls,
            ManagerConfig {
                recycling_method: RecyclingMethod::Fast,
            },
        );
        Ok(Self(
            Pool::builder(manager).max_size(settings.pool).build()?,
        ))
    }

    /// The name of the user with this `Cookie` header.
    ///
    /// # Errors
    ///
    /// No valid session, or no answer from the database.
    pub async fn user(&self, cookies: Option<&str>) -> Result<String, Refused> {
        let token = cookies.and_then(token).ok_or(Refused::NoSession)?;
        let client = self.0.get().await.map_err(|_| Refused::Unavailable)?;
        let statement = client.prepare_cached(FIND).await?;
        let row = client.query_opt(&statement, &[&hash(token)]).await?;
        let row = row.ok_or(Refused::NoSession)?;
        if row.get::<_, i64>(1) < now() {
            return Err(Refused::NoSession);
        }
        Ok(row.get(0))
    }
}

impl From<tokio_postgres::Error> for Refused {
    fn from(_: tokio_postgres::Error) -> Self {
        Self::Unavailable
    }
}

impl fmt::Display for Refused {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::NoSession => "no session",
            Self::Unavailable => "the database does not answer",
        })
    }
}

impl Error for Refused {}

fn token(cookies: &str) -> Option<&str> {
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
