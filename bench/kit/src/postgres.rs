//! A Postgres of the kit's own, gone when the kit ends, with databases that hold users and sessions.

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use lucia_tests::Server;
use tokio_postgres::{Client, NoTls};

use crate::requests::Kind;
use crate::usage;

/// Lucia's own tables.
const TABLES: &str = concat!(
    include_str!("../../../lucia/migrations/postgres/0001_tables.sql"),
    include_str!("../../../lucia/migrations/postgres/0003_verified_keys.sql"),
);

/// Who the servers are to Postgres.
const ROLE: &str = "bench";

#[derive(Debug)]
pub(crate) struct Postgres {
    server: Server,
    admin: Client,
    pid: u32,
}

impl Postgres {
    pub(crate) async fn start() -> Result<Self> {
        let server = Server::start_with(&[
            "shared_buffers=512MB",
            "max_wal_size=8GB",
            "shared_preload_libraries=pg_stat_statements",
        ])
        .map_err(|error| anyhow!(error))?;
        let admin = connect(&server.url()).await?;
        admin
            .batch_execute(&format!(
                "CREATE EXTENSION pg_stat_statements; CREATE ROLE {ROLE} LOGIN"
            ))
            .await
            .context("Postgres has no pg_stat_statements; it is in its contrib package")?;
        let own = admin.query_one("SELECT pg_backend_pid()", &[]).await?;
        let postgres = Self {
            pid: usage::parent(own.get(0))?,
            admin,
            server,
        };
        // Nothing is counted while something is timed.
        postgres.count_statements(false).await?;
        Ok(postgres)
    }

    /// The process that all others of it come from.
    pub(crate) fn pid(&self) -> u32 {
        self.pid
    }

    pub(crate) async fn version(&self) -> Result<String> {
        let row = self.admin.query_one("SHOW server_version", &[]).await?;
        Ok(row.get(0))
    }

    /// The address of a database, for the servers.
    pub(crate) fn url(&self, database: &str) -> String {
        let url = self.server.url();
        let url = url.replace("//lucia@", &format!("//{ROLE}@"));
        url.replace("/postgres?", "/")
            .trim_end_matches("/postgres")
            .to_owned()
            + "/"
            + database
    }

    /// Makes a database with so many users, each with a session, and the first `idle` of them with
    /// another that is to be renewed.
    pub(crate) async fn create(&self, database: &str, sessions: u32, idle: u32) -> Result<()> {
        let sql = format!("CREATE DATABASE {database} OWNER {ROLE} TEMPLATE template0");
        self.admin.batch_execute(&sql).await?;
        let client = connect(&self.url(database)).await?;
        client
            .batch_execute(&format!("{TABLES}{}", users(sessions)))
            .await?;
        let one_day: i64 = 24 * 60 * 60 * 1000;
        client
            .batch_execute(&sessions_of(Kind::Active, sessions, one_day, 15 * one_day))
            .await?;
        client
            .batch_execute(&sessions_of(Kind::Idle, idle, -one_day, 13 * one_day))
            .await?;
        client.batch_execute(&format!("{INDEXES}{TABLES}")).await?;
        client.batch_execute("VACUUM (ANALYZE)").await?;
        Ok(())
    }

    /// How much room a database takes on the disk, in words.
    pub(crate) async fn size(&self, database: &str) -> Result<String> {
        let sql = "SELECT pg_size_pretty(pg_database_size($1::TEXT::NAME))";
        Ok(self.admin.query_one(sql, &[&database]).await?.get(0))
    }

    /// A connection for what is not to be counted as a server's.
    pub(crate) async fn connect(&self, database: &str) -> Result<Client> {
        connect(&self.admin_url(database)).await
    }

    /// The address of a database for what is not to be counted, and may do everything.
    pub(crate) fn admin_url(&self, database: &str) -> String {
        let url = self.url(database);
        url.replace(&format!("//{ROLE}@"), "//lucia@")
    }

    /// Brings everything to disk that is to be there, so that nothing of it is done later.
    pub(crate) async fn settle(&self) -> Result<()> {
        Ok(self.admin.batch_execute("CHECKPOINT").await?)
    }

