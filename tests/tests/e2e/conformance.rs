//! `PgStore` passes the suite that every store passes.

use lucia::PgStore;
use lucia::store::conformance::{Case, SESSION_COLUMNS, USER_COLUMNS};
use lucia_tests::Database;

async fn on_a_fresh_database(case: Case) {
    let database = Database::new().await;
    let builder = PgStore::builder().session_columns(SESSION_COLUMNS);
    let store = builder.connect(&database.url()).await.unwrap();
    store.migrate(&USER_COLUMNS).await.unwrap();
    case.run(&store).await;
}

lucia::store_conformance!(
    #[tokio::test]
    on_a_fresh_database
);
