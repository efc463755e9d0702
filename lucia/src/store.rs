//! The traits that a store implements.
//!
//! A store is plain data access: the rules are in [`Auth`](crate::Auth). It is in order when it
//! passes the [`conformance`] suite (feature `conformance`). An `Arc` of a store is a store, and so
//! is an `Arc<dyn Store>`.
//!
//! These traits and rows grow with lucia: while its version begins with `0.`, a release that changes
//! them is one with another second number, as for any other change that breaks code.
//!
//! # Errors
//!
//! All methods tell what went wrong by a [`StoreError`], which becomes the [`Error`](crate::Error) of the
//! same name that applications see. A missing row is `None`, `false` or an empty list, never an
//! error. An error, and what it wraps, must not show values: they end in logs.

mod attempts;
#[cfg(feature = "conformance")]
#[cfg_attr(docsrs, doc(cfg(feature = "conformance")))]
pub mod conformance;
mod credentials;
mod error;
#[macro_use]
mod forward;
mod from_rows;
mod health;
mod key_writes;
mod mails;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod migrations;
#[cfg(feature = "postgres")]
pub(crate) mod postgres;
#[cfg(feature = "redis")]
pub(crate) mod redis;
mod rows;
mod split;
#[cfg(feature = "sqlite")]
pub(crate) mod sqlite;
#[cfg(any(feature = "postgres", feature = "sqlite"))]
mod tables;
mod tokens;

use std::fmt;

use async_trait::async_trait;
use serde_json::{Map, Value};
#[cfg(feature = "postgres")]
use tokio_postgres::Transaction;

pub use crate::clock::UnixMillis;
use crate::session::token::SessionId;
pub use crate::session::{Expiries, Rotation};
use crate::user::UserId;

pub(crate) use attempts::attempt_place;
pub use attempts::{CountedAttempt, CountedPlace, NewAttempt};
pub use credentials::CredentialRow;
pub use error::{Result, StoreError};
pub use health::{Health, HealthStatus, StoreHealth};
pub use key_writes::{ClaimOutcome, ClaimedBy, KeyClaim, KeyWrite, WrittenBy};
pub use mails::MailRow;
pub use rows::{
    InsertedSession, KeyDeletion, KeyRow, LastKey, NewSessionRow, NewUserRow, OldHash, Owner,
    PasswordChange, SessionRow, UserRow, UserTable,
};
pub(crate) use split::Split;
pub use tokens::{FormerTokens, TokenRow};

/// Users and their keys.
#[async_trait]
pub trait UserStore: fmt::Debug + Send + Sync + 'static {
    /// The name of the table of users, for messages.
    fn user_table(&self) -> &str;

    /// What the tables look like.
    ///
    /// # Errors
    ///
    /// [`Schema`](StoreError::Schema) when one of lucia's own tables or columns is not as the
    /// store needs it, but for those of [`check_attempts`](AttemptStore::check_attempts).
    async fn describe_users(&self) -> Result<UserTable>;

    /// Stores a user and, in the same transaction, their key. Returns the row as the database
    /// holds it, its defaults included. On an error nothing is stored; where both the key and a
    /// column are taken, the error is [`DuplicateKey`](StoreError::DuplicateKey).
    async fn insert_user(&self, user: NewUserRow, key: Option<KeyRow>) -> Result<UserRow>;

    /// The user of this id.
    async fn user(&self, id: &UserId) -> Result<Option<UserRow>>;

    /// Sets the given columns of a user's row, and leaves the others as they are. Returns the new
    /// row, or `None` if the user does not exist.
    async fn update_user(
        &self,
        id: &UserId,
        attributes: Map<String, Value>,
    ) -> Result<Option<UserRow>>;

    /// Removes a user with their keys, [one-time tokens](TokenStore) and [credentials](CredentialStore), and with
    /// their sessions where this store holds those too.
    /// It succeeds whatever is created for the user at the same time: that is removed as well, or
    /// comes too late and is refused with [`UnknownUser`](StoreError::UnknownUser).
    async fn delete_user(&self, id: &UserId) -> Result<()>;

    /// Stores a key.
    async fn insert_key(&self, key: KeyRow) -> Result<()>;

    /// The key of this id.
    async fn key(&self, id: &str) -> Result<Option<KeyRow>>;

    /// All keys of a user.
    async fn user_keys(&self, user_id: &UserId) -> Result<Vec<KeyRow>>;

    /// Replaces the hash of the password of a key, if the key is (still) that user's; `None` takes
    /// the password away. With [`OldHash::Is`], it does so only where the key still has that hash, as one
    /// step that nothing comes between. Returns whether it did.
    async fn update_key_password(
        &self,
        id: &str,
        user_id: &UserId,
        hashed_password: Option<&str>,
        old: OldHash,
    ) -> Result<bool>;

    /// Removes a key. With [`LastKey::Keep`], the last one of its user stays: however many are asked
    /// to go at once, one is left.
    async fn delete_key(&self, id: &str, last: LastKey) -> Result<KeyDeletion>;
}

