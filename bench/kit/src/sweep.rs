//! What it costs those who ask when expired sessions are deleted at the same time.

use std::time::Instant;

use anyhow::{Result, bail};
use tokio_postgres::Client;

use crate::chart::Emphasis;
use crate::load::Length;
use crate::options::Options;
use crate::progress;
use crate::report::{Report, Row, connections_in_words, grouped, with_spread};
use crate::results::{Case, Measurement, Results, Spread};
use crate::stage::{Setting, Stage, database};

const QUIET: &str = "quiet";
const SWEEPING: &str = "sweeping";

pub(crate) async fn run(options: &Options) -> Result<()> {
    let &[sessions] = options.sessions.as_slice() else {
        bail!("this takes one number of sessions");
    };
    let stage = Stage::set(Setting {
        servers: &["lucia".to_owned()],
        sessions: &[sessions],
        idle: 0,
        cookies: options.cookies,
        pool: options.pool,
    })
    .await?;
    let sweeps = Sweeps {
        client: stage.postgres.connect(&database(sessions)).await?,
        stage: &stage,
        options,
        sessions,
    };
    let mut results = Results::default();
    let mut speeds = Vec::new();
    for round in 1..=options.rounds {
        for connections in &options.connections {
            let mut order = [QUIET, SWEEPING];
            order.rotate_left(round as usize % 2);
            for name in order {
                let (measurement, swept) = sweeps.measure(name, *connections, round).await?;
                results.measurements.push(measurement);
                speeds.extend(swept);
            }
        }
    }
    let expired = grouped(options.expired.into());
    let mut notes = vec![format!(
        "Quiet: {expired} expired sessions lie in the table. Sweeping: they are being deleted."
    )];
    if let Some(speed) = Spread::of(speeds) {
        notes.push(format!(
            "Under this load, {} expired sessions were deleted a second; all would take {:.0} s.",
            with_spread(speed, grouped),
            f64::from(options.expired) / speed.median,
        ));
    }
    let row = |name, emphasis| Row {
        name,
        title: name.to_owned(),
        emphasis,
        base: QUIET,
    };
    let report = Report {
        title: "Sweeping under load",
        options,
        stage: &stage,
        results: &results,
        rows: vec![row(QUIET, Emphasis::Base), row(SWEEPING, Emphasis::Own)],
        base: QUIET,
        notes,
    };
    report.write().await
}

struct Sweeps<'a> {
    client: Client,
    stage: &'a Stage,
    options: &'a Options,
    sessions: u32,
}

impl Sweeps<'_> {
    /// One measurement, with how many were swept a second if any were.
    async fn measure(
        &self,
        name: &'static str,
        connections: usize,
        round: u32,
    ) -> Result<(Measurement, Option<f64>)> {
        let stage = self.stage;
        self.fill_up().await?;
        let program = stage.program("lucia")?;
        let arguments: &[&str] = if name == SWEEPING { &["sweep"] } else { &[] };
        let begin = Instant::now();
        let running = stage.start(program, self.sessions, arguments)?;
        let length = Length::Time {
            warm_up: self.options.warm_up(),
            measured: self.options.measured(),
        };
        let requests = stage.requests(program, self.sessions);
        let observed = stage
            .observe(&running, requests, connections, length)
            .await?;
        let time = begin.elapsed();
        let left = self.expired().await?;
        running.stop()?;
        let swept = match name {
            SWEEPING if left == 0 => {
                bail!("all were swept before the measurement was over; take more, by `--expired`")
            }
            SWEEPING => Some((f64::from(self.options.expired) - left as f64) / time.as_secs_f64()),
            _ => None,
        };
        let case = Case {
            server: name,
            connections,
            sessions: self.sessions,
        };
        progress(&format!(
            "round {round} of {}: {name}, {}: {left} expired sessions are left",
            self.options.rounds,
            connections_in_words(connections),
        ));
        Ok((Measurement::new(case, round, &observed), swept))
    }

    /// Has the table hold as many expired sessions as are asked for, at rest.
    async fn fill_up(&self) -> Result<()> {
        let missing = i64::from(self.options.expired) - self.expired().await?;
        let sql = r#"
            INSERT INTO "user_session" ("id", "user_id", "active_expires", "idle_expires")
            SELECT encode(sha256(convert_to('expired:' || random() || number, 'UTF8')), 'hex'),
                lpad((number % $2::BIGINT)::TEXT, 15, '0'), now - 2000, now - 1000
            FROM generate_series(0, $1::BIGINT - 1) AS number,
                (SELECT (extract(epoch FROM now()) * 1000)::BIGINT AS now) AS clock"#;
        self.client
            .execute(sql, &[&missing, &i64::from(self.sessions)])
            .await?;
        self.client
            .batch_execute("VACUUM (ANALYZE) user_session")
            .await?;
        self.stage.postgres.settle().await
    }

    async fn expired(&self) -> Result<i64> {
        let sql = r#"SELECT count(*) FROM "user_session"
            WHERE "idle_expires" < extract(epoch FROM now()) * 1000"#;
        Ok(self.client.query_one(sql, &[]).await?.get(0))
    }
}
