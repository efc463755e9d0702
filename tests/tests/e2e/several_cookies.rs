//! Several session cookies in one request, with each way to keep sessions. What can be seen over
//! HTTP is in `both/candidates.rs`.

use std::sync::Arc;

use axum::http::Request;
use lucia::store::Store;
use lucia::{Auth, AuthRequest, PgStore, PgStoreBuilder, Session, StoredIds};

use crate::support::{Caching, Stage, sign_up};

fn request(auth: &Auth, sessions: &[&Session]) -> AuthRequest {
    let unknown = format!("__Host-auth_session={}", "a".repeat(40));
    let ours = sessions
        .iter()
        .map(|session| format!("__Host-auth_session={}", session.token().expose()));
    let cookies: Vec<_> = ours.chain([unknown]).collect();
    let request = Request::builder().header("cookie", cookies.join("; "));
    auth.handle_request(&request.body(()).unwrap())
}

async fn auth_over(stage: &Stage, builder: PgStoreBuilder) -> Auth {
    let url = stage.database().url_by(stage.proxy().port());
    let store = builder.connect(&url).await.unwrap();
    store.migrate(&[]).await.unwrap();
    let auth = stage.builder_over(Arc::new(store)).build().unwrap();
    // The connections know the statements.
    request(&auth, &[]).validate().await.unwrap();
    auth
}

/// What a request with these and an unknown one executes, and whose it is.
async fn costs(stage: &Stage, auth: &Auth, sessions: &[&Session]) -> (usize, Option<Session>) {
    stage.proxy().statements();
    let found = request(auth, sessions).validate().await.unwrap();
    (stage.proxy().statements().len(), found)
}

async fn the_one_valid_session_counts(stage: &Stage, auth: &Auth) {
    let ada = sign_up(auth, "ada").await;
    let bob = sign_up(auth, "bob").await;
    for session in [&ada, &bob] {
        let (statements, found) = costs(stage, auth, &[session]).await;
        let found = found.expect("somebody who is signed in");
        assert_eq!((statements, &found.id), (1, &session.id));
    }
    let (statements, found) = costs(stage, auth, &[&ada, &bob]).await;
    assert_eq!((statements, found.is_none()), (1, true));
    // What has returned is seen.
    auth.invalidate_session(&ada.id).await.unwrap();
    let (statements, found) = costs(stage, auth, &[&ada, &bob]).await;
    assert_eq!((statements, found.unwrap().id.clone()), (1, bob.id.clone()));
}

#[tokio::test]
async fn r14_one_statement_finds_the_valid_session_with_batched_lookups() {
    let stage = Stage::postgres().await;
    let auth = auth_over(&stage, PgStore::builder()).await;
    the_one_valid_session_counts(&stage, &auth).await;
}

#[tokio::test]
async fn r14_one_statement_finds_the_valid_session_with_lookups_one_by_one() {
    let stage = Stage::postgres().await;
    let auth = auth_over(&stage, PgStore::builder().batched_lookups(false)).await;
    the_one_valid_session_counts(&stage, &auth).await;
}

#[tokio::test]
async fn r14_one_statement_finds_the_valid_session_among_plain_tokens() {
    let stage = Stage::postgres().await;
    let builder = PgStore::builder().stored_ids(StoredIds::PlainTokens);
    let auth = auth_over(&stage, builder).await;
    the_one_valid_session_counts(&stage, &auth).await;
}

#[tokio::test]
async fn r14_one_statement_finds_the_valid_session_beside_a_cache() {
    let stage = Stage::postgres().await;
    let caching = Caching::on(&stage).await;
    let auth = &caching.auth;
    let ada = sign_up(auth, "ada").await;
    // It is in the cache by now, and ends in another process.
    assert!(auth.validate_session(ada.token()).await.unwrap().is_some());
    let elsewhere = stage.pg_store().await;
    let elsewhere = Auth::builder(elsewhere).build().unwrap();
    assert!(request(auth, &[&ada]).validate().await.unwrap().is_some());
    elsewhere.invalidate_session(&ada.id).await.unwrap();
    assert!(request(auth, &[&ada]).validate().await.unwrap().is_none());
}

#[tokio::test]
async fn tokens_of_several_cookies_are_hashed_on_use() {
    let stage = Stage::postgres().await;
    let builder = PgStore::builder().stored_ids(StoredIds::HashedOnUse);
    let auth = auth_over(&stage, builder).await;
    the_one_valid_session_counts(&stage, &auth).await;
    let eve = sign_up(&auth, "eve").await;
    let (id, token) = (&eve.id, eve.token().expose());
    let sql = format!("UPDATE user_session SET id = '{token}' WHERE id = '{id}'");
    stage.execute(&sql).await;
    // The lookup; the hash.
    for cost in [2, 1] {
        let (statements, found) = costs(&stage, &auth, &[&eve]).await;
        assert_eq!((statements, &found.unwrap().id), (cost, id));
    }
    assert!(!stage.dump().await.iter().any(|value| value == token));
}

#[tokio::test]
async fn r14_sessions_in_a_store_of_their_own_are_found_by_one_query() {
    for (users, sessions) in [
        (Stage::postgres().await, Stage::sqlite().await),
        (Stage::sqlite().await, Stage::postgres().await),
    ] {
        sessions
            .execute("DROP TABLE user_session; CREATE TABLE user_session (
                id TEXT NOT NULL PRIMARY KEY, user_id TEXT NOT NULL, active_expires BIGINT NOT NULL,
                idle_expires BIGINT NOT NULL, created_at BIGINT NOT NULL, renewed_at BIGINT NOT NULL,
                authenticated_at BIGINT, device TEXT, address TEXT,
                persistent BOOLEAN NOT NULL)")
            .await;
        let store: Arc<dyn Store> = sessions.store().await;
        let settings = users.builder().await;
        let settings = settings.sessions(sessions.probe.before(store));
        let auth = settings.build().unwrap();
        let ada = sign_up(&auth, "ada").await;
        let newer = auth.create_session(&ada.user_id).await.unwrap();
        let bob = sign_up(&auth, "bob").await;
        for (several, found, users_asked) in [
            (&[&ada][..], Some(&ada.id), 1),
            (&[&ada, &newer], Some((&ada.id).max(&newer.id)), 1),
            (&[&ada, &newer, &bob], None, 2),
        ] {
            users.probe.calls();
            sessions.probe.calls();
            let session = request(&auth, several).validate().await.unwrap();
            assert_eq!(session.as_ref().map(|session| &session.id), found);
            assert_eq!(sessions.probe.calls(), ["sessions"]);
            assert_eq!(users.probe.calls(), vec!["user"; users_asked]);
        }
    }
}
