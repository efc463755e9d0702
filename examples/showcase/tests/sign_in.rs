//! Signing in by password, by a mailed link and by a mailed code, and signing out.

mod support;

use support::visitor::{code, link};
use support::{PASSWORD, RunningSite};

const ADDRESS: &str = "ada@example.com";
const WRONG: &str = "The address or the password is wrong.";

#[actix_web::test]
async fn a_person_signs_in_by_password_on_the_way_to_a_page_and_out_again() {
    let site = RunningSite::start().await;
    site.member(ADDRESS).await;
    let ada = site.visitor();
    let page = ada.get("/security").await;
    assert_eq!(page.leads_to(), "/login?next=%2Fsecurity");
    let page = ada.get(page.leads_to()).await;
    assert_eq!(page.hidden("next"), "/security");
    let form = [
        ("email", "ADA@example.com"),
        ("password", PASSWORD),
        ("next", "/security"),
        ("remember", "true"),
    ];
    let page = ada.post("/login", &form).await;
    assert_eq!(page.leads_to(), "/security");
    assert!(page.header("set-cookie").unwrap().contains("Max-Age"));
    // Where people go who are signed in already.
    assert_eq!(
        ada.get("/login?next=/security").await.leads_to(),
        "/security"
    );
    assert_eq!(ada.get("/signup").await.leads_to(), "/home");

    let page = ada.post("/logout", &[]).await;
    let page = ada.get(page.leads_to()).await;
    assert_eq!(page.notice(), Some("You are signed out."));
    assert!(!ada.is_signed_in().await);
    // Without the box, the cookie ends with the browser.
    let page = ada.sign_in(ADDRESS, PASSWORD).await;
    assert!(!page.header("set-cookie").unwrap().contains("Max-Age"));
}

#[actix_web::test]
async fn a_wrong_password_and_an_unknown_address_are_told_alike_until_there_were_too_many() {
    let site = RunningSite::start().await;
    site.member(ADDRESS).await;
    let eve = site.visitor();
    for address in [ADDRESS, "nobody@example.com"] {
        for _ in 0..10 {
            let page = eve.sign_in(address, "wrong password").await;
            assert_eq!((page.status, page.alert()), (401, Some(WRONG)));
            assert!(page.has(&format!("value=\"{address}\"")));
        }
        let page = eve.sign_in(address, PASSWORD).await;
        assert_eq!(page.status, 429);
        let alert = page.alert().unwrap();
        assert_eq!(alert, "Too many attempts. Try again in 15 minutes.");
        assert!(page.header("retry-after").is_some());
    }
}

#[actix_web::test]
async fn nothing_leads_to_another_site() {
    let site = RunningSite::start().await;
    site.member(ADDRESS).await;
    for next in [
        "https://evil.example",
        "//evil.example",
        "/\\evil.example",
        "javascript:1",
    ] {
        let ada = site.visitor();
        let form = [("email", ADDRESS), ("password", PASSWORD), ("next", next)];
        assert_eq!(ada.post("/login", &form).await.leads_to(), "/home");
        let query: String = url::form_urlencoded::byte_serialize(next.as_bytes()).collect();
        assert_eq!(
            ada.get(&format!("/login?next={query}")).await.leads_to(),
            "/home"
        );
        ada.post("/logout", &[]).await;
        let page = ada
            .choose(&format!("/login/with/demo?next={query}"), "ada")
            .await;
        assert_eq!(page.leads_to(), "/home");
    }
}

#[actix_web::test]
async fn a_person_signs_in_by_a_mailed_link() {
    let site = RunningSite::start().await;
    site.confirmed_member(ADDRESS).await;
    let ada = site.visitor();
    let form = [("email", ADDRESS), ("by", "link"), ("next", "/security")];
    let page = ada.post("/login/email", &form).await;
    let page = ada.get(page.leads_to()).await;
    assert_eq!(page.heading(), "Check your mail");
    assert!(page.has(ADDRESS));
    let mail = site.next_mail(ADDRESS).await;
    let page = ada.open_link(&mail).await;
    assert_eq!(page.heading(), "Sign in");
    assert!(
        page.has(ADDRESS) && !ada.is_signed_in().await,
        "a GET does not sign in"
    );
    let form = [
        ("token", page.hidden("token")),
        ("next", page.hidden("next")),
    ];
    assert_eq!(ada.post("/login/link", &form).await.leads_to(), "/security");
    assert!(ada.is_signed_in().await);

    let other = site.visitor();
    let page = other.post("/login/link", &form).await;
    assert_eq!(
        (page.status, page.heading()),
        (400, "This link does not work any more")
    );
    assert!(page.has("href=\"/login/email\""));
    assert_eq!(other.open_link(&mail).await.status, 400);
    // Without a link there is nothing to see, and it is told in the same way.
    assert_eq!(site.visitor().get("/login/link").await.status, 400);
}

