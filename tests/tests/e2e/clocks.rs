//! The clock of the application decides who is alive, whatever the database thinks of the time.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lucia::{Auth, Session, SessionState};

use crate::support::{PASSWORD, Stage, actix, on_each_store, sign_up};

on_each_store![
    r18_a_row_that_sql_made_is_as_alive_as_its_expiries_say,
    r18_the_defaults_of_the_database_are_moments_and_no_local_times,
];

const SECOND: Duration = Duration::from_secs(1);
const DAY: Duration = Duration::from_secs(24 * 60 * 60);

fn millis(time: SystemTime) -> u128 {
    time.duration_since(UNIX_EPOCH).unwrap().as_millis()
}

async fn is_alive(auth: &Auth, session: &Session) -> bool {
    let found = auth.validate_session(session.token()).await;
    found.unwrap().is_some()
}

/// A session is alive up to its idle limit, and neither lookups nor lists nor sweeps see it
/// otherwise.
async fn assert_times_hold(stage: &Stage, auth: &Auth, name: &str) {
    // Its limit is about now by the database's clock, which errs by less than a day.
    stage.clock.set(SystemTime::now() - 15 * DAY);
    let session = sign_up(auth, name).await;
    assert_eq!(session.created_at, stage.clock.now());
    stage.clock.set(session.active_expires);
    let found = auth.session(&session.id).await.unwrap().unwrap();
    assert_eq!(found.state, SessionState::Active);
    assert_eq!(found.created_at, session.created_at);
    assert_eq!(found.idle_expires, session.idle_expires);
    stage.clock.advance(SECOND);
    let found = auth.session(&session.id).await.unwrap().unwrap();
    assert_eq!(found.state, SessionState::Idle);

    stage.clock.set(session.idle_expires);
    assert_eq!(auth.delete_expired_sessions().await.unwrap(), 0);
    let list = auth.user_sessions(&session.user_id).await.unwrap();
    assert_eq!(list.len(), 1);
    stage.clock.advance(SECOND);
    assert!(!is_alive(auth, &session).await);
    assert_eq!(auth.delete_expired_sessions().await.unwrap(), 1);
}

#[tokio::test]
async fn r18_the_time_zone_of_the_database_does_not_matter() {
    let stage = Stage::postgres().await;
    let database = stage.value("SELECT current_database()").await.unwrap();
    for zone in ["Pacific/Kiritimati", "Pacific/Pago_Pago", "Asia/Kathmandu"] {
        let sql = format!("ALTER DATABASE \"{database}\" SET timezone = '{zone}'");
        stage.execute(&sql).await;
        assert_eq!(stage.value("SHOW timezone").await.as_deref(), Some(zone));
        // Connections of its own, which have that zone.
        let auth = stage.auth().await;
        assert_times_hold(&stage, &auth, zone).await;
    }
}

#[tokio::test]
async fn r18_the_clock_of_the_database_does_not_matter() {
    let stage = Stage::postgres().await;
    // As far as lucia could see it: by the functions that it might ask.
    let database = stage.value("SELECT current_database()").await.unwrap();
    stage
        .execute(&format!(
            "CREATE SCHEMA other;
             CREATE FUNCTION other.now() RETURNS TIMESTAMPTZ LANGUAGE SQL
                 AS 'SELECT TIMESTAMPTZ ''2999-01-01 00:00Z''';
             CREATE FUNCTION other.clock_timestamp() RETURNS TIMESTAMPTZ LANGUAGE SQL
                 AS 'SELECT TIMESTAMPTZ ''2999-01-01 00:00Z''';
             ALTER DATABASE \"{database}\" SET search_path = other, pg_catalog, public"
        ))
        .await;
    let year = stage.value("SELECT extract(year FROM now())").await;
    assert_eq!(year.as_deref(), Some("2999"));
    let auth = stage.auth().await;
    assert_times_hold(&stage, &auth, "ada").await;
}

/// A session by SQL alone, as another program makes it, with a token that is known.
async fn inserted(stage: &Stage, auth: &Auth, columns: &str, values: &str) -> Session {
    let session = sign_up(auth, "ada").await;
    stage.execute("DELETE FROM user_session").await;
    let (id, user_id) = (&session.id, &session.user_id);
    stage
        .execute(&format!(
            "INSERT INTO user_session (id, user_id, {columns}) \
             VALUES ('{id}', '{user_id}', {values})"
        ))
        .await;
    session
}

async fn r18_a_row_that_sql_made_is_as_alive_as_its_expiries_say(stage: Stage) {
    let auth = stage.auth().await;
    // Far from the database's time, either way.
    for year in [1975_u32, 2200] {
        stage.execute("DELETE FROM user_session").await;
        stage.execute("DELETE FROM user_key").await;
        stage.execute("DELETE FROM auth_user").await;
        let start = UNIX_EPOCH + (year - 1970) * 365 * DAY;
        stage.clock.set(start);
        let values = format!("{}, {}", millis(start + DAY), millis(start + 15 * DAY));
        let session = inserted(&stage, &auth, "active_expires, idle_expires", &values).await;
        stage.clock.set(start + 15 * DAY);
        let found = auth.session(&session.id).await.unwrap();
        assert_eq!(found.unwrap().state, SessionState::Idle, "{year}");
        stage.clock.advance(SECOND);
        assert!(!is_alive(&auth, &session).await, "{year}");
        stage.clock.set(start + 15 * DAY);
        assert!(is_alive(&auth, &session).await, "{year}");
        // Renewed by the clock of the application, and good for as long as that says.
        stage.clock.advance(15 * DAY);
        assert!(is_alive(&auth, &session).await, "{year}");
    }
}

async fn r18_the_defaults_of_the_database_are_moments_and_no_local_times(stage: Stage) {
    if stage.is_postgres() {
        let database = stage.value("SELECT current_database()").await.unwrap();
        let zone = "SET timezone = 'Pacific/Kiritimati'";
        stage
            .execute(&format!("ALTER DATABASE \"{database}\" {zone}"))
            .await;
    }
    let settings = stage.builder().await.absolute_period(20 * DAY);
    let auth = settings.build().unwrap();
    let now = stage.clock.now();
    let values = format!("{}, {}", millis(now + DAY), millis(now + 15 * DAY));
    let session = inserted(&stage, &auth, "active_expires, idle_expires", &values).await;
    let found = auth.session(&session.id).await.unwrap().unwrap();
    // The clock of this stage stood still since the beginning of this test.
    let apart = found.created_at.duration_since(now);
    let apart = apart.unwrap_or_else(|before| before.duration());
    assert!(apart < Duration::from_secs(600), "{apart:?}");
    assert_eq!(found.renewed_at, found.created_at);

    let site = actix::serve(auth, actix::front_page()).await;
    assert_eq!(site.browser_of(&session).get("/me").await.status, 200);
    let form = [("username", "ada"), ("password", PASSWORD)];
    assert_eq!(site.browser().post("/login", &form).await.status, 204);
}
