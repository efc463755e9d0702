//! Lookups that meet, with the users in another store.

use std::time::{Duration, Instant};

use futures_util::future::join_all;
use lucia::{Auth, Environment, Error, NewUser, RedisStore, Session, SqliteStore};
use lucia_tests::RedisCluster;

use crate::support::{Place, prefix};

/// An application with users who have each signed in.
async fn signed_in(store: RedisStore, users: usize) -> (Auth, Vec<Session>) {
    let main = SqliteStore::in_memory().await.unwrap();
    main.migrate(&["username TEXT NOT NULL"]).await.unwrap();
    let builder = Auth::builder(main).environment(Environment::Development);
    let auth = builder.sessions(store).build().unwrap();
    let mut sessions = Vec::new();
    for number in 0..users {
        let name = format!("user {number}");
        let attributes = serde_json::json!({ "username": name });
        let new = NewUser::without_key().attributes(&attributes);
        let user = auth.create_user(new.returning::<serde_json::Value>());
        let user = user.await.unwrap();
        sessions.push(auth.create_session(&user.id).await.unwrap());
    }
    (auth, sessions)
}

/// Looks all of these sessions up at once.
async fn look_up(auth: &Auth, sessions: &[Session]) -> Vec<lucia::Result<Option<Session>>> {
    let lookups = sessions.iter();
    join_all(lookups.map(|session| auth.validate_session(session.token()))).await
}

#[tokio::test]
async fn each_finds_its_own_session_and_one_that_cannot_be_read_fails_no_other() {
    let Some(place) = Place::new().await else {
        return;
    };
    let (auth, sessions) = signed_in(place.store().await, 80).await;
    for (found, session) in look_up(&auth, &sessions).await.iter().zip(&sessions) {
        let found = found.as_ref().unwrap().as_ref().unwrap();
        assert_eq!((&found.id, &found.user_id), (&session.id, &session.user_id));
    }

    let key = |number: usize| format!("{}:s:{}", place.prefix, sessions[number].id.as_str());
    let (unreadable, of_another_type, gone) = (key(7), key(8), key(9));
    let server = place.server;
    server
        .ask::<()>(&["HSET", &unreadable, "created_at", "yesterday"])
        .await;
    server.ask::<()>(&["DEL", &of_another_type, &gone]).await;
    server
        .ask::<()>(&["SET", &of_another_type, "no hash"])
        .await;
    for (number, found) in look_up(&auth, &sessions).await.into_iter().enumerate() {
        match (number, found) {
            (7 | 8, Err(Error::Internal(_))) | (9, Ok(None)) => {}
            (number, Ok(Some(found))) => assert_eq!(found.id, sessions[number].id),
            (number, other) => panic!("{number}: {other:?}"),
        }
    }
}

/// A session that has ended is found by no lookup that begins after that, whichever lookups are on the way.
#[tokio::test(flavor = "multi_thread")]
async fn none_that_begins_after_a_sign_out_finds_the_session() {
    let Some(place) = Place::new().await else {
        return;
    };
    let (auth, sessions) = signed_in(place.store().await, 100).await;
    let (ended, busy) = sessions.split_at(50);
    let (others, busy) = (auth.clone(), busy.to_vec());
    let looking_up = tokio::spawn(async move {
        for _ in 0..20 {
            let found = look_up(&others, &busy).await;
            assert!(found.into_iter().all(|found| found.unwrap().is_some()));
        }
    });
    for session in ended {
        auth.invalidate_session(&session.id).await.unwrap();
        let found = auth.validate_session(session.token()).await;
        assert!(found.unwrap().is_none());
    }
    looking_up.await.unwrap();
}

/// In a cluster, no lookup waits for a server that has nothing of it.
#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_says_nothing_delays_no_lookup_at_another() {
    let Some(mut cluster) = RedisCluster::start().await else {
        return;
    };
    let timeout = Duration::from_secs(4);
    let builder = RedisStore::builder().prefix(prefix()).timeout(timeout);
    let store = builder.cluster(cluster.urls()).await.unwrap();
    let (auth, sessions) = signed_in(store, 60).await;
    assert_eq!(look_up(&auth, &sessions).await.len(), sessions.len());

    cluster.server(0).pause();
    let began = Instant::now();
    let lookups = sessions.iter().map(async |session| {
        let found = auth.validate_session(session.token()).await;
        (found, began.elapsed())
    });
    let found = join_all(lookups).await;
    cluster.server(0).resume();
    let soon = found
        .iter()
        .filter(|(found, after)| matches!(found, Ok(Some(_))) && *after < timeout / 2);
    // About a third of the sessions are at that server.
    assert!(soon.count() > sessions.len() / 3, "{found:?}");
}
