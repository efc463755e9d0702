//! Promotes a standby of Postgres under load: `bench/run failover --help`.

use std::io::Write;
use std::process::ExitCode;

use lucia_failover::{Bug, Campaign, HOWS};
use lucia_tests::{Failover, Replication, Stop};

const HELP: &str = "\
Promotes a standby of Postgres again and again while people come and go, and checks that no
acknowledged log-in and no acknowledged revocation is lost and that nobody is signed out.

Usage: bench/run failover [OPTIONS]

  --promotions NUMBER    how many promotions with each kind of replication; 20 by default
  --replication KIND     `synchronous` or `asynchronous`; both by default
  --primary FATE         what happens to the primary: `killed`, `stopped`, `crashed` (stopped without a
                         shutdown) or `read-only` (it lives on); each in turn by default
  --bug NAME             something that one of the two web servers does wrong, which has to be found:";

struct Options {
    promotions: usize,
    replications: Vec<Replication>,
    hows: Vec<Failover>,
    bug: Option<Bug>,
}

fn options() -> Result<Option<Options>, String> {
    let mut options = Options {
        promotions: 20,
        replications: vec![Replication::Synchronous, Replication::Asynchronous],
        hows: HOWS.to_vec(),
        bug: None,
    };
    let mut arguments = std::env::args().skip(1);
    while let Some(name) = arguments.next() {
        if ["--help", "-h"].contains(&&*name) {
            return Ok(None);
        }
        let value = arguments.next();
        let value = value.ok_or_else(|| format!("`{name}` is no option, or lacks its value"))?;
        match &*name {
            "--promotions" => {
                let number = value.parse();
                options.promotions = number.map_err(|_| format!("`{value}` is no number"))?;
            }
            "--replication" => {
                options.replications = match &*value {
                    "synchronous" => vec![Replication::Synchronous],
                    "asynchronous" => vec![Replication::Asynchronous],
                    _ => return Err(format!("there is no replication `{value}`")),
                }
            }
            "--primary" => {
                options.hows = vec![match &*value {
                    "killed" => Failover::Stopped(Stop::Kill),
                    "stopped" => Failover::Stopped(Stop::Fast),
                    "crashed" => Failover::Stopped(Stop::Immediate),
                    "read-only" => Failover::ReadOnly,
                    _ => return Err(format!("there is no fate `{value}`")),
                }]
            }
            "--bug" => options.bug = Some(value.parse()?),
            _ => return Err(format!("there is no option `{name}`")),
        }
    }
    Ok(Some(options))
}

async fn run(options: &Options) -> Result<bool, String> {
    let mut is_passed = true;
    for replication in options.replications.iter().copied() {
        let hows = options.hows.iter().copied().cycle();
        let hows = hows.take(options.promotions).collect();
        let mut campaign = Campaign::new(replication, hows);
        campaign.bug = options.bug;
        campaign.is_told = true;
        let report = campaign.run().await?;
        is_passed &= report.is_passed();
        print(&format!("\n{report}\n"));
    }
    Ok(is_passed)
}

/// Whoever has closed the other end does not need this.
fn print(text: &str) {
    let _ = write!(std::io::stdout(), "{text}");
}

#[tokio::main]
async fn main() -> ExitCode {
    let ran = match options() {
        Ok(Some(options)) => run(&options).await,
        Ok(None) => {
            print(HELP);
            for bug in Bug::ALL {
                print(&format!("\n                         {}", bug.name()));
            }
            print("\n");
            return ExitCode::SUCCESS;
        }
        Err(error) => Err(error),
    };
    match ran {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(error) => {
            let _ = writeln!(std::io::stderr(), "bench/run failover: {error}");
            ExitCode::FAILURE
        }
    }
}
