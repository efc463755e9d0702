//! Requirements and the tests that decide them: `docs/requirements.md` against the sources.

use std::collections::{BTreeMap, BTreeSet};

use crate::{file, files};

/// The folders whose sources can have tests.
const SOURCES: [&str; 5] = ["examples", "lucia", "lucia-macros", "tests", "ui-tests"];

/// The name of a function that this line begins, if it is named after a requirement.
fn test_name(line: &str) -> Option<&str> {
    let line = line.trim_start();
    let line = line.strip_prefix("async ").unwrap_or(line);
    let name = line.strip_prefix("fn ")?.split(['(', '<']).next()?;
    numbers(name).next().map(|_| name)
}

/// The requirements that a test is named after: 2 and 23 of `r02_r23_..`.
fn numbers(test: &str) -> impl Iterator<Item = u8> {
    test.split('_').map_while(|word| {
        let digits = word.strip_prefix('r')?;
        (digits.len() == 2).then(|| digits.parse().ok())?
    })
}

/// The number of the requirement that begins at this line of the page.
fn requirement(line: &str) -> Option<u8> {
    let (number, _) = line.strip_prefix("- **R")?.split_once(".**")?;
    number.parse().ok()
}

/// A test that this line of the page names.
fn named_test(line: &str) -> Option<&str> {
    line.strip_prefix("  - `")?.strip_suffix('`')
}

/// What is wrong with the page, beside the tests that there are.
fn problems(page: &str, tests: &BTreeSet<&str>) -> Vec<String> {
    let mut problems = Vec::new();
    let mut on_page: BTreeMap<u8, (String, Vec<&str>)> = BTreeMap::new();
    let mut current = None;
    for line in page.lines() {
        if let Some(number) = requirement(line) {
            current = Some(number);
            let entry = (line.to_owned(), Vec::new());
            if on_page.insert(number, entry).is_some() {
                problems.push(format!("R{number} is on the page twice"));
            }
        } else if line.starts_with('#') {
            current = None;
        } else if let Some((text, named)) = current.and_then(|number| on_page.get_mut(&number)) {
            match named_test(line) {
                Some(test) => named.push(test),
                None => text.push_str(line),
            }
        }
    }
    for (number, (text, named)) in &on_page {
        if !text.ends_with('*') {
            problems.push(format!("R{number} has no source: end it with `*Source*`"));
        }
        if named.is_empty() {
            problems.push(format!("R{number} names no test: add one below it"));
        }
        for test in named {
            if !tests.contains(test) {
                problems.push(format!("R{number} names `{test}`, which is in no source"));
            }
            if numbers(test).all(|one| one != *number) {
                problems.push(format!(
                    "R{number} names `{test}`, which has another number"
                ));
            }
        }
    }
    for test in tests {
        for number in numbers(test).filter(|number| !on_page.contains_key(number)) {
            problems.push(format!("`{test}`: there is no R{number} on the page"));
        }
    }
    problems
}

#[test]
fn requirements_and_tests_name_each_other() {
    let sources: Vec<_> = SOURCES.iter().flat_map(|one| files(one, "rs")).collect();
    let lines = sources.iter().flat_map(|(_, text)| text.lines());
    let tests: BTreeSet<_> = lines.filter_map(test_name).collect();
    let page = file("docs/requirements.md");
    assert!(page.lines().filter_map(requirement).count() > 50);
    let problems = problems(&page, &tests);
    assert!(
        problems.is_empty(),
        "docs/requirements.md:\n{}",
        problems.join("\n")
    );
}

#[test]
fn each_difference_between_requirements_and_tests_is_found() {
    const PAGE: &str = "# Page\n- **R1.** One.\n  *Source*\n  - `r01_one`\n  - `r01_r02_both`\n\n\
                        - **R2.** Two,\n  in two lines. *Source*\n  - `r01_r02_both`\n";

    let tests = BTreeSet::from(["r01_one", "r01_r02_both"]);
    assert!(problems(PAGE, &tests).is_empty());
    for (page, problem) in [
        (
            PAGE.replace("  - `r01_one`", "  - `r01_gone`"),
            "R1 names `r01_gone`, which is in no source",
        ),
        (
            PAGE.replace("  - `r01_r02_both`\n\n", "\n")
                .replace("`r01_r02_both`", "`r01_one`"),
            "R2 names `r01_one`, which has another number",
        ),
        (
            PAGE.replace("  - `r01_one`\n  - `r01_r02_both`\n", ""),
            "R1 names no test: add one below it",
        ),
        (
            PAGE.replace("R2", "R3"),
            "`r01_r02_both`: there is no R2 on the page",
        ),
        (PAGE.replace("R2", "R1"), "R1 is on the page twice"),
        (
            PAGE.replace("lines. *Source*", "lines."),
            "R2 has no source: end it with `*Source*`",
        ),
    ] {
        let found = problems(&page, &tests);
        assert!(found.iter().any(|one| one == problem), "{found:?}");
    }
}

#[test]
fn tests_are_told_by_their_names() {
    assert_eq!(test_name("fn r16_ends() {"), Some("r16_ends"));
    let generic = "    async fn r02_r23_dump<S: Store>(store: S) {";
    assert_eq!(test_name(generic), Some("r02_r23_dump"));
    for other in [
        "r16_ends,",
        "fn read() {",
        "fn r1_short() {",
        "fn rfc_7914() {",
    ] {
        assert_eq!(test_name(other), None, "{other}");
    }
    assert_eq!(numbers("r02_r23_dump_r45").collect::<Vec<_>>(), [2, 23]);
}
