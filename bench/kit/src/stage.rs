//! Everything that stands before something is measured: databases with sessions, servers that are
//! built, requests to send.

use std::collections::HashMap;
use std::path::Path;
use std::rc::Rc;
use std::time::Instant;

use anyhow::{Context, Result, bail};

use crate::catalogue::{self, Entry, Sessions};
use crate::load::{self, Length, Load, Outcome};
use crate::postgres::Postgres;
use crate::progress;
use crate::redis::Redis;
use crate::requests::{self, Kind, Request};
use crate::revocation::Places;
use crate::servers::{Program, Running, Surroundings, build_with_cargo, node_version};
use crate::usage::{Usage, Watched};

pub(crate) struct Stage {
    pub(crate) postgres: Postgres,
    pub(crate) redis: Option<Redis>,
    pub(crate) programs: Vec<Program>,
    /// What is not compared, and why.
    pub(crate) left_out: Vec<(&'static Entry, String)>,
    /// How many bytes of Redis a session takes that a server has made.
    pub(crate) bytes_in_redis: Vec<(&'static Entry, u64)>,
    /// By the server and the number of sessions.
    requests: HashMap<(&'static str, u32), Rc<Vec<Request>>>,
    pool: usize,
}

/// What a stage is to have.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Setting<'a> {
    pub(crate) servers: &'a [String],
    pub(crate) sessions: &'a [u32],
    /// How many sessions there are besides, which the next request renews.
    pub(crate) idle: u32,
    pub(crate) cookies: u32,
    pub(crate) pool: usize,
}

/// What a server did under a load.
#[derive(Debug)]
pub(crate) struct Observed {
    pub(crate) outcome: Outcome,
    pub(crate) usage: Usage,
    pub(crate) peak_memory: u64,
}

impl Stage {
    pub(crate) async fn set(setting: Setting<'_>) -> Result<Self> {
        let (programs, left_out) = build(setting.servers)?;
        progress("starting Postgres");
        let postgres = Postgres::start().await?;
        let needs_redis = |program: &Program| program.entry.sessions == Sessions::OwnInRedis;
        let redis = match programs.iter().any(needs_redis) {
            true => Some(Redis::start()?),
            false => None,
        };
        let mut stage = Self {
            postgres,
            redis,
            programs,
            left_out,
            bytes_in_redis: Vec::new(),
            requests: HashMap::new(),
            pool: setting.pool,
        };
        let files = tempfile::tempdir()?;
        for sessions in setting.sessions {
            progress(&format!("making {sessions} sessions"));
            let begin = Instant::now();
            let (name, idle) = (database(*sessions), setting.idle);
            stage.postgres.create(&name, *sessions, idle).await?;
            for program in &stage.programs {
                let requests = match program.entry.sessions {
                    Sessions::Nobodys => Kind::Active.requests(1, *sessions),
                    Sessions::OfTheKit => Kind::Active.requests(setting.cookies, *sessions),
                    Sessions::OwnInPostgres | Sessions::OwnInRedis => {
                        let file = files.path().join(program.entry.name);
                        let before = stage.used_by_redis()?;
                        stage.seed(program, *sessions, &file)?;
                        let bytes = stage.used_by_redis()?.saturating_sub(before);
                        if program.entry.sessions == Sessions::OwnInRedis {
                            let each = bytes / u64::from(*sessions).max(1);
                            stage.bytes_in_redis.push((program.entry, each));
                        }
                        requests::from_file(&file, setting.cookies)?
                    }
                };
                let key = (program.entry.name, *sessions);
                stage.requests.insert(key, Rc::new(requests));
            }
            progress(&format!(
                "{sessions} sessions: {:.0} s, {} in Postgres",
                begin.elapsed().as_secs_f64(),
                stage.postgres.size(&name).await?
            ));
        }
        stage.postgres.settle().await?;
        Ok(stage)
    }

    /// The server of this name, if it is among those that are compared.
    pub(crate) fn program(&self, name: &str) -> Result<&Program> {
        let mut programs = self.programs.iter();
        let found = programs.find(|program| program.entry.name == name);
        found.with_context(|| format!("this needs the server `{name}`"))
    }

    pub(crate) fn start(&self, program: &Program, sessions: u32, more: &[&str]) -> Result<Running> {
        program.start(&self.surroundings(sessions), more)
    }

    /// Requests with valid sessions of a server.
    pub(crate) fn requests(&self, program: &Program, sessions: u32) -> Rc<Vec<Request>> {
        Rc::clone(&self.requests[&(program.entry.name, sessions)])
    }

    /// Where a probe of this server finds what it needs.
    pub(crate) fn places(&self, running: &Running, sessions: u32) -> Places {
        let database = database(sessions);
        Places {
            port: running.port(),
            database_url: self.postgres.url(&database),
            admin_url: self.postgres.admin_url(&database),
        }
    }

    /// The processes to watch while this server runs.
    pub(crate) fn watch(&self, running: &Running) -> Watched {
        Watched {
            server: running.pid(),
            postgres: self.postgres.pid(),
            redis: self.redis.as_ref().map(Redis::pid),
        }
    }

    /// Puts a server under a load and watches it.
    ///
    /// # Errors
    ///
    /// A wrong answer, before anything else.
    pub(crate) async fn observe(
        &self,
        running: &Running,
        requests: Rc<Vec<Request>>,
        connections: usize,
        length: Length,
    ) -> Result<Observed> {
        let watched = self.watch(running);
        let load = Load {
            port: running.port(),
            connections,
            requests,
            length,
        };
        let (outcome, before, after) = load::send(&load, || watched.usage()).await?;
        if outcome.requests == 0 {
            bail!("the server has answered nothing");
        }
        Ok(Observed {
            outcome,
            usage: after - before,
            peak_memory: watched.peak_memory()?,
        })
    }

    /// Makes the sessions that a request has renewed as they were.
    pub(crate) async fn make_idle_again(&self, sessions: u32) -> Result<()> {
        let client = self.postgres.connect(&database(sessions)).await?;
        let one_day: i64 = 24 * 60 * 60 * 1000;
        client
            .execute(
                r#"UPDATE "user_session" SET "active_expires" = "created_at" - $1::BIGINT
                WHERE "renewed_at" <> "created_at""#,
                &[&one_day],
            )
            .await?;
        Ok(())
    }

    fn used_by_redis(&self) -> Result<u64> {
        self.redis.as_ref().map_or(Ok(0), Redis::used_memory)
    }

    fn seed(&self, program: &Program, sessions: u32, file: &Path) -> Result<()> {
        progress(&format!(
            "making {sessions} sessions of {}",
            program.entry.name
        ));
        program.seed(&self.surroundings(sessions), file, sessions)
    }

    fn surroundings(&self, sessions: u32) -> Surroundings {
        Surroundings {
            database_url: self.postgres.url(&database(sessions)),
            redis_url: self.redis.as_ref().map(Redis::url),
            pool: self.pool,
        }
    }
}

/// The database with so many sessions.
pub(crate) fn database(sessions: u32) -> String {
    format!("sessions_{sessions}")
}

type Built = (Vec<Program>, Vec<(&'static Entry, String)>);

/// Builds the servers that can run here. One that was asked for by its name has to.
fn build(names: &[String]) -> Result<Built> {
    progress("building the servers");
    let executables = build_with_cargo()?;
    let redis = Redis::is_installed();
    let node = node_version().and_then(|version| version.split('.').next()?.parse().ok());
    let mut programs = Vec::new();
    let mut left_out = Vec::new();
    for entry in catalogue::chosen(names)? {
        match catalogue::missing(entry, redis, node) {
            Ok(()) => programs.push(Program::new(entry, &executables)?),
            Err(why) if names.is_empty() => {
                progress(&format!("{} is left out: {why}", entry.name));
                left_out.push((entry, why.to_string()));
            }
            Err(why) => return Err(why.context(format!("`{}` cannot run here", entry.name))),
        }
    }
    Ok((programs, left_out))
}
