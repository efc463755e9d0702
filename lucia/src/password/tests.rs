//! The settings, and what is hashed and verified.

use std::sync::Mutex;

use argon2::Argon2;
use argon2::password_hash::PasswordHasher;
use argon2::password_hash::phc::PasswordHash;

use super::recipe::SALT_LENGTH;
use super::*;
use crate::error::chain;

fn with(options: PasswordOptions) -> Passwords {
    Passwords::new(&options).unwrap()
}

fn passwords() -> Passwords {
    with(PasswordOptions::new())
}

/// Why a new password is refused, without a place to hash it: nothing was begun.
async fn refused(passwords: &Passwords, password: &str) -> PasswordProblem {
    let permits = passwords.admitted.available_permits();
    let permits = u32::try_from(permits).unwrap();
    let _all = passwords.admitted.acquire_many(permits).await.unwrap();
    match passwords.hash(password).await {
        Err(Error::InvalidPassword(problem)) => problem,
        other => panic!("{other:?}"),
    }
}

async fn opens(passwords: &Passwords, password: &str, hash: &str) -> bool {
    let verdict = passwords.verify(password, Some(hash)).await;
    verdict.unwrap().opens()
}

#[tokio::test]
async fn r42_a_hash_is_argon2id_with_19_mib_two_iterations_and_one_lane() {
    let passwords = passwords();
    let hash = passwords.hash("correct horse").await.unwrap();
    assert!(
        hash.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"),
        "{hash}"
    );
    let verify = |password| passwords.verify(password, Some(&hash));
    assert_eq!(verify("correct horse").await.unwrap(), Verdict::Opens);
    assert_eq!(verify("correct house").await.unwrap(), Verdict::Refused);
}

#[test]
fn r42_settings_below_the_recommended_floor_are_refused() {
    for (options, named) in [
        (
            PasswordOptions::new().memory_kib(19 * 1024 - 1),
            "passwords.memory_kib",
        ),
        (PasswordOptions::new().iterations(1), "passwords.iterations"),
        (PasswordOptions::new().parallelism(0), "passwords"),
        (PasswordOptions::new().at_once(0), "passwords.at_once"),
        (
            PasswordOptions::new().waiting(usize::MAX),
            "passwords.waiting",
        ),
        (PasswordOptions::new().min_length(0), "passwords.min_length"),
        (
            PasswordOptions::new().max_length(63),
            "passwords.max_length",
        ),
        (
            PasswordOptions::new().max_length(1001),
            "passwords.max_length",
        ),
        (
            PasswordOptions::new().min_length(300),
            "passwords.min_length",
        ),
    ] {
        match Passwords::new(&options) {
            Err(Error::Setting { setting, .. }) => assert_eq!(setting, named),
            other => panic!("{named}: {other:?}"),
        }
    }
}

#[tokio::test]
async fn r39_the_least_length_can_be_chosen_and_is_8_by_default() {
    for (passwords, min) in [
        (passwords(), 8),
        (with(PasswordOptions::new().min_length(1)), 1),
        (with(PasswordOptions::new().min_length(15)), 15),
    ] {
        // Characters count, and not bytes.
        for letter in ["x", "é", "🦀"] {
            if min > 1 {
                let problem = refused(&passwords, &letter.repeat(min - 1)).await;
                assert_eq!(problem, PasswordProblem::TooShort { min });
            }
            assert!(passwords.hash(&letter.repeat(min)).await.is_ok());
        }
        assert_eq!(refused(&passwords, "").await, PasswordProblem::Empty);
    }
}

#[tokio::test]
async fn r39_the_least_length_counts_as_typed_and_as_hashed() {
    let passwords = passwords();
    // One character that becomes eighteen, and two that become one.
    for (letter, times) in [("\u{fdfa}", 1), ("\u{fdfa}", 7), ("e\u{301}", 7)] {
        let problem = refused(&passwords, &letter.repeat(times)).await;
        assert_eq!(problem, PasswordProblem::TooShort { min: 8 });
    }
    for letter in ["\u{fdfa}", "e\u{301}"] {
        assert!(passwords.hash(&letter.repeat(8)).await.is_ok());
    }
}

