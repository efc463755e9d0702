//! What takes the same time. Alone in its process: what runs beside it would be measured, too.

#![allow(clippy::unwrap_used)] // A test that panics has failed.

use std::time::{Duration, Instant};

use lucia::{Auth, Error, NewKey, NewUser, SqliteStore};

const PASSWORD: &str = "correct horse battery";

/// The ways to be refused: somebody unknown, no password to open the key, a wrong password, and
/// one that is longer than any can be.
fn refused() -> [(&'static str, String); 4] {
    [
        ("unknown", PASSWORD.to_owned()),
        ("passwordless", PASSWORD.to_owned()),
        ("ada", "correct horse battle".to_owned()),
        ("ada", "x".repeat(5000)),
    ]
}

/// The median time of each way to be refused, measured in turns.
async fn medians(auth: &Auth) -> [Duration; 4] {
    const ROUNDS: usize = 15;

    let mut times = [const { Vec::new() }; 4];
    for _ in 0..ROUNDS {
        for (times, (username, password)) in times.iter_mut().zip(refused()) {
            let start = Instant::now();
            let answer = auth
                .verify_password(("username", username), &password)
                .await;
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
    let store = SqliteStore::in_memory().await.unwrap();
    store.migrate(&[]).await.unwrap();
    let auth = Auth::builder(store).build().unwrap();
    let ada = NewUser::with_password(("username", "ada"), PASSWORD);
    let ada = auth.create_user(ada).await.unwrap();
    let key = NewKey::without_password(("username", "passwordless"));
    auth.create_key(&ada.id, key).await.unwrap();
    // The machine may have other things to do: what is asked for is a quiet moment, which
    // somebody who waits a different time on purpose never has.
    let mut seen = Vec::new();
    for _ in 0..40 {
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
