//! An application on actix-web with a pool of connections to Postgres, and without authentication.

use std::error::Error;

use actix_web::error::ErrorServiceUnavailable;
use actix_web::{App, HttpServer, get, web};
use deadpool_postgres::{Manager, Pool};
use tokio_postgres::NoTls;

/// `GET /`.
#[get("/")]
async fn me(pool: web::Data<Pool>) -> actix_web::Result<String> {
    let client = pool.get().await.map_err(ErrorServiceUnavailable)?;
    let row = client.query_one("SELECT 'Ada'", &[]).await;
    let name: String = row.map_err(ErrorServiceUnavailable)?.get(0);
    Ok(format!("Hello 0, {name}"))
}

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let manager = Manager::new(std::env::var("DATABASE_URL")?.parse()?, NoTls);
    let pool = web::Data::new(Pool::builder(manager).build()?);
    let server = HttpServer::new(move || App::new().app_data(pool.clone()).service(me));
    Ok(server.bind(("127.0.0.1", 8080))?.run().await?)
}
