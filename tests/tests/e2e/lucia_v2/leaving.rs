//! After its time: `StoredIds::HashedOnUse`, and then `StoredIds::Hashed`.

use std::time::Duration;

use futures_util::future::join_all;
use lucia::{Auth, StoredIds, UserId};
use serde_json::json;

use super::both::{Both, DAY, Theirs};
use crate::support::{PASSWORD, Site, sign_up, verified};

const ON_USE: StoredIds = StoredIds::HashedOnUse;

/// Somebody with a session of Lucia's.
async fn ada(both: &Both) -> (UserId, Theirs) {
    let user = both.user("ada").await;
    let session = both.session(&user).await;
    (user, session)
}

/// Whether a cookie or bearer token of this value is somebody's here.
async fn authenticates(site: &Site, value: &str) -> bool {
    let browser = site.browser();
    browser.keep("auth_session", value);
    let by_cookie = browser.get("/who").await.body != "nobody";
    let token = lucia::SessionToken::parse(value);
    let by_token = match token {
        Some(token) => site.auth.validate_session(&token).await.unwrap().is_some(),
        None => false,
    };
    assert_eq!(by_cookie, by_token, "{value}");
    by_cookie
}

#[tokio::test]
async fn a_session_is_stored_by_its_hash_from_its_first_use_on_and_goes_on() {
    let Some(both) = Both::new().await else {
        return;
    };
    let (_, session) = ada(&both).await;
    let site = both.site(ON_USE).await;
    assert_eq!(both.stored_ids().await, [session.token()]);
    let browser = session.browser(&both, &site).await;
    for _ in 0..2 {
        let reply = browser.get("/me").await;
        assert_eq!(reply.body, "Hello, ada!");
        assert!(reply.set_cookies().is_empty());
        let hash = session.public_id();
        assert_eq!(both.stored_ids().await, [hash.as_str()]);
    }
    assert!(!both.is_known(session.token()).await);
    let cookies = format!("auth_session={}", session.token());
    assert_eq!(both.who(&cookies).await, None);

    // In another process, too, and until somebody logs out.
    let other = both.site(ON_USE).await;
    let elsewhere = session.browser(&both, &other).await;
    assert_eq!(elsewhere.post("/logout", &[]).await.status, 204);
    let reply = browser.get("/me").await;
    assert_eq!(reply.status, 401);
    assert!(reply.set_cookies().is_empty(), "{reply:?}");
    assert_eq!(both.stored_ids().await, [""; 0]);
}

#[tokio::test]
async fn an_idle_session_is_renewed_by_its_first_use() {
    let Some(both) = Both::new().await else {
        return;
    };
    let (_, session) = ada(&both).await;
    both.advance(2 * DAY).await;
    let site = both.site(ON_USE).await;
    let browser = session.browser(&both, &site).await;
    let reply = browser.get("/me").await;
    let cookie = format!("auth_session={};", session.token());
    assert!(reply.set_cookie().starts_with(&cookie), "{reply:?}");
    both.advance(14 * DAY).await;
    assert_eq!(browser.get("/me").await.status, 200);
}

#[tokio::test]
async fn what_is_made_here_is_stored_by_its_hash_and_unknown_there() {
    let Some(both) = Both::new().await else {
        return;
    };
    let auth = both.auth(ON_USE).await;
    let session = sign_up(&auth, "ada").await;
    assert_eq!(both.stored_ids().await, [session.id.as_str()]);
    assert!(!both.is_known(session.token().expose()).await);
    let rotated = auth.rotate_session(&session).await.unwrap();
    assert_eq!(both.stored_ids().await, [rotated.id.as_str()]);
}

#[tokio::test]
async fn first_uses_at_once_are_all_of_one_session() {
    let Some(both) = Both::new().await else {
        return;
    };
    let user = both.user("ada").await;
    let auths = [both.auth(ON_USE).await, both.auth(ON_USE).await];
    for round in 0..10 {
        let session = both.session(&user).await;
        // Some of them renew as well.
        both.advance(if round % 2 == 0 { DAY / 100 } else { 2 * DAY })
            .await;
        let token = session.parsed();
        let uses = (0..20).map(|number| auths[number % 2].validate_session(&token));
        for found in join_all(uses).await {
            assert_eq!(found.unwrap().unwrap().id, session.public_id());
        }
        assert_eq!(both.stored_ids().await, [session.public_id().as_str()]);
        auths[0].invalidate_user_sessions(&user).await.unwrap();
    }
}

#[tokio::test]
async fn r20_a_first_use_under_way_brings_no_revoked_session_back() {
    let Some(both) = Both::new().await else {
        return;
    };
    let user = both.user("ada").await;
    let auth = both.auth(ON_USE).await;
    for _ in 0..20 {
        let session = both.session(&user).await;
        let token = session.parsed();
        let uses = join_all((0..4).map(|_| auth.validate_session(&token)));
        let id = session.public_id();
        let (uses, ended) = tokio::join!(uses, auth.invalidate_session(&id));
        ended.unwrap();
        assert!(uses.iter().all(Result::is_ok), "{uses:?}");
        assert_eq!(both.stored_ids().await, [""; 0]);
        assert!(auth.validate_session(&token).await.unwrap().is_none());
    }
}

