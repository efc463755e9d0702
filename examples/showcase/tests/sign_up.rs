//! Signing up, and confirming the address.

mod support;

use support::visitor::link;
use support::{PASSWORD, RunningSite};

const ADDRESS: &str = "ada@example.com";

#[actix_web::test]
async fn a_person_signs_up_and_confirms_the_address_by_the_mailed_link() {
    let site = RunningSite::start().await;
    let ada = site.visitor();
    let form = [
        ("name", " Ada  Lovelace "),
        ("email", " Ada@Example.com"),
        ("password", PASSWORD),
        ("next", "/security"),
    ];
    let page = ada.post("/signup", &form).await;
    assert_eq!(page.leads_to(), "/verify/sent?next=%2Fsecurity");
    let page = ada.get(page.leads_to()).await;
    assert_eq!(page.heading(), "Check your mail");
    assert!(
        page.has(ADDRESS) && page.has("href=\"/dev/mailbox\"") && page.has("href=\"/security\"")
    );
    assert!(ada.get("/home").await.has("Confirm your address"));

    let mail = site.next_mail(ADDRESS).await;
    assert!(ada.get("/dev/mailbox").await.has(mail.subject()));
    let page = ada.open_link(&mail).await;
    assert_eq!(page.heading(), "Confirm your address");
    let token = page.hidden("token");
    assert!(
        ada.get("/home").await.has("Confirm your address"),
        "a GET confirms nothing"
    );
    let page = ada.post("/verify", &[("token", token)]).await;
    let page = ada.get(page.leads_to()).await;
    assert_eq!(page.notice(), Some("Your address is confirmed."));
    assert!(page.has("Ada Lovelace") && !page.has("Confirm your address"));

    // The link works once.
    let page = ada.post("/verify", &[("token", token)]).await;
    assert_eq!(
        (page.status, page.heading()),
        (400, "This link does not work any more")
    );
    let page = ada.open_link(&mail).await;
    assert_eq!(
        (page.status, page.heading()),
        (400, "This link does not work any more")
    );
}

#[actix_web::test]
async fn each_field_says_what_is_wrong_with_it_and_keeps_the_others() {
    let site = RunningSite::start().await;
    site.member(ADDRESS).await;
    let visitor = site.visitor();
    for (name, email, password, status, field, told) in [
        (
            "",
            "b@example.com",
            PASSWORD,
            400,
            "name",
            "Tell us what to call you.",
        ),
        (
            "Bob",
            "bob",
            PASSWORD,
            400,
            "email",
            "not an e-mail address",
        ),
        (
            "Bob",
            "b@example.com",
            "",
            400,
            "password",
            "Choose a password.",
        ),
        (
            "Bob",
            "b@example.com",
            "tiny",
            400,
            "password",
            "at least 10 characters",
        ),
        (
            "Bob",
            ADDRESS,
            PASSWORD,
            409,
            "email",
            "There is an account with this address.",
        ),
        (
            "Bob",
            "ADA@example.com ",
            PASSWORD,
            409,
            "email",
            "There is an account",
        ),
    ] {
        let form = [("name", name), ("email", email), ("password", password)];
        let page = visitor.post("/signup", &form).await;
        assert_eq!(page.status, status, "{told}");
        let error = page
            .error_beside(field)
            .unwrap_or_else(|| panic!("{told}: {}", page.body));
        assert!(error.contains(told), "{error}");
        assert!(page.has("value=\"Bob\"") || name.is_empty());
        assert!(
            password.is_empty() || !page.has(password),
            "a password is never shown again"
        );
        assert!(!visitor.is_signed_in().await);
    }
    assert!(site.mails("b@example.com").is_empty());
}

#[actix_web::test]
async fn a_new_link_can_be_asked_for_and_the_old_one_expires() {
    let site = RunningSite::start().await;
    let ada = site.member(ADDRESS).await;
    let first = site.next_mail(ADDRESS).await;
    site.expire_tokens();
    let page = ada.open_link(&first).await;
    assert_eq!(
        (page.status, page.heading()),
        (400, "This link does not work any more")
    );
    assert!(page.has("href=\"/verify/sent\""));
    let page = ada.post("/verify/again", &[]).await;
    let page = ada.get(page.leads_to()).await;
    assert!(page.notice().unwrap().starts_with("Another link"));
    let second = site.next_mail(ADDRESS).await;
    assert_ne!(link(&first), link(&second));
    let page = ada.open_link(&second).await;
    let page = ada
        .post("/verify", &[("token", page.hidden("token"))])
        .await;
    assert_eq!(page.leads_to(), "/home?notice=address-confirmed");
    // There is nothing more to ask for.
    let page = ada.visit("/verify/sent").await;
    assert_eq!(page.notice(), Some("Your address is confirmed."));
}

#[actix_web::test]
async fn the_owner_of_an_address_gets_the_account_that_a_stranger_made_with_it() {
    let site = RunningSite::start().await;
    let stranger = site.member(ADDRESS).await;
    let owner = site.visitor();
    let page = owner.open_link(&site.next_mail(ADDRESS).await).await;
    assert!(page.has("You are not signed in here"));
    let page = owner
        .post("/verify", &[("token", page.hidden("token"))])
        .await;
    assert_eq!(page.leads_to(), "/security/password");
    assert!(!stranger.is_signed_in().await);
    assert_eq!(stranger.sign_in(ADDRESS, PASSWORD).await.status, 401);

    let page = owner.get("/security/password").await;
    assert_eq!(page.heading(), "Choose a password");
    let page = owner
        .post("/security/password", &[("new", "another horse battery")])
        .await;
    assert_eq!(page.leads_to(), "/security?notice=password-changed");
    assert_eq!(
        owner
            .sign_in(ADDRESS, "another horse battery")
            .await
            .leads_to(),
        "/home"
    );
}

#[actix_web::test]
async fn no_other_site_signs_a_visitor_up() {
    let site = RunningSite::start().await;
    let visitor = site.visitor();
    let form = [
        ("name", "Eve"),
        ("email", "eve@example.com"),
        ("password", PASSWORD),
    ];
    let page = visitor
        .post_from("https://evil.example", "/signup", &form)
        .await;
    assert_eq!((page.status, page.heading()), (403, "Refused"));
    assert!(!visitor.is_signed_in().await);
}
