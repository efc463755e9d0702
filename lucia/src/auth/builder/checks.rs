//! Refuses settings that cannot work, each by its name.

use std::time::Duration;

use super::AuthBuilder;
#[cfg(feature = "oauth")]
use crate::encryption::{EncryptionKey, Vault};
use crate::headers::forwarded::Proxies;
use crate::headers::origin::parse_allowed;
use crate::session::Lifetime;
#[cfg(feature = "oauth")]
use crate::store::Store;
use crate::{Error, Result};

/// Periods are shorter than this, so that no expiry leaves the range of dates.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

impl AuthBuilder {
    /// Checks the periods, the limits and what the store can do.
    pub(super) fn check(&self) -> Result<()> {
        let Lifetime {
            active,
            idle,
            browser_idle,
            absolute,
        } = self.lifetime;
        for (setting, period) in [
            ("active_period", Some(active)),
            ("idle_period", Some(idle)),
            ("browser_session_idle_period", browser_idle),
            ("absolute_period", absolute),
            (
                "sign_in_limit",
                self.sign_in_limit.map(|limit| limit.period),
            ),
        ] {
            if period.is_some_and(|period| period < Duration::from_secs(1)) {
                return refuse(setting, "it is shorter than a second");
            }
            if period.is_some_and(|period| period > LONGEST) {
                return refuse(setting, "it is longer than 100 years");
            }
        }
        if browser_idle.is_some_and(|period| period > idle) {
            let reason = "it is longer than the idle period: a session that is not remembered would \
                outlive one that is";
            return refuse("browser_session_idle_period", reason);
        }
        if absolute.is_some_and(|period| period < active) {
            let reason = "it is shorter than the active period, which then never ends";
            return refuse("absolute_period", reason);
        }
        if self.max_sessions == Some(0) {
            return refuse("max_sessions_per_user", "with 0, no user could sign in");
        }
        if let Some(limit) = self.sign_in_limit {
            if limit.failures == 0 {
                let reason =
                    "with 0, no user could sign in: write `without_sign_in_limit()` for no limit";
                return refuse("sign_in_limit", reason);
            }
            if self.store.attempts().is_none() {
                let reason = "the store counts no attempts to sign in, and this setting is on by default: \
                    implement `AttemptStore` and return it from `Store::attempts`, or write \
                    `without_sign_in_limit()`";
                return refuse("sign_in_limit", reason);
            }
        }
        if let Some((setting, reason)) = self.unsupported_setting {
            return refuse(setting, reason);
        }
        if self.store_timeout.is_zero() {
            return refuse("store_timeout", "it is zero: every call would time out");
        }
        Ok(())
    }

    /// The origins that unsafe requests may come from besides the site's own.
    pub(super) fn parsed_origins(&self) -> Result<Vec<String>> {
        self.allowed_origins
            .iter()
            .map(|origin| parse_allowed(origin))
            .collect::<Result<_, _>>()
            .map_err(|reason| Error::setting("allowed_origins", reason))
    }

    /// The proxies between the clients and the application.
    pub(super) fn proxies(&self) -> Result<Option<Proxies>> {
        match (self.trusted_proxy, self.proxy_hops) {
            (_, Some(0)) => {
                let reason = "no proxy is in front; leave it out, and `trusted_proxy` as well";
                refuse("proxy_hops", reason)
            }
            (None, Some(_)) => {
                let reason = "set `trusted_proxy` as well: it says which headers the proxies write";
                refuse("proxy_hops", reason)
            }
            (kind, hops) => Ok(kind.map(|kind| Proxies {
                kind,
                hops: hops.unwrap_or(1),
            })),
        }
    }
}

/// What encrypts secrets in the store.
#[cfg(feature = "oauth")]
pub(super) fn vault(keys: Option<Vec<EncryptionKey>>, store: &dyn Store) -> Result<Option<Vault>> {
    let vault = keys.map(Vault::new).transpose()?;
    if vault.is_some() && store.credentials().is_none() {
        let reason = "the store has no place for what the keys encrypt: implement `CredentialStore` and \
            return it from `Store::credentials`, or leave the keys out";
        return refuse("encryption_keys", reason);
    }
    Ok(vault)
}

fn refuse<T>(setting: &'static str, reason: &str) -> Result<T> {
    Err(Error::setting(setting, reason))
}
