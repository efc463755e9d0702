//! The index of a user's sessions: the one place where a session begins and ends.
//!
//! A lookup knows the id of a session and nothing of its user, so a session and the index of its user's
//! sessions cannot share a slot of a cluster, and no command changes both. So the index decides, and the hash
//! of a session follows:
//!
//! - A session is created by its hash, whose token nobody has yet, and then by its entry.
//! - It ends by its entry, which says from then on that the hash is to be deleted, and then by its hash. Only
//!   then is the entry removed, and only then does the call return. A call that is repeated finds the entry, and
//!   deletes the hash if the first one did not come so far. So do other calls that change the index.
//! - A rotation copies the hash, puts the entry of the copy in the place of the old one, and then deletes the old
//!   hash, from which it takes the attributes that were written meanwhile. Other calls give it ten seconds for that.
//! - A renewal moves the times of the entry, if it lives, and then those of the hash, if it is there. It brings
//!   neither back.
//!
//! So there is no hash whose token a client has and that the index does not know.

use futures_util::future::try_join_all;

use super::Parts;
use super::failure::unexpected;
use super::fields::{entry_life, sortable};
use super::scripts;
use crate::clock::random_text;
use crate::session::token::SessionId;
use crate::store::{Expiries, NewSessionRow, Result, StoreError};

/// How many commands of one call are under way at once.
pub(super) const AT_ONCE: usize = 64;

impl Parts {
    /// Commits a new session. Returns the sessions in excess, and all whose hashes are to be deleted.
    pub(super) async fn commit(
        &self,
        id: &SessionId,
        session: &NewSessionRow,
    ) -> Result<(Vec<SessionId>, Vec<String>)> {
        let expiries = session.expiries;
        let limit = session.limit.map(|limit| limit.to_string());
        let arguments = [
            id.as_str(),
            &call()?,
            &sortable(expiries.renewed_at),
            &sortable(expiries.idle_expires),
            &sortable(session.created_at),
            &entry_life(expiries).to_string(),
            limit.as_deref().unwrap_or_default(),
            session.replaces.as_ref().map_or("", SessionId::as_str),
        ];
        let index = self.index(session.user_id.as_str());
        let asked = self.run(
            &scripts::INSERT,
            &index,
            &arguments,
            "the sessions in excess",
        );
        let (excess, mut ended): (Vec<String>, Vec<String>) = asked.await?;
        ended.extend_from_slice(&excess);
        Ok((session_ids(&excess)?, ended))
    }

    /// Moves the times of a session. Returns whether it lives.
    pub(super) async fn renew_entry(
        &self,
        user_id: &str,
        id: &SessionId,
        expiries: Expiries,
    ) -> Result<bool> {
        let arguments = [
            id.as_str(),
            &sortable(expiries.renewed_at),
            &sortable(expiries.idle_expires),
            &entry_life(expiries).to_string(),
        ];
        let index = self.index(user_id);
        let asked = self.connection.run(
            &scripts::RENEW,
            &index,
            &arguments,
            "whether a session lives",
        );
        asked.await
    }

    /// Puts a session in the place of another one. Returns whether it is there, and the sessions whose hashes
    /// are to be deleted.
    pub(super) async fn rotate_entry(
        &self,
        user_id: &str,
        old: &SessionId,
        new: &SessionId,
        expiries: Expiries,
    ) -> Result<(bool, Vec<String>)> {
        let arguments = [
            old.as_str(),
            new.as_str(),
            &call()?,
            &sortable(expiries.renewed_at),
            &sortable(expiries.idle_expires),
            &entry_life(expiries).to_string(),
        ];
        let index = self.index(user_id);
        let asked = self.run(
            &scripts::ROTATE,
            &index,
            &arguments,
            "whether a session lives",
        );
        asked.await
    }

    /// Ends a session, and returns when its hash is deleted. Of several calls at once, one says that it did.
    pub(super) async fn end(&self, user_id: &str, id: &SessionId) -> Result<bool> {
        let arguments = [id.as_str(), &call()?];
        let index = self.index(user_id);
        let what = "how a session ended";
        let asked = self.run(&scripts::END, &index, &arguments, what);
        let (ending, mut others): (String, Vec<String>) = asked.await?;
        others.retain(|other| other != id.as_str());
        let is_deleted = self.unlink(id.as_str()).await?;
        self.finish(user_id, &others).await?;
        self.forget(user_id, &[id.as_str()]).await?;
        match &*ending {
            "ended" => Ok(true),
            "ending" => Ok(false),
            // Another call has forgotten it already, or a failover has.
            "unknown" => Ok(is_deleted),
            _ => Err(unexpected(what)),
        }
    }

    /// Ends the sessions of a user except one, and returns when their hashes are deleted.
    pub(super) async fn end_all(&self, user_id: &str, except: Option<&SessionId>) -> Result<()> {
        let arguments = [except.map_or("", SessionId::as_str), &call()?];
        let index = self.index(user_id);
        let asked = self.run(&scripts::END_ALL, &index, &arguments, "sessions that ended");
        let ended: Vec<String> = asked.await?;
        self.finish(user_id, &ended).await
    }

    /// The ids of the sessions of a user that live.
    pub(super) async fn live(&self, user_id: &str) -> Result<Vec<SessionId>> {
        let mut command = redis::cmd("HGETALL");
        command.arg(self.index(user_id));
        let asked = self.connection.ask(&command, "an index of sessions");
        let entries: Vec<(String, String)> = asked.await?;
        let live = entries.iter().filter(|(_, value)| value.starts_with('L'));
        live.map(|(id, _)| session_id(id)).collect()
    }

    /// Deletes the hashes of sessions that have ended, and then forgets them.
    pub(super) async fn finish(&self, user_id: &str, ended: &[String]) -> Result<()> {
        for ended in ended.chunks(AT_ONCE) {
            let mut deletions = Vec::new();
            for id in ended {
                deletions.push(self.unlink(id));
            }
            try_join_all(deletions).await?;
            // At once, so that a call that is repeated goes on where this one was given up.
            let ended: Vec<&str> = ended.iter().map(String::as_str).collect();
            self.forget(user_id, &ended).await?;
        }
        Ok(())
    }

    /// Deletes a hash. Returns whether it was there.
    pub(super) async fn unlink(&self, id: &str) -> Result<bool> {
        let _changing = id.parse().map(|id| self.cache.session_changes(&id));
        let key = self.key(id);
        let mut command = redis::cmd("UNLINK");
        command.arg(&key);
        let what = "how many keys it deleted";
        match &self.replicas {
            Some(replicas) => replicas.ask(command, &key, what).await,
            None => self.connection.ask(&command, what).await,
        }
    }

    /// No replica has to have it: an entry that is left is finished again.
    async fn forget(&self, user_id: &str, ended: &[&str]) -> Result<()> {
        let index = self.index(user_id);
        let asked = self
            .connection
            .run(&scripts::FORGET, &index, ended, "nothing");
        asked.await.map(|_: i64| ())
    }
}

/// A name for a call, by which a script knows what it has done when it runs once more.
fn call() -> Result<String> {
    random_text(16).map_err(StoreError::internal)
}

fn session_ids(ids: &[String]) -> Result<Vec<SessionId>> {
    ids.iter().map(|id| session_id(id)).collect()
}

fn session_id(text: &str) -> Result<SessionId> {
    let unreadable = |_| unexpected("the id of a session");
    text.parse().map_err(unreadable)
}
