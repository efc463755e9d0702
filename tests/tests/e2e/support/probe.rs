//! Stands before a store: notes what it is asked, fails and halts where a test wants it.

use std::collections::HashMap;
use std::convert::identity;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use lucia::store::{
    AttemptStore, ClaimOutcome, CountedAttempt, CountedPlace, CredentialRow, CredentialStore,
    Expiries, FormerTokens, InsertedSession, KeyClaim, KeyDeletion, KeyRow, KeyWrite, LastKey,
    MailRow, MailStore, NewAttempt, NewSessionRow, NewUserRow, OldHash, Owner, PasswordChange,
    Result, Rotation, SessionRow, SessionStore, Store, StoreError, TokenRow, TokenStore,
    UnixMillis, UserRow, UserStore, UserTable, WrittenBy,
};
use lucia::{SessionId, UserId};
use serde_json::{Map, Value};
use tokio::sync::Semaphore;

/// Where an attempt waits that was counted, in place of a method.
pub(crate) const ADMITTED: &str = "an attempt that was counted";

/// The handle of a test on the stores behind it.
#[derive(Clone, Default)]
pub(crate) struct Probe(Arc<Mutex<State>>);

#[derive(Default)]
struct State {
    calls: Vec<&'static str>,
    down: bool,
    breaks_after: Option<&'static str>,
    loses_answers_of: Option<&'static str>,
    refused: Option<&'static str>,
    counts_no_attempts: bool,
    has_no_tokens: bool,
    has_no_credentials: bool,
    gates: HashMap<&'static str, Gate>,
}

/// Where calls wait.
#[derive(Clone)]
struct Gate {
    arrived: Arc<Semaphore>,
    released: Arc<Semaphore>,
}

impl Probe {
    /// The store with this probe before it.
    pub(crate) fn before(&self, store: Arc<dyn Store>) -> impl Store + use<> {
        Probed {
            store,
            probe: self.clone(),
        }
    }

    /// What was asked since the last call.
    pub(crate) fn calls(&self) -> Vec<&'static str> {
        std::mem::take(&mut self.state().calls)
    }

    /// From now on every call fails, or none does.
    pub(crate) fn set_down(&self, down: bool) {
        self.state().down = down;
    }

    /// Every call fails from the end of the next call of `method` on. That one has taken effect, and its answer is
    /// lost.
    pub(crate) fn break_after(&self, method: &'static str) {
        self.state().breaks_after = Some(method);
    }

    /// From now on calls of `method` fail after they have taken effect.
    pub(crate) fn lose_answers_of(&self, method: &'static str) {
        self.state().loses_answers_of = Some(method);
    }

    /// From now on calls of `method` fail, and no others.
    pub(crate) fn refuse(&self, method: &'static str) {
        self.state().refused = Some(method);
    }

    /// From now on the store cannot count attempts to sign in.
    pub(crate) fn count_no_attempts(&self) {
        self.state().counts_no_attempts = true;
    }

    /// From now on the store has no one-time tokens.
    pub(crate) fn have_no_tokens(&self) {
        self.state().has_no_tokens = true;
    }

    /// From now on the store has no place for credentials.
    pub(crate) fn have_no_credentials(&self) {
        self.state().has_no_credentials = true;
    }

    /// Makes calls of `method` wait before they reach the store.
    pub(crate) fn halt(&self, method: &'static str) {
        let gate = Gate {
            arrived: Arc::new(Semaphore::new(0)),
            released: Arc::new(Semaphore::new(0)),
        };
        self.state().gates.insert(method, gate);
    }

    /// Waits until a call of `method` waits.
    pub(crate) async fn arrived(&self, method: &'static str) {
        let arrived = self.state().gates[method].arrived.clone();
        let arrival = tokio::time::timeout(Duration::from_secs(60), arrived.acquire()).await;
        let permit = arrival.unwrap_or_else(|_| panic!("nobody calls {method}"));
        permit.unwrap().forget();
    }

    /// Lets the calls of `method` go on.
    pub(crate) fn release(&self, method: &'static str) {
        let gate = self.state().gates.remove(method);
        gate.unwrap().released.close();
    }

    async fn enter(&self, method: &'static str) -> Result<()> {
        self.state().calls.push(method);
        self.pass(method).await;
        let state = self.state();
        if state.down || state.refused == Some(method) {
            return Err(StoreError::unavailable("the probe is down"));
        }
        Ok(())
    }

    fn leave(&self, method: &'static str) -> Result<()> {
        let mut state = self.state();
        let breaks = state.breaks_after.take_if(|after| *after == method);
        state.down |= breaks.is_some();
        if breaks.is_some() || state.loses_answers_of == Some(method) {
            return Err(StoreError::unavailable("the probe has lost the answer"));
        }
        Ok(())
    }

    /// Waits at a gate, if there is one.
    async fn pass(&self, gate: &'static str) {
        let gate = self.state().gates.get(gate).cloned();
        if let Some(gate) = gate {
            gate.arrived.add_permits(1);
            // Closed is released.
            let _ = gate.released.acquire().await;
        }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        self.0.lock().unwrap()
    }
}

struct Probed {
    store: Arc<dyn Store>,
    probe: Probe,
}

impl fmt::Debug for Probed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.store.fmt(f)
    }
}

fn attempts(store: &Arc<dyn Store>) -> &dyn AttemptStore {
    store.attempts().unwrap()
}

fn credentials(store: &Arc<dyn Store>) -> &dyn CredentialStore {
    store.credentials().unwrap()
}

fn mails(store: &Arc<dyn Store>) -> &dyn MailStore {
    store.mails().unwrap()
}

fn tokens(store: &Arc<dyn Store>) -> &dyn TokenStore {
    store.tokens().unwrap()
}

