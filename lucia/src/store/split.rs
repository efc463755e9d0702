//! Users in one store, sessions in another.

mod lookups;

use std::sync::Arc;

use async_trait::async_trait;
use serde_json::{Map, Value};

#[cfg(feature = "postgres")]
use super::TransactionStore;
use super::batch::{self, Queues, Source};
use super::{
    AttemptStore, ClaimOutcome, ClaimedBy, CredentialStore, Expiries, FormerTokens,
    InsertedSession, KeyClaim, KeyDeletion, KeyRow, KeyWrite, LastKey, MailStore, NewSessionRow,
    NewUserRow, OldHash, Owner, PasswordChange, Result, Rotation, SessionRow, SessionStore, Store,
    StoreError, StoreHealth, TokenRow, TokenStore, UnixMillis, UserRow, UserStore, UserTable,
    WrittenBy,
};
use crate::session::token::{SessionId, SessionToken};
use crate::user::UserId;
use lookups::{Found, distinct};

/// A store put together from two. A lookup asks one after the other. Those that arrive together share both
/// questions.
pub(crate) struct Split {
    users: Arc<dyn Store>,
    sessions: Arc<dyn SessionStore>,
    queues: Queues<Self>,
}

impl Split {
    pub(crate) fn new(users: Arc<dyn Store>, sessions: Arc<dyn SessionStore>) -> Self {
        Self {
            users,
            sessions,
            queues: Queues::new(usize::MAX),
        }
    }

    fn users(&self) -> &dyn Store {
        &*self.users
    }

    fn sessions(&self) -> &dyn SessionStore {
        &*self.sessions
    }

    /// Stores a session if its user may have it, by this key or at all, and asks for that once more
    /// when the session is there. A deletion of the user, or a change of the password, comes first
    /// and ends the sessions then: it meets this session, or this one meets the change. A session
    /// that outlived its user would be that of the next user who gets the same id.
    ///
    /// No client has the token of a session before this returns. So a session that is left behind,
    /// because a store fails or the future is dropped, does not authenticate.
    async fn insert_if_allowed(
        &self,
        mut session: NewSessionRow,
        key: Option<&KeyRow>,
    ) -> Result<Option<InsertedSession>> {
        if key.is_none() {
            // The database may compare ids without regard to case. So the session gets the id as it is stored,
            // because sessions are ended by that id.
            match self.users.user(&session.user_id).await? {
                Some(user) => session.user_id = user.id,
                None => return Ok(None),
            }
        } else if !self.is_allowed(&session.user_id, key).await? {
            return Ok(None);
        }
        let user_id = session.user_id.clone();
        let inserted = self.sessions.insert_session(session).await?;
        let is_still_allowed = self.is_allowed(&user_id, key).await;
        if matches!(is_still_allowed, Ok(true)) {
            return Ok(Some(inserted));
        }
        self.sessions
            .delete_session(&inserted.row.id, Owner::Anyone)
            .await?;
        is_still_allowed.map(|_| None)
    }

    /// Returns the other stored spellings of a user's id, if the database treats several spellings as one. A session
    /// has the id of the user or of the key with which it began.
    async fn other_spellings(&self, user_id: &UserId) -> Result<Vec<UserId>> {
        let user = self.users.user(user_id).await?;
        let keys = self.users.user_keys(user_id).await?;
        let ids = user.map(|user| user.id).into_iter();
        let mut ids: Vec<_> = ids.chain(keys.into_iter().map(|key| key.user_id)).collect();
        ids.retain(|id| id != user_id);
        ids.sort_by(|one, other| one.as_str().cmp(other.as_str()));
        ids.dedup();
        Ok(ids)
    }

    async fn end_sessions(&self, user_ids: &[UserId], except: Option<&SessionId>) -> Result<()> {
        for id in user_ids {
            self.sessions.delete_user_sessions(id, except).await?;
        }
        Ok(())
    }

    /// Ends the tokens that stand for sessions of a user.
    async fn end_leases(&self, user_id: &UserId) -> Result<()> {
        let Some(tokens) = self.users.tokens() else {
            return Ok(());
        };
        // One that takes the place of all, and is itself used by nothing.
        let lease = TokenRow {
            user_id: Some(user_id.clone()),
            ..lease(UnixMillis(0))?
        };
        let id = lease.id.clone();
        match tokens.insert_token(lease, FormerTokens::Delete).await {
            // Where they have no table, there are none.
            Err(StoreError::UnknownUser | StoreError::Schema { column: None, .. }) => Ok(()),
            Err(error) => Err(error),
            Ok(()) => tokens.take_token(&id, None).await.map(drop),
        }
    }

