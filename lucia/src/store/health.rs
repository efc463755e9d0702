//! [`Health`]: whether stores work, for their operators.

use serde::Serialize;

/// Whether something works. The worst status is the greatest.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum HealthStatus {
    /// It works.
    Up,
    /// It answers lookups, but is impaired: writes fail, calls wait, or a crash would lose confirmed
    /// writes.
    Degraded,
    /// It does not answer, or its writes are lost.
    Down,
}

/// The result of [`Auth::health`](crate::Auth::health).
///
/// In JSON it is
/// `{"status": "degraded", "stores": [{"name": "postgres", "status": "degraded", "reasons": [".."]}]}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Health {
    /// The worst status of the stores.
    pub status: HealthStatus,
    /// The store of [`Auth::builder`](crate::Auth::builder), and then that of
    /// [`AuthBuilder::sessions`](crate::AuthBuilder::sessions), if there is one.
    pub stores: Vec<StoreHealth>,
}

/// Whether a store works.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct StoreHealth {
    /// The kind of store: [`SessionStore::store_name`](super::SessionStore::store_name).
    pub name: String,
    /// Whether it works.
    pub status: HealthStatus,
    /// What is wrong, in plain words for an operator; empty while the store is up. The reasons name
    /// settings, but no hosts, accounts or stored values.
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

    /// Adds a reason why the store is impaired. A store that is down stays down.
    #[must_use]
    pub fn degraded(self, reason: impl Into<String>) -> Self {
        self.with(HealthStatus::Degraded, reason.into())
    }

    /// Adds a reason why the store is down.
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
