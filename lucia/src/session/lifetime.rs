//! Every rule about the time of a session.

use std::time::{Duration, SystemTime};

use super::SessionState;
use crate::clock::UnixMillis;
use crate::session::token::SessionToken;

/// How long sessions live.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Lifetime {
    /// How long a session is used without a renewal.
    pub(crate) active: Duration,
    /// How long after that a request still renews it.
    pub(crate) idle: Duration,
    /// The same of a session that is not persistent. `None` is a day, or `idle` where that is shorter.
    pub(crate) browser_idle: Option<Duration>,
    /// How long after its creation it expires, however much it is used.
    pub(crate) absolute: Option<Duration>,
}

const DAY: Duration = Duration::from_secs(24 * 60 * 60);

impl Default for Lifetime {
    fn default() -> Self {
        Self {
            active: DAY,
            idle: 14 * DAY,
            browser_idle: None,
            absolute: None,
        }
    }
}

/// What a creation or a renewal writes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Expiries {
    /// The moment of the creation or renewal.
    pub renewed_at: UnixMillis,
    /// The end of the active period.
    pub active_expires: UnixMillis,
    /// The end of the idle period, and of the session.
    pub idle_expires: UnixMillis,
}

impl Expiries {
    /// The times of a session that is created or renewed at the first of them.
    #[must_use]
    pub fn new(
        renewed_at: UnixMillis,
        active_expires: UnixMillis,
        idle_expires: UnixMillis,
    ) -> Self {
        Self {
            renewed_at,
            active_expires,
            idle_expires,
        }
    }
}

/// Another token for a session.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Rotation {
    /// The new token.
    pub token: SessionToken,
    /// The times from now on: a rotation renews as well.
    pub expiries: Expiries,
    /// When its user last proved who they are, if that is now.
    pub authenticated_at: Option<UnixMillis>,
}

impl Rotation {
    /// Another token, and the times from now on.
    #[must_use]
    pub fn new(token: SessionToken, expiries: Expiries) -> Self {
        Self {
            token,
            expiries,
            authenticated_at: None,
        }
    }
}

impl Lifetime {
    /// The expiries of a session created at `created_at` that is created or renewed `now`.
    pub(crate) fn expiries(
        &self,
        created_at: UnixMillis,
        persistent: bool,
        now: UnixMillis,
    ) -> Expiries {
        let end = self.end(created_at);
        let idle = match persistent {
            true => self.idle,
            false => self.browser_idle.unwrap_or(DAY.min(self.idle)),
        };
        Expiries {
            renewed_at: now,
            active_expires: now.plus(self.active).min(end),
            idle_expires: now.plus(self.active).plus(idle).min(end),
        }
    }

    /// The state `now` of a session created at `created_at`, `None` when it is expired. Both ends are
    /// part of their period.
    pub(crate) fn state(
        &self,
        created_at: UnixMillis,
        expiries: Expiries,
        now: UnixMillis,
    ) -> Option<SessionState> {
        if self.is_over(created_at, expiries.idle_expires, now) {
            None
        } else if now > expiries.active_expires {
            Some(SessionState::Idle)
        } else {
            Some(SessionState::Active)
        }
    }

    /// Whether a session created at `created_at` is expired `now`.
    pub(crate) fn is_over(
        &self,
        created_at: UnixMillis,
        idle_expires: UnixMillis,
        now: UnixMillis,
    ) -> bool {
        now > idle_expires || now > self.end(created_at)
    }

    /// Whether an authentication at `authenticated_at` was within `period`.
    pub(crate) fn is_recent(
        authenticated_at: Option<SystemTime>,
        period: Duration,
        now: UnixMillis,
    ) -> bool {
        authenticated_at.is_some_and(|moment| now <= UnixMillis::from(moment).plus(period))
    }

