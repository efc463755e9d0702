//! Several `Auth`s that count in one table, each as its own settings say.

use lucia::{Auth, Error, Result, Session};

use super::{HERE, MINUTE, WRONG, assert_too_many, fail, sign_in};
use crate::support::{PASSWORD, Stage, on_each_store, sign_up};

on_each_store![
    r34_second_proofs_buy_no_guesses,
    r34_a_second_auth_with_other_limits_cuts_no_count_short,
    r34_a_count_that_a_short_period_began_lasts_as_long_as_the_longest_one,
];

/// One that allows few failures in a long time, and one that allows many in a short time, each
/// with a store of its own.
async fn strict_and_lax(stage: &Stage) -> [Auth; 2] {
    let strict = stage.builder().await.sign_in_limit(5, 15 * MINUTE);
    let lax = stage.builder().await.sign_in_limit(20, MINUTE);
    [strict.build().unwrap(), lax.build().unwrap()]
}

async fn sweep(auths: &[Auth]) {
    for auth in auths {
        auth.delete_expired_sessions().await.unwrap();
    }
}

async fn prove(auth: &Auth, session: &Session, name: &str, password: &str) -> Result<Session> {
    let key = auth.verify_password(("username", name), password);
    auth.reauthenticate(session, &key.limit_by(HERE).await?)
        .await
}

async fn r34_second_proofs_buy_no_guesses(stage: Stage) {
    let auths = [stage.auth().await, stage.auth().await];
    let own = sign_up(&auths[0], "Ada").await;
    sign_up(&auths[0], "ada").await;
    let mut own = [own.clone(), own];
    let mut guesses = 0;
    for number in 0..25 {
        // By a sign-in, and by a second proof of a session of the guesser's.
        let (auth, session) = (&auths[number % 2], &own[0]);
        let guess = match number % 3 {
            0 => sign_in(auth, "ada", WRONG).await,
            _ => prove(auth, session, "ada", WRONG).await.map(drop),
        };
        guesses += usize::from(matches!(guess, Err(Error::InvalidCredentials)));
        match prove(&auths[0], session, "Ada", PASSWORD).await {
            Ok(session) => own = [session.clone(), session],
            Err(error) => assert!(matches!(error, Error::TooManyAttempts { .. }), "{error:?}"),
        }
    }
    assert_eq!(guesses, 10);
}

async fn r34_a_second_auth_with_other_limits_cuts_no_count_short(stage: Stage) {
    let auths = strict_and_lax(&stage).await;
    let [strict, lax] = &auths;
    sign_up(strict, "ada").await;
    fail(strict, "ada", 5).await;
    // Neither the sweeps nor the attempts of the other one end the count, nor its successes.
    for _ in 0..14 {
        sweep(&auths).await;
        assert_too_many(sign_in(strict, "ada", PASSWORD).await);
        fail(lax, "ada", 1).await;
        sign_in(lax, "ada", PASSWORD).await.unwrap();
        assert_too_many(sign_in(strict, "ada", PASSWORD).await);
        stage.clock.advance(MINUTE);
    }
    // It has more attempts, in the same count.
    fail(lax, "ada", 1).await;
    assert_too_many(sign_in(lax, "ada", PASSWORD).await);
    stage.clock.advance(MINUTE);
    fail(strict, "ada", 5).await;
}

async fn r34_a_count_that_a_short_period_began_lasts_as_long_as_the_longest_one(stage: Stage) {
    let auths = strict_and_lax(&stage).await;
    let [strict, lax] = &auths;
    sign_up(strict, "ada").await;
    fail(lax, "ada", 1).await;
    stage.clock.advance(MINUTE / 2);
    fail(strict, "ada", 4).await;
    assert_too_many(sign_in(strict, "ada", PASSWORD).await);
    for _ in 0..14 {
        stage.clock.advance(MINUTE);
        sweep(&auths).await;
        fail(lax, "ada", 1).await;
        assert_too_many(sign_in(strict, "ada", PASSWORD).await);
    }
    // From the first attempt on, whoever made it.
    stage.clock.advance(MINUTE / 2);
    fail(strict, "ada", 5).await;
    // An attempt that is refused is not counted, and makes nobody wait longer.
    stage.clock.advance(15 * MINUTE);
    fail(lax, "ada", 20).await;
    assert_too_many(sign_in(strict, "ada", PASSWORD).await);
    stage.clock.advance(MINUTE);
    fail(strict, "ada", 5).await;
}
