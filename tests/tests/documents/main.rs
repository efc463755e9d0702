//! What documents show is what is compiled and tested.

mod events;
mod install;
mod map;
mod metrics;
mod modules;
mod requirements;
mod rust_version;

use std::path::{Path, PathBuf};

/// Where a file or folder of the repository is.
fn at(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)
}

/// A file of the repository.
fn file(path: &str) -> String {
    std::fs::read_to_string(at(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

/// The files below a folder of the repository whose names have this extension, and their text.
fn files(folder: &str, extension: &str) -> Vec<(PathBuf, String)> {
    let mut found = Vec::new();
    let mut folders = vec![at(folder)];
    while let Some(folder) = folders.pop() {
        let entries = std::fs::read_dir(&folder).unwrap_or_else(|error| {
            panic!("{}: {error}", folder.display());
        });
        for entry in entries {
            let path = entry.expect("an entry of a folder").path();
            if path.is_dir() {
                // Packages of others, and what is compiled.
                if !path.ends_with("node_modules") && !path.ends_with("target") {
                    folders.push(path);
                }
            } else if path.extension().is_some_and(|is| is == extension) {
                let text = std::fs::read_to_string(&path).expect("a text");
                found.push((path, text));
            }
        }
    }
    assert!(!found.is_empty(), "{folder} has no .{extension}");
    found
}

/// The first block of Rust code in a document.
fn first_block(document: &str) -> String {
    let document = file(document);
    let mut blocks = document.split("\n```rust");
    let block = blocks.nth(1).expect("a block of Rust code");
    let (_, code) = block.split_once('\n').expect("a first line");
    let (code, _) = code.split_once("\n```\n").expect("an end");
    format!("{code}\n")
}

/// Code without its layout, which differs where lines have another width.
fn words(code: &str) -> String {
    let code = code.replace("//!", "");
    let joined: String = code.split_whitespace().collect();
    // rustfmt puts a comma behind the last item of a list of several lines.
    joined.replace(",)", ")").replace(",}", "}")
}

#[test]
fn the_readme_begins_with_the_example_that_runs() {
    assert_eq!(
        first_block("README.md"),
        file("examples/front-page/src/main.rs")
    );
}

#[test]
fn the_front_page_of_the_crate_shows_the_same_example() {
    let front_page = file("lucia/src/lib.rs");
    let (_, code) = front_page.split_once("//! ```no_run\n").expect("a block");
    let (code, _) = code.split_once("//! ```\n").expect("an end");
    let mut shown = words(code);
    let mut runs = words(&file("examples/front-page/src/main.rs"));
    // The lists in `use` are in another order.
    for code in [&mut shown, &mut runs] {
        let start = code.find("#[derive").expect("an item");
        code.drain(..start);
    }
    assert_eq!(shown, runs);
}

#[test]
fn the_page_on_testing_begins_with_tests_that_run() {
    let runs = file("tests/tests/testing_page.rs");
    let (_, runs) = runs.split_once("\n\n").expect("a first line");
    assert_eq!(first_block("docs/testing.md"), runs);
}
