//! Links and codes that work once.

use std::time::Duration;

use futures_util::future::join_all;
use lucia::{
    Auth, CodePurpose, Error, OneTimeToken, PasswordOptions, Result, TokenContent, TokenPurpose,
    UserId,
};
use serde::{Deserialize, Serialize};

use crate::support::{Stage, eventually, on_each_store, sign_up};

mod secrets;

on_each_store![
    r58_of_fifty_uses_at_once_in_two_processes_one_succeeds,
    r58_a_link_works_for_its_purpose_alone_and_tells_its_user,
    r58_a_link_works_until_it_expires,
    r58_a_link_ends_with_its_user,
    r58_a_code_is_for_its_purpose_and_subject_alone,
    r58_what_is_not_the_token_is_refused_and_uses_nothing,
    r60_a_link_that_is_checked_still_works,
    r61_fifty_wrong_tries_at_once_in_two_processes_count_as_fifty,
    r61_a_code_can_be_tried_five_times,
    r61_a_try_is_counted_before_it_is_compared,
    r61_a_new_code_ends_the_old_one,
    r61_a_new_code_is_not_used_up_by_the_old_one,
    former_links_end_when_it_is_asked_for,
    data_comes_back_as_it_was,
    data_of_another_type_is_refused_like_a_wrong_link,
    expired_links_and_codes_are_swept,
    a_store_without_tokens_is_told_what_to_implement,
    without_its_table_tokens_are_refused_by_its_name_and_all_else_works,
];

const MINUTE: Duration = Duration::from_secs(60);
const MILLI: Duration = Duration::from_millis(1);

#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
struct Invitation {
    team: String,
    seats: u64,
}

const INVITATION: TokenPurpose<Invitation> = TokenPurpose::new("invitation");
const OTHER: TokenPurpose<Invitation> = TokenPurpose::new("invitation 2");
const CODE: CodePurpose = CodePurpose::new("code");
const OTHER_CODE: CodePurpose = CodePurpose::new("code 2");

fn invitation() -> Invitation {
    Invitation {
        team: "Engines \0 \"🦀\"".to_owned(),
        seats: u64::MAX,
    }
}

async fn link(auth: &Auth) -> OneTimeToken {
    auth.create_token(INVITATION, &invitation()).await.unwrap()
}

#[track_caller]
fn assert_refused<T: std::fmt::Debug>(used: Result<T>) {
    assert!(matches!(used, Err(Error::InvalidOneTimeToken)), "{used:?}");
}

/// A code that is not this one.
fn wrong(code: &str) -> String {
    let last = code.chars().last().unwrap();
    format!(
        "{}{}",
        &code[..code.len() - 1],
        if last == '0' { '1' } else { '0' }
    )
}

async fn tries_left(stage: &Stage) -> Option<String> {
    stage.value("SELECT tries_left FROM one_time_token").await
}

async fn r58_of_fifty_uses_at_once_in_two_processes_one_succeeds(stage: Stage) {
    let processes = [stage.auth().await, stage.auth().await];
    let secret = link(&processes[0]).await;
    let uses = (0..50).map(|number| {
        let auth = processes[number % 2].clone();
        let secret = secret.expose().to_owned();
        tokio::spawn(async move { auth.use_token(INVITATION, &secret).await })
    });
    let mut succeeded = 0;
    for used in join_all(uses).await {
        match used.unwrap() {
            Ok(content) => {
                assert_eq!(content.data, invitation());
                succeeded += 1;
            }
            refused => assert_refused(refused),
        }
    }
    assert_eq!(succeeded, 1);
    assert_eq!(stage.count("one_time_token").await, 0);

    // The right code, as often as it can be tried.
    let code = processes[0].create_code(CODE, "ada", &()).await.unwrap();
    let uses = (0..5).map(|number| processes[number % 2].use_code(CODE, "ada", code.expose()));
    let used = join_all(uses).await;
    assert_eq!(
        used.iter().filter(|used| used.is_ok()).count(),
        1,
        "{used:?}"
    );
    assert_eq!(stage.count("one_time_token").await, 0);
}

async fn r58_a_link_works_for_its_purpose_alone_and_tells_its_user(stage: Stage) {
    let auth = stage.auth().await;
    let ada = sign_up(&auth, "ada").await.user_id.clone();
    let secret = auth.create_token(INVITATION, &invitation()).user(&ada);
    let secret = secret.await.unwrap();
    for _ in 0..2 {
        assert_refused(auth.use_token(OTHER, secret.expose()).await);
        assert_refused(auth.check_token(OTHER, secret.expose()).await);
    }
    let content = auth.use_token(INVITATION, secret.expose()).await.unwrap();
    assert_eq!(content.user_id, Some(ada));
    let secret = link(&auth).await;
    let content = auth.use_token(INVITATION, secret.expose()).await.unwrap();
    assert_eq!(content.user_id, None);
}

