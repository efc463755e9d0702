//! Tokens that are stored: when, encrypted with which key, and what deletes them.

use std::time::{Duration, SystemTime};

use lucia::oauth::{OAuthErrorKind, OAuthOutcome, OAuthProvider, OAuthTokens};
use lucia::store::{CredentialRow, CredentialStore as _};
use lucia::{Auth, EncryptionKey, Error, NewKey, NewUser, UserId};

use super::provider::{CANARY, Provider};
use super::site::{Browser, Site, registration};

/// Keys with these ids, each with other bytes.
pub(crate) fn keys(ids: &[u8]) -> Vec<EncryptionKey> {
    let key = |id: &u8| {
        let bytes: [u8; 32] = std::array::from_fn(|at| u8::try_from(at).unwrap().wrapping_mul(*id));
        EncryptionKey::new(id.to_string(), bytes)
    };
    ids.iter().map(key).collect()
}

/// A site that stores the tokens of the provider `id`.
pub(crate) async fn storing() -> (Provider, Site, OAuthProvider) {
    let provider = Provider::start(SystemTime::now()).await;
    let registered = registration("id", &provider)
        .store_tokens()
        .timeout(Duration::from_secs(30))
        .build()
        .unwrap();
    let site = Site::with([registered.clone()], |auth| {
        auth.encryption_keys(keys(&[1]))
    })
    .await;
    provider.ways().now = site.clock.now();
    (provider, site, registered)
}

/// Another process on the same database, with these keys.
pub(crate) fn beside(site: &Site, ids: &[u8]) -> Auth {
    let builder = Auth::builder(site.store.clone()).clock(site.clock.clone());
    builder.encryption_keys(keys(ids)).build().unwrap()
}

/// The user of the identity `id:ada`, who signs in by the provider.
pub(crate) async fn ada(site: &Site, provider: &Provider) -> UserId {
    let browser = site.browser();
    assert_eq!(browser.sign_in("id", provider).await.status, 303);
    site.auth.key(("id", "ada")).await.unwrap().unwrap().user_id
}

pub(crate) async fn rows(site: &Site, user_id: &UserId) -> Vec<CredentialRow> {
    let listed = site.store.user_credentials(user_id, "oauth_tokens").await;
    listed.unwrap()
}

pub(crate) async fn row(site: &Site, user_id: &UserId) -> CredentialRow {
    let mut rows = rows(site, user_id).await;
    assert_eq!(rows.len(), 1);
    rows.pop().unwrap()
}

#[track_caller]
pub(crate) fn assert_kind(
    asked: lucia::Result<Option<OAuthTokens>>,
    kind: OAuthErrorKind,
) -> String {
    match asked {
        Err(Error::OAuth(error)) => {
            assert_eq!(error.kind(), kind, "{error}");
            let shown = format!("{error} {error:?}");
            assert!(!shown.contains(CANARY), "{shown}");
            shown
        }
        other => panic!("{other:?}"),
    }
}

/// A user with another key, signed in by a browser.
async fn signed_in<'a>(site: &'a Site, name: &str) -> (Browser<'a>, UserId) {
    let key = NewKey::without_password(("other", name));
    let user = site.auth.create_user(NewUser::with_key(key)).await.unwrap();
    let session = site.auth.create_session(&user.id).await.unwrap();
    let browser = site.browser();
    let cookie = site.auth.session_cookie(Some(&session));
    let (name, value) = (cookie.name().to_owned(), cookie.value().to_owned());
    browser.cookies.lock().unwrap().insert(name, value);
    (browser, user.id)
}

async fn link(browser: &Browser<'_>, provider: &Provider) {
    let url = browser.post("/link/id").await.location();
    let reply = browser.come_back("id", &provider.agree(&url)).await;
    assert_eq!(reply.status, 303, "{reply:?}");
}

