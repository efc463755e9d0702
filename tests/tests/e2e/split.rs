//! Users in one database, sessions in another.

use std::time::Duration;

use actix_web::web::{self, ServiceConfig};
use actix_web::{HttpResponse, post};
use futures_util::future::join_all;
use lucia::{Auth, Error, Result, Session, UserId, authenticated};
use serde::Deserialize;

use crate::support::{PASSWORD, Site, Stage, actix, sign_up, verified};

const NEW: &str = "another horse battery";
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

#[derive(Deserialize)]
struct Change {
    new: String,
}

#[post("/password")]
#[authenticated]
async fn change(
    auth: web::Data<Auth>,
    session: Session,
    form: web::Form<Change>,
) -> Result<HttpResponse> {
    let key = auth.verify_password(("username", "ada"), PASSWORD).await?;
    let session = auth.change_password(&session, &key, &form.new).await?;
    auth_request.set_session(Some(&session));
    Ok(HttpResponse::NoContent().finish())
}

fn routes(config: &mut ServiceConfig) {
    actix::front_page().configure(config);
    config.service(change).configure(keys::routes);
}

/// Two databases, each behind a probe of its own, and a site over both.
struct Split {
    users: Stage,
    sessions: Stage,
    site: Site,
}

impl Split {
    async fn new(users: Stage, sessions: Stage) -> Self {
        // No user is where the sessions are.
        sessions.execute(WITHOUT_USERS).await;
        let store = sessions.probe.before(sessions.store().await);
        let settings = users.builder().await.sessions(store);
        let site = actix::serve(settings.build().unwrap(), actix::Routes::of_config(routes)).await;
        Self {
            users,
            sessions,
            site,
        }
    }

    /// The same application over another `Auth`.
    async fn site_over(&self, auth: Auth) -> Site {
        actix::serve(auth, actix::Routes::of_config(routes)).await
    }

    fn calls(&self) -> (Vec<&'static str>, Vec<&'static str>) {
        (self.users.probe.calls(), self.sessions.probe.calls())
    }
}

/// The table of sessions, referring to no table of users.
pub(crate) const WITHOUT_USERS: &str = "DROP TABLE user_session;
    CREATE TABLE user_session (
        id TEXT NOT NULL PRIMARY KEY, user_id TEXT NOT NULL, active_expires BIGINT NOT NULL,
        idle_expires BIGINT NOT NULL, created_at BIGINT NOT NULL, renewed_at BIGINT NOT NULL,
        authenticated_at BIGINT, device TEXT, address TEXT,
        persistent BOOLEAN NOT NULL
    )";

macro_rules! on_two_stores {
    ($($name:ident),* $(,)?) => {
        mod users_in_postgres {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                super::$name(Split::new(Stage::postgres().await, Stage::sqlite().await).await).await;
            })*
        }

        mod users_in_sqlite {
            use super::*;
            $(#[tokio::test]
            async fn $name() {
                super::$name(Split::new(Stage::sqlite().await, Stage::postgres().await).await).await;
            })*
        }
    };
}

mod keys;

on_two_stores![
    people_sign_up_sign_in_and_out,
    a_session_is_renewed_where_it_is,
    a_revoked_session_is_over,
    a_new_password_ends_all_other_sessions,
    r21_a_sign_in_under_way_when_the_password_changes_gets_no_session,
    an_outage_of_either_is_503_and_touches_no_cookie,
    a_password_change_that_fails_half_way_keeps_nobody_else_in,
    a_password_change_that_fails_at_its_end_leaves_no_session_of_before,
    a_password_that_is_set_while_another_changes_stays,
    a_session_that_begins_while_the_password_changes_ends_with_it,
    a_deleted_user_is_nobody_although_sessions_know_no_users,
    a_limit_and_a_sweep_reach_the_sessions,
];

