//! How much memory a session takes that lucia's cache keeps.

use std::fmt::Write;
use std::fs;
use std::rc::Rc;

use anyhow::{Context, Result, bail};

use crate::catalogue::LUCIA_CACHE;
use crate::load::Length;
use crate::machine;
use crate::options::Options;
use crate::progress;
use crate::report::grouped;
use crate::requests::{Kind, Request};
use crate::results::number;
use crate::servers::Running;
use crate::stage::{Setting, Stage};

const CONNECTIONS: usize = 32;

pub(crate) async fn run(options: &Options) -> Result<()> {
    let stage = Stage::set(Setting {
        servers: &[LUCIA_CACHE.to_owned()],
        sessions: &options.sessions,
        idle: 0,
        cookies: 1,
        pool: options.pool,
    })
    .await?;
    stage.postgres.count_statements(true).await?;
    let mut text = String::from("# Memory of cached sessions\n\n");
    for (what, value) in machine::describe(&stage).await? {
        writeln!(text, "- {what}: {value}")?;
    }
    text += "\n| sessions in the cache | memory before, MiB | after, MiB | bytes a session |\n\
             |---|---|---|---|\n";
    for sessions in &options.sessions {
        let (before, after) = grow(&stage, *sessions).await?;
        let each = (after - before) / f64::from(*sessions);
        let [before, after] = [before, after].map(|bytes| bytes / 1024.0 / 1024.0);
        let sessions = grouped(f64::from(*sessions));
        progress(&format!(
            "{sessions} sessions in the cache: {each:.0} bytes each"
        ));
        writeln!(
            text,
            "| {sessions} | {before:.0} | {after:.0} | {each:.0} |"
        )?;
    }
    let out = options.out();
    fs::create_dir_all(&out).context("cannot make the directory of the report")?;
    fs::write(out.join("cache-memory.md"), text)?;
    Ok(())
}

/// The memory of a server before and after it has kept all sessions, in bytes.
async fn grow(stage: &Stage, sessions: u32) -> Result<(f64, f64)> {
    let room = sessions.to_string();
    let running = stage.start(stage.program(LUCIA_CACHE)?, sessions, &[&room])?;
    let watched = stage.watch(&running);
    let all = Rc::new(Kind::Active.requests(sessions, sessions));
    let one = Rc::new(Kind::Active.requests(1, sessions));
    // Whatever else grows under load has grown then.
    ask(stage, &running, one, 20_000).await?;
    let before = watched.memory()?;
    ask(stage, &running, all.clone(), sessions.into()).await?;
    let after = watched.memory()?;
    let statements = stage.postgres.statements().await?;
    ask(stage, &running, all, sessions.into()).await?;
    let statements = stage.postgres.statements().await? - statements;
    // The cache decides by itself what it keeps near its limit.
    if statements * 10 > u64::from(sessions) {
        bail!("{statements} of {sessions} sessions were not in the cache");
    }
    running.stop()?;
    Ok((number(before), number(after)))
}

async fn ask(
    stage: &Stage,
    running: &Running,
    requests: Rc<Vec<Request>>,
    number: u64,
) -> Result<()> {
    let length = Length::Requests(number);
    stage
        .observe(running, requests, CONNECTIONS, length)
        .await?;
    Ok(())
}
