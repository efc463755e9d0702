//! The whole site over HTTP, as its visitors meet it.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use reqwest::redirect::Policy;
use tempfile::TempDir;

const PASSWORD: &str = "correct horse battery";

/// The site on a port of its own, until the test ends.
struct Site {
    origin: String,
    _directory: TempDir,
}

/// A browser: it keeps cookies, says where a form was, and follows no redirects.
struct Visitor<'a> {
    client: reqwest::Client,
    site: &'a Site,
}

struct Page {
    status: u16,
    location: Option<String>,
    cookie: Option<String>,
    body: String,
}

impl Site {
    async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("test.db");
        let auth = axum_quickstart::open(file.to_str().unwrap()).await.unwrap();
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = format!("http://{}", listener.local_addr().unwrap());
        tokio::spawn(async { axum::serve(listener, axum_quickstart::app(auth)).await });
        Self {
            origin,
            _directory: directory,
        }
    }

    fn visitor(&self, user_agent: &str) -> Visitor<'_> {
        let client = reqwest::Client::builder()
            .cookie_store(true)
            .redirect(Policy::none())
            .user_agent(user_agent)
            .no_proxy();
        Visitor {
            client: client.build().unwrap(),
            site: self,
        }
    }
}

impl Visitor<'_> {
    async fn get(&self, path: &str) -> Page {
        let url = format!("{}{path}", self.site.origin);
        Page::of(self.client.get(url)).await
    }

    async fn post(&self, path: &str, form: &[(&str, &str)]) -> Page {
        self.post_from(&self.site.origin, path, form).await
    }

    async fn post_from(&self, origin: &str, path: &str, form: &[(&str, &str)]) -> Page {
        let request = self.client.post(format!("{}{path}", self.site.origin));
        Page::of(request.header("origin", origin).form(form)).await
    }

    async fn sign_up(&self, username: &str, password: &str) -> Page {
        self.post("/signup", &[("username", username), ("password", password)])
            .await
    }

    async fn log_in(&self, username: &str, password: &str) -> Page {
        self.post("/login", &[("username", username), ("password", password)])
            .await
    }

    async fn is_signed_in(&self) -> bool {
        self.get("/sessions").await.status == 200
    }
}

impl Page {
    async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        let header = |name| {
            let value = response.headers().get(name)?;
            Some(value.to_str().unwrap().to_owned())
        };
        let policy = header("content-security-policy").unwrap();
        assert!(policy.contains("default-src 'none'"), "{policy}");
        Self {
            status: response.status().as_u16(),
            location: header("location"),
            cookie: header("set-cookie"),
            body: response.text().await.unwrap(),
        }
    }

    /// Where a 303 leads.
    #[track_caller]
    fn leads_to(&self) -> &str {
        assert_eq!(self.status, 303, "{}", self.body);
        self.location.as_deref().unwrap()
    }

    /// What the page says is wrong.
    fn problem(&self) -> &str {
        let (_, rest) = self.body.split_once("role=\"alert\">").unwrap();
        rest.split('<').next().unwrap()
    }

    /// Where the buttons to revoke one session lead.
    fn revocations(&self) -> Vec<&str> {
        let forms = self.body.split("action=\"").skip(1);
        let actions = forms.filter_map(|form| form.split('"').next());
        actions
            .filter(|action| action.ends_with("/revoke"))
            .collect()
    }
}