/// Writes each method out as: enter the probe, ask the store, leave the probe.
macro_rules! probed {
    ($interface:ident as $behind:expr, { $($head:item)* } $(
        $method:ident($($argument:ident: $type:ty),*) -> $answer:ty;
    )*) => {
        #[async_trait]
        impl $interface for Probed {
            $($head)*
            $(async fn $method(&self, $($argument: $type),*) -> Result<$answer> {
                self.probe.enter(stringify!($method)).await?;
                let answer = $behind(&self.store).$method($($argument),*).await?;
                self.probe.leave(stringify!($method))?;
                Ok(answer)
            })*
        }
    };
}

probed! {
    Store as identity, {
        fn tokens(&self) -> Option<&dyn TokenStore> {
            let tokens = self.store.tokens().map(|_| self as &dyn TokenStore);
            tokens.filter(|_| !self.probe.state().has_no_tokens)
        }

        fn mails(&self) -> Option<&dyn MailStore> {
            self.store.mails().map(|_| self as &dyn MailStore)
        }

        fn credentials(&self) -> Option<&dyn CredentialStore> {
            let credentials = self.store.credentials();
            let credentials = credentials.map(|_| self as &dyn CredentialStore);
            credentials.filter(|_| !self.probe.state().has_no_credentials)
        }

        fn lookups_may_lag(&self) -> bool {
            self.store.lookups_may_lag()
        }

        fn attempts(&self) -> Option<&dyn AttemptStore> {
            let attempts = self.store.attempts().map(|_| self as &dyn AttemptStore);
            attempts.filter(|_| !self.probe.state().counts_no_attempts)
        }
    }
    session_and_user(id: &SessionId) -> Option<(SessionRow, UserRow)>;
    sessions_and_users(ids: &[SessionId]) -> Vec<(SessionRow, UserRow)>;
    insert_session_by_key(session: NewSessionRow, key: KeyRow) -> Option<InsertedSession>;
    change_password(change: PasswordChange) -> bool;
    write_key(write: KeyWrite, by: WrittenBy<'_>, at: UnixMillis) -> bool;
    claim_key(claim: KeyClaim) -> ClaimOutcome;
}

probed! {
    UserStore as identity, {
        fn user_table(&self) -> &str {
            self.store.user_table()
        }
    }
    describe_users() -> UserTable;
    insert_user(user: NewUserRow, key: Option<KeyRow>) -> UserRow;
    user(id: &UserId) -> Option<UserRow>;
    update_user(id: &UserId, attributes: Map<String, Value>) -> Option<UserRow>;
    delete_user(id: &UserId) -> ();
    insert_key(key: KeyRow) -> ();
    key(id: &str) -> Option<KeyRow>;
    user_keys(user_id: &UserId) -> Vec<KeyRow>;
    update_key_password(id: &str, user_id: &UserId, hashed_password: Option<&str>, old: OldHash) -> bool;
    delete_key(id: &str, last: LastKey) -> KeyDeletion;
}

probed! {
    AttemptStore as attempts, {
        async fn count_attempt(&self, attempt: NewAttempt) -> Result<CountedAttempt> {
            self.probe.enter("count_attempt").await?;
            let counted = attempts(&self.store).count_attempt(attempt).await?;
            if !counted.places.is_empty() {
                self.probe.pass(ADMITTED).await;
            }
            Ok(counted)
        }
    }
    check_attempts() -> ();
    uncount_attempt(places: &[CountedPlace]) -> ();
    delete_old_attempts(now: UnixMillis, limit: u32) -> u64;
}

probed! {
    CredentialStore as credentials, {}
    check_credentials() -> ();
    insert_credential(credential: CredentialRow) -> bool;
    credential(id: &str) -> Option<CredentialRow>;
    user_credentials(user_id: &UserId, kind: &str) -> Vec<CredentialRow>;
    replace_credential_data(id: &str, old: &str, new: &str, used_at: Option<UnixMillis>) -> bool;
    delete_credential(id: &str, user_id: &UserId, data: Option<&str>) -> bool;
}

probed! {
    MailStore as mails, {}
    check_mails() -> ();
    insert_mail(mail: MailRow) -> ();
    claim_mail(now: UnixMillis, until: UnixMillis) -> Option<MailRow>;
    postpone_mail(id: &str, attempts: u32, due: UnixMillis) -> bool;
    delete_mail(id: &str) -> bool;
}

probed! {
    TokenStore as tokens, {}
    check_tokens() -> ();
    insert_token(token: TokenRow, former: FormerTokens) -> ();
    token(id: &str) -> Option<TokenRow>;
    take_token(id: &str, hashed_code: Option<&str>) -> Option<TokenRow>;
    try_code(id: &str) -> Option<TokenRow>;
    delete_user_tokens(user_id: &UserId) -> ();
    delete_expired_tokens(now: UnixMillis, limit: u32) -> u64;
}

probed! {
    SessionStore as identity, {
        fn session_table(&self) -> &str {
            self.store.session_table()
        }
    }
    insert_session(session: NewSessionRow) -> InsertedSession;
    session(id: &SessionId) -> Option<SessionRow>;
    sessions(ids: &[SessionId]) -> Vec<SessionRow>;
    user_sessions(user_id: &UserId) -> Vec<SessionRow>;
    renew_session(id: &SessionId, expiries: Expiries) -> bool;
    rotate_session(id: &SessionId, rotation: Rotation) -> bool;
    update_session(id: &SessionId, attributes: Map<String, Value>) -> Option<SessionRow>;
    delete_session(id: &SessionId, owner: Owner<'_>) -> bool;
    delete_user_sessions(user_id: &UserId, except: Option<&SessionId>) -> ();
    delete_expired_sessions(now: UnixMillis, limit: u32) -> u64;
}
