//! `DEVELOPMENT=1 STEP=beside DATABASE_URL=postgres://… cargo run -p lucia-migration`

use std::env;
use std::net::TcpListener;

use lucia::Environment;
use lucia_migration::Step;
use tracing_subscriber::EnvFilter;

#[actix_web::main]
#[expect(clippy::print_stdout, reason = "the address is this program's output")]
async fn main() -> Result<(), Box<dyn std::error::Error>> {
    let filter = EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info"));
    tracing_subscriber::fmt().with_env_filter(filter).init();

    let step = Step::named(&env::var("STEP").unwrap_or_else(|_| "beside".to_owned()))?;
    let database = env::var("DATABASE_URL").map_err(|_| "set DATABASE_URL to Lucia's database")?;
    let address = env::var("ADDRESS").unwrap_or_else(|_| "127.0.0.1:8080".to_owned());
    // Also behind a proxy on this machine, browsers come over TLS.
    let environment = match env::var("DEVELOPMENT").as_deref() {
        Ok("1") => Environment::Development,
        _ => Environment::Production,
    };
    let listener = TcpListener::bind(address)?;
    let site = lucia_migration::start(step, environment, &database, listener).await?;
    println!("Listening on http://{} ({step:?})", site.address());
    Ok(site.run().await?)
}
