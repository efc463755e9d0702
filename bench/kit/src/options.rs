//! What the command line can say.

use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::{Parser, ValueEnum};

const REPORTS: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target/report");

/// Compares lucia with hand-written code and with other libraries, under load.
#[derive(Clone, Debug, Parser)]
#[command(
    version = None,
    after_help = "`bench/run failover` and `bench/run compile` have options of their own: add `--help`."
)]
pub(crate) struct Options {
    /// What to find out
    #[arg(value_enum, default_value_t = Mode::Compare)]
    pub(crate) mode: Mode,

    /// Which servers, by their names, with commas between; all that can run here by default
    #[arg(long, value_delimiter = ',', value_name = "NAMES")]
    pub(crate) servers: Vec<String>,

    /// How many connections ask at once; with several numbers, each is measured
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "1,32,128",
        value_name = "NUMBERS"
    )]
    pub(crate) connections: Vec<usize>,

    /// How many sessions and users there are; with several numbers, each is measured
    #[arg(
        long,
        value_delimiter = ',',
        default_value = "100000",
        value_name = "NUMBERS"
    )]
    pub(crate) sessions: Vec<u32>,

    /// How many different sessions ask, in turn
    #[arg(long, default_value_t = 5000)]
    pub(crate) cookies: u32,

    /// How often everything is measured
    #[arg(long, default_value_t = 5)]
    pub(crate) rounds: u32,

    /// How long each measurement takes
    #[arg(long, default_value_t = 5.0)]
    pub(crate) seconds: f64,

    /// How long each server is under load before that
    #[arg(long, default_value_t = 2.0, value_name = "SECONDS")]
    pub(crate) warm_up: f64,

    /// How many connections to Postgres each server has
    #[arg(long, default_value_t = 16)]
    pub(crate) pool: usize,

    /// How many connections sign in at once; of more than 33 for each core, lucia refuses some
    #[arg(long, default_value_t = 32, value_name = "NUMBER")]
    pub(crate) sign_ins: usize,

    /// How many connections are idle, or wait
    #[arg(long, default_value_t = 4000, value_name = "NUMBER")]
    pub(crate) idle: usize,

    /// How long a server has to endure
    #[arg(long, default_value_t = 30.0)]
    pub(crate) minutes: f64,

    /// How many expired sessions are swept
    #[arg(long, default_value_t = 1_000_000)]
    pub(crate) expired: u32,

    /// The directory that the report is written to; bench/target/report/MODE by default
    #[arg(long, value_name = "DIRECTORY")]
    out: Option<PathBuf>,
}

/// What to find out.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(crate) enum Mode {
    /// How servers compare, for each number of connections and of sessions
    Compare,
    /// How lucia with its sessions in Redis compares with actix-session there, side by side
    Redis,
    /// What it costs to delete expired sessions while requests are answered
    Sweep,
    /// How soon a process with a cache knows that another one has ended a session or changed a user
    Revocation,
    /// How much memory a session takes that lucia's cache keeps; all of `--sessions` are kept
    CacheMemory,
    /// How much memory an idle connection takes, and a request that waits for the database
    Memory,
    /// Whether memory stays the same under load, for `--minutes` at one number of `--connections`
    Endurance,
    /// How many can sign in a second, and how long other requests wait meanwhile
    SignIn,
    /// How many instructions of a processor a request takes, counted by valgrind
    Instructions,
    /// Whether answers and numbers of statements are right; nothing is timed
    Smoke,
}

impl Options {
    /// The directory that the report is written to.
    pub(crate) fn out(&self) -> PathBuf {
        let mode = self.mode.to_possible_value();
        let name = mode.map_or_else(String::new, |mode| mode.get_name().to_owned());
        let out = self.out.clone();
        out.unwrap_or_else(|| Path::new(REPORTS).join(name))
    }

    pub(crate) fn measured(&self) -> Duration {
        Duration::from_secs_f64(self.seconds)
    }

    pub(crate) fn warm_up(&self) -> Duration {
        Duration::from_secs_f64(self.warm_up)
    }
}
