//! Attempts at one key by spellings that only the database takes for one.

use std::net::IpAddr;
use std::time::Duration;

use lucia::{Auth, Error, VerifiedKey};

use super::support::{PASSWORD, Stage, sign_up};

const MINUTE: Duration = Duration::from_secs(60);

/// Spellings of one name in Danish.
const SPELLINGS: [&str; 4] = ["\u{e5}se", "aase", "\u{c5}SE", "AaSE"];

/// A database whose keys are compared as the Danish do, with a user of the first spelling.
async fn danish() -> (Stage, Auth) {
    let stage = Stage::postgres().await;
    let auth = stage.builder().await.sign_in_limit(5, 15 * MINUTE);
    let auth = auth.build().unwrap();
    stage
        .execute(
            "CREATE COLLATION danish \
             (provider = icu, locale = 'da-u-ks-level1', deterministic = false)",
        )
        .await;
    stage
        .execute("ALTER TABLE user_key ALTER COLUMN id TYPE TEXT COLLATE danish")
        .await;
    sign_up(&auth, SPELLINGS[0]).await;
    (stage, auth)
}

async fn attempt(auth: &Auth, name: &str, password: &str) -> lucia::Result<VerifiedKey> {
    let address: IpAddr = "192.0.2.1".parse().unwrap();
    auth.verify_password(("username", name), password)
        .address(address)
        .await
}

fn is_wrong(answer: &lucia::Result<VerifiedKey>) -> bool {
    matches!(answer, Err(Error::InvalidCredentials))
}

#[tokio::test]
async fn r34_spellings_of_a_language_buy_no_guesses() {
    let (_stage, auth) = danish().await;
    for spelling in SPELLINGS {
        let opened = attempt(&auth, spelling, PASSWORD).await;
        assert!(opened.is_ok(), "{spelling}: {opened:?}");
    }
    // Five guesses, by two spellings.
    for name in ["aase", "\u{e5}se", "aase", "\u{e5}se", "aase"] {
        assert!(is_wrong(&attempt(&auth, name, "a wrong password").await));
    }
    for spelling in SPELLINGS {
        let guessed = attempt(&auth, spelling, PASSWORD).await;
        assert!(guessed.is_err(), "{spelling} opened");
    }
}

#[tokio::test]
async fn r38_a_count_that_other_spellings_have_filled_does_not_tell_that_there_is_a_key() {
    let (stage, auth) = danish().await;
    let calls = async |name: &str| {
        stage.probe.calls();
        let answer = attempt(&auth, name, PASSWORD).await;
        assert!(is_wrong(&answer), "{name}: {answer:?}");
        stage.probe.calls()
    };
    for _ in 0..5 {
        assert!(is_wrong(&attempt(&auth, "aase", "a wrong password").await));
    }
    let unknown = calls("nobody").await;
    assert_eq!(calls("\u{e5}se").await, unknown);
    assert_eq!(calls("\u{f8}se").await, unknown);
}

#[tokio::test]
async fn r34_a_success_takes_its_own_attempt_back_by_whatever_spelling() {
    let (stage, auth) = danish().await;
    for _ in 0..10 {
        for spelling in SPELLINGS {
            assert!(attempt(&auth, spelling, PASSWORD).await.is_ok());
        }
    }
    assert_eq!(stage.count("sign_in_attempt").await, 0);
}
