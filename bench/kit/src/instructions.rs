//! How many instructions of a processor a request takes in a server, counted by valgrind. It is a
//! figure that hardly wanders, however busy the machine is.

use std::fmt::Write;
use std::fs;
use std::path::Path;

use anyhow::{Context, Result, bail};

use crate::catalogue::Language;
use crate::load::Length;
use crate::machine;
use crate::options::Options;
use crate::progress;
use crate::report::grouped;
use crate::results::number;
use crate::servers::Program;
use crate::stage::{Setting, Stage};

/// The counts of these two numbers of requests are subtracted, so that what a server does once is
/// not counted.
const REQUESTS: [u64; 2] = [500, 2500];

pub(crate) async fn run(options: &Options) -> Result<()> {
    let &[sessions] = options.sessions.as_slice() else {
        bail!("this takes one number of sessions");
    };
    let stage = Stage::set(Setting {
        servers: &options.servers,
        sessions: &[sessions],
        idle: 0,
        cookies: options.cookies,
        pool: options.pool,
    })
    .await?;
    let mut text = String::from("# Instructions a request\n\n");
    for (what, value) in machine::describe(&stage).await? {
        writeln!(text, "- {what}: {value}")?;
    }
    text += "\nCounted by callgrind in the process of the server, at 1 connection.\n\n\
             | | instructions a request |\n|---|---|\n";
    let directory = tempfile::tempdir()?;
    for program in &stage.programs {
        if program.entry.language != Language::Rust {
            continue;
        }
        let [few, many] = REQUESTS;
        let few_take = count(&stage, program, sessions, few, directory.path()).await?;
        let many_take = count(&stage, program, sessions, many, directory.path()).await?;
        let each = number(many_take.saturating_sub(few_take)) / number(many - few);
        let each = grouped(each);
        progress(&format!(
            "{}: {each} instructions a request",
            program.entry.name
        ));
        writeln!(text, "| {} | {each} |", program.entry.title)?;
    }
    let out = options.out();
    fs::create_dir_all(&out).context("cannot make the directory of the report")?;
    fs::write(out.join("instructions.md"), text)?;
    progress(&format!("the report is in {}", out.display()));
    Ok(())
}

/// The instructions of a server from its start to its end, with so many requests in between.
async fn count(
    stage: &Stage,
    program: &Program,
    sessions: u32,
    requests: u64,
    directory: &Path,
) -> Result<u64> {
    let log = directory.join("log");
    let program = program.under(&[
        "valgrind",
        "--tool=callgrind",
        "--callgrind-out-file=/dev/null",
        &format!("--log-file={}", log.display()),
    ]);
    let running = stage
        .start(&program, sessions, &[])
        .context("this needs valgrind")?;
    let cookies = stage.requests(&program, sessions);
    let length = Length::Requests(requests);
    stage.observe(&running, cookies, 1, length).await?;
    running.stop()?;
    let log = fs::read_to_string(log)?;
    let mut lines = log.lines();
    let collected = lines.find_map(|line| line.split_once("Collected :"));
    let (_, collected) = collected.context("valgrind has counted nothing")?;
    Ok(collected.trim().parse()?)
}
