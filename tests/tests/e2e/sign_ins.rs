//! Sign-ins beside what changes the key that they were made with.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures_util::future::join_all;
use lucia::{Auth, Error, NewKey, PasswordOptions, PgStore, Result, Session, VerifiedKey};

use crate::support::{
    PASSWORD, Reply, Stage, actix, on_each_store, sign_up, until_waiting, verified,
};

on_each_store![
    r21_a_sign_in_under_way_when_its_key_changes_gets_no_session,
    r21_hammering_with_the_old_password_leaves_no_session_of_it,
    r21_a_sign_in_that_is_refused_at_the_last_moment_ends_no_other_session,
    r21_of_two_resets_at_once_the_first_one_signs_nobody_in,
    a_key_that_nobody_changed_signs_in_as_often_as_it_is_asked,
    a_key_without_a_password_signs_in_as_long_as_it_is_there_and_has_none,
    by_the_id_of_a_user_a_session_begins_whatever_became_of_the_key,
];

const NEW: &str = "another horse battery";

/// What a sign-in calls when its password has been checked.
const BEGIN: &str = "insert_session_by_key";

const ADA: [(&str, &str); 2] = [("username", "ada"), ("password", PASSWORD)];

/// What can become of a key.
#[derive(Clone, Copy, Debug)]
enum Fate {
    Changed,
    Reset,
    Updated,
    Withdrawn,
    Deleted,
    UserDeleted,
}

impl Fate {
    const ALL: [Self; 6] = [
        Self::Changed,
        Self::Reset,
        Self::Updated,
        Self::Withdrawn,
        Self::Deleted,
        Self::UserDeleted,
    ];

    async fn befall(self, auth: &Auth, session: &Session) -> Result<()> {
        let (provider, name) = ("username", "ada");
        match self {
            Self::Changed => {
                let key = verified(auth, name).await;
                let changed = auth.change_password(session, &key, NEW);
                changed.await.map(drop)
            }
            Self::Reset => auth.reset_password((provider, name), NEW).await.map(drop),
            Self::Updated => {
                let updated = auth.update_key_password((provider, name), NEW);
                updated.await.map(drop)
            }
            Self::Withdrawn => {
                let updated = auth.remove_key_password((provider, name));
                updated.await.map(drop)
            }
            Self::Deleted => auth.delete_key((provider, name)).even_if_last().await,
            Self::UserDeleted => auth.delete_user(&session.user_id).await,
        }
    }

    /// How many sessions are left of one that was there before.
    fn leaves(self) -> u64 {
        match self {
            Self::Reset | Self::UserDeleted => 0,
            Self::Changed | Self::Updated | Self::Withdrawn | Self::Deleted => 1,
        }
    }
}

async fn open(auth: &Auth) -> VerifiedKey {
    let opened = auth.verify_password(("username", "ada"), PASSWORD).await;
    opened.unwrap()
}

#[track_caller]
fn assert_refused(created: Result<Session>) {
    let refused = matches!(created, Err(Error::InvalidCredentials));
    assert!(refused, "{created:?}");
}

async fn r21_a_sign_in_under_way_when_its_key_changes_gets_no_session(stage: Stage) {
    let site = actix::serve(stage.auth().await, actix::front_page()).await;
    let wrong = [("username", "nobody"), ("password", PASSWORD)];
    let wrong = site.browser().post("/login", &wrong).await;
    for fate in Fate::ALL {
        let session = sign_up(&site.auth, "ada").await;
        stage.probe.halt(BEGIN);
        let changing = async {
            stage.probe.arrived(BEGIN).await;
            fate.befall(&site.auth, &session).await.unwrap();
            stage.probe.release(BEGIN);
        };
        let browser = site.browser();
        let (reply, ()): (Reply, ()) = tokio::join!(browser.post("/login", &ADA), changing);
        // As if the password had been wrong from the beginning.
        assert_eq!(reply.status, 401, "{fate:?}: {reply:?}");
        assert_eq!(reply.body, wrong.body);
        assert!(reply.set_cookies().is_empty(), "{fate:?}: {reply:?}");
        let left = stage.count("user_session").await;
        assert_eq!(left, fate.leaves(), "{fate:?}");
        site.auth.delete_user(&session.user_id).await.unwrap();
    }
}

