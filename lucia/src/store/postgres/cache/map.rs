//! The map that entries are in: bounded; what was not asked for lately goes first.
//!
//! [`Entries`](super::entries::Entries) is tested by a model that runs through the ways in which
//! threads can meet, so it is built over the model's locks in this crate's own tests.

#[cfg(test)]
pub(super) use loom::sync::{Mutex, MutexGuard};
#[cfg(not(test))]
pub(super) use std::sync::{Mutex, MutexGuard};

#[cfg(test)]
pub(super) use model::Map;

#[cfg(not(test))]
pub(super) type Map<V> = quick_cache::sync::Cache<super::changes::Digest, std::sync::Arc<V>>;

#[cfg(test)]
mod model {
    use std::collections::HashMap;
    use std::sync::Arc;

    use super::super::changes::Digest;
    use super::{Mutex, MutexGuard};

    /// A map whose every call is a step that the model may interrupt.
    pub(in super::super) struct Map<V>(Mutex<HashMap<Digest, Arc<V>>>);

    impl<V> Map<V> {
        pub(in super::super) fn new(_: usize) -> Self {
            Self(Mutex::new(HashMap::new()))
        }

        pub(in super::super) fn get(&self, key: &Digest) -> Option<Arc<V>> {
            self.lock().get(key).cloned()
        }

        pub(in super::super) fn insert(&self, key: Digest, value: Arc<V>) {
            self.lock().insert(key, value);
        }

        pub(in super::super) fn remove(&self, key: &Digest) -> Option<Arc<V>> {
            self.lock().remove(key)
        }

        pub(in super::super) fn clear(&self) {
            self.lock().clear();
        }

        fn lock(&self) -> MutexGuard<'_, HashMap<Digest, Arc<V>>> {
            self.0.lock().expect("no thread panics in it")
        }
    }
}
