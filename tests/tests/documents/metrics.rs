//! The table of metrics in `docs/monitoring.md` against those that lucia records.

use std::collections::BTreeMap;

use crate::{file, files};

/// Metrics by name: the kind, and the labels.
type Metrics = BTreeMap<String, (String, Vec<String>)>;

const KINDS: [&str; 3] = ["counter", "gauge", "histogram"];

/// What a source records.
fn recorded(code: &str) -> Metrics {
    let mut metrics = Metrics::new();
    for kind in KINDS {
        for call in code.split(&format!("metrics::{kind}!(")).skip(1) {
            let arguments = call.split(')').next().unwrap_or_default();
            let mut names = arguments.split('"').skip(1).step_by(2).map(str::to_owned);
            let name = names.next().expect("a name");
            metrics.insert(name, (kind.to_owned(), names.collect()));
        }
    }
    metrics
}

/// What the table of a page lists.
fn listed(page: &str) -> Metrics {
    let (_, table) = page
        .split_once("| Name | Kind | Labels |")
        .expect("the table");
    let rows = table.lines().skip(2).take_while(|row| row.starts_with('|'));
    let mut metrics = Metrics::new();
    for row in rows {
        let cells: Vec<_> = row.split('|').skip(1).map(str::trim).collect();
        let in_backticks = |cell: &str| {
            let names = cell.split('`').skip(1).step_by(2);
            names.map(str::to_owned).collect::<Vec<_>>()
        };
        let name = in_backticks(cells[0]).pop().expect("a name");
        let is_new = metrics.insert(name, (cells[1].to_owned(), in_backticks(cells[2])));
        assert!(is_new.is_none(), "{row}");
        assert!(cells.len() > 5 && !cells[3].is_empty(), "{row}");
    }
    metrics
}

#[test]
fn the_page_lists_every_metric_with_its_kind_and_labels() {
    let mut all = Metrics::new();
    for (_, code) in files("lucia/src", "rs") {
        all.extend(recorded(&code));
    }
    assert!(all.len() > 20, "{all:?}");
    assert_eq!(listed(&file("docs/monitoring.md")), all);
}

#[test]
fn a_metric_is_read_as_it_is_recorded_and_listed() {
    let code = r#"metrics::counter!("a_total", "b" => c.d()).increment(1); metrics::gauge!("e")"#;
    let page = "| Name | Kind | Labels | Unit | Meaning |\n|---|---|---|---|---|\n\
                | `a_total` | counter | `b` | calls | what |\n| `e` | gauge | | seconds | `f` |\n\nend";
    let expected = [("a_total", "counter", vec!["b"]), ("e", "gauge", vec![])];
    let expected: Metrics = expected
        .into_iter()
        .map(|(name, kind, labels)| {
            let labels = labels.into_iter().map(str::to_owned).collect();
            (name.to_owned(), (kind.to_owned(), labels))
        })
        .collect();
    assert_eq!(recorded(code), expected);
    assert_eq!(listed(page), expected);
}
