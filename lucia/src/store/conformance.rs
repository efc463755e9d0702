//! The suite that every store has to pass, for people who write a store.
//!
//! [`store_conformance!`](crate::store_conformance) creates one test for each case, so that a failure shows
//! by its name. It needs a function that takes the case, creates a fresh store, and runs the case on the
//! store:
//!
//! ```
//! # #[cfg(feature = "sqlite")]
//! # mod example {
//! use lucia::store::conformance::{self, Case};
//! use lucia::SqliteStore;
//!
//! async fn on_a_fresh_store(case: Case) {
//!     let store = SqliteStore::builder() // yours
//!         .session_columns(conformance::SESSION_COLUMNS)
//!         .in_memory()
//!         .await
//!         .unwrap();
//!     store.migrate(&conformance::USER_COLUMNS).await.unwrap();
//!     case.run(&store).await;
//!     // Here a store that is more than memory can be taken down again.
//! }
//!
//! // Any attribute that makes a test of an asynchronous function will do.
//! lucia::store_conformance!(#[tokio::test] on_a_fresh_store);
//! # }
//! ```
//!
//! A store of sessions alone uses [`session_store_conformance!`](crate::session_store_conformance) and
//! [`SessionCase`]. If your tests are not created by attributes, use [`Case::all`].
//!
//! # The fresh store
//!
//! Each case begins with no users, keys, sessions, sign-in attempts, one-time tokens, mails or credentials,
//! and has the store to itself. The user table has the columns of [`USER_COLUMNS`] besides its `id`: a
//! required and unique text, an optional text, and a whole number whose default is 10. The session table
//! has the columns of [`SESSION_COLUMNS`] besides lucia's own: an optional text, and a required whole
//! number whose default is 1.
//!
//! Some cases make fifty requests at once and wait for the answers in one task. The store has to answer
//! each within its time-out, however few connections it has.

mod attempts;
mod attributes;
mod cases;
mod claims;
mod claims_by_note;
mod credentials;
mod key_writes;
mod keys;
mod mails;
mod passwords;
mod places;
mod replacements;
mod rotations;
mod sessions;
mod sign_ins;
mod together;
mod tokens;
mod users;
mod values;

use std::fmt;
use std::pin::Pin;

use super::{SessionStore, Store};

/// The columns that the user table needs besides `id`, as SQL defines them.
pub const USER_COLUMNS: [&str; 3] = [
    "username TEXT NOT NULL UNIQUE",
    "nickname TEXT",
    "credits BIGINT NOT NULL DEFAULT 10",
];

/// The columns that the session table needs besides lucia's own, as SQL defines them.
pub const SESSION_COLUMNS: [&str; 2] = ["country TEXT", "visits BIGINT NOT NULL DEFAULT 1"];

type Running<'a> = Pin<Box<dyn Future<Output = ()> + Send + 'a>>;

type StoreBody = for<'a> fn(&'a dyn Store) -> Running<'a>;

/// One behaviour of every [`Store`].
#[derive(Clone, Copy)]
pub struct Case {
    name: &'static str,
    body: Body,
}

#[derive(Clone, Copy)]
enum Body {
    Store(StoreBody),
    /// For stores that count attempts.
    Attempts(StoreBody),
    /// For stores of one-time tokens.
    Tokens(StoreBody),
    /// For stores of mails.
    Mails(StoreBody),
    /// For stores of credentials.
    Credentials(StoreBody),
    Sessions(SessionCase),
}

/// One behaviour of every [`SessionStore`], whether or not it knows the users.
#[derive(Clone, Copy)]
pub struct SessionCase {
    name: &'static str,
    body: for<'a> fn(&'a dyn SessionStore) -> Running<'a>,
}

impl Case {
    /// All cases: for sessions, users and keys, sign-in attempts, one-time tokens, mails, and credentials.
    pub fn all() -> impl Iterator<Item = Self> {
        let of_sessions = SessionCase::all().map(|case| Self {
            name: case.name,
            body: Body::Sessions(case),
        });
        let optional = [ATTEMPT_CASES, TOKEN_CASES, MAIL_CASES, CREDENTIAL_CASES];
        let optional = optional.into_iter().flatten();
        of_sessions.chain(STORE_CASES.iter().chain(optional).copied())
    }

