//! At the same time: `StoredIds::PlainTokens`.

use lucia::{Auth, CacheOptions, Error, PgStore, StoredIds, UserId};
use serde_json::{Value, json};

use super::both::{Both, DAY, SECOND, Theirs, millis};
use crate::support::{PASSWORD, eventually, sign_up, verified};

const PLAIN: StoredIds = StoredIds::PlainTokens;

#[tokio::test]
async fn who_signed_up_there_logs_in_here_and_is_signed_in_on_both_sides() {
    let Some(both) = Both::new().await else {
        return;
    };
    both.user("ada").await;
    let hash = async || {
        let client = both.database.connect().await;
        let row = client.query_one("SELECT hashed_password FROM user_key", &[]);
        row.await.unwrap().get::<_, String>(0)
    };
    let before = hash().await;
    assert!(before.starts_with("s2:"), "{before}");
    let site = both.site(PLAIN).await;
    let browser = site.browser();
    let wrong = [("username", "ada"), ("password", "wrong horse battery")];
    assert_eq!(browser.post("/login", &wrong).await.status, 401);
    let right = [("username", "ada"), ("password", PASSWORD)];
    assert_eq!(browser.post("/login", &right).await.status, 204);

    assert_eq!(browser.get("/me").await.body, "Hello, ada!");
    let cookies = browser.cookie_header().unwrap();
    assert_eq!(both.who(&cookies).await.as_deref(), Some("ada"));
    // And can still log in there.
    assert_eq!(hash().await, before);
    let key = json!({ "username": "ada", "password": PASSWORD });
    both.call("useKey", key).await;
}

#[tokio::test]
async fn a_password_changed_there_is_the_one_that_counts_here() {
    let Some(both) = Both::new().await else {
        return;
    };
    both.user("ada").await;
    let auth = both.auth(PLAIN).await;
    let key = json!({ "username": "ada", "password": "another horse battery" });
    both.call("updateKeyPassword", key).await;
    let old = auth.verify_password(("username", "ada"), PASSWORD).await;
    assert!(matches!(old, Err(Error::InvalidCredentials)));
    let new = auth.verify_password(("username", "ada"), "another horse battery");
    assert!(new.await.is_ok());
}

#[tokio::test]
async fn a_session_made_there_is_good_here_by_its_cookie() {
    let Some(both) = Both::new().await else {
        return;
    };
    let user = both.user("ada").await;
    let session = both.session(&user).await;
    let site = both.site(PLAIN).await;
    let browser = session.browser(&both, &site).await;
    let reply = browser.get("/me").await;
    assert_eq!(reply.body, "Hello, ada!");
    assert!(reply.set_cookies().is_empty());
    assert_eq!(both.stored_ids().await, [session.token()]);

    let found = site.auth.session(&session.public_id()).await.unwrap();
    let found = found.unwrap();
    assert_eq!(found.user_id, user);
    assert_eq!(
        (found.active_expires, found.idle_expires),
        session.expiries()
    );
    // Whoever made it there had proved who they are.
    assert!(found.authenticated_at.is_some());
    assert!(found.persistent);
}

#[tokio::test]
async fn a_session_made_here_is_good_there() {
    let Some(both) = Both::new().await else {
        return;
    };
    let auth = both.auth(PLAIN).await;
    let session = sign_up(&auth, "ada").await;
    let cookie = auth.session_cookie(Some(&session));
    let cookies = format!("a=b; {}={}", cookie.name(), cookie.value());
    assert_eq!(both.who(&cookies).await.as_deref(), Some("ada"));
    let theirs = Theirs::from(both.validate(session.token().expose()).await.unwrap());
    assert_eq!(
        theirs.expiries(),
        (session.active_expires, session.idle_expires)
    );
    assert_eq!(theirs.value()["user"]["userId"], session.user_id.as_str());
    assert_eq!(theirs.value()["state"], "active");
}

#[tokio::test]
async fn a_session_renewed_here_lives_as_long_there() {
    let Some(both) = Both::new().await else {
        return;
    };
    let user = both.user("ada").await;
    let session = both.session(&user).await;
    let site = both.site(PLAIN).await;
    let browser = session.browser(&both, &site).await;
    both.advance(2 * DAY).await;
    let reply = browser.get("/me").await;
    let cookie = format!("auth_session={};", session.token());
    assert!(reply.set_cookie().starts_with(&cookie), "{reply:?}");
    assert!(reply.set_cookie().contains("Max-Age=1296000;"), "{reply:?}");

    let renewed = Theirs::from(both.validate(session.token()).await.unwrap());
    assert_eq!(
        renewed.expiries(),
        (both.now() + DAY, both.now() + 15 * DAY)
    );
    assert_eq!(renewed.value()["fresh"], false);
    // Longer than it would have lived.
    both.advance(14 * DAY).await;
    assert!(both.is_known(session.token()).await);
}

