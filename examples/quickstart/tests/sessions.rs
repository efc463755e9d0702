//! "Your sessions" over HTTP: several devices, and what one may do to another.

mod support;

use lucia::store::{
    Expiries, InsertedSession, NewSessionRow, Owner, Result, Rotation, SessionRow, SessionStore,
    StoreError, UnixMillis,
};
use lucia::{Auth, NewUser, SessionId, UserId};
use quickstart::Profile;
use serde_json::{Map, Value};
use support::RunningSite;

const PASSWORD: &str = "correct horse battery";
const PHONE: &str = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) \
     AppleWebKit/605.1.15 (KHTML, like Gecko) Version/18.6 Mobile/15E148 Safari/604.1";

#[actix_web::test]
async fn each_device_is_listed_and_the_present_one_is_marked() {
    let site = RunningSite::start().await;
    let (laptop, phone) = (site.visitor(), site.visitor_with(PHONE));
    laptop.sign_up("ada", PASSWORD).await.leads_to();
    assert!(laptop.get("/sessions").await.body.contains("nowhere else"));
    phone.log_in("ada", PASSWORD).await.leads_to();

    let page = laptop.get("/sessions").await;
    let (this, that) = page.body.split_once("Safari on iPhone").unwrap();
    assert!(this.contains("Firefox on Linux <span class=\"badge\">This device</span>"));
    assert!(!that.contains("This device"));
    assert_eq!(page.body.matches("just now</time>").count(), 4);
    assert_eq!(page.revocations().len(), 1);

    let page = phone.get("/sessions").await;
    assert!(
        page.body
            .contains("Safari on iPhone <span class=\"badge\">")
    );
}

#[actix_web::test]
async fn a_revoked_device_is_signed_out_at_its_next_request() {
    let site = RunningSite::start().await;
    let (laptop, phone) = (site.visitor(), site.visitor_with(PHONE));
    laptop.sign_up("ada", PASSWORD).await.leads_to();
    phone.log_in("ada", PASSWORD).await.leads_to();

    let page = laptop.get("/sessions").await;
    let revoke = page.revocations()[0];
    assert_eq!(laptop.post(revoke, &[]).await.leads_to(), "/sessions");

    let refused = phone.get("/sessions").await;
    assert_eq!(refused.leads_to(), "/login?next=%2Fsessions");
    assert!(laptop.is_signed_in().await);
    assert!(laptop.get("/sessions").await.revocations().is_empty());
    // Once more, from a page that is still open somewhere: there is nothing left to do.
    assert_eq!(laptop.post(revoke, &[]).await.leads_to(), "/sessions");
}

#[actix_web::test]
async fn all_other_devices_are_revoked_at_once() {
    let site = RunningSite::start().await;
    let laptop = site.visitor();
    laptop.sign_up("ada", PASSWORD).await.leads_to();
    let others = [site.visitor(), site.visitor_with(PHONE)];
    for other in &others {
        other.log_in("ada", PASSWORD).await.leads_to();
    }
    let bob = site.visitor();
    bob.sign_up("bob", PASSWORD).await.leads_to();

    let revoked = laptop.post("/sessions/revoke-others", &[]).await;
    assert_eq!(revoked.leads_to(), "/sessions");
    for other in &others {
        assert!(!other.is_signed_in().await);
    }
    assert!(laptop.is_signed_in().await && bob.is_signed_in().await);
}

#[actix_web::test]
async fn revoking_the_present_session_is_a_log_out() {
    let site = RunningSite::start().await;
    let (laptop, phone) = (site.visitor(), site.visitor_with(PHONE));
    laptop.sign_up("ada", PASSWORD).await.leads_to();
    phone.log_in("ada", PASSWORD).await.leads_to();

    let page = phone.get("/sessions").await;
    let revoked = laptop.post(page.revocations()[0], &[]).await;
    assert_eq!(revoked.leads_to(), "/");
    assert!(revoked.header("set-cookie").unwrap().contains("Max-Age=0"));
    assert!(!laptop.is_signed_in().await);
}

#[actix_web::test]
async fn r23_nobody_revokes_a_session_of_somebody_else() {
    let site = RunningSite::start().await;
    let (laptop, phone) = (site.visitor(), site.visitor_with(PHONE));
    laptop.sign_up("ada", PASSWORD).await.leads_to();
    phone.log_in("ada", PASSWORD).await.leads_to();
    let page = laptop.get("/sessions").await;

    let mallory = site.visitor();
    mallory.sign_up("mallory", PASSWORD).await.leads_to();
    mallory.post(page.revocations()[0], &[]).await;
    assert!(phone.is_signed_in().await);
}

