use std::time::{Duration, Instant};

use super::super::{PasswordOptions, Passwords, Verdict};
use super::Cost;

const TODAY: Cost = Cost {
    kind: super::Kind::Argon2,
    memory_kib: 19 * 1024,
    work_kib: 2 * 19 * 1024,
};

/// Argon2id that takes no time, and that nothing opens.
const CHEAP: &str = "$argon2id$v=19$m=8,t=1,p=1$c29tZXNhbHQ$YSBoYXNoIHRoYXQgbm9ib2R5IGhhcyBtYWRl";

fn passwords(options: &PasswordOptions) -> Passwords {
    Passwords::new(options).unwrap()
}

/// The shortest time in which each hash is refused, measured in turns.
async fn shortest<const HASHES: usize>(
    passwords: &Passwords,
    hashes: [Option<&str>; HASHES],
) -> [Duration; HASHES] {
    let mut shortest = [Duration::MAX; HASHES];
    for _ in 0..5 {
        for (shortest, hash) in shortest.iter_mut().zip(hashes) {
            let start = Instant::now();
            let verdict = passwords.verify("another password", hash).await;
            *shortest = start.elapsed().min(*shortest);
            assert!(!verdict.unwrap().opens());
        }
    }
    shortest
}

/// Half of it leaves room for a machine that is busy. Without the usual work, a hundredth is taken.
async fn assert_none_is_refused_sooner_than_nobody<const HASHES: usize>(
    passwords: &Passwords,
    hashes: [&str; HASHES],
) {
    for hash in hashes {
        let [nobody, somebody] = shortest(passwords, [None, Some(hash)]).await;
        assert!(somebody >= nobody / 2, "{somebody:?} {nobody:?} {hash}");
    }
}

#[test]
fn r38_argon2_covers_what_it_surely_takes_as_long_as() {
    for (memory_kib, iterations, covers) in [
        (19 * 1024, 2, true),
        (19 * 1024, 3, true),
        (64 * 1024, 1, true),
        (19 * 1024, 1, false),
        (16 * 1024, 2, false),
        // Memory that a cache holds is gone over faster.
        (8 * 1024, 5, false),
        (8 * 1024, 10, true),
        (8, 1, false),
    ] {
        let cost = Cost::argon2(memory_kib, iterations);
        assert_eq!(cost.covers(TODAY), covers, "{cost:?}");
    }
}

#[cfg(feature = "legacy-hashes")]
#[test]
fn r38_other_kinds_cover_what_they_surely_take_as_long_as() {
    let (s2, two_parts) = (Cost::scrypt(16), Cost::scrypt(8));
    for (cost, covers_argon2, covers_s2) in [
        (s2, true, true),
        (two_parts, false, false),
        (Cost::bcrypt(4), false, false),
        (Cost::bcrypt(9), false, false),
        (Cost::bcrypt(10), true, false),
        (Cost::bcrypt(11), true, true),
        (TODAY, true, false),
        (Cost::argon2(64 * 1024, 3), true, true),
    ] {
        assert_eq!(cost.covers(TODAY), covers_argon2, "{cost:?}");
        assert_eq!(cost.covers(s2), covers_s2, "{cost:?}");
    }
    // Settings of today that are higher.
    assert!(!s2.covers(Cost::argon2(64 * 1024, 3)));
    assert!(!Cost::bcrypt(10).covers(Cost::argon2(64 * 1024, 3)));
}

#[tokio::test]
async fn r38_a_cheaper_hash_is_refused_no_sooner_than_somebody_unknown() {
    let passwords = passwords(&PasswordOptions::new());
    let verdict = passwords.verify("another password", Some(CHEAP)).await;
    assert_eq!(verdict.unwrap(), Verdict::Refused);
    assert_none_is_refused_sooner_than_nobody(&passwords, [CHEAP]).await;
}

#[tokio::test]
async fn r38_a_hash_that_cannot_be_read_is_refused_no_sooner_than_somebody_unknown() {
    let passwords = passwords(&PasswordOptions::new());
    let too_costly = CHEAP.replace("t=1", "t=4294967295");
    let hashes = ["", "plain text", "s2:salt:00", "$2b$05$x", &too_costly];
    for hash in hashes {
        for password in ["", "correct horse", &"x".repeat(1000)] {
            let verdict = passwords.verify(password, Some(hash)).await;
            assert!(matches!(verdict, Ok(Verdict::Unreadable(_))), "{hash}");
        }
    }
    assert_none_is_refused_sooner_than_nobody(&passwords, hashes).await;
}

#[cfg(feature = "legacy-hashes")]
#[tokio::test]
async fn r38_a_cheaper_legacy_hash_is_refused_no_sooner_than_somebody_unknown() {
    use super::super::NewHashes;

    let bcrypt = "$2b$05$ES0wuLkLUwIvmy.H1zdWAertaHWKBSF/4jhYnFB8Rxfc.Y8n6zS2K";
    let today = passwords(&PasswordOptions::new());
    assert_none_is_refused_sooner_than_nobody(&today, [bcrypt]).await;
    let lucia = PasswordOptions::new().new_hashes(NewHashes::LuciaScrypt);
    let lucia = passwords(&lucia);
    let hashes = [CHEAP, bcrypt, "plain text"];
    assert_none_is_refused_sooner_than_nobody(&lucia, hashes).await;
}
