//! A cache of users, with the sessions in another store.

use futures_util::future::join_all;
use lucia::store::SessionStore as _;
use lucia::{Auth, Error, Session, UserId};

use crate::split::WITHOUT_USERS;
use crate::support::{Caching, Profile, Source, Stage, actix, eventually, on_each_source, sign_up};

on_each_source!(
    a_user_who_is_known_costs_no_statement_and_the_session_is_asked_for,
    r54_what_ends_elsewhere_is_over_for_whoever_asks_then,
    r54_a_user_whom_another_process_changes_or_deletes_is_seen_so,
    where_changes_are_not_received_each_lookup_asks,
);

/// An application whose users are in Postgres, with a cache, and whose sessions are in SQLite.
struct Apart {
    stage: Stage,
    sessions: Stage,
    caching: Caching,
    auth: Auth,
}

impl Apart {
    async fn new(source: Source) -> Self {
        let (stage, sessions) = (Stage::postgres().await, Stage::sqlite().await);
        sessions.execute(WITHOUT_USERS).await;
        let caching = Caching::by(source, &stage).await;
        let auth = Auth::builder(caching.store.clone()).sessions(sessions.store().await);
        let auth = auth.build().unwrap();
        Self {
            stage,
            sessions,
            caching,
            auth,
        }
    }

    /// Another process of it, without a cache.
    async fn elsewhere(&self) -> Auth {
        let auth = self.stage.builder().await;
        let auth = auth.sessions(self.sessions.store().await);
        auth.build().unwrap()
    }

    /// Whether a session is good, and how many statements about its user it takes to know.
    async fn look(&self, session: &Session) -> (bool, usize) {
        Caching::statements(&self.stage);
        let found = self.auth.validate_session(session.token()).await.unwrap();
        (found.is_some(), Caching::statements(&self.stage).len())
    }

    async fn remember(&self, session: &Session) {
        eventually(async || self.look(session).await == (true, 0)).await;
    }

    /// How `GET /me` greets the user of a session.
    async fn greeting(&self, session: &Session) -> String {
        let site = actix::serve(self.auth.clone(), actix::front_page()).await;
        site.browser_of(session).get("/me").await.body
    }
}

async fn rename(auth: &Auth, user: &UserId, name: &str) {
    let profile = Profile {
        username: name.to_owned(),
    };
    let renamed = auth.update_user_attributes::<Profile>(user, &profile);
    renamed.await.unwrap();
}

async fn a_user_who_is_known_costs_no_statement_and_the_session_is_asked_for(source: Source) {
    let apart = Apart::new(source).await;
    let mut sessions = Vec::new();
    for number in 0..20 {
        sessions.push(sign_up(&apart.auth, &format!("user {number}")).await);
    }
    let second = apart.auth.create_session(&sessions[0].user_id).await;
    sessions.push(second.unwrap());
    let look_up = async || {
        let lookups = sessions.iter();
        let lookups = lookups.map(|session| apart.auth.validate_session(session.token()));
        for (found, session) in join_all(lookups).await.into_iter().zip(&sessions) {
            let found = found.unwrap().unwrap();
            assert_eq!((&found.id, &found.user_id), (&session.id, &session.user_id));
        }
    };
    for session in &sessions {
        apart.remember(session).await;
    }
    Caching::statements(&apart.stage);
    look_up().await;
    assert_eq!(Caching::statements(&apart.stage).len(), 0);

    // Of several that meet, those are asked for who are not known.
    rename(&apart.auth, &sessions[3].user_id, "x").await;
    Caching::statements(&apart.stage);
    look_up().await;
    assert_eq!(Caching::statements(&apart.stage).len(), 1);
    assert_eq!(apart.greeting(&sessions[3]).await, "Hello, x!");
    assert_eq!(apart.greeting(&sessions[4]).await, "Hello, user 4!");
}

/// The session itself is in no cache.
async fn r54_what_ends_elsewhere_is_over_for_whoever_asks_then(source: Source) {
    let apart = Apart::new(source).await;
    let elsewhere = apart.elsewhere().await;
    let session = sign_up(&apart.auth, "ada").await;
    apart.remember(&session).await;
    // Nothing is heard any more.
    apart.caching.listener.stall();
    elsewhere.invalidate_session(&session.id).await.unwrap();
    assert_eq!(apart.look(&session).await, (false, 0));

    let session = elsewhere.create_session(&session.user_id).await.unwrap();
    elsewhere.delete_user(&session.user_id).await.unwrap();
    assert!(!apart.look(&session).await.0);
    // A deleted user gets no session, even before the cache learns of the deletion.
    let refused = apart.auth.create_session(&session.user_id).await;
    assert!(matches!(refused, Err(Error::UnknownUser)), "{refused:?}");
}

