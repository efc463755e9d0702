//! Whether answers and numbers of statements are right. Nothing is timed, so that it holds on every
//! machine, however busy.

use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, bail};

use crate::catalogue::{
    Entry, HAND_WRITTEN, HAND_WRITTEN_AXUM, LUCIA_CACHE, LUCIA_REDIS, LUCIA_REDIS_CACHE,
    LUCIA_REDIS_CACHES, Sessions,
};
use crate::endurance;
use crate::load::Length;
use crate::memory;
use crate::options::Options;
use crate::progress;
use crate::requests::{Answer, Kind, Request};
use crate::revocation;
use crate::servers::Running;
use crate::sign_in;
use crate::stage::{Setting, Stage};

const SESSIONS: u32 = 1000;
/// How many of them are renewed.
const IDLE: u32 = 200;
/// How many changes of another process a cache has to know.
const CHANGES: u32 = 10;
/// How many sign in.
const SIGN_INS: u64 = 12;
/// How many connections are idle at once, and then wait.
const CONNECTIONS: usize = 100;

/// How many statements a request may take.
#[derive(Clone, Copy, Debug)]
enum Statements {
    Exactly(u64),
    /// A renewal: two, and a third one where its cookie is sent a millisecond or more later.
    Renewal,
    /// Fewer than one, by far: what happens to meet differs from run to run.
    Shared,
    /// It is not ours to say.
    Any,
}

pub(crate) async fn run(options: &Options) -> Result<()> {
    let stage = Stage::set(Setting {
        servers: &options.servers,
        sessions: &[SESSIONS],
        idle: IDLE,
        cookies: SESSIONS,
        pool: options.pool,
    })
    .await?;
    stage.postgres.count_statements(true).await?;
    sign_in::give_passwords(&stage, SESSIONS).await?;
    for program in &stage.programs {
        let running = stage.start(program, SESSIONS, &[])?;
        let check = Check {
            stage: &stage,
            running: &running,
            entry: program.entry,
        };
        check.all(stage.requests(program, SESSIONS)).await?;
        running.stop()?;
        if sign_in::SERVERS.contains(&program.entry.name) {
            memory::measure(&stage, program, SESSIONS, CONNECTIONS, 100).await?;
            endurance::endure(&stage, program, SESSIONS, 32, Duration::from_secs(2)).await?;
            progress(&format!(
                "{}: {CONNECTIONS} requests that waited at once, and some seconds of mixed ones",
                program.entry.name
            ));
        }
    }
    progress("all answers and numbers of statements are right");
    Ok(())
}

struct Check<'a> {
    stage: &'a Stage,
    running: &'a Running,
    entry: &'static Entry,
}

impl Check<'_> {
    async fn all(&self, valid: Rc<Vec<Request>>) -> Result<()> {
        if matches!(
            self.entry.name,
            LUCIA_CACHE | LUCIA_REDIS_CACHE | LUCIA_REDIS_CACHES
        ) {
            let number = valid.len() as u64;
            self.one("not kept yet", valid.clone(), 32, number, Statements::Any)
                .await?;
        }
        let (alone, together) = match self.entry.name {
            "no-auth" | "no-auth-axum" | "lucia-anonymous" => {
                (Statements::Exactly(0), Statements::Exactly(0))
            }
            HAND_WRITTEN | HAND_WRITTEN_AXUM | "lucia-one-by-one" => {
                (Statements::Exactly(1), Statements::Exactly(1))
            }
            LUCIA_CACHE | LUCIA_REDIS_CACHE | LUCIA_REDIS_CACHES => {
                (Statements::Exactly(0), Statements::Exactly(0))
            }
            "lucia" | "lucia-axum" | LUCIA_REDIS => (Statements::Exactly(1), Statements::Shared),
            _ => (Statements::Any, Statements::Any),
        };
        self.one("valid, 1 connection", valid.clone(), 1, 300, alone)
            .await?;
        self.one("valid, 32 connections", valid, 32, 5000, together)
            .await?;
        let sessions = self.entry.sessions;
        if sessions == Sessions::Nobodys {
            return Ok(());
        }
        let nobody = match self.entry.is_ours() || sessions == Sessions::OfTheKit {
            true => Statements::Exactly(0),
            false => Statements::Any,
        };
        let unreadable = match self.entry.is_ours() {
            true => Statements::Exactly(0),
            false => Statements::Any,
        };
        let anonymous = Rc::new(vec![Request::anonymous()]);
        self.one("anonymous", anonymous, 4, 100, nobody).await?;
        let malformed = [
            "",
            "x",
            "0123456789",
            "%00",
            &"A".repeat(40),
            &"é".repeat(20),
        ];
        let malformed = malformed.map(with_token).into();
        self.one("malformed", Rc::new(malformed), 4, 100, unreadable)
            .await?;
        if sessions == Sessions::OfTheKit {
            let unknown = Rc::new(vec![with_token(&"0".repeat(40))]);
            let one = Statements::Exactly(1);
            self.one("unknown", unknown, 1, 100, one).await?;
        }
        if self.entry.is_ours() && sessions == Sessions::OfTheKit {
            self.renewals().await?;
        }
        if sign_in::SERVERS.contains(&self.entry.name) {
            sign_in::check(self.stage, self.running, SESSIONS, SIGN_INS).await?;
            progress(&format!(
                "{}: {SIGN_INS} sign-ins beside other requests",
                self.entry.name
            ));
        }
        if self.entry.name == LUCIA_CACHE {
            revocation::check(self.stage, self.running, SESSIONS, CHANGES).await?;
            progress(&format!(
                "{}: {CHANGES} new names and revocations elsewhere are known",
                self.entry.name
            ));
        }
        Ok(())
    }

    /// Each server has idle sessions of its own, since a session is renewed once.
    async fn renewals(&self) -> Result<()> {
        let idle = Rc::new(Kind::Idle.requests(IDLE, IDLE));
        let renewal = Statements::Renewal;
        self.one("renewals", idle.clone(), 1, IDLE.into(), renewal)
            .await?;
        let one = match self.entry.name {
            LUCIA_CACHE => Statements::Any,
            _ => Statements::Exactly(1),
        };
        self.one("renewed", idle, 1, IDLE.into(), one).await?;
        self.stage.make_idle_again(SESSIONS).await
    }

    async fn one(
        &self,
        what: &str,
        requests: Rc<Vec<Request>>,
        connections: usize,
        number: u64,
        expected: Statements,
    ) -> Result<()> {
        let postgres = &self.stage.postgres;
        let before = postgres.statements().await?;
        let length = Length::Requests(number);
        let observed = self
            .stage
            .observe(self.running, requests, connections, length)
            .await
            .with_context(|| format!("{}: {what}", self.entry.name))?;
        if observed.outcome.requests != number {
            bail!(
                "{}: {what}: {} answers to {number}",
                self.entry.name,
                observed.outcome.requests
            );
        }
        let statements = postgres.statements().await? - before;
        progress(&format!(
            "{}: {what}: {number} right answers, {statements} statements",
            self.entry.name
        ));
        let is_right = match expected {
            Statements::Exactly(each) => statements == each * number,
            Statements::Renewal => (2 * number..=3 * number).contains(&statements),
            Statements::Shared => statements > 0 && statements * 4 <= number * 3,
            Statements::Any => true,
        };
        if !is_right {
            bail!(
                "{}: {what}: {statements} statements for {number} requests, and not {expected:?}",
                self.entry.name
            );
        }
        Ok(())
    }
}

fn with_token(token: &str) -> Request {
    Request::with_token(token, Answer::Unauthorized)
}