async fn r21_hammering_with_the_old_password_leaves_no_session_of_it(stage: Stage) {
    let options = PasswordOptions::new().waiting(100);
    let auth = stage.builder().await.passwords(options).build().unwrap();
    let site = actix::serve(auth, actix::front_page()).await;
    let ada = sign_up(&site.auth, "ada").await;
    let successes = AtomicUsize::new(0);
    let hammering = join_all((0..8).map(async |_| {
        let browser = site.browser();
        loop {
            match browser.post("/login", &ADA).await.status {
                204 => successes.fetch_add(1, Ordering::Relaxed),
                401 => return browser,
                other => panic!("{other}"),
            };
        }
    }));
    let changing = async {
        while successes.load(Ordering::Relaxed) < 16 {
            tokio::task::yield_now().await;
        }
        let reset = site.auth.reset_password(("username", "ada"), NEW).await;
        reset.map(drop).unwrap();
        site.auth.user_sessions(&ada.user_id).await.unwrap()
    };
    let (browsers, left) = tokio::join!(hammering, changing);
    assert!(left.is_empty(), "{left:?}");
    assert_eq!(stage.count("user_session").await, 0);
    for browser in browsers {
        assert_eq!(browser.get("/me").await.status, 401);
    }
    let form = [("username", "ada"), ("password", NEW)];
    assert_eq!(site.browser().post("/login", &form).await.status, 204);
}

async fn r21_a_sign_in_that_is_refused_at_the_last_moment_ends_no_other_session(stage: Stage) {
    let settings = stage.builder().await.max_sessions_per_user(1);
    let auth = settings.build().unwrap();
    let session = sign_up(&auth, "ada").await;
    let bob = sign_up(&auth, "bob").await;
    let key = open(&auth).await;
    Fate::Updated.befall(&auth, &session).await.unwrap();
    assert_refused(auth.create_session(&key).replace(Some(&bob)).await);
    for session in [&session, &bob] {
        let found = auth.validate_session(session.token()).await;
        assert!(found.unwrap().is_some());
    }
}

async fn r21_of_two_resets_at_once_the_first_one_signs_nobody_in(stage: Stage) {
    let auth = stage.auth().await;
    let ada = sign_up(&auth, "ada").await;
    let reset = async |password| auth.reset_password(("username", "ada"), password).await;
    let first = reset("the password of a thief").await.unwrap();
    let second = reset(NEW).await.unwrap();
    assert_refused(auth.create_session(&first).await);
    let session = auth.create_session(&second).await.unwrap();
    let alive = auth.user_sessions(&ada.user_id).await.unwrap();
    assert_eq!(alive.len(), 1);
    assert_eq!(alive[0].id, session.id);
}

async fn a_key_that_nobody_changed_signs_in_as_often_as_it_is_asked(stage: Stage) {
    let auth = stage.auth().await;
    let ada = sign_up(&auth, "ada").await;
    let key = open(&auth).await;
    assert_eq!(key.user_id, ada.user_id);
    let others = NewKey::without_password(("github", "1815"));
    auth.create_key(&ada.user_id, others).await.unwrap();
    let sessions = join_all((0..10).map(async |_| auth.create_session(&key).await)).await;
    assert!(sessions.iter().all(Result::is_ok), "{sessions:?}");
    assert_eq!(stage.count("user_session").await, 11);
}

async fn a_key_without_a_password_signs_in_as_long_as_it_is_there_and_has_none(stage: Stage) {
    let auth = stage.auth().await;
    let ada = sign_up(&auth, "ada").await;
    let new = || auth.create_key(&ada.user_id, NewKey::without_password(("github", "1815")));
    new().await.unwrap();
    let opened = auth.trusted_key(("github", "1815")).await.unwrap();
    auth.create_session(&opened).await.unwrap();
    let updated = auth.update_key_password(("github", "1815"), NEW).await;
    assert!(updated.unwrap().has_password);
    assert_refused(auth.create_session(&opened).await);
    auth.delete_key(("github", "1815")).await.unwrap();
    assert_refused(auth.create_session(&opened).await);
    // The same one once more.
    new().await.unwrap();
    auth.create_session(&opened).await.unwrap();
    assert_eq!(stage.count("user_session").await, 3);
}

async fn by_the_id_of_a_user_a_session_begins_whatever_became_of_the_key(stage: Stage) {
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    let key = open(&auth).await;
    Fate::Reset.befall(&auth, &session).await.unwrap();
    assert_refused(auth.create_session(&key).await);
    auth.create_session(&key.user_id).await.unwrap();
    assert_eq!(stage.count("user_session").await, 1);
}

