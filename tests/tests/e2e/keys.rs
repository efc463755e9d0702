//! Keys: the ways to sign in that a user has.

use lucia::{Auth, Error, NewKey, NewUser, Result, UserId, UserKey};
use serde_json::json;

use crate::support::{PASSWORD, Profile, Stage, actix, on_each_store, open_key, sign_up};

on_each_store![
    a_user_signs_in_by_each_of_several_keys,
    a_key_is_found_by_its_parts_and_says_whether_it_has_a_password,
    the_keys_of_a_user_are_listed_in_the_order_of_their_ids,
    keys_never_cross_users,
    a_key_for_nobody_is_refused,
    keys_that_cannot_be_are_refused_with_a_reason,
    a_password_is_replaced_added_and_taken_away,
    a_refused_password_leaves_the_old_one,
    a_password_is_never_written_over_that_of_the_next_owner_of_a_key,
    r45_a_created_key_without_a_password_never_passes_a_password_check,
    the_last_key_of_a_user_stays_unless_it_is_asked_for,
    of_two_keys_that_are_deleted_at_once_one_stays,
    deleting_what_is_not_there_is_silent,
    a_user_without_a_key_signs_in_once_they_have_one,
    a_user_gets_the_id_that_the_application_chose,
];

const OTHER_PASSWORD: &str = "another horse battery";

async fn opens(auth: &Auth, name: &str, password: Option<&str>) -> Option<UserId> {
    match open_key(auth, ("username", name), password).await {
        Ok(key) => Some(key.user_id.clone()),
        Err(Error::InvalidCredentials) => None,
        Err(other) => panic!("{other:?}"),
    }
}

fn ids(keys: &[UserKey]) -> Vec<(&str, &str)> {
    keys.iter()
        .map(|key| (key.id.provider_id(), key.id.provider_user_id()))
        .collect()
}

async fn a_user_signs_in_by_each_of_several_keys(stage: Stage) {
    let auth = stage.auth().await;
    let ada = sign_up(&auth, "ada").await;
    let second = NewKey::with_password(("username", "countess"), OTHER_PASSWORD);
    let second = auth.create_key(&ada.user_id, second).await.unwrap();
    assert_eq!(second.user_id, ada.user_id);
    let github = NewKey::without_password(("github", "1815"));
    auth.create_key(&ada.user_id, github).await.unwrap();
    let vouched = auth.trusted_key(("github", "1815")).await.unwrap();
    assert_eq!(vouched.user_id, ada.user_id);

    let site = actix::serve(auth, actix::front_page()).await;
    for (name, password, status) in [
        ("ada", PASSWORD, 204),
        ("countess", OTHER_PASSWORD, 204),
        ("ada", OTHER_PASSWORD, 401),
        ("countess", PASSWORD, 401),
        ("1815", PASSWORD, 401),
    ] {
        let browser = site.browser();
        let form = [("username", name), ("password", password)];
        let reply = browser.post("/login", &form).await;
        assert_eq!(reply.status, status, "{name}");
        if status == 204 {
            assert_eq!(browser.get("/me").await.body, "Hello, ada!");
        }
    }
}

async fn a_key_is_found_by_its_parts_and_says_whether_it_has_a_password(stage: Stage) {
    let auth = stage.auth().await;
    let ada = sign_up(&auth, "ada").await;
    let oidc = NewKey::without_password(("oidc", "issuer:subject"));
    let created = auth.create_key(&ada.user_id, oidc).await.unwrap();
    let found = auth.key(("oidc", "issuer:subject")).await.unwrap().unwrap();
    assert_eq!(found, created);
    assert_eq!(
        ids(std::slice::from_ref(&found)),
        [("oidc", "issuer:subject")]
    );
    assert_eq!(
        (found.has_password, found.user_id),
        (false, ada.user_id.clone())
    );
    assert!(
        auth.key(("username", "ada"))
            .await
            .unwrap()
            .unwrap()
            .has_password
    );
    for (provider, user) in [
        ("username", "Ada"),
        ("email", "ada"),
        ("", "ada"),
        ("username", ""),
        ("oidc:issuer", "subject"),
        ("username", "a\0da"),
    ] {
        let found = auth.key((provider, user)).await.unwrap();
        assert_eq!(found, None, "{provider} {user:?}");
    }
}