#[tokio::test]
async fn a_sign_up_a_sign_in_and_a_link_store_the_tokens() {
    let (provider, site, registered) = storing().await;
    let user_id = ada(&site, &provider).await;
    assert!(matches!(site.done().outcome, OAuthOutcome::New));
    let tokens = site.auth.oauth_tokens(&user_id, &registered).await.unwrap();
    let tokens = tokens.unwrap();
    assert_eq!(tokens.access_token(), "canary-access");
    assert_eq!(tokens.refresh_token(), Some("canary-refresh"));
    assert_eq!(tokens.expires_in(), Some(Duration::from_secs(3600)));
    assert_eq!(tokens.scopes().unwrap(), ["openid", "email"]);
    assert_eq!(tokens.id_token(), None);
    assert_eq!(provider.asked("token"), 1);

    let before = row(&site, &user_id).await;
    assert_eq!(before.name.as_deref(), Some("id:ada"));
    site.clock.advance(Duration::from_secs(60));
    provider.ways().now = site.clock.now();
    ada(&site, &provider).await;
    assert!(matches!(site.done().outcome, OAuthOutcome::Known(_)));
    let after = row(&site, &user_id).await;
    assert_eq!(after.id, before.id);
    assert!(after.data != before.data && after.created_at > before.created_at);

    // Another identity, linked to another user, and once more.
    provider.ways().claims = Box::new(|claims| claims["sub"] = "bob".into());
    let (browser, bob) = signed_in(&site, "bob").await;
    for _ in 0..2 {
        link(&browser, &provider).await;
        assert!(matches!(site.done().outcome, OAuthOutcome::Linked(_)));
        let tokens = site.auth.oauth_tokens(&bob, &registered).await.unwrap();
        assert_eq!(tokens.unwrap().access_token(), "canary-access");
        let rows = rows(&site, &bob).await;
        site.auth
            .delete_oauth_tokens(&bob, &registered)
            .await
            .unwrap();
        assert_eq!(rows.len(), 1);
    }
}

#[tokio::test]
async fn r70_no_token_is_in_a_row_or_shown() {
    let (provider, site, registered) = storing().await;
    let user_id = ada(&site, &provider).await;
    let row = row(&site, &user_id).await;
    assert!(
        !row.data.contains(CANARY) && row.data.starts_with("\"v1.1."),
        "{}",
        row.data
    );
    let base64 = "Y2FuYXJ5"; // the beginning of the canary
    assert!(!row.data.contains(base64));
    let ask = site.auth.oauth_tokens(&user_id, &registered);
    let shown = format!("{ask:?} {row:?} {:?}", site.auth);
    assert!(
        !shown.contains(CANARY) && !shown.contains("v1.1."),
        "{shown}"
    );
}

#[tokio::test]
async fn r70_what_an_old_key_encrypts_is_read_and_written_again_with_the_first() {
    let (provider, site, registered) = storing().await;
    let user_id = ada(&site, &provider).await;
    let with_old_key = row(&site, &user_id).await;

    // Servers that do not know the new key yet go on, and so do those that do.
    let behind = beside(&site, &[1, 2]);
    let tokens = behind.oauth_tokens(&user_id, &registered).await.unwrap();
    assert_eq!(tokens.unwrap().access_token(), "canary-access");
    assert_eq!(row(&site, &user_id).await, with_old_key);
    let rotated = beside(&site, &[2, 1]);
    let asked = (0..10).map(|_| rotated.oauth_tokens(&user_id, &registered).into_future());
    for tokens in futures_util::future::join_all(asked).await {
        assert_eq!(tokens.unwrap().unwrap().access_token(), "canary-access");
    }
    let with_new_key = row(&site, &user_id).await;
    assert!(
        with_new_key.data.starts_with("\"v1.2."),
        "{}",
        with_new_key.data
    );
    assert_eq!(with_new_key.created_at, with_old_key.created_at);

    // The old one can go.
    let alone = beside(&site, &[2]);
    let tokens = alone.oauth_tokens(&user_id, &registered).await.unwrap();
    assert_eq!(tokens.unwrap().refresh_token(), Some("canary-refresh"));
    // A refresh writes with the first key as well.
    site.clock.advance(Duration::from_secs(3600));
    let third = beside(&site, &[3, 2]);
    let tokens = third.oauth_tokens(&user_id, &registered).await.unwrap();
    assert_eq!(tokens.unwrap().access_token(), "canary-access");
    assert!(row(&site, &user_id).await.data.starts_with("\"v1.3."));
    assert_eq!(provider.asked("token"), 2);
}