    /// Whether statements are counted. A server that is started after this has it so.
    pub(crate) async fn count_statements(&self, count: bool) -> Result<()> {
        let track = if count { "top" } else { "none" };
        let sql = format!("ALTER SYSTEM SET pg_stat_statements.track = '{track}'");
        self.admin.batch_execute(&sql).await?;
        self.admin.batch_execute("SELECT pg_reload_conf()").await?;
        // The reload is a signal to a process that passes it on.
        loop {
            let row = self.admin.query_one("SHOW pg_stat_statements.track", &[]);
            if row.await?.get::<_, &str>(0) == track {
                return Ok(());
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    }

    /// How many statements the servers have sent while they were counted, without those by which
    /// lucia's cache makes sure that it hears, and without the one by which each connection is asked for
    /// its server process. Nothing may be on its way.
    pub(crate) async fn statements(&self) -> Result<u64> {
        let sql = "SELECT coalesce(sum(calls), 0)::BIGINT FROM pg_stat_statements
            WHERE userid = $1::TEXT::REGROLE AND query NOT LIKE '%pg_notify(%'
                AND query NOT LIKE '%pg_backend_pid()%'";
        // A statement is counted a moment after it is answered.
        let mut before = None;
        loop {
            let row = self.admin.query_one(sql, &[&ROLE]).await?;
            let now = u64::try_from(row.get::<_, i64>(0))?;
            if before == Some(now) {
                return Ok(now);
            }
            before = Some(now);
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    }
}

/// Indexes and constraints are made when the rows are there: that takes a fraction of the time.
fn users(number: u32) -> String {
    format!(
        r#"
        SET synchronous_commit = off;
        ALTER TABLE "auth_user" ADD COLUMN "username" TEXT NOT NULL;
        ALTER TABLE "user_key" DROP CONSTRAINT "user_key_user_id_fkey";
        ALTER TABLE "user_session"
            DROP CONSTRAINT "user_session_user_id_fkey", DROP CONSTRAINT "user_session_pkey";
        ALTER TABLE "auth_user" DROP CONSTRAINT "auth_user_pkey";
        DROP INDEX "user_session_user_id_idx", "user_session_idle_expires_idx";
        INSERT INTO "auth_user" ("id", "username")
            SELECT lpad(number::TEXT, 15, '0'), 'user-' || number
            FROM generate_series(0, {number} - 1) AS number;
        "#
    )
}

/// The sessions of the first users, which expire so many milliseconds from now.
fn sessions_of(kind: Kind, number: u32, active: i64, idle: i64) -> String {
    let seed = kind.seed();
    format!(
        r#"
        INSERT INTO "user_session"
            ("id", "user_id", "active_expires", "idle_expires", "created_at", "renewed_at")
        SELECT encode(sha256(convert_to(token, 'UTF8')), 'hex'), lpad(number::TEXT, 15, '0'),
            now + {active}, now + {idle}, now, now
        FROM generate_series(0, {number} - 1) AS number,
            LATERAL (SELECT left(encode(sha256(convert_to(
                '{seed}:' || number, 'UTF8')), 'hex'), 40) AS token) AS tokens,
            (SELECT (extract(epoch FROM now()) * 1000)::BIGINT AS now) AS clock
        "#
    )
}

/// What [`users`] has taken away, and one on the name. Lucia's tables bring the rest.
const INDEXES: &str = r#"
    SET maintenance_work_mem = '512MB';
    ALTER TABLE "auth_user" ADD PRIMARY KEY ("id"), ADD UNIQUE ("username");
    ALTER TABLE "user_key" ADD FOREIGN KEY ("user_id") REFERENCES "auth_user" ("id");
    ALTER TABLE "user_session"
        ADD PRIMARY KEY ("id"), ADD FOREIGN KEY ("user_id") REFERENCES "auth_user" ("id");
"#;

pub(crate) async fn connect(url: &str) -> Result<Client> {
    let (client, connection) = tokio_postgres::connect(url, NoTls)
        .await
        .context("cannot connect to Postgres")?;
    tokio::spawn(connection);
    Ok(client)
}