async fn the_keys_of_a_user_are_listed_in_the_order_of_their_ids(stage: Stage) {
    let auth = stage.auth().await;
    let ada = sign_up(&auth, "ada").await.user_id.clone();
    let bob = sign_up(&auth, "bob").await.user_id.clone();
    for provider in ["webauthn", "email", "github"] {
        let key = NewKey::without_password((provider, "ada"));
        auth.create_key(&ada, key).await.unwrap();
    }
    let keys = auth.user_keys(&ada).await.unwrap();
    let expected = ["email", "github", "username", "webauthn"].map(|provider| (provider, "ada"));
    assert_eq!(ids(&keys), expected);
    assert!(keys.iter().all(|key| key.user_id == ada));
    let with_password = keys.iter().filter(|key| key.has_password);
    assert_eq!(with_password.count(), 1);
    assert_eq!(
        ids(&auth.user_keys(&bob).await.unwrap()),
        [("username", "bob")]
    );
    for nobody in ["nobody", "NOBODY", " "] {
        let keys = auth.user_keys(&UserId::new(nobody).unwrap()).await.unwrap();
        assert!(keys.is_empty(), "{nobody:?}");
    }
}

async fn keys_never_cross_users(stage: Stage) {
    let auth = stage.auth().await;
    let ada = sign_up(&auth, "ada").await.user_id.clone();
    let bob = sign_up(&auth, "bob").await.user_id.clone();
    // Neither by a key of their own under the same name, nor by signing up once more.
    let taken = NewKey::with_password(("username", "ada"), OTHER_PASSWORD);
    for user in [&ada, &bob] {
        let refused = auth.create_key(user, taken.clone()).await;
        assert!(matches!(refused, Err(Error::DuplicateKey)), "{refused:?}");
    }
    let profile = Profile {
        username: "eve".to_owned(),
    };
    let refused = auth.create_user(NewUser::with_key(taken).attributes(&profile));
    assert!(matches!(refused.await, Err(Error::DuplicateKey)));
    assert_eq!(opens(&auth, "ada", Some(PASSWORD)).await, Some(ada.clone()));
    assert_eq!(opens(&auth, "ada", Some(OTHER_PASSWORD)).await, None);
    assert_eq!(stage.count("auth_user").await, 2);

    let changed = auth.update_key_password(("username", "bob"), OTHER_PASSWORD);
    assert_eq!(changed.await.unwrap().user_id, bob);
    assert_eq!(opens(&auth, "ada", Some(PASSWORD)).await, Some(ada.clone()));
    assert_eq!(opens(&auth, "bob", Some(OTHER_PASSWORD)).await, Some(bob));
    auth.delete_key(("username", "bob"))
        .even_if_last()
        .await
        .unwrap();
    assert_eq!(opens(&auth, "bob", Some(OTHER_PASSWORD)).await, None);
    assert_eq!(opens(&auth, "ada", Some(PASSWORD)).await, Some(ada.clone()));

    // A name that is free again is whose it is given to.
    let key = NewKey::with_password(("username", "bob"), PASSWORD);
    auth.create_key(&ada, key).await.unwrap();
    assert_eq!(opens(&auth, "bob", Some(PASSWORD)).await, Some(ada));
}

async fn a_key_for_nobody_is_refused(stage: Stage) {
    let auth = stage.auth().await;
    sign_up(&auth, "ada").await;
    for nobody in ["nobody", "NOBODY", " "] {
        let key = NewKey::without_password(("email", "nobody"));
        let refused = auth.create_key(&UserId::new(nobody).unwrap(), key).await;
        assert!(matches!(refused, Err(Error::UnknownUser)), "{refused:?}");
    }
    assert_eq!(stage.count("user_key").await, 1);
}

