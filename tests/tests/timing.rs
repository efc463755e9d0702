//! What takes the same time. Alone in its process: what runs beside it would be measured, too.

#![allow(clippy::unwrap_used)] // A test that panics has failed.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant, SystemTime};

use lucia::{Auth, Error, NewKey, NewUser, SqliteStore};
use tokio::sync::Mutex;

const PASSWORD: &str = "correct horse battery";

/// One test after the other.
static ALONE: Mutex<()> = Mutex::const_new(());

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

/// The median time of each of `N` calls, measured in turns.
async fn medians<const N: usize>(rounds: usize, call: &impl AsyncFn(usize)) -> [Duration; N] {
    let mut times = [const { Vec::new() }; N];
    for _ in 0..rounds {
        for (number, times) in times.iter_mut().enumerate() {
            let start = Instant::now();
            call(number).await;
            times.push(start.elapsed());
        }
    }
    times.map(|mut times| {
        times.sort_unstable();
        times[rounds / 2]
    })
}

/// The medians of `N` calls are not further apart than the `tolerance`, a factor.
async fn assert_as_long<const N: usize>(tolerance: f64, rounds: usize, call: impl AsyncFn(usize)) {
    // The machine may have other things to do: what is asked for is a quiet moment, which
    // somebody who waits a different time on purpose never has.
    let mut seen = Vec::new();
    for _ in 0..40 {
        let medians: [_; N] = medians(rounds, &call).await;
        let (shortest, longest) = (medians.iter().min(), medians.iter().max());
        let (shortest, longest) = (shortest.unwrap(), longest.unwrap());
        if longest.as_secs_f64() <= shortest.as_secs_f64() * tolerance {
            return;
        }
        seen.push(medians);
    }
    panic!("medians are further apart than by {tolerance}: {seen:#?}");
}

/// With Ada, who has a key with a password and one without. Ten minutes pass from one look at the clock to
/// the next, so that no count is ever full.
async fn auth() -> Auth {
    let store = SqliteStore::in_memory().await.unwrap();
    store.migrate(&[]).await.unwrap();
    let (begun, looks) = (SystemTime::now(), AtomicU64::new(0));
    let clock = move || begun + Duration::from_secs(600 * looks.fetch_add(1, Ordering::Relaxed));
    let auth = Auth::builder(store).clock(clock).build().unwrap();
    let ada = NewUser::with_password(("username", "ada"), PASSWORD);
    let ada = auth.create_user(ada).await.unwrap();
    let key = NewKey::without_password(("username", "passwordless"));
    auth.create_key(&ada.id, key).await.unwrap();
    auth
}

#[tokio::test]
async fn r38_whoever_is_refused_waits_as_long() {
    let _alone = ALONE.lock().await;
    let auth = auth().await;
    let refused = refused();
    assert_as_long::<4>(1.05, 15, async |number| {
        let (username, password) = &refused[number];
        let answer = auth.verify_password(("username", username), password).await;
        assert!(
            matches!(answer, Err(Error::InvalidCredentials)),
            "{answer:?}"
        );
    })
    .await;
}

#[tokio::test]
async fn r59_known_and_unknown_users_wait_as_long() {
    const NAMES: [&str; 3] = ["ada", "passwordless", "unknown"];

    let _alone = ALONE.lock().await;
    let auth = auth().await;
    let mut request = axum::http::Request::new(());
    let from = lucia::http::PeerAddress([192, 0, 2, 1].into());
    request.extensions_mut().insert(from);
    let request = auth.handle_request(&request);
    // No hash, and so a fraction of a millisecond, of which a reference to a user that has to be checked is
    // a part.
    assert_as_long::<3>(1.2, 301, async |number| {
        let key = ("username", NAMES[number]);
        let created = request.create_sign_in_link(key).await;
        assert_eq!(created.unwrap().is_some(), number < 2);
    })
    .await;
    assert_as_long::<3>(1.2, 301, async |number| {
        let key = ("username", NAMES[number]);
        let created = request.create_password_reset(key).await;
        assert_eq!(created.unwrap().is_some(), number < 2);
    })
    .await;
    assert_as_long::<3>(1.05, 15, async |number| {
        let key = ("username", NAMES[number]);
        let created = request.create_sign_in_code(key).await;
        assert_eq!(created.unwrap().is_some(), number < 2);
    })
    .await;
}
