//! A browser, as far as these tests need one.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::Duration;

use lucia::Session;
use reqwest::header::{COOKIE, HeaderMap, ORIGIN, SET_COOKIE};
use reqwest::{Method, RequestBuilder};

/// Keeps cookies and names its origin with unsafe requests. It follows no redirects.
pub(crate) struct Browser {
    client: reqwest::Client,
    origin: String,
    cookies: Mutex<BTreeMap<String, String>>,
}

/// A response, read to its end.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: String,
}

impl Browser {
    pub(crate) fn new(origin: String) -> Self {
        let client = reqwest::Client::builder()
            .redirect(reqwest::redirect::Policy::none())
            .timeout(Duration::from_secs(60))
            .no_proxy()
            .build()
            .unwrap();
        Self {
            client,
            origin,
            cookies: Mutex::default(),
        }
    }

    pub(crate) async fn get(&self, path: &str) -> Reply {
        self.send(self.request(Method::GET, path)).await
    }

    /// Sends a form, as from a page of the site.
    pub(crate) async fn post(&self, path: &str, form: &[(&str, &str)]) -> Reply {
        self.send(self.request(Method::POST, path).form(form)).await
    }

    /// A request with the cookies and, if it is unsafe, the origin that a browser sends along.
    pub(crate) fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.bare(method.clone(), path);
        if method.is_safe() {
            request
        } else {
            request.header(ORIGIN, &self.origin)
        }
    }

    /// A request with the cookies and nothing that tells where it comes from.
    pub(crate) fn bare(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self
            .client
            .request(method, format!("{}{path}", self.origin));
        match self.cookie_header() {
            Some(cookies) => request.header(COOKIE, cookies),
            None => request,
        }
    }

    pub(crate) async fn send(&self, request: RequestBuilder) -> Reply {
        let response = request.send().await.unwrap();
        let reply = Reply {
            status: response.status().as_u16(),
            headers: response.headers().clone(),
            body: response.text().await.unwrap(),
        };
        for cookie in reply.set_cookies() {
            let (pair, attributes) = cookie.split_once(';').unwrap_or((cookie, ""));
            let (name, value) = pair.split_once('=').unwrap();
            if attributes.contains("Max-Age=0") {
                self.cookies.lock().unwrap().remove(name);
            } else {
                self.keep(name, value);
            }
        }
        reply
    }

    /// Puts a cookie into the jar.
    pub(crate) fn keep(&self, name: &str, value: &str) {
        let mut cookies = self.cookies.lock().unwrap();
        cookies.insert(name.to_owned(), value.to_owned());
    }

    /// The `Cookie` header, if there is a cookie.
    pub(crate) fn cookie_header(&self) -> Option<String> {
        let cookies = self.cookies.lock().unwrap();
        let pairs: Vec<_> = cookies
            .iter()
            .map(|(name, value)| format!("{name}={value}"))
            .collect();
        (!pairs.is_empty()).then(|| pairs.join("; "))
    }
}

impl Reply {
    pub(crate) fn set_cookies(&self) -> Vec<&str> {
        let values = self.headers.get_all(SET_COOKIE).iter();
        values.map(|value| value.to_str().unwrap()).collect()
    }

    /// The only `Set-Cookie`.
    pub(crate) fn set_cookie(&self) -> &str {
        match self.set_cookies()[..] {
            [cookie] => cookie,
            _ => panic!("not exactly one cookie: {self:?}"),
        }
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }

    /// Whether it removes the session cookie, and does nothing else with it.
    pub(crate) fn removes_cookie(&self) -> bool {
        let cookie = self.set_cookie();
        cookie.starts_with("__Host-auth_session=;") && cookie.contains("Max-Age=0")
    }
    /// It sets the cookie of `session` anew and no other, and is kept by nobody else.
    #[track_caller]
    pub(crate) fn assert_renews(&self, session: &Session) {
        let set = format!("__Host-auth_session={};", session.token().expose());
        assert!(self.set_cookie().starts_with(&set), "{self:?}");
        let fifteen_days = "Max-Age=1296000;";
        assert!(self.set_cookie().contains(fifteen_days), "{self:?}");
        assert_eq!(self.header("cache-control"), Some("no-store"), "{self:?}");
        assert_eq!(self.header("vary"), Some("Cookie"), "{self:?}");
    }
}