async fn r54_a_user_whom_another_process_changes_or_deletes_is_seen_so(source: Source) {
    let apart = Apart::new(source).await;
    let elsewhere = apart.elsewhere().await;
    let session = sign_up(&apart.auth, "ada").await;
    let bystander = sign_up(&apart.auth, "bob").await;
    for name in ["grace", "Käthe ✓"] {
        apart.remember(&session).await;
        rename(&elsewhere, &session.user_id, name).await;
        let greeting = format!("Hello, {name}!");
        eventually(async || apart.greeting(&session).await == greeting).await;
        assert_eq!(apart.greeting(&session).await, greeting);
    }
    apart.remember(&session).await;
    apart.remember(&bystander).await;
    // By hand, so that the session stays.
    let sql = format!(
        "DELETE FROM user_key WHERE user_id = '{0}'; DELETE FROM auth_user WHERE id = '{0}'",
        session.user_id
    );
    apart.stage.execute(&sql).await;
    eventually(async || !apart.look(&session).await.0).await;
    assert!(!apart.look(&session).await.0);
    assert_eq!(apart.look(&bystander).await, (true, 0));
}

async fn where_changes_are_not_received_each_lookup_asks(source: Source) {
    let apart = Apart::new(source).await;
    let session = sign_up(&apart.auth, "ada").await;
    apart.remember(&session).await;
    match source {
        Source::Listen => apart.caching.listener.cut(),
        Source::Poll => apart.stage.execute("DROP TABLE lucia_change").await,
    }
    apart.caching.answers(false).await;
    for _ in 0..3 {
        assert_eq!(apart.look(&session).await, (true, 1));
    }
}

#[tokio::test]
async fn a_user_who_was_changed_here_is_so_for_whoever_asks_then() {
    let apart = Apart::new(Source::Listen).await;
    let session = sign_up(&apart.auth, "ada").await;
    apart.remember(&session).await;
    // What its own notifications do comes on top, and must not be what is tested.
    apart.caching.listener.stall();
    rename(&apart.auth, &session.user_id, "grace").await;
    assert_eq!(apart.greeting(&session).await, "Hello, grace!");
    apart.auth.delete_user(&session.user_id).await.unwrap();
    assert!(!apart.look(&session).await.0);
}

#[tokio::test]
async fn a_user_whose_id_is_spelled_in_another_way_is_asked_for() {
    let apart = Apart::new(Source::Listen).await;
    apart.stage.change_type_of_user_ids("CITEXT").await;
    let first = sign_up(&apart.auth, "ada").await;
    let spelled = UserId::new(first.user_id.as_str().to_uppercase()).unwrap();
    assert_ne!(spelled, first.user_id);
    let session = apart.auth.create_session(&first.user_id).await.unwrap();
    let respelled = format!(
        "UPDATE user_session SET user_id = '{spelled}' WHERE id = '{}'",
        session.id.as_str()
    );
    apart.sessions.execute(&respelled).await;
    for _ in 0..2 {
        let (is_good, statements) = apart.look(&session).await;
        assert!(is_good && statements > 0, "{statements}");
    }
    apart.remember(&first).await;
    rename(&apart.auth, &spelled, "grace").await;
    for session in [&first, &session] {
        assert_eq!(apart.greeting(session).await, "Hello, grace!");
    }
}

/// Sessions in Redis can be cached as well.
#[tokio::test]
async fn where_both_are_known_no_store_is_asked() {
    let Some(stage) = Stage::postgres().await.with_cached_redis().await else {
        return;
    };
    let caching = Caching::by(Source::Listen, &stage).await;
    let sessions = stage.redis_sessions().clone();
    let auth = Auth::builder(caching.store.clone()).sessions(sessions.clone());
    let auth = auth.build().unwrap();
    let session = sign_up(&auth, "ada").await;
    let look = async || {
        let is_cached = sessions.cached_session(&session.id).is_some();
        Caching::statements(&stage);
        let found = auth.validate_session(session.token()).await.unwrap();
        let statements = Caching::statements(&stage).len();
        (found.is_some(), is_cached, statements)
    };
    eventually(async || look().await == (true, true, 0)).await;

    let elsewhere = stage.builder().await.build().unwrap();
    rename(&elsewhere, &session.user_id, "grace").await;
    let greeting = async || {
        let site = actix::serve(auth.clone(), actix::front_page()).await;
        site.browser_of(&session).get("/me").await.body
    };
    eventually(async || greeting().await == "Hello, grace!").await;
    eventually(async || look().await == (true, true, 0)).await;

    // A user who is gone, and whose session is left.
    let sql = format!(
        "DELETE FROM user_key WHERE user_id = '{0}'; DELETE FROM auth_user WHERE id = '{0}'",
        session.user_id
    );
    stage.execute(&sql).await;
    eventually(async || !look().await.0).await;
    assert!(sessions.cached_session(&session.id).is_some());
}