#[tokio::test]
async fn r21_a_change_that_waits_for_a_sign_in_ends_its_session() {
    let stage = Stage::postgres().await;
    let auth = stage.auth().await;
    for limit in [None, Some(5)] {
        let settings = stage.builder().await;
        let settings = match limit {
            None => settings,
            Some(limit) => settings.max_sessions_per_user(limit),
        };
        let limited = settings.build().unwrap();
        let before = sign_up(&auth, "bob").await;
        let ada = sign_up(&auth, "ada").await;
        let key = open(&auth).await;

        // The sign-in holds the key, and waits for the session that it replaces.
        let client = stage.database().connect().await;
        let lock = format!(
            "BEGIN; SELECT 1 FROM user_session WHERE id = '{}' FOR UPDATE",
            before.id
        );
        client.batch_execute(&lock).await.unwrap();
        let sign_in = async { limited.create_session(&key).replace(Some(&before)).await };
        let changing = async {
            until_waiting(stage.database(), 1).await;
            auth.reset_password(("username", "ada"), NEW).await
        };
        let unlocking = async {
            until_waiting(stage.database(), 2).await;
            client.batch_execute("COMMIT").await.unwrap();
        };
        let (session, reset, ()) = tokio::join!(sign_in, changing, unlocking);
        reset.unwrap();
        let session = session.unwrap();
        let found = auth.validate_session(session.token()).await.unwrap();
        assert!(found.is_none(), "{found:?}");
        assert_eq!(stage.count("user_session").await, 0);
        for user in [&ada, &before] {
            auth.delete_user(&user.user_id).await.unwrap();
        }
    }
}

#[tokio::test]
async fn r21_a_sign_in_that_waits_for_a_change_gets_no_session() {
    let stage = Stage::postgres().await;
    let auth = stage.auth().await;
    for fate in [Fate::Changed, Fate::Reset] {
        let session = sign_up(&auth, "ada").await;
        let key = open(&auth).await;
        // The change holds the key, and waits for a session that it is to end.
        let client = stage.database().connect().await;
        let lock = "BEGIN; SELECT 1 FROM user_session FOR UPDATE";
        client.batch_execute(lock).await.unwrap();
        let changing = fate.befall(&auth, &session);
        let sign_in = async {
            until_waiting(stage.database(), 1).await;
            auth.create_session(&key).await
        };
        let unlocking = async {
            until_waiting(stage.database(), 2).await;
            client.batch_execute("COMMIT").await.unwrap();
        };
        let (changed, refused, ()) = tokio::join!(changing, sign_in, unlocking);
        changed.unwrap();
        assert_refused(refused);
        assert_eq!(stage.count("user_session").await, fate.leaves());
        auth.delete_user(&session.user_id).await.unwrap();
    }
}

/// Who was refused is not signed in later, and their connections are free for others.
#[tokio::test]
async fn a_sign_in_that_was_given_up_does_not_wait_on_in_the_database() {
    let stage = Stage::postgres().await;
    let auth = stage.auth().await;
    let session = sign_up(&auth, "ada").await;
    let key = open(&auth).await;
    let store = PgStore::builder().timeout(Duration::from_secs(1));
    let store = store.connect(&stage.database().url()).await.unwrap();
    let settings = stage.builder_over(Arc::new(store)).max_sessions_per_user(5);
    let impatient = settings.build().unwrap();
    let client = stage.database().connect().await;
    let lock = "BEGIN; SELECT 1 FROM auth_user FOR UPDATE; SELECT 1 FROM user_key FOR UPDATE";
    client.batch_execute(lock).await.unwrap();
    let attempts = join_all((0..4).map(async |_| impatient.create_session(&session.user_id).await));
    let changes = join_all((0..4).map(async |_| {
        let changed = impatient.reset_password(("username", "ada"), NEW).await;
        changed.map(drop)
    }));
    let (created, changed) = tokio::join!(attempts, changes);
    for refused in created
        .into_iter()
        .map(|created| created.map(drop))
        .chain(changed)
    {
        assert!(matches!(refused, Err(Error::Unavailable(_))), "{refused:?}");
    }
    // Although the lock is still held.
    until_waiting(stage.database(), 0).await;
    client.batch_execute("COMMIT").await.unwrap();
    assert_eq!(stage.count("user_session").await, 1);
    auth.create_session(&key).await.unwrap();
}

#[tokio::test]
async fn a_trigger_that_keeps_sessions_out_is_no_wrong_password() {
    let stage = Stage::postgres().await;
    let auth = stage.auth().await;
    sign_up(&auth, "ada").await;
    let key = open(&auth).await;
    stage
        .execute(
            "CREATE FUNCTION nothing() RETURNS TRIGGER LANGUAGE plpgsql \
             AS 'BEGIN RETURN NULL; END'; \
             CREATE TRIGGER keeps_out BEFORE INSERT ON user_session \
             FOR EACH ROW EXECUTE FUNCTION nothing()",
        )
        .await;
    for created in [
        auth.create_session(&key).await,
        auth.create_session(&key.user_id).await,
    ] {
        let Err(Error::Misuse(reason)) = created else {
            panic!("{created:?}");
        };
        assert!(reason.contains("trigger"), "{reason}");
    }
}