async fn r58_a_link_works_until_it_expires(stage: Stage) {
    const SHORT: TokenPurpose = TokenPurpose::new("short").expires_in(MINUTE);
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);

    let auth = stage.auth().await;
    let hour = TokenPurpose::<()>::new("an hour");
    for (purpose, longer, lifetime) in [
        (hour, None, 60 * MINUTE),
        (SHORT, None, MINUTE),
        (SHORT, Some(DAY), DAY),
    ] {
        let create = async || {
            let token = auth.create_token(purpose, &());
            match longer {
                Some(longer) => token.expires_in(longer).await,
                None => token.await,
            }
        };
        let [early, late] = [create().await.unwrap(), create().await.unwrap()];
        stage.clock.advance(lifetime - MILLI);
        auth.check_token(purpose, early.expose()).await.unwrap();
        auth.use_token(purpose, early.expose()).await.unwrap();
        stage.clock.advance(MILLI);
        assert_refused(auth.check_token(purpose, late.expose()).await);
        assert_refused(auth.use_token(purpose, late.expose()).await);
        // A clock that goes back brings no link back that was refused.
        stage.clock.set(stage.clock.now() - lifetime);
        assert_refused(auth.use_token(purpose, late.expose()).await);
    }
    for (is_late, wait) in [(false, 10 * MINUTE - MILLI), (true, 10 * MINUTE)] {
        let code = auth.create_code(CODE, "ada", &()).await.unwrap();
        stage.clock.advance(wait);
        let used = auth.use_code(CODE, "ada", code.expose()).await;
        assert_eq!(used.is_err(), is_late);
    }
}

async fn r58_a_link_ends_with_its_user(stage: Stage) {
    let auth = stage.auth().await;
    let ada = sign_up(&auth, "ada").await.user_id.clone();
    let bob = sign_up(&auth, "bob").await.user_id.clone();
    let create = async |user: &UserId| {
        let secret = auth.create_token(INVITATION, &invitation()).user(user);
        let code = auth.create_code(CODE, user, &()).user(user);
        (secret.await.unwrap(), code.await.unwrap())
    };
    let uses = async |user: &UserId, (secret, code): &(OneTimeToken, lucia::OneTimeCode)| {
        (
            auth.use_token(INVITATION, secret.expose()).await.map(drop),
            auth.use_code(CODE, user, code.expose()).await.map(drop),
        )
    };
    let (of_ada, of_bob) = (create(&ada).await, create(&bob).await);
    auth.invalidate_user_tokens(&ada).await.unwrap();
    for refused in <[_; 2]>::from(uses(&ada, &of_ada).await) {
        assert_refused(refused);
    }
    let of_ada = create(&ada).await;
    auth.delete_user(&ada).await.unwrap();
    for refused in <[_; 2]>::from(uses(&ada, &of_ada).await) {
        assert_refused(refused);
    }
    let late = auth
        .create_token(INVITATION, &invitation())
        .user(&ada)
        .await;
    assert!(matches!(late, Err(Error::UnknownUser)), "{late:?}");
    let late = auth.create_code(CODE, &ada, &()).user(&ada).await;
    assert!(matches!(late, Err(Error::UnknownUser)), "{late:?}");
    for used in <[_; 2]>::from(uses(&bob, &of_bob).await) {
        used.unwrap();
    }
}

async fn r58_a_code_is_for_its_purpose_and_subject_alone(stage: Stage) {
    let auth = stage.auth().await;
    let code = auth.create_code(CODE, "ada", &()).await.unwrap();
    assert_refused(auth.use_code(OTHER_CODE, "ada", code.expose()).await);
    for subject in ["", "Ada", "ada ", "bob"] {
        assert_refused(auth.use_code(CODE, subject, code.expose()).await);
    }
    // A subject that looks like the secret of a link is not one.
    let like_secret = "a".repeat(OneTimeToken::LENGTH);
    let purpose = CodePurpose::<()>::new("both");
    auth.create_code(purpose, &like_secret, &()).await.unwrap();
    let both = TokenPurpose::<()>::new("both");
    assert_refused(auth.check_token(both, &like_secret).await);
    assert_refused(auth.use_token(both, &like_secret).await);
    auth.use_code(CODE, "ada", code.expose()).await.unwrap();
}