/// Lookups that share the questions to both stores fail only where they need the answer.
#[tokio::test]
async fn lookups_that_meet_fail_one_by_one() {
    let (users, sessions) = (Stage::postgres().await, Stage::sqlite().await);
    sessions.execute(WITHOUT_USERS).await;
    let auth = Auth::builder(users.store().await).sessions(sessions.store().await);
    let auth = auth.build().unwrap();
    let mut signed_in = Vec::new();
    for number in 0..20 {
        signed_in.push(sign_up(&auth, &format!("user {number}")).await);
    }
    let (ended, orphan, foreign) = (3, 4, 5);
    auth.invalidate_session(&signed_in[ended].id).await.unwrap();
    let of = |number: usize| signed_in[number].id.to_string();
    users
        .execute(&format!(
            "DELETE FROM user_key WHERE user_id = '{0}'; DELETE FROM auth_user WHERE id = '{0}'",
            signed_in[orphan].user_id
        ))
        .await;
    users.change_type_of_user_ids("VARCHAR(40)").await;
    // Of no user, by an id that the column of users cannot hold.
    sessions
        .execute(&format!(
            "UPDATE user_session SET user_id = '{}' WHERE id = '{}'",
            "x".repeat(60),
            of(foreign)
        ))
        .await;
    let look_up = async || {
        let lookups = signed_in
            .iter()
            .map(|session| auth.validate_session(session.token()));
        join_all(lookups).await
    };
    for (number, found) in look_up().await.into_iter().enumerate() {
        let is_there = found.unwrap().is_some();
        assert_eq!(
            is_there,
            ![ended, orphan, foreign].contains(&number),
            "{number}"
        );
    }
    users.proxy().cut();
    for (number, found) in look_up().await.into_iter().enumerate() {
        match (number, found) {
            (number, Ok(None)) if number == ended => {}
            (number, Err(Error::Unavailable(_))) if number != ended => {}
            (number, other) => panic!("{number}: {other:?}"),
        }
    }
}

async fn people_sign_up_sign_in_and_out(split: Split) {
    let browser = split.site.browser();
    let form = [("username", "ada"), ("password", PASSWORD)];
    assert_eq!(browser.post("/signup", &form).await.status, 201);
    assert_eq!(browser.get("/me").await.body, "Hello, ada!");
    assert_eq!(browser.post("/logout", &[]).await.status, 204);
    assert_eq!(browser.get("/me").await.status, 401);
    assert_eq!(browser.post("/login", &form).await.status, 204);
    split.calls();
    assert_eq!(browser.get("/me").await.body, "Hello, ada!");
    assert_eq!(split.calls(), (vec!["user"], vec!["session"]));
    assert_eq!(split.users.count("user_session").await, 0);
    assert_eq!(split.sessions.count("user_session").await, 1);
    assert_eq!(split.sessions.count("auth_user").await, 0);
    let nobody = UserId::new("nobody").unwrap();
    let refused = split.site.auth.create_session(&nobody).await;
    assert!(matches!(refused, Err(Error::UnknownUser)), "{refused:?}");
}

async fn a_session_is_renewed_where_it_is(split: Split) {
    let session = sign_up(&split.site.auth, "ada").await;
    let browser = split.site.browser_of(&session);
    split.users.clock.advance(2 * DAY);
    browser.get("/me").await.assert_renews(&session);
    split.users.clock.advance(15 * DAY);
    assert_eq!(browser.get("/me").await.status, 200);
    split.users.clock.advance(16 * DAY);
    assert!(browser.get("/me").await.set_cookies().is_empty());
}

async fn a_revoked_session_is_over(split: Split) {
    let auth = &split.site.auth;
    let session = sign_up(auth, "ada").await;
    let other = auth.create_session(&session.user_id).await.unwrap();
    let revoked = auth
        .invalidate_user_session(&session.user_id, &session.id)
        .await;
    assert!(revoked.unwrap());
    assert_eq!(split.site.browser_of(&session).get("/me").await.status, 401);
    assert_eq!(split.site.browser_of(&other).get("/me").await.status, 200);
    let rotated = auth.rotate_session(&other).await.unwrap();
    assert_eq!(split.site.browser_of(&other).get("/me").await.status, 401);
    assert_eq!(split.site.browser_of(&rotated).get("/me").await.status, 200);
}

async fn a_new_password_ends_all_other_sessions(split: Split) {
    let auth = &split.site.auth;
    let here = sign_up(auth, "ada").await;
    let elsewhere = auth.create_session(&here.user_id).await.unwrap();
    let bob = sign_up(auth, "bob").await;
    let browser = split.site.browser_of(&here);
    let reply = browser.post("/password", &[("new", NEW)]).await;
    assert_eq!(reply.status, 204);
    assert!(!reply.set_cookie().contains(here.token().expose()));
    assert_eq!(browser.get("/me").await.status, 200);
    for expired in [&here, &elsewhere] {
        assert_eq!(split.site.browser_of(expired).get("/me").await.status, 401);
    }
    assert_eq!(split.site.browser_of(&bob).get("/me").await.status, 200);
    for (password, status) in [(PASSWORD, 401), (NEW, 204)] {
        let form = [("username", "ada"), ("password", password)];
        let reply = split.site.browser().post("/login", &form).await;
        assert_eq!(reply.status, status);
    }
    let key = auth.verify_password(("username", "ada"), NEW).await;
    let refused = auth.change_password(&bob, &key.unwrap(), PASSWORD).await;
    assert!(
        matches!(refused, Err(Error::InvalidCredentials)),
        "{refused:?}"
    );
}

