//! What was measured, and what is said of it: medians, and how far they spread.

use std::time::Duration;

use crate::stage::Observed;
use crate::usage::Usage;

/// What is measured again in each round.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Case {
    pub(crate) server: &'static str,
    pub(crate) connections: usize,
    pub(crate) sessions: u32,
}

/// One measurement.
#[derive(Clone, Debug)]
pub(crate) struct Measurement {
    pub(crate) case: Case,
    pub(crate) round: u32,
    pub(crate) requests: u64,
    pub(crate) elapsed: Duration,
    pub(crate) p50: Duration,
    pub(crate) p99: Duration,
    pub(crate) usage: Usage,
    /// In bytes.
    pub(crate) peak_memory: u64,
}

/// The statements of one case, counted in a pass of their own.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Count {
    pub(crate) case: Case,
    pub(crate) statements: u64,
    pub(crate) requests: u64,
}

/// The median of several figures, the least and the greatest.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(crate) struct Spread {
    pub(crate) median: f64,
    pub(crate) least: f64,
    pub(crate) greatest: f64,
}

/// Everything that was found out.
#[derive(Clone, Debug, Default)]
pub(crate) struct Results {
    pub(crate) measurements: Vec<Measurement>,
    pub(crate) counts: Vec<Count>,
}

impl Measurement {
    pub(crate) fn new(case: Case, round: u32, observed: &Observed) -> Self {
        let latencies = &observed.outcome.latencies;
        let quantile = |part| Duration::from_nanos(latencies.value_at_quantile(part));
        Self {
            case,
            round,
            requests: observed.outcome.requests,
            elapsed: observed.outcome.elapsed,
            p50: quantile(0.5),
            p99: quantile(0.99),
            usage: observed.usage,
            peak_memory: observed.peak_memory,
        }
    }

    pub(crate) fn requests_per_second(&self) -> f64 {
        number(self.requests) / self.elapsed.as_secs_f64()
    }

    /// Microseconds of a processor for each request.
    pub(crate) fn per_request(&self, time: Duration) -> f64 {
        time.as_secs_f64() * 1e6 / number(self.requests)
    }
}

impl Results {
    pub(crate) fn of(&self, case: Case) -> impl Iterator<Item = &Measurement> {
        self.measurements.iter().filter(move |one| one.case == case)
    }

    pub(crate) fn spread(
        &self,
        case: Case,
        figure: impl Fn(&Measurement) -> f64,
    ) -> Option<Spread> {
        Spread::of(self.of(case).map(figure).collect())
    }

    /// How many times as many requests as another case, each measurement against that of the same
    /// round.
    pub(crate) fn ratio(&self, case: Case, to: Case) -> Option<Spread> {
        let ratios = self.of(case).filter_map(|one| {
            let other = self.of(to).find(|other| other.round == one.round)?;
            Some(one.requests_per_second() / other.requests_per_second())
        });
        Spread::of(ratios.collect())
    }

    pub(crate) fn statements(&self, case: Case) -> Option<f64> {
        let count = self.counts.iter().find(|count| count.case == case)?;
        Some(number(count.statements) / number(count.requests))
    }
}

impl Spread {
    pub(crate) fn of(mut figures: Vec<f64>) -> Option<Self> {
        figures.sort_by(f64::total_cmp);
        let (least, greatest) = (*figures.first()?, *figures.last()?);
        let middle = figures.len() / 2;
        let median = if figures.len().is_multiple_of(2) {
            f64::midpoint(figures[middle - 1], figures[middle])
        } else {
            figures[middle]
        };
        Some(Self {
            median,
            least,
            greatest,
        })
    }
}

#[expect(
    clippy::cast_precision_loss,
    reason = "nothing counted here is that large"
)]
pub(crate) fn number(count: u64) -> f64 {
    count as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_is_in_the_middle_or_between_the_two_there() {
        let spread = Spread::of(vec![3.0, 1.0, 2.0]).unwrap();
        assert_eq!(
            (spread.least, spread.median, spread.greatest),
            (1.0, 2.0, 3.0)
        );
        assert_eq!(Spread::of(vec![4.0, 1.0, 2.0, 3.0]).unwrap().median, 2.5);
        assert_eq!(Spread::of(Vec::new()), None);
    }

    #[test]
    fn ratios_are_taken_within_a_round() {
        let measurement = |server, round, requests| Measurement {
            case: case(server),
            round,
            requests,
            elapsed: Duration::from_secs(1),
            p50: Duration::ZERO,
            p99: Duration::ZERO,
            usage: Usage::default(),
            peak_memory: 0,
        };
        let results = Results {
            measurements: vec![
                measurement("one", 1, 200),
                measurement("other", 1, 100),
                measurement("one", 2, 30),
                measurement("other", 2, 10),
            ],
            counts: Vec::new(),
        };
        let ratio = results.ratio(case("one"), case("other")).unwrap();
        assert_eq!((ratio.least, ratio.greatest), (2.0, 3.0));
    }

    fn case(server: &'static str) -> Case {
        Case {
            server,
            connections: 1,
            sessions: 1,
        }
    }
}
