//! What the tests share.

use lucia::{RedisStore, RedisStoreBuilder};

/// Settings with a prefix that no other test of this process has.
pub(crate) fn builder() -> RedisStoreBuilder {
    use std::sync::atomic::{AtomicUsize, Ordering};

    static NUMBER: AtomicUsize = AtomicUsize::new(0);

    let number = NUMBER.fetch_add(1, Ordering::Relaxed);
    RedisStore::builder().prefix(format!("test{number}"))
}
