//! `docs/events.md` against the events that there are.

use std::collections::BTreeMap;

use crate::file;

/// Names, and the fields of each.
type Entries = BTreeMap<String, Vec<String>>;

/// The variants of an enum in this text, with their fields.
fn variants(code: &str, name: &str) -> Entries {
    let start = format!("\npub enum {name} {{\n");
    let (_, body) = code.split_once(&start).expect("the enum");
    let (body, _) = body.split_once("\n}\n").expect("its end");
    let mut entries = Entries::new();
    let mut current = String::new();
    for line in body.lines() {
        let indent = line.len() - line.trim_start().len();
        let word = line
            .trim()
            .split([' ', ',', ':'])
            .next()
            .unwrap_or_default();
        let is_name = word.starts_with(char::is_uppercase);
        if indent == 4 && is_name {
            current = word.to_owned();
            entries.insert(current.clone(), Vec::new());
        } else if indent == 8 && word.starts_with(char::is_lowercase) {
            let fields = entries.get_mut(&current).expect("a variant before it");
            fields.push(word.to_owned());
        }
    }
    entries
}

/// The rows of the tables of the page that begin with this header: the first cell, and the names in the second
/// one.
fn rows(page: &str, header: &str) -> Entries {
    let tables = page.split(header).skip(1);
    let lines = tables.flat_map(|table| {
        let rows = table.lines().skip(2);
        rows.take_while(|line| line.starts_with('|'))
    });
    let mut entries = Entries::new();
    for line in lines {
        let mut cells = line.split('|').skip(1).map(names);
        let name = cells.next().and_then(|names| names.into_iter().next());
        let name = name.expect("a name in the first cell");
        let fields = cells.next().unwrap_or_default();
        let is_new = entries.insert(name.clone(), fields).is_none();
        assert!(is_new, "{name} is on the page twice");
    }
    entries
}

/// What stands in backticks.
fn names(cell: &str) -> Vec<String> {
    cell.split('`')
        .skip(1)
        .step_by(2)
        .map(str::to_owned)
        .collect()
}

fn only_names(entries: &Entries) -> Vec<&String> {
    entries.keys().collect()
}

#[test]
fn the_page_lists_every_event_with_its_fields() {
    let page = file("docs/events.md");
    let code = file("lucia/src/event/kind.rs");
    let events = variants(&code, "EventKind");
    assert!(events.len() > 25, "{events:?}");
    assert_eq!(events["SessionRenewed"], ["user_id", "session_id"]);
    assert_eq!(rows(&page, "| Event | Fields | Told when |"), events);
}

#[test]
fn the_page_lists_every_reason_and_cause() {
    let page = file("docs/events.md");
    let code = file("lucia/src/event/reason.rs") + &file("lucia/src/user/key.rs");
    for (header, name) in [
        ("| `method` | |", "SignInMethod"),
        ("| `reason` of `SignInFailed` | |", "SignInFailure"),
        ("| `reason` of `AccessDenied` | |", "AccessDenial"),
        ("| `cause` | |", "InvalidationCause"),
    ] {
        let reasons = variants(&code, name);
        assert!(reasons.len() > 1, "{name}: {reasons:?}");
        assert_eq!(only_names(&rows(&page, header)), only_names(&reasons));
    }
}

#[test]
fn the_page_lists_the_fields_of_all_events() {
    let page = file("docs/events.md");
    let code = file("lucia/src/event.rs");
    let (_, body) = code.split_once("pub struct Event {\n").expect("the struct");
    let (body, _) = body.split_once("\n}\n").expect("its end");
    let fields = body
        .lines()
        .filter_map(|line| line.trim().strip_prefix("pub "));
    let mut fields: Vec<_> = fields.filter_map(|line| line.split(':').next()).collect();
    fields.sort_unstable();
    assert_eq!(only_names(&rows(&page, "| Field | |")), fields);
}

#[test]
fn a_row_is_read_as_it_is_written() {
    let page = "| A | B |\n|---|---|\n| `X` | `one`, `two` | when `y` |\n| `Z` | | |\n\nmore\n";
    let expected = [("X", vec!["one", "two"]), ("Z", vec![])];
    let expected = expected.map(|(name, fields)| {
        let fields: Vec<_> = fields.into_iter().map(str::to_owned).collect();
        (name.to_owned(), fields)
    });
    assert_eq!(rows(page, "| A | B |"), expected.into_iter().collect());
    let code = "\npub enum E {\n    /// X.\n    X {\n        /// One.\n        one: u8,\n    },\n    Y,\n}\n";
    let expected = [("X", vec!["one".to_owned()]), ("Y", vec![])];
    let expected = expected.map(|(name, fields)| (name.to_owned(), fields));
    assert_eq!(variants(code, "E"), expected.into_iter().collect());
}
