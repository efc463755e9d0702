//! Counting attempts to sign in, without a framework. What clients see of it is in
//! `both/throttling.rs`.

mod codes;
mod several;
mod spellings;
mod table;

use std::net::{IpAddr, Ipv4Addr};
use std::time::Duration;

use lucia::{Auth, Error, NewKey, NewUser, Password};

use crate::support::{PASSWORD, Stage, on_each_store, sign_up};

on_each_store![
    an_attempt_that_does_not_say_where_it_comes_from_is_not_counted,
    r34_without_an_address_all_clients_share_a_count_that_is_ten_times_as_high,
    without_a_limit_nothing_is_counted,
    a_key_that_is_used_without_a_password_is_not_counted,
    an_attempt_that_nobody_waits_for_stays_counted,
    nobody_is_let_in_while_attempts_cannot_be_counted,
    a_success_that_cannot_be_written_down_is_one_all_the_same,
    a_first_sign_in_by_a_provider_logs_no_refusal,
    r24_proofs_are_counted_together_with_sign_ins,
    r34_names_and_passwords_of_megabytes_are_refused_as_unknown_ones_are,
];

const HERE: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
const WRONG: &str = "wrong horse battery";
const MINUTE: Duration = Duration::from_secs(60);

async fn sign_in(auth: &Auth, username: &str, password: &str) -> lucia::Result<()> {
    let key = auth.verify_password(("username", username), password);
    key.limit_by(HERE).await.map(drop)
}

/// So many attempts with a wrong password, each of which is looked at.
async fn fail(auth: &Auth, username: &str, count: usize) {
    for _ in 0..count {
        let refused = sign_in(auth, username, WRONG).await;
        assert!(
            matches!(refused, Err(Error::InvalidCredentials)),
            "{refused:?}"
        );
    }
}

#[track_caller]
fn assert_too_many<T: std::fmt::Debug>(refused: lucia::Result<T>) {
    assert!(
        matches!(refused, Err(Error::TooManyAttempts { .. })),
        "{refused:?}"
    );
}

async fn counted(stage: &Stage) -> Option<String> {
    stage.value("SELECT attempts FROM sign_in_attempt").await
}

async fn an_attempt_that_does_not_say_where_it_comes_from_is_not_counted(stage: Stage) {
    let auth = stage.auth().await;
    sign_up(&auth, "ada").await;
    for _ in 0..11 {
        let refused = auth.verify_password(("username", "ada"), WRONG).await;
        assert!(
            matches!(refused, Err(Error::InvalidCredentials)),
            "{refused:?}"
        );
    }
    assert_eq!(stage.count("sign_in_attempt").await, 0);
}

async fn r34_without_an_address_all_clients_share_a_count_that_is_ten_times_as_high(stage: Stage) {
    let auth = stage.builder().await.sign_in_limit(1, MINUTE);
    let auth = auth.build().unwrap();
    sign_up(&auth, "ada").await;
    sign_up(&auth, "bob").await;
    let by_request = async |password| {
        // It does not say who its peer is.
        let request = axum::http::Request::post("/login").body(()).unwrap();
        let request = auth.handle_request(&request);
        let proof = Password::new(("username", "ada"), password);
        request.sign_in(proof).await.map(drop)
    };
    let by_hand = async |username, password| {
        let key = auth.verify_password(("username", username), password);
        key.limit_by(None).await.map(drop)
    };
    for attempt in 0..10 {
        let refused = match attempt % 2 {
            0 => by_request(WRONG).await,
            _ => by_hand("ada", WRONG).await,
        };
        assert!(
            matches!(refused, Err(Error::InvalidCredentials)),
            "{refused:?}"
        );
    }
    assert_too_many(by_request(PASSWORD).await);
    assert_too_many(by_hand("ada", PASSWORD).await);
    by_hand("bob", PASSWORD).await.unwrap();
    sign_in(&auth, "ada", PASSWORD).await.unwrap();
    stage.clock.advance(MINUTE + Duration::from_millis(1));
    by_request(PASSWORD).await.unwrap();
}

async fn without_a_limit_nothing_is_counted(stage: Stage) {
    let auth = stage.builder().await.without_sign_in_limit();
    let auth = auth.build().unwrap();
    sign_up(&auth, "ada").await;
    fail(&auth, "ada", 11).await;
    assert_eq!(stage.count("sign_in_attempt").await, 0);
}

async fn a_key_that_is_used_without_a_password_is_not_counted(stage: Stage) {
    let auth = stage.builder().await.sign_in_limit(1, MINUTE);
    let auth = auth.build().unwrap();
    let session = sign_up(&auth, "ada").await;
    let trusted = async |id| auth.trusted_key(("github", id)).await;
    for _ in 0..2 {
        let unknown = trusted("1815").await;
        assert!(
            matches!(unknown, Err(Error::InvalidCredentials)),
            "{unknown:?}"
        );
    }
    let key = NewKey::without_password(("github", "1815"));
    auth.create_key(&session.user_id, key).await.unwrap();
    assert_eq!(trusted("1815").await.unwrap().user_id, session.user_id);
    assert_eq!(stage.count("sign_in_attempt").await, 0);
}

async fn an_attempt_that_nobody_waits_for_stays_counted(stage: Stage) {
    let auth = stage.auth().await;
    sign_up(&auth, "ada").await;
    stage.probe.halt("uncount_attempt");
    let abandoned = tokio::spawn(async move { sign_in(&auth, "ada", PASSWORD).await });
    stage.probe.arrived("uncount_attempt").await;
    abandoned.abort();
    assert!(abandoned.await.unwrap_err().is_cancelled());
    assert_eq!(counted(&stage).await.as_deref(), Some("1"));
}

