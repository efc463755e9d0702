//! How much memory a server takes for a connection that is idle, and for a request that waits for the database.

use std::fmt::Write;
use std::fs;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use crate::catalogue::Sessions;
use crate::load::{Connection, Length};
use crate::machine;
use crate::options::Options;
use crate::progress;
use crate::report::grouped;
use crate::requests::Request;
use crate::results::number;
use crate::servers::Program;
use crate::stage::{Setting, Stage, database};
use crate::usage::Watched;

/// What is compared by default: a server without authentication has the memory of the framework, the
/// hand-written one that of the driver.
const SERVERS: [&str; 6] = [
    "no-auth",
    "hand-written",
    "lucia",
    "no-auth-axum",
    "hand-written-axum",
    "lucia-axum",
];

/// How many requests a server answers before, one after the other.
const WARM_UP: u64 = 5000;

/// How long the memory of a server may take to settle. lucia's lookups wait for 5 seconds at the most.
const SETTLING: Duration = Duration::from_secs(3);

/// Bytes for each of them.
pub(crate) struct Each {
    pub(crate) idle: f64,
    /// None of a server that asks no database.
    pub(crate) waiting: Option<f64>,
}

pub(crate) async fn run(options: &Options) -> Result<()> {
    let &[sessions] = options.sessions.as_slice() else {
        bail!("this takes one number of sessions");
    };
    allow_connections(options.idle)?;
    let servers = match options.servers.as_slice() {
        [] => SERVERS.map(str::to_owned).to_vec(),
        chosen => chosen.to_vec(),
    };
    let stage = Stage::set(Setting {
        servers: &servers,
        sessions: &[sessions],
        idle: 0,
        cookies: options.cookies,
        pool: options.pool,
    })
    .await?;
    let mut text = String::from("# Memory of connections and of waiting requests\n\n");
    for (what, value) in machine::describe(&stage).await? {
        writeln!(text, "- {what}: {value}")?;
    }
    if cfg!(debug_assertions) {
        text += "\n**Built without optimisation: the figures say nothing.**\n";
    }
    writeln!(
        text,
        "\n{} connections, each after one answer: idle, and then each with a request while the table of \
         sessions is locked. Resident memory of the server, so what the allocator keeps is in it.\n\n\
         | | bytes an idle connection | bytes more while its request waits |\n|---|---|---|",
        grouped(number(options.idle as u64)),
    )?;
    for program in &stage.programs {
        let each = measure(&stage, program, sessions, options.idle, WARM_UP).await?;
        let idle = grouped(each.idle);
        let waiting = each.waiting.map_or_else(|| "–".to_owned(), grouped);
        progress(&format!(
            "{}: {idle} bytes an idle connection, {waiting} more while its request waits",
            program.entry.name
        ));
        writeln!(text, "| {} | {idle} | {waiting} |", program.entry.title)?;
    }
    let out = options.out();
    fs::create_dir_all(&out).context("cannot make the directory of the report")?;
    fs::write(out.join("memory.md"), text)?;
    progress(&format!("the report is in {}", out.display()));
    Ok(())
}

/// Has this process and those that it starts open so many connections, if the system lets it.
fn allow_connections(number: usize) -> Result<()> {
    let needed = u64::try_from(number)? + 200;
    let limit = getrlimit(Resource::Nofile);
    if limit.current.is_some_and(|current| current < needed) {
        let raised = Rlimit {
            current: Some(needed),
            ..limit
        };
        setrlimit(Resource::Nofile, raised)
            .with_context(|| format!("{number} connections need {needed} open files"))?;
    }
    Ok(())
}

/// Opens the connections one after the other, so that no more than one request is in progress before all
/// wait.
pub(crate) async fn measure(
    stage: &Stage,
    program: &Program,
    sessions: u32,
    amount: usize,
    warm_up: u64,
) -> Result<Each> {
    let running = stage.start(program, sessions, &[])?;
    let watched = stage.watch(&running);
    let requests = stage.requests(program, sessions);
    let length = Length::Requests(warm_up);
    stage.observe(&running, requests.clone(), 1, length).await?;
    let before = settled(&watched).await?;
    let mut connections = Vec::with_capacity(amount);
    for request in requests.iter().cycle().take(amount) {
        let mut connection = Connection::open(running.port()).await?;
        connection.ask(request).await?;
        connections.push((connection, request));
    }
    let idle = settled(&watched).await?;
    let waiting = match program.entry.sessions {
        Sessions::Nobodys => None,
        _ => Some(wait(stage, &watched, sessions, &mut connections).await?),
    };
    drop(connections);
    running.stop()?;
    let each = |more: u64, than: u64| (number(more) - number(than)) / number(amount as u64);
    Ok(Each {
        idle: each(idle, before),
        waiting: waiting.map(|waiting| each(waiting, idle)),
    })
}

/// The memory of the server while a request of each connection waits, all of which are then answered.
async fn wait(
    stage: &Stage,
    watched: &Watched,
    sessions: u32,
    connections: &mut [(Connection, &Request)],
) -> Result<u64> {
    let lock = stage.postgres.connect(&database(sessions)).await?;
    lock.batch_execute(r#"BEGIN; LOCK TABLE "user_session" IN ACCESS EXCLUSIVE MODE"#)
        .await?;
    for (connection, request) in &mut *connections {
        connection.send(request).await?;
    }
    let waiting = settled(watched).await?;
    lock.batch_execute("ROLLBACK").await?;
    for (connection, request) in connections {
        connection.receive(request).await?;
    }
    Ok(waiting)
}

/// The memory of the server when it has stayed the same for a moment.
async fn settled(watched: &Watched) -> Result<u64> {
    let begin = Instant::now();
    let mut before = watched.memory()?;
    loop {
        tokio::time::sleep(Duration::from_millis(300)).await;
        let now = watched.memory()?;
        if now == before || begin.elapsed() > SETTLING {
            return Ok(now);
        }
        before = now;
    }
}