/// Sessions.
///
/// `id` is always the public id. A store finds a session by it, and has no use for the token
/// unless it keeps tokens as they are.
#[async_trait]
pub trait SessionStore: fmt::Debug + Send + Sync + 'static {
    /// The name of the table of sessions, for messages.
    fn session_table(&self) -> &str;

    /// What kind of store it is, such as `postgres`: its name in a [`Health`].
    fn store_name(&self) -> &str {
        "store"
    }

    /// The name of a setting that works only with users and sessions in one store, if one is set:
    /// [`AuthBuilder::build`](crate::AuthBuilder::build) refuses it together with
    /// [`sessions`](crate::AuthBuilder::sessions).
    fn unsupported_when_split(&self) -> Option<&'static str> {
        None
    }

    /// Whether the store removes expired sessions by itself, some time after their idle expiry. Then
    /// [`delete_expired_sessions`](Self::delete_expired_sessions) can find none.
    fn removes_expired_sessions(&self) -> bool {
        false
    }

    /// Whether the store works, asked by one cheap statement. An error means that it is
    /// [`Down`](HealthStatus::Down).
    ///
    /// By default it is up if it can be asked for a session, one that there is not.
    async fn health(&self) -> Result<StoreHealth> {
        let nobodys = "0".repeat(64).parse().map_err(StoreError::internal)?;
        self.session(&nobodys).await?;
        Ok(StoreHealth::up(self.store_name()))
    }

    /// Records what the store measures of itself by the facade crate `metrics`, for
    /// [`Auth::record_metrics`](crate::Auth::record_metrics); nothing by default. It does not ask the database.
    #[cfg(feature = "metrics")]
    #[cfg_attr(docsrs, doc(cfg(feature = "metrics")))]
    fn record_metrics(&self) {}

    /// Stores a session, and in the same transaction removes the one that it replaces and those
    /// of its user that are too many with it: all of it or nothing. Returns the row as the
    /// database holds it, its defaults included, and which were too many. [`UnknownUser`](StoreError::UnknownUser) where
    /// this store knows the users and this one is not among them.
    ///
    /// With a [`limit`](NewSessionRow::limit), those stay that were renewed last. Expired ones go
    /// first. However many are stored at once, each with the same limit, as many are left when
    /// all have returned: no more, and no fewer. A call that is dropped, or whose process is
    /// killed, leaves no more either.
    async fn insert_session(&self, session: NewSessionRow) -> Result<InsertedSession>;

    /// The session of this id, expired or not.
    async fn session(&self, id: &SessionId) -> Result<Option<SessionRow>>;

    /// The sessions of these ids that there are, expired or not and in any order, by one query. No
    /// id comes twice.
    async fn sessions(&self, ids: &[SessionId]) -> Result<Vec<SessionRow>>;

    /// All sessions of a user, expired or not, the oldest first.
    async fn user_sessions(&self, user_id: &UserId) -> Result<Vec<SessionRow>>;

    /// Moves a session's expiries, if the session is (still) there: returns whether it was. It
    /// never brings a deleted session back, however it meets the deletion.
    async fn renew_session(&self, id: &SessionId, expiries: Expiries) -> Result<bool>;

    /// Gives a session another token, if the session is (still) there: returns whether it was.
    /// Before, the old token is good, and after, the new one; never both, never none.
    async fn rotate_session(&self, id: &SessionId, rotation: Rotation) -> Result<bool>;

    /// Sets the given columns of the application in a session's row, and leaves the others
    /// as they are. Returns the new row, or `None` if the session does not exist.
    async fn update_session(
        &self,
        id: &SessionId,
        attributes: Map<String, Value>,
    ) -> Result<Option<SessionRow>>;

    /// Removes a session if it is its owner's. Returns whether it did.
    async fn delete_session(&self, id: &SessionId, owner: Owner<'_>) -> Result<bool>;

    /// Removes the sessions of a user, except the one named.
    async fn delete_user_sessions(
        &self,
        user_id: &UserId,
        except: Option<&SessionId>,
    ) -> Result<()>;

    /// Removes up to `limit` sessions whose idle expiry is before `now`. Returns how many.
    async fn delete_expired_sessions(&self, now: UnixMillis, limit: u32) -> Result<u64>;
}

