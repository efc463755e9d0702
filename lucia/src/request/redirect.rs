//! [`LocalPath`]: where a login page may redirect users afterwards.

use std::fmt;

use serde::{Deserialize, Deserializer};

/// A path of this site with its query. Redirecting to it is safe, even if an attacker chose it.
///
/// Login pages get it as `next=`. Any site can link to the login page with any `next=`, so a path is
/// accepted only if no browser can read another site in it: `//evil.example`, `/\evil.example`,
/// `https://evil.example` and everything with control characters are refused.
///
/// ```
/// use lucia::LocalPath;
///
/// let next = |given| LocalPath::parse(given).unwrap_or_default();
/// assert_eq!(next("/orders?page=2").as_str(), "/orders?page=2");
/// assert_eq!(next("//evil.example").as_str(), "/");
/// ```
///
/// It can be a field of a form or a query. A value that could lead to another site becomes the front page
/// instead of an error, so a forged link does not prevent a sign-in.
///
/// ```
/// use actix_web::web::Query;
/// use lucia::LocalPath;
///
/// #[derive(serde::Deserialize)]
/// struct LoginPage {
///     #[serde(default)] // the front page, too, if there is no `next`
///     next: LocalPath,
/// }
///
/// let next = |query| Query::<LoginPage>::from_query(query).unwrap().into_inner().next;
/// assert_eq!(next("next=%2Forders%3Fpage%3D2").as_str(), "/orders?page=2");
/// assert_eq!(next("next=%2F%2Fevil.example").as_str(), "/");
/// assert_eq!(next("").as_str(), "/");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LocalPath(String);

impl LocalPath {
    /// Parses a path. Returns `None` if it could lead to another site.
    #[must_use]
    pub fn parse(path: &str) -> Option<Self> {
        let rest = path.strip_prefix('/')?;
        let leads_away = rest.starts_with(['/', '\\']) || path.contains('\\');
        // Browsers drop tabs and line breaks before they read a URL; headers cannot hold others.
        let is_clean = path.bytes().all(|byte| (0x21..0x7f).contains(&byte));
        (!leads_away && is_clean).then(|| Self(path.to_owned()))
    }

    /// The path.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// The path without its query.
    pub(crate) fn path(&self) -> &str {
        path(&self.0)
    }

    /// Whether a client that is sent from here to the login page `login` comes back here: this is
    /// that page, or they have been here before, which the `next=` of each redirect on the way
    /// says. A proxy may know the login page by another path than we do.
    pub(crate) fn comes_back_from(&self, login: &str) -> bool {
        if decoded(self.path()) == decoded(path(login)) {
            return true;
        }
        let here = without_slash(self.path());
        let mut page = next_of(&self.0);
        for _ in 0..MOST_LOGIN_PAGES {
            match page {
                None => return false,
                Some(page) if without_slash(path(&page)) == here => return true,
                Some(other) => page = next_of(&other),
            }
        }
        true
    }

    /// The login page `login` with this path as `next=` in its query.
    pub(crate) fn as_next_of(&self, login: &str) -> String {
        let separator = if login.contains('?') { '&' } else { '?' };
        let next: String = url::form_urlencoded::byte_serialize(self.0.as_bytes()).collect();
        format!("{login}{separator}next={next}")
    }
}

/// How many redirects to login pages a client can have behind it, one behind the other.
const MOST_LOGIN_PAGES: usize = 8;

fn path(path_and_query: &str) -> &str {
    let end = path_and_query.find(['?', '#']);
    &path_and_query[..end.unwrap_or(path_and_query.len())]
}

/// The last `next` in a query: the one that [`LocalPath::as_next_of`] wrote.
fn next_of(path_and_query: &str) -> Option<String> {
    let (_, query) = path_and_query.split_once('?')?;
    let nexts = url::form_urlencoded::parse(query.as_bytes()).filter(|(name, _)| name == "next");
    nexts.last().map(|(_, next)| next.into_owned())
}

fn decoded(path: &str) -> Vec<u8> {
    percent_encoding::percent_decode_str(path).collect()
}

/// Many servers take a path with a slash at its end for the same, or redirect to it.
fn without_slash(path: &str) -> Vec<u8> {
    let mut path = decoded(path);
    while path.len() > 1 && path.ends_with(b"/") {
        path.pop();
    }
    path
}