/// As in tables that other programs made.
#[tokio::test]
async fn a_key_that_is_too_long_for_its_column_is_the_mistake_of_a_client() {
    let stage = Stage::postgres().await;
    let auth = stage.auth().await;
    let ada = sign_up(&auth, "ada").await.user_id.clone();
    stage
        .execute("ALTER TABLE user_key ALTER COLUMN id TYPE VARCHAR(20)")
        .await;
    let long = "x".repeat(20);
    let key = || NewKey::with_password(("username", &long), PASSWORD);
    let created = auth.create_key(&ada, key()).await.map(drop);
    let attributes = json!({ "username": long });
    let new_user = NewUser::with_key(key()).attributes(&attributes);
    let signed_up = auth.create_user(new_user).await.map(drop);
    for refused in [created, signed_up] {
        let error = refused.unwrap_err();
        assert_eq!((error.status(), error.code()), (400, "invalid_attribute"));
    }
    let guess = auth.verify_password(("username", &long), PASSWORD).await;
    assert!(matches!(guess, Err(Error::InvalidCredentials)), "{guess:?}");
    assert_eq!(stage.count("user_key").await, 1);
}

async fn keys_that_cannot_be_are_refused_with_a_reason(stage: Stage) {
    let auth = stage.auth().await;
    let ada = sign_up(&auth, "ada").await.user_id.clone();
    stage.probe.calls();
    let long = "x".repeat(256);
    for (provider, user, reason) in [
        ("", "ada", "the provider id is empty"),
        (
            "user:name",
            "ada",
            "the provider id contains a colon or the character U+0000",
        ),
        ("username", "", "the name or address is empty"),
        ("username", "a\0", "U+0000"),
        ("username", &long, "255 characters"),
    ] {
        for key in [
            NewKey::with_password((provider, user), PASSWORD),
            NewKey::without_password((provider, user)),
        ] {
            let created = auth.create_key(&ada, key.clone()).await.map(drop);
            let signed_up = auth.create_user(NewUser::with_key(key)).await.map(drop);
            for refused in [created, signed_up] {
                let error = refused.unwrap_err();
                assert!(matches!(error, Error::InvalidKey { .. }), "{error:?}");
                assert!(error.to_string().contains(reason), "{error}");
                assert_eq!(error.status(), 400);
            }
        }
        let changed = auth.remove_key_password((provider, user)).await;
        assert!(matches!(changed, Err(Error::UnknownKey)), "{changed:?}");
    }
    assert_eq!(stage.probe.calls(), [""; 0], "the store was asked");
}

async fn a_password_is_replaced_added_and_taken_away(stage: Stage) {
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    let ada = Some(session.user_id.clone());
    let change = async |password: Option<&str>| -> Result<UserKey> {
        match password {
            Some(password) => {
                auth.update_key_password(("username", "ada"), password)
                    .await
            }
            None => auth.remove_key_password(("username", "ada")).await,
        }
    };
    assert!(change(Some(OTHER_PASSWORD)).await.unwrap().has_password);
    assert_eq!(opens(&auth, "ada", Some(PASSWORD)).await, None);
    assert_eq!(opens(&auth, "ada", Some(OTHER_PASSWORD)).await, ada);

    assert!(!change(None).await.unwrap().has_password);
    assert!(
        !auth
            .key(("username", "ada"))
            .await
            .unwrap()
            .unwrap()
            .has_password
    );
    for password in [PASSWORD, OTHER_PASSWORD, ""] {
        assert_eq!(opens(&auth, "ada", Some(password)).await, None);
    }
    assert_eq!(opens(&auth, "ada", None).await, ada);

    assert!(change(Some(PASSWORD)).await.unwrap().has_password);
    assert_eq!(opens(&auth, "ada", None).await, None);
    assert_eq!(opens(&auth, "ada", Some(PASSWORD)).await, ada);
    // This is not the function that ends sessions.
    let alive = auth.validate_session(session.token()).await.unwrap();
    assert!(alive.is_some());
    let unknown = auth.update_key_password(("username", "bob"), PASSWORD);
    assert!(matches!(unknown.await, Err(Error::UnknownKey)));
}

