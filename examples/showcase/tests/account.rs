//! What people change in their account: password, address, devices, and whether it is there.

mod support;

use support::visitor::code;
use support::{PASSWORD, RunningSite, eventually};

const ADDRESS: &str = "ada@example.com";
const NEW_PASSWORD: &str = "another horse battery";
const NEW_ADDRESS: &str = "ada@new.example";

#[actix_web::test]
async fn a_forgotten_password_is_reset_by_the_mailed_link() {
    let site = RunningSite::start().await;
    let lost = site.confirmed_member(ADDRESS).await;
    let ada = site.visitor();
    let page = ada.post("/forgot", &[("email", "Ada@example.com")]).await;
    let page = ada.get(page.leads_to()).await;
    assert_eq!(page.heading(), "Check your mail");
    let mail = site.next_mail(ADDRESS).await;
    let page = ada.open_link(&mail).await;
    assert_eq!(page.heading(), "Choose a new password");
    let token = page.hidden("token").to_owned();
    let page = ada
        .post("/reset", &[("token", &token), ("password", "short")])
        .await;
    assert_eq!(page.status, 400);
    assert!(
        page.error_beside("password")
            .unwrap()
            .contains("at least 10")
    );
    assert_eq!(
        page.hidden("token"),
        token,
        "a refused password does not use up the link"
    );
    let page = ada
        .post("/reset", &[("token", &token), ("password", NEW_PASSWORD)])
        .await;
    let page = ada.get(page.leads_to()).await;
    assert!(page.notice().unwrap().contains("signed in"));
    assert!(!lost.is_signed_in().await);
    assert_eq!(lost.sign_in(ADDRESS, PASSWORD).await.status, 401);
    assert_eq!(lost.sign_in(ADDRESS, NEW_PASSWORD).await.status, 303);
    let page = ada.open_link(&mail).await;
    assert_eq!(
        (page.status, page.heading()),
        (400, "This link does not work any more")
    );
    assert!(page.has("href=\"/forgot\""));
}

#[actix_web::test]
async fn a_changed_password_signs_other_devices_out() {
    let site = RunningSite::start().await;
    let ada = site.member(ADDRESS).await;
    let other = site.visitor();
    other.sign_in(ADDRESS, PASSWORD).await;
    assert_eq!(
        ada.get("/security/password").await.heading(),
        "Change your password"
    );
    let form = |current, new| [("current", current), ("new", new)];
    let page = ada
        .post("/security/password", &form("wrong", NEW_PASSWORD))
        .await;
    assert_eq!(page.status, 401);
    assert_eq!(
        page.error_beside("current"),
        Some("This is not your password.")
    );
    let page = ada
        .post("/security/password", &form(PASSWORD, "short"))
        .await;
    assert!(page.error_beside("new").unwrap().contains("at least 10"));
    let page = ada
        .post("/security/password", &form(PASSWORD, NEW_PASSWORD))
        .await;
    let page = ada.get(page.leads_to()).await;
    assert!(
        page.notice()
            .unwrap()
            .contains("Other devices were signed out")
    );
    assert!(ada.is_signed_in().await && !other.is_signed_in().await);
}

