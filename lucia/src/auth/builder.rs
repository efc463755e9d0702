//! The settings of an [`Auth`].

use std::fmt;
use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Auth, Parts};
use crate::auth::said::Said;
use crate::clock::TimeSource;
#[cfg(feature = "oauth")]
use crate::encryption::{EncryptionKey, Vault};
use crate::event::{Event, Listeners};
use crate::headers::cookie::CookieOptions;
use crate::headers::denial::{Denial, DenialBody, Denials};
use crate::headers::forwarded::{Proxies, TrustedProxy};
use crate::headers::origin::{OriginPolicy, parse_allowed};
use crate::password::{PasswordOptions, Passwords};
use crate::session::Lifetime;
use crate::store::{SessionStore, Split, Store};
use crate::{Error, Result};

/// Periods are shorter than this, so that no expiry leaves the range of dates.
const LONGEST: Duration = Duration::from_secs(100 * 365 * 24 * 60 * 60);

/// Where the application runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Environment {
    /// Reached over TLS: the cookie is `Secure`, and browsers send it over TLS only. To
    /// `http://localhost` and `http://127.0.0.1`, Chrome and Firefox send it as well; Safari does
    /// not.
    #[default]
    Production,
    /// Reached without TLS: the cookie is not `Secure`.
    Development,
}

/// How many attempts may fail in how long a time.
#[derive(Clone, Copy, Debug)]
pub(crate) struct SignInLimit {
    pub(crate) failures: u32,
    pub(crate) period: Duration,
}

impl Default for SignInLimit {
    fn default() -> Self {
        Self {
            failures: 10,
            period: Duration::from_secs(15 * 60),
        }
    }
}

/// The settings of an [`Auth`], each with a default that is safe in production. They are checked
/// all together by [`build`](Self::build).
///
/// ```
/// use std::time::Duration;
///
/// use lucia::{Auth, Environment, PasswordOptions, store::Store};
///
/// const DAY: Duration = Duration::from_secs(24 * 60 * 60);
///
/// fn auth(store: impl Store, is_local: bool) -> lucia::Result<Auth> {
///     let mut builder = Auth::builder(store)
///         .absolute_period(30 * DAY)
///         .max_sessions_per_user(10)
///         .passwords(PasswordOptions::new().min_length(15));
///     if is_local {
///         builder = builder.environment(Environment::Development); // plain HTTP
///     }
///     builder.build()
/// }
/// ```
#[must_use = "settings take effect by `build()`"]
pub struct AuthBuilder {
    store: Arc<dyn Store>,
    /// What `store` is put together from, if sessions are in another store than the rest.
    main_store: Arc<dyn Store>,
    session_store: Option<Arc<dyn SessionStore>>,
    /// A setting of a store that has no effect, since the sessions are in another store.
    unsupported_setting: Option<&'static str>,
    environment: Environment,
    lifetime: Lifetime,
    max_sessions: Option<u32>,
    sign_in_limit: Option<SignInLimit>,
    cookie: CookieOptions,
    allowed_origins: Vec<String>,
    allow_missing_origin: bool,
    trusted_proxy: Option<TrustedProxy>,
    proxy_hops: Option<u8>,
    passwords: PasswordOptions,
    store_timeout: Duration,
    denials: Option<Denials>,
    listeners: Listeners,
    clock: Arc<dyn TimeSource>,
    #[cfg(feature = "oauth")]
    encryption_keys: Option<Vec<EncryptionKey>>,
}

impl AuthBuilder {
    pub(super) fn new(store: impl Store) -> Self {
        let store: Arc<dyn Store> = Arc::new(store);
        Self {
            main_store: store.clone(),
            session_store: None,
            store,
            unsupported_setting: None,
            environment: Environment::default(),
            lifetime: Lifetime::default(),
            max_sessions: None,
            sign_in_limit: Some(SignInLimit::default()),
            cookie: CookieOptions::new(),
            allowed_origins: Vec::new(),
            allow_missing_origin: false,
            trusted_proxy: None,
            proxy_hops: None,
            passwords: PasswordOptions::new(),
            store_timeout: Duration::from_secs(10),
            denials: None,
            listeners: Listeners::default(),
            clock: Arc::new(SystemTime::now),
            #[cfg(feature = "oauth")]
            encryption_keys: None,
        }
    }

    /// Keeps sessions in a separate store. A lookup then takes two queries, which are neither
    /// batched nor answered by a cache, so [`build`](Self::build) refuses a `PgStore` with one.
    /// Changes of both users and sessions are no longer one transaction: deleting a user, changing
    /// a password, and [creating a session](Auth::create_session) by a key.
    pub fn sessions(mut self, sessions: impl SessionStore) -> Self {
        self.unsupported_setting = self
            .unsupported_setting
            .or(self.store.unsupported_when_split())
            .or(sessions.unsupported_when_split());
        let sessions: Arc<dyn SessionStore> = Arc::new(sessions);
        self.session_store = Some(sessions.clone());
        self.store = Arc::new(Split {
            users: self.main_store.clone(),
            sessions,
        });
        self
    }

