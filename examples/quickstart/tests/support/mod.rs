//! A running site, and people who visit it over HTTP.

#![allow(clippy::unwrap_used, reason = "these are tests")]
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each file of tests uses a part of it"
)]

pub mod browser;

use std::net::TcpListener;
use std::path::PathBuf;

use actix_web::rt;
use lucia::{Auth, Environment, SqliteStore};
use quickstart::{Database, Settings, Site};
use reqwest::header::HeaderMap;
use reqwest::redirect::Policy;
use tempfile::TempDir;

/// A site on a free port, with a database of its own.
pub struct RunningSite {
    /// Where it is: `http://127.0.0.1:<port>`.
    pub origin: String,
    directory: TempDir,
}

impl RunningSite {
    pub async fn start() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let file = database(&directory);
        let settings = Settings {
            address: "127.0.0.1".to_owned(),
            port: 0,
            database: Database::Sqlite(file.to_str().unwrap().to_owned()),
        };
        Self::run(quickstart::start(&settings).await.unwrap(), directory)
    }

    fn run(site: Site, directory: TempDir) -> Self {
        let origin = format!("http://{}", site.address());
        rt::spawn(site.run());
        Self { origin, directory }
    }

    /// The site's users and sessions, past its pages.
    pub async fn store(&self) -> SqliteStore {
        SqliteStore::open(database(&self.directory)).await.unwrap()
    }

    /// This site with another `Auth`, on a port of its own.
    pub fn with(self, auth: lucia::AuthBuilder) -> Self {
        let auth: Auth = auth.environment(Environment::Development).build().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        Self::run(Site::new(listener, auth).unwrap(), self.directory)
    }

    pub fn visitor(&self) -> Visitor {
        self.visitor_with("Mozilla/5.0 (X11; Linux x86_64; rv:144.0) Gecko/20100101 Firefox/144.0")
    }

    pub fn visitor_with(&self, user_agent: &str) -> Visitor {
        let client = reqwest::Client::builder()
            .cookie_store(true)
            .redirect(Policy::none())
            .user_agent(user_agent);
        Visitor {
            client: client.build().unwrap(),
            origin: self.origin.clone(),
        }
    }
}

fn database(directory: &TempDir) -> PathBuf {
    directory.path().join("test.db")
}

/// A browser: it keeps cookies, and says with each form where the form was.
#[derive(Clone)]
pub struct Visitor {
    client: reqwest::Client,
    origin: String,
}

/// What a visitor got.
pub struct Page {
    pub status: u16,
    pub headers: HeaderMap,
    pub body: String,
}

impl Visitor {
    pub async fn get(&self, path: &str) -> Page {
        Page::of(self.client.get(format!("{}{path}", self.origin))).await
    }

    pub async fn post(&self, path: &str, form: &[(&str, &str)]) -> Page {
        self.post_from(&self.origin, path, form).await
    }

    /// Posts a form that is on another site.
    pub async fn post_from(&self, origin: &str, path: &str, form: &[(&str, &str)]) -> Page {
        let request = self.client.post(format!("{}{path}", self.origin));
        Page::of(request.header("origin", origin).form(form)).await
    }

    pub async fn sign_up(&self, username: &str, password: &str) -> Page {
        self.post("/signup", &[("username", username), ("password", password)])
            .await
    }

    pub async fn log_in(&self, username: &str, password: &str) -> Page {
        self.post("/login", &[("username", username), ("password", password)])
            .await
    }

    /// Whether the site knows who this is.
    pub async fn is_signed_in(&self) -> bool {
        match self.get("/home").await.status {
            200 => true,
            303 => false,
            other => panic!("{other}"),
        }
    }

    /// The same person with the same cookies on another site.
    pub fn on(&self, site: &RunningSite) -> Self {
        Self {
            client: self.client.clone(),
            origin: site.origin.clone(),
        }
    }
}

impl Page {
    async fn of(request: reqwest::RequestBuilder) -> Self {
        let response = request.send().await.unwrap();
        Self {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.text().await.unwrap(),
        }
    }

    pub fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Where a 303 leads.
    pub fn leads_to(&self) -> &str {
        assert_eq!(self.status, 303, "{}", self.body);
        self.header("location").unwrap()
    }

    /// The value that the page has in an input.
    pub fn input(&self, name: &str) -> Option<&str> {
        let (_, rest) = self.body.split_once(&format!(" name=\"{name}\""))?;
        let (_, rest) = rest.split('>').next()?.split_once(" value=\"")?;
        rest.split('"').next()
    }

    /// Whether the page has a checkbox checked.
    pub fn is_checked(&self, name: &str) -> bool {
        let (_, rest) = self.body.split_once(&format!(" name=\"{name}\"")).unwrap();
        rest.split('>').next().unwrap().contains(" checked")
    }

    /// What the page says beside a field, if that is an error.
    pub fn error_beside(&self, field: &str) -> Option<&str> {
        self.text_after(&format!("<p class=\"error\" id=\"{field}-note\">"))
    }

    /// What the page says of the form as a whole.
    pub fn alert(&self) -> Option<&str> {
        self.text_after("role=\"alert\">")
    }

    /// The actions of the forms that revoke one session.
    pub fn revocations(&self) -> Vec<&str> {
        let forms = self.body.split("action=\"").skip(1);
        let actions = forms.filter_map(|form| form.split('"').next());
        actions
            .filter(|action| action.ends_with("/revoke"))
            .collect()
    }

    fn text_after(&self, tag: &str) -> Option<&str> {
        let (_, rest) = self.body.split_once(tag)?;
        rest.split('<').next()
    }
}
