//! How many can sign in a second, and how long others wait meanwhile.
//!
//! A sign-in is mostly one Argon2 hash. So its throughput is set beside that of bare hashes on all cores, and
//! the processor time of the rest of it beside that of its hash.

mod hashes;

use std::fmt::Write;
use std::fs;
use std::rc::Rc;
use std::time::Duration;

use anyhow::{Context, Result, bail};
use lucia::{Auth, NewKey, PgStore, UserId};

use crate::load::{self, Length, Load};
use crate::machine;
use crate::options::Options;
use crate::progress;
use crate::report::{connections_in_words, milliseconds, with_spread};
use crate::requests::{Answer, Kind, PASSWORD, Request};
use crate::results::{Case, Measurement, Results, Spread, number};
use crate::servers::{Program, Running};
use crate::stage::{Setting, Stage, database};
use crate::usage::Usage;

/// The servers that have a `POST /login`.
pub(crate) const SERVERS: [&str; 2] = ["lucia", "lucia-axum"];

/// The one whose threads that hash have a name that others do not have.
const WITH_NAMED_THREADS: &str = "lucia";

/// The name of a thread that hashes. There is a new one for each hash.
const HASHING_THREADS: &str = "lucia-hash";

/// How many different users sign in, in turn.
const USERS: u32 = 1000;

/// What was measured in one round of sign-ins.
struct Round {
    /// Bare hashes on all cores at once.
    hashes_per_second: f64,
    /// Processor time of one of them.
    hash: Duration,
    /// All for one sign-in.
    sign_ins_per_second: f64,
    hashing: Duration,
    rest_of_server: Duration,
    databases: Duration,
}

pub(crate) async fn run(options: &Options) -> Result<()> {
    let &[sessions] = options.sessions.as_slice() else {
        bail!("this takes one number of sessions");
    };
    let servers = match options.servers.as_slice() {
        [] => SERVERS.map(str::to_owned).to_vec(),
        chosen => chosen.to_vec(),
    };
    if let Some(other) = servers
        .iter()
        .find(|name| !SERVERS.contains(&name.as_str()))
    {
        bail!("`{other}` has no sign-in; {} have", SERVERS.join(" and "));
    }
    let stage = Stage::set(Setting {
        servers: &servers,
        sessions: &[sessions],
        idle: 0,
        cookies: options.cookies,
        pool: options.pool,
    })
    .await?;
    give_passwords(&stage, sessions).await?;
    let flood = Flood {
        stage: &stage,
        options,
        sessions,
    };
    let mut sign_ins = Vec::new();
    let mut results = Others::default();
    for round in 1..=options.rounds {
        if let Ok(program) = stage.program(WITH_NAMED_THREADS) {
            let measured = flood.sign_ins(program).await?;
            progress(&format!(
                "round {round} of {}: {:.1} hashes a second, {:.1} sign-ins a second",
                options.rounds, measured.hashes_per_second, measured.sign_ins_per_second
            ));
            sign_ins.push(measured);
        }
        for program in &stage.programs {
            for connections in &options.connections {
                let mut order = [false, true];
                order.rotate_left(round as usize % 2);
                for flooded in order {
                    let case = Case {
                        server: program.entry.name,
                        connections: *connections,
                        sessions,
                    };
                    let measured = flood.others(program, case, flooded, round).await?;
                    progress(&format!(
                        "round {round} of {}: {}, {}, {}: p99 {:.2} ms",
                        options.rounds,
                        program.entry.name,
                        connections_in_words(*connections),
                        if flooded { "during sign-ins" } else { "quiet" },
                        milliseconds(measured.p99),
                    ));
                    let results = if flooded {
                        &mut results.flooded
                    } else {
                        &mut results.quiet
                    };
                    results.measurements.push(measured);
                }
            }
        }
    }
    let text = report(&flood, &sign_ins, &results).await?;
    let out = options.out();
    fs::create_dir_all(&out).context("cannot make the directory of the report")?;
    fs::write(out.join("sign-in.md"), text)?;
    progress(&format!("the report is in {}", out.display()));
    Ok(())
}

