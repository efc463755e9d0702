//! What the measurements were made on, for the report.

use std::collections::BTreeMap;
use std::path::Path;
use std::process::Command;

use anyhow::Result;
use serde_json::Value;

use crate::catalogue::Language;
use crate::redis::Redis;
use crate::servers::node_version;
use crate::stage::Stage;

/// What is said of it, and its value, in the order of the report.
pub(crate) async fn describe(stage: &Stage) -> Result<Vec<(&'static str, String)>> {
    let cores = std::thread::available_parallelism()?;
    let mut facts = vec![
        ("Date", said_by("date", &["--utc", "+%Y-%m-%d"])),
        ("Commit", commit()),
        ("Command", command_line()),
        ("Processor", format!("{cores} cores of {}", processor())),
        ("Memory", memory()),
        ("Kernel", said_by("uname", &["-sr"])),
        ("Rust", said_by("rustc", &["--version"])),
        ("Postgres", stage.postgres.version().await?),
    ];
    if stage.redis.is_some() {
        facts.push(("Redis", Redis::version()?));
    }
    let is_in_node = |language| matches!(language, Language::Node(_));
    if let Some(node) = node_version()
        && stage
            .programs
            .iter()
            .any(|program| is_in_node(program.entry.language))
    {
        facts.push(("Node", node));
    }
    facts.push(("Packages", packages(stage)));
    Ok(facts)
}

fn commit() -> String {
    let commit = said_by("git", &["rev-parse", "--short=10", "HEAD"]);
    match said_by("git", &["status", "--porcelain", "--untracked-files=no"]).as_str() {
        "" => commit,
        _ => format!("{commit}, with changes"),
    }
}

fn command_line() -> String {
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    format!("bench/run {}", arguments.join(" "))
        .trim()
        .to_owned()
}

fn processor() -> String {
    let text = std::fs::read_to_string("/proc/cpuinfo").unwrap_or_default();
    let model = text
        .lines()
        .find_map(|line| line.strip_prefix("model name"));
    let model = model.and_then(|line| line.split_once(':'));
    model
        .map_or("an unknown model", |(_, name)| name.trim())
        .to_owned()
}

fn memory() -> String {
    let text = std::fs::read_to_string("/proc/meminfo").unwrap_or_default();
    let total = text.lines().find_map(|line| line.strip_prefix("MemTotal:"));
    let kibibytes = total.and_then(|total| total.trim().trim_end_matches(" kB").parse().ok());
    format!("{} GiB", kibibytes.unwrap_or(0_u64).div_ceil(1024 * 1024))
}

/// The versions of what the servers are made of.
fn packages(stage: &Stage) -> String {
    let mut versions = BTreeMap::new();
    for program in &stage.programs {
        let entry = program.entry;
        let locked = match entry.language {
            Language::Rust => locked_by_cargo(&entry.path()),
            Language::Node(_) => locked_by_npm(&entry.path()),
        };
        for package in entry.packages {
            if let Some(version) = locked.get(*package) {
                let name = match entry.language {
                    Language::Rust => (*package).to_owned(),
                    Language::Node(_) => format!("{package} (npm)"),
                };
                versions.insert(name, version.clone());
            }
        }
    }
    let versions: Vec<_> = versions
        .iter()
        .map(|(name, version)| format!("{name} {version}"))
        .collect();
    versions.join(", ")
}

/// By `Cargo.lock` of the workspace.
fn locked_by_cargo(server: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(server.join("../../Cargo.lock")).unwrap_or_default();
    let value = |line: &str| Some(line.split_once(" = ")?.1.trim_matches('"').to_owned());
    let mut versions = BTreeMap::new();
    let mut name = None;
    for line in text.lines() {
        if line.starts_with("name = ") {
            name = value(line);
        } else if line.starts_with("version = ")
            && let (Some(name), Some(version)) = (name.take(), value(line))
        {
            versions.insert(name, version);
        }
    }
    versions
}

fn locked_by_npm(server: &Path) -> BTreeMap<String, String> {
    let text = std::fs::read_to_string(server.join("package-lock.json")).unwrap_or_default();
    let lock: Value = serde_json::from_str(&text).unwrap_or_default();
    let packages = lock["packages"].as_object().into_iter().flatten();
    let versions = packages.filter_map(|(path, package)| {
        let name = path.strip_prefix("node_modules/")?;
        Some((name.to_owned(), package["version"].as_str()?.to_owned()))
    });
    versions.collect()
}

fn said_by(program: &str, arguments: &[&str]) -> String {
    let output = Command::new(program).args(arguments).output();
    let text = output.map(|output| output.stdout).unwrap_or_default();
    String::from_utf8_lossy(&text).trim().to_owned()
}