/// The site's front page.
impl Default for LocalPath {
    fn default() -> Self {
        Self("/".to_owned())
    }
}

/// Text that is not a path of this site becomes the default, the front page. Use [`parse`](Self::parse) to
/// detect such text.
impl<'de> Deserialize<'de> for LocalPath {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let path = String::deserialize(deserializer)?;
        Ok(Self::parse(&path).unwrap_or_default())
    }
}

impl fmt::Display for LocalPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl AsRef<str> for LocalPath {
    fn as_ref(&self) -> &str {
        &self.0
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn r57_only_a_path_of_this_site_is_followed() {
        for path in [
            "/",
            "/a",
            "/a/b?c=d&e=//f",
            "/%2F/evil.example",
            "/a#b",
            "/a//b",
        ] {
            assert_eq!(LocalPath::parse(path).unwrap().as_str(), path);
            let read: LocalPath = serde_json::from_value(path.into()).unwrap();
            assert_eq!(read.as_str(), path);
            assert_eq!((read.as_ref(), read.to_string().as_str()), (path, path));
        }
        for hostile in [
            "",
            "a",
            "//evil.example",
            "///evil.example",
            "/\\evil.example",
            "\\\\evil.example",
            "/a\\b",
            "https://evil.example",
            "https:evil.example",
            "javascript:alert(1)",
            "/\t/evil.example",
            "/\r\nSet-Cookie: a=b",
            "/\n/evil.example",
            " /a",
            "/a b",
            "/\0",
            "/é",
            "\u{2044}/evil.example",
        ] {
            assert_eq!(LocalPath::parse(hostile), None, "{hostile:?}");
            let read: LocalPath = serde_json::from_value(hostile.into()).unwrap();
            assert_eq!(read, LocalPath::default(), "{hostile:?}");
        }
    }

    #[test]
    fn a_next_path_is_one_value_of_the_query() {
        let next = LocalPath::parse("/a?b=c&d=e").unwrap();
        assert_eq!(
            next.as_next_of("/login"),
            "/login?next=%2Fa%3Fb%3Dc%26d%3De"
        );
        assert_eq!(
            next.as_next_of("/login?lang=en"),
            "/login?lang=en&next=%2Fa%3Fb%3Dc%26d%3De"
        );
    }

    #[test]
    fn whoever_was_here_before_is_not_sent_to_the_login_page_again() {
        let circle = |page: &str, login| LocalPath::parse(page).unwrap().comes_back_from(login);
        for (page, login) in [
            ("/login", "/login"),
            ("/login?next=/x", "/login"),
            ("/login", "/login?lang=en"),
            ("/log%69n", "/login"),
            ("/login", "/%6Cogin"),
            ("/login/?next=%2Flogin%2F", "/login"),
            ("/login/?next=/login", "/login"),
            ("/login?next=%2Flogin%3Fnext%3D%252Fx", "/app/login"),
            ("/a?next=%2Fb%3Fnext%3D%252Fa", "/b"),
            ("/a?lang=en&next=/b&next=/a", "/b"),
        ] {
            assert!(circle(page, login), "{page} {login}");
        }
        for (page, login) in [
            ("/", "/login"),
            ("/login/", "/login"),
            ("/Login", "/login"),
            ("/login2", "/login"),
            ("/admin/login", "/login"),
            ("/x?a=/login", "/login"),
            ("/x?next=/login", "/login"),
            ("/admin/login?next=%2Fadmin", "/login"),
            ("/x?next=", "/login"),
            ("/x?next=%FF", "/login"),
            ("/x?next=https://x", "/login"),
        ] {
            assert!(!circle(page, login), "{page} {login}");
        }
    }

    #[test]
    fn a_redirect_does_not_grow_for_ever() {
        let mut page = "/start".to_owned();
        let mut length = 0;
        loop {
            let login = format!("/{length}");
            let next = LocalPath::parse(&page).unwrap();
            if next.comes_back_from(&login) {
                break;
            }
            page = next.as_next_of(&login);
            length += 1;
        }
        assert_eq!(length, MOST_LOGIN_PAGES);
    }
}