#[tokio::test]
async fn r70_a_lost_key_is_an_error_and_the_next_sign_in_replaces_what_it_encrypted() {
    let (provider, site, registered) = storing().await;
    let user_id = ada(&site, &provider).await;
    let before = row(&site, &user_id).await;
    let lost = Site::with([registered.clone()], |_| {
        let builder = Auth::builder(site.store.clone()).clock(site.clock.clone());
        builder.encryption_keys(keys(&[2]))
    })
    .await;
    let asked = lost.auth.oauth_tokens(&user_id, &registered).await;
    let said = assert_kind(asked, OAuthErrorKind::Unreadable);
    assert!(
        said.contains("key `1` is not among `encryption_keys`"),
        "{said}"
    );
    // Another key under the same id.
    let same_id = EncryptionKey::new("1", (100..132).collect::<Vec<u8>>());
    let builder = Auth::builder(site.store.clone()).clock(site.clock.clone());
    let other = builder.encryption_keys([same_id]).build().unwrap();
    let asked = other.oauth_tokens(&user_id, &registered).await;
    assert_kind(asked, OAuthErrorKind::Unreadable);
    // Nothing is lost: the key may be found.
    assert_eq!(row(&site, &user_id).await, before);
    site.auth
        .oauth_tokens(&user_id, &registered)
        .await
        .unwrap()
        .unwrap();

    // Other ways to sign in are as they were, and so is the way by the provider.
    let key = NewKey::with_password(("username", "ada"), "correct horse battery");
    lost.auth.create_key(&user_id, key).await.unwrap();
    let verified = lost
        .auth
        .verify_password(("username", "ada"), "correct horse battery");
    lost.auth
        .create_session(&verified.await.unwrap())
        .await
        .unwrap();
    let browser = lost.browser();
    assert_eq!(browser.sign_in("id", &provider).await.status, 303);
    assert!(browser.is_signed_in().await);
    let tokens = lost.auth.oauth_tokens(&user_id, &registered).await.unwrap();
    assert_eq!(tokens.unwrap().access_token(), "canary-access");
    assert!(row(&site, &user_id).await.data.starts_with("\"v1.2."));
    // An unreadable row can be deleted as well, and unlinked.
    site.auth
        .delete_oauth_tokens(&user_id, &registered)
        .await
        .unwrap();
    assert!(rows(&site, &user_id).await.is_empty());
}