#[actix_web::test]
async fn an_address_changes_when_the_new_one_is_confirmed_and_the_old_one_can_undo_it() {
    let site = RunningSite::start().await;
    let thief = site.confirmed_member(ADDRESS).await;
    let page = thief
        .post("/security/email", &[("email", "nonsense")])
        .await;
    assert!(
        page.error_beside("email")
            .unwrap()
            .contains("not an e-mail address")
    );
    let page = thief
        .post("/security/email", &[("email", NEW_ADDRESS)])
        .await;
    let page = thief.get(page.leads_to()).await;
    assert_eq!(page.heading(), "Check your mail");
    assert!(
        thief.get("/security").await.has(ADDRESS),
        "nothing has changed yet"
    );

    let mail = site.next_mail(NEW_ADDRESS).await;
    // In another browser, the person signs in first and comes back.
    let elsewhere = site.visitor();
    assert_eq!(
        elsewhere.open_link(&mail).await.leads_to(),
        "/login?next=%2Femail%2Fconfirm"
    );
    let form = [
        ("email", ADDRESS),
        ("password", PASSWORD),
        ("next", "/email/confirm"),
    ];
    let page = elsewhere.post("/login", &form).await;
    let page = elsewhere.get(page.leads_to()).await;
    assert_eq!(page.heading(), "Use this address?");
    let page = thief.open_link(&mail).await;
    let page = thief
        .post("/email/confirm", &[("token", page.hidden("token"))])
        .await;
    let page = thief.get(page.leads_to()).await;
    assert!(page.notice().unwrap().contains("new address"));
    assert!(page.has(NEW_ADDRESS) && !page.has(ADDRESS));
    assert_eq!(site.visitor().sign_in(ADDRESS, PASSWORD).await.status, 401);
    assert_eq!(
        site.visitor().sign_in(NEW_ADDRESS, PASSWORD).await.status,
        303
    );
    // Not once more within a week.
    let page = thief
        .post("/security/email", &[("email", "third@example.com")])
        .await;
    assert_eq!(page.status, 429);
    assert!(page.alert().unwrap().contains("days"));

    let owner = site.visitor();
    let mail = site.next_mail(ADDRESS).await;
    assert!(mail.text().contains(NEW_ADDRESS));
    let page = owner.open_link(&mail).await;
    assert_eq!(page.heading(), "Undo the change?");
    assert!(thief.is_signed_in().await, "a GET undoes nothing");
    let page = owner
        .post("/email/undo", &[("token", page.hidden("token"))])
        .await;
    let page = owner.get(page.leads_to()).await;
    assert_eq!(page.heading(), "Choose a password");
    assert!(page.notice().unwrap().contains("as it was"));
    assert!(!thief.is_signed_in().await);
    owner
        .post("/security/password", &[("new", NEW_PASSWORD)])
        .await
        .leads_to();
    assert_eq!(
        site.visitor().sign_in(ADDRESS, NEW_PASSWORD).await.status,
        303
    );
    assert_eq!(
        site.visitor().sign_in(NEW_ADDRESS, PASSWORD).await.status,
        401
    );
    assert_eq!(owner.open_link(&mail).await.status, 400);
}

#[actix_web::test]
async fn an_address_that_another_user_has_is_told_nothing_about() {
    let site = RunningSite::start().await;
    site.member("bob@example.com").await;
    site.next_mail("bob@example.com").await;
    let ada = site.member(ADDRESS).await;
    let page = ada
        .post("/security/email", &[("email", "bob@example.com")])
        .await;
    assert_eq!(page.leads_to(), "/security/email/sent");
    // What is sent afterwards has arrived, so nothing was sent before.
    ada.post("/security/email", &[("email", NEW_ADDRESS)]).await;
    site.next_mail(NEW_ADDRESS).await;
    assert_eq!(site.mails("bob@example.com").len(), 1);
}

#[actix_web::test]
async fn devices_are_listed_and_signed_out() {
    let site = RunningSite::start().await;
    let ada = site.member(ADDRESS).await;
    let (phone, tablet) = (site.visitor(), site.visitor());
    phone.sign_in(ADDRESS, PASSWORD).await;
    tablet.sign_in(ADDRESS, PASSWORD).await;
    let page = ada.get("/security").await;
    assert!(page.has("Firefox on Linux") && page.has("127.0.0.1") && page.has("This device"));
    let devices: Vec<String> = page.devices().into_iter().map(str::to_owned).collect();
    assert_eq!(devices.len(), 2);
    // Another user ends none of them.
    let bob = site.member("bob@example.com").await;
    bob.post(&devices[0], &[]).await;
    assert!(phone.is_signed_in().await && tablet.is_signed_in().await);
    let page = ada.post(&devices[0], &[]).await;
    let page = ada.get(page.leads_to()).await;
    assert_eq!(page.notice(), Some("That device is signed out."));
    assert_ne!(phone.is_signed_in().await, tablet.is_signed_in().await);
    phone.sign_in(ADDRESS, PASSWORD).await;
    let page = ada.post("/security/sessions/end-others", &[]).await;
    let page = ada.get(page.leads_to()).await;
    assert!(page.devices().is_empty() && page.has("You are signed in nowhere else."));
    assert!(ada.is_signed_in().await && bob.is_signed_in().await);
    assert!(!phone.is_signed_in().await && !tablet.is_signed_in().await);
}

