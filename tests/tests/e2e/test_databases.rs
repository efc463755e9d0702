//! `lucia::testing::PgDatabase`: a database that comes and goes with a test.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;

use lucia::testing::PgDatabase;
use lucia::{Auth, NewUser, PgStore, User};
use lucia_tests::{Database, Proxy, Server, programs_are_installed, server_url, skip};
use serde_json::json;
use tokio_postgres::{Client, NoTls};

use crate::support::eventually;

async fn connect(url: &str) -> Client {
    let (client, connection) = tokio_postgres::connect(url, NoTls).await.unwrap();
    tokio::spawn(connection);
    client
}

async fn exists(name: &str) -> bool {
    let client = connect(&server_url().await).await;
    let sql = "SELECT FROM pg_database WHERE datname = $1";
    !client.query(sql, &[&name]).await.unwrap().is_empty()
}

/// Works with the database as a test of an application does.
async fn sign_up(store: PgStore) {
    let auth = Auth::builder(store).build().unwrap();
    let ada = json!({ "username": "ada" });
    let ada = NewUser::without_key().attributes(&ada).returning();
    let _: User = auth.create_user(ada).await.unwrap();
}

async fn comes_and_goes() {
    let (one, other) = (
        PgDatabase::create(&server_url().await).await,
        PgDatabase::create(&server_url().await).await,
    );
    let names = [one.name().to_owned(), other.name().to_owned()];
    for database in [&one, &other] {
        // The same name is taken in neither.
        sign_up(database.store(&["username TEXT NOT NULL UNIQUE"]).await).await;
        let users = connect(&database.url()).await;
        let users = users.query("SELECT FROM auth_user", &[]).await.unwrap();
        assert_eq!(users.len(), 1);
    }
    PgStore::new(one.pool())
        .migrate(&["email TEXT"])
        .await
        .unwrap();
    // Connections are open that do not end by themselves.
    let open = connect(&one.url()).await;
    drop((one, other));
    for name in names {
        assert!(!exists(&name).await, "{name}");
    }
    assert!(open.query("SELECT", &[]).await.is_err());
}

#[tokio::test]
async fn a_database_comes_and_goes_with_a_test() {
    comes_and_goes().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_database_comes_and_goes_with_a_test_on_several_threads() {
    comes_and_goes().await;
}

#[actix_web::test]
async fn a_database_comes_and_goes_with_a_test_of_actix() {
    comes_and_goes().await;
}

#[tokio::test(start_paused = true)]
async fn a_database_comes_and_goes_where_time_stands_still() {
    let database = PgDatabase::create(&server_url().await).await;
    let name = database.name().to_owned();
    drop(database);
    assert!(!exists(&name).await);
}

#[tokio::test]
async fn a_test_that_panics_leaves_no_database() {
    let (told, name) = std::sync::mpsc::channel();
    let test = async move {
        let database = PgDatabase::create(&server_url().await).await;
        told.send(database.name().to_owned()).unwrap();
        let _store = database.store(&["username TEXT"]).await;
        panic!("as a test that fails");
    };
    tokio::spawn(test).await.unwrap_err();
    assert!(!exists(&name.recv().unwrap()).await);
}

#[tokio::test]
async fn many_databases_are_created_at_once() {
    let url = server_url().await;
    let creating: Vec<_> = (0..8)
        .map(|_| {
            let url = url.clone();
            tokio::spawn(async move { PgDatabase::create(&url).await })
        })
        .collect();
    let mut names = Vec::new();
    for created in creating {
        names.push(created.await.unwrap().name().to_owned());
    }
    names.sort();
    names.dedup();
    assert_eq!(names.len(), 8);
}

#[tokio::test]
#[should_panic(expected = "permission denied to create database; run `ALTER ROLE .. CREATEDB`")]
async fn an_account_without_the_right_is_told() {
    let url = server_url().await;
    let database = PgDatabase::create(&url).await;
    let role = format!("{}_role", database.name());
    let client = connect(&url).await;
    client
        .batch_execute(&format!("CREATE ROLE \"{role}\" LOGIN PASSWORD 'secret'"))
        .await
        .unwrap();
    let (scheme, rest) = url.split_once("://").unwrap();
    let place = rest.rsplit_once('@').map_or(rest, |(_, place)| place);
    let url = format!("{scheme}://{role}:secret@{place}");
    let created = tokio::spawn(async move { PgDatabase::create(&url).await }).await;
    client
        .batch_execute(&format!("DROP ROLE \"{role}\""))
        .await
        .unwrap();
    std::panic::resume_unwind(created.unwrap_err().into_panic());
}

#[tokio::test]
#[should_panic(expected = "write `postgres://user@host/database`")]
async fn what_is_no_url_is_told() {
    let _ = PgDatabase::create("host=localhost user=app").await;
}

#[tokio::test]
async fn what_a_killed_process_left_is_swept_and_nothing_else() {
    if !programs_are_installed() {
        return skip(
            "what_a_killed_process_left_is_swept_and_nothing_else",
            "no Postgres",
        );
    }
    // A server that this process has not swept yet, which others do not use.
    let server = Server::start_with(&[]).unwrap();
    let client = connect(&server.url()).await;
    let abandoned = "lucia_test_1700000000_abandoned000";
    let in_use = "lucia_test_1700000000_inuse0000000";
    let others = [
        "lucia_test_1700000000_not12",
        "lucia_test_1700000000_abandoned000_too",
        "lucia_test_orders",
        "my_lucia_test_1700000000_abandoned000",
        "app",
    ];
    let now = std::time::UNIX_EPOCH.elapsed().unwrap().as_secs();
    let young = format!("lucia_test_{now}_younger00000");
    for name in [abandoned, in_use, &young].iter().chain(&others) {
        let sql = format!("CREATE DATABASE \"{name}\" TEMPLATE template0");
        client.batch_execute(&sql).await.unwrap();
    }
    let using = server.url().replace("/postgres", &format!("/{in_use}"));
    let using = connect(&using).await;

    let database = PgDatabase::create(&server.url()).await;
    let sql = "SELECT datname::TEXT FROM pg_database \
         WHERE datname NOT IN ('postgres', 'template0', 'template1')";
    let rows = client.query(sql, &[]).await.unwrap();
    let mut names: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
    names.sort();
    let mut expected = vec![in_use, &young, database.name()];
    expected.extend(others);
    expected.sort_unstable();
    assert_eq!(names, expected);
    drop(using);
}

#[tokio::test]
async fn a_test_that_is_given_up_at_the_creation_leaves_no_database() {
    let place = Database::new().await;
    let proxy = Proxy::before(&place).await;
    let url = place.url_by(proxy.port());
    {
        let mut creating = pin!(PgDatabase::create(&url));
        let polled = poll_fn(|context| Poll::Ready(creating.as_mut().poll(context)));
        assert!(polled.await.is_pending());
    }
    let mut seen = Vec::new();
    let name_in = |sql: &str, verb: &str| {
        let (name, _) = sql.strip_prefix(verb)?.split_once('"')?;
        Some(name.to_owned())
    };
    let mut of = |verb: &str| {
        seen.extend(proxy.statements());
        let mut names = seen.iter().map(|statement| name_in(&statement.sql, verb));
        names.find_map(|name| name)
    };
    eventually(async || of("DROP DATABASE IF EXISTS \"").is_some()).await;
    let name = of("DROP DATABASE IF EXISTS \"").unwrap();
    assert_eq!(of("CREATE DATABASE \"").as_ref(), Some(&name));
    eventually(async || !exists(&name).await).await;
}