    async fn is_allowed(&self, user_id: &UserId, key: Option<&KeyRow>) -> Result<bool> {
        Ok(match key {
            None => self.users.user(user_id).await?.is_some(),
            Some(key) => {
                let stored = self.users.key(&key.id).await?;
                key.user_id == *user_id && stored.is_some_and(|stored| stored.is_as_opened(key))
            }
        })
    }

    /// Why a claim is refused, as far as it can be told before anything is done.
    async fn refusal(&self, claim: &KeyClaim) -> Result<Option<ClaimOutcome>> {
        let (users, user_id) = (self.users(), &claim.user_id);
        let is_there = match (claim.by.token(), users.tokens()) {
            (None, _) => true,
            (Some(_), None) => false,
            (Some(token), Some(tokens)) => tokens.token(token).await?.is_some(),
        };
        let key = users.key(&claim.key_id).await?;
        let is_claimable = match &claim.by {
            ClaimedBy::Message { .. } => key.is_some_and(|key| key.user_id == *user_id),
            ClaimedBy::Note { .. } => {
                key.is_none_or(|key| key.user_id == *user_id || key.verified_at.is_none())
            }
        };
        if !is_there || !is_claimable {
            return Ok(Some(ClaimOutcome::Unknown));
        }
        if matches!(claim.by, ClaimedBy::Note { .. }) {
            return Ok(None);
        }
        let keys = users.user_keys(user_id).await?;
        let mut others = keys.iter().filter(|key| key.id != claim.key_id);
        let is_kept = others.any(KeyRow::is_way_in);
        Ok(is_kept.then_some(ClaimOutcome::Kept))
    }

    async fn take_token(&self, id: &str) -> Result<Option<TokenRow>> {
        match self.users.tokens() {
            Some(tokens) => tokens.take_token(id, None).await,
            None => Ok(None),
        }
    }
}

#[async_trait]
impl Store for Split {
    fn attempts(&self) -> Option<&dyn AttemptStore> {
        self.users.attempts()
    }

    fn tokens(&self) -> Option<&dyn TokenStore> {
        self.users.tokens()
    }

    fn mails(&self) -> Option<&dyn MailStore> {
        self.users.mails()
    }

    fn credentials(&self) -> Option<&dyn CredentialStore> {
        self.users.credentials()
    }

    #[cfg(feature = "postgres")]
    fn transactions(&self) -> Option<&dyn TransactionStore> {
        self.users.transactions()
    }

    async fn session_and_user(&self, id: &SessionId) -> Result<Option<(SessionRow, UserRow)>> {
        // Behind no lookup that waits for a store.
        if let Some(found) = self.cached(id) {
            return Ok(Some(found));
        }
        let found = if self.sessions.may_share_lookups() && self.users.may_share_lookups() {
            batch::find(self, id).await?
        } else {
            self.find(&mut None, id).await?
        };
        found.map(Found::into_row).transpose()
    }

    async fn sessions_and_users(&self, ids: &[SessionId]) -> Result<Vec<(SessionRow, UserRow)>> {
        // Past the cache of sessions, which can be behind.
        let sessions = self.sessions.sessions(&distinct(ids)).await?;
        let found = self.with_users(sessions).await?;
        found.into_iter().map(Found::into_row).collect()
    }

    async fn insert_session_by_key(
        &self,
        session: NewSessionRow,
        key: KeyRow,
    ) -> Result<Option<InsertedSession>> {
        self.insert_if_allowed(session, Some(&key)).await
    }

