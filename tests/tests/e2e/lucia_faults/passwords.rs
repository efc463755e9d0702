//! Keys and passwords.

use std::net::IpAddr;

use futures_util::future::join_all;
use lucia::{Auth, Error, NewKey, NewUser, NoAttributes, PasswordOptions, PasswordProblem};
use serde_json::json;

use super::ada;
use crate::support::{PASSWORD, Stage, on_each_store, open_key, sign_up, verified};

on_each_store![
    lucia_fault_16_an_empty_password_is_refused_and_opens_nothing,
    lucia_fault_17_an_empty_password_is_no_password_to_change_to,
    lucia_fault_18_a_password_is_the_same_on_every_keyboard,
    lucia_fault_19_an_unknown_key_is_told_the_same_after_the_same_work,
    lucia_fault_19_nobody_guesses_for_long,
    lucia_fault_20_parameters_are_in_the_hash_and_can_be_raised,
];

#[track_caller]
fn assert_empty<T: std::fmt::Debug>(outcome: lucia::Result<T>) {
    assert!(
        matches!(outcome, Err(Error::InvalidPassword(PasswordProblem::Empty))),
        "{outcome:?}"
    );
}

async fn opens(auth: &Auth, username: &str, password: Option<&str>) -> bool {
    match open_key(auth, ("username", username), password).await {
        Ok(_) => true,
        Err(Error::InvalidCredentials) => false,
        Err(error) => panic!("{error:?}"),
    }
}

async fn lucia_fault_16_an_empty_password_is_refused_and_opens_nothing(stage: Stage) {
    let auth = stage.auth().await;
    let columns = json!({ "username": "ada" });
    let new = NewUser::with_password(("username", "ada"), "");
    let new = new.attributes(&columns).returning::<NoAttributes>();
    assert_empty(auth.create_user(new).await);
    assert_eq!(stage.count("auth_user").await, 0);

    let session = sign_up(&auth, "bob").await;
    let key = NewKey::with_password(("username", "robert"), "");
    assert_empty(auth.create_key(&session.user_id, key).await);
    assert_eq!(stage.count("user_key").await, 1);

    // A key that has no password: none opens it.
    let key = NewKey::without_password(("username", "robert"));
    auth.create_key(&session.user_id, key).await.unwrap();
    for password in ["", "null", "undefined", PASSWORD] {
        assert!(!opens(&auth, "robert", Some(password)).await, "{password}");
    }
    assert!(opens(&auth, "robert", None).await);
}

async fn lucia_fault_17_an_empty_password_is_no_password_to_change_to(stage: Stage) {
    let (site, session) = ada(&stage).await;
    let auth = &site.auth;
    let before = stage.dump().await;
    let update = auth.update_key_password(("username", "ada"), "");
    assert_empty(update.await);
    let key = verified(auth, "ada").await;
    assert_empty(auth.change_password(&session, &key, "").await);
    assert_empty(auth.reset_password(("username", "ada"), "").await);
    assert_eq!(stage.dump().await, before);
    assert!(opens(auth, "ada", Some(PASSWORD)).await);
    assert!(!opens(auth, "ada", Some("")).await);
}

async fn lucia_fault_18_a_password_is_the_same_on_every_keyboard(stage: Stage) {
    let auth = stage.auth().await;
    sign_up(&auth, "ada").await;
    let forms = ["pässwörd ﬁ", "pa\u{308}sswo\u{308}rd fi"];
    for (created, used) in [(forms[0], forms[1]), (forms[1], forms[0])] {
        let update = auth.update_key_password(("username", "ada"), created);
        update.await.unwrap();
        assert!(opens(&auth, "ada", Some(used)).await);
        assert!(opens(&auth, "ada", Some(created)).await);
        assert!(!opens(&auth, "ada", Some("password fi")).await);
    }
}

async fn lucia_fault_19_an_unknown_key_is_told_the_same_after_the_same_work(stage: Stage) {
    let (site, _) = ada(&stage).await;
    let reply = async |username: &str| {
        let form = [("username", username), ("password", "wrong horse battery")];
        let reply = site.browser().post("/login", &form).await;
        (reply.status, reply.body)
    };
    assert_eq!(reply("ada").await, reply("nobody").await);
    assert_eq!(reply("nobody").await.0, 401);

    // Its password is hashed, or not one of these would find the only place taken. That it takes
    // as long is measured by `r38_whoever_is_refused_waits_as_long`.
    let passwords = PasswordOptions::new().at_once(1).waiting(0);
    let auth = stage.builder().await.passwords(passwords).build().unwrap();
    for username in ["ada", "nobody"] {
        let login = || auth.verify_password(("username", username), "wrong horse");
        let logins = (0..20).map(|_| login().into_future());
        let answers = join_all(logins).await;
        let is_busy = |answer: &lucia::Result<_>| matches!(answer, Err(Error::Busy));
        assert!(answers.iter().any(is_busy), "{username}");
    }
}

async fn lucia_fault_19_nobody_guesses_for_long(stage: Stage) {
    let (site, _) = ada(&stage).await;
    let guess = async |password| {
        let login = site.auth.verify_password(("username", "ada"), password);
        login.limit_by(IpAddr::from([192, 0, 2, 1])).await
    };
    for _ in 0..10 {
        let refused = guess("wrong horse battery").await;
        assert!(matches!(refused, Err(Error::InvalidCredentials)));
    }
    let refused = guess(PASSWORD).await;
    assert!(matches!(refused, Err(Error::TooManyAttempts { .. })));
}

async fn lucia_fault_20_parameters_are_in_the_hash_and_can_be_raised(stage: Stage) {
    let (site, _) = ada(&stage).await;
    let hash = async || {
        let hash = stage.value("SELECT hashed_password FROM user_key").await;
        hash.unwrap()
    };
    let old = hash().await;
    assert!(old.starts_with("$argon2id$v=19$m=19456,t=2,p=1$"), "{old}");
    let passwords = PasswordOptions::new().iterations(3);
    let stronger = stage.builder().await.passwords(passwords).build().unwrap();
    assert!(opens(&stronger, "ada", Some(PASSWORD)).await);
    let new = hash().await;
    assert!(new.starts_with("$argon2id$v=19$m=19456,t=3,p=1$"), "{new}");
    // Each hash says how it is read.
    assert!(opens(&site.auth, "ada", Some(PASSWORD)).await);
    assert_eq!(hash().await, new);
}
