//! Keys without a password. Signing in is in `both/passwords.rs`.

use lucia::store::KeyRow;
use lucia::{Auth, Error};

use crate::support::{PASSWORD, Stage, on_each_store, open_key, sign_up};

on_each_store![r45_a_key_without_a_password_never_passes_a_password_check,];

/// Gives a user a key that somebody else vouches for.
pub(crate) async fn key_without_password(stage: &Stage, auth: &Auth) {
    let session = sign_up(auth, "eve").await;
    let key = KeyRow::new("username:passwordless", session.user_id.clone(), None);
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

async fn r45_a_key_without_a_password_never_passes_a_password_check(stage: Stage) {
    let auth = stage.auth().await;
    sign_up(&auth, "ada").await;
    key_without_password(&stage, &auth).await;
    let refused = async |username: &str, password: Option<&str>| {
        let answer = open_key(&auth, ("username", username), password).await;
        matches!(answer, Err(Error::InvalidCredentials))
    };
    for password in ["", "null", "unopenable", PASSWORD] {
        assert!(refused("passwordless", Some(password)).await, "{password}");
    }
    assert!(!refused("passwordless", None).await);
    assert!(refused("ada", None).await);
    assert!(refused("unknown", None).await);
}
