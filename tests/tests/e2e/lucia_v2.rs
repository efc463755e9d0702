//! Beside a Node application with a real Lucia v2, on the same database.

mod beside;
mod both;
mod cookies;
mod leaving;
mod stored_ids;

use lucia::PgStore;
use lucia_tests::{Database, Peer, PeerOptions};
use serde_json::{Value, json};
use tokio_postgres::SimpleQueryMessage;

use crate::support::PASSWORD;

#[tokio::test]
async fn migrate_leaves_a_database_of_lucia_v2_to_work_on() {
    let database = Database::new().await;
    let Some(peer) = Peer::start(&database).await else {
        return;
    };
    peer.call("createTables", Value::Null).await.unwrap();
    let user = create_user(&peer, "ada").await;
    let session = create_session(&peer, &user).await;
    let before = rows(&database).await;

    migrate(&database, &[]).await;

    assert_eq!(rows(&database).await, before);
    let found = peer.call("getSession", id_of(&session)).await;
    assert_eq!(found.unwrap(), session);
    signs_in_and_out(&peer, &database, "ada").await;
    create_user(&peer, "bob").await;
    signs_in_and_out(&peer, &database, "bob").await;
    let found = peer.call("getSession", id_of(&session)).await;
    assert_eq!(found.unwrap(), session);
}

#[tokio::test]
async fn the_tables_that_migrate_makes_are_good_for_lucia_v2() {
    let database = Database::new().await;
    let Some(peer) = Peer::start(&database).await else {
        return;
    };
    migrate(&database, &["username TEXT NOT NULL UNIQUE"]).await;

    let user = create_user(&peer, "ada").await;
    signs_in_and_out(&peer, &database, "ada").await;
    let session = create_session(&peer, &user).await;
    let key = json!({ "username": "ada", "password": "another horse battery" });
    peer.call("updateKeyPassword", key.clone()).await.unwrap();
    peer.call("useKey", key).await.unwrap();
    peer.call("deleteUser", json!({ "userId": user }))
        .await
        .unwrap();
    let gone = peer.call("getSession", id_of(&session)).await;
    assert_eq!(gone.unwrap_err().code, "AUTH_INVALID_SESSION_ID");
    assert!(rows(&database).await.is_empty());
}

/// What a database and a browser of Lucia v2 are used to.
#[tokio::test]
async fn lucia_v2_has_its_ids_in_its_cookies() {
    let database = Database::new().await;
    let production = PeerOptions {
        production: true,
        ..PeerOptions::default()
    };
    let Some(peer) = Peer::start(&database).await else {
        return;
    };
    let Some(production) = Peer::start_with(&database, &production).await else {
        return;
    };
    migrate(&database, &["username TEXT NOT NULL UNIQUE"]).await;
    let user = create_user(&peer, "ada").await;
    let session = create_session(&peer, &user).await;
    let id = session["sessionId"].as_str().unwrap();
    for (id, length) in [(user.as_str(), 15), (id, 40)] {
        let known = |letter: char| letter.is_ascii_lowercase() || letter.is_ascii_digit();
        assert!(id.len() == length && id.chars().all(known), "{id}");
    }

    let sql = format!(
        "SELECT to_char(to_timestamp(idle_expires / 1000) AT TIME ZONE 'UTC', \
         'Dy, DD Mon YYYY HH24:MI:SS \"GMT\"') FROM user_session WHERE id = '{id}'"
    );
    let client = database.connect().await;
    let expires: String = client.query_one(&sql, &[]).await.unwrap().get(0);
    let cookie = async |peer: &Peer, session: &Value| {
        let cookie = peer.call("createSessionCookie", json!({ "session": session }));
        cookie.await.unwrap()["header"].as_str().unwrap().to_owned()
    };
    assert_eq!(
        cookie(&peer, &session).await,
        format!("auth_session={id}; Path=/; Expires={expires}; HttpOnly; SameSite=Lax")
    );
    assert_eq!(
        cookie(&production, &session).await,
        format!("auth_session={id}; Path=/; Expires={expires}; HttpOnly; Secure; SameSite=Lax")
    );
    assert_eq!(
        cookie(&production, &Value::Null).await,
        "auth_session=; Path=/; Expires=Thu, 01 Jan 1970 00:00:00 GMT; HttpOnly; Secure; \
         SameSite=Lax"
    );
    let header = json!({ "header": format!("a=b; auth_session={id}") });
    let read = peer.call("readSessionCookie", header).await;
    assert_eq!(read.unwrap(), id);
}

