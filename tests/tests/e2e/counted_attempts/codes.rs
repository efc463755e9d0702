//! Guessing codes of many keys.

use std::net::IpAddr;
use std::time::Duration;

use futures_util::future::join_all;
use lucia::{Auth, Error, Password, PasswordOptions, Result, Session, SignInCode};

use crate::support::{PASSWORD, Stage, on_each_store, request_from, sign_up};

on_each_store![
    r61_a_client_tries_a_hundred_wrong_codes_an_hour_of_whatever_keys,
    r61_wrong_codes_of_a_client_at_once_in_two_processes_are_all_counted,
    r61_other_sign_ins_are_not_counted_as_codes_of_the_client,
];

const HOUR: Duration = Duration::from_secs(60 * 60);
const LIMIT: usize = 100;

fn from(number: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, number])
}

/// A sign-in by a code that is wrong, by this address.
async fn guess(auth: &Auth, name: &str, from: IpAddr) -> Result<Session> {
    let request = request_from(auth, from);
    let code = SignInCode::new(("username", name), "00000000");
    request.sign_in(code).await
}

#[track_caller]
fn assert_wrong(guessed: &Result<Session>) {
    assert!(
        matches!(guessed, Err(Error::InvalidOneTimeToken)),
        "{guessed:?}"
    );
}

async fn r61_a_client_tries_a_hundred_wrong_codes_an_hour_of_whatever_keys(stage: Stage) {
    let auth = stage.auth().await;
    sign_up(&auth, "ada").await;
    for round in 0..2 {
        for number in 0..LIMIT {
            let name = format!("user {number}");
            assert_wrong(&guess(&auth, &name, from(1)).await);
        }
        for name in ["ada", "nobody", "user 1"] {
            stage.probe.calls();
            match guess(&auth, name, from(1)).await {
                Err(Error::TooManyAttempts { retry_after }) => assert!(retry_after <= HOUR),
                guessed => panic!("{round} {name}: {guessed:?}"),
            }
            // It was not looked at, and what was counted for the key is taken back.
            let calls = stage.probe.calls();
            assert!(!calls.contains(&"try_code"), "{calls:?}");
        }
        assert_wrong(&guess(&auth, "ada", from(2)).await);
        stage.clock.advance(HOUR);
    }
}

async fn r61_wrong_codes_of_a_client_at_once_in_two_processes_are_all_counted(stage: Stage) {
    let mut processes = Vec::new();
    for _ in 0..2 {
        let passwords = PasswordOptions::new().waiting(200);
        let builder = stage.builder().await.passwords(passwords);
        processes.push(builder.build().unwrap());
    }
    let guesses = (0..LIMIT + 20).map(|number| {
        let auth = processes[number % 2].clone();
        tokio::spawn(async move { guess(&auth, &format!("user {number}"), from(1)).await })
    });
    let guesses = join_all(guesses).await;
    let is_too_many = |guess: &Result<Session>| matches!(guess, Err(Error::TooManyAttempts { .. }));
    let refused = guesses
        .iter()
        .filter(|guess| is_too_many(guess.as_ref().unwrap()));
    assert_eq!(refused.count(), 20);
}

async fn r61_other_sign_ins_are_not_counted_as_codes_of_the_client(stage: Stage) {
    let auth = stage.auth().await;
    sign_up(&auth, "ada").await;
    for number in 0..LIMIT {
        let name = format!("user {number}");
        assert_wrong(&guess(&auth, &name, from(1)).await);
    }
    // The client is refused codes, and nothing else.
    let request = request_from(&auth, from(1));
    let key = ("username", "ada");
    request.sign_in(Password::new(key, PASSWORD)).await.unwrap();
    let created = request.create_sign_in_link(key).await.unwrap();
    let token = created.unwrap().token;
    let link = lucia::SignInLink::new(token.expose());
    request.sign_in(link).await.unwrap();
}
