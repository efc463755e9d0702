use serde_json::json;

use super::*;
use crate::oauth::presets::{self, Server};

#[test]
fn only_what_can_be_an_address_or_name_is_taken_for_one() {
    assert_eq!(address("ada@example.com").unwrap(), "ada@example.com");
    for text in [
        "",
        "ada",
        "@example.com",
        "ada@",
        "ada@x\r\nBcc: b@x",
        "a b@x",
        &format!("{}@x", "a".repeat(260)),
    ] {
        assert_eq!(address(text), None, "{text:?}");
    }
    assert_eq!(shown(" Ada\0\u{1b} L. "), Some("Ada L.".to_owned()));
    assert_eq!(shown("\0 "), None);
    assert_eq!(shown(&"é".repeat(300)).unwrap().chars().count(), 255);
}

#[test]
fn the_primary_address_of_a_list_counts() {
    let addresses = serde_json::json!([
        { "email": "old@x", "primary": false, "verified": true },
        { "email": "new@x", "primary": true, "verified": false },
    ]);
    let of = |list: &Value| of_list(list, "", "email", "primary", "verified");
    assert_eq!(of(&addresses), (Some("new@x".to_owned()), false));
    for odd in [
        serde_json::json!(null),
        serde_json::json!({}),
        serde_json::json!([1, null]),
    ] {
        assert_eq!(of(&odd), (None, false));
    }
}

#[test]
fn verified_means_true() {
    for (value, is) in [
        ("true", true),
        ("\"true\"", true),
        ("1", false),
        ("\"yes\"", false),
        ("null", false),
    ] {
        let value: Value = serde_json::from_str(value).unwrap();
        assert_eq!(is_true(Some(&value)), is, "{value}");
    }
    assert!(!is_true(None));
}