/// The key goes, and comes back as that of somebody else, while the new password is hashed.
async fn a_password_is_never_written_over_that_of_the_next_owner_of_a_key(stage: Stage) {
    const NEW: &str = "a third horse battery";

    let (auth, elsewhere) = (stage.auth().await, stage.auth().await);
    for method in ["update_key_password", "change_password"] {
        let ada = sign_up(&auth, "ada").await;
        let bob = sign_up(&auth, "bob").await;
        let changing = async {
            stage.probe.halt(method);
            match method {
                "update_key_password" => {
                    let changed = auth.update_key_password(("username", "ada"), NEW);
                    changed.await.map(drop)
                }
                _ => auth
                    .reset_password(("username", "ada"), NEW)
                    .await
                    .map(drop),
            }
        };
        let moving = async {
            stage.probe.arrived(method).await;
            let deleted = elsewhere
                .delete_key(("username", "ada"))
                .even_if_last()
                .await;
            deleted.unwrap();
            let key = NewKey::with_password(("username", "ada"), OTHER_PASSWORD);
            elsewhere.create_key(&bob.user_id, key).await.unwrap();
            stage.probe.release(method);
        };
        let (changed, ()) = tokio::join!(biased; changing, moving);
        assert!(matches!(changed, Err(Error::UnknownKey)), "{changed:?}");
        assert_eq!(opens(&auth, "ada", Some(NEW)).await, None, "{method}");
        let opened = opens(&auth, "ada", Some(OTHER_PASSWORD)).await;
        assert_eq!(opened.as_ref(), Some(&bob.user_id), "{method}");
        for user in [&ada.user_id, &bob.user_id] {
            auth.delete_user(user).await.unwrap();
        }
    }
}

async fn a_refused_password_leaves_the_old_one(stage: Stage) {
    let auth = stage.auth().await;
    let ada = sign_up(&auth, "ada").await.user_id.clone();
    let before = stage.dump().await;
    for password in ["", "short", &"x".repeat(1024)] {
        let changed = auth.update_key_password(("username", "ada"), password);
        assert!(matches!(changed.await, Err(Error::InvalidPassword(_))));
        let key = NewKey::with_password(("username", "countess"), password);
        let created = auth.create_key(&ada, key).await;
        assert!(matches!(created, Err(Error::InvalidPassword(_))));
    }
    assert_eq!(stage.dump().await, before);
}

async fn r45_a_created_key_without_a_password_never_passes_a_password_check(stage: Stage) {
    let auth = stage.auth().await;
    let ada = sign_up(&auth, "ada").await.user_id.clone();
    let key = NewKey::without_password(("username", "countess"));
    auth.create_key(&ada, key).await.unwrap();
    let site = actix::serve(auth, actix::front_page()).await;
    for password in [PASSWORD, "", "null", "None"] {
        let form = [("username", "countess"), ("password", password)];
        let reply = site.browser().post("/login", &form).await;
        assert_eq!((reply.status, &*reply.body), (401, "Wrong credentials."));
        assert!(reply.set_cookies().is_empty());
    }
    assert_eq!(opens(&site.auth, "countess", None).await, Some(ada));
}

async fn the_last_key_of_a_user_stays_unless_it_is_asked_for(stage: Stage) {
    let auth = stage.auth().await;
    let ada = sign_up(&auth, "ada").await.user_id.clone();
    // The keys of others do not count.
    sign_up(&auth, "bob").await;
    let error = auth.delete_key(("username", "ada")).await.unwrap_err();
    assert!(matches!(error, Error::LastKey), "{error:?}");
    assert_eq!(error.status(), 409);
    assert_eq!(opens(&auth, "ada", Some(PASSWORD)).await, Some(ada.clone()));

    let key = NewKey::without_password(("github", "1815"));
    auth.create_key(&ada, key).await.unwrap();
    auth.delete_key(("username", "ada")).await.unwrap();
    assert_eq!(opens(&auth, "ada", Some(PASSWORD)).await, None);
    let last = auth.delete_key(("github", "1815")).await;
    assert!(matches!(last, Err(Error::LastKey)));
    auth.delete_key(("github", "1815"))
        .even_if_last()
        .await
        .unwrap();
    assert!(auth.user_keys(&ada).await.unwrap().is_empty());
    assert!(auth.user::<Profile>(&ada).await.unwrap().is_some());
}

