//! The whole site over HTTP, as its visitors meet it.

mod support;

use support::RunningSite;

const PASSWORD: &str = "correct horse battery";

#[actix_web::test]
async fn somebody_signs_up_sees_who_they_are_and_logs_out() {
    let site = RunningSite::start().await;
    let ada = site.visitor();
    assert!(ada.get("/").await.body.contains("href=\"/signup\""));

    assert_eq!(ada.sign_up("ada", PASSWORD).await.leads_to(), "/home");
    let home = ada.get("/home").await;
    assert_eq!(home.status, 200);
    assert!(home.body.contains("Hello, <span class=\"name\">ada</span>"));
    assert!(home.body.contains("Firefox on Linux"));
    let landing = ada.get("/").await.body;
    assert!(landing.contains("Welcome back") && !landing.contains("href=\"/signup\""));

    assert_eq!(ada.post("/logout", &[]).await.leads_to(), "/");
    assert!(!ada.is_signed_in().await);
    assert!(ada.get("/").await.body.contains("href=\"/signup\""));

    assert_eq!(ada.log_in("ada", PASSWORD).await.leads_to(), "/home");
    assert!(ada.is_signed_in().await);
}

#[actix_web::test]
async fn who_is_not_remembered_has_a_cookie_that_ends_with_the_browser() {
    let site = RunningSite::start().await;
    for (path, username) in [("/signup", "ada"), ("/login", "ada"), ("/signup", "bob")] {
        for remember in [false, true] {
            // The second of two who sign up is another one.
            let username = match (path, remember) {
                ("/signup", true) => format!("{username}2"),
                _ => username.to_owned(),
            };
            let visitor = site.visitor();
            assert!(!visitor.get(path).await.is_checked("remember"));
            let mut form = vec![("username", &*username), ("password", PASSWORD)];
            form.extend(remember.then_some(("remember", "true")));
            let page = visitor.post(path, &form).await;
            assert_eq!(page.leads_to(), "/home");
            let cookie = page.header("set-cookie").unwrap();
            assert_eq!(cookie.contains("Max-Age="), remember, "{path} {cookie}");
            assert_eq!(cookie.contains("Expires="), remember, "{path} {cookie}");
            assert!(visitor.is_signed_in().await);
        }
    }
}

#[actix_web::test]
async fn a_box_that_is_checked_stays_so_in_a_form_that_was_refused() {
    let site = RunningSite::start().await;
    for path in ["/signup", "/login"] {
        for remember in [false, true] {
            let mut form = vec![("username", "ada"), ("password", "wrong")];
            form.extend(remember.then_some(("remember", "true")));
            let page = site.visitor().post(path, &form).await;
            assert!((400..500).contains(&page.status), "{path}");
            assert_eq!(page.is_checked("remember"), remember, "{path}");
        }
    }
}

#[actix_web::test]
async fn a_cookie_that_was_copied_before_the_log_out_is_of_no_use_after_it() {
    let site = RunningSite::start().await;
    let ada = site.visitor();
    let signed_up = ada.sign_up("ada", PASSWORD).await;
    let cookie = signed_up.header("set-cookie").unwrap().split(';').next();
    let cookie = cookie.unwrap().to_owned();
    let replay = async || {
        let request = reqwest::Client::new().get(format!("{}/", site.origin));
        let response = request.header("cookie", &cookie).send().await.unwrap();
        response.text().await.unwrap().contains("Welcome back")
    };
    assert!(replay().await);
    ada.post("/logout", &[]).await;
    assert!(!replay().await);
}

#[actix_web::test]
async fn a_username_is_the_same_whatever_its_case_and_the_space_around_it() {
    let site = RunningSite::start().await;
    site.visitor().sign_up(" Ada ", PASSWORD).await.leads_to();
    let ada = site.visitor();
    ada.log_in("ADA\t", PASSWORD).await.leads_to();
    assert!(ada.get("/home").await.body.contains(">ada<"));

    let taken = site.visitor().sign_up("aDa", PASSWORD).await;
    assert_eq!(taken.status, 409);
}

#[actix_web::test]
async fn a_taken_name_is_told_beside_it_and_only_the_password_is_to_be_typed_again() {
    let site = RunningSite::start().await;
    site.visitor().sign_up("ada", PASSWORD).await.leads_to();

    let other = site.visitor();
    let page = other.sign_up("ada", "another password").await;
    assert_eq!(page.status, 409);
    assert!(page.error_beside("username").unwrap().contains("taken"));
    assert_eq!(page.input("username"), Some("ada"));
    assert!(!page.body.contains("another password"));
    assert!(!other.is_signed_in().await);
}