#[tokio::test]
async fn a_session_renewed_there_lives_as_long_here() {
    let Some(both) = Both::new().await else {
        return;
    };
    let auth = both.auth(PLAIN).await;
    let session = sign_up(&auth, "ada").await;
    both.advance(2 * DAY).await;
    let renewed = both.validate(session.token().expose()).await.unwrap();
    assert_eq!(renewed["fresh"], true);
    both.advance(DAY / 2).await;
    let found = auth.validate_session(session.token()).await.unwrap();
    let found = found.unwrap();
    assert!(!found.fresh);
    assert_eq!(
        (found.active_expires, found.idle_expires),
        Theirs::from(renewed).expiries()
    );
}

#[tokio::test]
async fn a_session_that_is_not_remembered_here_is_good_there_and_is_not_remembered_after() {
    let Some(both) = Both::new().await else {
        return;
    };
    let auth = both.auth(PLAIN).await;
    let session = sign_up(&auth, "ada").await;
    let session = auth.create_session(&session.user_id).remember(false);
    let session = session.await.unwrap();
    let theirs = Theirs::from(both.validate(session.token().expose()).await.unwrap());
    let expiries = (both.now() + DAY, both.now() + 2 * DAY);
    assert_eq!(theirs.expiries(), expiries);
    // Lucia knows one idle period, and renews by that.
    both.advance(DAY + SECOND).await;
    let renewed = both.validate(session.token().expose()).await.unwrap();
    let renewed = Theirs::from(renewed).expiries();
    assert_eq!(renewed, (both.now() + DAY, both.now() + 15 * DAY));
    both.advance(DAY + SECOND).await;
    let site = both.site(PLAIN).await;
    let reply = site.browser_of(&session).get("/me").await;
    assert!(!reply.set_cookie().contains("Max-Age"), "{reply:?}");
    let found = auth.session(&session.id).await.unwrap().unwrap();
    assert_eq!(found.idle_expires, both.now() + 2 * DAY);
}

#[tokio::test]
async fn who_logs_out_on_one_side_is_logged_out_on_the_other() {
    let Some(both) = Both::new().await else {
        return;
    };
    let user = both.user("ada").await;
    let site = both.site(PLAIN).await;
    let (one, other) = (both.session(&user).await, both.session(&user).await);

    let here = one.browser(&both, &site).await;
    assert_eq!(here.post("/logout", &[]).await.status, 204);
    assert!(!both.is_known(one.token()).await);
    assert!(both.is_known(other.token()).await);

    let here = other.browser(&both, &site).await;
    both.call("invalidateSession", json!({ "id": other.token() }))
        .await;
    let reply = here.get("/me").await;
    assert_eq!(reply.status, 401);
    assert!(reply.set_cookies().is_empty(), "{reply:?}");

    // Everywhere at once.
    let (one, ours) = (
        both.session(&user).await,
        site.auth.create_session(&user).await.unwrap(),
    );
    both.call("invalidateAllUserSessions", json!({ "userId": user }))
        .await;
    for token in [one.parsed(), ours.token().clone()] {
        assert!(site.auth.validate_session(&token).await.unwrap().is_none());
    }
    let one = both.session(&user).await;
    site.auth.invalidate_user_sessions(&user).await.unwrap();
    assert!(!both.is_known(one.token()).await);
}

#[tokio::test]
async fn a_user_deleted_on_one_side_is_gone_on_the_other() {
    let Some(both) = Both::new().await else {
        return;
    };
    let site = both.site(PLAIN).await;
    let ours = sign_up(&site.auth, "ada").await;
    let browser = site.browser_of(&ours);
    both.session(&ours.user_id).await;
    both.call("deleteUser", json!({ "userId": ours.user_id }))
        .await;
    let reply = browser.get("/me").await;
    assert_eq!(reply.status, 401);
    assert!(reply.set_cookies().is_empty(), "{reply:?}");
    assert!(super::rows(&both.database).await.is_empty());

    let bob = both.user("bob").await;
    let theirs = both.session(&bob).await;
    site.auth.create_session(&bob).await.unwrap();
    site.auth.delete_user(&bob).await.unwrap();
    assert!(!both.is_known(theirs.token()).await);
    let gone = both.peer.call("getUser", json!({ "userId": bob })).await;
    assert_eq!(gone.unwrap_err().code, "AUTH_INVALID_USER_ID");
    assert!(super::rows(&both.database).await.is_empty());
}