#[actix_web::test]
async fn r05_logging_in_again_ends_the_session_that_the_browser_had() {
    let site = RunningSite::start().await;
    let ada = site.visitor();
    ada.sign_up("ada", PASSWORD).await.leads_to();
    ada.log_in("ada", PASSWORD).await.leads_to();
    assert!(ada.get("/sessions").await.revocations().is_empty());
}

#[actix_web::test]
async fn what_the_database_holds_is_never_markup() {
    let site = RunningSite::start().await;
    let auth = Auth::builder(site.store().await).build().unwrap();
    let hostile = Profile {
        username: "<script>alert(1)</script>".to_owned(),
    };
    let user = NewUser::with_password(("username", "mallory"), PASSWORD).attributes(&hostile);
    let user = auth.create_user(user).await.unwrap();
    let device = "<img src=x onerror=alert(1)>";
    auth.create_session(&user.id).device(device).await.unwrap();

    let mallory = site.visitor();
    mallory.log_in("mallory", PASSWORD).await.leads_to();
    for path in ["/", "/home", "/sessions"] {
        let page = mallory.get(path).await.body;
        assert!(
            !page.contains("<script") && !page.contains("<img src=x"),
            "{page}"
        );
        assert!(page.contains("&#60;script&#62;alert(1)"), "{page}");
    }
    let sessions = mallory.get("/sessions").await.body;
    assert!(sessions.contains("&#60;img src=x onerror=alert(1)&#62;"));
}

#[actix_web::test]
async fn r48_an_outage_is_told_and_signs_nobody_out() {
    let site = RunningSite::start().await;
    let ada = site.visitor();
    ada.sign_up("ada", PASSWORD).await.leads_to();

    let store = site.store().await;
    let broken = site.with(Auth::builder(store).sessions(Away));
    let during = ada.on(&broken);
    for path in ["/", "/home", "/sessions", "/login"] {
        let page = during.get(path).await;
        assert_eq!(page.status, 503, "{path}");
        assert!(page.body.contains("<h1>Try again in a moment</h1>"));
        assert!(page.header("retry-after").is_some());
        assert_eq!(page.header("set-cookie"), None);
    }

    // Who signs in meanwhile keeps what they typed.
    let page = broken.visitor().log_in("ada", PASSWORD).await;
    assert_eq!(page.status, 503);
    assert!(page.alert().unwrap().contains("Try again"));
    assert_eq!(page.input("username"), Some("ada"));
    assert!(page.header("retry-after").is_some());
    assert!(!page.body.contains(PASSWORD));
}

/// Sessions whose database is away.
#[derive(Debug)]
struct Away;

#[async_trait::async_trait]
impl SessionStore for Away {
    fn session_table(&self) -> &str {
        "user_session"
    }

    async fn insert_session(&self, _: NewSessionRow) -> Result<InsertedSession> {
        Err(StoreError::unavailable("away"))
    }

    async fn session(&self, _: &SessionId) -> Result<Option<SessionRow>> {
        Err(StoreError::unavailable("away"))
    }

    async fn sessions(&self, _: &[SessionId]) -> Result<Vec<SessionRow>> {
        Err(StoreError::unavailable("away"))
    }

    async fn user_sessions(&self, _: &UserId) -> Result<Vec<SessionRow>> {
        Err(StoreError::unavailable("away"))
    }

    async fn renew_session(&self, _: &SessionId, _: Expiries) -> Result<bool> {
        Err(StoreError::unavailable("away"))
    }

    async fn rotate_session(&self, _: &SessionId, _: Rotation) -> Result<bool> {
        Err(StoreError::unavailable("away"))
    }

    async fn update_session(
        &self,
        _: &SessionId,
        _: Map<String, Value>,
    ) -> Result<Option<SessionRow>> {
        Err(StoreError::unavailable("away"))
    }

    async fn delete_session(&self, _: &SessionId, _: Owner<'_>) -> Result<bool> {
        Err(StoreError::unavailable("away"))
    }

    async fn delete_user_sessions(&self, _: &UserId, _: Option<&SessionId>) -> Result<()> {
        Err(StoreError::unavailable("away"))
    }

    async fn delete_expired_sessions(&self, _: UnixMillis, _: u32) -> Result<u64> {
        Err(StoreError::unavailable("away"))
    }
}
