//! What the table of sessions knows a session by.

use crate::session::token::SessionToken;

/// What is stored as the id of a session: [`PgStoreBuilder::stored_ids`].
///
/// Lucia v2 for Node stores the token itself as the id of the session. The settings other than the
/// default are for sharing a table with it and for leaving it, in this order:
///
/// | | sessions that Lucia makes | sessions that are made here | a dump of the database |
/// |---|---|---|---|
/// | [`PlainTokens`](Self::PlainTokens) | are valid here | are valid there | **authenticates as every user** |
/// | [`HashedOnUse`](Self::HashedOnUse) | are valid here, and no longer there from then on | are not | authenticates as users who have not been here since |
/// | [`Hashed`](Self::Hashed) | are not valid | are not | does not authenticate |
///
/// The application never sees a difference: the public id of a session, its
/// [`SessionId`](crate::SessionId), is the SHA-256 of its token in each of them. Changing the
/// setting keeps users signed in whose sessions the new one accepts.
///
/// **While an application of Lucia's works on the table, what is stored signs in there**, with each
/// setting: Lucia takes any text for a session that is the id of a row, also a hash. Sessions are
/// safe from a stolen dump when that application has stopped and no token is stored any more.
///
/// A session is accepted whose token has the form of Lucia's own, 40 characters of `[a-z0-9]`.
/// Those whose ids an application has chosen are listed among their user's sessions and can be
/// ended, but do not authenticate.
///
/// [`PgStoreBuilder::stored_ids`]: crate::PgStoreBuilder::stored_ids
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum StoredIds {
    /// By the SHA-256 of its token: the stored value does not authenticate.
    ///
    /// Rows of Lucia's in the same table are left alone: they do not authenticate, appear in no
    /// list, and end when they are expired, or with their user.
    #[default]
    Hashed,
    /// By its token, in plain text, as Lucia v2 does: for the time in which its application and
    /// this one work on the same table. A session that is made, renewed or ended by one is so for
    /// the other.
    ///
    /// **A reader of the database, or of a backup, can sign in as any user.** That is so with Lucia
    /// v2, and stays so with this setting. The ids that are shown and logged here are hashes all
    /// the same, and are good for nothing, here or there.
    ///
    /// [`migrate`](crate::PgStore::migrate) makes an index for this. Without it, each lookup reads
    /// the whole table, and [`check_schema`](crate::Auth::check_schema) logs a warning.
    PlainTokens,
    /// By the SHA-256 of its token from its first use on: for the time after the application of
    /// Lucia v2. Users who signed in there stay signed in.
    ///
    /// A token that is stored in plain text is accepted; before the request gets its answer, the
    /// hash has taken its place. **The tokens of those who do not come back stay readable** until
    /// their sessions are expired and swept out, after 15 days by default, or until they are hashed
    /// all at once:
    ///
    /// ```sql
    /// UPDATE user_session SET id = encode(sha256(convert_to(id, 'UTF8')), 'hex')
    /// WHERE id !~ '^[0-9a-f]{64}$';
    /// ```
    ///
    /// Then it is time for [`Hashed`](Self::Hashed). A stored hash is never a token here. It is one
    /// for an application of Lucia's that still runs, so stop that first.
    ///
    /// The index is the same as for [`PlainTokens`](Self::PlainTokens), and can be dropped
    /// afterwards: `user_session_public_id_idx`.
    HashedOnUse,
}

/// The SHA-256 of the stored id of the session `s`, in hexadecimal. It is written as in the file
/// of the index, so that Postgres sees that they are the same.
///
/// It fails for no id (`::BYTEA` would for a backslash), and always has the same value for the
/// same one (`convert_to` may not, to Postgres, which then makes no index), whatever the type and
/// collation of the column.
const HASH: &str =
    r#"encode(sha256(decode(replace(s."id"::TEXT COLLATE "C", E'\\', E'\\\\'), 'escape')), 'hex')"#;

/// Whether the stored id of the session `s` is a hash already.
const IS_HASH: &str = r#"s."id"::TEXT COLLATE "C" ~ '^[0-9a-f]{64}$'"#;

impl StoredIds {
    /// The public id of the session `s`.
    pub(super) fn public(self) -> String {
        match self {
            Self::Hashed => r#"s."id""#.to_owned(),
            Self::PlainTokens => HASH.to_owned(),
            Self::HashedOnUse => {
                format!(r#"CASE WHEN {IS_HASH} THEN s."id"::TEXT ELSE {HASH} END"#)
            }
        }
    }

    /// Whether the session `s` has the public id in the parameter, which is one or `ANY` of an
    /// array. Two indexes answer it for [`HashedOnUse`](Self::HashedOnUse).
    pub(super) fn is(self, parameter: &str) -> String {
        match self {
            Self::Hashed => format!(r#"s."id" = {parameter}"#),
            Self::PlainTokens => format!("{HASH} = {parameter}"),
            Self::HashedOnUse => {
                format!(r#"(s."id" = {parameter} OR ({HASH} = {parameter} AND NOT {IS_HASH}))"#)
            }
        }
    }

    /// Whether the session `s` is to be stored by its hash, now that it is used.
    pub(super) fn is_to_be_hashed(self) -> String {
        match self {
            Self::Hashed | Self::PlainTokens => "FALSE".to_owned(),
            Self::HashedOnUse => format!("NOT {IS_HASH}"),
        }
    }

    /// Whether public ids need an index of their own.
    pub(super) fn need_index(self) -> bool {
        self != Self::Hashed
    }

    /// What is stored as the id of a session with this token.
    pub(super) fn stored(self, token: &SessionToken) -> String {
        match self {
            Self::Hashed | Self::HashedOnUse => token.session_id().as_str().to_owned(),
            Self::PlainTokens => token.expose().to_owned(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::postgres::migrate::PUBLIC_IDS;

    #[test]
    fn the_index_is_on_the_expression_that_is_asked_for() {
        let expression = HASH.replace("s.", "");
        assert!(PUBLIC_IDS.contains(&expression), "{expression}");
    }
}