#[tokio::test]
async fn r23_both_list_the_sessions_of_both_and_here_by_public_ids() {
    let Some(both) = Both::new().await else {
        return;
    };
    let auth = both.auth(PLAIN).await;
    let user = both.user("ada").await;
    let theirs = both.session(&user).await;
    both.advance(SECOND).await;
    let ours = auth.create_session(&user).device("A phone").await.unwrap();
    let bob = both.user("bob").await;
    both.session(&bob).await;

    let list = both.call("getAllUserSessions", json!({ "userId": user }));
    let list = list.await;
    let mut ids: Vec<_> = list.as_array().unwrap().iter().map(token_of).collect();
    ids.sort_unstable();
    let mut tokens = [theirs.token(), ours.token().expose()];
    tokens.sort_unstable();
    assert_eq!(ids, tokens);

    let list = auth.user_sessions(&user).await.unwrap();
    let shown = format!("{list:?} {}", json!(list));
    assert!(!tokens.iter().any(|token| shown.contains(token)), "{shown}");
    let mut ids: Vec<_> = list.into_iter().map(|session| session.id).collect();
    ids.sort();
    let mut expected = [theirs.public_id(), ours.id.clone()];
    expected.sort();
    assert_eq!(ids, expected);

    // Each can be ended by the id that the page shows, if it is the user's own.
    let id = theirs.public_id();
    let ended = auth.invalidate_user_session(&bob, &id);
    assert!(!ended.await.unwrap());
    let ended = auth.invalidate_user_session(&user, &id);
    assert!(ended.await.unwrap());
    assert!(!both.is_known(theirs.token()).await);
}

fn token_of(session: &Value) -> &str {
    session["sessionId"].as_str().unwrap()
}

#[tokio::test]
async fn a_session_is_idle_and_expired_from_the_same_millisecond_on_for_both() {
    let Some(both) = Both::new().await else {
        return;
    };
    let auth = both.auth(PLAIN).await;
    let user = both.user("ada").await;
    let theirs = both.session(&user).await;
    let ours = auth.create_session(&user).await.unwrap();
    let public_ids = [theirs.public_id(), ours.id.clone()];
    let tokens = [theirs.token(), ours.token().expose()];
    let expiries = (ours.active_expires, ours.idle_expires);
    assert_eq!(theirs.expiries(), expiries);
    let millisecond = SECOND / 1000;
    for (moment, state) in [
        (expiries.0, Some("active")),
        (expiries.0 + millisecond, Some("idle")),
        (expiries.1, Some("idle")),
        (expiries.1 + millisecond, None),
    ] {
        both.advance(moment.duration_since(both.now()).unwrap())
            .await;
        for (id, token) in public_ids.iter().zip(tokens) {
            let here = auth.session(id).await.unwrap();
            let here = here.map(|session| format!("{:?}", session.state).to_lowercase());
            assert_eq!(here.as_deref(), state);
            let there = both.peer.call("getSession", json!({ "id": token })).await;
            let there = there.ok().map(|session| session["state"].clone());
            assert_eq!(there, state.map(Value::from));
        }
    }
    let list = both.call("getAllUserSessions", json!({ "userId": user }));
    assert_eq!(list.await, json!([]));
    assert_eq!(auth.user_sessions(&user).await.unwrap(), []);

    // Either side sweeps out what both have made.
    assert_eq!(auth.delete_expired_sessions().await.unwrap(), 2);
    auth.create_session(&user).await.unwrap();
    both.advance(16 * DAY).await;
    let alive = both.session(&user).await;
    both.call("deleteDeadUserSessions", json!({ "userId": user }))
        .await;
    // Lucia does not wait for its deletions.
    both.call("deleteDeadUserSessions", json!({ "userId": user }))
        .await;
    let list = auth.user_sessions(&user).await.unwrap();
    let [listed] = &list[..] else {
        panic!("{list:?}");
    };
    assert_eq!(listed.id, alive.public_id());
    assert_eq!(millis(listed.idle_expires), millis(alive.expiries().1));
}

