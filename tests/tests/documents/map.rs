//! The map of the code in ARCHITECTURE.md names files that are there.

use std::collections::BTreeSet;

use crate::{file, files};

#[test]
fn every_file_on_the_map_is_there() {
    let mut paths = BTreeSet::new();
    for folder in ["lucia", "lucia-macros", "tests", "ui-tests"] {
        for (path, _) in files(folder, "rs") {
            paths.insert(path.to_string_lossy().into_owned());
        }
    }
    let text = file("ARCHITECTURE.md");
    let words = text.split(|c: char| c.is_whitespace() || "`(),;:→".contains(c));
    let named: BTreeSet<&str> = words.filter(|word| word.ends_with(".rs")).collect();
    assert!(named.len() > 100, "{named:?}");
    let is_missing = |named: &&&str| {
        let end = format!("/{named}");
        !paths.iter().any(|path| path.ends_with(&end))
    };
    let missing: Vec<_> = named.iter().filter(is_missing).collect();
    assert!(missing.is_empty(), "{missing:?}");
}
