//! Changes a user and ends sessions in a process that is not the server's, and asks the server until
//! it knows.

use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use lucia::{Auth, NewUser, PgStore, UserId};
use serde_json::{Value, json};
use tokio_postgres::Client;
use tokio_postgres::types::ToSql;

use crate::load::Connection;
use crate::postgres;
use crate::requests::{Answer, Request};

/// How long the server may take to know, or to answer from its cache again. It is far longer than the
/// cache promises.
const PATIENCE: Duration = Duration::from_secs(30);

/// Where a probe finds what it needs.
#[derive(Clone, Debug)]
pub(crate) struct Places {
    /// Where the server listens.
    pub(crate) port: u16,
    pub(crate) database_url: String,
    /// The same database, as somebody who may switch triggers off.
    pub(crate) admin_url: String,
}

pub(crate) struct Probe {
    /// lucia, without a cache.
    auth: Auth,
    admin: Client,
    connection: Connection,
    user: UserId,
    names: u64,
}

/// How a change was seen.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Seen {
    /// From the return of the change to the sending of the first request that was answered by it.
    pub(crate) after: Duration,
    /// How many requests in between were answered as before.
    pub(crate) old_answers: u64,
}

/// How a new name of the user was seen, and then the end of their session.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Sample {
    pub(crate) change: Seen,
    pub(crate) revocation: Seen,
}

impl Probe {
    /// A probe with a user of its own.
    pub(crate) async fn new(places: &Places) -> Result<Self> {
        let store = PgStore::builder().max_connections(1);
        let auth = Auth::builder(store.connect(&places.database_url).await?).build()?;
        let admin = postgres::connect(&places.admin_url).await?;
        admin
            .batch_execute("SET session_replication_role = replica")
            .await
            .context("triggers cannot be switched off")?;
        let id = UserId::new(format!("probe-{}", places.port)).expect("an id");
        let name = json!({ "username": name(&id, 0) });
        let user = NewUser::without_key().id(id).attributes(&name);
        Ok(Self {
            user: auth.create_user(user).await?.id,
            auth,
            admin,
            connection: Connection::open(places.port).await?,
            names: 0,
        })
    }

    pub(crate) async fn sample(&mut self) -> Result<Sample> {
        let session = self.auth.create_session(&self.user).await?;
        let token = session.token().expose();

        self.fill_cache(token).await?;
        self.names += 1;
        let renamed = json!({ "username": self.name() });
        self.auth
            .update_user_attributes::<Value>(&self.user, &renamed)
            .await?;
        let now = Request::with_token(token, Answer::Name(self.name()));
        let change = self.ask_until_seen(&now).await?;

        self.fill_cache(token).await?;
        self.auth.invalidate_session(&session.id).await?;
        let ended = Request::with_token(token, Answer::Unauthorized);
        let revocation = self.ask_until_seen(&ended).await?;
        self.connection.ask(&ended).await?;
        Ok(Sample { change, revocation })
    }

    /// Asks until an answer comes from the cache: one that misses a change that nobody is told of.
    async fn fill_cache(&mut self, token: &str) -> Result<()> {
        let begin = Instant::now();
        while begin.elapsed() < PATIENCE {
            let before = Request::with_token(token, Answer::Name(self.name()));
            self.connection.answer(&before).await?;
            self.names += 1;
            let sql = r#"UPDATE "auth_user" SET "username" = $1 WHERE "id" = $2"#;
            let params: [&(dyn ToSql + Sync); 2] = [&self.name(), &self.user.as_str()];
            self.admin.execute(sql, &params).await?;
            let (status, body) = self.connection.answer(&before).await?;
            if before.answer.is(status, body) {
                return Ok(());
            }
        }
        bail!("the server has never answered from its cache")
    }

    /// Asks from the return of a change on until the answer is the right one.
    async fn ask_until_seen(&mut self, request: &Request) -> Result<Seen> {
        let returned = Instant::now();
        let mut old_answers = 0;
        loop {
            let sent = Instant::now();
            let after = sent - returned;
            let (status, body) = self.connection.answer(request).await?;
            if request.answer.is(status, body) {
                return Ok(Seen { after, old_answers });
            }
            if status != 200 {
                bail!("a wrong answer: {status}");
            }
            if after > PATIENCE {
                bail!("the server does not know of a change after {after:?}");
            }
            old_answers += 1;
        }
    }

    /// What the row of the user says.
    fn name(&self) -> String {
        name(&self.user, self.names)
    }
}

fn name(user: &UserId, number: u64) -> String {
    format!("{user}-{number}")
}