async fn migrate(database: &Database, definitions: &[&str]) {
    let store = PgStore::connect(&database.url()).await.unwrap();
    store.migrate(definitions).await.unwrap();
}

/// The id of somebody new.
async fn create_user(peer: &Peer, username: &str) -> String {
    let user = json!({ "username": username, "password": PASSWORD });
    let user = peer.call("createUser", user).await.unwrap();
    assert_eq!(user["username"], username);
    user["userId"].as_str().unwrap().to_owned()
}

async fn create_session(peer: &Peer, user: &str) -> Value {
    let session = peer.call("createSession", json!({ "userId": user })).await;
    session.unwrap()
}

fn id_of(session: &Value) -> Value {
    json!({ "id": session["sessionId"] })
}

/// Everything that an application does with somebody's session.
async fn signs_in_and_out(peer: &Peer, database: &Database, username: &str) {
    let wrong = json!({ "username": username, "password": "wrong horse battery" });
    let refused = peer.call("useKey", wrong).await.unwrap_err();
    assert_eq!(refused.code, "AUTH_INVALID_PASSWORD");
    let right = json!({ "username": username, "password": PASSWORD });
    let key = peer.call("useKey", right).await.unwrap();
    let user = key["userId"].as_str().unwrap();
    let session = create_session(peer, user).await;
    let id = id_of(&session);
    assert_eq!(session["user"]["username"], username);
    let valid = peer.call("validateSession", id.clone()).await.unwrap();
    assert_eq!(valid, session);
    let all = json!({ "userId": user });
    let sessions = peer.call("getAllUserSessions", all).await.unwrap();
    assert!(sessions.as_array().unwrap().contains(&session));

    let sql = "UPDATE user_session SET active_expires = 0 WHERE id = $1";
    let client = database.connect().await;
    let token = session["sessionId"].as_str().unwrap();
    assert_eq!(client.execute(sql, &[&token]).await.unwrap(), 1);
    let idle = peer.call("getSession", id.clone()).await.unwrap();
    assert_eq!(
        (&idle["state"], &idle["fresh"]),
        (&json!("idle"), &json!(false))
    );
    let renewed = peer.call("validateSession", id.clone()).await.unwrap();
    assert_eq!(renewed["fresh"], json!(true));
    let active = peer.call("getSession", id.clone()).await.unwrap();
    assert_eq!(active["state"], json!("active"));
    for expires in ["activePeriodExpiresAt", "idlePeriodExpiresAt"] {
        assert_eq!(active[expires], renewed[expires]);
        assert!(active[expires].as_i64() >= session[expires].as_i64());
    }

    peer.call("invalidateSession", id.clone()).await.unwrap();
    let gone = peer.call("validateSession", id).await.unwrap_err();
    assert_eq!(gone.code, "AUTH_INVALID_SESSION_ID");
}

/// What is in the columns that Lucia v2 knows.
async fn rows(database: &Database) -> Vec<Vec<Option<String>>> {
    let sql = "SELECT id, username FROM auth_user ORDER BY id;
               SELECT id, user_id, hashed_password FROM user_key ORDER BY id;
               SELECT id, user_id, active_expires, idle_expires FROM user_session ORDER BY id";
    let messages = database.connect().await.simple_query(sql).await.unwrap();
    let rows = messages.into_iter().filter_map(|message| match message {
        SimpleQueryMessage::Row(row) => Some(row),
        _ => None,
    });
    rows.map(|row| {
        (0..row.len())
            .map(|column| row.get(column).map(str::to_owned))
            .collect()
    })
    .collect()
}