#[tokio::test]
async fn a_session_made_there_can_get_another_token_here() {
    let Some(both) = Both::new().await else {
        return;
    };
    let auth = both.auth(PLAIN).await;
    let user = both.user("ada").await;
    let (theirs, other) = (both.session(&user).await, both.session(&user).await);
    let session = auth.validate_session(&theirs.parsed()).await.unwrap();
    let rotated = auth.rotate_session(&session.unwrap()).await.unwrap();
    assert!(!both.is_known(theirs.token()).await);
    assert!(both.is_known(rotated.token().expose()).await);

    // Changing a password ends the others, whoever made them.
    let key = verified(&auth, "ada").await;
    let changed = auth.change_password(&rotated, &key, "another horse battery");
    let changed = changed.await.unwrap();
    assert!(both.is_known(changed.token().expose()).await);
    assert!(!both.is_known(rotated.token().expose()).await);
    assert!(!both.is_known(other.token()).await);
}

#[tokio::test]
async fn r25_a_limit_of_sessions_counts_those_of_both() {
    let Some(both) = Both::new().await else {
        return;
    };
    let builder = both.builder(PLAIN).await;
    let auth = builder.max_sessions_per_user(2).build().unwrap();
    let user = both.user("ada").await;
    for _ in 0..3 {
        both.session(&user).await;
    }
    let ours = auth.create_session(&user).await.unwrap();
    let stored = both.stored_ids().await;
    assert_eq!(stored.len(), 2);
    assert!(stored.contains(&ours.token().expose().to_owned()));
}

/// What this setting costs: the tokens are in the database, and nothing else there is one.
#[tokio::test]
async fn r02_beside_lucia_tokens_are_stored_and_nothing_else_authenticates() {
    let Some(both) = Both::new().await else {
        return;
    };
    let site = both.site(PLAIN).await;
    let ours = sign_up(&site.auth, "ada").await;
    let theirs = both.session(&ours.user_id).await;
    let tokens = [ours.token().expose(), theirs.token()];
    let dump = super::rows(&both.database).await;
    let mut found = 0;
    for value in dump.into_iter().flatten().flatten() {
        let browser = site.browser();
        browser.keep("auth_session", &value);
        let request = browser.request(reqwest::Method::GET, "/who");
        let reply = browser.send(request).await;
        let is_token = tokens.contains(&value.as_str());
        found += usize::from(is_token);
        assert_eq!(reply.body == "ada", is_token, "{value}");
        assert_eq!(both.is_known(&value).await, is_token, "{value}");
    }
    assert_eq!(found, 2);
}

#[tokio::test]
async fn r23_a_public_id_is_good_for_nothing_on_either_side() {
    let Some(both) = Both::new().await else {
        return;
    };
    let site = both.site(PLAIN).await;
    let ours = sign_up(&site.auth, "ada").await;
    let theirs = both.session(&ours.user_id).await;
    for id in [ours.id.clone(), theirs.public_id()] {
        let browser = site.browser();
        browser.keep("auth_session", id.as_str());
        assert_eq!(browser.get("/me").await.status, 401);
        assert!(!both.is_known(id.as_str()).await);
        assert_eq!(both.who(&format!("auth_session={id}")).await, None);
    }
}

#[tokio::test]
async fn an_unknown_user_has_no_sessions_on_either_side() {
    let Some(both) = Both::new().await else {
        return;
    };
    let auth = both.auth(PLAIN).await;
    let nobody = UserId::new("nobody").unwrap();
    let here = auth.create_session(&nobody).await;
    assert!(matches!(here, Err(Error::UnknownUser)));
    let there = both.peer.call("createSession", json!({ "userId": nobody }));
    assert_eq!(there.await.unwrap_err().code, "AUTH_INVALID_USER_ID");
    assert_eq!(both.stored_ids().await, [""; 0]);
}

#[tokio::test]
async fn r54_a_session_ended_there_is_ended_in_the_cache_here() {
    let Some(both) = Both::new().await else {
        return;
    };
    let builder = PgStore::builder().stored_ids(PLAIN);
    let builder = builder.cache(CacheOptions::new());
    let store = builder.connect(&both.database.url()).await.unwrap();
    store.migrate(&[]).await.unwrap();
    eventually(async || store.is_cache_answering()).await;
    let auth = Auth::builder(store).build().unwrap();
    let user = both.user("ada").await;
    let session = both.session(&user).await;
    let token = session.parsed();
    for _ in 0..2 {
        assert!(auth.validate_session(&token).await.unwrap().is_some());
    }
    let ended = json!({ "id": session.token() });
    both.call("invalidateSession", ended).await;
    let gone = async || auth.validate_session(&token).await.unwrap().is_none();
    let seen = eventually(gone).await;
    assert!(seen < 10 * SECOND, "{seen:?}");
}
