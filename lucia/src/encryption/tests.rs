use super::*;

const PLACE: Place<'static> = Place {
    kind: "oauth_tokens",
    user_id: "ada",
    id: "row",
};

fn bytes(first: u8) -> [u8; 32] {
    std::array::from_fn(|at| first.wrapping_add(u8::try_from(at).unwrap()))
}

fn vault(ids: &[&str]) -> Vault {
    let key = |id: &&str| EncryptionKey::new(*id, bytes(id.as_bytes()[0]));
    Vault::new(ids.iter().map(key).collect()).unwrap()
}

fn reason(keys: Result<Vec<EncryptionKey>>) -> String {
    match keys.and_then(Vault::new) {
        Err(Error::Setting { setting, reason }) => {
            assert_eq!(setting, "encryption_keys");
            reason
        }
        other => panic!("{other:?}"),
    }
}

#[test]
fn what_is_sealed_is_opened_by_its_key_alone() {
    let sealed = vault(&["a"]).seal(PLACE, b"secret").unwrap();
    for (ids, is_current) in [
        (&["a"][..], true),
        (&["a", "b"], true),
        (&["b", "a"], false),
    ] {
        let opened = vault(ids).open(PLACE, &sealed).unwrap();
        assert_eq!(*opened.secret, b"secret");
        assert_eq!(opened.is_current, is_current);
    }
    let refused = vault(&["b"]).open(PLACE, &sealed).err();
    assert_eq!(refused, Some(Unreadable::UnknownKey("a".to_owned())));
    let same_id = Vault::new(vec![EncryptionKey::new("a", bytes(9))]).unwrap();
    assert_eq!(
        same_id.open(PLACE, &sealed).err(),
        Some(Unreadable::Refused)
    );
}

#[test]
fn no_two_sealed_texts_are_the_same() {
    let vault = vault(&["a"]);
    let one = vault.seal(PLACE, b"secret").unwrap();
    assert_ne!(one, vault.seal(PLACE, b"secret").unwrap());
    assert!(!one.contains("secret"));
    assert!(one.starts_with("v1.a."));
}

#[test]
fn r70_a_sealed_text_is_opened_in_its_place_alone() {
    let vault = vault(&["a"]);
    let sealed = vault.seal(PLACE, b"secret").unwrap();
    for place in [
        Place {
            user_id: "eve",
            ..PLACE
        },
        Place {
            kind: "totp",
            ..PLACE
        },
        Place {
            id: "another row",
            ..PLACE
        },
        // The same texts in a row, cut elsewhere.
        Place {
            kind: "oauth_tokensa",
            user_id: "da",
            ..PLACE
        },
    ] {
        assert_eq!(vault.open(place, &sealed).err(), Some(Unreadable::Refused));
    }
}

#[test]
fn r70_no_byte_of_a_sealed_text_can_be_changed() {
    let vault = vault(&["a", "b"]);
    let sealed = vault.seal(PLACE, b"secret").unwrap();
    for at in 0..sealed.len() {
        for other in [b'A', b'b', b'.', b'-', b'=', b'2'] {
            let mut changed = sealed.clone().into_bytes();
            if changed[at] == other {
                continue;
            }
            changed[at] = other;
            let changed = String::from_utf8(changed).unwrap();
            assert!(vault.open(PLACE, &changed).is_err(), "{changed}");
        }
        assert!(vault.open(PLACE, &sealed[..at]).is_err());
    }
    for longer in [
        format!("{sealed}A"),
        format!("{sealed}AAAA"),
        format!(" {sealed}"),
    ] {
        assert!(vault.open(PLACE, &longer).is_err(), "{longer}");
    }
    for other in [
        "",
        "v1",
        "v1.a",
        "v1.a.",
        "v1.a.AAAA",
        "v2.a.AAAA",
        "v1.a b.AAAA",
    ] {
        assert!(vault.open(PLACE, other).is_err(), "{other}");
    }
}

#[test]
fn keys_are_read_from_one_text_however_they_are_written() {
    let key = bytes(0xd0);
    let hex: String = key.iter().map(|byte| format!("{byte:02x}")).collect();
    let base64 = base64::engine::general_purpose::STANDARD.encode(key);
    assert!(base64.contains(['+', '/']) && base64.ends_with('='));
    let safe = URL_SAFE_NO_PAD.encode(key);
    for written in [
        &hex,
        &hex.to_uppercase(),
        &base64,
        base64.trim_end_matches('='),
        &safe,
    ] {
        let keys = EncryptionKey::parse_list(&format!("2026-a_B:{written}")).unwrap();
        assert_eq!((&*keys[0].id, &keys[0].bytes[..]), ("2026-a_B", &key[..]));
    }
    let other = URL_SAFE_NO_PAD.encode(bytes(1));
    for between in [",", ", ", "\n", " \r\n\t"] {
        let text = format!("{between}b:{safe}{between}a:{other}{between}");
        let keys = EncryptionKey::parse_list(&text).unwrap();
        let ids: Vec<_> = keys.iter().map(|key| &*key.id).collect();
        assert_eq!(ids, ["b", "a"]);
        Vault::new(keys).unwrap();
    }
}

#[test]
fn keys_that_cannot_work_are_refused_by_number_and_not_quoted() {
    let canary = URL_SAFE_NO_PAD.encode(bytes(7));
    let parsed = |text: &str| reason(EncryptionKey::parse_list(text));
    let long_id = "x".repeat(33);
    for (text, expected) in [
        (String::new(), "there is no key"),
        (" ,\n".to_owned(), "there is no key"),
        (canary.clone(), "key 1: write an id"),
        (format!("a:{canary},{canary}"), "key 2: write an id"),
        (format!(":{canary}"), "key 1: the id"),
        (format!("a.b:{canary}"), "key 1: the id"),
        (format!("é:{canary}"), "key 1: the id"),
        (format!("{long_id}:{canary}"), "key 1: the id"),
        ("a:".to_owned(), "key 1: a key has 32 bytes"),
        (format!("a:{}", &canary[..42]), "key 1: "),
        (format!("a:{canary}AAAA"), "key 1: a key has 32 bytes"),
        (format!("a:{canary}!"), "key 1: the key is neither"),
        (format!("a:b:{canary}"), "key 1: the key is neither"),
        (format!("a:{}", "00".repeat(32)), "key 1: all bytes"),
        (
            format!("a:{canary},a:{canary}"),
            "key 2: it has the id of key 1",
        ),
        (
            format!("a:{canary},b:{canary}"),
            "key 2: it is the same as key 1",
        ),
    ] {
        let said = parsed(&text);
        assert!(said.contains(expected), "{text}: {said}");
        assert!(!said.contains(&canary[..20]), "{said}");
    }
    let short = vec![EncryptionKey::new("a", &bytes(1)[1..])];
    assert!(reason(Ok(short)).contains("32 bytes"));
    assert!(reason(Ok(Vec::new())).contains("there is no key"));
}

#[test]
fn r46_debug_shows_no_key() {
    let key = EncryptionKey::new("2026", bytes(1));
    let shown = format!("{key:?} {:?}", vault(&["a"]));
    assert!(shown.contains("2026") && !shown.contains("1, 2"), "{shown}");
}
