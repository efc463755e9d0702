//! Measures what lucia and others add to the time of a build: `bench/README.md`.

mod application;
mod build;
mod handlers;

use std::fmt::Write as _;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitCode};
use std::time::Duration;

use anyhow::{Context, Result, bail};
use clap::Parser;

use application::{ALL, Application, Project, lucia};
use build::{Step, Taken};
use handlers::{Framework, KINDS, Kind};

const TARGET: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../target");

/// Measures what lucia and others add to the time of a build.
#[derive(Clone, Debug, Parser)]
#[command(version = None)]
struct Options {
    /// Always `compile`
    #[arg(hide = true)]
    _mode: Option<String>,

    /// Which applications are built; all whose names contain one of these words by default
    #[arg(long, value_delimiter = ',', value_name = "WORDS")]
    applications: Vec<String>,

    /// How many handlers are added to one; none leaves this part out
    #[arg(long, default_value_t = 100)]
    handlers: u32,

    /// How often each build is made; the fresh ones are made once
    #[arg(long, default_value_t = 3)]
    rounds: u32,

    /// Leave the applications out, and measure handlers only
    #[arg(long)]
    only_handlers: bool,

    /// The directory that the report is written to; bench/target/report/compile by default
    #[arg(long, value_name = "DIRECTORY")]
    out: Option<PathBuf>,
}

