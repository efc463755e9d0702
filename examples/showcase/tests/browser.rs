//! Each flow in a real browser, by the keyboard alone; and each page as it looks on a phone and on a desk, by
//! day and by night.

mod support;

use support::browser::{Browser, Driver};
use support::looks::Looks;
use support::visitor::{code, link};
use support::{PASSWORD, RunningSite};

const ADDRESS: &str = "ada@example.com";
const NEW_ADDRESS: &str = "ada.lovelace.with.a.long.address@mathematics.example.com";
const SECOND: &str = "another horse battery";
const THIRD: &str = "a third horse battery";

struct Walk<'a> {
    site: &'a RunningSite,
    ada: &'a Browser,
    looks: Looks<'a>,
}

#[actix_web::test]
async fn each_flow_works_by_the_keyboard_alone_and_each_page_looks_right() {
    let Some(driver) = Driver::start() else {
        return;
    };
    let site = RunningSite::start().await;
    let ada = driver.browser(&site.origin).await;
    let walk = Walk {
        site: &site,
        ada: &ada,
        looks: Looks::new(&ada),
    };
    walk.sign_up().await;
    walk.by_password().await;
    walk.by_link().await;
    walk.by_code().await;
    walk.forgotten().await;
    walk.security().await;
    walk.linked().await;
    walk.password().await;
    walk.address().await;
    walk.confirm().await;
    walk.delete().await;
    walk.errors().await;
}

impl Walk<'_> {
    async fn sign_up(&self) {
        let Self { site, ada, looks } = self;
        ada.open("/").await;
        looks
            .at("landing", "Sign in your way, and stay in control")
            .await;
        ada.enter("Create an account").await;
        looks.at("sign-up", "Create an account").await;
        ada.type_in("Ada Lovelace").await; // the first field has the focus
        ada.write("E-mail address", ADDRESS).await;
        ada.write("Password", "tiny").await;
        ada.enter("Create account").await;
        ada.reads("This is too short. Use at least 10 characters.")
            .await;
        looks.at("sign-up-refused", "Create an account").await;
        ada.type_in(PASSWORD).await; // the field with the problem has the focus
        ada.enter("Create account").await;
        looks.at("verify-sent", "Check your mail").await;
        ada.enter("Continue").await;
        looks.at("home-unconfirmed", "Hello, Ada Lovelace").await;
        ada.open(&self.path(ADDRESS).await).await;
        looks.at("verify", "Confirm your address").await;
        assert_eq!(ada.path().await, "/verify");
        ada.enter("Confirm").await;
        ada.reads("Your address is confirmed.").await;
        looks.at("home", "Hello, Ada Lovelace").await;
        // What was posted is not posted again.
        ada.reload().await;
        ada.sees("Hello, Ada Lovelace").await;
        assert_eq!(site.mails(ADDRESS).len(), 1);
    }

    async fn by_password(&self) {
        let Self { ada, looks, .. } = self;
        self.sign_out().await;
        ada.open("/security").await;
        looks.at("login", "Sign in").await;
        ada.type_in(ADDRESS).await;
        ada.write("Password", "wrong password").await;
        ada.enter("Sign in").await;
        ada.reads("The address or the password is wrong.").await;
        looks.at("login-refused", "Sign in").await;
        ada.type_in(PASSWORD).await;
        ada.tab_to("Remember me on this device").await;
        ada.press(' ').await;
        // `Sign in` is in the header as well, but that comes before the form.
        ada.enter("Sign in").await;
        ada.sees("Security").await;
        assert!(ada.cookie_ends("auth_session").await);
    }

    async fn by_link(&self) {
        let Self { ada, looks, .. } = self;
        self.sign_out().await;
        ada.enter("Sign in").await;
        ada.sees("Sign in").await;
        ada.enter("Continue by e-mail").await;
        looks.at("login-email", "Sign in by e-mail").await;
        ada.type_in(ADDRESS).await;
        ada.enter("Send me a link").await;
        looks.at("login-link-sent", "Check your mail").await;
        ada.open(&self.path(ADDRESS).await).await;
        looks.at("login-link", "Sign in").await;
        ada.press('\u{e007}').await; // the button has the focus
        ada.sees("Hello, Ada Lovelace").await;
    }

    async fn by_code(&self) {
        let Self { site, ada, looks } = self;
        self.sign_out().await;
        ada.open("/login/email?next=/security").await;
        ada.write("E-mail address", ADDRESS).await;
        ada.enter("Send me a code").await;
        looks.at("login-code", "Enter the code").await;
        ada.type_in("0000").await;
        ada.press('\u{e007}').await;
        ada.sees("Enter the code").await;
        looks.at("login-code-refused", "Enter the code").await;
        ada.type_in(&code(&site.next_mail(ADDRESS).await)).await;
        ada.press('\u{e007}').await;
        ada.sees("Security").await;
    }

    async fn forgotten(&self) {
        let Self { ada, looks, .. } = self;
        self.sign_out().await;
        ada.open("/login").await;
        ada.enter("Forgot your password?").await;
        looks.at("forgot", "Forgot your password?").await;
        ada.type_in(ADDRESS).await;
        ada.enter("Send the link").await;
        looks.at("forgot-sent", "Check your mail").await;
        ada.open(&self.path(ADDRESS).await).await;
        looks.at("reset", "Choose a new password").await;
        ada.type_in(SECOND).await;
        ada.enter("Save the password").await;
        ada.reads("Your password is changed, and you are signed in.")
            .await;
    }

    async fn security(&self) {
        let Self { site, ada, looks } = self;
        site.visitor().sign_in(ADDRESS, SECOND).await;
        site.visitor().sign_in(ADDRESS, SECOND).await;
        ada.enter("Security").await;
        looks.at("security", "Security").await;
        assert_eq!(ada.count(".sessions li").await, 3);
        ada.enter("Sign out Firefox on Linux").await;
        ada.reads("That device is signed out.").await;
        ada.enter("Sign out all other devices").await;
        ada.reads("You are signed in nowhere else.").await;
    }

    async fn linked(&self) {
        let Self { ada, looks, .. } = self;
        ada.enter("Link Demo provider").await;
        looks.at("demo-provider", "Demo provider").await;
        ada.enter("Sign in as Ada Lovelace").await;
        ada.reads("The account is linked. You can sign in with it from now on.")
            .await;
        looks.at("security-linked", "Security").await;
        self.sign_out().await;
        ada.open("/login").await;
        ada.enter("Continue with Demo provider").await;
        ada.sees("Demo provider").await;
        ada.enter("Sign in as Ada Lovelace").await;
        ada.sees("Hello, Ada Lovelace").await;
        ada.open("/security").await;
        ada.enter("Unlink Demo provider").await;
        ada.reads("The account is not linked any more.").await;
    }

    async fn password(&self) {
        let Self { ada, looks, .. } = self;
        ada.enter("Change the password").await;
        looks.at("password", "Change your password").await;
        ada.type_in(SECOND).await;
        ada.write("New password", THIRD).await;
        ada.enter("Save the password").await;
        ada.reads("Your password is changed. Other devices were signed out.")
            .await;
    }

    async fn address(&self) {
        let Self { site, ada, looks } = self;
        ada.enter("Change the e-mail address").await;
        looks.at("email", "Change your address").await;
        ada.type_in(NEW_ADDRESS).await;
        ada.enter("Send a link to it").await;
        looks.at("email-sent", "Check your mail").await;
        ada.open(&self.path(NEW_ADDRESS).await).await;
        looks.at("email-confirm", "Use this address?").await;
        ada.enter("Use this address").await;
        ada.reads("Your account has the new address now.").await;
        looks.at("security-long", "Security").await;
        ada.open(&self.path(ADDRESS).await).await;
        looks.at("email-undo", "Undo the change?").await;
        ada.enter("Undo the change").await;
        looks.at("password-new", "Choose a password").await;
        ada.type_in(THIRD).await;
        ada.enter("Save the password").await;
        ada.sees("Security").await;
        assert_eq!(site.mails(NEW_ADDRESS).len(), 1);
    }

    async fn confirm(&self) {
        let Self { site, ada, looks } = self;
        site.age_sign_ins();
        ada.enter("Delete the account").await;
        looks.at("confirm", "Confirm that it is you").await;
        ada.enter(&format!("Send a code to {ADDRESS}")).await;
        looks.at("confirm-code", "Enter the code").await;
        ada.type_in(&code(&site.next_mail(ADDRESS).await)).await;
        ada.enter("Confirm").await;
    }

    async fn delete(&self) {
        let Self { ada, looks, .. } = self;
        looks.at("delete", "Delete the account?").await;
        ada.enter("Delete for good").await;
        ada.reads("Your account is deleted.").await;
    }

    async fn errors(&self) {
        let Self { ada, looks, .. } = self;
        ada.open("/no/such/page").await;
        looks.at("not-found", "Not found").await;
        ada.open("/reset?token=made-up").await;
        looks
            .at("dead-link", "This link does not work any more")
            .await;
        ada.open("/login/with/demo").await;
        ada.enter("Cancel").await;
        looks.at("cancelled", "You cancelled").await;
        ada.enter("Back to sign in").await;
        ada.sees("Sign in").await;
    }

    async fn sign_out(&self) {
        self.ada.enter("Sign out").await;
        self.ada.reads("You are signed out.").await;
    }

    /// The path of the link in the next mail to an address.
    async fn path(&self, address: &str) -> String {
        let link = link(&self.site.next_mail(address).await);
        link[self.site.origin.len()..].to_owned()
    }
}

