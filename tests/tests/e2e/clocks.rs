//! The clock of the application decides who is alive, whatever the database thinks of the time, and also where
//! those of several processes are apart.

use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lucia::{Auth, Error, Session, SessionState, TokenPurpose};
use lucia_tests::TestClock;

use crate::support::{PASSWORD, Stage, actix, on_each_store, on_redis, sign_up};

on_each_store![
    r18_a_row_that_sql_made_is_as_alive_as_its_expiries_say,
    r18_the_defaults_of_the_database_are_moments_and_no_local_times,
    r18_clocks_that_are_apart_sign_nobody_out_who_is_in_time,
    r58_clocks_that_are_apart_let_a_link_live_longer_by_as_much_at_the_most,
    r34_clocks_that_are_apart_give_no_more_guesses_than_two_counts,
];

on_redis![r18_clocks_that_are_apart_sign_nobody_out_who_is_in_time];

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

const MINUTE: Duration = Duration::from_secs(60);

/// How wrong each clock is.
const SKEW: Duration = Duration::from_secs(10 * 60);

/// How far they are apart.
const APART: Duration = Duration::from_secs(20 * 60);

/// A process whose clock is ten minutes fast, and one whose clock is ten minutes slow.
struct Apart {
    auths: [Auth; 2],
    clocks: [TestClock; 2],
    begin: SystemTime,
}

impl Apart {
    async fn new(stage: &Stage) -> Self {
        let begin = stage.clock.now();
        let clocks = [TestClock::new(), TestClock::new()];
        let mut auths = Vec::new();
        for clock in &clocks {
            let settings = stage.builder().await.clock(clock.reader());
            auths.push(settings.build().unwrap());
        }
        let auths = auths.try_into().unwrap();
        let apart = Self {
            auths,
            clocks,
            begin,
        };
        apart.is_later(Duration::ZERO);
        apart
    }

    /// So much has passed since the beginning.
    fn is_later(&self, by: Duration) {
        let [fast, slow] = &self.clocks;
        fast.set(self.begin + by + SKEW);
        slow.set(self.begin + by - SKEW);
    }
}

async fn r18_clocks_that_are_apart_sign_nobody_out_who_is_in_time(stage: Stage) {
    let apart = Apart::new(&stage).await;
    for (maker, name) in [(0, "ada"), (1, "bob")] {
        apart.is_later(Duration::ZERO);
        let session = sign_up(&apart.auths[maker], name).await;
        let end = session.idle_expires.duration_since(session.created_at);
        let end = end.unwrap();
        // Each renews what the other one has renewed.
        let mut renewed = Duration::ZERO;
        for step in 0..8 {
            for _ in 0..2 {
                for auth in &apart.auths {
                    assert!(is_alive(auth, &session).await, "{name} {step}");
                    assert_eq!(auth.delete_expired_sessions().await.unwrap(), 0);
                }
            }
            renewed += DAY + APART + SECOND;
            apart.is_later(renewed);
        }
        for auth in &apart.auths {
            assert!(is_alive(auth, &session).await, "{name}");
        }
        // Whoever renewed it: in its time less what the clocks are apart it lives everywhere, and nowhere after
        // its time and as much.
        apart.is_later(renewed + end - APART);
        for auth in &apart.auths {
            let found = auth.session(&session.id).await.unwrap();
            assert!(found.is_some(), "{name}");
        }
        apart.is_later(renewed + end + APART + SECOND);
        for auth in &apart.auths {
            assert!(!is_alive(auth, &session).await, "{name}");
        }
        // What one has ended has ended.
        let session = apart.auths[maker].create_session(&session.user_id).await;
        let session = session.unwrap();
        assert!(is_alive(&apart.auths[1 - maker], &session).await);
        let ender = &apart.auths[1 - maker];
        ender
            .invalidate_user_sessions(&session.user_id)
            .await
            .unwrap();
        for auth in &apart.auths {
            assert!(!is_alive(auth, &session).await, "{name}");
        }
    }
}

async fn r58_clocks_that_are_apart_let_a_link_live_longer_by_as_much_at_the_most(stage: Stage) {
    const HOUR: Duration = Duration::from_secs(60 * 60);
    const LINK: TokenPurpose = TokenPurpose::new("link").expires_in(HOUR);

    let apart = Apart::new(&stage).await;
    for maker in [0, 1] {
        apart.is_later(Duration::ZERO);
        let create = async || {
            let link = apart.auths[maker].create_token(LINK, &()).await;
            link.unwrap().expose().to_owned()
        };
        let (used, left) = (create().await, create().await);
        apart.is_later(HOUR - APART - SECOND);
        let [fast, slow] = &apart.auths;
        let (by_fast, by_slow) =
            tokio::join!(fast.use_token(LINK, &used), slow.use_token(LINK, &used));
        let uses = [by_fast, by_slow].into_iter().flatten().count();
        assert_eq!(uses, 1, "{maker}");
        apart.is_later(HOUR + APART + SECOND);
        for auth in &apart.auths {
            let refused = auth.use_token(LINK, &left).await;
            assert!(
                matches!(refused, Err(Error::InvalidOneTimeToken)),
                "{maker}"
            );
        }
    }
}

async fn r34_clocks_that_are_apart_give_no_more_guesses_than_two_counts(stage: Stage) {
    const CLIENT: IpAddr = IpAddr::V4(Ipv4Addr::new(192, 0, 2, 1));
    /// As many as may fail, and in how long a time.
    const LIMIT: usize = 3;
    const PERIOD: Duration = Duration::from_secs(15 * 60);

    let mut apart = Apart::new(&stage).await;
    let mut limited = Vec::new();
    for clock in &apart.clocks {
        let settings = stage.builder().await.clock(clock.reader());
        let settings = settings.sign_in_limit(u32::try_from(LIMIT).unwrap(), PERIOD);
        limited.push(settings.build().unwrap());
    }
    apart.auths = limited.try_into().unwrap();
    sign_up(&apart.auths[0], "ada").await;
    let sign_in = async |auth: &Auth, password: &str| {
        let key = auth.verify_password(("username", "ada"), password);
        key.limit_by(CLIENT).await.map(drop)
    };
    // By turns, beginning with the one that is behind.
    let mut guesses = 0;
    for _ in 0..5 * LIMIT {
        for auth in apart.auths.iter().rev() {
            match sign_in(auth, "wrong horse battery").await {
                Err(Error::InvalidCredentials) => guesses += 1,
                Err(Error::TooManyAttempts { retry_after }) => {
                    assert!(retry_after <= PERIOD + APART, "{retry_after:?}");
                }
                other => panic!("{other:?}"),
            }
        }
    }
    assert!((LIMIT..=2 * LIMIT).contains(&guesses), "{guesses}");
    apart.is_later(PERIOD + APART + MINUTE);
    for auth in &apart.auths {
        sign_in(auth, PASSWORD).await.unwrap();
    }
}
