//! Passwords and keys, without a framework. Signing in is in `both/passwords.rs`.

use std::time::{Duration, Instant};

use lucia::store::KeyRow;
use lucia::{Auth, Error};

use crate::support::{PASSWORD, Stage, on_each_store, sign_up};

on_each_store![r45_a_key_without_a_password_never_passes_a_password_check,];

/// Gives a user a key that somebody else vouches for.
pub(crate) async fn key_without_password(stage: &Stage, auth: &Auth) {
    let session = sign_up(auth, "eve").await;
    let key = KeyRow {
        id: "username:passwordless".to_owned(),
        user_id: session.user_id.clone(),
        hashed_password: None,
    };
    stage.store().await.insert_key(key).await.unwrap();
}

/// Four ways to be refused.
pub(crate) fn refused() -> [(&'static str, String); 4] {
    [
        ("unknown", PASSWORD.to_owned()),
        ("passwordless", PASSWORD.to_owned()),
        ("ada", "wrong horse battery".to_owned()),
        ("ada", "x".repeat(300)),
    ]
}

/// The median time of each way to be refused, measured in turns.
async fn medians(auth: &Auth) -> [Duration; 4] {
    const ROUNDS: usize = 15;

    let mut times = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS {
        for (times, (username, password)) in times.iter_mut().zip(refused()) {
            let start = Instant::now();
            let answer = auth.use_key("username", username, Some(&password)).await;
            times.push(start.elapsed());
            assert!(
                matches!(answer, Err(Error::InvalidCredentials)),
                "{answer:?}"
            );
        }
    }
    times.map(|mut times| {
        times.sort_unstable();
        times[ROUNDS / 2]
    })
}

#[tokio::test]
async fn r38_whoever_is_refused_waits_as_long() {
    let stage = Stage::postgres().await;
    let auth = stage.auth().await;
    sign_up(&auth, "ada").await;
    key_without_password(&stage, &auth).await;
    // Other tests run on this machine: what is asked for is a quiet moment, which somebody who
    // waits a different time on purpose never has.
    let mut seen = Vec::new();
    for _ in 0..20 {
        let medians = medians(&auth).await;
        let (shortest, longest) = (medians.iter().min(), medians.iter().max());
        let (shortest, longest) = (shortest.unwrap(), longest.unwrap());
        if longest.as_secs_f64() <= shortest.as_secs_f64() * 1.05 {
            return;
        }
        seen.push(medians);
    }
    panic!("medians are more than 5 % apart: {seen:#?}");
}

async fn r45_a_key_without_a_password_never_passes_a_password_check(stage: Stage) {
    let auth = stage.auth().await;
    sign_up(&auth, "ada").await;
    key_without_password(&stage, &auth).await;
    let refused = async |username: &str, password: Option<&str>| {
        let answer = auth.use_key("username", username, password).await;
        matches!(answer, Err(Error::InvalidCredentials))
    };
    for password in ["", "null", "unopenable", PASSWORD] {
        assert!(refused("passwordless", Some(password)).await, "{password}");
    }
    assert!(!refused("passwordless", None).await);
    assert!(refused("ada", None).await);
    assert!(refused("unknown", None).await);
}
