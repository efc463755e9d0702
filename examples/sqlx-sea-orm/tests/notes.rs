//! The application on a Postgres, with a database for each test.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use std::time::Duration;

use actix_web::test::{TestRequest, call_service, init_service, read_body_json};
use actix_web::{App, web};
use lucia::testing::{LoggedIn, PgDatabase, TestRequestExt, login_as};
use lucia::{Auth, Error, NewUser, PgStore, User};
use serde_json::{Value, json};
use sqlx_sea_orm::{MIGRATIONS, Profile, Site};

/// A site, and its database, which is dropped at the end of the test.
async fn site() -> (Site, PgDatabase) {
    // `DATABASE_URL`, or a server that is started for the tests.
    let database = PgDatabase::create(&lucia_tests::server_url().await).await;
    let site = Site::connect(&database.url()).await.unwrap();
    (site, database)
}

async fn sign_up(auth: &Auth, username: &str) -> lucia::Result<LoggedIn> {
    let username = username.to_owned();
    let user: User<Profile> = auth
        .create_user(NewUser::without_key().attributes(&Profile { username }))
        .await?;
    Ok(login_as(auth, &user.id).await)
}

#[actix_web::test]
async fn notes_are_written_and_read_beside_the_users() {
    let (site, _database) = site().await;
    let app = App::new().configure(|config: &mut web::ServiceConfig| site.configure(config));
    let app = init_service(app).await;
    let ada = sign_up(&site.auth, "ada").await.unwrap();
    let bob = sign_up(&site.auth, "bob").await.unwrap();

    for (author, body) in [(&ada, "Engine"), (&bob, "Blob"), (&ada, "Loom")] {
        let request = TestRequest::post()
            .uri("/notes")
            .login_as(author)
            .set_form([("body", body)]);
        assert_eq!(call_service(&app, request.to_request()).await.status(), 201);
    }
    for path in ["/notes", "/orm/notes"] {
        let request = TestRequest::get().uri(path).login_as(&ada).to_request();
        let notes: Value = read_body_json(call_service(&app, request).await).await;
        let expected = json!([
            { "username": "ada", "body": "Engine" },
            { "username": "ada", "body": "Loom" },
        ]);
        assert_eq!(notes, expected, "{path}");
        let request = TestRequest::get().uri(path).to_request();
        assert_eq!(call_service(&app, request).await.status(), 401, "{path}");
    }
}

#[actix_web::test]
async fn what_belongs_to_a_user_comes_and_goes_with_them() {
    let (site, _database) = site().await;
    let ada = sign_up(&site.auth, "ada").await.unwrap();
    let id = &ada.session().user_id;
    let themes = async || -> Vec<String> {
        sqlx::query_scalar("SELECT theme FROM settings ORDER BY user_id")
            .fetch_all(&site.pool)
            .await
            .unwrap()
    };
    assert_eq!(themes().await, ["light"]);

    // The user is not created, so neither are settings.
    let again = sign_up(&site.auth, "ada").await;
    assert!(matches!(again, Err(Error::Constraint(_))), "{again:?}");
    assert_eq!(themes().await, ["light"]);

    sqlx::query("INSERT INTO note (user_id, body) VALUES ($1, 'Engine')")
        .bind(id.as_str())
        .execute(&site.pool)
        .await
        .unwrap();
    site.auth.delete_user(id).await.unwrap();
    assert!(themes().await.is_empty());
    let notes: i64 = sqlx::query_scalar("SELECT count(*) FROM note")
        .fetch_one(&site.pool)
        .await
        .unwrap();
    assert_eq!(notes, 0);
}

#[actix_web::test]
async fn migrations_run_again_and_hold_the_files_that_lucia_ships() {
    let (site, _database) = site().await;
    MIGRATIONS.run(&site.pool).await.unwrap();
    for (number, shipped) in [
        (
            1,
            include_str!("../../../lucia/migrations/postgres/0001_tables.sql"),
        ),
        (
            5,
            include_str!("../../../lucia/migrations/postgres/0002_one_time_tokens.sql"),
        ),
        (
            6,
            include_str!("../../../lucia/migrations/postgres/0003_verified_keys.sql"),
        ),
        (
            7,
            include_str!("../../../lucia/migrations/postgres/0004_outgoing_mail.sql"),
        ),
        (
            8,
            include_str!("../../../lucia/migrations/postgres/0005_user_credential.sql"),
        ),
    ] {
        let mut migrations = MIGRATIONS.iter();
        let copy = migrations.find(|migration| migration.version == number);
        assert_eq!(copy.unwrap().sql.as_str(), shipped);
    }
    site.auth.check_schema::<Profile>().await.unwrap();
}

#[actix_web::test]
async fn a_call_gives_up_while_a_transaction_of_the_application_holds_the_user() {
    let (site, database) = site().await;
    let store = PgStore::builder().timeout(Duration::from_millis(300));
    let impatient = Auth::builder(store.build(database.pool()).unwrap());
    let impatient = impatient.build().unwrap();
    for sql in [
        "INSERT INTO note (user_id, body) VALUES ($1, 'Engine')",
        "UPDATE auth_user SET username = 'lovelace' WHERE id = $1",
        "SELECT FROM auth_user WHERE id = $1 FOR UPDATE",
    ] {
        // Another user each time: the statement is not taken back when the call gives up.
        let username = format!("ada {}", sql.len());
        let ada = sign_up(&site.auth, &username).await.unwrap();
        let id = &ada.session().user_id;
        let mut transaction = site.pool.begin().await.unwrap();
        sqlx::query(sql)
            .bind(id.as_str())
            .execute(&mut *transaction)
            .await
            .unwrap();
        let waited = impatient.delete_user(id).await;
        assert!(
            matches!(waited, Err(Error::Unavailable(_))),
            "{sql}: {waited:?}"
        );
        transaction.rollback().await.unwrap();
        // Nothing is in the way any more.
        site.auth.delete_user(id).await.unwrap();
        assert!(site.auth.user::<Profile>(id).await.unwrap().is_none());
    }
}
