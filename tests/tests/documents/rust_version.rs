//! The Rust version that the manifest names is enough for what an application compiles with lucia.

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

use crate::at;

/// `1.89` and `1.89.0`.
fn version(text: &str) -> (u32, u32) {
    let mut numbers = text.split('.').map(|one| one.parse().expect("a number"));
    (
        numbers.next().expect("a version"),
        numbers.next().unwrap_or(0),
    )
}

/// What Cargo says of the packages that are compiled on this machine.
fn metadata() -> Value {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let rustc = Command::new("rustc").arg("-vV").output().expect("rustc");
    let rustc = String::from_utf8(rustc.stdout).expect("a text");
    let host = rustc.lines().find_map(|line| line.strip_prefix("host: "));
    let output = Command::new(cargo)
        .args(["metadata", "--format-version", "1", "--all-features"])
        .args(["--locked", "--filter-platform", host.expect("a host")])
        .current_dir(at("."))
        .output()
        .expect("cargo");
    let errors = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{errors}");
    serde_json::from_slice(&output.stdout).expect("JSON")
}

fn text(value: &Value) -> &str {
    value.as_str().expect("a text")
}

fn list(value: &Value) -> &[Value] {
    value.as_array().expect("a list")
}

/// The packages that lucia needs outside of its tests, by their ids.
fn needed(metadata: &Value) -> BTreeSet<&str> {
    let nodes: BTreeMap<_, _> = list(&metadata["resolve"]["nodes"])
        .iter()
        .map(|node| (text(&node["id"]), list(&node["deps"])))
        .collect();
    let lucia = list(&metadata["packages"])
        .iter()
        .find(|package| package["name"] == "lucia" && package["source"].is_null());
    let mut left = vec![text(&lucia.expect("lucia")["id"])];
    let mut needed = BTreeSet::new();
    while let Some(id) = left.pop() {
        if needed.insert(id) {
            let is_for_tests = |kind: &Value| kind["kind"] == "dev";
            let needs = nodes[id]
                .iter()
                .filter(|needs| !list(&needs["dep_kinds"]).iter().all(is_for_tests));
            left.extend(needs.map(|needs| text(&needs["pkg"])));
        }
    }
    needed
}

#[test]
fn no_dependency_needs_a_newer_rust() {
    let metadata = metadata();
    let needed = needed(&metadata);
    assert!(needed.len() > 50, "{needed:?}");
    let packages = || {
        list(&metadata["packages"])
            .iter()
            .filter(|package| needed.contains(text(&package["id"])))
            .filter_map(|package| {
                let needs = version(package["rust_version"].as_str()?);
                Some((text(&package["name"]), needs))
            })
    };
    let of = |name| packages().find(|one| one.0 == name).expect("a package").1;
    let ours = of("lucia");
    let newer: Vec<_> = packages().filter(|one| one.1 > ours).collect();
    assert!(newer.is_empty(), "these need a newer Rust: {newer:?}");
    assert_eq!(ours, of("actix-web"), "lucia and actix-web");
}
