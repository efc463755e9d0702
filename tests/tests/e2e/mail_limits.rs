//! Links and codes that are asked for are counted, and tell nobody who has an account.

use std::net::IpAddr;
use std::time::Duration;

use lucia::{Auth, Error, Result};

use crate::support::{PASSWORD, Stage, on_each_store, request_from, sign_up};

on_each_store![
    r59_known_and_unknown_users_are_answered_in_the_same_steps,
    r59_a_client_asks_for_five_of_a_purpose_and_a_key_and_all_clients_for_twenty,
    r59_a_client_asks_for_a_hundred_links_and_codes_an_hour,
    r59_without_an_address_twenty_are_created_for_all_spellings_of_a_key,
    r59_fifty_at_once_in_two_processes_are_counted_as_fifty,
    r59_what_is_asked_for_uses_up_no_sign_ins,
    r59_a_full_count_neither_ends_nor_replaces_a_code,
    without_a_sign_in_limit_nothing_is_counted,
    a_store_without_tokens_is_told_before_anything_is_counted,
];

const HOUR: Duration = Duration::from_secs(60 * 60);

fn from(number: u8) -> IpAddr {
    IpAddr::from([192, 0, 2, number])
}

#[derive(Clone, Copy, Debug)]
enum Asked {
    Reset,
    Link,
    Code,
}

const ALL: [Asked; 3] = [Asked::Reset, Asked::Link, Asked::Code];

impl Asked {
    /// Whether there is something to send.
    async fn create(self, auth: &Auth, name: &str, from: Option<IpAddr>) -> Result<bool> {
        let key = ("username", name);
        let request = request_from(auth, from);
        Ok(match self {
            Self::Reset => request.create_password_reset(key).await?.is_some(),
            Self::Link => request.create_sign_in_link(key).await?.is_some(),
            Self::Code => request.create_sign_in_code(key).await?.is_some(),
        })
    }
}

/// Four clients ask as often as each can.
async fn use_up(asked: Asked, auth: &Auth, name: &str) {
    for client in 200..204 {
        for _ in 0..5 {
            let created = asked.create(auth, name, Some(from(client))).await;
            created.unwrap();
        }
    }
}

#[track_caller]
fn assert_too_many<T: std::fmt::Debug>(refused: &Result<T>) {
    match refused {
        Err(Error::TooManyAttempts { retry_after }) => assert!(*retry_after <= HOUR),
        other => panic!("{other:?}"),
    }
}

async fn r59_known_and_unknown_users_are_answered_in_the_same_steps(stage: Stage) {
    let auth = stage.auth().await;
    sign_up(&auth, "ada").await;
    for asked in ALL {
        for from in [Some(from(1)), None] {
            for (name, is_sent) in [("ada", true), ("nobody", false), ("\0", false), ("", false)] {
                let before = stage.count("one_time_token").await;
                stage.probe.calls();
                let sent = asked.create(&auth, name, from).await;
                assert_eq!(sent.unwrap(), is_sent, "{asked:?} {name:?}");
                assert_eq!(stage.probe.calls(), ["count_attempt", "insert_token"]);
                let after = stage.count("one_time_token").await;
                // A code takes the place of the former one.
                assert!(after == before + 1 || matches!(asked, Asked::Code) && after == before);
            }
        }
    }
    // As many as are allowed have been created.
    for asked in ALL {
        use_up(asked, &auth, "ada").await;
        for name in ["ada", "nobody"] {
            stage.probe.calls();
            let sent = asked.create(&auth, name, Some(from(2))).await;
            assert!(!sent.unwrap(), "{asked:?} {name}");
            assert_eq!(stage.probe.calls(), ["count_attempt", "insert_token"]);
        }
    }
}

async fn r59_a_client_asks_for_five_of_a_purpose_and_a_key_and_all_clients_for_twenty(
    stage: Stage,
) {
    let auth = stage.auth().await;
    sign_up(&auth, "ada").await;
    sign_up(&auth, "bob").await;
    for round in 0..2 {
        for (name, spelling) in [("ada", "ADA"), ("nobody", "No-Body")] {
            let is_known = name == "ada";
            for (number, asked) in (0..).zip(ALL) {
                // The full place of one purpose closes no other, and that of one client no other client. Each
                // client asks for one purpose, or the hundred for all keys would be reached.
                for client in 0..4 {
                    let client = Some(from(number * 10 + client));
                    for _ in 0..5 {
                        let sent = asked.create(&auth, name, client).await;
                        assert_eq!(sent.unwrap(), is_known, "{round} {asked:?} {client:?}");
                    }
                    for name in [name, spelling] {
                        assert_too_many(&asked.create(&auth, name, client).await);
                    }
                }
                // Nothing is left for the others, who are not told so.
                let other = Some(from(number * 10 + 4));
                let sent = asked.create(&auth, name, other).await;
                assert!(!sent.unwrap(), "{round} {asked:?} {name}");
            }
        }
        let sent = Asked::Link.create(&auth, "bob", Some(from(1))).await;
        assert!(sent.unwrap());
        stage.clock.advance(HOUR);
    }
}