    /// Where the application runs; production by default.
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// How long a session is used as it is, from its creation or last renewal; 1 day by default.
    pub fn active_period(mut self, period: Duration) -> Self {
        self.lifetime.active = period;
        self
    }

    /// How long after its active period a session can still be renewed by a request; 14 days by
    /// default. A session that is not used for both
    /// periods together is expired.
    pub fn idle_period(mut self, period: Duration) -> Self {
        self.lifetime.idle = period;
        self
    }

    /// The idle period of sessions that are not to be
    /// [remembered](crate::CreateSession::remember), which may not be longer than
    /// [`idle_period`](Self::idle_period); 1 day by default, or `idle_period` where that is shorter.
    ///
    /// Their cookie ends with the browser, and the server does not learn when that was. This setting
    /// bounds how long after its last use such a session is still good, in a browser that restores
    /// cookies when it starts, or for a thief: the active period and this one together.
    pub fn browser_session_idle_period(mut self, period: Duration) -> Self {
        self.lifetime.browser_idle = Some(period);
        self
    }

    /// How long after its creation a session is expired however much it is used (OWASP ASVS 5.0,
    /// 7.3.2). Without this setting, a session can be renewed indefinitely.
    pub fn absolute_period(mut self, period: Duration) -> Self {
        self.lifetime.absolute = Some(period);
        self
    }

    /// The maximum number of concurrent sessions of a user (OWASP ASVS 5.0, 7.1.2). A sign-in that
    /// exceeds it ends the sessions with the oldest renewals, in the transaction that stores the new
    /// session, even when sign-ins are concurrent. Without this setting there is no limit.
    pub fn max_sessions_per_user(mut self, max_sessions: u32) -> Self {
        self.max_sessions = Some(max_sessions);
        self
    }

    /// How many attempts to sign in may fail, for each key and address, and in how long a time from
    /// the first of them on; 10 in 15 minutes by default, which leaves a guesser 40 an hour (OWASP
    /// ASVS 5.0, 6.3.1; NIST SP 800-63B-4 allows 100 failures in a row at the most).
    ///
    /// [`sign_in`](crate::AuthRequest::sign_in) counts each attempt by the address of the client.
    /// [`verify_password`](Auth::verify_password) counts only
    /// [`limit_by`](crate::VerifyPassword::limit_by) an address. Where the clocks of your servers are apart,
    /// a count lasts longer by as much. A server takes a count that begins more than an hour ahead of its own
    /// clock, and further ahead than it lasts, for one that a wrong clock has begun.
    ///
    /// With other settings in another process or another `Auth` on the same table, all attempts are
    /// counted together. Each `Auth` admits attempts by its own limit, and a count lasts as long as
    /// the longest period of those that were admitted to it.
    pub fn sign_in_limit(mut self, failures: u32, period: Duration) -> Self {
        self.sign_in_limit = Some(SignInLimit { failures, period });
        self
    }

    /// Counts no attempts to sign in, whether they say their address or not: for applications with
    /// their own limit. Links and codes that are asked for are not counted either.
    pub fn without_sign_in_limit(mut self) -> Self {
        self.sign_in_limit = None;
        self
    }

    /// How the cookie differs from the default one.
    pub fn cookie(mut self, cookie: CookieOptions) -> Self {
        self.cookie = cookie;
        self
    }

    /// Origins besides the site's own that unsafe requests may come from, each written as a
    /// browser does: `https://app.example.com`. Wildcards are refused.
    ///
    /// The site's own origin is the host that the request was sent to, over TLS in production. On
    /// `localhost`, and in development, it is the scheme of the connection, and the other one where
    /// the browser says `Sec-Fetch-Site: same-origin`. If a proxy in front changes the `Host` header,
    /// name your origin here, or set [`trusted_proxy`](Self::trusted_proxy).
    pub fn allowed_origins<S: Into<String>>(
        mut self,
        origins: impl IntoIterator<Item = S>,
    ) -> Self {
        self.allowed_origins = origins.into_iter().map(Into::into).collect();
        self
    }

    /// Lets unsafe requests with a session cookie through that bear neither an `Origin` nor a
    /// `Sec-Fetch-Site` header. All current browsers send at least one of them; other clients may
    /// send neither.
    pub fn allow_missing_origin(mut self, allow: bool) -> Self {
        self.allow_missing_origin = allow;
        self
    }