/// Nothing is found on the pages, so here is what would be.
#[actix_web::test]
async fn what_is_wrong_with_a_page_is_found() {
    let Some(driver) = Driver::start() else {
        return;
    };
    let site = RunningSite::start().await;
    let browser = driver.browser(&site.origin).await;
    let looks = Looks::new(&browser);
    for (change, fault) in [
        ("main.style.width = '3000px'", "it scrolls sideways"),
        ("root.removeAttribute('lang')", "it has no language"),
        ("find('h1').remove()", "it has not one h1"),
        (
            "main.append(document.createElement('h4'))",
            "a level of headings is left out",
        ),
        ("find('button').id = 'email'", "an id is there twice"),
        (
            "find('#email').setAttribute('aria-describedby', 'nothing')",
            "it refers to nothing",
        ),
        ("find('label[for=email]').remove()", "no label"),
        (
            "find('#password').removeAttribute('autocomplete')",
            "no autocomplete",
        ),
        ("find('.wide').innerText = ''", "no name"),
        ("find('img').removeAttribute('alt')", "no alt"),
        (
            "find('.wide').style.cssText = 'padding: 0; line-height: 1'",
            "too small",
        ),
        ("find('label').style.color = '#999'", "contrast "),
        (
            "find('#email').style.borderColor = '#ccc'",
            "contrast of an edge",
        ),
    ] {
        browser.open("/login").await;
        assert!(looks.faults().await.is_empty());
        let script = format!(
            "const root = document.documentElement, find = (css) => document.querySelector(css);
             const main = find('main'); {change}; arguments[0]()"
        );
        browser.run(&script, vec![]).await;
        let faults = looks.faults().await;
        assert!(
            faults.iter().any(|found| found.starts_with(fault)),
            "{change}: {faults:?}"
        );
    }
}
