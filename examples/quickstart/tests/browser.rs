//! The site in a real browser, with its cookies, its origins and its stylesheet.

mod support;

use support::RunningSite;
use support::browser::Driver;

const PASSWORD: &str = "correct horse battery";

#[actix_web::test]
async fn a_session_that_is_revoked_in_one_browser_is_logged_out_in_the_other() {
    let Some(driver) = Driver::start() else {
        return;
    };
    let site = RunningSite::start().await;

    let laptop = driver.browser(&site.origin).await;
    laptop.open("/").await;
    laptop.sees("A small site with accounts").await;
    assert_ne!(
        laptop.style(".button", "border-top-left-radius").await,
        "0px"
    );

    laptop.click("Sign up").await;
    laptop.sees("Sign up").await;
    laptop.fill_in("Username", "Ada").await;
    laptop.fill_in("Password", "short").await;
    laptop.click("Sign up").await;
    laptop
        .reads("This is too short. Use at least 8 characters.")
        .await;
    laptop.fill_in("Password", PASSWORD).await;
    laptop.click("Sign up").await;
    laptop.sees("Hello, ada").await;
    // What was posted is not posted again.
    laptop.reload().await;
    laptop.sees("Hello, ada").await;

    laptop.click("Your sessions").await;
    laptop.sees("Your sessions").await;
    laptop.click("Log out").await;
    laptop.sees("A small site with accounts").await;
    laptop.open("/sessions").await;
    laptop.sees("Log in").await;
    laptop.fill_in("Username", "ada").await;
    laptop.fill_in("Password", "wrong password").await;
    laptop.click("Log in").await;
    laptop.reads("Wrong username or password.").await;
    laptop.fill_in("Password", PASSWORD).await;
    laptop.click("Log in").await;
    laptop.sees("Your sessions").await;
    assert_eq!(laptop.count(".sessions li").await, 1);

    // The same person in another profile, where nobody is signed in yet.
    let phone = driver.browser(&site.origin).await;
    phone.open("/home").await;
    phone.sees("Log in").await;
    phone.fill_in("Username", "ada").await;
    phone.fill_in("Password", PASSWORD).await;
    phone.click("Log in").await;
    phone.sees("Hello, ada").await;
    phone.click("Your sessions").await;
    phone.sees("Your sessions").await;
    assert_eq!(phone.count(".sessions li").await, 2);
    assert_eq!(phone.count(".badge").await, 1);
    phone.click("Revoke Chrome on Linux").await;
    phone.reads("You are signed in nowhere else.").await;
    assert_eq!(phone.count(".sessions li").await, 1);

    laptop.reload().await;
    laptop.sees("Log in").await;
    assert_eq!(laptop.path().await, "/login");
    phone.open("/home").await;
    phone.sees("Hello, ada").await;
}
