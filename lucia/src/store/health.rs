//! [`Health`]: whether stores work, as their operator is told.

use serde::Serialize;

/// Whether something works. The worst is the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// It works.
    Up,
    /// It answers lookups, and works with less than it should: writes fail, calls wait, or a crash would lose
    /// what was answered.
    Degraded,
    /// It does not answer, or what it is told is lost.
    Down,
}

/// What [`Auth::health`](crate::Auth::health) found out.
///
/// Serialized it is `{"status": "degraded", "stores": [{"name": "postgres", "status": "degraded", "reasons":
/// [".."]}]}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Health {
    /// The worst status of the stores.
    pub status: HealthStatus,
    /// The store that was given to [`Auth::builder`](crate::Auth::builder), and then that of
    /// [`AuthBuilder::sessions`](crate::AuthBuilder::sessions), if there is one.
    pub stores: Vec<StoreHealth>,
}

/// Whether a store works.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StoreHealth {
    /// What kind of store it is: [`SessionStore::store_name`](super::SessionStore::store_name).
    pub name: String,
    /// Whether it works.
    pub status: HealthStatus,
    /// What is wrong, in plain words for an operator; nothing while it is up. They name settings, and neither
    /// hosts nor accounts nor anything that is stored.
    pub reasons: Vec<String>,
}

impl Health {
    pub(crate) fn new(stores: Vec<StoreHealth>) -> Self {
        let worst = stores.iter().map(|store| store.status).max();
        Self {
            status: worst.unwrap_or(HealthStatus::Up),
            stores,
        }
    }
}

impl StoreHealth {
    /// A store that works.
    pub fn up(name: impl Into<String>) -> Self {
        Self {
            name: name.into(),
            status: HealthStatus::Up,
            reasons: Vec::new(),
        }
    }

    /// With a reason why it works with less than it should. What is down stays down.
    #[must_use]
    pub fn degraded(self, reason: impl Into<String>) -> Self {
        self.with(HealthStatus::Degraded, reason.into())
    }

    /// With a reason why it is down.
    #[must_use]
    pub fn down(self, reason: impl Into<String>) -> Self {
        self.with(HealthStatus::Down, reason.into())
    }

    fn with(mut self, status: HealthStatus, reason: String) -> Self {
        self.status = self.status.max(status);
        // Several servers of one store may have the same.
        if !self.reasons.contains(&reason) {
            self.reasons.push(reason);
        }
        self
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_worst_counts_and_each_reason_is_told_once() {
        let up = StoreHealth::up("one");
        let degraded = up.clone().degraded("slow").degraded("slow");
        let down = degraded.clone().down("away").degraded("read-only");
        for (stores, status) in [
            (vec![up.clone()], "up"),
            (vec![degraded.clone(), up.clone()], "degraded"),
            (vec![up.clone(), down.clone(), degraded], "down"),
        ] {
            let health = serde_json::to_value(Health::new(stores)).unwrap();
            assert_eq!(health["status"], status);
        }
        let expected =
            json!({ "name": "one", "status": "down", "reasons": ["slow", "away", "read-only"] });
        assert_eq!(serde_json::to_value(down).unwrap(), expected);
    }
}