async fn r21_a_sign_in_under_way_when_the_password_changes_gets_no_session(split: Split) {
    // With the users' own probe out of the way, so that only the sign-in is halted.
    let reset = async || {
        let sessions = split.sessions.store().await;
        let settings = Auth::builder(split.users.store().await).sessions(sessions);
        let auth = settings.build().unwrap();
        auth.reset_password(("username", "ada"), NEW).await.unwrap();
    };
    // Before anything is stored, and between the look at the key and the insertion.
    for (stage, method) in [(&split.users, "key"), (&split.sessions, "insert_session")] {
        let session = sign_up(&split.site.auth, "ada").await;
        let key = split
            .site
            .auth
            .verify_password(("username", "ada"), PASSWORD)
            .await
            .unwrap();
        stage.probe.halt(method);
        let changing = async {
            stage.probe.arrived(method).await;
            reset().await;
            stage.probe.release(method);
        };
        let sign_in = async { split.site.auth.create_session(&key).await };
        let (created, ()) = tokio::join!(sign_in, changing);
        let refused = matches!(created, Err(Error::InvalidCredentials));
        assert!(refused, "{method}: {created:?}");
        assert_eq!(split.sessions.count("user_session").await, 0, "{method}");
        split.site.auth.delete_user(&session.user_id).await.unwrap();
    }
}

async fn an_outage_of_either_is_503_and_touches_no_cookie(split: Split) {
    let session = sign_up(&split.site.auth, "ada").await;
    let browser = split.site.browser_of(&session);
    for stage in [&split.users, &split.sessions] {
        stage.probe.set_down(true);
        for path in ["/me", "/who"] {
            let reply = browser.get(path).await;
            assert_eq!(reply.status, 503, "{reply:?}");
            assert!(reply.set_cookies().is_empty(), "{reply:?}");
        }
        stage.probe.set_down(false);
        assert_eq!(browser.get("/me").await.status, 200);
    }
}

async fn a_password_change_that_fails_half_way_keeps_nobody_else_in(split: Split) {
    let auth = &split.site.auth;
    let here = sign_up(auth, "ada").await;
    let elsewhere = auth.create_session(&here.user_id).await.unwrap();
    let fails_at = async |session: &Session, stage: &Stage, method: &'static str| {
        let key = verified(auth, "ada").await;
        stage.probe.halt(method);
        let failing = async {
            stage.probe.arrived(method).await;
            stage.probe.set_down(true);
            stage.probe.release(method);
        };
        let changing = auth.change_password(session, &key, NEW);
        let (changed, ()) = tokio::join!(changing, failing);
        stage.probe.set_down(false);
        assert!(matches!(changed, Err(Error::Unavailable(_))), "{changed:?}");
    };
    // Nothing has happened before this.
    fails_at(&here, &split.sessions, "rotate_session").await;
    for session in [&here, &elsewhere] {
        assert_eq!(split.site.browser_of(session).get("/me").await.status, 200);
    }
    let key = auth.verify_password(("username", "ada"), PASSWORD).await;
    assert!(key.is_ok());
    // From here on the session is lost to whoever asked, who is told, and signs in again.
    fails_at(&here, &split.sessions, "delete_user_sessions").await;
    assert_eq!(split.site.browser_of(&here).get("/me").await.status, 401);
    let key = auth.verify_password(("username", "ada"), PASSWORD).await;
    let here = auth.create_session(&key.unwrap()).await.unwrap();
    fails_at(&here, &split.users, "update_key_password").await;
    for session in [&here, &elsewhere] {
        assert_eq!(split.site.browser_of(session).get("/me").await.status, 401);
    }
    let key = auth.verify_password(("username", "ada"), PASSWORD).await;
    assert!(key.is_ok());
}

