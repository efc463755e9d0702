//! [`Step`]: how far the move has come, and what lucia is told in each step.

use lucia::{Auth, AuthBuilder, CookieOptions, NewHashes, PasswordOptions, PgStore, StoredIds};

/// How far the move has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// The Node application runs, and this one beside it.
    Beside,
    /// It has stopped.
    Stopped,
    /// Nothing of it is left.
    Done,
}

impl Step {
    /// The step of this name.
    ///
    /// # Errors
    ///
    /// What to write.
    pub fn named(name: &str) -> Result<Self, String> {
        match name {
            "beside" => Ok(Self::Beside),
            "stopped" => Ok(Self::Stopped),
            "done" => Ok(Self::Done),
            _ => Err(format!("STEP is beside, stopped or done, not `{name}`")),
        }
    }

    /// What is stored of the token of a session.
    fn stored_ids(self) -> StoredIds {
        match self {
            Self::Beside => StoredIds::PlainTokens,
            Self::Stopped => StoredIds::HashedOnUse,
            Self::Done => StoredIds::Hashed,
        }
    }

    /// A store over the database of Lucia v2.
    ///
    /// # Errors
    ///
    /// Those of [`connect`](lucia::PgStoreBuilder::connect).
    pub async fn store(self, database_url: &str) -> lucia::Result<PgStore> {
        let store = PgStore::builder().stored_ids(self.stored_ids());
        // Tables of other names: .user_table("users").key_table("keys").session_table("sessions")
        store.connect(database_url).await
    }

    /// The settings of lucia in this step.
    pub fn settings(self, store: PgStore) -> AuthBuilder {
        let passwords = match self {
            // Node cannot read lucia's own hashes.
            Self::Beside => PasswordOptions::new().new_hashes(NewHashes::LuciaScrypt),
            Self::Stopped | Self::Done => PasswordOptions::new().upgrade_legacy_hashes(true),
        };
        Auth::builder(store)
            .passwords(passwords)
            // The name that the cookie has in the browsers already. By default it would be
            // `__Host-auth_session` in production.
            .cookie(CookieOptions::new().name("auth_session"))
    }
}