#[actix_web::test]
async fn recent_activity_is_listed_to_its_user_alone() {
    let site = RunningSite::start().await;
    let ada = site.member(ADDRESS).await;
    site.visitor().sign_in(ADDRESS, "wrong password").await;
    site.visitor().choose("/login/with/demo", "grace").await;
    eventually(async || {
        ada.get("/security")
            .await
            .has("A sign-in with a password failed")
    })
    .await;
    let page = ada.get("/security").await;
    assert!(page.has("Account created") && page.has("Firefox on Linux, 127.0.0.1"));
    assert!(!page.has("Signed in with Demo"));
}

#[actix_web::test]
async fn what_matters_asks_who_a_person_is_by_password_or_code() {
    let site = RunningSite::start().await;
    let ada = site.confirmed_member(ADDRESS).await;
    site.age_sign_ins();
    let page = ada.get("/security/email").await;
    assert_eq!(page.leads_to(), "/confirm?next=%2Fsecurity%2Femail");
    let page = ada.get(page.leads_to()).await;
    assert_eq!(
        (page.heading(), page.hidden("next")),
        ("Confirm that it is you", "/security/email")
    );
    let page = ada
        .post(
            "/confirm",
            &[("password", "wrong"), ("next", "/security/email")],
        )
        .await;
    assert_eq!(
        page.error_beside("password"),
        Some("This is not your password.")
    );
    let page = ada
        .post(
            "/confirm",
            &[("password", PASSWORD), ("next", "/security/email")],
        )
        .await;
    assert_eq!(page.leads_to(), "/security/email");
    assert_eq!(ada.get("/security/email").await.status, 200);

    site.age_sign_ins();
    let page = ada
        .post("/confirm/code/send", &[("next", "/security/email")])
        .await;
    let page = ada.get(page.leads_to()).await;
    assert_eq!(
        (page.heading(), page.hidden("next")),
        ("Enter the code", "/security/email")
    );
    let code = code(&site.next_mail(ADDRESS).await);
    let wrong = if code == "00000000" {
        "00000001"
    } else {
        "00000000"
    };
    let page = ada.post("/confirm/code", &[("code", wrong)]).await;
    assert!(page.error_beside("code").unwrap().contains("wrong"));
    let page = ada
        .post(
            "/confirm/code",
            &[("code", &code), ("next", "/security/email")],
        )
        .await;
    assert_eq!(page.leads_to(), "/security/email");
    assert_eq!(ada.get("/security/email").await.status, 200);
    // An anonymous visitor signs in first.
    let page = site.visitor().visit("/security/delete").await;
    assert_eq!(page.heading(), "Sign in");
}

#[actix_web::test]
async fn a_deleted_account_is_gone_with_its_activity() {
    let site = RunningSite::start().await;
    let ada = site.member(ADDRESS).await;
    let phone = site.visitor();
    phone.sign_in(ADDRESS, PASSWORD).await;
    assert_eq!(
        ada.get("/security/delete").await.heading(),
        "Delete the account?"
    );
    let page = ada.post("/security/delete", &[]).await;
    let page = ada.get(page.leads_to()).await;
    assert_eq!(page.notice(), Some("Your account is deleted."));
    assert!(!ada.is_signed_in().await && !phone.is_signed_in().await);
    assert_eq!(phone.sign_in(ADDRESS, PASSWORD).await.status, 401);
    eventually(async || site.count("activity") == 0).await;
    // The address is free again.
    site.member(ADDRESS).await;
}