async fn r58_what_is_not_the_token_is_refused_and_uses_nothing(stage: Stage) {
    let auth = stage.auth().await;
    let secret = link(&auth).await;
    let text = secret.expose();
    let id = stage.value("SELECT id FROM one_time_token").await.unwrap();
    for wrong in [
        "",
        &text[1..],
        &text.to_uppercase(),
        &format!("{text}{text}"),
        &format!("{text}a"),
        &format!("{text}%00"),
        &"a".repeat(40),
        &"a".repeat(100_000),
        &id,
        &id[..40],
        "'; DROP TABLE one_time_token; --",
    ] {
        assert_refused(auth.use_token(INVITATION, wrong).await);
        assert_refused(auth.check_token(INVITATION, wrong).await);
    }
    let copied = format!("\t{text}\r\n");
    auth.use_token(INVITATION, &copied).await.unwrap();

    let code = auth.create_code(CODE, "ada", &()).await.unwrap();
    let code = code.expose();
    for wrong in [
        "",
        &code[1..],
        &format!("{code}0"),
        "abcdef",
        "１２３４５６",
    ] {
        assert_refused(auth.use_code(CODE, "ada", wrong).await);
    }
    // They were mistyped and not guessed.
    assert_eq!(tries_left(&stage).await.as_deref(), Some("5"));
    let written = format!(" {}-{} ", &code[..3], &code[3..]);
    auth.use_code(CODE, "ada", &written).await.unwrap();
}

async fn r60_a_link_that_is_checked_still_works(stage: Stage) {
    let auth = stage.auth().await;
    let secret = link(&auth).await;
    for _ in 0..3 {
        let content = auth.check_token(INVITATION, secret.expose()).await;
        assert_eq!(content.unwrap().data, invitation());
    }
    auth.use_token(INVITATION, secret.expose()).await.unwrap();
    assert_refused(auth.check_token(INVITATION, secret.expose()).await);
}

async fn r61_fifty_wrong_tries_at_once_in_two_processes_count_as_fifty(stage: Stage) {
    // All of them may wait to be hashed.
    let auth = async || {
        let passwords = PasswordOptions::new().waiting(100);
        let builder = stage.builder().await.passwords(passwords);
        builder.build().unwrap()
    };
    let processes = [auth().await, auth().await];
    let code = processes[0].create_code(CODE, "ada", &()).await.unwrap();
    let wrong = wrong(code.expose());
    let tries = (0..50).map(|number| {
        let (auth, wrong) = (processes[number % 2].clone(), wrong.clone());
        tokio::spawn(async move { auth.use_code(CODE, "ada", &wrong).await })
    });
    for tried in join_all(tries).await {
        assert_refused(tried.unwrap());
    }
    assert_eq!(tries_left(&stage).await.as_deref(), Some("0"));
    for auth in &processes {
        assert_refused(auth.use_code(CODE, "ada", code.expose()).await);
    }
}

async fn r61_a_code_can_be_tried_five_times(stage: Stage) {
    let auth = stage.auth().await;
    for (wrong_tries, is_refused) in [(4, false), (5, true)] {
        let code = auth.create_code(CODE, "ada", &()).await.unwrap();
        for _ in 0..wrong_tries {
            assert_refused(auth.use_code(CODE, "ada", &wrong(code.expose())).await);
        }
        let used = auth.use_code(CODE, "ada", code.expose()).await;
        assert_eq!(used.is_err(), is_refused, "{used:?}");
    }
}

async fn r61_a_try_is_counted_before_it_is_compared(stage: Stage) {
    let auth = stage.auth().await;
    let code = auth.create_code(CODE, "ada", &()).await.unwrap();
    stage.probe.calls();
    stage.probe.halt("take_token");
    let trying = {
        let (auth, code) = (auth.clone(), code.clone());
        tokio::spawn(async move { auth.use_code(CODE, "ada", code.expose()).await })
    };
    // The code was found to be right.
    stage.probe.arrived("take_token").await;
    assert_eq!(tries_left(&stage).await.as_deref(), Some("4"));
    trying.abort();
    trying.await.unwrap_err();
    stage.probe.release("take_token");
    assert_eq!(stage.probe.calls(), ["try_code", "take_token"]);
    assert_eq!(tries_left(&stage).await.as_deref(), Some("4"));

    // A try that the server is too busy for is counted as well.
    let passwords = PasswordOptions::new().at_once(1).waiting(0);
    let busy = stage.builder().await.passwords(passwords).build().unwrap();
    let wrong = wrong(code.expose());
    let tried = join_all((0..4).map(|_| busy.use_code(CODE, "ada", &wrong))).await;
    let is_busy = |tried: &&Result<_>| matches!(tried, Err(Error::Busy));
    assert!(tried.iter().filter(is_busy).count() > 0, "{tried:?}");
    assert_eq!(tries_left(&stage).await.as_deref(), Some("0"));
}