/// Counts of attempts to open the keys of a store by their passwords.
#[async_trait]
pub trait AttemptStore: UserStore {
    /// Checks that attempts to sign in can be counted. Asked only where they are.
    ///
    /// # Errors
    ///
    /// [`Schema`](StoreError::Schema) when the table for it is not as the store needs it.
    async fn check_attempts(&self) -> Result<()>;

    /// Counts an attempt in two or three places and finds its key, in one step. If the step fails, or the caller stops
    /// waiting for an answer, the attempt is counted as if it had been answered, or not at all.
    ///
    /// 0. If the attempt has a [`NewAttempt::client`], the place of the client comes before the others. If this place
    ///    is full, nothing else happens.
    /// 1. The first place is that of [`NewAttempt::place`]. If it is full, nothing else happens: the key is not looked
    ///    for, so the answer takes as long whether or not the key exists. The attempt stays counted for the client.
    /// 2. The key is looked for, as by [`key`](UserStore::key).
    /// 3. The second place is that of [`NewAttempt::stored_place`], for the id that the key has in the
    ///    database. Where it is full, the attempt stays counted in the first one: so an unknown key and
    ///    one that other spellings have used up fill the first place alike.
    ///
    /// A place is full when as many attempts are counted there as the limit of this one for it. Its count is
    /// left as it is then. However many are made at once, no more are admitted. The first attempt after
    /// the end of a count begins another one.
    ///
    /// The stored row alone says how long its count lasts, from its start to its end. An attempt
    /// that is admitted moves the end where its own period, from the start of the count on, ends
    /// later. No attempt moves it back.
    ///
    /// A count that starts further ahead of the attempt than it lasts was begun by a wrong clock,
    /// and has ended. (A start that is merely ahead does not say so: the clocks of two servers
    /// differ, and of two attempts at once the later one can be counted first.)
    async fn count_attempt(&self, attempt: NewAttempt) -> Result<CountedAttempt>;

    /// Takes one attempt back out of the counts of these places that started when they say, all or
    /// none, and removes each count when it was the only one in it. Silent where there is none (any
    /// more). The places are those of one attempt, in the order in which it was counted; lock them in
    /// this order.
    async fn uncount_attempt(&self, places: &[CountedPlace]) -> Result<()>;

    /// Removes up to `limit` counts that have ended at `now`, those of a wrong clock included.
    /// Returns how many.
    async fn delete_old_attempts(&self, now: UnixMillis, limit: u32) -> Result<u64>;
}