    fn end(&self, created_at: UnixMillis) -> UnixMillis {
        self.absolute
            .map_or(UnixMillis(i64::MAX), |absolute| created_at.plus(absolute))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LIFETIME: Lifetime = Lifetime {
        active: Duration::from_secs(100),
        idle: Duration::from_secs(1000),
        browser_idle: Some(Duration::from_secs(10)),
        absolute: None,
    };

    /// The states at these times of a session created at 0 whose last renewal gave it these expiries.
    fn states<const N: usize>(
        lifetime: &Lifetime,
        expiries: Expiries,
        times: [i64; N],
    ) -> [Option<SessionState>; N] {
        times.map(|now| lifetime.state(UnixMillis(0), expiries, UnixMillis(now)))
    }

    fn renewed_at(lifetime: &Lifetime, now: i64) -> Expiries {
        lifetime.expiries(UnixMillis(0), true, UnixMillis(now))
    }

    #[test]
    fn a_session_is_active_up_to_and_including_its_active_expiry() {
        let states = states(&LIFETIME, renewed_at(&LIFETIME, 0), [100_000, 100_001]);
        assert_eq!(
            states,
            [Some(SessionState::Active), Some(SessionState::Idle)]
        );
    }

    #[test]
    fn the_idle_period_counts_from_the_end_of_the_active_one() {
        let states = states(&LIFETIME, renewed_at(&LIFETIME, 0), [1_100_000, 1_100_001]);
        assert_eq!(states, [Some(SessionState::Idle), None]);
    }

    #[test]
    fn a_session_that_is_not_persistent_has_an_idle_period_that_differs() {
        let at = UnixMillis(5000);
        let persistent = LIFETIME.expiries(UnixMillis(0), true, at);
        let other = LIFETIME.expiries(UnixMillis(0), false, at);
        assert_eq!(persistent.idle_expires, UnixMillis(1_105_000));
        assert_eq!(
            other,
            Expiries {
                idle_expires: UnixMillis(115_000),
                ..persistent
            }
        );
    }

    #[test]
    fn an_absolute_lifetime_bounds_both_kinds_of_sessions() {
        let lifetime = Lifetime {
            absolute: Some(Duration::from_secs(105)),
            ..LIFETIME
        };
        for persistent in [true, false] {
            let expiries = lifetime.expiries(UnixMillis(0), persistent, UnixMillis(2000));
            assert_eq!(expiries.active_expires, UnixMillis(102_000));
            assert_eq!(expiries.idle_expires, UnixMillis(105_000));
        }
    }

    #[test]
    fn a_proof_is_recent_up_to_and_including_the_end_of_its_period() {
        let proof = Some(SystemTime::from(UnixMillis(1000)));
        let minute = Duration::from_secs(60);
        assert!(Lifetime::is_recent(proof, minute, UnixMillis(61_000)));
        assert!(!Lifetime::is_recent(proof, minute, UnixMillis(61_001)));
        assert!(!Lifetime::is_recent(None, minute, UnixMillis(1000)));
    }

    #[test]
    fn an_absolute_lifetime_bounds_what_renewal_can_reach() {
        let lifetime = Lifetime {
            absolute: Some(Duration::from_secs(150)),
            ..LIFETIME
        };
        let expiries = renewed_at(&lifetime, 120_000);
        assert_eq!(expiries.active_expires, UnixMillis(150_000));
        assert_eq!(expiries.idle_expires, UnixMillis(150_000));
        let states = states(&lifetime, expiries, [150_000, 150_001]);
        assert_eq!(states, [Some(SessionState::Active), None]);
    }

    #[test]
    fn an_absolute_lifetime_holds_for_sessions_from_before_it_was_set() {
        let expiries = renewed_at(&LIFETIME, 0);
        let lifetime = Lifetime {
            absolute: Some(Duration::from_secs(50)),
            ..LIFETIME
        };
        assert_eq!(states(&lifetime, expiries, [50_001]), [None]);
    }
}
