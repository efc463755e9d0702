//! What this process changes is changed when it has returned.

use std::time::Duration;

use futures_util::future::join_all;
use futures_util::poll;
use lucia::{Auth, CacheOptions, NewKey, PgStore, Result, Session, UserId};
use serde_json::{Value, json};

use crate::support::{Caching, PASSWORD, Profile, Stage, actix, sign_up, verified};

/// A session that the cache answers for.
async fn remembered() -> (Stage, Caching, Session) {
    let stage = Stage::postgres().await;
    let caching = Caching::on(&stage).await;
    let session = sign_up(&caching.auth, "ada").await;
    caching.remember(&stage, &session).await;
    // What its own notifications do comes on top, and must not be what is tested.
    caching.listener.stall();
    (stage, caching, session)
}

/// Does something to a session in the cache, and says whether it is still good.
async fn is_good_after(change: impl AsyncFnOnce(&Auth, &Session) -> Result<()>) -> bool {
    let (_stage, caching, session) = remembered().await;
    let auth = &caching.auth;
    change(auth, &session).await.unwrap();
    let found = auth.validate_session(session.token()).await.unwrap();
    found.is_some()
}

#[tokio::test]
async fn r54_a_revocation_that_has_returned_is_seen_by_whoever_asks_then() {
    assert!(is_good_after(async |_, _| Ok(())).await);
    let revoked = [
        is_good_after(async |auth, session| auth.invalidate_session(&session.id).await).await,
        is_good_after(async |auth, session| {
            let (user_id, id) = (&session.user_id, &session.id);
            auth.invalidate_user_session(user_id, id).await.map(drop)
        })
        .await,
        is_good_after(async |auth, session| auth.invalidate_user_sessions(&session.user_id).await)
            .await,
        is_good_after(async |auth, session| {
            let other = auth.create_session(&session.user_id).await?;
            auth.invalidate_other_sessions(&other).await
        })
        .await,
        is_good_after(async |auth, session| auth.delete_user(&session.user_id).await).await,
        is_good_after(async |auth, session| auth.rotate_session(session).await.map(drop)).await,
        is_good_after(async |auth, session| {
            let key = verified(auth, "ada").await;
            let again = auth.reauthenticate(session, &key);
            again.await.map(drop)
        })
        .await,
        is_good_after(async |auth, session| {
            let new = "another horse battery";
            let key = verified(auth, "ada").await;
            let changed = auth.change_password(session, &key, new);
            changed.await.map(drop)
        })
        .await,
        is_good_after(async |auth, _| {
            let new = "another horse battery";
            auth.reset_password(("username", "ada"), new)
                .await
                .map(drop)
        })
        .await,
        is_good_after(async |auth, session| {
            let replaced = auth.create_session(&session.user_id).replace(Some(session));
            replaced.await.map(drop)
        })
        .await,
        is_good_after(async |auth, session| {
            // In the place of somebody else's.
            let bob = sign_up(auth, "bob").await;
            let replaced = auth.create_session(&bob.user_id).replace(Some(session));
            replaced.await.map(drop)
        })
        .await,
    ];
    assert_eq!(revoked, [false; 11]);
}

#[tokio::test]
async fn r54_a_user_whose_id_is_spelled_in_another_way_is_revoked_at_once() {
    async fn is_good_after(change: impl AsyncFnOnce(&Auth, &UserId) -> Result<()>) -> bool {
        let stage = Stage::postgres().await;
        stage.change_type_of_user_ids("CITEXT").await;
        let caching = Caching::on(&stage).await;
        let session = sign_up(&caching.auth, "ada").await;
        caching.remember(&stage, &session).await;
        caching.listener.stall();
        let spelled = UserId::new(session.user_id.as_str().to_uppercase()).unwrap();
        assert_ne!(spelled, session.user_id);
        change(&caching.auth, &spelled).await.unwrap();
        let found = caching
            .auth
            .validate_session(session.token())
            .await
            .unwrap();
        found.is_some()
    }
    assert!(is_good_after(async |_, _| Ok(())).await);
    assert!(!is_good_after(async |auth, id| auth.invalidate_user_sessions(id).await).await);
    assert!(!is_good_after(async |auth, id| auth.delete_user(id).await).await);
    // The key has the other spelling, by which its password changes.
    let reset = async |auth: &Auth, id: &UserId| {
        let key = NewKey::with_password(("email", "ada@example.com"), PASSWORD);
        auth.create_key(id, key).await?;
        let reset = auth.reset_password(("email", "ada@example.com"), "a password for later");
        reset.await.map(drop)
    };
    assert!(!is_good_after(reset).await);
}

#[tokio::test]
async fn r25_a_session_in_excess_is_no_more_in_the_cache() {
    let (stage, caching, session) = remembered().await;
    let limited = stage.builder_over(std::sync::Arc::new(caching.store.clone()));
    let limited = limited.max_sessions_per_user(1).build().unwrap();
    limited.create_session(&session.user_id).await.unwrap();
    assert!(!caching.look(&stage, &session).await.0);
}