#[tokio::test]
async fn r39_64_characters_are_accepted_whatever_they_are() {
    let passwords = with(PasswordOptions::new().max_length(64));
    for letter in ["x", "é", "名", "🦀"] {
        let password = letter.repeat(64);
        let hash = passwords.hash(&password).await.unwrap();
        assert!(opens(&passwords, &password, &hash).await);
        let problem = refused(&passwords, &letter.repeat(65)).await;
        assert_eq!(problem, PasswordProblem::TooLong { max: 64 });
    }
}

#[tokio::test]
async fn r39_over_long_passwords_are_refused_before_they_are_hashed() {
    let passwords = passwords();
    for password in [
        "x".repeat(257),
        "x".repeat(1024),
        "x".repeat(10_000_000),
        // Each of these becomes eighteen characters.
        "\u{fdfa}".repeat(20),
    ] {
        let problem = refused(&passwords, &password).await;
        assert_eq!(problem, PasswordProblem::TooLong { max: 256 });
        // At sign-in it costs what everything costs, and opens nothing.
        let hash = passwords.hash(&"x".repeat(256)).await.unwrap();
        assert!(!opens(&passwords, &password, &hash).await);
    }
}

#[tokio::test]
async fn r39_no_password_is_cut() {
    let passwords = passwords();
    for kept in [7, 71, 72, 127, 255] {
        let (one, other) = ("x".repeat(kept) + "1", "x".repeat(kept) + "2");
        let hash = passwords.hash(&one).await.unwrap();
        for another in [&other, &"x".repeat(kept)] {
            assert!(!opens(&passwords, another, &hash).await, "{kept}");
        }
        assert!(opens(&passwords, &one, &hash).await);
    }
}

#[tokio::test]
async fn r39_every_character_counts_nul_and_spaces_included() {
    let passwords = passwords();
    for (one, other) in [
        ("password\0one", "password\0two"),
        ("password\0", "password"),
        (" password", "password"),
        ("password  ", "password "),
        ("password\u{1}\u{7f}\n", "password\u{1}\u{7f}"),
        ("🦀🦀🦀🦀🦀🦀🦀🦀", "🦀🦀🦀🦀🦀🦀🦀🐚"),
        ("Password", "password"),
        ("\u{202e}password", "password"),
    ] {
        let hash = passwords.hash(one).await.unwrap();
        assert!(opens(&passwords, one, &hash).await, "{one:?}");
        assert!(!opens(&passwords, other, &hash).await, "{other:?}");
    }
}

#[tokio::test]
async fn r40_nfkc_variants_are_the_same_password_at_creation_and_at_use() {
    let passwords = passwords();
    // Composed and decomposed, full width and plain.
    for (created, used) in [
        ("pässwörd", "pa\u{308}sswo\u{308}rd"),
        ("ｐａｓｓｗｏｒｄ", "password"),
    ] {
        for (created, used) in [(created, used), (used, created)] {
            let hash = passwords.hash(created).await.unwrap();
            assert!(opens(&passwords, used, &hash).await);
        }
    }
}

/// What the hook was asked.
type Asked = Arc<Mutex<Vec<String>>>;

/// Bans what holds `swordfish`, and cannot tell of what holds `outage`.
fn banning() -> (Passwords, Asked) {
    let asked = Asked::default();
    let log = asked.clone();
    let options = PasswordOptions::new().refuse_when(move |password| {
        log.lock().unwrap().push(password.clone());
        async move {
            tokio::task::yield_now().await;
            if password.contains("outage") {
                return Err(Error::unavailable("the list is away"));
            }
            Ok(password.contains("swordfish"))
        }
    });
    (with(options), asked)
}

#[tokio::test]
async fn r41_a_banned_password_is_refused_before_it_is_hashed() {
    let (passwords, asked) = banning();
    let problem = refused(&passwords, "swordfish 1").await;
    assert_eq!(problem, PasswordProblem::Banned);
    assert!(passwords.hash("correct horse").await.is_ok());
    assert_eq!(*asked.lock().unwrap(), ["swordfish 1", "correct horse"]);
}

