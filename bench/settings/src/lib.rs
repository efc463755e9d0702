//! What the kit tells a server by its environment; `bench/README.md` has the whole contract.

use std::io::{self, Write};
use std::str::FromStr;
use std::{env, error::Error, fmt, thread};

/// What a server is told.
#[derive(Clone, Debug)]
pub struct Settings {
    /// `DATABASE_URL`: the Postgres.
    pub database_url: String,
    /// `PORT`: where to listen, on 127.0.0.1.
    pub port: u16,
    /// `WORKERS`: how many threads answer requests; as many as there are cores by default.
    pub workers: usize,
    /// `POOL`: how many connections the pool has; 16 by default.
    pub pool: usize,
}

/// A setting is missing, or is not what it should be.
#[derive(Debug)]
pub struct InvalidSetting(&'static str);

impl Settings {
    /// The settings of this process.
    ///
    /// # Errors
    ///
    /// The first setting that is missing or cannot be read.
    pub fn from_env() -> Result<Self, InvalidSetting> {
        let cores = thread::available_parallelism().map_or(1, usize::from);
        Ok(Self {
            database_url: env::var("DATABASE_URL").map_err(|_| InvalidSetting("DATABASE_URL"))?,
            port: number("PORT")?.ok_or(InvalidSetting("PORT"))?,
            workers: number("WORKERS")?.unwrap_or(cores),
            pool: number("POOL")?.unwrap_or(16),
        })
    }
}

/// Tells the kit that connections are accepted.
///
/// # Errors
///
/// When the kit is gone.
pub fn ready() -> io::Result<()> {
    let mut out = io::stdout();
    writeln!(out, "ready")?;
    out.flush()
}

fn number<T: FromStr>(name: &'static str) -> Result<Option<T>, InvalidSetting> {
    match env::var(name) {
        Err(_) => Ok(None),
        Ok(text) => text.parse().map(Some).map_err(|_| InvalidSetting(name)),
    }
}

impl fmt::Display for InvalidSetting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "the environment lacks a proper {}", self.0)
    }
}

impl Error for InvalidSetting {}