    /// Trusts the headers in which a reverse proxy reports the client's address, and the requested host
    /// and scheme. By default lucia ignores these headers, because any client can send them. Where
    /// this is set, the address of the connection is never taken for that of a client: all requests
    /// have to come by the proxy.
    pub fn trusted_proxy(mut self, proxy: TrustedProxy) -> Self {
        self.trusted_proxy = Some(proxy);
        self
    }

    /// How many proxies are between the clients and the application, each of which appends to the
    /// headers of [`trusted_proxy`](Self::trusted_proxy); 1 by default.
    ///
    /// lucia takes the client's address from `X-Forwarded-For` or `Forwarded`, `hops` elements from the
    /// right. If the number is too small, all clients share a proxy's address. If it is too large,
    /// **clients choose their address**. Do not count a proxy that does not append.
    ///
    /// Of `X-Forwarded-Host` and `X-Forwarded-Proto` the same element counts, and the first where
    /// there are fewer: proxies often overwrite these or pass them on.
    pub fn proxy_hops(mut self, hops: u8) -> Self {
        self.proxy_hops = Some(hops);
        self
    }

    /// How passwords are hashed, how many at once, and which are accepted.
    pub fn passwords(mut self, passwords: PasswordOptions) -> Self {
        self.passwords = passwords;
        self
    }

    /// How long the store may take for one answer before it counts as unavailable; 10 seconds by
    /// default. Stores have shorter limits for each step.
    pub fn store_timeout(mut self, timeout: Duration) -> Self {
        self.store_timeout = timeout;
        self
    }