/// One-time tokens: links and codes that work once.
///
/// The rules are in [`Auth`](crate::Auth), as everywhere: a store does not look at the time or the
/// purpose of a token that it finds.
#[async_trait]
pub trait TokenStore: UserStore {
    /// Checks that tokens can be stored.
    ///
    /// # Errors
    ///
    /// [`Schema`](StoreError::Schema) when the table for it is not as the store needs it.
    async fn check_tokens(&self) -> Result<()>;

    /// Stores a token in place of the one with the same id, if there is one. With
    /// [`FormerTokens::Delete`], all other tokens of the same user and purpose are deleted in the same
    /// step: of any number that are stored so at once, one is left.
    /// [`UnknownUser`](StoreError::UnknownUser) if its user does not exist.
    async fn insert_token(&self, token: TokenRow, former: FormerTokens) -> Result<()>;

    /// The token of this id, which stays.
    async fn token(&self, id: &str) -> Result<Option<TokenRow>>;

    /// Deletes the token of this id, if it (still) has this hash of a code, or none, and returns it. Of
    /// any number of calls at once, one gets it.
    async fn take_token(&self, id: &str, hashed_code: Option<&str>) -> Result<Option<TokenRow>>;

    /// Counts a try of a code before the code is compared: takes one of the tries that are left. Returns
    /// the token as it is after that, or `None` if there is no token or no try is left. However many calls
    /// there are at once, no more get it than tries were left.
    async fn try_code(&self, id: &str) -> Result<Option<TokenRow>>;

    /// Deletes the tokens of a user. Those that are stored at the same time are deleted, or stored after.
    async fn delete_user_tokens(&self, user_id: &UserId) -> Result<()>;

    /// Deletes up to `limit` tokens that have expired at `now`. Returns how many.
    async fn delete_expired_tokens(&self, now: UnixMillis, limit: u32) -> Result<u64>;
}

/// Credentials of users: the tokens of their providers.
///
/// The rules are in [`Auth`](crate::Auth): a store does not look at what a credential is. Secrets in the data
/// are encrypted before a store gets them.
#[async_trait]
pub trait CredentialStore: UserStore {
    /// Checks that credentials can be stored.
    ///
    /// # Errors
    ///
    /// [`Schema`](StoreError::Schema) when the table for it is not as the store needs it.
    async fn check_credentials(&self) -> Result<()>;

    /// Stores a credential, as a whole in place of the one with the same id if that is of the same user and
    /// kind. Returns whether it did: one of another user or kind stays as it is.
    /// [`UnknownUser`](StoreError::UnknownUser) if its user does not exist.
    async fn insert_credential(&self, credential: CredentialRow) -> Result<bool>;

    /// The credential of this id.
    async fn credential(&self, id: &str) -> Result<Option<CredentialRow>>;

    /// The credentials of a user that are of this kind, the oldest first.
    async fn user_credentials(&self, user_id: &UserId, kind: &str) -> Result<Vec<CredentialRow>>;

    /// Replaces the data of a credential, if it (still) has this `old` data, as one step that nothing comes
    /// between, and notes that it was used if `used_at` says so. Returns whether it did. Of any number of
    /// calls at once with the same old data, one does.
    async fn replace_credential_data(
        &self,
        id: &str,
        old: &str,
        new: &str,
        used_at: Option<UnixMillis>,
    ) -> Result<bool>;

    /// Deletes a credential, if it is this user's, and with `data` only if it (still) has this data. Returns
    /// whether it did.
    async fn delete_credential(
        &self,
        id: &str,
        user_id: &UserId,
        data: Option<&str>,
    ) -> Result<bool>;
}

