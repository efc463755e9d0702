//! Users and rows.

use lucia::{Auth, Error, NewUser, NoAttributes, UserId};
use serde_json::{Value, json};

use super::{DAY, ada};
use crate::support::{PASSWORD, Probe, Stage, on_each_store, sign_up};

on_each_store![
    lucia_fault_21_the_expired_sessions_of_all_are_gone_when_the_call_returns,
    lucia_fault_22_attributes_reach_no_column_of_lucias_own,
    lucia_fault_22_the_name_of_a_column_is_no_sql,
    lucia_fault_23_each_conflict_is_told_apart_and_leaves_nothing,
    lucia_fault_23_an_update_of_nothing_is_none,
    lucia_fault_24_nobody_unknown_gets_a_session,
    lucia_fault_24_no_session_outlives_its_user,
];

async fn lucia_fault_21_the_expired_sessions_of_all_are_gone_when_the_call_returns(stage: Stage) {
    let auth = stage.auth().await;
    let ada = sign_up(&auth, "ada").await;
    sign_up(&auth, "bob").await;
    stage.clock.advance(20 * DAY);
    let alive = auth.create_session(&ada.user_id).await.unwrap();
    assert_eq!(auth.delete_expired_sessions().await.unwrap(), 2);
    assert_eq!(stage.count("user_session").await, 1);

    stage.clock.advance(20 * DAY);
    assert_eq!(auth.session(&alive.id).await.unwrap(), None);
    let of_ada = auth.delete_expired_user_sessions(&alive.user_id);
    assert_eq!(of_ada.await.unwrap(), 1);
    assert_eq!(stage.count("user_session").await, 0);
}

async fn lucia_fault_22_attributes_reach_no_column_of_lucias_own(stage: Stage) {
    let (site, session) = ada(&stage).await;
    let auth = &site.auth;
    let before = stage.dump().await;
    let is_refused =
        |outcome: Option<Error>| matches!(outcome, Some(Error::InvalidAttribute { .. }));
    let id = json!({ "username": "eve", "id": "eve" });
    let updated = auth.update_user_attributes::<Value>(&session.user_id, &id);
    assert!(is_refused(updated.await.err()));
    let new = NewUser::with_password(("username", "eve"), PASSWORD);
    let created = auth.create_user(new.attributes(&id).returning::<NoAttributes>());
    assert!(is_refused(created.await.err()));
    for column in [
        "id",
        "user_id",
        "active_expires",
        "idle_expires",
        "created_at",
        "authenticated_at",
        "renewed_at",
        "persistent",
    ] {
        let attributes = json!({ column: "eve" });
        let updated = auth.update_session_attributes(&session.id, &attributes);
        assert!(is_refused(updated.await.err()), "{column}");
        let created = auth.create_session(&session.user_id);
        assert!(
            is_refused(created.attributes(&attributes).await.err()),
            "{column}"
        );
    }
    assert_eq!(stage.dump().await, before);
}

async fn lucia_fault_22_the_name_of_a_column_is_no_sql(stage: Stage) {
    let (site, session) = ada(&stage).await;
    let auth = &site.auth;
    stage.add_columns(&["\"a\"\"b\" TEXT"]).await;
    let attributes = json!({ "a\"b": "x" });
    let updated = auth.update_user_attributes::<Value>(&session.user_id, &attributes);
    assert_eq!(updated.await.unwrap().attributes["a\"b"], "x");

    let before = stage.dump().await;
    for column in [
        "username\" = 'eve' --",
        "username = 'eve', id",
        "username') = (SELECT 'eve') --",
    ] {
        let attributes = json!({ column: "x" });
        let updated = auth.update_user_attributes::<Value>(&session.user_id, &attributes);
        let refused = updated.await.unwrap_err();
        assert!(
            matches!(&refused, Error::InvalidAttribute { column: Some(named), .. } if named == column),
            "{refused:?}"
        );
    }
    assert_eq!(stage.dump().await, before);
}

async fn lucia_fault_23_each_conflict_is_told_apart_and_leaves_nothing(stage: Stage) {
    let auth = stage.auth().await;
    let create = async |id: &str, key: &str, username: &str| {
        let columns = json!({ "username": username });
        let new = NewUser::with_password(("username", key), PASSWORD).id(id.parse().unwrap());
        let new = new.attributes(&columns).returning::<NoAttributes>();
        auth.create_user(new).await
    };
    create("1", "ada", "ada").await.unwrap();
    let before = stage.dump().await;
    let user = create("1", "bob", "bob").await;
    assert!(matches!(user, Err(Error::DuplicateUser)), "{user:?}");
    let key = create("2", "ada", "bob").await;
    assert!(matches!(key, Err(Error::DuplicateKey)), "{key:?}");
    let name = create("2", "bob", "ada").await;
    assert!(matches!(name, Err(Error::Constraint(_))), "{name:?}");
    assert_eq!(stage.dump().await, before);
    // And nothing is left open: it works at once.
    create("2", "bob", "bob").await.unwrap();
}

async fn lucia_fault_23_an_update_of_nothing_is_none(stage: Stage) {
    let (site, session) = ada(&stage).await;
    let before = stage.dump().await;
    let nothing = json!({});
    let user = site
        .auth
        .update_user_attributes::<Value>(&session.user_id, &nothing);
    assert_eq!(user.await.unwrap().id, session.user_id);
    let updated = site.auth.update_session_attributes(&session.id, &nothing);
    assert_eq!(updated.await.unwrap().id, session.id);
    assert_eq!(stage.dump().await, before);
}

/// A table of sessions that knows no users: in another database, without a foreign key.
async fn apart() -> Stage {
    let sessions = Stage::postgres().await;
    let sql = "ALTER TABLE user_session DROP CONSTRAINT user_session_user_id_fkey";
    sessions.execute(sql).await;
    sessions
}

async fn lucia_fault_24_nobody_unknown_gets_a_session(stage: Stage) {
    let sessions = apart().await;
    let elsewhere = sessions.probe.before(sessions.store().await);
    let split = stage.builder().await.sessions(elsewhere).build().unwrap();
    for auth in [&stage.auth().await, &split] {
        let session = auth.create_session(&UserId::new("nobody").unwrap()).await;
        assert!(matches!(session, Err(Error::UnknownUser)), "{session:?}");
    }
    for stage in [&stage, &sessions] {
        assert_eq!(stage.count("user_session").await, 0);
    }
}

async fn lucia_fault_24_no_session_outlives_its_user(stage: Stage) {
    let sessions = apart().await;
    let probe: &Probe = &sessions.probe;
    let elsewhere = probe.before(sessions.store().await);
    let auth: Auth = stage.builder().await.sessions(elsewhere).build().unwrap();
    let first = sign_up(&auth, "ada").await;
    // Deleted between the look at the user and the insertion.
    probe.halt("insert_session");
    let deleting = async {
        probe.arrived("insert_session").await;
        auth.delete_user(&first.user_id).await.unwrap();
        probe.release("insert_session");
    };
    let (ghost, ()) = tokio::join!(
        async { auth.create_session(&first.user_id).await },
        deleting
    );
    assert!(matches!(ghost, Err(Error::UnknownUser)), "{ghost:?}");
    assert_eq!(sessions.count("user_session").await, 0);
    let found = auth.validate_session(first.token()).await.unwrap();
    assert!(found.is_none());
}
