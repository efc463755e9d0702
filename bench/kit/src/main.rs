//! Compares lucia with hand-written code and with other libraries, under load: `bench/README.md`.

mod catalogue;
mod chart;
mod compare;
mod load;
mod machine;
mod options;
mod postgres;
mod redis;
mod report;
mod requests;
mod results;
mod servers;
mod smoke;
mod stage;
mod usage;

use std::io::Write;

use anyhow::Result;
use clap::Parser;

use options::{Mode, Options};

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<()> {
    let options = Options::parse();
    match options.mode {
        Mode::Compare => compare::run(&options).await,
        Mode::Smoke => smoke::run(&options).await,
        Mode::Sweep => todo!(),
    }
}

/// Says what is being done.
fn progress(line: &str) {
    // Whoever has closed the other end does not want to know.
    let _ = writeln!(std::io::stderr(), "{line}");
}