/// Lookups that meet go out together, and still nobody waits for the row of somebody else.
#[tokio::test]
async fn a_locked_session_keeps_no_other_one_waiting() {
    let Some(both) = Both::new().await else {
        return;
    };
    let (user, locked) = ada(&both).await;
    let auth = both.auth(ON_USE).await;
    let client = both.database.connect().await;
    client.batch_execute("BEGIN").await.unwrap();
    let sql = "SELECT 1 FROM user_session WHERE id = $1 FOR UPDATE";
    client.query(sql, &[&locked.token()]).await.unwrap();

    let token = locked.parsed();
    let waiting = auth.validate_session(&token);
    let others = async {
        for _ in 0..5 {
            let session = both.session(&user).await.parsed();
            let lookups = join_all((0..10).map(|_| auth.validate_session(&session)));
            let found = tokio::time::timeout(Duration::from_secs(4), lookups).await;
            let found = found.expect("they wait for nothing");
            assert!(found.iter().all(|found| matches!(found, Ok(Some(_)))));
        }
        client.batch_execute("ROLLBACK").await.unwrap();
    };
    let (found, ()) = tokio::join!(waiting, others);
    assert!(found.unwrap().is_some());
}

#[tokio::test]
async fn what_was_not_used_is_listed_and_ended_by_its_public_id() {
    let Some(both) = Both::new().await else {
        return;
    };
    let (user, session) = ada(&both).await;
    let auth = both.auth(ON_USE).await;
    let list = auth.user_sessions(&user).await.unwrap();
    assert!(!format!("{list:?}").contains(session.token()));
    assert_eq!(list[0].id, session.public_id());
    // To be looked at is no use.
    assert!(auth.session(&list[0].id).await.unwrap().is_some());
    assert!(both.is_known(session.token()).await);

    let ended = auth.invalidate_user_session(&user, &list[0].id);
    assert!(ended.await.unwrap());
    assert_eq!(both.stored_ids().await, [""; 0]);
}

#[tokio::test]
async fn everything_that_can_be_done_with_a_session_can_be_done_at_its_first_use() {
    let Some(both) = Both::new().await else {
        return;
    };
    let (user, session) = ada(&both).await;
    let other = both.session(&user).await;
    let auth = both.auth(ON_USE).await;
    let first = async |session: &Theirs| {
        let found = auth.validate_session(&session.parsed()).await.unwrap();
        found.unwrap()
    };
    let session = first(&session).await;
    let key = verified(&auth, "ada").await;
    let changed = auth.change_password(&session, &key, PASSWORD);
    let changed = changed.await.unwrap();
    assert_eq!(both.stored_ids().await, [changed.id.as_str()]);
    assert!(!both.is_known(other.token()).await);

    // Ended by a sign-in, unused, with all others, with its user, and when it is expired.
    let session = both.session(&user).await;
    let info = auth.session(&session.public_id()).await.unwrap().unwrap();
    let new = auth.create_session(&user).replace(Some(&info)).await;
    let new = new.unwrap();
    assert!(!both.is_known(session.token()).await);
    both.session(&user).await;
    auth.invalidate_other_sessions(&new).await.unwrap();
    assert_eq!(both.stored_ids().await, [new.id.as_str()]);
    both.session(&user).await;
    both.advance(16 * DAY).await;
    assert_eq!(auth.delete_expired_sessions().await.unwrap(), 2);
    both.session(&user).await;
    auth.delete_user(&user).await.unwrap();
    assert!(super::rows(&both.database).await.is_empty());
}

#[tokio::test]
async fn r02_a_stored_hash_is_never_a_token() {
    let Some(both) = Both::new().await else {
        return;
    };
    let (user, used) = ada(&both).await;
    let unused = both.session(&user).await;
    let site = both.site(ON_USE).await;
    let ours = site.auth.create_session(&user).await.unwrap();
    assert!(authenticates(&site, used.token()).await);

    for value in super::rows(&both.database).await.concat() {
        let Some(value) = value else { continue };
        // Until then its token is what Lucia made it: this is what the setting costs.
        let is_token = value == unused.token();
        assert_eq!(authenticates(&site, &value).await, is_token, "{value}");
        let browser = site.browser();
        let request = browser.request(reqwest::Method::GET, "/who");
        let reply = browser.send(request.bearer_auth(&value)).await;
        assert_eq!(reply.body, "nobody", "{value}");
    }
    // Now that one has been used as well.
    let dump = super::rows(&both.database).await.concat();
    for token in [used.token(), unused.token(), ours.token().expose()] {
        assert!(!dump.iter().flatten().any(|value| value.contains(token)));
        assert!(authenticates(&site, token).await);
    }
    for value in dump.into_iter().flatten() {
        for part in [&*value, value.get(..40).unwrap_or_default()] {
            assert!(!authenticates(&site, part).await, "{part}");
        }
    }
}

