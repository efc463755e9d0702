//! Where a figure stands on an axis, and which figures are written beside it.

/// How an axis goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Scale {
    /// By the same amount, from nought.
    FromNought,
    /// Each step is a multiple of the one before.
    Multiples,
}

/// An axis, from 0 at its first figure to 1 at its last.
#[derive(Clone, Copy, Debug, PartialEq)]
pub(super) struct Axis {
    scale: Scale,
    first: f64,
    last: f64,
    /// From one mark to the next, on an axis from nought.
    step: f64,
}

/// How many steps an axis from nought has at the most.
const STEPS: f64 = 6.0;

/// How many times the first figure the last one is, where only powers of ten are written.
const FAR: f64 = 1000.0;

impl Axis {
    /// One with room for all of these figures, that begins and ends at round ones.
    pub(super) fn of(scale: Scale, figures: impl Iterator<Item = f64> + Clone) -> Self {
        let greatest = figures.clone().fold(f64::MIN_POSITIVE, f64::max);
        match scale {
            Scale::FromNought => {
                let step = round_above(greatest / STEPS);
                Self {
                    scale,
                    first: 0.0,
                    last: (greatest / step - TINY).ceil() * step,
                    step,
                }
            }
            Scale::Multiples => {
                let least = figures.fold(greatest, f64::min);
                let first = round_below(least);
                Self {
                    scale,
                    first,
                    last: round_above(greatest).max(first * 2.0),
                    step: 0.0,
                }
            }
        }
    }

    pub(super) fn place(&self, figure: f64) -> f64 {
        match self.scale {
            Scale::FromNought => figure / self.last,
            Scale::Multiples => (figure / self.first).ln() / (self.last / self.first).ln(),
        }
    }

    /// The figures that are written beside it.
    pub(super) fn marks(&self) -> Vec<f64> {
        let next = |figure: &f64| match self.scale {
            Scale::FromNought => Some(figure + self.step),
            Scale::Multiples => Some(round_above(figure * 1.1)),
        };
        let end = self.last * (1.0 + TINY);
        let is_far = self.last >= self.first * FAR;
        let is_written =
            |figure: &f64| self.scale == Scale::FromNought || !is_far || is_power_of_ten(*figure);
        std::iter::successors(Some(self.first), next)
            .take_while(|figure| *figure <= end)
            .filter(is_written)
            .collect()
    }
}

/// What calculating with fractions may be wrong by.
const TINY: f64 = 1e-9;

/// The next number above that is 1, 2 or 5 with noughts.
fn round_above(number: f64) -> f64 {
    let magnitude = 10_f64.powf(number.log10().floor());
    let mut steps = [1.0, 2.0, 5.0, 10.0]
        .into_iter()
        .map(|step| step * magnitude);
    let found = steps.find(|step| *step >= number * (1.0 - TINY));
    found.unwrap_or(number)
}

/// The next number below that is 1, 2 or 5 with noughts.
fn round_below(number: f64) -> f64 {
    1.0 / round_above(1.0 / number)
}

fn is_power_of_ten(number: f64) -> bool {
    let exponent = number.log10();
    (exponent - exponent.round()).abs() < TINY
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_axis_from_nought_ends_at_the_next_round_step() {
        for (greatest, marks, end) in [
            (101_000.0, 7, 120_000.0),
            (61_000.0, 5, 80_000.0),
            (0.3, 7, 0.3),
            (1.0, 6, 1.0),
        ] {
            let axis = Axis::of(Scale::FromNought, [greatest / 2.0, greatest].into_iter());
            assert_eq!(axis.marks().len(), marks, "{greatest}");
            assert!((axis.place(end) - 1.0).abs() < TINY, "{greatest}");
            assert!(axis.place(0.0).abs() < TINY, "{greatest}");
        }
    }

    #[test]
    fn an_axis_of_multiples_has_marks_however_far_it_goes() {
        for (figures, marks, ends) in [
            ([0.21, 430.0], 3, (0.2, 500.0)),
            ([1.2, 48.0], 6, (1.0, 50.0)),
            ([12.0, 13.0], 2, (10.0, 20.0)),
            ([1.0, 1.0], 2, (1.0, 2.0)),
        ] {
            let axis = Axis::of(Scale::Multiples, figures.into_iter());
            assert_eq!(axis.marks().len(), marks, "{figures:?}");
            assert!(axis.place(ends.0).abs() < TINY, "{figures:?}");
            assert!((axis.place(ends.1) - 1.0).abs() < TINY, "{figures:?}");
        }
    }
}