#[tokio::test]
async fn somebody_signs_up_logs_out_and_logs_in_on_the_way_to_a_page() {
    let site = Site::start().await;
    let ada = site.visitor("Firefox");
    assert!(ada.get("/").await.body.contains("href=\"/signup\""));

    assert_eq!(ada.sign_up(" Ada ", PASSWORD).await.leads_to(), "/");
    assert!(ada.get("/").await.body.contains("Hello, ada!"));
    let sessions = ada.get("/sessions").await.body;
    assert!(sessions.contains("Firefox") && sessions.contains("nowhere else"));

    let log_out = ada.post("/logout", &[]).await;
    assert_eq!(log_out.leads_to(), "/");
    assert!(log_out.cookie.unwrap().contains("Max-Age=0"));

    let login = ada.get("/sessions?from=mail").await.leads_to().to_owned();
    assert_eq!(login, "/login?next=%2Fsessions%3Ffrom%3Dmail");
    let page = ada.get(&login).await.body;
    assert!(page.contains("value=\"/sessions?from=mail\""), "{page}");
    let form = [
        ("username", "ada"),
        ("password", PASSWORD),
        ("next", "/sessions?from=mail"),
    ];
    let logged_in = ada.post("/login", &form).await;
    assert_eq!(logged_in.leads_to(), "/sessions?from=mail");
    assert!(ada.is_signed_in().await);
}

#[tokio::test]
async fn a_session_is_revoked_from_a_second_browser() {
    let site = Site::start().await;
    let (laptop, phone) = (site.visitor("Laptop"), site.visitor("Phone"));
    laptop.sign_up("ada", PASSWORD).await.leads_to();
    phone.log_in("ada", PASSWORD).await.leads_to();
    let list = phone.get("/sessions").await;
    assert!(list.body.contains("Laptop") && list.body.contains("Phone"));
    let [revoke] = list.revocations()[..] else {
        panic!("{}", list.body)
    };

    // Nobody else can.
    let eve = site.visitor("Eve");
    eve.sign_up("eve", PASSWORD).await.leads_to();
    assert_eq!(eve.post(revoke, &[]).await.leads_to(), "/sessions");
    assert!(laptop.is_signed_in().await);

    assert_eq!(phone.post(revoke, &[]).await.leads_to(), "/sessions");
    let refused = laptop.get("/sessions").await;
    assert_eq!(refused.leads_to(), "/login?next=%2Fsessions");
    assert!(phone.is_signed_in().await);

    laptop.log_in("ada", PASSWORD).await.leads_to();
    phone.post("/sessions/revoke-others", &[]).await.leads_to();
    assert!(!laptop.is_signed_in().await);
    assert!(phone.is_signed_in().await && eve.is_signed_in().await);
}