/// A row that was not made by either: its id has the form of a hash, and no token has that hash
/// for all that one knows.
#[tokio::test]
async fn r02_a_row_with_a_hash_of_nobodys_is_nobodys() {
    let Some(both) = Both::new().await else {
        return;
    };
    let user = both.user("ada").await;
    let hash = "0123456789abcdef".repeat(4);
    let id: lucia::SessionId = hash.parse().unwrap();
    both.execute(&format!(
        "INSERT INTO user_session (id, user_id, active_expires, idle_expires) \
         VALUES ('{hash}', '{user}', 9000000000000, 9000000000000)"
    ))
    .await;
    for ids in [ON_USE, StoredIds::PlainTokens, StoredIds::Hashed] {
        let site = both.site(ids).await;
        for value in [&hash, &hash[..40], &hash[24..]] {
            assert!(!authenticates(&site, value).await, "{ids:?}: {value}");
        }
        let list = site.auth.user_sessions(&user).await.unwrap();
        assert_eq!(list.len(), 1, "{ids:?}");
        // Beside Lucia, to which it is a token, it is not shown.
        let is_shown = list[0].id == id;
        assert_eq!(is_shown, ids != StoredIds::PlainTokens, "{ids:?}");
        let found = site.auth.session(&list[0].id).await.unwrap();
        assert_eq!(found.as_ref(), Some(&list[0]), "{ids:?}");
        assert_eq!(both.stored_ids().await, std::slice::from_ref(&hash));
    }
    let auth = both.auth(StoredIds::PlainTokens).await;
    let list = auth.user_sessions(&user).await.unwrap();
    auth.invalidate_session(&list[0].id).await.unwrap();
    assert_eq!(both.stored_ids().await, [""; 0]);
}

/// Why it has to be stopped first.
#[tokio::test]
async fn r02_while_lucia_runs_what_is_stored_signs_in_there() {
    let Some(both) = Both::new().await else {
        return;
    };
    for (ids, name) in [(ON_USE, "ada"), (StoredIds::Hashed, "bob")] {
        let auth = both.auth(ids).await;
        let session = sign_up(&auth, name).await;
        let cookies = format!("auth_session={}", session.id);
        assert_eq!(both.who(&cookies).await.as_deref(), Some(name));
    }
}

/// `from` plain tokens by way of those that are hashed on use to hashes: who came meanwhile, and
/// who is hashed with all others.
#[tokio::test]
async fn everybody_stays_signed_in_on_the_way_to_hashes() {
    let Some(both) = Both::new().await else {
        return;
    };
    let user = both.user("ada").await;
    let theirs = [both.session(&user).await, both.session(&user).await];
    let tokens = theirs.each_ref().map(Theirs::parsed);
    let is_signed_in = async |auth: &Auth, token| {
        let found = auth.validate_session(token).await.unwrap();
        found.is_some()
    };
    let plain = both.auth(StoredIds::PlainTokens).await;
    let ours = plain.create_session(&user).await.unwrap();
    assert!(is_signed_in(&plain, &tokens[0]).await);

    let on_use = both.store(ON_USE).await;
    on_use.migrate(&[]).await.unwrap();
    let on_use = both.auth(ON_USE).await;
    for token in [&tokens[0], ours.token()] {
        assert!(is_signed_in(&on_use, token).await);
    }
    // As the documentation has it.
    both.execute(
        "UPDATE user_session SET id = encode(sha256(convert_to(id, 'UTF8')), 'hex')
         WHERE id !~ '^[0-9a-f]{64}$'",
    )
    .await;
    let hashed = both.auth(StoredIds::Hashed).await;
    both.execute("DROP INDEX user_session_public_id_idx").await;
    let tokens = [&tokens[0], &tokens[1], ours.token()];
    for token in tokens {
        assert!(is_signed_in(&hashed, token).await);
    }
    let list = hashed.user_sessions(&user).await.unwrap();
    assert_eq!(list.len(), 3);
    for session in list {
        assert!(both.stored_ids().await.contains(&session.id.to_string()));
    }
}

/// What one finds who changed to hashes too early.
#[tokio::test]
async fn a_store_of_hashes_leaves_the_sessions_of_lucia_alone() {
    let Some(both) = Both::new().await else {
        return;
    };
    let (user, theirs) = ada(&both).await;
    let auth = both.auth(StoredIds::Hashed).await;
    assert!(
        auth.validate_session(&theirs.parsed())
            .await
            .unwrap()
            .is_none()
    );
    assert_eq!(auth.user_sessions(&user).await.unwrap(), []);
    auth.invalidate_session(&theirs.public_id()).await.unwrap();
    assert!(both.is_known(theirs.token()).await);
    // They end with the others.
    auth.invalidate_user_sessions(&user).await.unwrap();
    assert!(!both.is_known(theirs.token()).await);
    let validated = both
        .peer
        .call("validateSession", json!({ "id": theirs.token() }));
    assert!(validated.await.is_err());
}
