use super::*;

fn parse(variables: &[(&str, &str)], arguments: &[&str]) -> Result<Settings, String> {
    let find = |name: &str| variables.iter().find(|(other, _)| *other == name);
    let settings = Settings::parse(
        |name| find(name).map(|(_, value)| (*value).to_owned()),
        arguments.iter().map(|argument| (*argument).to_owned()),
    );
    settings.map_err(|error| error.to_string())
}

#[test]
fn without_any_setting_it_is_a_file_a_mailbox_and_this_machine_only() {
    let settings = parse(&[], &[]).unwrap();
    assert_eq!((&*settings.address, settings.port), ("127.0.0.1", 8080));
    assert!(matches!(settings.database, Database::Sqlite(file) if file == "showcase.db"));
    assert!(
        settings.smtp.is_none() && settings.clients.is_empty() && settings.public_url.is_none()
    );
}

#[test]
fn databases_are_told_apart_by_their_url() {
    let database = |url| parse(&[("DATABASE_URL", url)], &[]).unwrap().database;
    assert!(matches!(
        database("postgres://localhost/a"),
        Database::Postgres(_)
    ));
    assert!(matches!(database("sqlite::memory:"), Database::Memory));
    for (url, file) in [
        ("sqlite:a.db", "a.db"),
        ("sqlite:///srv/a.db", "/srv/a.db"),
        ("a.db", "a.db"),
    ] {
        assert!(
            matches!(database(url), Database::Sqlite(kept) if kept == file),
            "{url}"
        );
    }
}

#[test]
fn providers_are_those_whose_registration_is_there() {
    let settings = parse(
        &[
            ("GITHUB_ID", "a"),
            ("GITHUB_SECRET", "swordfish"),
            ("OIDC_ID", "b"),
            ("OIDC_SECRET", "swordfish"),
            ("OIDC_ISSUER", "https://id.example.com"),
        ],
        &[],
    )
    .unwrap();
    let ids: Vec<&str> = settings.clients.iter().map(|client| &*client.id).collect();
    assert_eq!(ids, ["a", "b"]);
    assert!(!format!("{settings:?}").contains("swordfish"));
}

#[test]
fn nonsense_is_named_without_the_secrets_in_it() {
    let refused = |variables| parse(variables, &[]).err().unwrap();
    for (variables, word) in [
        (&[("PORT", "http")][..], "`http`"),
        (
            &[("DATABASE_URL", "mysql://root:swordfish@host/db")],
            "`mysql://`",
        ),
        (&[("SMTP_URL", "smtps://ada:swordfish@host")], "MAIL_FROM"),
        (&[("GITHUB_SECRET", "swordfish")], "GITHUB_ID"),
        (
            &[("OIDC_ID", "a"), ("OIDC_SECRET", "swordfish")],
            "OIDC_ISSUER",
        ),
        (&[("PUBLIC_URL", "http://example.com")], "https://"),
        (&[("PUBLIC_URL", "https://example.com/shop")], "PUBLIC_URL"),
    ] {
        let line = refused(variables);
        assert!(line.contains(word) && !line.contains("swordfish"), "{line}");
    }
}