/// Gives every user the same password, by a hash that lucia makes.
pub(crate) async fn give_passwords(stage: &Stage, sessions: u32) -> Result<()> {
    let database = database(sessions);
    let store = PgStore::builder().max_connections(1);
    let store = store.connect(&stage.postgres.admin_url(&database)).await?;
    let auth = Auth::builder(store).build()?;
    let first = UserId::new("0".repeat(15))?;
    let key = NewKey::with_password(("username", "user-0"), PASSWORD);
    auth.create_key(&first, key).await?;
    let client = stage.postgres.connect(&database).await?;
    client
        .batch_execute(
            r#"INSERT INTO "user_key" ("id", "user_id", "hashed_password")
            SELECT 'username:' || "username", "auth_user"."id", "hashed_password"
            FROM "auth_user", "user_key" WHERE "username" <> 'user-0'"#,
        )
        .await?;
    client.batch_execute("VACUUM (ANALYZE) user_key").await?;
    Ok(())
}

/// Whether sign-ins are answered rightly beside other requests, and a wrong password is refused.
pub(crate) async fn check(
    stage: &Stage,
    running: &Running,
    sessions: u32,
    number: u64,
) -> Result<()> {
    let sign_ins = Load {
        port: running.port(),
        connections: 4,
        requests: Rc::new(requests(sessions)),
        length: Length::Requests(number),
    };
    let others = Load {
        requests: Rc::new(Kind::Active.requests(sessions, sessions)),
        length: Length::Requests(number * 10),
        ..sign_ins.clone()
    };
    let wrong = Load {
        requests: Rc::new(vec![Request::sign_in(
            "user-1",
            "another password",
            Answer::Unauthorized,
        )]),
        length: Length::Requests(1),
        ..sign_ins.clone()
    };
    let client = stage.postgres.connect(&database(sessions)).await?;
    let made = async || -> Result<i64> {
        let sql = r#"SELECT count(*) FROM "user_session""#;
        Ok(client.query_one(sql, &[]).await?.get(0))
    };
    let before = made().await?;
    let nothing = || Ok(());
    tokio::try_join!(load::send(&sign_ins, nothing), load::send(&others, nothing))?;
    load::send(&wrong, nothing).await?;
    let made = made().await? - before;
    if u64::try_from(made) != Ok(number) {
        bail!("{number} sign-ins made {made} sessions");
    }
    Ok(())
}

pub(crate) fn requests(sessions: u32) -> Vec<Request> {
    let users = Kind::Active.users(USERS.min(sessions), sessions);
    users
        .map(|name| Request::sign_in(&name, PASSWORD, Answer::Name(name.clone())))
        .collect()
}

/// What was measured of other requests, with sign-ins beside them and without.
#[derive(Default)]
struct Others {
    quiet: Results,
    flooded: Results,
}

struct Flood<'a> {
    stage: &'a Stage,
    options: &'a Options,
    sessions: u32,
}

impl Flood<'_> {
    fn length(&self) -> Length {
        Length::Time {
            warm_up: self.options.warm_up(),
            measured: self.options.measured(),
        }
    }

    fn load(&self, running: &Running) -> Load {
        Load {
            port: running.port(),
            connections: self.options.sign_ins,
            requests: Rc::new(requests(self.sessions)),
            length: self.length(),
        }
    }

    /// Sign-ins and nothing else, after as many bare hashes as there are in the same time.
    async fn sign_ins(&self, program: &Program) -> Result<Round> {
        let hashes = hashes::on_all_cores(self.options.measured())?;
        let running = self.stage.start(program, self.sessions, &[])?;
        let watched = self.stage.watch(&running);
        let observe = || {
            Ok((
                watched.usage()?,
                watched.time_of_threads_except(HASHING_THREADS)?,
            ))
        };
        let (outcome, before, after) = load::send(&self.load(&running), observe).await?;
        running.stop()?;
        let sign_ins = u32::try_from(outcome.requests)?;
        if sign_ins == 0 {
            bail!("no sign-in was answered");
        }
        let Usage {
            server, postgres, ..
        } = after.0 - before.0;
        let rest = after.1.saturating_sub(before.1);
        Ok(Round {
            hashes_per_second: hashes.per_second,
            hash: hashes.each,
            sign_ins_per_second: number(outcome.requests) / outcome.elapsed.as_secs_f64(),
            hashing: server.saturating_sub(rest) / sign_ins,
            rest_of_server: rest / sign_ins,
            databases: postgres / sign_ins,
        })
    }

    /// Requests for `/me`, with or without sign-ins beside them.
    async fn others(
        &self,
        program: &Program,
        case: Case,
        flooded: bool,
        round: u32,
    ) -> Result<Measurement> {
        let running = self.stage.start(program, self.sessions, &[])?;
        let requests = self.stage.requests(program, self.sessions);
        let others = self
            .stage
            .observe(&running, requests, case.connections, self.length());
        let observed = if flooded {
            let flood = self.load(&running);
            let (observed, (sign_ins, ..)) =
                tokio::try_join!(others, load::send(&flood, || Ok(())))?;
            if sign_ins.requests == 0 {
                bail!("no sign-in was answered");
            }
            observed
        } else {
            others.await?
        };
        running.stop()?;
        Ok(Measurement::new(case, round, &observed))
    }
}