#[actix_web::test]
async fn a_name_that_cannot_be_is_told_why() {
    let site = RunningSite::start().await;
    for (username, word) in [
        ("", "Choose"),
        ("ada lovelace", "only the letters"),
        (&"a".repeat(33), "at most 32"),
        (&"ä".repeat(2_000), "only the letters"),
    ] {
        let page = site.visitor().sign_up(username, PASSWORD).await;
        assert_eq!(page.status, 400);
        let error = page.error_beside("username").unwrap();
        assert!(error.contains(word), "{error}");
        assert_eq!(page.input("username"), Some(username));
    }
}

#[actix_web::test]
async fn a_password_of_the_wrong_length_is_told_the_right_one() {
    let site = RunningSite::start().await;
    for (password, word) in [
        ("", "Choose"),
        ("7 signs", "at least 8"),
        (&"long ".repeat(60), "at most 256"),
    ] {
        let page = site.visitor().sign_up("ada", password).await;
        assert_eq!(page.status, 400);
        let error = page.error_beside("password").unwrap();
        assert!(error.contains(word), "{error}");
        assert_eq!(page.input("username"), Some("ada"));
        assert_eq!(page.input("password"), None);
    }
    site.visitor().sign_up("ada", "8 signs!").await.leads_to();
}

#[actix_web::test]
async fn wrong_credentials_are_not_told_which_of_them_is_wrong() {
    let site = RunningSite::start().await;
    site.visitor().sign_up("ada", PASSWORD).await.leads_to();

    let visitor = site.visitor();
    let known = visitor.log_in("ada", "wrong password").await;
    let unknown = visitor.log_in("bob", "wrong password").await;
    assert_eq!((known.status, unknown.status), (401, 401));
    assert_eq!(known.alert(), Some("Wrong username or password."));
    assert_eq!(known.input("username"), Some("ada"));
    assert!(!known.body.contains("wrong password"));
    assert_eq!(known.body.replace("\"ada\"", "\"bob\""), unknown.body);
    for username in ["", "no such name!", &"a".repeat(500), "a\0"] {
        assert_eq!(visitor.log_in(username, PASSWORD).await.status, 401);
    }
    assert!(!visitor.is_signed_in().await);
}

#[actix_web::test]
async fn r34_who_has_tried_too_often_is_told_to_wait_whatever_the_password() {
    let site = RunningSite::start().await;
    site.visitor().sign_up("ada", PASSWORD).await.leads_to();

    let visitor = site.visitor();
    for _ in 0..10 {
        assert_eq!(visitor.log_in("ada", "wrong password").await.status, 401);
    }
    let page = visitor.log_in("ada", PASSWORD).await;
    assert_eq!(page.status, 429);
    let alert = "Too many attempts. Try again in 15 minutes.";
    assert_eq!(page.alert(), Some(alert));
    assert_eq!(page.input("username"), Some("ada"));
    assert!(!visitor.is_signed_in().await);
}

#[actix_web::test]
async fn a_form_with_nothing_in_it_is_answered_like_any_other() {
    let site = RunningSite::start().await;
    let empty = site.visitor().post("/signup", &[]).await;
    assert_eq!(empty.status, 400);
    assert_eq!(empty.error_beside("username"), Some("Choose a username."));
    assert_eq!(site.visitor().post("/login", &[]).await.status, 401);
}

#[actix_web::test]
async fn who_is_signed_in_is_not_asked_to_sign_in() {
    let site = RunningSite::start().await;
    let ada = site.visitor();
    ada.sign_up("ada", PASSWORD).await.leads_to();
    assert_eq!(ada.get("/login").await.leads_to(), "/home");
    assert_eq!(
        ada.get("/signup?next=/sessions").await.leads_to(),
        "/sessions"
    );
}

#[actix_web::test]
async fn whoever_is_sent_to_log_in_comes_back_to_the_page_they_asked_for() {
    let site = RunningSite::start().await;
    site.visitor().sign_up("ada", PASSWORD).await.leads_to();

    let ada = site.visitor();
    let login = ada
        .get("/sessions?from=mail&x=1")
        .await
        .leads_to()
        .to_owned();
    let page = ada.get(&login).await;
    let next = page.input("next").unwrap().replace("&#38;", "&");
    assert_eq!(next, "/sessions?from=mail&x=1");

    let form = |password| {
        [
            ("username", "ada"),
            ("password", password),
            ("next", &*next),
        ]
    };
    let again = ada.post("/login", &form("wrong password")).await;
    assert_eq!(again.input("next").unwrap().replace("&#38;", "&"), next);
    assert_eq!(ada.post("/login", &form(PASSWORD)).await.leads_to(), next);
}

