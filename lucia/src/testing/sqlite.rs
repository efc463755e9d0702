use crate::SqliteStore;

/// A store over a new, empty database in memory, with the tables made, and your own columns by their
/// `definitions`, as by [`migrate`](SqliteStore::migrate).
///
/// SQLite does not know the enums, arrays and domains of Postgres. An application that uses them
/// needs some tests on Postgres too. For session columns and other settings, use
/// [`SqliteStore::builder`].
///
/// # Panics
///
/// When SQLite does not understand a definition.
pub async fn memory_store(definitions: &[&str]) -> SqliteStore {
    let made = async {
        let store = SqliteStore::in_memory().await?;
        store.migrate(definitions).await?;
        Ok(store)
    };
    made.await
        .unwrap_or_else(|error: crate::Error| panic!("the store of the test: {error}"))
}
