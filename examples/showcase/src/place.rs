//! [`Place`]: where people reach the site.

/// Links in mails lead there, and providers send people back there. It comes from the settings and never
/// from a request: a client can write any `Host` into one.
#[derive(Clone, Debug)]
pub struct Place {
    /// `https://example.com`, without a slash at the end.
    pub origin: String,
    /// Whether only this machine reaches it, without TLS.
    pub is_development: bool,
    /// Whether mails are at `/dev/mailbox`, and not sent.
    pub has_mailbox: bool,
}

impl Place {
    /// The whole URL of a path of this site.
    pub fn url(&self, path: &str) -> String {
        format!("{}{path}", self.origin)
    }

    /// The host and port, as in a `Host` header.
    pub fn host(&self) -> &str {
        self.origin
            .split_once("://")
            .map_or(&*self.origin, |(_, host)| host)
    }
}