async fn a_password_change_that_fails_at_its_end_leaves_no_session_of_before(split: Split) {
    let auth = &split.site.auth;
    let here = sign_up(auth, "ada").await;
    let elsewhere = auth.create_session(&here.user_id).await.unwrap();
    // The password changes, and what comes after it fails.
    split.users.probe.halt("update_key_password");
    let failing = async {
        split.users.probe.arrived("update_key_password").await;
        split.sessions.probe.set_down(true);
        split.users.probe.release("update_key_password");
    };
    let key = verified(auth, "ada").await;
    let changing = auth.change_password(&here, &key, NEW);
    let (changed, ()) = tokio::join!(changing, failing);
    split.sessions.probe.set_down(false);
    assert!(matches!(changed, Err(Error::Unavailable(_))), "{changed:?}");
    for session in [&here, &elsewhere] {
        assert_eq!(split.site.browser_of(session).get("/me").await.status, 401);
    }
    for (password, opens) in [(PASSWORD, false), (NEW, true)] {
        let key = auth.verify_password(("username", "ada"), password).await;
        assert_eq!(key.is_ok(), opens);
    }
}

/// The comparison of before is not enough: the write compares as well.
async fn a_password_that_is_set_while_another_changes_stays(split: Split) {
    const SET: &str = "a third horse battery";

    let auth = &split.site.auth;
    let here = sign_up(auth, "ada").await;
    let key = verified(auth, "ada").await;
    // In another process, whose calls are not halted.
    let sessions = split.sessions.store().await;
    let users = split.users.store().await;
    let elsewhere = Auth::builder(users).sessions(sessions).build().unwrap();
    split.users.probe.halt("update_key_password");
    let setting = async {
        split.users.probe.arrived("update_key_password").await;
        let set = elsewhere.update_key_password(("username", "ada"), SET);
        set.await.unwrap();
        split.users.probe.release("update_key_password");
    };
    let changing = auth.change_password(&here, &key, NEW);
    let (changed, ()) = tokio::join!(changing, setting);
    // The session was rotated before, so its user signs in again.
    assert!(
        matches!(changed, Err(Error::Unauthenticated)),
        "{changed:?}"
    );
    for (password, opens) in [(PASSWORD, false), (NEW, false), (SET, true)] {
        let key = auth.verify_password(("username", "ada"), password).await;
        assert_eq!(key.is_ok(), opens, "{password}");
    }
}

async fn a_session_that_begins_while_the_password_changes_ends_with_it(split: Split) {
    let auth = &split.site.auth;
    let here = sign_up(auth, "ada").await;
    let key = auth.verify_password(("username", "ada"), PASSWORD).await;
    let key = key.unwrap();
    // When the others have ended, and before the password changes.
    split.users.probe.halt("update_key_password");
    let beginning = async {
        split.users.probe.arrived("update_key_password").await;
        let began = auth.create_session(&key).await.unwrap();
        split.users.probe.release("update_key_password");
        began
    };
    let changing = auth.change_password(&here, &key, NEW);
    let (changed, began) = tokio::join!(changing, beginning);
    for (session, status) in [(&changed.unwrap(), 200), (&began, 401)] {
        assert_eq!(
            split.site.browser_of(session).get("/me").await.status,
            status
        );
    }
}

async fn a_deleted_user_is_nobody_although_sessions_know_no_users(split: Split) {
    let auth = &split.site.auth;
    let session = sign_up(auth, "ada").await;
    let browser = split.site.browser_of(&session);
    // Down in between, so that the sessions stay.
    split.sessions.probe.set_down(true);
    assert!(auth.delete_user(&session.user_id).await.is_err());
    split.sessions.probe.set_down(false);
    assert_eq!(split.sessions.count("user_session").await, 1);
    let reply = browser.get("/me").await;
    assert_eq!(reply.status, 401);
    assert!(reply.set_cookies().is_empty());
    auth.delete_user(&session.user_id).await.unwrap();
    assert_eq!(split.sessions.count("user_session").await, 0);
}

async fn a_limit_and_a_sweep_reach_the_sessions(split: Split) {
    let store = split.sessions.store().await;
    let settings = split.users.builder().await.sessions(store);
    let auth = settings.max_sessions_per_user(2).build().unwrap();
    let session = sign_up(&auth, "ada").await;
    for _ in 0..5 {
        auth.create_session(&session.user_id).await.unwrap();
    }
    assert_eq!(split.sessions.count("user_session").await, 2);
    split
        .users
        .clock
        .set(session.idle_expires + Duration::from_secs(1));
    assert_eq!(auth.delete_expired_sessions().await.unwrap(), 2);
    assert_eq!(split.sessions.count("user_session").await, 0);
}