    /// The session that is kept goes first: of two changes that keep the same one, the second
    /// finds it gone, and nothing has happened. Then the others end, so that none of them is left
    /// when the password has changed, whatever fails later. Then the password, and the others once
    /// more: those that began by the old one between the two. Where a store fails, the caller is
    /// told, and has to sign in again; what can be left is a session that began in between.
    async fn change_password(&self, change: PasswordChange) -> Result<bool> {
        let key = self.users.key(&change.key_id).await?;
        let is_as_before = |key: KeyRow| {
            key.user_id == change.user_id && change.old.matches(key.hashed_password.as_deref())
        };
        if !key.is_some_and(is_as_before) {
            return Ok(false);
        }
        let kept = match change.kept {
            Some((id, rotation)) => {
                let session = self.sessions.session(&id).await?;
                if session.is_none_or(|session| session.user_id != change.user_id) {
                    return Ok(false);
                }
                let (kept, at) = (rotation.token.session_id(), rotation.expiries.renewed_at);
                if !self.sessions.rotate_session(&id, rotation).await? {
                    return Ok(false);
                }
                Some((kept, at))
            }
            None => None,
        };
        let (kept, at) = kept.unzip();
        self.delete_user_sessions(&change.user_id, kept.as_ref())
            .await?;
        let is_replaced = match (&kept, at, &change.old) {
            // A claim leaves a key without a password, too. It has to end this, or to come after.
            (Some(kept), Some(at), OldHash::Is(None)) if self.users.tokens().is_some() => {
                let write = KeyWrite::SetPassword {
                    id: change.key_id,
                    user_id: change.user_id.clone(),
                    hashed_password: change.hashed_password,
                };
                self.write_key(write, WrittenBy::Session(kept), at).await?
            }
            _ => {
                let (key_id, hash) = (&change.key_id, Some(&*change.hashed_password));
                let replacing =
                    self.users
                        .update_key_password(key_id, &change.user_id, hash, change.old);
                replacing.await?
            }
        };
        if !is_replaced {
            return Ok(false);
        }
        self.delete_user_sessions(&change.user_id, kept.as_ref())
            .await?;
        Ok(true)
    }

    /// The session is in another database than the key. So a token that stands for it is stored beside the key
    /// first, the session is looked at then, and the key is written while the token is there. What ends all
    /// sessions of the user ends these tokens after the sessions: a write comes before, and is found; or it
    /// finds no token; or its token came later, and then its session was gone.
    async fn write_key(&self, write: KeyWrite, by: WrittenBy<'_>, at: UnixMillis) -> Result<bool> {
        let session = match by {
            WrittenBy::Token(_) => return self.users.write_key(write, by, at).await,
            WrittenBy::Session(id) => id,
        };
        let Some(tokens) = self.users.tokens() else {
            let what = "a key is written in a session, and the store of users has no one-time tokens, which \
                        it needs where sessions are in another store";
            return Err(StoreError::Misuse(what.to_owned()));
        };
        let user_id = write.user_id().clone();
        let lease = TokenRow {
            user_id: Some(user_id.clone()),
            ..lease(UnixMillis(at.0.saturating_add(LEASE)))?
        };
        let id = lease.id.clone();
        match tokens.insert_token(lease, FormerTokens::Keep).await {
            Err(StoreError::UnknownUser) => return Ok(false),
            stored => stored?,
        }
        let found = self.sessions.session(session).await?;
        let is_there = found.is_some_and(|session| session.user_id == user_id);
        let written = match is_there {
            true => self.users.write_key(write, WrittenBy::Token(&id), at).await,
            false => Ok(false),
        };
        // It is swept, if this fails.
        let _ = tokens.take_token(&id, None).await;
        written
    }

    /// The sessions go first, so that none of them gives a key another password, and once more behind the
    /// passwords: those that began by a password between the two. Before, a link is taken: another use of it finds
    /// it gone, and ends no session that this one lets begin.
    ///
    /// A refused claim ends no session, with two exceptions: the user gets the other key at this moment, or a change
    /// of address can still be undone, which `refusal` does not check. The user then has to sign in again.
    async fn claim_key(&self, mut claim: KeyClaim) -> Result<ClaimOutcome> {
        if let Some(refused) = self.refusal(&claim).await? {
            return Ok(refused);
        }
        let mut taken = None;
        if let ClaimedBy::Message { link } = &mut claim.by
            && let Some(link) = link.take()
        {
            taken = self.take_token(&link).await?;
            if taken.is_none() {
                return Ok(ClaimOutcome::Unknown);
            }
        }
        let (key_id, user_id, at) = (claim.key_id.clone(), claim.user_id.clone(), claim.at);
        let claiming = async {
            self.sessions.delete_user_sessions(&user_id, None).await?;
            self.users.claim_key(claim).await
        };
        let outcome = claiming.await;
        let is_claimed = match &outcome {
            Ok(outcome) => matches!(outcome, ClaimOutcome::Claimed { .. }),
            // It may have been claimed all the same.
            Err(_) => {
                let key = self.users.key(&key_id).await;
                key.map_or(true, |key| {
                    key.is_some_and(|key| key.user_id == user_id && key.verified_at == Some(at))
                })
            }
        };
        if is_claimed {
            self.delete_user_sessions(&user_id, None).await?;
        } else if let (Some(link), Some(tokens)) = (taken, self.users.tokens()) {
            // The link still works. If this fails, its user needs another one.
            let _ = tokens.insert_token(link, FormerTokens::Keep).await;
        }
        outcome
    }
}

