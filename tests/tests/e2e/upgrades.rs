//! Hashes that are replaced when their owners sign in.

use lucia::{Auth, Error, NewHashes, PasswordOptions, Result, VerifiedKey};
use lucia_tests::watch;

use crate::support::{PASSWORD, Stage, actix, on_each_store, sign_up};

on_each_store![
    r43_an_outdated_hash_is_upgraded_on_login,
    r43_a_hash_of_today_is_left_alone,
    r43_a_wrong_password_upgrades_nothing,
    r43_two_logins_at_once_leave_one_valid_hash,
    r43_a_password_changed_meanwhile_is_not_overwritten,
    r43_a_key_deleted_meanwhile_does_not_come_back,
    r43_a_store_that_fails_the_upgrade_does_not_fail_the_login,
    r43_legacy_hashes_stay_as_they_are_unless_allowed,
    r43_no_hash_is_replaced_where_new_ones_are_those_of_lucia,
    r38_a_hash_that_cannot_be_read_is_refused_as_somebody_unknown_is,
];

/// Made by `lucia` 2.7.7 and by `bcryptjs` 3.0.3, of [`PASSWORD`].
const LEGACY: [&str; 2] = [
    "s2:3uw485eja8q0dmml:89a7e3cf65b6b51d00de282f28de63e93eb546ff15bde49a17b6b00201eec78e959e0a9204075cb58ef1ff88e465a10d31a96672e2da497dfaedcf557ed73f65",
    "$2a$05$wM.9ddZk2VSkHWjky7xKRONhwbm5O5P54PhTcR/AVhYRwQ9eDwfM2",
];

/// What is called to replace a hash.
const UPGRADE: &str = "update_key_password";

/// Settings under which the hashes of the default ones are outdated.
fn stronger() -> PasswordOptions {
    PasswordOptions::new().iterations(3)
}

async fn auth_with(stage: &Stage, options: PasswordOptions) -> Auth {
    stage.builder().await.passwords(options).build().unwrap()
}

/// Ada, with a hash of the default settings, and an `Auth` for which it is outdated.
async fn ada(stage: &Stage) -> (Auth, String) {
    sign_up(&stage.auth().await, "ada").await;
    let auth = auth_with(stage, stronger()).await;
    stage.probe.calls();
    (auth, hash(stage).await)
}

async fn hash(stage: &Stage) -> String {
    let hash = stage.value("SELECT hashed_password FROM user_key").await;
    hash.unwrap()
}

async fn store_hash(stage: &Stage, hash: &str) {
    let store = stage.store().await;
    let key = store.key("username:ada").await.unwrap().unwrap();
    let stored = store.update_key_password(
        &key.id,
        &key.user_id,
        Some(hash),
        lucia::store::OldHash::Any,
    );
    assert!(stored.await.unwrap());
}

async fn login(auth: &Auth) -> Result<VerifiedKey> {
    auth.verify_password(("username", "ada"), PASSWORD).await
}

fn upgrades(stage: &Stage) -> usize {
    let calls = stage.probe.calls();
    calls.into_iter().filter(|call| *call == UPGRADE).count()
}

async fn r43_an_outdated_hash_is_upgraded_on_login(stage: Stage) {
    let (auth, old) = ada(&stage).await;
    let site = actix::serve(auth, actix::front_page()).await;
    let form = [("username", "ada"), ("password", PASSWORD)];
    assert_eq!(site.browser().post("/login", &form).await.status, 204);
    let new = hash(&stage).await;
    assert!(new.starts_with("$argon2id$v=19$m=19456,t=3,p=1$"), "{new}");
    assert_ne!(new, old);
    assert_eq!(upgrades(&stage), 1);

    assert_eq!(site.browser().post("/login", &form).await.status, 204);
    assert_eq!(upgrades(&stage), 0);
    assert_eq!(hash(&stage).await, new);
    // Whoever has the old settings reads the new hash, and leaves it.
    login(&stage.auth().await).await.unwrap();
    assert_eq!(hash(&stage).await, new);
}

async fn r43_a_hash_of_today_is_left_alone(stage: Stage) {
    let auth = stage.auth().await;
    sign_up(&auth, "ada").await;
    let before = hash(&stage).await;
    login(&auth).await.unwrap();
    assert_eq!(upgrades(&stage), 0);
    assert_eq!(hash(&stage).await, before);
}

async fn r43_a_wrong_password_upgrades_nothing(stage: Stage) {
    let (auth, old) = ada(&stage).await;
    for password in ["", "wrong horse battery", &PASSWORD.repeat(20)] {
        let refused = auth.verify_password(("username", "ada"), password).await;
        assert!(refused.is_err());
    }
    assert_eq!(upgrades(&stage), 0);
    assert_eq!(hash(&stage).await, old);
}

async fn r43_two_logins_at_once_leave_one_valid_hash(stage: Stage) {
    let (auth, old) = ada(&stage).await;
    stage.probe.halt(UPGRADE);
    let both = async { tokio::join!(login(&auth), login(&auth)) };
    let at_once = async {
        // Both have read the old hash, and neither has replaced it.
        stage.probe.arrived(UPGRADE).await;
        stage.probe.arrived(UPGRADE).await;
        stage.probe.release(UPGRADE);
    };
    let ((one, other), ()) = tokio::join!(both, at_once);
    let new = hash(&stage).await;
    assert_ne!(new, old);
    // The one that was slower is signed in by the hash of the other one.
    for key in [one.unwrap(), other.unwrap()] {
        auth.create_session(&key).await.unwrap();
    }
    upgrades(&stage);
    login(&auth).await.unwrap();
    assert_eq!(upgrades(&stage), 0);
    assert_eq!(hash(&stage).await, new);
}