fn main() -> ExitCode {
    match run(&Options::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            progress(&format!("bench/run compile: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run(options: &Options) -> Result<()> {
    let directory = Directory::new()?;
    let mut text = format!("# Time of builds\n\n{}\n", machine()?);
    if !options.only_handlers {
        text += &applications(options, &directory.0)?;
    }
    if options.handlers > 0 {
        text += &many_handlers(options, &directory.0)?;
    }
    let out = options.out.clone();
    let out = out.unwrap_or_else(|| Path::new(TARGET).join("report/compile"));
    fs::create_dir_all(&out).context("cannot make the directory of the report")?;
    fs::write(out.join("compile.md"), text)?;
    progress(&format!("the report is in {}", out.display()));
    Ok(())
}

/// Where everything is built. It is deleted in the end.
struct Directory(PathBuf);

impl Directory {
    fn new() -> Result<Self> {
        let path = Path::new(TARGET).join("compile");
        fs::create_dir_all(&path).context("cannot make the directory of the builds")?;
        Ok(Self(path.canonicalize()?))
    }
}

impl Drop for Directory {
    fn drop(&mut self) {
        // What is left takes room, and does no other harm.
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Fresh and incremental builds of each application.
fn applications(options: &Options, directory: &Path) -> Result<String> {
    let is_chosen = |application: &&Application| {
        let words = &options.applications;
        words.is_empty()
            || words
                .iter()
                .any(|word| application.name.contains(word.as_str()))
    };
    let mut text = String::from(
        "\n## Applications\n\nA fresh build compiles everything, by `cargo build` with its own settings. An \
         incremental one follows a change of a string in a handler. In brackets: more than the application \
         without authentication, or than lucia with its default features.\n\n\
         | | crates | fresh, s | fresh, s of a processor | incremental, s | incremental, s of a processor |\n\
         |---|---|---|---|---|---|\n",
    );
    let mut built: Vec<(&str, Taken, Taken)> = Vec::new();
    for application in ALL.iter().filter(is_chosen) {
        let project = application.project(&directory.join("application"))?;
        let target = directory.join("target");
        let fresh = project.build(&target, Step::Build, true)?;
        let mut changed = Vec::new();
        for change in 1..=options.rounds {
            project.write(&application.source(change))?;
            changed.push(project.build(&target, Step::Build, true)?);
        }
        fs::remove_dir_all(&target)?;
        let changed = median(changed).context("there is no round")?;
        progress(&format!(
            "{}: {} crates, {:.1} s fresh, {:.2} s incremental",
            application.name,
            fresh.crates,
            fresh.time.as_secs_f64(),
            changed.time.as_secs_f64()
        ));
        let base = built.iter().find(|built| application.base == Some(built.0));
        let seconds = |digits: usize, this: Duration, of: fn(&Taken) -> Duration, fresh: bool| {
            let this = this.as_secs_f64();
            let more = base.map_or_else(String::new, |base| {
                let base = of(if fresh { &base.1 } else { &base.2 });
                format!(" ({:+.digits$})", this - base.as_secs_f64())
            });
            format!("{this:.digits$}{more}")
        };
        let more = base.map_or_else(String::new, |base| {
            format!(" (+{})", fresh.crates.saturating_sub(base.1.crates))
        });
        writeln!(
            text,
            "| {} | {}{more} | {} | {} | {} | {} |",
            application.name,
            fresh.crates,
            seconds(1, fresh.time, |taken| taken.time, true),
            seconds(1, fresh.cpu, |taken| taken.cpu, true),
            seconds(2, changed.time, |taken| taken.time, false),
            seconds(2, changed.cpu, |taken| taken.cpu, false),
        )?;
        built.push((application.name, fresh, changed));
    }
    Ok(text)
}

/// What one more handler costs.
fn many_handlers(options: &Options, directory: &Path) -> Result<String> {
    let mut text = format!(
        "\n## One more handler\n\nMilliseconds of a processor: the difference of a library with {} handlers and \
         one with 1, by their number, without incremental compilation; and the time of an incremental build after \
         one handler was added to {}.\n\n\
         | | `cargo check` | `cargo build` | incremental `cargo build`, ms | of a processor |\n\
         |---|---|---|---|---|\n",
        options.handlers + 1,
        options.handlers,
    );
    for framework in [Framework::Actix, Framework::Axum] {
        let target = directory.join("target");
        for kind in KINDS {
            let library = Library {
                framework,
                kind,
                target: &target,
                directory,
                options,
            };
            let [check, build] = [Step::Check, Step::Build].map(|step| library.each(step));
            let (check, build) = (check?, build?);
            let added = library.added()?;
            let what = format!("{}, {}", framework.title(), kind.title());
            progress(&format!(
                "{what}: {check:.1} ms to check, {build:.1} ms to build"
            ));
            writeln!(
                text,
                "| {what} | {check:.1} | {build:.1} | {:.0} | {:.0} |",
                milliseconds(added.time),
                milliseconds(added.cpu)
            )?;
        }
        fs::remove_dir_all(&target)?;
    }
    Ok(text)
}

struct Library<'a> {
    framework: Framework,
    kind: Kind,
    target: &'a Path,
    directory: &'a Path,
    options: &'a Options,
}

impl Library<'_> {
    /// Every kind depends on lucia, so that no other one builds it anew.
    fn project(&self) -> Result<Project> {
        let framework = match self.framework {
            Framework::Actix => {
                r#"actix-web = { version = "4.15", default-features = false, features = ["macros"] }"#
            }
            Framework::Axum => {
                r#"axum = { version = "0.8", default-features = false, features = ["http1", "tokio"] }"#
            }
        };
        let lucia = lucia(match self.framework {
            Framework::Actix => &["actix", "macros", "postgres"],
            Framework::Axum => &["axum", "macros", "postgres"],
        });
        let serde = r#"serde = { version = "1", features = ["derive"] }"#;
        let dependencies = [framework.to_owned(), lucia, serde.to_owned()];
        let directory = self.directory.join("handlers");
        Project::new(&directory, "lib.rs", &dependencies, &self.source(1))
    }

    fn source(&self, count: u32) -> String {
        handlers::source(self.framework, self.kind, count)
    }

    /// Milliseconds of a processor for one handler more.
    fn each(&self, step: Step) -> Result<f64> {
        let project = self.project()?;
        project.build(self.target, step, false)?;
        let mut each = Vec::new();
        for _ in 0..self.options.rounds {
            let mut cpu = [Duration::ZERO; 2];
            for (cpu, count) in cpu.iter_mut().zip([1, self.options.handlers + 1]) {
                project.write(&self.source(count))?;
                *cpu = project.build(self.target, step, false)?.cpu;
            }
            let [one, many] = cpu.map(milliseconds);
            each.push((many - one) / f64::from(self.options.handlers));
        }
        each.sort_by(f64::total_cmp);
        each.get(each.len() / 2)
            .copied()
            .context("there is no round")
    }

    /// An incremental build after one handler was added.
    fn added(&self) -> Result<Taken> {
        let project = self.project()?;
        let mut added = Vec::new();
        for _ in 0..self.options.rounds {
            project.write(&self.source(self.options.handlers))?;
            project.build(self.target, Step::Build, true)?;
            project.write(&self.source(self.options.handlers + 1))?;
            added.push(project.build(self.target, Step::Build, true)?);
        }
        median(added).context("there is no round")
    }
}

/// The one in the middle, by time.
fn median(mut taken: Vec<Taken>) -> Option<Taken> {
    taken.sort_by_key(|taken| taken.time);
    taken.get(taken.len() / 2).copied()
}

fn milliseconds(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}

fn machine() -> Result<String> {
    let said_by = |program: &str, arguments: &[&str]| -> Result<String> {
        let output = Command::new(program).args(arguments).output()?;
        if !output.status.success() {
            bail!("{program} failed");
        }
        Ok(String::from_utf8(output.stdout)?.trim().to_owned())
    };
    let arguments: Vec<_> = std::env::args().skip(1).collect();
    Ok(format!(
        "- Date: {}\n- Commit: {}\n- Command: bench/run {}\n- Processor: {} cores\n- Rust: {}\n",
        said_by("date", &["--utc", "+%Y-%m-%d"])?,
        said_by("git", &["rev-parse", "--short=10", "HEAD"])?,
        arguments.join(" "),
        std::thread::available_parallelism()?,
        said_by("rustc", &["--version"])?,
    ))
}

/// Says what is being done.
fn progress(line: &str) {
    // A reader that has closed its end does not need this line.
    let _ = writeln!(std::io::stderr(), "{line}");
}
