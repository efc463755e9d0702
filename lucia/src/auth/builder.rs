//! The settings of an [`Auth`].

mod checks;

use std::sync::Arc;
use std::time::{Duration, SystemTime};

use super::{Auth, Parts};
use crate::Result;
use crate::auth::logged_once::LoggedOnce;
use crate::clock::TimeSource;
#[cfg(feature = "oauth")]
use crate::encryption::EncryptionKey;
use crate::event::{Event, Listeners};
use crate::headers::cookie::CookieOptions;
use crate::headers::denial::{Denial, DenialBody, Denials};
use crate::headers::forwarded::TrustedProxy;
use crate::headers::origin::OriginPolicy;
use crate::password::{PasswordOptions, Passwords};
use crate::session::Lifetime;
use crate::store::{SessionStore, Split, Store};

/// Where the application runs.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Environment {
    /// The application is reached over TLS. The cookie is `Secure`, so browsers send it only over TLS.
    /// Chrome and Firefox also send it to `http://localhost` and `http://127.0.0.1`; Safari does not.
    #[default]
    Production,
    /// The application is reached without TLS. The cookie is not `Secure`.
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

/// The settings of an [`Auth`]. Each default is safe in production. [`build`](Self::build) checks all
/// settings together.
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
    /// A setting of a store that has no effect, since the sessions are in another store, and why.
    unsupported_setting: Option<(&'static str, &'static str)>,
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

    /// Keeps sessions in a separate store. A lookup then takes two queries, one after the other: one for the
    /// session and one for its user, unless a cache of the store answers. Calls that change
    /// both users and sessions are then no longer one transaction: deleting a user, changing a password,
    /// and [creating a session](Auth::create_session) with a key.
    pub fn sessions(mut self, sessions: impl SessionStore) -> Self {
        let of_users = self.main_store.unsupported_for_users_alone();
        let of_sessions = sessions.unsupported_for_sessions_alone();
        let of_users = of_users.map(|setting| {
            let reason = "it has no effect where `sessions(..)` puts the sessions into another store than the \
                users: leave one of the two out";
            (setting, reason)
        });
        let of_sessions = of_sessions.map(|setting| {
            let reason = "it has no effect in the store of `sessions(..)`, which holds no users: leave it out \
                there";
            (setting, reason)
        });
        self.unsupported_setting = of_users.or(of_sessions);
        let sessions: Arc<dyn SessionStore> = Arc::new(sessions);
        self.session_store = Some(sessions.clone());
        self.store = Arc::new(Split::new(self.main_store.clone(), sessions));
        self
    }

    /// Where the application runs; production by default.
    pub fn environment(mut self, environment: Environment) -> Self {
        self.environment = environment;
        self
    }

    /// How long a session stays active after its creation or last renewal; 1 day by default. Requests do
    /// not change an active session.
    pub fn active_period(mut self, period: Duration) -> Self {
        self.lifetime.active = period;
        self
    }

    /// How long after the active period a request can still renew a session; 14 days by default. A session
    /// that is unused for both periods together expires.
    pub fn idle_period(mut self, period: Duration) -> Self {
        self.lifetime.idle = period;
        self
    }

    /// The idle period of sessions that are not [remembered](crate::CreateSession::remember); 1 day by
    /// default, or [`idle_period`](Self::idle_period) if that is shorter. It must not be longer than
    /// `idle_period`.
    ///
    /// The cookie of such a session ends when the browser closes, but the server does not notice that. A
    /// browser that restores cookies at its start, or a thief, can still use the session. After its last
    /// use, the session works for at most the active period plus this idle period.
    pub fn browser_session_idle_period(mut self, period: Duration) -> Self {
        self.lifetime.browser_idle = Some(period);
        self
    }

    /// How long after its creation a session expires, even if it is in use (OWASP ASVS 5.0, 7.3.2). Without
    /// this setting, a session can be renewed indefinitely.
    pub fn absolute_period(mut self, period: Duration) -> Self {
        self.lifetime.absolute = Some(period);
        self
    }

    /// The maximum number of concurrent sessions of a user (OWASP ASVS 5.0, 7.1.2). A sign-in that exceeds
    /// it ends the sessions that were renewed least recently, in the transaction that stores the new
    /// session. The maximum holds even if sign-ins are concurrent. Without this setting, there is no limit.
    pub fn max_sessions_per_user(mut self, max_sessions: u32) -> Self {
        self.max_sessions = Some(max_sessions);
        self
    }

    /// How many sign-in attempts may fail for each key and address, and within what time, measured from the
    /// first one. The default is 10 in 15 minutes, which allows 40 guesses an hour (OWASP ASVS 5.0, 6.3.1;
    /// NIST SP 800-63B-4 allows at most 100 consecutive failures).
    ///
    /// [`sign_in`](crate::AuthRequest::sign_in) counts each attempt for the address of the client. If the
    /// address is unknown, all clients share one count for each key, with a limit ten times as high.
    /// [`verify_password`](Auth::verify_password) counts an attempt only with
    /// [`limit_by`](crate::VerifyPassword::limit_by). If the clocks of your servers differ, a count lasts
    /// longer by the difference. A server discards a count that starts more than an hour ahead of its own clock,
    /// and further ahead than the count lasts, because it assumes that a wrong clock started the count.
    ///
    /// If another process, or another `Auth`, uses the same table with other settings, they share the
    /// counts. Each `Auth` applies its own limit, and a count lasts as long as the longest period of the
    /// attempts in it.
    pub fn sign_in_limit(mut self, failures: u32, period: Duration) -> Self {
        self.sign_in_limit = Some(SignInLimit { failures, period });
        self
    }

    /// Turns the limit on sign-in attempts off, for applications that have their own limit. Attempts are
    /// not counted, even if they have an address. Requests for links and codes are not counted either.
    pub fn without_sign_in_limit(mut self) -> Self {
        self.sign_in_limit = None;
        self
    }

    /// Changes the session cookie.
    pub fn cookie(mut self, cookie: CookieOptions) -> Self {
        self.cookie = cookie;
        self
    }

    /// Further origins that unsafe requests may come from, besides the site's own. Write each as browsers
    /// do: `https://app.example.com`. Wildcards are refused.
    ///
    /// The site's own origin is the host that the request was sent to, with `https` in production. On
    /// `localhost`, and in development, the scheme is that of the connection, or the other one if the
    /// browser sends `Sec-Fetch-Site: same-origin`. If a proxy in front changes the `Host` header, name
    /// your origin here, or set [`trusted_proxy`](Self::trusted_proxy).
    pub fn allowed_origins<S: Into<String>>(
        mut self,
        origins: impl IntoIterator<Item = S>,
    ) -> Self {
        self.allowed_origins = origins.into_iter().map(Into::into).collect();
        self
    }

    /// Admits unsafe requests with a session cookie that have neither an `Origin` nor a `Sec-Fetch-Site`
    /// header. All current browsers send at least one of these headers; other clients may send neither.
    pub fn allow_missing_origin(mut self, allow: bool) -> Self {
        self.allow_missing_origin = allow;
        self
    }

    /// Trusts the headers in which a reverse proxy reports the client's address and the requested host and
    /// scheme. By default lucia ignores these headers, because any client can send them. With this setting,
    /// lucia never uses the address of the connection as the client's address, so all requests must come
    /// through the proxy.
    pub fn trusted_proxy(mut self, proxy: TrustedProxy) -> Self {
        self.trusted_proxy = Some(proxy);
        self
    }

    /// The number of proxies between the clients and the application that append to the headers of
    /// [`trusted_proxy`](Self::trusted_proxy); 1 by default.
    ///
    /// lucia takes the client's address from `X-Forwarded-For` or `Forwarded`, `hops` elements from the
    /// right. If the number is too small, all clients share a proxy's address. If it is too large,
    /// **clients choose their address**. Do not count a proxy that does not append.
    ///
    /// `X-Forwarded-Host` and `X-Forwarded-Proto` are read at the same position. If they have fewer
    /// elements, the first one is read, because proxies often overwrite these headers or pass them on.
    pub fn proxy_hops(mut self, hops: u8) -> Self {
        self.proxy_hops = Some(hops);
        self
    }

    /// How passwords are hashed, how many at once, and which are accepted.
    pub fn passwords(mut self, passwords: PasswordOptions) -> Self {
        self.passwords = passwords;
        self
    }

    /// How long the store may take to answer before it counts as unavailable; 10 seconds by default. Stores
    /// have shorter limits for each step.
    pub fn store_timeout(mut self, timeout: Duration) -> Self {
        self.store_timeout = timeout;
        self
    }

    /// Sets how lucia's errors look to clients: `look` returns the body and its content type. Without this
    /// setting, the body is one sentence of plain text.
    ///
    /// `look` is called for each request that an attribute, a guard of the middleware or layer, or a
    /// parameter refuses. It is also called for each [`Error`](crate::Error) that a handler returns, if the
    /// response passes an attribute, [`Auth::middleware`] or [`Auth::layer`]. In actix-web, parameters of
    /// plain handlers need the middleware, as they do for cookies.
    ///
    /// lucia keeps the status, and adds `Cache-Control`, `Vary`, `WWW-Authenticate`, `Retry-After` and the
    /// session cookie. A redirect to the login page stays a redirect. If `look` panics or returns a body
    /// that cannot be sent, the response keeps its default look, and lucia logs an error.
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

    /// Calls `hook` for each security [`Event`]: for an audit table, an alert, or a mail to the user. Each
    /// call of `on_event` adds a hook.
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
    /// Each event is reported once, after it has happened and before the call that caused it returns. This
    /// is also true if that call returns an error or its future is dropped: see
    /// [`EventKind::Interrupted`](crate::EventKind::Interrupted). Meanwhile lucia holds no lock, connection
    /// or transaction. A hook may use this `Auth`. If a hook panics, the call continues, and lucia logs an
    /// error.
    ///
    /// A hook runs on the thread of the call and blocks it. Hand slow work to another task through a
    /// bounded channel: `sender.try_send(event.clone())`. `examples/audit` in the repository writes an
    /// audit table in this way, and the page `docs/events.md` lists the events.
    ///
    /// lucia reports the same events to `tracing`, and with the feature `metrics` also to counters.
    pub fn on_event(mut self, hook: impl Fn(&Event) + Send + Sync + 'static) -> Self {
        self.listeners.add(hook);
        self
    }

    /// The keys with which lucia encrypts secrets in the database: the tokens of
    /// [providers](crate::oauth::OAuthProviderBuilder::store_tokens). Keep the keys out of the database and
    /// its backups.
    ///
    /// The first key encrypts, and all keys decrypt. To replace a key, put a new one before it. Secrets
    /// that were read with another key are encrypted again with the first one. Secrets whose key is not in
    /// the list cannot be read: [`OAuthErrorKind::Unreadable`](crate::oauth::OAuthErrorKind::Unreadable).
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

    /// The clock that decides whether a session has expired. Tests can replace it.
    pub fn clock(mut self, clock: impl TimeSource) -> Self {
        self.clock = Arc::new(clock);
        self
    }

    /// Checks the settings and creates the `Auth`.
    ///
    /// # Errors
    ///
    /// [`Error::Setting`](crate::Error::Setting) names a setting that is invalid, or that a store does not
    /// support, and says why.
    pub fn build(self) -> Result<Auth> {
        self.check()?;
        let allowed = self.parsed_origins()?;
        let proxies = self.proxies()?;
        let cookie = self
            .cookie
            .build(self.environment == Environment::Production)?;

        #[cfg(feature = "oauth")]
        let vault = checks::vault(self.encryption_keys, &*self.store)?;

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
            logged: LoggedOnce::default(),
            #[cfg(feature = "oauth")]
            vault,
        };
        Ok(Auth(Arc::new(parts), None))
    }
}

debug_of!(AuthBuilder: store, environment, lifetime, cookie, passwords);
