//! `cargo run -p json-api`

use std::env;
use std::error::Error;
use std::process::ExitCode;

use actix_web::HttpServer;
use tracing_subscriber::EnvFilter;

#[actix_web::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env();
    let filter = filter.unwrap_or_else(|_| EnvFilter::new("warn,json_api=info,lucia=info"));
    tracing_subscriber::fmt().with_env_filter(filter).init();

    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            explain(&*error);
            ExitCode::FAILURE
        }
    }
}

/// One line, with what the error came from.
fn explain(error: &dyn Error) {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        line.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    tracing::error!("{line}");
}

async fn run() -> Result<(), Box<dyn Error>> {
    let port = env::var("PORT").unwrap_or_else(|_| "8080".to_owned());
    let port: u16 = port
        .parse()
        .map_err(|_| format!("PORT: `{port}` is no port from 0 to 65535"))?;

    let database = env::var("DATABASE_URL").unwrap_or_else(|_| "json-api.db".to_owned());
    let auth = json_api::open(&database).await?;
    if let Ok(username) = env::var("ADMIN") {
        json_api::make_admin(&auth, &username)
            .await
            .map_err(|error| format!("ADMIN: `{username}` does not become one: {error}"))?;
    }

    let sweeper = auth.sweeper().start()?;
    let server = HttpServer::new(move || json_api::app(auth.clone())).bind(("127.0.0.1", port))?;
    for address in server.addrs() {
        tracing::info!("listening on http://{address}");
    }
    server.run().await?;
    sweeper.stop().await;
    Ok(())
}
