//! One name in many spellings.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};

use lucia::{Auth, SqliteStore};

use super::{MINUTE, WRONG, assert_too_many, fail, sign_in};
use crate::support::{ADMITTED, PASSWORD, Stage, sign_up};

/// Whether an attempt at this name is the first one that is counted for its key and this address. No
/// password is hashed for it: the attempt is given up when it has been counted.
async fn is_first(stage: &Stage, auth: &Auth, name: &str, address: u32) -> bool {
    let attempt = auth.verify_password(("username", name), WRONG);
    tokio::select! {
        attempt = attempt.limit_by(IpAddr::from(Ipv4Addr::from(address))) => {
            assert_too_many(attempt);
            false
        }
        () = stage.probe.arrived(ADMITTED) => true,
    }
}

/// What a database can compare names by, of those that know more letters than ASCII has. Each is an
/// expression over `name`.
const COMPARISONS: [&str; 7] = [
    "name::citext",
    "lower(name)",
    r#"lower(name COLLATE "und-x-icu")"#,
    r#"lower(name COLLATE "tr-x-icu")"#,
    r#"name COLLATE "ignores_case""#,
    r#"name COLLATE "ignores_accents""#,
    r#"name COLLATE "ignores_punctuation""#,
];

/// All of Unicode that has a character, each at the beginning and at the end of a word, and what
/// becomes of it in the other case and in parts.
const NAMES: &str = r#"CREATE EXTENSION citext;
    CREATE COLLATION ignores_case
        (provider = icu, locale = 'und-u-ks-level2', deterministic = false);
    CREATE COLLATION ignores_accents
        (provider = icu, locale = 'und-u-ks-level1', deterministic = false);
    CREATE COLLATION ignores_punctuation
        (provider = icu, locale = 'und-u-ka-shifted-ks-level1', deterministic = false);
    CREATE TABLE names AS
    SELECT DISTINCT name FROM (
        SELECT chr(n) AS letter FROM generate_series(1, 918000) AS n
        WHERE n NOT BETWEEN 55296 AND 63743 AND n NOT BETWEEN 210000 AND 917503
    ) AS letters, LATERAL (VALUES
        (letter || 'a'), ('a' || letter),
        ('a' || upper(letter COLLATE "und-x-icu")), ('a' || lower(letter COLLATE "und-x-icu")),
        ('a' || normalize(letter, NFD))
    ) AS names (name);
    INSERT INTO names
    SELECT a || b || c || d FROM (VALUES ('Σ'), ('σ'), ('ς')) AS one (a),
        (VALUES ('Σ'), ('σ'), ('ς')) AS two (b),
        (VALUES ('Σ'), ('σ'), ('ς')) AS three (c),
        (VALUES ('Σ'), ('σ'), ('ς')) AS four (d)"#;

/// On a database that compares the ids of keys without case, one key has many spellings. The counts
/// do not tell whether there is one.
#[tokio::test]
async fn r34_a_key_of_many_spellings_has_one_count_whether_it_is_known_or_not() {
    let directory = tempfile::tempdir().unwrap();
    let file = directory.path().join("test.db");
    let sql = "CREATE TABLE auth_user (id TEXT NOT NULL PRIMARY KEY, username TEXT NOT NULL); \
               CREATE TABLE user_key (id TEXT NOT NULL COLLATE NOCASE PRIMARY KEY, \
               user_id TEXT NOT NULL REFERENCES auth_user (id), hashed_password TEXT)";
    let connection = rusqlite::Connection::open(&file).unwrap();
    connection.execute_batch(sql).unwrap();
    let store = SqliteStore::open(&file).await.unwrap();
    store.migrate(&[]).await.unwrap();
    let auth = Auth::builder(store).sign_in_limit(4, MINUTE);
    let auth = auth.build().unwrap();
    sign_up(&auth, "ada").await;
    for spellings in [
        ["ada", "Ada", "aDa", "adA", "ADA"],
        ["bob", "Bob", "bOb", "boB", "BOB"],
    ] {
        for spelling in &spellings[..4] {
            fail(&auth, spelling, 1).await;
        }
        assert_too_many(sign_in(&auth, spellings[4], PASSWORD).await);
    }
}

#[tokio::test]
async fn r34_what_a_database_takes_for_one_name_has_one_count() {
    let database = lucia_tests::Database::new().await;
    let client = database.connect().await;
    client.batch_execute(NAMES).await.unwrap();

    let stage = Stage::sqlite().await;
    let auth = stage.builder().await.sign_in_limit(1, MINUTE);
    let auth = auth.build().unwrap();
    stage.probe.halt(ADMITTED);
    let mut missed = Vec::new();
    // Each group has an address of its own, so that no count is of another group. Most groups are the same for
    // several comparisons, and are asked about once.
    let mut addresses = HashMap::new();
    let mut groups_so_far = 0;
    for comparison in COMPARISONS {
        let sql =
            format!("SELECT array_agg(name) FROM names GROUP BY {comparison} HAVING count(*) > 1");
        let groups = client.query(&sql, &[]).await.unwrap();
        // Without a locale, the database's own `lower` knows few letters.
        let least = if comparison.contains("COLLATE") {
            1000
        } else {
            20
        };
        assert!(groups.len() > least, "{comparison}: {}", groups.len());
        for group in groups {
            let names: Vec<String> = group.get(0);
            let known = names.iter().find_map(|name| addresses.get(name).copied());
            let address = match known {
                Some(address) => address,
                None => {
                    groups_so_far += 1;
                    assert!(is_first(&stage, &auth, &names[0], groups_so_far).await);
                    addresses.insert(names[0].clone(), groups_so_far);
                    groups_so_far
                }
            };
            for name in &names {
                let is_asked = addresses.insert(name.clone(), address) == Some(address);
                if !is_asked && is_first(&stage, &auth, name, address).await {
                    missed.push((comparison, names[0].clone(), name.clone()));
                }
            }
        }
    }
    missed.truncate(50);
    assert!(missed.is_empty(), "{missed:?}");
    // SQLite's NOCASE knows ASCII alone.
    for letter in 'a'..='z' {
        let name = format!("nocase {letter}");
        assert!(is_first(&stage, &auth, &name, 0).await);
        assert!(!is_first(&stage, &auth, &name.to_ascii_uppercase(), 0).await);
    }
    // Not everything is one.
    for name in [
        "this one",
        "that one",
        "\u{5f20}\u{4f1f}",
        "\u{5f20}\u{4f1a}",
    ] {
        assert!(is_first(&stage, &auth, name, 0).await, "{name}");
    }
}
