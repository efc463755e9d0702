//! New hashes for a Node application.

use super::super::legacy::tests::LUCIA;
use super::super::{NewHashes, PasswordOptions, Passwords, Verdict};
use super::*;

/// Made here of "correct horse battery". `useKey` of `lucia` 2.7.7 opens it by that password, and
/// by "correct horse batterz" it does not.
const OPENED_BY_LUCIA: &str = "s2:g8w3qjdlyse1d2n8:31f1dc581878125db496d3680c4c09a1e7486d18083610091ac775b2d5cda7071e203c6601b2627e8fb99cb1e97d805dfdaf51fa72f8109a8ec1f71b840789de";

fn lucia() -> PasswordOptions {
    PasswordOptions::new().new_hashes(NewHashes::LuciaScrypt)
}

fn passwords(options: PasswordOptions) -> Passwords {
    Passwords::new(&options).unwrap()
}

async fn verify(passwords: &Passwords, password: &str, hash: &str) -> Verdict {
    passwords.verify(password, Some(hash)).await.unwrap()
}

fn is_lower_case(text: &str) -> bool {
    text.bytes()
        .all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit())
}

#[tokio::test]
async fn r44_new_hashes_can_be_those_of_lucia() {
    let passwords = passwords(lucia());
    let hash = passwords.hash("correct horse battery").await.unwrap();
    let parts: Vec<_> = hash.split(':').collect();
    let ["s2", salt, hex] = parts[..] else {
        panic!("{hash}");
    };
    assert_eq!((salt.len(), hex.len()), (16, 128));
    assert!(is_lower_case(salt) && is_lower_case(hex), "{hash}");
    for (password, expected) in [
        ("correct horse battery", Verdict::Opens),
        ("correct horse batterz", Verdict::Refused),
    ] {
        assert_eq!(verify(&passwords, password, &hash).await, expected);
    }
    let another = passwords.hash("correct horse battery").await.unwrap();
    assert_ne!(another, hash);
}

#[test]
fn r44_a_hash_is_the_text_that_lucia_makes_with_this_salt() {
    let ours = ("correct horse battery", OPENED_BY_LUCIA);
    for (password, expected) in LUCIA.into_iter().chain([ours]) {
        let salt = expected.split(':').nth(1).unwrap();
        let normal = Password::new(password).normal;
        let key = lucia_scrypt(normal.as_bytes(), salt).unwrap();
        assert_eq!(write_lucia_scrypt(salt, &key), expected);
    }
}

#[tokio::test]
async fn r43_no_hash_is_outdated_where_new_ones_are_those_of_lucia() {
    let argon2 = passwords(PasswordOptions::new());
    let stored = argon2.hash("correct horse battery").await.unwrap();
    let higher = passwords(lucia().iterations(3).memory_kib(32 * 1024));
    for hash in [&*stored, OPENED_BY_LUCIA] {
        let verdict = verify(&higher, "correct horse battery", hash).await;
        assert_eq!(verdict, Verdict::Opens, "{hash}");
    }
    // And afterwards they are.
    let afterwards = passwords(PasswordOptions::new().upgrade_legacy_hashes(true));
    let verdict = verify(&afterwards, "correct horse battery", OPENED_BY_LUCIA).await;
    assert_eq!(verdict, Verdict::OpensOutdated);
}

#[test]
fn r43_what_would_replace_the_new_hashes_is_refused() {
    let options = lucia().upgrade_legacy_hashes(true);
    match Passwords::new(&options) {
        Err(Error::Setting { setting, .. }) => {
            assert_eq!(setting, "passwords.upgrade_legacy_hashes");
        }
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn r38_the_work_for_somebody_unknown_is_that_of_new_hashes() {
    for options in [lucia(), PasswordOptions::new()] {
        let passwords = passwords(options);
        let hash = passwords.hash("correct horse battery").await.unwrap();
        let hash = super::super::StoredHash::read(&hash, &passwords.options).unwrap();
        assert_eq!(passwords.unopenable.cost(), hash.cost());
    }
}
