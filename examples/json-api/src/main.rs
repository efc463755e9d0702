//! `cargo run -p json-api`

use std::env;
use std::error::Error;

use actix_web::HttpServer;
use tracing_subscriber::EnvFilter;

#[actix_web::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let filter = EnvFilter::try_from_default_env();
    let filter = filter.unwrap_or_else(|_| EnvFilter::new("warn,json_api=info,lucia=info"));
    tracing_subscriber::fmt().with_env_filter(filter).init();

    let database = env::var("DATABASE_URL").unwrap_or_else(|_| "json-api.db".to_owned());
    let auth = json_api::open(&database).await?;
    if let Ok(username) = env::var("ADMIN") {
        json_api::make_admin(&auth, &username).await?;
    }
    let port = env::var("PORT").map_or(Ok(8080), |port| port.parse())?;

    let sweeper = auth.sweeper().start()?;
    let server = HttpServer::new(move || json_api::app(auth.clone())).bind(("127.0.0.1", port))?;
    for address in server.addrs() {
        tracing::info!("listening on http://{address}");
    }
    server.run().await?;
    sweeper.stop().await;
    Ok(())
}
