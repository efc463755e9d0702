//! Which of several session cookies counts.
//!
//! A browser sends all cookies of a name that fit a request: those of a parent domain beside those
//! of the host, and those of a path beside those of a longer one. Nothing in the request tells them
//! apart, and their order must not decide. So one statement looks up all of them.

use super::Auth;
use crate::Result;
use crate::event::InvalidationCause;
use crate::session::Session;
use crate::session::token::{SessionId, SessionToken};
use crate::store::{SessionRow, UserRow};

type Row = (SessionRow, UserRow);

impl Auth {
    /// The valid session of one of these tokens, which a request has in several cookies: that of
    /// the only valid session, or the newest one where all are of one user. `None` where valid
    /// sessions of different users are among them.
    pub(crate) async fn validate_one_of(
        &self,
        tokens: &[SessionToken],
    ) -> Result<Option<(Session, UserRow)>> {
        let ids: Vec<SessionId> = tokens.iter().map(SessionToken::session_id).collect();
        let mut valid = self.ask(self.store().sessions_and_users(&ids)).await?;
        let now = self.now();
        let lifetime = &self.0.lifetime;
        valid.retain(|(row, _)| !lifetime.is_over(row.created_at, row.expiries.idle_expires, now));
        let (chosen, passed_over) = choose(valid);
        log(chosen.as_ref(), &passed_over);
        let Some((row, user)) = chosen else {
            return Ok(None);
        };
        let Some(at) = ids.iter().position(|id| *id == row.id) else {
            return Ok(None);
        };
        self.validate_row(&tokens[at], row, user).await
    }

    /// Ends the sessions of these tokens, except the one named.
    ///
    /// # Errors
    ///
    /// [`Error::Unavailable`](crate::Error::Unavailable) if the store is unavailable. Some may have ended.
    pub(crate) async fn invalidate_all_of(
        &self,
        tokens: &[SessionToken],
        except: Option<&SessionId>,
    ) -> Result<()> {
        let ids = tokens.iter().map(SessionToken::session_id);
        for id in ids.filter(|id| Some(id) != except) {
            self.revoke_session(&id, InvalidationCause::SetSession)
                .await?;
        }
        Ok(())
    }
}

/// Says that a request has more session cookies than are looked up.
pub(crate) fn warn_of_too_many() {
    tracing::warn!(
        "a request has too many different session cookies to look them up, and is anonymous: \
         something sets cookies of this name for other paths or domains of this site; a name that \
         begins with `__Host-` keeps other hosts from it"
    );
}

/// Which of several valid sessions counts, and the ids of the others.
fn choose(mut valid: Vec<Row>) -> (Option<Row>, Vec<SessionId>) {
    valid.sort_by(|(one, _), (other, _)| {
        (one.created_at, &one.id).cmp(&(other.created_at, &other.id))
    });
    let is_one_user = valid.windows(2).all(|two| two[0].1.id == two[1].1.id);
    let chosen = if is_one_user { valid.pop() } else { None };
    (chosen, valid.into_iter().map(|(row, _)| row.id).collect())
}

/// Once for each request that looks up several. An operator cannot see these cookies otherwise:
/// a browser shows the server no path and no domain of a cookie.
fn log(chosen: Option<&Row>, passed_over: &[SessionId]) {
    if passed_over.is_empty() {
        return;
    }
    let passed_over: Vec<_> = passed_over.iter().map(SessionId::as_str).collect();
    let passed_over = passed_over.join(" ");
    match chosen {
        Some((row, user)) => tracing::warn!(
            user_id = %user.id, session_id = %row.id, passed_over,
            "a request has several session cookies with valid sessions of one user, and the \
             newest session counts: the cookie is set for more than one path or domain, as \
             after a change of `CookieOptions`; have a response remove the cookie of the old \
             path or domain"
        ),
        None => tracing::warn!(
            passed_over,
            "a request has several session cookies with valid sessions of different users, and \
             is anonymous: the cookie is set for more than one path or domain, as by another \
             site on a parent domain; signing in again ends these sessions; give each site a \
             cookie name, or one that begins with `__Host-`, which other hosts cannot set"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::store::{Expiries, UnixMillis};
    use crate::user::UserId;

    fn row(id: char, user: &str, created_at: i64) -> Row {
        let (created_at, never) = (UnixMillis(created_at), UnixMillis(i64::MAX));
        let session = SessionRow::new(
            id.to_string().repeat(64).parse().unwrap(),
            UserId::new(user).unwrap(),
            created_at,
            Expiries::new(created_at, never, never),
        );
        let user = UserRow {
            id: UserId::new(user).unwrap(),
            attributes: "{}".to_owned(),
        };
        (session, user)
    }

    /// The first letter of the id of the chosen session, which is the same in each order.
    fn chosen(rows: &[Row]) -> Option<String> {
        let mut rows = rows.to_vec();
        let choice = choose(rows.clone());
        let (chosen, passed_over) = &choice;
        assert_eq!(
            passed_over.len(),
            rows.len() - usize::from(chosen.is_some())
        );
        for _ in 0..rows.len() {
            rows.rotate_left(1);
            assert_eq!(choose(rows.clone()), choice);
            let reversed: Vec<_> = rows.iter().rev().cloned().collect();
            assert_eq!(choose(reversed), choice);
        }
        let (session, _) = choice.0?;
        Some(session.id.as_str()[..1].to_owned())
    }

    #[test]
    fn r14_of_valid_sessions_the_newest_counts_if_all_are_of_one_user() {
        assert_eq!(chosen(&[]), None);
        assert_eq!(chosen(&[row('a', "ada", 1)]).as_deref(), Some("a"));
        let two = [row('b', "ada", 1), row('a', "ada", 2)];
        assert_eq!(chosen(&two).as_deref(), Some("a"));
        let at_once = [row('a', "ada", 1), row('b', "ada", 1), row('0', "ada", 0)];
        assert_eq!(chosen(&at_once).as_deref(), Some("b"));
        assert_eq!(chosen(&[row('a', "ada", 1), row('b', "bob", 2)]), None);
        let three = [row('a', "ada", 1), row('b', "bob", 2), row('c', "ada", 3)];
        assert_eq!(chosen(&three), None);
    }
}
