//! `cargo run -p axum-quickstart`

use std::env;
use std::error::Error;
use std::io::{IsTerminal, stdout};
use std::process::ExitCode;

use tokio::net::TcpListener;
use tokio::signal::ctrl_c;
use tracing_subscriber::EnvFilter;

#[tokio::main]
async fn main() -> ExitCode {
    let filter = EnvFilter::try_from_default_env();
    tracing_subscriber::fmt()
        .compact()
        .with_target(false)
        .with_ansi(stdout().is_terminal())
        .with_env_filter(filter.unwrap_or_else(|_| "warn,axum_quickstart=info,lucia=info".into()))
        .init();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(line) => {
            complain(&line);
            ExitCode::FAILURE
        }
    }
}

/// An error is what is to be said of it, in one line.
async fn run() -> Result<(), String> {
    let port = setting("PORT").unwrap_or_else(|| "3000".to_owned());
    let port: u16 = port
        .parse()
        .map_err(|_| format!("PORT: `{port}` is no port from 0 to 65535"))?;
    let database = setting("DATABASE_URL").unwrap_or_else(|| "axum-quickstart.db".to_owned());

    let listener = TcpListener::bind(("127.0.0.1", port))
        .await
        .map_err(|error| {
            let place = format!("127.0.0.1:{port}");
            format!("cannot listen on {place} (choose another PORT): {error}")
        })?;
    let auth = axum_quickstart::open(&database).await.map_err(|error| {
        let what = match axum_quickstart::is_postgres(&database) {
            // Its URL may hold a password.
            true => "the Postgres server of DATABASE_URL".to_owned(),
            false => format!("the database file `{database}`"),
        };
        format!("cannot use {what}: {}", causes(&error))
    })?;

    // Sessions that nobody can use any more are harmless, and only take up room.
    let sweeper = auth.sweeper().start().map_err(|error| causes(&error))?;
    let address = listener.local_addr().map_err(|error| error.to_string())?;
    announce(&format!("Listening on http://{address}"));
    axum::serve(listener, axum_quickstart::app(auth))
        .with_graceful_shutdown(async {
            // Without the signal, the process is ended some other way.
            if ctrl_c().await.is_err() {
                std::future::pending::<()>().await;
            }
        })
        .await
        .map_err(|error| format!("the server stopped: {error}"))?;
    sweeper.stop().await;
    Ok(())
}

fn setting(name: &str) -> Option<String> {
    env::var(name).ok().filter(|value| !value.is_empty())
}

/// An error with what it came from.
fn causes(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut source = error.source();
    while let Some(cause) = source {
        line.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    line.replace('\n', " ")
}

#[expect(clippy::print_stdout, reason = "the address is this program's output")]
fn announce(line: &str) {
    println!("{line}");
}

#[expect(clippy::print_stderr, reason = "an error belongs there")]
fn complain(line: &str) {
    eprintln!("axum-quickstart: {line}");
}