    /// How lucia's errors look to clients: `look` gives the body and its type. Without this setting
    /// the body is one sentence of plain text.
    ///
    /// It is called for each request that an attribute, a guard of the middleware or layer, or a
    /// parameter refuses, and for each [`Error`](crate::Error) that a handler returns, where the response
    /// passes an attribute, [`Auth::middleware`] or [`Auth::layer`]. Parameters of plain handlers in
    /// actix-web need the middleware, as they do for cookies.
    ///
    /// lucia keeps to the status and puts on `Cache-Control`, `Vary`, `WWW-Authenticate`,
    /// `Retry-After` and the session cookie. A redirection to the login page stays one. Where `look`
    /// panics, or gives what cannot be sent, the response keeps its default look, and the log says so.
    ///
    /// ```
    /// use lucia::{Auth, DenialBody};
    ///
    /// # fn build(store: impl lucia::store::Store) -> lucia::Result<Auth> {
    /// Auth::builder(store)
    ///     .denials(|denial| {
    ///         if denial.wants_html() {
    ///             DenialBody::html(format!("<h1>{}</h1>", denial.message()))
    ///         } else {
    ///             DenialBody::problem(denial) // RFC 9457
    ///         }
    ///     })
    ///     .build()
    /// # }
    /// ```
    pub fn denials(
        mut self,
        look: impl Fn(&Denial<'_>) -> DenialBody + Send + Sync + 'static,
    ) -> Self {
        self.denials = Some(Denials::new(look));
        self
    }

    /// Calls `hook` for each security [`Event`]: for an audit table, an alarm, or a mail to the user.
    /// Each call adds a hook.
    ///
    /// ```
    /// use lucia::{Auth, EventKind};
    ///
    /// # fn build(store: impl lucia::store::Store) -> lucia::Result<Auth> {
    /// Auth::builder(store)
    ///     .on_event(|event| {
    ///         if let EventKind::PasswordChanged { user_id, .. } = &event.kind {
    ///             println!("{user_id} has another password");
    ///         }
    ///     })
    ///     .build()
    /// # }
    /// ```
    ///
    /// Each event is told once, when it has happened and before the call that it happens in returns,
    /// also where that call returns an error or its future is dropped: see
    /// [`EventKind::Interrupted`](crate::EventKind::Interrupted). No lock, connection or transaction of
    /// lucia is held meanwhile. A hook may use this `Auth`. If it panics, the call goes on, and the log says so.
    ///
    /// A hook runs on the thread of the call, which does nothing else meanwhile. Hand what takes time to
    /// another task, by a bounded channel: `sender.try_send(event.clone())`. `examples/audit` in the repository
    /// writes an audit table like this, and the page `docs/events.md` lists the events.
    ///
    /// `tracing` is told of the same events, and with the feature `metrics` so are counters.
    pub fn on_event(mut self, hook: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.listeners.add(hook);
        self
    }

    /// The keys that lucia encrypts secrets in the database with: the tokens of
    /// [providers](crate::oauth::OAuthProviderBuilder::store_tokens). Keep them out of the database and its backups.
    ///
    /// The first key encrypts, and all of them decrypt. To replace a key, put a new one before it. What is read
    /// with another key than the first one is written again with the first one. What a key that is not here has
    /// encrypted cannot be read: [`OAuthErrorKind::Unreadable`](crate::oauth::OAuthErrorKind::Unreadable).
    ///
    /// ```
    /// use lucia::{Auth, EncryptionKey};
    ///
    /// # fn build(store: impl lucia::store::Store) -> Result<Auth, Box<dyn std::error::Error>> {
    /// // ENCRYPTION_KEYS="2026:V4Zs...qE=,2025:..."
    /// let keys = EncryptionKey::parse_list(&std::env::var("ENCRYPTION_KEYS")?)?;
    /// let auth = Auth::builder(store).encryption_keys(keys).build()?;
    /// # Ok(auth)
    /// # }
    /// ```
    #[cfg(feature = "oauth")]
    #[cfg_attr(docsrs, doc(cfg(feature = "oauth")))]
    pub fn encryption_keys(mut self, keys: impl IntoIterator<Item = EncryptionKey>) -> Self {
        self.encryption_keys = Some(keys.into_iter().collect());
        self
    }

    /// The clock that decides whether a session has expired; for tests.
    pub fn clock(mut self, clock: impl TimeSource) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Checks the settings.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`] names the setting that makes no sense, or that a store cannot serve, and says
    /// why.
    pub fn build(self) -> Result<Auth> {
        let refuse = |setting, reason: &str| Err(Error::setting(setting, reason));
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
            return refuse("max_sessions_per_user", "nobody could ever sign in");
        }
        if let Some(limit) = self.sign_in_limit {
            if limit.failures == 0 {
                let reason = "nobody could ever sign in; `without_sign_in_limit` counts nothing";
                return refuse("sign_in_limit", reason);
            }
            if self.store.attempts().is_none() {
                let reason = "the store counts no attempts to sign in, and this setting is on by default: \
                    implement `AttemptStore` and return it from `Store::attempts`, or write \
                    `without_sign_in_limit()`";
                return refuse("sign_in_limit", reason);
            }
        }
        if let Some(setting) = self.unsupported_setting {
            let reason = "it has an effect only where users and sessions are in one store, and \
                `sessions(..)` puts the sessions into another one: leave one of the two out";
            return refuse(setting, reason);
        }
        if self.store_timeout.is_zero() {
            return refuse("store_timeout", "no store answers in no time");
        }
        let allowed = self
            .allowed_origins
            .iter()
            .map(|origin| parse_allowed(origin))
            .collect::<Result<_, _>>()
            .map_err(|reason| Error::setting("allowed_origins", reason))?;
        let proxies = match (self.trusted_proxy, self.proxy_hops) {
            (_, Some(0)) => {
                let reason = "no proxy is in front; leave it out, and `trusted_proxy` as well";
                return refuse("proxy_hops", reason);
            }
            (None, Some(_)) => {
                let reason = "set `trusted_proxy` as well: it says which headers the proxies write";
                return refuse("proxy_hops", reason);
            }
            (kind, hops) => kind.map(|kind| Proxies {
                kind,
                hops: hops.unwrap_or(1),
            }),
        };
        let cookie = self
            .cookie
            .build(self.environment == Environment::Production)?;

        #[cfg(feature = "oauth")]
        let vault = self.encryption_keys.map(Vault::new).transpose()?;
        #[cfg(feature = "oauth")]
        if vault.is_some() && self.store.credentials().is_none() {
            let reason = "the store has no place for what the keys encrypt: implement `CredentialStore` and \
                return it from `Store::credentials`, or leave the keys out";
            return refuse("encryption_keys", reason);
        }

        let parts = Parts {
            session_table: self.store.session_table().into(),
            max_sessions: self.max_sessions,
            sign_in_limit: self.sign_in_limit,
            store: self.store,
            main_store: self.main_store,
            session_store: self.session_store,
            environment: self.environment,
            store_timeout: self.store_timeout,
            denials: self.denials,
            listeners: self.listeners,
            lifetime: self.lifetime,
            origin: OriginPolicy {
                allowed,
                secure: cookie.is_secure(),
                proxies,
                allow_missing: self.allow_missing_origin,
            },
            cookie,
            passwords: Passwords::new(&self.passwords)?,
            clock: self.clock,
            said: Said::default(),
            #[cfg(feature = "oauth")]
            vault,
        };
        Ok(Auth(Arc::new(parts), None))
    }
}

impl fmt::Debug for AuthBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AuthBuilder")
            .field("store", &self.store)
            .field("environment", &self.environment)
            .field("lifetime", &self.lifetime)
            .field("cookie", &self.cookie)
            .field("passwords", &self.passwords)
            .finish_non_exhaustive()
    }
}