async fn nobody_is_let_in_while_attempts_cannot_be_counted(stage: Stage) {
    let auth = stage.auth().await;
    sign_up(&auth, "ada").await;
    stage.probe.halt("count_attempt");
    let attempt = {
        let auth = auth.clone();
        tokio::spawn(async move { sign_in(&auth, "ada", PASSWORD).await })
    };
    stage.probe.arrived("count_attempt").await;
    stage.probe.set_down(true);
    stage.probe.release("count_attempt");
    let refused = attempt.await.unwrap();
    assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    stage.probe.set_down(false);
    sign_in(&auth, "ada", PASSWORD).await.unwrap();
}

async fn a_success_that_cannot_be_written_down_is_one_all_the_same(stage: Stage) {
    let auth = stage.auth().await;
    sign_up(&auth, "ada").await;
    stage.probe.halt("uncount_attempt");
    let attempt = tokio::spawn(async move { sign_in(&auth, "ada", PASSWORD).await });
    stage.probe.arrived("uncount_attempt").await;
    stage.probe.set_down(true);
    stage.probe.release("uncount_attempt");
    attempt.await.unwrap().unwrap();
    assert_eq!(counted(&stage).await.as_deref(), Some("1"));
}

async fn a_first_sign_in_by_a_provider_logs_no_refusal(stage: Stage) {
    // What the other tests of this process log has other names in it.
    let provider = match stage.is_postgres() {
        true => "first-sign-in-postgres",
        false => "first-sign-in-sqlite",
    };
    let logs = lucia_tests::watch([provider]);
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    let told = async |user, password| {
        let before = logs.lines().len();
        let used = match password {
            Some(password) => {
                let check = auth.verify_password((provider, user), password);
                check.limit_by(HERE).await
            }
            None => auth.trusted_key((provider, user)).await,
        };
        assert!(
            matches!(used, Err(Error::InvalidCredentials)),
            "{user}: {used:?}"
        );
        let mut lines = logs.lines().split_off(before);
        lines.retain(|line| line.contains(" lucia"));
        lines
    };
    // Nobody has this key, and no name that long can be one.
    let long = "1".repeat(300);
    for unknown in ["1815", &long] {
        let lines = told(unknown, None).await;
        assert!(
            matches!(&lines[..], [line] if line.starts_with("DEBUG") && line.contains("no such key")),
            "{lines:?}"
        );
    }
    // Guesses are refused, whether there is such a key, and so is a key without its password.
    let key = NewKey::with_password((provider, "1815"), PASSWORD);
    auth.create_key(&session.user_id, key).await.unwrap();
    for (user, password) in [("1815", Some(WRONG)), ("1816", Some(WRONG)), ("1815", None)] {
        let lines = told(user, password).await;
        assert!(
            matches!(&lines[..], [line] if line.starts_with("INFO") && line.contains("sign-in failed")),
            "{lines:?}"
        );
    }
}

async fn r24_proofs_are_counted_together_with_sign_ins(stage: Stage) {
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    let prove = async |password| {
        let key = auth.verify_password(("username", "ada"), password);
        let key = key.limit_by(HERE).await?;
        auth.reauthenticate(&session, &key).await
    };
    fail(&auth, "ada", 5).await;
    for _ in 0..5 {
        let refused = prove(WRONG).await;
        assert!(
            matches!(refused, Err(Error::InvalidCredentials)),
            "{refused:?}"
        );
    }
    assert_too_many(prove(PASSWORD).await);
    assert_too_many(sign_in(&auth, "ada", PASSWORD).await);
    stage.clock.advance(15 * MINUTE);
    prove(PASSWORD).await.unwrap();
    assert_eq!(stage.count("sign_in_attempt").await, 0);
}

async fn r34_names_and_passwords_of_megabytes_are_refused_as_unknown_ones_are(stage: Stage) {
    let auth = stage.auth().await;
    // Of one byte, of many, and one that becomes eighteen.
    for part in ["x", "\u{1f600}", "\u{fdfa}"] {
        let long = part.repeat((2 << 20) / part.len());
        stage.probe.calls();
        for number in 0..10 {
            // Another end makes no other name of it.
            let name = format!("{long}{number}");
            fail(&auth, &name, 1).await;
        }
        assert_eq!(stage.probe.calls(), ["count_attempt"; 10], "{part:?}");
        assert_too_many(sign_in(&auth, &long, PASSWORD).await);
        let used = auth
            .verify_password((&long, "ada"), WRONG)
            .limit_by(HERE)
            .await;
        assert!(matches!(used, Err(Error::InvalidCredentials)), "{used:?}");
        // All others that take the name of a key.
        assert!(auth.key(("username", &long)).await.unwrap().is_none());
        auth.delete_key(("username", &long)).await.unwrap();
        let reset = auth.reset_password(("username", &long), PASSWORD).await;
        assert!(matches!(reset, Err(Error::UnknownKey)), "{reset:?}");
        stage.probe.calls();
        let new_user = NewUser::with_password(("username", &long), PASSWORD);
        let created = auth.create_user(new_user).await;
        assert!(
            matches!(created, Err(Error::InvalidKey { .. })),
            "{created:?}"
        );
        let key = NewUser::with_password(("username", "ada"), &long);
        let created = auth.create_user(key).await;
        assert!(
            matches!(created, Err(Error::InvalidPassword(_))),
            "{created:?}"
        );
        assert_eq!(stage.probe.calls(), [""; 0], "{part:?}");
        stage.execute("DELETE FROM sign_in_attempt").await;
    }
}