#[tokio::test]
async fn r16_a_session_that_was_swept_out_is_expired_and_the_cache_keeps_the_others() {
    let stage = Stage::postgres().await;
    let caching = Caching::on(&stage).await;
    let session = sign_up(&caching.auth, "ada").await;
    caching.remember(&stage, &session).await;
    stage.clock.set(session.idle_expires);
    let other = sign_up(&caching.auth, "bob").await;
    caching.remember(&stage, &other).await;
    stage
        .clock
        .set(session.idle_expires + Duration::from_millis(1));
    let deleted = caching.auth.delete_expired_sessions().await;
    assert_eq!(deleted.unwrap(), 1);
    assert!(!caching.look(&stage, &session).await.0);
    assert_eq!(caching.look(&stage, &other).await, (true, 0));
}

#[tokio::test]
async fn signing_in_takes_no_other_session_out_of_the_cache() {
    let stage = Stage::postgres().await;
    let caching = Caching::on(&stage).await;
    let session = sign_up(&caching.auth, "ada").await;
    caching.remember(&stage, &session).await;
    caching.auth.create_session(&session.user_id).await.unwrap();
    assert_eq!(caching.look(&stage, &session).await, (true, 0));
}

#[tokio::test]
async fn a_user_who_was_changed_is_so_for_whoever_asks_then() {
    let (stage, caching, session) = remembered().await;
    let other = caching.auth.create_session(&session.user_id).await.unwrap();
    let grace = Profile {
        username: "grace".to_owned(),
    };
    let changed = caching
        .auth
        .update_user_attributes::<Profile>(&session.user_id, &grace);
    changed.await.unwrap();
    let site = actix::serve(caching.auth.clone(), actix::front_page()).await;
    for session in [&session, &other] {
        let reply = site.browser_of(session).get("/me").await;
        assert_eq!(reply.body, "Hello, grace!");
    }
    drop(stage);
}

#[tokio::test]
async fn a_session_whose_attributes_were_changed_is_so_for_whoever_asks_then() {
    let stage = Stage::postgres().await;
    let builder = PgStore::builder().session_columns(["country TEXT"]);
    let caching = Caching::with(&stage, builder, CacheOptions::new()).await;
    let session = sign_up(&caching.auth, "ada").await;
    caching.remember(&stage, &session).await;
    caching.listener.stall();
    let country = json!({ "country": "NO" });
    let changed = caching
        .auth
        .update_session_attributes(&session.id, &country);
    changed.await.unwrap();
    let found = caching.auth.validate_session(session.token()).await;
    let found: Value = found.unwrap().unwrap().attributes_as().unwrap();
    assert_eq!(found, country);
}

#[tokio::test]
async fn a_column_that_a_migration_adds_is_there_for_whoever_asks_then() {
    let (_stage, caching, session) = remembered().await;
    let column = "age INT NOT NULL DEFAULT 7";
    caching.store.migrate(&[column]).await.unwrap();
    let row = lucia::store::Store::session_and_user(&caching.store, &session.id).await;
    let (_, user) = row.unwrap().unwrap();
    assert!(user.attributes.contains("\"age\":7"), "{}", user.attributes);
}

#[tokio::test]
async fn a_change_that_fails_or_is_given_up_may_have_happened() {
    let (stage, caching, session) = remembered().await;
    // It reaches nobody.
    stage.proxy().cut();
    assert!(caching.auth.invalidate_session(&session.id).await.is_err());
    stage.proxy().heal();
    assert_eq!(caching.look(&stage, &session).await, (true, 1));
    // A cache that has heard nothing for a second keeps nothing.
    caching.listener.heal();
    caching.remember(&stage, &session).await;
    caching.listener.stall();

    stage.proxy().stall();
    {
        let mut change = std::pin::pin!(caching.auth.invalidate_session(&session.id));
        assert!(poll!(&mut change).is_pending());
    }
    stage.proxy().heal();
    let asked = caching.look(&stage, &session).await;
    assert_eq!(asked.1, 1, "the database is asked");
}

#[tokio::test]
async fn r54_a_revocation_is_seen_by_lookups_that_meet_it() {
    let stage = Stage::postgres().await;
    let caching = Caching::on(&stage).await;
    let auth = &caching.auth;
    let first = sign_up(auth, "ada").await;
    let user_id = first.user_id.clone();
    for _ in 0..150 {
        let session = auth.create_session(&user_id).await.unwrap();
        // Some are on their way, some come after, and may find it.
        let before = join_all((0..4).map(|_| auth.validate_session(session.token())));
        let (_, revocation) = tokio::join!(before, auth.invalidate_session(&session.id));
        revocation.unwrap();
        let after = join_all((0..4).map(|_| auth.validate_session(session.token()))).await;
        assert!(after.into_iter().all(|found| found.unwrap().is_none()));
    }
}
