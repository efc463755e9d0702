//! Builds a project by Cargo, and reads what that took.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::{Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use procfs::process::Process;
use serde_json::Value;

use crate::application::Project;

/// What Cargo is told to do.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Step {
    Check,
    Build,
}

/// What a build took.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Taken {
    pub(crate) time: Duration,
    /// Processor time of Cargo and all that it started.
    pub(crate) cpu: Duration,
    /// Crates that were compiled or are up to date, without the project.
    pub(crate) crates: usize,
}

impl Project {
    /// Builds it as with Cargo's own settings, whatever those of the workspace of the kit are.
    pub(crate) fn build(&self, target: &Path, step: Step, incremental: bool) -> Result<Taken> {
        let before = children()?;
        let begin = Instant::now();
        let output = Command::new("cargo")
            .arg(match step {
                Step::Check => "check",
                Step::Build => "build",
            })
            .args(["--offline", "--quiet", "--message-format=json"])
            .current_dir(self.directory())
            .env("CARGO_TARGET_DIR", target)
            .env("CARGO_INCREMENTAL", if incremental { "1" } else { "0" })
            .env_remove("CARGO_PROFILE_DEV_DEBUG")
            .env_remove("RUSTFLAGS")
            .stderr(Stdio::inherit())
            .output()
            .context("cannot run cargo")?;
        let time = begin.elapsed();
        let cpu = children()?.saturating_sub(before);
        if !output.status.success() {
            bail!("cargo failed in {}", self.directory().display());
        }
        let crates = crates(&String::from_utf8(output.stdout)?);
        Ok(Taken { time, cpu, crates })
    }
}

/// How many packages Cargo speaks of. The last one is the project.
fn crates(messages: &str) -> usize {
    let packages: BTreeSet<String> = messages
        .lines()
        .filter_map(|line| {
            let message: Value = serde_json::from_str(line).ok()?;
            let is_artifact = message["reason"] == "compiler-artifact";
            let package = message["package_id"].as_str()?;
            is_artifact.then(|| package.to_owned())
        })
        .collect();
    packages.len().saturating_sub(1)
}

/// The processor time of processes that this one has started and that have ended, and of theirs.
fn children() -> Result<Duration> {
    let stat = Process::myself()?.stat()?;
    let ticks = u64::try_from(stat.cutime + stat.cstime)?;
    Ok(Duration::from_millis(
        ticks * 1000 / procfs::ticks_per_second(),
    ))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_build_script_is_no_crate_of_its_own() {
        let artifact =
            |package: &str| format!(r#"{{"reason":"compiler-artifact","package_id":"{package}"}}"#);
        let messages = [
            artifact("libc"),
            artifact("libc"),
            r#"{"reason":"build-script-executed","package_id":"libc"}"#.to_owned(),
            artifact("tokio"),
            artifact("application"),
            r#"{"reason":"build-finished","success":true}"#.to_owned(),
        ];
        assert_eq!(crates(&messages.join("\n")), 2);
    }
}
