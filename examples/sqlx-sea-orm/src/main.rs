//! `DATABASE_URL=postgres://.. cargo run`

use actix_web::{App, HttpServer};
use sqlx_sea_orm::Site;

#[actix_web::main]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let site = Site::connect(&std::env::var("DATABASE_URL")?).await?;
    HttpServer::new(move || App::new().configure(|config| site.configure(config)))
        .bind(("127.0.0.1", 8080))?
        .run()
        .await?;
    Ok(())
}