async fn of_two_keys_that_are_deleted_at_once_one_stays(stage: Stage) {
    let auth = stage.auth().await;
    let ada = sign_up(&auth, "ada").await.user_id.clone();
    for round in 0..10 {
        let keys = auth.user_keys(&ada).await.unwrap();
        assert_eq!(keys.len(), 1, "round {round}");
        let remaining = keys[0].id.clone();
        let other = format!("ada {round}");
        let key = NewKey::without_password(("username", &other));
        auth.create_key(&ada, key).await.unwrap();
        stage.probe.halt("delete_key");
        let both = async {
            let one = async { auth.delete_key(&remaining).await };
            let two = async { auth.delete_key(("username", &other)).await };
            tokio::join!(one, two)
        };
        let at_once = async {
            stage.probe.arrived("delete_key").await;
            stage.probe.arrived("delete_key").await;
            stage.probe.release("delete_key");
        };
        let ((one, two), ()) = tokio::join!(both, at_once);
        let refused = [one, two].into_iter().filter_map(Result::err);
        let refused: Vec<_> = refused.collect();
        assert!(matches!(refused[..], [Error::LastKey]), "{refused:?}");
    }
}

async fn deleting_what_is_not_there_is_silent(stage: Stage) {
    let auth = stage.auth().await;
    sign_up(&auth, "ada").await;
    for (provider, user) in [("username", "bob"), ("", ""), ("a:b", "c"), ("a", "\0")] {
        auth.delete_key((provider, user)).await.unwrap();
        auth.delete_key((provider, user))
            .even_if_last()
            .await
            .unwrap();
    }
    // Nothing is deleted without `.await`.
    drop(auth.delete_key(("username", "ada")).even_if_last());
    assert_eq!(stage.count("user_key").await, 1);
}

async fn a_user_without_a_key_signs_in_once_they_have_one(stage: Stage) {
    let auth = stage.auth().await;
    let profile = Profile {
        username: "ada".to_owned(),
    };
    let new_user = NewUser::without_key().attributes(&profile);
    let ada = auth.create_user(new_user).await.unwrap();
    assert_eq!(stage.count("user_key").await, 0);
    assert_eq!(opens(&auth, "ada", Some(PASSWORD)).await, None);
    assert_eq!(opens(&auth, "ada", None).await, None);
    let key = NewKey::with_password(("username", "ada"), PASSWORD);
    auth.create_key(&ada.id, key).await.unwrap();
    let site = actix::serve(auth, actix::front_page()).await;
    let form = [("username", "ada"), ("password", PASSWORD)];
    assert_eq!(site.browser().post("/login", &form).await.status, 204);
}

async fn a_user_gets_the_id_that_the_application_chose(stage: Stage) {
    let auth = stage.auth().await;
    let new_user = |id: &str, name: &'static str| {
        let profile = Profile {
            username: name.to_owned(),
        };
        let key = NewKey::without_password(("username", name));
        auth.create_user(
            NewUser::with_key(key)
                .id(id.parse().unwrap())
                .attributes(&profile),
        )
    };
    let hostile = "o'\"; -- \u{1f511}";
    let ada = new_user(hostile, "ada").await.unwrap();
    assert_eq!(ada.id.as_str(), hostile);
    assert_eq!(opens(&auth, "ada", None).await, Some(ada.id.clone()));
    let session = auth.create_session(&ada.id).await.unwrap();
    assert_eq!(session.user_id, ada.id);

    let taken = new_user(hostile, "eve").await;
    assert!(matches!(taken, Err(Error::DuplicateUser)), "{taken:?}");
    let longest = "é".repeat(255);
    let eve = new_user(&longest, "eve").await.unwrap();
    assert_eq!(opens(&auth, "eve", None).await, Some(eve.id));
    assert_eq!(stage.count("auth_user").await, 2);
    assert_eq!(stage.count("user_key").await, 2);
}