async fn r61_a_new_code_ends_the_old_one(stage: Stage) {
    let auth = stage.auth().await;
    let old = auth.create_code(CODE, "ada", &()).await.unwrap();
    let other = auth.create_code(OTHER_CODE, "ada", &()).await.unwrap();
    let of_bob = auth.create_code(CODE, "bob", &()).await.unwrap();
    let mut new = auth.create_code(CODE, "ada", &()).await.unwrap();
    while new == old {
        new = auth.create_code(CODE, "ada", &()).await.unwrap();
    }
    assert_refused(auth.use_code(CODE, "ada", old.expose()).await);
    auth.use_code(CODE, "ada", new.expose()).await.unwrap();
    auth.use_code(OTHER_CODE, "ada", other.expose())
        .await
        .unwrap();
    auth.use_code(CODE, "bob", of_bob.expose()).await.unwrap();
    // Of codes that are created at once, one is left.
    let created = join_all((0..5).map(|_| auth.create_code(CODE, "ada", &()).into_future())).await;
    assert_eq!(stage.count("one_time_token").await, 1);
    let mut succeeded = 0;
    for code in created {
        let used = auth.use_code(CODE, "ada", code.unwrap().expose()).await;
        succeeded += u32::from(used.is_ok());
    }
    assert_eq!(succeeded, 1);
}

async fn r61_a_new_code_is_not_used_up_by_the_old_one(stage: Stage) {
    let auth = stage.auth().await;
    let old = auth.create_code(CODE, "ada", &()).await.unwrap();
    stage.probe.halt("take_token");
    let trying = {
        let auth = auth.clone();
        tokio::spawn(async move { auth.use_code(CODE, "ada", old.expose()).await })
    };
    stage.probe.arrived("take_token").await;
    let new = auth.create_code(CODE, "ada", &()).await.unwrap();
    stage.probe.release("take_token");
    assert_refused(trying.await.unwrap());
    auth.use_code(CODE, "ada", new.expose()).await.unwrap();
}