debug_of!(Split: users, sessions);

/// What the tokens are for that stand for sessions, while a key is written.
const LEASE_PURPOSE: &str = "lucia: session of a write";

/// How long such a token is kept if it is left behind, in milliseconds.
const LEASE: i64 = 60_000;

/// A token that stands for a session.
fn lease(expires: UnixMillis) -> Result<TokenRow> {
    // It is found by its id alone, which nobody is told.
    let id = SessionToken::generate().map_err(StoreError::internal)?;
    let id = id.session_id().as_str().to_owned();
    Ok(TokenRow::new(
        id,
        LEASE_PURPOSE.to_owned(),
        UnixMillis(0),
        expires,
    ))
}

forward_users!([] Split, Split::users, {
    /// The user goes first: a session without a user does not authenticate, once caches learn of it, while a
    /// user without sessions could sign in again between the two.
    async fn delete_user(&self, id: &UserId) -> Result<()> {
        let others = self.other_spellings(id).await?;
        self.users.delete_user(id).await?;
        self.sessions.delete_user_sessions(id, None).await?;
        self.end_sessions(&others, None).await
    }
});

forward_sessions!([] Split, Split::sessions, {
    #[cfg(feature = "metrics")]
    fn record_metrics(&self) {
        self.users.record_metrics();
        self.sessions.record_metrics();
        let store = self.sessions.store_name();
        self.queues.record_metrics(store);
        crate::measure::batch_waiting(store, self.queues.waiting());
    }

    /// With the writes of keys that these sessions have begun.
    async fn delete_user_sessions(
        &self,
        user_id: &UserId,
        except: Option<&SessionId>,
    ) -> Result<()> {
        // First, so that this happens even if the store of users fails.
        self.sessions.delete_user_sessions(user_id, except).await?;
        self.end_leases(user_id).await?;
        let others = self.other_spellings(user_id).await?;
        self.end_sessions(&others, except).await
    }

    /// No foreign key spans two stores.
    async fn insert_session(&self, session: NewSessionRow) -> Result<InsertedSession> {
        let inserted = self.insert_if_allowed(session, None).await?;
        inserted.ok_or(StoreError::UnknownUser)
    }
});

#[cfg(test)]
#[cfg(all(feature = "sqlite", feature = "conformance"))]
mod tests {
    use super::*;
    use crate::SqliteStore;
    use crate::store::conformance::{Case, SESSION_COLUMNS, USER_COLUMNS};

    async fn on_two_fresh_stores(case: Case) {
        let users = SqliteStore::in_memory().await.unwrap();
        users.migrate(&USER_COLUMNS).await.unwrap();

        // Its users are elsewhere, so that its table refers to none.
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("sessions.db");
        let sql = "CREATE TABLE user_session (id TEXT NOT NULL PRIMARY KEY, \
                   user_id TEXT NOT NULL, active_expires BIGINT NOT NULL, \
                   idle_expires BIGINT NOT NULL)";
        let connection = rusqlite::Connection::open(&file).unwrap();
        connection.execute_batch(sql).unwrap();
        let builder = SqliteStore::builder().session_columns(SESSION_COLUMNS);
        let sessions = builder.open(&file).await.unwrap();
        sessions.migrate(&[]).await.unwrap();

        case.run(&Split::new(Arc::new(users), Arc::new(sessions)))
            .await;
    }

    crate::store_conformance!(
        #[tokio::test]
        on_two_fresh_stores
    );
}
