use crate::SqliteStore;

/// A store on a new, empty database in memory, with lucia's tables and your own columns by their
/// `definitions`, as created by [`migrate`](SqliteStore::migrate).
///
/// SQLite does not have the enums, arrays and domains of Postgres. An application that uses them also needs
/// some tests on Postgres. For session columns and other settings, use [`SqliteStore::builder`].
///
/// # Panics
///
/// If SQLite does not accept a definition.
pub async fn memory_store(definitions: &[&str]) -> SqliteStore {
    let made = async {
        let store = SqliteStore::in_memory().await?;
        store.migrate(definitions).await?;
        Ok(store)
    };
    made.await
        .unwrap_or_else(|error: crate::Error| panic!("the store of the test: {error}"))
}
