//! Compares lucia with hand-written code and with other libraries, under load: `bench/README.md`.

mod cache_memory;
mod catalogue;
mod chart;
mod compare;
mod endurance;
mod instructions;
mod load;
mod machine;
mod memory;
mod options;
mod postgres;
mod redis;
mod report;
mod requests;
mod results;
mod revocation;
mod servers;
mod sign_in;
mod smoke;
mod stage;
mod sweep;
mod usage;

use std::io::Write;
use std::process::ExitCode;

use anyhow::Result;
use clap::Parser;

use options::{Mode, Options};

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run(&Options::parse()).await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            progress(&format!("bench/run: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

async fn run(options: &Options) -> Result<()> {
    match options.mode {
        Mode::Compare | Mode::Redis => compare::run(options).await,
        Mode::Sweep => sweep::run(options).await,
        Mode::Revocation => revocation::run(options).await,
        Mode::CacheMemory => cache_memory::run(options).await,
        Mode::Memory => memory::run(options).await,
        Mode::Endurance => endurance::run(options).await,
        Mode::SignIn => sign_in::run(options).await,
        Mode::Instructions => instructions::run(options).await,
        Mode::Smoke => smoke::run(options).await,
    }
}

/// Says what is being done.
fn progress(line: &str) {
    // A reader that has closed its end does not need this line.
    let _ = writeln!(std::io::stderr(), "{line}");
}