/// Mails that wait to be sent.
///
/// The rules are in [`Outbox`](crate::mail::Outbox): a store does not look at how often a mail was claimed,
/// or whether it is still of use.
#[async_trait]
pub trait MailStore: fmt::Debug + Send + Sync + 'static {
    /// Checks that mails can be stored.
    ///
    /// # Errors
    ///
    /// [`Schema`](StoreError::Schema) when the table for it is not as the store needs it.
    async fn check_mails(&self) -> Result<()>;

    /// Stores a mail. Where there is one of this id, that one stays as it is.
    async fn insert_mail(&self, mail: MailRow) -> Result<()>;

    /// Claims one of the mails that are due at `now`, the one that is due the longest: counts an attempt,
    /// makes the mail due again at `until`, and returns it as it is after that. Of any number of calls at
    /// once, one gets it.
    async fn claim_mail(&self, now: UnixMillis, until: UnixMillis) -> Result<Option<MailRow>>;

    /// Makes a mail due at another time, if it was not claimed again since it had this number of attempts.
    /// Returns whether it did.
    async fn put_off_mail(&self, id: &str, attempts: u32, due: UnixMillis) -> Result<bool>;

    /// Deletes a mail, even one that another process has claimed. Returns whether it was there.
    async fn delete_mail(&self, id: &str) -> Result<bool>;
}

/// Users and keys that are stored in a transaction of the application's.
#[cfg(feature = "postgres")]
#[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
#[async_trait]
pub trait TransactionStore: UserStore {
    /// Stores a user as [`insert_user`](UserStore::insert_user) does, in this open transaction, and
    /// leaves it open.
    async fn insert_user_in(
        &self,
        transaction: &Transaction<'_>,
        user: NewUserRow,
        key: Option<KeyRow>,
    ) -> Result<UserRow>;

    /// Stores a key as [`insert_key`](UserStore::insert_key) does, in this open transaction, and
    /// leaves it open.
    async fn insert_key_in(&self, transaction: &Transaction<'_>, key: KeyRow) -> Result<()>;

    /// Stores a credential as [`insert_credential`](CredentialStore::insert_credential) does, in this open
    /// transaction, and leaves it open.
    async fn insert_credential_in(
        &self,
        transaction: &Transaction<'_>,
        credential: CredentialRow,
    ) -> Result<bool>;
}

/// A store of users, keys and sessions together: what most applications have.
///
/// What not every store can do is asked for by a method that says `None` by default.
/// [`AuthBuilder::build`](crate::AuthBuilder::build) refuses a setting that needs what is missing.
#[async_trait]
pub trait Store: UserStore + SessionStore {
    /// Where attempts to sign in are counted. `None` if this store cannot count them: then
    /// [`without_sign_in_limit`](crate::AuthBuilder::without_sign_in_limit) has to be set.
    fn attempts(&self) -> Option<&dyn AttemptStore> {
        None
    }

    /// Where one-time tokens are stored. `None` if this store has none: then the calls that create and use
    /// them are an [`Error::Misuse`](crate::Error::Misuse).
    fn tokens(&self) -> Option<&dyn TokenStore> {
        None
    }

    /// Where credentials of users are stored. `None` if this store has no place for them: then `build` refuses
    /// the setting that needs one, `AuthBuilder::encryption_keys`.
    fn credentials(&self) -> Option<&dyn CredentialStore> {
        None
    }

    /// Where mails that wait to be sent are stored. `None` if this store has no place for them: then an
    /// [`Outbox`](crate::mail::Outbox) keeps them in memory.
    fn mails(&self) -> Option<&dyn MailStore> {
        None
    }

    /// Where users and keys are stored in a transaction of the application's. `None` if this store
    /// cannot do it: then `transaction(..)` is an [`Error::Misuse`](crate::Error::Misuse).
    #[cfg(feature = "postgres")]
    #[cfg_attr(docsrs, doc(cfg(feature = "postgres")))]
    fn transactions(&self) -> Option<&dyn TransactionStore> {
        None
    }

    /// Whether [`session_and_user`](Self::session_and_user) can answer with what was committed a moment ago, as
    /// where it reads from a replica. A session that it has can have been renewed since. So lucia asks
    /// [`sessions_and_users`](Self::sessions_and_users), which is never behind, before it takes such a session for
    /// expired.
    fn lookups_may_lag(&self) -> bool {
        false
    }

    /// A session and its user, by one query: both or neither. Where [lookups may
    /// lag](Self::lookups_may_lag), `None` is still what is so now.
    async fn session_and_user(&self, id: &SessionId) -> Result<Option<(SessionRow, UserRow)>>;

