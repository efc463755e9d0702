//! The cookie that binds a sign-in at a provider, or by a code, to a browser.

use std::time::Duration;

use sha2::{Digest, Sha256};

use super::{CookieConfig, SameSite, SessionCookie, cookie_values, lasting};
use crate::ascii::Ascii;
use crate::clock::{UnixMillis, random_text};
use crate::{Error, Result};

/// How long a sign-in at a provider may take, and so the cookie lasts. A code works for a shorter time.
pub(crate) const LIFETIME: Duration = Duration::from_secs(15 * 60);

/// How many secrets are looked at, where other hosts of the domain can set cookies of this name.
const MOST: usize = 4;

/// What a browser keeps while a sign-in at a provider or by a code is on its way: 40 characters of `[a-z0-9]`. It
/// authenticates nothing.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct BrowserSecret(Ascii<40>);

impl BrowserSecret {
    pub(crate) fn generate() -> Result<Self> {
        let text = random_text(40)?;
        Self::parse(text.as_bytes())
            .ok_or_else(|| Error::internal("a browser's secret of other characters"))
    }

    fn parse(text: &[u8]) -> Option<Self> {
        let is_allowed = |byte: u8| byte.is_ascii_lowercase() | byte.is_ascii_digit();
        Ascii::parse(text, is_allowed).map(Self)
    }

    /// What the database has of it.
    pub(crate) fn hash(&self) -> String {
        let hash = Sha256::digest(self.0.as_bytes());
        Ascii::hex(hash.into()).as_str().to_owned()
    }
}

impl CookieConfig {
    fn browser_name(&self) -> &'static str {
        if self.secure {
            "__Host-auth_browser"
        } else {
            "auth_browser"
        }
    }

    /// The secrets in the `Cookie` headers.
    pub(crate) fn read_browser_secrets<'a>(
        &self,
        headers: impl Iterator<Item = &'a [u8]>,
    ) -> Vec<BrowserSecret> {
        cookie_values(headers, self.browser_name().as_bytes())
            .filter_map(BrowserSecret::parse)
            .take(MOST)
            .collect()
    }

    /// The cookie that carries a secret. Browsers send it when another site redirects a person back, which
    /// `SameSite=Lax` allows and `Strict` does not. If the session cookie is `SameSite=None`, because other sites
    /// embed or fetch pages of this site, this cookie is too. It is `Partitioned` if the session cookie is.
    pub(crate) fn browser_secret(&self, secret: &BrowserSecret, now: UnixMillis) -> SessionCookie {
        let same_site = match self.same_site {
            SameSite::None => cookie::SameSite::None,
            SameSite::Lax | SameSite::Strict => cookie::SameSite::Lax,
        };
        let cookie = cookie::Cookie::build((self.browser_name(), secret.0.as_str().to_owned()))
            .path("/")
            .http_only(true)
            .same_site(same_site)
            .partitioned(self.partitioned)
            .secure(self.secure);
        SessionCookie(lasting(cookie, now.plus(LIFETIME), now).build())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::headers::cookie::CookieOptions;

    #[test]
    fn the_cookie_of_a_browser_goes_to_other_sites_where_that_of_the_session_does() {
        let secret = BrowserSecret::parse(&[b'a'; 40]).unwrap();
        let built = |options: CookieOptions| {
            let config = options.build(true).unwrap();
            config.browser_secret(&secret, UnixMillis(0)).to_string()
        };
        let strict = built(CookieOptions::new().same_site(SameSite::Strict));
        assert!(strict.contains("SameSite=Lax"), "{strict}");
        let none = CookieOptions::new().same_site(SameSite::None);
        let framed = built(none.clone().partitioned(true));
        for part in ["SameSite=None", "Secure", "Partitioned"] {
            assert!(framed.contains(part), "{framed}");
        }
        let none = built(none);
        assert!(none.contains("SameSite=None") && !none.contains("Partitioned"));
    }

    #[test]
    fn r64_the_cookie_of_a_browser_is_for_this_host_alone_and_short_lived() {
        let secret = BrowserSecret::parse(&[b'a'; 40]).unwrap();
        let options = CookieOptions::new()
            .name("__Secure-auth_session")
            .domain("example.com")
            .path("/app");
        for (secure, start) in [
            (true, "__Host-auth_browser=aaaa"),
            (false, "auth_browser=aaaa"),
        ] {
            let config = match secure {
                true => options.clone().build(true).unwrap(),
                false => CookieOptions::new().build(false).unwrap(),
            };
            let cookie = config.browser_secret(&secret, UnixMillis(0));
            let text = cookie.to_string();
            assert!(text.starts_with(start), "{text}");
            for part in ["HttpOnly", "SameSite=Lax", "Path=/;", "Max-Age=900"] {
                assert!(text.contains(part), "{text}");
            }
            assert_eq!(text.contains("Secure"), secure, "{text}");
            assert!(!text.contains("Domain"), "{text}");
            assert!(!format!("{cookie:?}").contains("aaaa"));

            let name = config.browser_name();
            let header = format!(
                "a=b; {name}=x; {name}={}; x{name}={}",
                secret.0.as_str(),
                "b".repeat(40)
            );
            let read = config.read_browser_secrets([header.as_bytes(), b"\xff"].into_iter());
            assert!(read == [secret.clone()]);
            let many = format!("{name}={}; ", secret.0.as_str()).repeat(100);
            assert_eq!(
                config
                    .read_browser_secrets([many.as_bytes()].into_iter())
                    .len(),
                MOST
            );
        }
    }
}