#[tokio::test]
async fn who_is_not_remembered_has_a_cookie_that_ends_with_the_browser() {
    let site = Site::start().await;
    for (path, username) in [("/signup", "ada"), ("/signup", "bob"), ("/login", "ada")] {
        for remember in [false, true] {
            let username = match (path, remember) {
                ("/signup", true) => format!("{username}2"),
                _ => username.to_owned(),
            };
            let visitor = site.visitor("Firefox");
            let box_of = |page: Page| page.body.contains(r#"value="true" checked"#);
            let page = visitor.get(path).await;
            assert!(page.body.contains(r#"name="remember" type="checkbox""#));
            assert!(!box_of(page));
            let mut form = vec![("username", &*username), ("password", "wrong")];
            form.extend(remember.then_some(("remember", "true")));
            assert_eq!(box_of(visitor.post(path, &form).await), remember, "{path}");

            form[1] = ("password", PASSWORD);
            let page = visitor.post(path, &form).await;
            page.leads_to();
            let cookie = page.cookie.unwrap();
            assert_eq!(cookie.contains("Max-Age="), remember, "{path} {cookie}");
            assert_eq!(cookie.contains("Expires="), remember, "{path} {cookie}");
            assert!(visitor.is_signed_in().await);
        }
    }
}

#[tokio::test]
async fn a_log_in_ends_the_session_that_the_browser_had() {
    let site = Site::start().await;
    let ada = site.visitor("Firefox");
    ada.sign_up("ada", PASSWORD).await.leads_to();
    ada.log_in("ada", PASSWORD).await.leads_to();
    assert!(ada.get("/sessions").await.revocations().is_empty());
}

#[tokio::test]
async fn what_cannot_be_is_told_in_the_form_and_signs_nobody_in() {
    let site = Site::start().await;
    site.visitor("Ada")
        .sign_up("ada", PASSWORD)
        .await
        .leads_to();

    let visitor = site.visitor("Visitor");
    for (username, password, status, problem) in [
        ("", PASSWORD, 400, "1 to 32"),
        ("a b", PASSWORD, 400, "a to z"),
        ("bob", "short", 400, "at least 8"),
        ("bob", "", 400, "Choose another password"),
        ("ADA", PASSWORD, 409, "taken"),
        ("\"><script>", PASSWORD, 400, "a to z"),
    ] {
        let page = visitor.sign_up(username, password).await;
        assert_eq!(page.status, status, "{username}");
        assert!(page.problem().contains(problem), "{}", page.problem());
        assert!(!page.body.contains(PASSWORD) && !page.body.contains("<script"));
    }
    for (username, password) in [("ada", "wrong password"), ("bob", PASSWORD), ("", "")] {
        let page = visitor.log_in(username, password).await;
        assert_eq!(page.status, 401);
        assert_eq!(page.problem(), "Wrong username or password.");
        assert!(page.body.contains(&format!("value=\"{username}\"")));
    }
    assert!(!visitor.is_signed_in().await);
}

#[tokio::test]
async fn r34_who_has_tried_too_often_is_told_to_wait_whatever_the_password() {
    let site = Site::start().await;
    site.visitor("Ada")
        .sign_up("ada", PASSWORD)
        .await
        .leads_to();
    let visitor = site.visitor("Visitor");
    for _ in 0..10 {
        assert_eq!(visitor.log_in("ada", "wrong password").await.status, 401);
    }
    let page = visitor.log_in("ada", PASSWORD).await;
    assert_eq!(page.status, 429);
    let problem = "Too many attempts. Try again in 15 min.";
    assert_eq!(page.problem(), problem);
    assert!(!visitor.is_signed_in().await);
}

#[tokio::test]
async fn forms_of_another_site_do_nothing() {
    let site = Site::start().await;
    let ada = site.visitor("Ada");
    ada.sign_up("ada", PASSWORD).await.leads_to();
    let victim = site.visitor("Victim");
    let form = [("username", "ada"), ("password", PASSWORD)];
    for (visitor, path) in [
        (&victim, "/login"),
        (&victim, "/signup"),
        (&ada, "/login"),
        (&ada, "/logout"),
        (&ada, "/sessions/revoke-others"),
    ] {
        for origin in ["https://evil.example", "null"] {
            let page = visitor.post_from(origin, path, &form).await;
            assert_eq!((page.status, page.cookie), (403, None), "{path}");
            assert!(page.body.contains("<h1>Refused</h1>"), "{}", page.body);
        }
    }
    assert!(ada.is_signed_in().await);
    assert!(!victim.is_signed_in().await);
}

#[tokio::test]
async fn r57_nobody_is_sent_to_another_site() {
    let site = Site::start().await;
    let ada = site.visitor("Ada");
    ada.sign_up("ada", PASSWORD).await.leads_to();
    for next in ["//evil.example", "/\\evil.example", "https://evil.example"] {
        let form = [("username", "ada"), ("password", PASSWORD), ("next", next)];
        assert_eq!(ada.post("/login", &form).await.leads_to(), "/");
    }
}

#[tokio::test]
async fn what_goes_wrong_has_a_page() {
    let site = Site::start().await;
    let ada = site.visitor("Ada");
    ada.sign_up("ada", PASSWORD).await.leads_to();
    for (page, status) in [
        (ada.get("/no/such/page").await, 404),
        (ada.get("/logout").await, 405),
        (ada.post("/sessions/no-id/revoke", &[]).await, 400),
    ] {
        assert_eq!(page.status, status);
        assert!(page.body.starts_with("<!doctype html>"), "{}", page.body);
    }
    let style = ada.get("/style.css").await;
    assert!(style.body.starts_with(":root"));
}
