//! One database, with Lucia v2 on the one side and lucia on the other.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use lucia::{Auth, AuthBuilder, Environment, PgStore, SessionId, SessionToken, StoredIds, UserId};
use lucia_tests::{Database, Peer, PeerError, PeerOptions, TestClock};
use serde_json::{Value, json};

use crate::support::{Browser, Site, actix};

pub(super) const SECOND: Duration = Duration::from_secs(1);
pub(super) const DAY: Duration = Duration::from_secs(24 * 60 * 60);

/// Both have one clock.
pub(super) struct Both {
    pub(super) database: Database,
    pub(super) peer: Peer,
    clock: TestClock,
}

impl Both {
    /// Tables that Lucia v2 made, and lucia beside it. `None` without Node.
    pub(super) async fn new() -> Option<Self> {
        Self::with(&PeerOptions::default()).await
    }

    pub(super) async fn with(options: &PeerOptions) -> Option<Self> {
        let database = Database::new().await;
        let peer = Peer::start_with(&database, options).await?;
        peer.call("createTables", Value::Null).await.unwrap();
        let both = Self {
            database,
            peer,
            clock: TestClock::new(),
        };
        both.advance(Duration::ZERO).await;
        let store = both.store(StoredIds::PlainTokens).await;
        store.migrate(&[]).await.unwrap();
        Some(both)
    }

    pub(super) async fn store(&self, ids: StoredIds) -> PgStore {
        let builder = PgStore::builder().stored_ids(ids);
        builder.connect(&self.database.url()).await.unwrap()
    }

    /// Without TLS, as the peer in development.
    pub(super) async fn builder(&self, ids: StoredIds) -> AuthBuilder {
        let auth = Auth::builder(self.store(ids).await);
        auth.clock(self.clock.reader())
            .environment(Environment::Development)
    }

    pub(super) async fn auth(&self, ids: StoredIds) -> Auth {
        self.builder(ids).await.build().unwrap()
    }

    pub(super) async fn site(&self, ids: StoredIds) -> Site {
        actix::serve(self.auth(ids).await, actix::front_page()).await
    }

    pub(super) fn now(&self) -> SystemTime {
        self.clock.now()
    }

    pub(super) async fn advance(&self, by: Duration) {
        self.clock.advance(by);
        self.call("setClock", json!({ "now": millis(self.now()) }))
            .await;
    }

    pub(super) async fn call(&self, command: &str, argument: Value) -> Value {
        self.peer.call(command, argument).await.unwrap()
    }

    /// Somebody whom Lucia signs up.
    pub(super) async fn user(&self, username: &str) -> UserId {
        UserId::new(super::create_user(&self.peer, username).await).unwrap()
    }

    /// A session that Lucia makes.
    pub(super) async fn session(&self, user: &UserId) -> Theirs {
        Theirs::from(super::create_session(&self.peer, user.as_str()).await)
    }

    /// What Lucia says of a session.
    pub(super) async fn validate(&self, token: &str) -> Result<Value, PeerError> {
        let validated = self.peer.call("validateSession", json!({ "id": token }));
        validated.await
    }

    /// Whether Lucia knows a session, which is not renewed by this.
    pub(super) async fn is_known(&self, token: &str) -> bool {
        match self.peer.call("getSession", json!({ "id": token })).await {
            Ok(_) => true,
            Err(error) => {
                assert_eq!(error.code, "AUTH_INVALID_SESSION_ID");
                false
            }
        }
    }

    /// The user whom Lucia finds behind a `Cookie` header.
    pub(super) async fn who(&self, cookies: &str) -> Option<String> {
        let headers = json!({ "Cookie": cookies });
        let request = json!({ "method": "GET", "url": "http://localhost/", "headers": headers });
        let answer = self.call("request", request).await;
        let username = &answer["session"]["user"]["username"];
        username.as_str().map(str::to_owned)
    }

    /// The ids of all rows.
    pub(super) async fn stored_ids(&self) -> Vec<String> {
        let client = self.database.connect().await;
        let sql = "SELECT id FROM user_session ORDER BY created_at, id";
        let rows = client.query(sql, &[]).await.unwrap();
        rows.iter().map(|row| row.get(0)).collect()
    }

    pub(super) async fn execute(&self, sql: &str) {
        let client = self.database.connect().await;
        client.batch_execute(sql).await.unwrap();
    }
}

/// A session of Lucia's.
pub(super) struct Theirs(Value);

impl From<Value> for Theirs {
    fn from(session: Value) -> Self {
        Self(session)
    }
}

impl Theirs {
    /// Its id, which is its token.
    pub(super) fn token(&self) -> &str {
        self.0["sessionId"].as_str().unwrap()
    }

    pub(super) fn parsed(&self) -> SessionToken {
        SessionToken::parse(self.token()).unwrap()
    }

    pub(super) fn public_id(&self) -> SessionId {
        self.parsed().session_id()
    }

    pub(super) fn value(&self) -> &Value {
        &self.0
    }

    /// The ends of its periods.
    pub(super) fn expiries(&self) -> (SystemTime, SystemTime) {
        let time = |name: &str| UNIX_EPOCH + Duration::from_millis(self.0[name].as_u64().unwrap());
        (time("activePeriodExpiresAt"), time("idlePeriodExpiresAt"))
    }

    /// A browser with the cookie that Lucia makes of it.
    pub(super) async fn browser(&self, both: &Both, site: &Site) -> Browser {
        let cookie = both.call("createSessionCookie", json!({ "session": self.0 }));
        let cookie = cookie.await;
        let browser = site.browser();
        let text = |name: &str| cookie[name].as_str().unwrap().to_owned();
        browser.keep(&text("name"), &text("value"));
        browser
    }
}

pub(super) fn millis(time: SystemTime) -> u64 {
    let since = time.duration_since(UNIX_EPOCH).unwrap();
    u64::try_from(since.as_millis()).unwrap()
}
