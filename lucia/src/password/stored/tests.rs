use argon2::password_hash::PasswordHasher;

use super::super::Passwords;
use super::super::recipe::SALT_LENGTH;
use super::*;

fn with(options: PasswordOptions) -> Passwords {
    Passwords::new(&options).unwrap()
}

fn passwords() -> Passwords {
    with(PasswordOptions::new())
}

fn argon2_hash(algorithm: Algorithm, version: Version, params: Params, salt: &[u8]) -> String {
    let hash: PasswordHash = Argon2::new(algorithm, version, params)
        .hash_password_with_salt(b"correct horse", salt)
        .unwrap();
    hash.to_string()
}

#[tokio::test]
async fn r43_a_hash_weaker_than_the_settings_is_outdated() {
    use Algorithm::{Argon2d, Argon2i, Argon2id};
    use Version::{V0x10, V0x13};

    let passwords = with(PasswordOptions::new().memory_kib(20_000).iterations(3));
    let params = |memory, iterations, lanes, output| {
        Params::new(memory, iterations, lanes, Some(output)).unwrap()
    };
    let today = || params(20_000, 3, 1, 32);
    let salt = [7; SALT_LENGTH];
    for (hash, expected) in [
        (argon2_hash(Argon2id, V0x13, today(), &salt), Verdict::Opens),
        (
            argon2_hash(Argon2id, V0x13, params(20_001, 4, 2, 64), &[7; 32]),
            Verdict::Opens,
        ),
        (
            argon2_hash(Argon2id, V0x13, params(19_999, 3, 1, 32), &salt),
            Verdict::OpensOutdated,
        ),
        (
            argon2_hash(Argon2id, V0x13, params(20_000, 2, 1, 32), &salt),
            Verdict::OpensOutdated,
        ),
        (
            argon2_hash(Argon2id, V0x13, params(20_000, 3, 1, 31), &salt),
            Verdict::OpensOutdated,
        ),
        (
            argon2_hash(Argon2id, V0x13, today(), &[7; 8]),
            Verdict::OpensOutdated,
        ),
        (
            argon2_hash(Argon2id, V0x10, today(), &salt),
            Verdict::OpensOutdated,
        ),
        (
            argon2_hash(Argon2i, V0x13, today(), &salt),
            Verdict::OpensOutdated,
        ),
        (
            argon2_hash(Argon2d, V0x13, today(), &salt),
            Verdict::OpensOutdated,
        ),
    ] {
        let verdict = passwords.verify("correct horse", Some(&hash)).await;
        assert_eq!(verdict.unwrap(), expected, "{hash}");
        let verdict = passwords.verify("correct house", Some(&hash)).await;
        assert_eq!(verdict.unwrap(), Verdict::Refused, "{hash}");
    }
}

#[tokio::test]
async fn r43_a_hash_of_today_is_never_outdated() {
    for options in [
        PasswordOptions::new(),
        PasswordOptions::new()
            .memory_kib(32 * 1024)
            .iterations(3)
            .parallelism(2),
    ] {
        let passwords = with(options);
        for hash in [
            passwords.hash("correct horse").await.unwrap(),
            passwords.rehash("correct horse").await.unwrap(),
        ] {
            let verdict = passwords.verify("correct horse", Some(&hash)).await;
            assert_eq!(verdict.unwrap(), Verdict::Opens);
        }
    }
}

#[tokio::test]
async fn the_published_hashes_of_argon2_open() {
    // From `test.c` of the reference implementation; the first names no version.
    let passwords = passwords();
    for hash in [
        "$argon2i$m=65536,t=2,p=1$c29tZXNhbHQ$9sTbSlTio3Biev89thdrlKKiCaYsjjYVJxGAL3swxpQ",
        "$argon2i$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$wWKIMhR9lyDFvRz9YTZweHKfbftvj+qf+YFY4NeBbtA",
        "$argon2id$v=19$m=65536,t=2,p=1$c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc",
    ] {
        let verdict = passwords.verify("password", Some(hash)).await;
        assert_eq!(verdict.unwrap(), Verdict::OpensOutdated, "{hash}");
    }
}

#[tokio::test]
async fn malformed_hashes_open_to_nothing_and_are_no_panic() {
    let passwords = passwords();
    let salt_and_hash = "c29tZXNhbHQ$CTFhFdXPJO1aFaMaO6Mm5c8y7cJHAph8ArZWb2GRPPc";
    let mut hashes = vec![
        "".to_owned(),
        "x".to_owned(),
        "$".to_owned(),
        "$$$$$$".to_owned(),
        "$argon2".to_owned(),
        "$argon2x$v=19$m=19456,t=2,p=1$c29tZXNhbHQ".to_owned(),
        "$argon2id$v=19$m=1,t=1,p=1$a$b".to_owned(),
        format!("$argon2id$v=18$m=19456,t=2,p=1${salt_and_hash}"),
        format!("$argon2id$v=19$m=19456,t=0,p=1${salt_and_hash}"),
        format!("$argon2id$v=19$m=19456,t=2,p=0${salt_and_hash}"),
        format!("$argon2id$v=19$m=8,t=2,p=16777216${salt_and_hash}"),
        format!("$argon2id$v=19$m=19456,t=2,p=1,x=1${salt_and_hash}"),
        // Days, and all of the memory.
        format!("$argon2id$v=19$m=19456,t=4294967295,p=1${salt_and_hash}"),
        format!("$argon2id$v=19$m=4294967295,t=2,p=1${salt_and_hash}"),
        format!("$argon2id$v=19$m=134217720,t=2,p=16777215${salt_and_hash}"),
        "$argon2id$".repeat(10_000),
    ];
    let whole = format!("$argon2id$v=19$m=19456,t=2,p=1${salt_and_hash}");
    let before_the_hash = whole.rfind('$').unwrap();
    hashes.extend((0..=before_the_hash).map(|length| whole[..length].to_owned()));
    for hash in hashes {
        let verdict = passwords.verify("correct horse", Some(&hash)).await;
        let Ok(Verdict::Unreadable(problem)) = verdict else {
            panic!("{hash}: {verdict:?}");
        };
        let text = problem.to_string();
        assert!(text.starts_with("a stored password hash "), "{text}");
        assert!(!text.contains("c29tZXN"), "{text}");
    }
}

#[cfg(not(feature = "legacy-hashes"))]
#[tokio::test]
async fn r44_without_the_feature_a_legacy_hash_is_told_to_need_it() {
    for hash in [
        "s2:salt:00",
        "salt:00",
        "$2a$05$CCCCCCCCCCCCCCCCCCCCC.E5YPO9kmyuRGyh0XouQYb4YMJKvyOeW",
        "$2b$",
        "$2y$",
    ] {
        let verdict = passwords().verify("U*U", Some(hash)).await.unwrap();
        assert_eq!(verdict, Verdict::Unreadable(UnknownHash::SwitchedOff));
        let text = UnknownHash::SwitchedOff.to_string();
        assert!(text.contains("`legacy-hashes`"), "{text}");
        assert!(text.contains("Argon2"), "{text}");
    }
    let verdict = passwords().verify("U*U", Some("plain")).await.unwrap();
    assert_eq!(verdict, Verdict::Unreadable(UnknownHash::Unsupported));
    let text = UnknownHash::Unsupported.to_string();
    assert!(!text.contains("legacy"), "{text}");
    assert!(text.contains("Argon2"), "{text}");
}