async fn report(flood: &Flood<'_>, sign_ins: &[Round], others: &Others) -> Result<String> {
    let options = flood.options;
    let mut text = String::from("# Sign-ins\n\n");
    for (what, value) in machine::describe(flood.stage).await? {
        writeln!(text, "- {what}: {value}")?;
    }
    if cfg!(debug_assertions) {
        text += "\n**Built without optimisation: the figures say nothing.**\n";
    }
    writeln!(
        text,
        "\n{} interleaved rounds of {} s, each after {} s of the same load. Figures are medians of the \
         rounds, with the least and the greatest in brackets. {} connections sign in, each as the next of \
         {USERS} users. The load comes from the same machine, by one thread.",
        options.rounds, options.seconds, options.warm_up, options.sign_ins,
    )?;
    text += &throughput(sign_ins)?;
    text += "\n## Other requests meanwhile\n\n\
             | | connections | p99 quiet, ms | p99 during sign-ins, ms | times | requests a second quiet \
             | during sign-ins |\n|---|---|---|---|---|---|---|\n";
    for program in &flood.stage.programs {
        for connections in &options.connections {
            let case = Case {
                server: program.entry.name,
                connections: *connections,
                sessions: flood.sessions,
            };
            let shown = |results: &Results, figure: &dyn Fn(&Measurement) -> f64, digits: usize| {
                let spread = results.spread(case, figure);
                spread.map_or_else(String::new, |spread| {
                    with_spread(spread, |figure| format!("{figure:.digits$}"))
                })
            };
            let p99 = |one: &Measurement| milliseconds(one.p99);
            let speed = |one: &Measurement| one.requests_per_second();
            let times = others.flooded.of(case).filter_map(|one| {
                let mut quiet = others.quiet.of(case);
                let quiet = quiet.find(|quiet| quiet.round == one.round)?;
                Some(p99(one) / p99(quiet))
            });
            let times = Spread::of(times.collect()).context("nothing was measured")?;
            writeln!(
                text,
                "| {} | {connections} | {} | {} | {} | {} | {} |",
                program.entry.title,
                shown(&others.quiet, &p99, 2),
                shown(&others.flooded, &p99, 2),
                with_spread(times, |times| format!("{times:.1}")),
                shown(&others.quiet, &speed, 0),
                shown(&others.flooded, &speed, 0),
            )?;
        }
    }
    Ok(text)
}

fn throughput(rounds: &[Round]) -> Result<String> {
    if rounds.is_empty() {
        return Ok(String::new());
    }
    let mut text = String::from(
        "\n## Throughput\n\nBare hashes are Argon2id at lucia's floor (19 MiB, 2 iterations, 1 lane) on a thread \
         for each core. The rest of the server is its processor time without the threads that hash.\n\n\
         | | |\n|---|---|\n",
    );
    let mut row = |what: &str, digits: usize, figure: &dyn Fn(&Round) -> f64| -> Result<()> {
        let spread = Spread::of(rounds.iter().map(figure).collect());
        let spread = spread.context("nothing was measured")?;
        let spread = with_spread(spread, |figure| format!("{figure:.digits$}"));
        Ok(writeln!(text, "| {what} | {spread} |")?)
    };
    let share =
        |part: Duration, round: &Round| 100.0 * part.as_secs_f64() / round.hash.as_secs_f64();
    row("bare hashes a second", 1, &|one| one.hashes_per_second)?;
    row("sign-ins a second", 1, &|one| one.sign_ins_per_second)?;
    row("sign-ins for each bare hash", 3, &|one| {
        one.sign_ins_per_second / one.hashes_per_second
    })?;
    row("CPU of a bare hash, ms", 2, &|one| milliseconds(one.hash))?;
    row("CPU of hashing in a sign-in, ms", 2, &|one| {
        milliseconds(one.hashing)
    })?;
    row("CPU of the rest of the server, ms", 3, &|one| {
        milliseconds(one.rest_of_server)
    })?;
    row("CPU of Postgres, ms", 3, &|one| milliseconds(one.databases))?;
    row("the rest and Postgres, % of a bare hash", 2, &|one| {
        share(one.rest_of_server + one.databases, one)
    })?;
    Ok(text)
}