    /// As [`session_and_user`](Self::session_and_user), of several sessions by one query: those that
    /// there are, in any order. No id comes twice. It is asked for the few sessions of a request that
    /// has several session cookies.
    async fn sessions_and_users(&self, ids: &[SessionId]) -> Result<Vec<(SessionRow, UserRow)>>;

    /// Stores a session as [`insert_session`](SessionStore::insert_session) does, if the key that it was opened by
    /// (still) exists and is unchanged: with this id, of this user, who is that of the session, and with this hash. A
    /// key that had no password must still have none, and its time of verification, or the lack of one, must be
    /// unchanged. This distinguishes it from a key that was claimed since. `None` otherwise, and nothing has happened:
    /// no session is replaced, and none is ended as one too many.
    ///
    /// The key stays so until the session is stored. Whatever changes it or removes it comes
    /// before, and the session is refused, or after.
    async fn insert_session_by_key(
        &self,
        session: NewSessionRow,
        key: KeyRow,
    ) -> Result<Option<InsertedSession>>;

    /// Replaces a password and ends the sessions of its user, both or neither. Returns whether
    /// the key is (still) there, the user's, and has the [old hash](PasswordChange::old), and the
    /// session to be kept is there; nothing has happened otherwise. No other change of the key
    /// comes between the comparison and the write.
    ///
    /// Those that [`insert_session_by_key`](Self::insert_session_by_key) stores at the same time
    /// by the old hash are among the sessions that end.
    async fn change_password(&self, change: PasswordChange) -> Result<bool>;

    /// Writes a key of a user at their own request: only while the session or one-time token that the request
    /// is made by is (still) there and that user's, in one step with that. Returns whether it did; `false` also
    /// where there is no such key (any more).
    ///
    /// Whatever ends the session or deletes the token comes before, and nothing is written; or after, and
    /// [`claim_key`](Self::claim_key) and [`change_password`](Self::change_password) then find what was written.
    async fn write_key(&self, write: KeyWrite, by: WrittenBy<'_>, at: UnixMillis) -> Result<bool>;

    /// Gives a user to the person who has proved that a key is theirs. All or nothing, it
    ///
    /// 1. takes the [one-time token](ClaimedBy::token) of the claim, if it has one;
    /// 2. notes that this key was verified, and removes its password;
    /// 3. removes the passwords and verifications of the user's other keys;
    /// 4. ends all sessions of the user, and deletes their [one-time tokens](TokenStore).
    ///
    /// [By a message](ClaimedBy::Message), the claim succeeds if the key is (still) that user's, the token (still)
    /// exists, and no other key of the user is verified or without a password.
    ///
    /// [By a note](ClaimedBy::Note), the claim succeeds if the token (still) exists and the user exists. It stores the
    /// key if there is none, and takes it from another user who has not verified it. It deletes the other keys of the
    /// user, whatever they are, except those that are to stay, and keeps the verification of those that are to stay
    /// verified.
    ///
    /// Sessions that [`insert_session_by_key`](Self::insert_session_by_key) stores at the same time, by a key as it was
    /// before the claim, are among those that end, or are refused. Keys that [`write_key`](Self::write_key) stores at
    /// the same time are found by the claim, or are not stored.
    async fn claim_key(&self, claim: KeyClaim) -> Result<ClaimOutcome>;
}

/// lucia's own columns of the table of keys.
#[cfg(any(feature = "postgres", feature = "sqlite"))]
pub(crate) const KEY_COLUMNS: [&str; 4] = ["id", "user_id", "hashed_password", "verified_at"];

/// lucia's own columns of the table of sessions, which attributes cannot be.
pub(crate) const SESSION_COLUMNS: [&str; 10] = [
    "id",
    "user_id",
    "created_at",
    "authenticated_at",
    "renewed_at",
    "active_expires",
    "idle_expires",
    "device",
    "address",
    "persistent",
];