    /// The case with this name.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let case = Self::all().find(|case| case.name == name);
        case.unwrap_or_else(|| panic!("there is no case `{name}`"))
    }

    /// The behaviour, in words.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Runs the case on a fresh store. A case for sign-in attempts does nothing if the store [cannot count
    /// them](Store::attempts). A case for one-time tokens, mails or credentials does nothing if the store
    /// has no place for [tokens](Store::tokens), [mails](Store::mails) or
    /// [credentials](Store::credentials).
    ///
    /// # Panics
    ///
    /// If the store behaves differently.
    pub async fn run(&self, store: &dyn Store) {
        let (is_run, body) = match self.body {
            Body::Store(body) => (true, body),
            Body::Attempts(body) => (store.attempts().is_some(), body),
            Body::Tokens(body) => (store.tokens().is_some(), body),
            Body::Mails(body) => (store.mails().is_some(), body),
            Body::Credentials(body) => (store.credentials().is_some(), body),
            Body::Sessions(case) => {
                sessions::insert_users(store).await;
                return case.run(store).await;
            }
        };
        if is_run {
            body(store).await;
        }
    }
}

impl SessionCase {
    /// All cases.
    pub fn all() -> impl Iterator<Item = Self> {
        SESSION_CASES.iter().copied()
    }

    /// The case with this name.
    ///
    /// # Panics
    ///
    /// If there is none.
    #[must_use]
    pub fn named(name: &str) -> Self {
        let case = Self::all().find(|case| case.name == name);
        case.unwrap_or_else(|| panic!("there is no case `{name}`"))
    }

    /// The behaviour, in words.
    #[must_use]
    pub fn name(&self) -> &'static str {
        self.name
    }

    /// Runs the case on a fresh store.
    ///
    /// # Panics
    ///
    /// If the store behaves differently.
    pub async fn run(&self, store: &dyn SessionStore) {
        (self.body)(store).await;
    }
}

impl fmt::Debug for Case {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Case").field(&self.name).finish()
    }
}

impl fmt::Debug for SessionCase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("SessionCase").field(&self.name).finish()
    }
}

/// Makes a test of each case of [`Case`]: one attribute or more, and the path of an asynchronous
/// function that takes the case. See the [module](crate::store::conformance).
#[macro_export]
#[cfg_attr(docsrs, doc(cfg(feature = "conformance")))]
macro_rules! store_conformance {
    ($(#[$attribute:meta])+ $on_a_fresh_store:path) => {
        $crate::__session_cases! { tests Case [$(#[$attribute])+] [$on_a_fresh_store] }
        $crate::__store_cases! { tests Case [$(#[$attribute])+] [$on_a_fresh_store] }
        $crate::__attempt_cases! { tests Case [$(#[$attribute])+] [$on_a_fresh_store] }
        $crate::__token_cases! { tests Case [$(#[$attribute])+] [$on_a_fresh_store] }
        $crate::__mail_cases! { tests Case [$(#[$attribute])+] [$on_a_fresh_store] }
        $crate::__credential_cases! { tests Case [$(#[$attribute])+] [$on_a_fresh_store] }
    };
}

/// Makes a test of each case of [`SessionCase`]: one attribute or more, and the path of an
/// asynchronous function that takes the case. See the [module](crate::store::conformance).
#[macro_export]
#[cfg_attr(docsrs, doc(cfg(feature = "conformance")))]
macro_rules! session_store_conformance {
    ($(#[$attribute:meta])+ $on_a_fresh_store:path) => {
        $crate::__session_cases! { tests SessionCase [$(#[$attribute])+] [$on_a_fresh_store] }
    };
}

const SESSION_CASES: &[SessionCase] =
    crate::__session_cases! { list std::convert::identity, SessionCase };

const STORE_CASES: &[Case] = crate::__store_cases! { list Body::Store, Case };

const ATTEMPT_CASES: &[Case] = crate::__attempt_cases! { list Body::Attempts, Case };

const TOKEN_CASES: &[Case] = crate::__token_cases! { list Body::Tokens, Case };

const MAIL_CASES: &[Case] = crate::__mail_cases! { list Body::Mails, Case };

const CREDENTIAL_CASES: &[Case] = crate::__credential_cases! { list Body::Credentials, Case };

#[cfg(test)]
mod tests;