async fn r59_a_client_asks_for_a_hundred_links_and_codes_an_hour(stage: Stage) {
    let auth = stage.auth().await;
    let ada = sign_up(&auth, "ada").await;
    for number in 0..100 {
        // Most of them for users who do not exist.
        let name = format!("user {number}");
        let sent = ALL[number % 2].create(&auth, &name, Some(from(1))).await;
        assert!(!sent.unwrap(), "{number}");
    }
    for name in ["ada", "nobody", "user 1"] {
        for asked in ALL {
            stage.probe.calls();
            assert_too_many(&asked.create(&auth, name, Some(from(1))).await);
            assert_eq!(stage.probe.calls(), ["count_attempt"]);
        }
    }
    let request = request_from(&auth, from(1));
    request.set_session(Some(&ada));
    assert_too_many(&request.create_email_verification(("username", "ada")).await);
    assert!(
        Asked::Link
            .create(&auth, "ada", Some(from(2)))
            .await
            .unwrap()
    );
    stage.clock.advance(HOUR);
    assert!(
        Asked::Link
            .create(&auth, "ada", Some(from(1)))
            .await
            .unwrap()
    );
}

async fn r59_without_an_address_twenty_are_created_for_all_spellings_of_a_key(stage: Stage) {
    let auth = stage.auth().await;
    sign_up(&auth, "ada").await;
    for (name, spelling) in [("ada", "ADA"), ("nobody", "No-Body")] {
        for number in 0..20 {
            let name = if number % 3 == 2 { spelling } else { name };
            let sent = Asked::Link.create(&auth, name, None).await;
            assert_eq!(sent.unwrap(), name == "ada", "{name}");
        }
        for name in [name, spelling] {
            assert_too_many(&Asked::Link.create(&auth, name, None).await);
        }
        let sent = Asked::Reset.create(&auth, name, None).await;
        assert_eq!(sent.unwrap(), name == "ada", "{name}");
    }
}

async fn r59_fifty_at_once_in_two_processes_are_counted_as_fifty(stage: Stage) {
    let processes = [stage.auth().await, stage.auth().await];
    sign_up(&processes[0], "ada").await;
    let asked = (0_u8..50).map(|number| {
        let auth = processes[usize::from(number) % 2].clone();
        tokio::spawn(async move { Asked::Link.create(&auth, "ada", Some(from(number))).await })
    });
    let sent = futures_util::future::join_all(asked).await;
    let sent = sent
        .into_iter()
        .filter(|sent| *sent.as_ref().unwrap().as_ref().unwrap());
    assert_eq!(sent.count(), 20);
}

async fn r59_what_is_asked_for_uses_up_no_sign_ins(stage: Stage) {
    let auth = stage.auth().await;
    sign_up(&auth, "ada").await;
    let sign_in = async |password: &str| {
        let key = auth.verify_password(("username", "ada"), password);
        key.limit_by(from(1)).await
    };
    for _ in 0..5 {
        Asked::Link
            .create(&auth, "ada", Some(from(1)))
            .await
            .unwrap();
    }
    for _ in 0..9 {
        let refused = sign_in("wrong horse battery").await;
        assert!(
            matches!(refused, Err(Error::InvalidCredentials)),
            "{refused:?}"
        );
    }
    sign_in(PASSWORD).await.unwrap();
    // And the other way round.
    sign_in("wrong horse battery").await.unwrap_err();
    assert_too_many(&sign_in(PASSWORD).await);
    sign_up(&auth, "bob").await;
    assert!(
        Asked::Code
            .create(&auth, "bob", Some(from(1)))
            .await
            .unwrap()
    );
}

async fn r59_a_full_count_neither_ends_nor_replaces_a_code(stage: Stage) {
    let auth = stage.auth().await;
    sign_up(&auth, "ada").await;
    // All of one browser.
    let request = request_from(&auth, from(1));
    let create = || request.create_sign_in_code(("username", "ada"));
    let code = create().await.unwrap().unwrap().code;
    use_up(Asked::Code, &auth, "ada").await;
    let codes = "SELECT hashed_code FROM one_time_token WHERE user_id IS NOT NULL ORDER BY id";
    let before = stage.rows(codes).await;
    assert_eq!(before.len(), 20);
    for _ in 0..4 {
        assert!(create().await.unwrap().is_none());
    }
    assert_too_many(&create().await);
    assert_eq!(stage.rows(codes).await, before);
    assert_eq!(code.expose().len(), 8);
}

async fn without_a_sign_in_limit_nothing_is_counted(stage: Stage) {
    let auth = stage.builder().await.without_sign_in_limit();
    let auth = auth.build().unwrap();
    sign_up(&auth, "ada").await;
    for _ in 0..25 {
        assert!(
            Asked::Link
                .create(&auth, "ada", Some(from(1)))
                .await
                .unwrap()
        );
    }
    assert_eq!(stage.count("sign_in_attempt").await, 0);
}

async fn a_store_without_tokens_is_told_before_anything_is_counted(stage: Stage) {
    let auth = stage.auth().await;
    stage.probe.have_no_tokens();
    for asked in ALL {
        let refused = asked.create(&auth, "ada", Some(from(1))).await;
        assert!(matches!(refused, Err(Error::Misuse(_))), "{refused:?}");
    }
    assert_eq!(stage.count("sign_in_attempt").await, 0);
}