#[actix_web::test]
async fn r57_nobody_is_sent_to_another_site() {
    let site = RunningSite::start().await;
    site.visitor().sign_up("ada", PASSWORD).await.leads_to();
    for next in [
        "//evil.example",
        "/\\evil.example",
        "https://evil.example",
        "javascript:alert(1)",
        "/\t/evil.example",
        "/a\r\nSet-Cookie: a=b",
        "",
    ] {
        let visitor = site.visitor();
        let query: String = next.bytes().map(|byte| format!("%{byte:02X}")).collect();
        for page in ["/login", "/signup"] {
            let page = visitor.get(&format!("{page}?next={query}")).await;
            assert_eq!((page.status, page.input("next")), (200, None), "{next:?}");
        }
        let form = [("username", "ada"), ("password", PASSWORD), ("next", next)];
        assert_eq!(visitor.post("/login", &form).await.leads_to(), "/home");
    }
}

#[actix_web::test]
async fn what_is_typed_is_never_markup() {
    let site = RunningSite::start().await;
    let hostile = "\"><script>alert(1)</script>";
    for path in ["/signup", "/login"] {
        let form = [
            ("username", hostile),
            ("password", PASSWORD),
            ("next", "/\"><script>"),
        ];
        let page = site.visitor().post(path, &form).await;
        assert!(!page.body.contains("<script"), "{}", page.body);
        assert!(
            page.body.contains("&#60;script&#62;alert(1)"),
            "{}",
            page.body
        );
    }
}

#[actix_web::test]
async fn forms_of_another_site_do_nothing() {
    let site = RunningSite::start().await;
    let ada = site.visitor();
    ada.sign_up("ada", PASSWORD).await.leads_to();

    let credentials = [("username", "ada"), ("password", PASSWORD)];
    let anonymous = site.visitor();
    for (visitor, path) in [
        (&ada, "/logout"),
        (&ada, "/sessions/revoke-others"),
        (&ada, "/login"),
        (&anonymous, "/login"),
        (&anonymous, "/signup"),
    ] {
        for origin in ["https://evil.example", "null"] {
            let page = visitor.post_from(origin, path, &credentials).await;
            assert_eq!(page.status, 403, "{path}");
            assert_eq!(page.header("set-cookie"), None);
            assert!(page.body.contains("<h1>Refused</h1>"), "{}", page.body);
        }
    }
    assert!(ada.is_signed_in().await);
    assert!(!anonymous.is_signed_in().await);
}

#[actix_web::test]
async fn what_is_not_there_has_a_page_that_says_so() {
    let site = RunningSite::start().await;
    let ada = site.visitor();
    ada.sign_up("ada", PASSWORD).await.leads_to();
    for page in [
        ada.get("/no/such/page").await,
        ada.get("/logout").await,
        ada.post("/sessions/not-an-id/revoke", &[]).await,
    ] {
        assert_eq!(page.status, 404);
        assert!(page.body.contains("<h1>Not found</h1>"), "{}", page.body);
        assert_eq!(page.header("set-cookie"), None);
    }
    assert!(ada.is_signed_in().await);
}

#[actix_web::test]
async fn a_body_that_is_no_form_is_refused_with_a_page() {
    let site = RunningSite::start().await;
    let url = format!("{}/signup", site.origin);
    let client = reqwest::Client::new();
    for request in [
        client
            .post(&url)
            .body("{}")
            .header("content-type", "application/json"),
        client
            .post(&url)
            .body("username=%FF")
            .header("content-type", "text/plain"),
        client.post(&url).form(&[("username", "a".repeat(1 << 20))]),
    ] {
        let response = request.send().await.unwrap();
        assert!(response.status().is_client_error(), "{}", response.status());
        assert!(
            response
                .text()
                .await
                .unwrap()
                .starts_with("<!doctype html>")
        );
    }
}

#[actix_web::test]
async fn every_response_tells_browsers_to_be_strict() {
    let site = RunningSite::start().await;
    let ada = site.visitor();
    ada.sign_up("ada", PASSWORD).await.leads_to();
    for path in [
        "/",
        "/home",
        "/sessions",
        "/login",
        "/style.css",
        "/icon.svg",
        "/no",
    ] {
        let page = ada.get(path).await;
        let policy = page.header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'") && !policy.contains("unsafe"));
        assert_eq!(page.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(page.header("referrer-policy"), Some("same-origin"));
        assert!(!page.body.contains(" style=") && !page.body.contains("<style"));
    }
    assert_eq!(
        ada.get("/home").await.header("cache-control"),
        Some("no-store")
    );
    let style = ada.get("/style.css").await;
    assert_eq!(
        style.header("content-type"),
        Some("text/css; charset=utf-8")
    );
}