#[actix_web::test]
async fn a_person_signs_in_by_a_mailed_code() {
    let site = RunningSite::start().await;
    site.confirmed_member(ADDRESS).await;
    let ada = site.visitor();
    let form = [("email", ADDRESS), ("by", "code"), ("next", "/security")];
    let page = ada.post("/login/email", &form).await;
    assert_eq!(page.leads_to(), "/login/code?next=%2Fsecurity");
    let page = ada.get(page.leads_to()).await;
    assert_eq!(
        (page.heading(), page.hidden("email")),
        ("Enter the code", ADDRESS)
    );
    let code = code(&site.next_mail(ADDRESS).await);
    let wrong = if code == "00000000" {
        "00000001"
    } else {
        "00000000"
    };
    let typed = |email, code| [("email", email), ("code", code), ("next", "/security")];
    let page = ada.post("/login/code", &typed(ADDRESS, wrong)).await;
    assert_eq!(page.status, 400);
    assert!(page.error_beside("code").unwrap().contains("wrong"));
    assert_eq!(page.hidden("email"), ADDRESS);
    let page = ada
        .post("/login/code", &typed(" Ada@Example.com", &code))
        .await;
    assert_eq!(page.leads_to(), "/security");
    assert!(ada.is_signed_in().await);
    // It works once.
    assert_eq!(
        site.visitor()
            .post("/login/code", &typed(ADDRESS, &code))
            .await
            .status,
        400
    );
}

#[actix_web::test]
async fn links_and_codes_that_expired_say_where_to_get_others() {
    let site = RunningSite::start().await;
    site.confirmed_member(ADDRESS).await;
    let ada = site.visitor();
    ada.post("/login/email", &[("email", ADDRESS), ("by", "link")])
        .await;
    let mailed_link = site.next_mail(ADDRESS).await;
    ada.post("/login/email", &[("email", ADDRESS), ("by", "code")])
        .await;
    let mailed_code = code(&site.next_mail(ADDRESS).await);
    site.expire_tokens();
    let page = ada.open_link(&mailed_link).await;
    assert_eq!(page.status, 400);
    assert!(page.has("href=\"/login/email\""));
    let page = ada
        .post("/login/code", &[("email", ADDRESS), ("code", &mailed_code)])
        .await;
    assert_eq!(page.status, 400);
    assert!(page.has("href=\"/login/email\""));
    // The page of codes without an address asks for it.
    assert_eq!(
        site.visitor().get("/login/code").await.leads_to(),
        "/login/email"
    );
}

#[actix_web::test]
async fn the_pages_do_not_tell_who_has_an_account() {
    let site = RunningSite::start().await;
    site.confirmed_member(ADDRESS).await;
    let eve = site.visitor();
    for (path, by) in [
        ("/login/email", "link"),
        ("/login/email", "code"),
        ("/forgot", ""),
    ] {
        let mut answers = Vec::new();
        for address in [ADDRESS, "nobody@example.com"] {
            let page = eve.post(path, &[("email", address), ("by", by)]).await;
            let place = page.leads_to().to_owned();
            let page = eve.get(&place).await;
            answers.push((place, page.status, page.body.replace(address, "")));
        }
        assert_eq!(answers[0], answers[1]);
    }
    assert!(site.mails("nobody@example.com").is_empty());
    let page = eve
        .post("/login/email", &[("email", "nobody"), ("by", "link")])
        .await;
    assert!(
        page.error_beside("email")
            .unwrap()
            .contains("not an e-mail address")
    );
}

#[actix_web::test]
async fn a_person_who_asks_for_too_many_mails_is_told_to_wait() {
    let site = RunningSite::start().await;
    let eve = site.visitor();
    for number in 0..100 {
        let form = [
            ("email", &*format!("a{number}@example.com")),
            ("by", "link"),
        ];
        eve.post("/login/email", &form).await.leads_to();
    }
    for path in ["/login/email", "/forgot"] {
        let page = eve.post(path, &[("email", ADDRESS)]).await;
        assert_eq!(page.status, 429);
        assert!(page.alert().unwrap().contains("Too many attempts."));
    }
}

#[actix_web::test]
async fn secrets_are_in_no_page_address_and_pages_say_what_browsers_may_do() {
    let site = RunningSite::start().await;
    site.confirmed_member(ADDRESS).await;
    let ada = site.visitor();
    ada.post("/login/email", &[("email", ADDRESS), ("by", "link")])
        .await;
    let mail = site.next_mail(ADDRESS).await;
    let page = ada.get(&link(&mail)).await;
    assert_eq!(page.leads_to(), "/login/link");
    let cookie = page.header("set-cookie").unwrap();
    assert!(
        cookie.contains("HttpOnly") && cookie.contains("Path=/login/link;"),
        "{cookie}"
    );
    for path in ["/", "/login", "/login/link", "/nope"] {
        let page = ada.get(path).await;
        let policy = page.header("content-security-policy").unwrap();
        assert!(
            policy.contains("default-src 'none'") && !policy.contains("unsafe"),
            "{policy}"
        );
        assert!(!page.has("<script") && !page.has("style=\"") && !page.has(" onclick"));
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(page.header("referrer-policy"), Some("same-origin"));
    }
}

#[actix_web::test]
async fn another_name_of_this_machine_leads_to_the_one_of_the_cookies() {
    let site = RunningSite::start().await;
    let elsewhere = site.origin.replace("127.0.0.1", "localhost");
    let page = site
        .visitor()
        .get(&format!("{elsewhere}/login?next=/security"))
        .await;
    assert_eq!(page.status, 307);
    let place = page.header("location").unwrap();
    assert_eq!(place, format!("{}/login?next=/security", site.origin));
}