#[tokio::test]
async fn r70_a_row_that_is_moved_or_changed_is_refused() {
    let (provider, site, registered) = storing().await;
    let user_id = ada(&site, &provider).await;
    let adas = row(&site, &user_id).await;

    // Another user has an identity there too, and writes to the database.
    provider.ways().claims = Box::new(|claims| claims["sub"] = "eve".into());
    let (browser, eve) = signed_in(&site, "eve").await;
    link(&browser, &provider).await;
    let eves = row(&site, &eve).await;
    let ask = async |user_id: &UserId| site.auth.oauth_tokens(user_id, &registered).await;
    let put = async |row: CredentialRow| assert!(site.store.insert_credential(row).await.unwrap());
    let mut copied = eves.clone();
    copied.data = adas.data.clone();
    put(copied).await;
    assert_kind(ask(&eve).await, OAuthErrorKind::Unreadable);
    let mut moved = eves.clone();
    (moved.id, moved.data) = (adas.id.clone(), adas.data.clone());
    for gone in [&adas, &eves] {
        let deleted = site.store.delete_credential(&gone.id, &gone.user_id, None);
        assert!(deleted.await.unwrap());
    }
    put(moved.clone()).await;
    assert_kind(ask(&eve).await, OAuthErrorKind::Unreadable);
    site.store
        .delete_credential(&moved.id, &eve, None)
        .await
        .unwrap();

    // A row of a user under the name of another provider, to which the refresh token would be sent.
    let hostile = Provider::start(site.clock.now()).await;
    let evil = registration("evil", &hostile)
        .store_tokens()
        .build()
        .unwrap();
    let key = NewKey::without_password(("evil", "ada"));
    site.auth.create_key(&user_id, key).await.unwrap();
    let mut renamed = adas.clone();
    renamed.name = Some("evil:ada".to_owned());
    put(renamed).await;
    site.clock.advance(Duration::from_secs(3600));
    let asked = site.auth.oauth_tokens(&user_id, &evil).await;
    assert_kind(asked, OAuthErrorKind::Unreadable);
    assert_eq!(hostile.asked("token"), 0);

    // Each byte.
    for at in 0..adas.data.len() {
        let mut bytes = adas.data.clone().into_bytes();
        bytes[at] ^= 1;
        let Ok(data) = String::from_utf8(bytes) else {
            continue;
        };
        if serde_json::from_str::<serde_json::Value>(&data).is_err() {
            continue; // Postgres stores no such JSON
        }
        put(CredentialRow::clone(&adas).with(data)).await;
        assert_kind(ask(&user_id).await, OAuthErrorKind::Unreadable);
    }
    for data in ["null", "\"\"", "{}", "7", "\"v1.1.\"", "\"v2.1.AAAA\""] {
        put(CredentialRow::clone(&adas).with(data.to_owned())).await;
        assert_kind(ask(&user_id).await, OAuthErrorKind::Unreadable);
    }
    assert_eq!(provider.asked("token"), 2, "nothing was sent");
    put(adas).await;
    ask(&user_id).await.unwrap().unwrap();
}

trait With {
    fn with(self, data: String) -> Self;
}

impl With for CredentialRow {
    fn with(mut self, data: String) -> Self {
        self.data = data;
        self
    }
}

#[tokio::test]
async fn what_ends_a_link_deletes_the_tokens() {
    let (provider, site, registered) = storing().await;
    let (browser, user_id) = signed_in(&site, "ada").await;
    link(&browser, &provider).await;
    assert_eq!(rows(&site, &user_id).await.len(), 1);
    assert_eq!(browser.post("/unlink/id/ada").await.status, 200);
    assert_eq!(rows(&site, &user_id).await, []);
    let asked = site.auth.oauth_tokens(&user_id, &registered).await;
    assert!(asked.unwrap().is_none());

    link(&browser, &provider).await;
    site.auth.delete_key(("id", "ada")).await.unwrap();
    assert_eq!(rows(&site, &user_id).await, []);

    // Where the deletion of the row was cut off, or another `Auth` without keys has deleted the key, the row
    // is of no use, to the next user of the key neither.
    link(&browser, &provider).await;
    let left = row(&site, &user_id).await;
    let without = Auth::builder(site.store.clone()).build().unwrap();
    without.delete_key(("id", "ada")).await.unwrap();
    assert_eq!(row(&site, &user_id).await, left);
    let bob = ada(&site, &provider).await;
    assert_ne!(bob, user_id);
    let asked = site.auth.oauth_tokens(&user_id, &registered).await;
    assert!(asked.unwrap().is_none());
    assert_eq!(rows(&site, &user_id).await, []);
    assert!(
        site.auth
            .oauth_tokens(&bob, &registered)
            .await
            .unwrap()
            .is_some()
    );

    site.auth.delete_user(&bob).await.unwrap();
    assert_eq!(rows(&site, &bob).await, []);
}

