//! `cargo run -p showcase`

use std::error::Error;
use std::process::ExitCode;

use showcase::{Settings, StartError, logging};

#[actix_web::main]
async fn main() -> ExitCode {
    logging::init();
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            explain(&error);
            ExitCode::FAILURE
        }
    }
}

#[expect(clippy::print_stdout, reason = "the address is this program's output")]
async fn run() -> Result<(), StartError> {
    let site = showcase::start(&Settings::from_process()?).await?;
    println!("Listening on http://{}", site.address());
    if site.mailbox().is_some() {
        println!("E-mail is on {}/dev/mailbox", site.origin());
    }
    site.run().await
}

/// One line, with what the error came from.
#[expect(clippy::print_stderr, reason = "an error belongs there")]
fn explain(error: &dyn Error) {
    let mut line = format!("showcase: {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        line.push_str(&format!(": {cause}"));
        source = cause.source();
    }
    eprintln!("{}", line.replace('\n', " "));
}