async fn former_links_end_when_it_is_asked_for(stage: Stage) {
    let auth = stage.auth().await;
    let ada = sign_up(&auth, "ada").await.user_id.clone();
    let create = |purpose| auth.create_token(purpose, &invitation()).user(&ada);
    let (first, other) = (
        create(INVITATION).await.unwrap(),
        create(OTHER).await.unwrap(),
    );
    let second = create(INVITATION).await.unwrap();
    auth.check_token(INVITATION, first.expose()).await.unwrap();
    let third = create(INVITATION).replace_former().await.unwrap();
    for ended in [first, second] {
        assert_refused(auth.use_token(INVITATION, ended.expose()).await);
    }
    auth.use_token(INVITATION, third.expose()).await.unwrap();
    auth.use_token(OTHER, other.expose()).await.unwrap();

    // In two processes at once.
    let processes = [stage.auth().await, stage.auth().await];
    let created = join_all((0..20).map(|number| {
        let token = processes[number % 2].create_token(INVITATION, &invitation());
        token.user(&ada).replace_former().into_future()
    }));
    for created in created.await {
        created.unwrap();
    }
    assert_eq!(stage.count("one_time_token").await, 1);

    let of_nobody = auth
        .create_token(INVITATION, &invitation())
        .replace_former();
    match of_nobody.await {
        Err(Error::Misuse(reason)) => assert!(reason.contains("`user(..)`"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

async fn data_comes_back_as_it_was(stage: Stage) {
    const TEXT: TokenPurpose<String> = TokenPurpose::new("text");
    const NUMBERS: CodePurpose<Vec<f64>> = CodePurpose::new("numbers");

    let auth = stage.auth().await;
    let long = "\0\u{ffff}x".repeat(10_000);
    for text in ["", "null", "1e5", "007", "{}", "\0", &long] {
        let secret = auth.create_token(TEXT, text).await.unwrap();
        let content = auth.use_token(TEXT, secret.expose()).await.unwrap();
        assert_eq!(content.data, text);
    }
    let numbers = vec![0.1, f64::MAX, -0.0, 1e-300];
    let code = auth.create_code(NUMBERS, "ada", &numbers).await.unwrap();
    let content: TokenContent<_> = auth.use_code(NUMBERS, "ada", code.expose()).await.unwrap();
    assert_eq!(content.data, numbers);
    // Keys of JSON objects are texts.
    let purpose = TokenPurpose::<std::collections::BTreeMap<(u8, u8), u8>>::new("map");
    let refused = auth.create_token(purpose, &[((1, 2), 3)].into()).await;
    match refused {
        Err(Error::Misuse(reason)) => assert!(reason.contains("`map`"), "{reason}"),
        other => panic!("{other:?}"),
    }
}

async fn data_of_another_type_is_refused_like_a_wrong_link(stage: Stage) {
    let auth = stage.auth().await;
    let secret = link(&auth).await;
    let changed = TokenPurpose::<u32>::new("invitation");
    assert_refused(auth.check_token(changed, secret.expose()).await);
    auth.use_token(INVITATION, secret.expose()).await.unwrap();
}

async fn expired_links_and_codes_are_swept(stage: Stage) {
    let auth = stage.auth().await;
    link(&auth).await;
    auth.create_code(CODE, "ada", &()).await.unwrap();
    stage.clock.advance(10 * MINUTE - MILLI);
    auth.delete_expired_sessions().await.unwrap();
    assert_eq!(stage.count("one_time_token").await, 2);
    stage.clock.advance(MILLI);
    auth.delete_expired_sessions().await.unwrap();
    assert_eq!(stage.count("one_time_token").await, 1);
    stage.clock.advance(50 * MINUTE);
    let sweeper = auth.sweeper().jitter(Duration::ZERO).start().unwrap();
    eventually(async || stage.count("one_time_token").await == 0).await;
    sweeper.stop().await;
}

async fn a_store_without_tokens_is_told_what_to_implement(stage: Stage) {
    stage.probe.have_no_tokens();
    let auth = stage.auth().await;
    auth.check_schema::<lucia::NoAttributes>().await.unwrap();
    let session = sign_up(&auth, "ada").await;
    auth.delete_expired_sessions().await.unwrap();
    for refused in [
        auth.create_token(INVITATION, &invitation()).await.map(drop),
        auth.check_token(INVITATION, &"a".repeat(40))
            .await
            .map(drop),
        auth.use_token(INVITATION, &"a".repeat(40)).await.map(drop),
        auth.create_code(CODE, "ada", &()).await.map(drop),
        auth.use_code(CODE, "ada", "012345").await.map(drop),
        auth.invalidate_user_tokens(&session.user_id).await,
    ] {
        match refused {
            Err(Error::Misuse(reason)) => {
                assert!(reason.contains("implement `TokenStore`"), "{reason}");
            }
            other => panic!("{other:?}"),
        }
    }
}

async fn without_its_table_tokens_are_refused_by_its_name_and_all_else_works(stage: Stage) {
    stage.execute("DROP TABLE one_time_token").await;
    let auth = stage.auth().await;
    auth.check_schema::<lucia::NoAttributes>().await.unwrap();
    let session = sign_up(&auth, "ada").await;
    for refused in [
        auth.create_token(INVITATION, &invitation()).await.map(drop),
        auth.check_token(INVITATION, &"a".repeat(40))
            .await
            .map(drop),
        auth.use_token(INVITATION, &"a".repeat(40)).await.map(drop),
        auth.create_code(CODE, "ada", &()).await.map(drop),
        auth.use_code(CODE, "ada", "012345").await.map(drop),
        auth.invalidate_user_tokens(&session.user_id).await,
    ] {
        match refused {
            Err(Error::Schema { table, column, .. }) => {
                assert_eq!((table.as_str(), column), ("one_time_token", None));
            }
            other => panic!("{other:?}"),
        }
    }
    let key = auth.reset_password(("username", "ada"), "another horse battery");
    let session = auth.create_session(&key.await.unwrap()).await.unwrap();
    auth.delete_expired_sessions().await.unwrap();
    auth.delete_user(&session.user_id).await.unwrap();
    // A column that is missing is found at startup.
    stage
        .execute("CREATE TABLE one_time_token (id TEXT PRIMARY KEY)")
        .await;
    match auth.check_schema::<lucia::NoAttributes>().await {
        Err(Error::Schema { table, column, .. }) => {
            let told = (table.as_str(), column.as_deref());
            assert_eq!(told, ("one_time_token", Some("purpose")));
        }
        other => panic!("{other:?}"),
    }
}
