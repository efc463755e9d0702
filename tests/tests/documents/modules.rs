//! The modules of lucia form layers: no module uses one that uses it.

use std::collections::{BTreeMap, BTreeSet};

use crate::{at, files};

/// The modules at the root of the crate, and what each uses outside of its tests. What is re-exported
/// at the root counts as the module that it comes from.
fn uses() -> BTreeMap<String, BTreeSet<String>> {
    let root = at("lucia/src");
    let text = |name: &str| std::fs::read_to_string(root.join(name)).expect("a source file");
    let mut homes = BTreeMap::new();
    for line in text("lib.rs").split(';') {
        let Some((_, path)) = line.split_once("pub use ") else {
            continue;
        };
        let (module, items) = path.split_once("::").unwrap_or((path, ""));
        let words = items.split(|c: char| !c.is_alphanumeric() && c != '_');
        for item in words.filter(|item| item.starts_with(char::is_uppercase)) {
            homes.insert(item.to_owned(), module.trim().to_owned());
        }
    }
    let mut uses: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, text) in files("lucia/src", "rs") {
        let path = path.strip_prefix(&root).expect("a file of lucia");
        let is_test = path
            .iter()
            .any(|part| part == "tests" || part == "tests.rs");
        let first = path.iter().next().expect("a name").to_string_lossy();
        let module = first.trim_end_matches(".rs").to_owned();
        if is_test || matches!(&*module, "lib" | "testing") || path.starts_with("store/conformance")
        {
            continue;
        }
        // Comments name modules for readers, and tests stand at the end of a file.
        let code = text.split("#[cfg(test)]").next().expect("the first part");
        let code: String = code
            .lines()
            .filter(|line| !line.trim_start().starts_with("//"))
            .collect::<Vec<_>>()
            .join("\n");
        let used = uses.entry(module.clone()).or_default();
        for after in code.split("crate::").skip(1) {
            let list = after.strip_prefix('{').map(|list| list.split('}').next());
            let names = list.flatten().unwrap_or(after);
            let is_list = list.is_some();
            for name in names.split(',').take(if is_list { usize::MAX } else { 1 }) {
                let word = name
                    .trim_start()
                    .split(|c: char| !c.is_alphanumeric() && c != '_');
                let word = word.into_iter().next().unwrap_or_default();
                let home = homes.get(word).map_or(word, String::as_str);
                used.insert(home.to_owned());
            }
        }
        used.remove(&module);
    }
    let modules: BTreeSet<String> = uses.keys().cloned().collect();
    for used in uses.values_mut() {
        used.retain(|name| modules.contains(name));
    }
    uses
}

#[test]
fn no_module_uses_one_that_uses_it() {
    let mut left = uses();
    assert!(left.len() > 10, "{left:?}");
    loop {
        let lowest = left.iter().find(|(_, used)| used.is_empty());
        let Some(lowest) = lowest.map(|(name, _)| name.clone()) else {
            break;
        };
        left.remove(&lowest);
        for used in left.values_mut() {
            used.remove(&lowest);
        }
    }
    assert!(left.is_empty(), "these modules use each other: {left:#?}");
}