/// What each provider answers, in the form that its documentation shows, and what that says: the subject, the
/// address, whether it is verified, and the name.
#[test]
fn user_info_is_read_as_the_providers_document_it() {
    type Said = (
        &'static str,
        Option<&'static str>,
        bool,
        Option<&'static str>,
    );
    let mut answers: Vec<(&presets::Preset, Value, Value, Said)> = vec![
        (
            &presets::ATLASSIAN,
            json!({ "account_type": "atlassian", "account_id": "557058:0867", "email": "ada@x.example",
                "name": "Ada", "picture": "https://x.example/p", "nickname": "ada" }),
            Value::Null,
            ("557058:0867", Some("ada@x.example"), false, Some("Ada")),
        ),
        (
            &presets::BITBUCKET,
            json!({ "type": "user", "uuid": "{2cf0}", "display_name": "Ada", "account_id": "557058:0867" }),
            json!({ "values": [
                { "email": "ada@x.example", "is_primary": true, "is_confirmed": true, "type": "email" },
            ] }),
            ("{2cf0}", Some("ada@x.example"), true, Some("Ada")),
        ),
        (
            &presets::BOX,
            json!({ "type": "user", "id": "11446498", "name": "Ada", "login": "ada@x.example" }),
            Value::Null,
            ("11446498", Some("ada@x.example"), false, Some("Ada")),
        ),
        (
            &presets::DISCORD,
            json!({ "id": "80351110224678912", "username": "ada", "discriminator": "0",
                "verified": true, "email": "ada@x.example" }),
            Value::Null,
            (
                "80351110224678912",
                Some("ada@x.example"),
                true,
                Some("ada"),
            ),
        ),
        (
            &presets::DROPBOX,
            json!({ "account_id": "dbid:AAH4f99", "name": { "display_name": "Ada (Personal)" },
                "email": "ada@x.example", "email_verified": true }),
            Value::Null,
            (
                "dbid:AAH4f99",
                Some("ada@x.example"),
                true,
                Some("Ada (Personal)"),
            ),
        ),
        (
            &presets::FACEBOOK,
            json!({ "id": "10158", "name": "Ada", "email": "ada@x.example" }),
            Value::Null,
            ("10158", Some("ada@x.example"), false, Some("Ada")),
        ),
        (
            &presets::GITHUB,
            json!({ "login": "octocat", "id": 1, "node_id": "MDQ6VXNlcjE=", "email": null }),
            json!([
                { "email": "octocat@x.example", "verified": true, "primary": true, "visibility": "public" },
            ]),
            ("1", Some("octocat@x.example"), true, Some("octocat")),
        ),
        (
            &presets::KAKAO,
            json!({ "id": 123456789, "kakao_account": {
                "is_email_valid": true, "is_email_verified": true, "email": "ada@x.example",
                "profile": { "nickname": "Ada" } } }),
            Value::Null,
            ("123456789", Some("ada@x.example"), true, Some("Ada")),
        ),
        (
            &presets::LICHESS,
            json!({ "id": "ada", "username": "Ada", "perfs": {} }),
            Value::Null,
            ("ada", None, false, Some("Ada")),
        ),
        (
            &presets::LINE,
            json!({ "sub": "U1234567890abcdef", "name": "Ada", "picture": "https://x.example/p" }),
            Value::Null,
            ("U1234567890abcdef", None, false, Some("Ada")),
        ),
        (
            &presets::LINKEDIN,
            json!({ "sub": "782bbtaQ", "name": "Ada", "email": "ada@x.example", "email_verified": true }),
            Value::Null,
            ("782bbtaQ", Some("ada@x.example"), true, Some("Ada")),
        ),
        (
            &presets::MICROSOFT,
            json!({ "sub": "OLu859SG", "name": "Ada", "email": "ada@x.example", "email_verified": true }),
            Value::Null,
            ("OLu859SG", Some("ada@x.example"), false, Some("Ada")),
        ),
        (
            &presets::OSU,
            json!({ "id": 3, "username": "ada", "country_code": "AU" }),
            Value::Null,
            ("3", None, false, Some("ada")),
        ),
        (
            &presets::PATREON,
            json!({ "data": { "id": "12345689", "type": "user", "attributes": {
                "email": "ada@x.example", "is_email_verified": true, "full_name": "Ada" } } }),
            Value::Null,
            ("12345689", Some("ada@x.example"), true, Some("Ada")),
        ),
        (
            &presets::REDDIT,
            json!({ "id": "1w72", "name": "ada", "has_verified_email": true }),
            Value::Null,
            ("1w72", None, false, Some("ada")),
        ),
        (
            &presets::SPOTIFY,
            json!({ "id": "ada", "display_name": "Ada", "email": "ada@x.example", "type": "user" }),
            Value::Null,
            ("ada", Some("ada@x.example"), false, Some("Ada")),
        ),
        (
            &presets::STRAVA,
            json!({ "id": 1234567890987654321_u64, "username": "ada", "firstname": "Ada" }),
            Value::Null,
            ("1234567890987654321", None, false, Some("Ada")),
        ),
        (
            &presets::X,
            json!({ "data": { "id": "2244994945", "name": "Ada", "username": "ada" } }),
            Value::Null,
            ("2244994945", None, false, Some("ada")),
        ),
    ];
    for preset in presets::ALL {
        let Server::Plain(endpoints) = &preset.server else {
            continue;
        };
        let at = answers
            .iter()
            .position(|(of, ..)| of.id == preset.id)
            .unwrap_or_else(|| panic!("there is no answer of {}", preset.id));
        let (_, claims, addresses, said) = answers.swap_remove(at);
        let told = told(preset.id, endpoints, claims, &addresses).unwrap();
        let (subject, email, verified, name) = said;
        assert_eq!(told.subject, subject, "{}", preset.id);
        assert_eq!(told.email.as_deref(), email, "{}", preset.id);
        assert_eq!(told.email_verified, verified, "{}", preset.id);
        assert_eq!(told.name.as_deref(), name, "{}", preset.id);
    }
    assert!(answers.is_empty());
}