#[tokio::test]
async fn the_identities_of_a_user_are_told_apart() {
    let (provider, site, registered) = storing().await;
    let (browser, user_id) = signed_in(&site, "ada").await;
    link(&browser, &provider).await;
    provider.ways().refresh.rotates = true;
    provider.ways().claims = Box::new(|claims| claims["sub"] = "work".into());
    link(&browser, &provider).await;
    assert_eq!(rows(&site, &user_id).await.len(), 2);
    for (subject, refresh_token) in [("ada", "canary-refresh"), ("work", "canary-refresh-0")] {
        let asked = site
            .auth
            .oauth_tokens(&user_id, &registered)
            .subject(subject);
        let tokens = asked.await.unwrap().unwrap();
        assert_eq!(tokens.refresh_token(), Some(refresh_token));
    }
    let asked = site.auth.oauth_tokens(&user_id, &registered).subject("eve");
    assert!(asked.await.unwrap().is_none());
    assert_eq!(browser.post("/unlink/id/work").await.status, 200);
    let left = row(&site, &user_id).await;
    assert_eq!(left.name.as_deref(), Some("id:ada"));
    site.auth
        .delete_oauth_tokens(&user_id, &registered)
        .await
        .unwrap();
    assert_eq!(rows(&site, &user_id).await, []);
    site.auth
        .delete_oauth_tokens(&user_id, &registered)
        .await
        .unwrap();
}

#[tokio::test]
async fn a_sign_in_without_a_refresh_token_keeps_the_former_one() {
    let (provider, site, registered) = storing().await;
    let user_id = ada(&site, &provider).await;
    provider.ways().refresh.is_withheld = true;
    for _ in 0..2 {
        ada(&site, &provider).await;
        let tokens = site.auth.oauth_tokens(&user_id, &registered).await.unwrap();
        assert_eq!(tokens.unwrap().refresh_token(), Some("canary-refresh"));
    }
    // With the tokens of another person there is none to keep.
    provider.ways().claims = Box::new(|claims| claims["sub"] = "bob".into());
    ada(&site, &provider).await;
    let bob = site.auth.key(("id", "bob")).await.unwrap().unwrap().user_id;
    let tokens = site.auth.oauth_tokens(&bob, &registered).await.unwrap();
    assert_eq!(tokens.unwrap().refresh_token(), None);
    site.clock.advance(Duration::from_secs(3600));
    let asked = site.auth.oauth_tokens(&bob, &registered).await;
    let said = assert_kind(asked, OAuthErrorKind::Revoked);
    assert!(said.contains("offline_access"), "{said}");
    assert_eq!(provider.asked("token"), 4);
}

#[tokio::test]
async fn without_a_key_nothing_begins_and_nothing_is_stored() {
    let provider = Provider::start(SystemTime::now()).await;
    let storing = registration("id", &provider)
        .store_tokens()
        .build()
        .unwrap();
    let plain = registration("plain", &provider).build().unwrap();
    let site = Site::of([storing.clone(), plain]).await;
    assert_eq!(site.browser().get("/login/id").await.status, 500);
    let user_id: UserId = "ada".parse().unwrap();
    for refused in [
        site.auth.oauth_tokens(&user_id, &storing).await.map(drop),
        site.auth.delete_oauth_tokens(&user_id, &storing).await,
    ] {
        match refused {
            Err(Error::Misuse(said)) => assert!(said.contains("encryption_keys(EncryptionKey::")),
            other => panic!("{other:?}"),
        }
    }
    // A provider that stores nothing needs none, and with one stores nothing either.
    assert_eq!(site.browser().sign_in("plain", &provider).await.status, 303);
    let keyed = beside(&site, &[1]);
    let user = keyed.key(("plain", "ada")).await.unwrap().unwrap().user_id;
    assert_eq!(rows(&site, &user).await, []);
}

#[tokio::test]
async fn keys_that_cannot_work_are_refused_at_build() {
    let store = lucia::testing::memory_store(&[]).await;
    let mut twice = keys(&[1]);
    twice.push(EncryptionKey::new("1", [7, 8].repeat(16)));
    for keys in [vec![], twice, vec![EncryptionKey::new("1", [7; 31])]] {
        match Auth::builder(store.clone()).encryption_keys(keys).build() {
            Err(Error::Setting { setting, .. }) => assert_eq!(setting, "encryption_keys"),
            other => panic!("{other:?}"),
        }
    }
}
