//! What the table of sessions knows a session by.

use crate::store::tables::{TableNames, index};
use crate::token::SessionToken;

/// How the table of sessions names a session.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoredIds {
    /// By the SHA-256 of its token: what is stored signs nobody in.
    #[default]
    Hashed,
    /// By its token, as Lucia v2 does: for an application of Lucia's on the same tables.
    /// **Whoever reads the database can sign in as anybody.**
    LuciaTokens,
    /// By the SHA-256 of its token from now on. A session that Lucia v2 made is good as well, and
    /// stored by its hash from its first use on; Lucia then knows it no more.
    LuciaTokensAdopted,
}

impl StoredIds {
    /// The public id of the session `s`. The index of [`index`](Self::index) has the same
    /// expression.
    pub(super) fn public(self) -> &'static str {
        match self {
            Self::Hashed => r#"s."id""#,
            Self::LuciaTokens => r#"encode(sha256(s."id"::BYTEA), 'hex')"#,
            // A hash is longer than any token.
            Self::LuciaTokensAdopted => {
                r#"CASE WHEN length(s."id") = 64 THEN s."id" ELSE encode(sha256(s."id"::BYTEA), 'hex') END"#
            }
        }
    }

    /// Whether the session `s` has the public id in the parameter.
    pub(super) fn is(self, parameter: &str) -> String {
        format!("{} = {parameter}", self.public())
    }

    /// What finds a session of a public id quickly, where the primary key does not.
    pub(super) fn index(self, tables: &TableNames) -> Option<String> {
        let expression = match self {
            Self::Hashed => return None,
            Self::LuciaTokens | Self::LuciaTokensAdopted => self.public().replace("s.", ""),
        };
        let name = index(&tables.session, "_public_id_idx");
        let table = tables.quoted(&tables.session);
        Some(format!(
            "CREATE UNIQUE INDEX IF NOT EXISTS {name} ON {table} (({expression}))"
        ))
    }

    /// What is stored as the id of a session with this token.
    pub(super) fn stored(self, token: &SessionToken) -> String {
        match self {
            Self::Hashed | Self::LuciaTokensAdopted => token.session_id().as_str().to_owned(),
            Self::LuciaTokens => token.expose().to_owned(),
        }
    }
}
