//! How documents say that an application depends on lucia.

use std::path::PathBuf;

use crate::{at, file, files};

/// The dependency, before a version is published: a clone beside the application.
const BY_PATH: &str = r#"path = "../lucia/lucia""#;

/// All documents, and the sources, whose comments are documents as well.
fn documents() -> Vec<(PathBuf, String)> {
    let mut documents = vec![(at("README.md"), file("README.md"))];
    for (folder, extension) in [
        ("docs", "md"),
        ("examples", "md"),
        ("lucia/src", "rs"),
        ("lucia-macros/src", "rs"),
    ] {
        documents.extend(files(folder, extension));
    }
    documents
}

/// The lines of a document that make lucia a dependency, without the marks of a comment.
fn dependencies(document: &str) -> impl Iterator<Item = &str> {
    document
        .lines()
        .map(|line| line.trim_start_matches(['/', '!', ' ']))
        .filter(|line| line.starts_with("lucia = ") || line.contains("cargo add lucia"))
        // A binding in Rust.
        .filter(|line| !line.ends_with(';'))
}

/// The features of the crate.
fn features() -> Vec<String> {
    let manifest = file("lucia/Cargo.toml");
    let (_, features) = manifest.split_once("[features]\n").expect("features");
    let (features, _) = features.split_once("\n[").expect("an end");
    features
        .lines()
        .filter_map(|line| line.split_once(" = "))
        .map(|(name, _)| name.to_owned())
        .collect()
}

#[test]
fn no_document_depends_on_a_version_that_is_not_published() {
    let features = features();
    let mut seen = 0;
    for (path, text) in documents() {
        let path = path.display();
        for line in dependencies(&text) {
            seen += 1;
            // The README says it for all of them, and has the form for a Git server as well.
            let is_from_git = line.starts_with(r#"lucia = { git = ""#);
            assert!(
                line.contains(BY_PATH) || is_from_git,
                "{path}: write `lucia = {{ {BY_PATH} }}` in place of `{line}`"
            );
            assert!(!line.contains("version"), "{path}: {line}");
            if let Some((_, list)) = line.split_once("features = [") {
                let (list, _) = list.split_once(']').expect("an end of the list");
                for feature in list.split(", ").map(|one| one.trim_matches('"')) {
                    assert!(
                        features.iter().any(|one| one == feature),
                        "{path}: there is no feature `{feature}`"
                    );
                }
            }
        }
    }
    assert!(seen >= 5, "only {seen} places");
}

#[test]
fn pages_that_show_the_dependency_link_to_where_it_is_explained() {
    assert!(file("README.md").contains("\n### Install\n"));
    for (path, text) in files("docs", "md") {
        assert!(
            dependencies(&text).next().is_none() || text.contains("(../README.md#install)"),
            "{}: link to ../README.md#install",
            path.display()
        );
    }
}

#[test]
fn the_readme_names_the_rust_version_of_the_manifest() {
    let manifest = file("Cargo.toml");
    let (_, version) = manifest
        .split_once("\nrust-version = \"")
        .expect("a version");
    let (version, _) = version.split_once('"').expect("an end");
    let needs = format!("lucia needs Rust {version} or newer.");
    assert!(
        file("README.md").contains(&needs),
        "README.md: write `{needs}`"
    );
}
