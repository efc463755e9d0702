//! Notes of users who are signed in: lucia for users and sessions, sqlx and sea-orm for the rest, on one
//! database.

#[cfg(doctest)]
mod documents;
pub mod entities;

use actix_web::error::ErrorInternalServerError;
use actix_web::{HttpResponse, Responder, get, post, web};
use entities::{note, user};
use lucia::{Auth, PgStore, Session, authenticated};
use sea_orm::{ColumnTrait, DatabaseConnection, EntityTrait, QueryFilter, QueryOrder};
use serde::{Deserialize, Serialize};
use sqlx::PgPool;
use sqlx::migrate::Migrator;
use sqlx::postgres::PgPoolOptions;

/// All tables. `0001_lucia.sql` and `0005_lucia.sql` are the files that lucia ships in
/// `lucia/migrations/postgres`, as they came with its versions.
pub static MIGRATIONS: Migrator = sqlx::migrate!();

/// The application's columns in the table of users.
#[derive(Debug, Serialize, Deserialize)]
pub struct Profile {
    /// A name that only this user has.
    pub username: String,
}

/// What the handlers work with.
#[derive(Clone, Debug)]
pub struct Site {
    /// Users and sessions, over a pool of lucia's.
    pub auth: Auth,
    /// The application's own pool.
    pub pool: PgPool,
    /// The same pool, as sea-orm takes it.
    pub orm: DatabaseConnection,
}

impl Site {
    /// Connects to the database at `url` and brings its tables up to date.
    ///
    /// # Errors
    ///
    /// When the database cannot be reached, or is not as the code expects it.
    pub async fn connect(url: &str) -> Result<Self, Box<dyn std::error::Error>> {
        // 10 + 10 connections for each process: two such processes stay far below the 100 that
        // Postgres accepts by default.
        let pool = PgPoolOptions::new()
            .max_connections(10)
            .connect(url)
            .await?;
        MIGRATIONS.run(&pool).await?;
        let store = PgStore::builder().max_connections(10).connect(url).await?;
        let auth = Auth::builder(store).build()?;
        auth.check_schema::<Profile>().await?;
        let orm = sea_orm::SqlxPostgresConnector::from_sqlx_postgres_pool(pool.clone());
        Ok(Self { auth, pool, orm })
    }

    /// Adds the handlers and what they work with to an application.
    pub fn configure(&self, config: &mut web::ServiceConfig) {
        config
            .app_data(web::Data::new(self.auth.clone()))
            .app_data(web::Data::new(self.pool.clone()))
            .app_data(web::Data::new(self.orm.clone()))
            .service(add_note)
            .service(my_notes)
            .service(my_notes_by_orm);
    }
}

#[derive(Deserialize)]
struct NewNote {
    body: String,
}

#[post("/notes")]
#[authenticated]
async fn add_note(
    session: Session,
    pool: web::Data<PgPool>,
    form: web::Form<NewNote>,
) -> actix_web::Result<impl Responder> {
    sqlx::query("INSERT INTO note (user_id, body) VALUES ($1, $2)")
        .bind(session.user_id.as_str())
        .bind(&form.body)
        .execute(pool.get_ref())
        .await
        .map_err(ErrorInternalServerError)?;
    Ok(HttpResponse::Created())
}

/// A note, as it is sent to its author.
#[derive(Serialize, sqlx::FromRow)]
struct Note {
    username: String,
    body: String,
}

#[get("/notes")]
#[authenticated]
async fn my_notes(session: Session, pool: web::Data<PgPool>) -> actix_web::Result<impl Responder> {
    let notes: Vec<Note> = sqlx::query_as(
        "SELECT auth_user.username, note.body \
         FROM note JOIN auth_user ON auth_user.id = note.user_id \
         WHERE note.user_id = $1 ORDER BY note.id",
    )
    .bind(session.user_id.as_str())
    .fetch_all(pool.get_ref())
    .await
    .map_err(ErrorInternalServerError)?;
    Ok(web::Json(notes))
}

#[get("/orm/notes")]
#[authenticated]
async fn my_notes_by_orm(
    session: Session,
    orm: web::Data<DatabaseConnection>,
) -> actix_web::Result<impl Responder> {
    let notes = note::Entity::find()
        .filter(note::Column::UserId.eq(session.user_id.as_str()))
        .order_by_asc(note::Column::Id)
        .find_also_related(user::Entity)
        .all(orm.get_ref())
        .await
        .map_err(ErrorInternalServerError)?;
    let notes = notes.into_iter().filter_map(|(note, author)| {
        Some(Note {
            username: author?.username,
            body: note.body,
        })
    });
    Ok(web::Json(notes.collect::<Vec<_>>()))
}