async fn r43_a_password_changed_meanwhile_is_not_overwritten(stage: Stage) {
    let (auth, _) = ada(&stage).await;
    stage.probe.halt(UPGRADE);
    let changing = async {
        stage.probe.arrived(UPGRADE).await;
        store_hash(&stage, "the hash of another password").await;
        stage.probe.release(UPGRADE);
    };
    let (login, ()) = tokio::join!(login(&auth), changing);
    assert!(matches!(login, Err(Error::InvalidCredentials)), "{login:?}");
    assert_eq!(hash(&stage).await, "the hash of another password");
}

async fn r43_a_key_deleted_meanwhile_does_not_come_back(stage: Stage) {
    let (auth, _) = ada(&stage).await;
    stage.probe.halt(UPGRADE);
    let deleting = async {
        stage.probe.arrived(UPGRADE).await;
        let store = stage.store().await;
        store
            .delete_key("username:ada", lucia::store::LastKey::Delete)
            .await
            .unwrap();
        stage.probe.release(UPGRADE);
    };
    let (login, ()) = tokio::join!(login(&auth), deleting);
    assert!(matches!(login, Err(Error::InvalidCredentials)), "{login:?}");
    assert_eq!(stage.count("user_key").await, 0);
}

async fn r43_a_store_that_fails_the_upgrade_does_not_fail_the_login(stage: Stage) {
    let (auth, old) = ada(&stage).await;
    let secrets = watch([&*old]);
    let warnings = watch(["password hash not upgraded"]);
    stage.probe.halt(UPGRADE);
    let failing = async {
        stage.probe.arrived(UPGRADE).await;
        stage.probe.set_down(true);
        stage.probe.release(UPGRADE);
    };
    let (key, ()) = tokio::join!(login(&auth), failing);
    let key = key.unwrap();
    let user_id = &key.user_id;
    let warned = warnings.lines().into_iter().any(|line| {
        assert!(!line.contains(PASSWORD), "{line}");
        line.starts_with("WARN ") && line.contains(user_id.as_str()) && line.contains("probe")
    });
    assert!(warned, "{warnings:?}");
    assert_eq!(secrets.lines(), [""; 0]);
    assert_eq!(hash(&stage).await, old);

    // The login goes on, and the next one does it.
    stage.probe.set_down(false);
    auth.create_session(&key).await.unwrap();
    login(&auth).await.unwrap();
    assert_ne!(hash(&stage).await, old);
}

async fn r43_legacy_hashes_stay_as_they_are_unless_allowed(stage: Stage) {
    let auth = stage.auth().await;
    sign_up(&auth, "ada").await;
    let allowing = PasswordOptions::new().upgrade_legacy_hashes(true);
    let allowing = auth_with(&stage, allowing).await;
    for legacy in LEGACY {
        store_hash(&stage, legacy).await;
        login(&auth).await.unwrap();
        assert_eq!(hash(&stage).await, legacy);
        login(&auth_with(&stage, stronger()).await).await.unwrap();
        assert_eq!(hash(&stage).await, legacy);

        login(&allowing).await.unwrap();
        let new = hash(&stage).await;
        assert!(new.starts_with("$argon2id$"), "{new}");
        login(&auth).await.unwrap();
        assert_eq!(hash(&stage).await, new);
    }
}

async fn r43_no_hash_is_replaced_where_new_ones_are_those_of_lucia(stage: Stage) {
    let (_, argon2id) = ada(&stage).await;
    let lucia = stronger().new_hashes(NewHashes::LuciaScrypt);
    let lucia = auth_with(&stage, lucia).await;
    for stored in LEGACY.into_iter().chain([&*argon2id]) {
        store_hash(&stage, stored).await;
        login(&lucia).await.unwrap();
        assert_eq!(hash(&stage).await, stored);
    }
    let changed = lucia.reset_password(("username", "ada"), PASSWORD);
    changed.await.unwrap();
    let new = hash(&stage).await;
    assert!(new.starts_with("s2:"), "{new}");
    login(&lucia).await.unwrap();
    assert_eq!(hash(&stage).await, new);
}

async fn r38_a_hash_that_cannot_be_read_is_refused_as_somebody_unknown_is(stage: Stage) {
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    let site = actix::serve(auth, actix::front_page()).await;
    let form = |username| [("username", username), ("password", PASSWORD)];
    let unknown = site.browser().post("/login", &form("nobody")).await;
    // Nobody else's: all tests that run now share one log.
    let canary = format!("swordfish-{}", session.id);
    for malformed in [
        canary.clone(),
        format!("s2:{canary}:00"),
        format!("$2b$31${canary}"),
        format!("$argon2id$v=19${canary}"),
    ] {
        store_hash(&stage, &malformed).await;
        let shown = watch([&*canary]);
        let told = watch([session.user_id.as_str()]);
        let reply = site.browser().post("/login", &form("ada")).await;
        assert_eq!(reply.status, 401, "{malformed}");
        assert_eq!(reply.body, unknown.body);
        assert!(reply.set_cookies().is_empty());
        assert_eq!(shown.lines(), [""; 0]);
        let told = told.lines();
        let errors = told.iter().filter(|line| line.starts_with("ERROR "));
        assert_eq!(errors.count(), 1, "{told:?}");
        assert_eq!(hash(&stage).await, malformed);
    }
}