#[tokio::test]
async fn r41_a_new_password_can_be_checked_without_a_hash() {
    let (passwords, _) = banning();
    assert!(passwords.check("correct horse").await.is_ok());
    for (password, problem) in [
        ("", PasswordProblem::Empty),
        ("short", PasswordProblem::TooShort { min: 8 }),
        ("swordfish 1", PasswordProblem::Banned),
    ] {
        let Err(Error::InvalidPassword(found)) = passwords.check(password).await else {
            panic!("{password:?} was accepted");
        };
        assert_eq!(found, problem);
    }
    let outage = passwords.check("an outage").await;
    assert!(matches!(outage, Err(Error::Unavailable(_))));
}

#[tokio::test]
async fn r41_the_list_gets_the_form_that_is_hashed() {
    let (passwords, asked) = banning();
    let problem = refused(&passwords, "ｓｗｏｒｄｆｉｓｈ").await;
    assert_eq!(problem, PasswordProblem::Banned);
    assert_eq!(*asked.lock().unwrap(), ["swordfish"]);
}

#[tokio::test]
async fn r41_an_error_of_the_list_is_returned_as_it_is() {
    let (passwords, _) = banning();
    let error = passwords.hash("an outage").await.unwrap_err();
    assert!(matches!(error, Error::Unavailable(_)), "{error:?}");
    assert_eq!(chain(&error), "the store is unavailable: the list is away");
}

#[tokio::test]
async fn r41_the_list_is_asked_neither_at_sign_in_nor_for_lengths_out_of_order() {
    let (passwords, asked) = banning();
    let hash = with(PasswordOptions::new()).hash("swordfish 1").await;
    assert!(opens(&passwords, "swordfish 1", &hash.unwrap()).await);
    assert!(passwords.rehash("swordfish 1").await.is_ok());
    for password in ["", "sword", &"swordfish".repeat(100)] {
        assert_ne!(refused(&passwords, password).await, PasswordProblem::Banned);
    }
    assert!(asked.lock().unwrap().is_empty());
}

#[test]
fn r41_debug_shows_of_the_list_that_it_is_there() {
    assert!(format!("{:?}", PasswordOptions::new()).contains("refuse_when: None"));
    let canary = "swordfish".to_owned();
    let options = PasswordOptions::new().refuse_when(move |password| {
        let banned = password == canary;
        async move { Ok(banned) }
    });
    let debug = format!("{options:?}");
    assert!(
        debug.contains("refuse_when: Some(RefuseWhen(..))"),
        "{debug}"
    );
    assert!(!debug.contains("swordfish"), "{debug}");
}

#[tokio::test]
async fn r43_a_password_that_is_too_short_by_now_is_hashed_again() {
    let hash = passwords().hash("12345678").await.unwrap();
    let today = with(PasswordOptions::new().min_length(15).iterations(3));
    let verdict = today.verify("12345678", Some(&hash)).await;
    assert_eq!(verdict.unwrap(), Verdict::OpensOutdated);
    let hash = today.rehash("12345678").await.unwrap();
    let verdict = today.verify("12345678", Some(&hash)).await;
    assert_eq!(verdict.unwrap(), Verdict::Opens);
}

#[tokio::test]
async fn r45_no_password_opens_what_has_no_hash() {
    let passwords = passwords();
    for password in ["", "unopenable", "correct horse", &"x".repeat(10_000)] {
        let verdict = passwords.verify(password, None).await;
        assert_eq!(verdict.unwrap(), Verdict::Refused);
    }
}

#[tokio::test]
async fn r45_an_empty_password_does_not_open_its_own_hash() {
    let hash: PasswordHash = Argon2::default()
        .hash_password_with_salt(b"", &[7; SALT_LENGTH])
        .unwrap();
    assert!(!opens(&passwords(), "", &hash.to_string()).await);
}

#[tokio::test]
async fn more_than_may_wait_are_refused_at_once() {
    let options = PasswordOptions::new().at_once(1).waiting(1);
    let passwords = Passwords::new(&options).unwrap();
    let hash = || passwords.hash("correct horse");
    let (a, b, c) = tokio::join!(hash(), hash(), hash());
    assert!(a.is_ok() && b.is_ok());
    assert!(matches!(c, Err(Error::Busy)), "{c:?}");
    assert!(passwords.hash("correct horse").await.is_ok());
}
