//! [`Moment`]: a time as people say it.

use std::time::SystemTime;

use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;
use time::macros::format_description;

/// A time in the three forms that a `<time>` element has.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Moment {
    /// To read: `3 minutes ago`.
    pub ago: String,
    /// To be exact: `23 November 2025, 14:03 UTC`.
    pub exact: String,
    /// For programs: `2025-11-23T14:03:00Z`.
    pub iso: String,
}

impl Moment {
    /// A moment in the past, seen from `now`.
    #[must_use]
    pub fn of(moment: SystemTime, now: SystemTime) -> Self {
        let exactly =
            format_description!("[day padding:none] [month repr:long] [year], [hour]:[minute] UTC");
        let date = OffsetDateTime::from(moment);
        let date = date.replace_nanosecond(0).unwrap_or(date);
        Self {
            ago: ago(now.duration_since(moment).unwrap_or_default().as_secs()),
            exact: date.format(exactly).unwrap_or_default(),
            iso: date.format(&Rfc3339).unwrap_or_default(),
        }
    }
}

/// The largest unit that fits, and no more: `1 hour ago`, not `1 hour and 59 minutes ago`.
fn ago(seconds: u64) -> String {
    const UNITS: [(u64, &str); 4] = [
        (365 * 24 * 60 * 60, "year"),
        (24 * 60 * 60, "day"),
        (60 * 60, "hour"),
        (60, "minute"),
    ];
    match UNITS.iter().find(|(length, _)| seconds >= *length) {
        None => "just now".to_owned(),
        Some((length, unit)) => match seconds / length {
            1 => format!("1 {unit} ago"),
            count => format!("{count} {unit}s ago"),
        },
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, UNIX_EPOCH};

    use super::*;

    #[test]
    fn the_largest_unit_counts() {
        for (seconds, text) in [
            (0, "just now"),
            (59, "just now"),
            (60, "1 minute ago"),
            (119, "1 minute ago"),
            (180, "3 minutes ago"),
            (60 * 60 - 1, "59 minutes ago"),
            (60 * 60, "1 hour ago"),
            (24 * 60 * 60 - 1, "23 hours ago"),
            (24 * 60 * 60, "1 day ago"),
            (364 * 24 * 60 * 60, "364 days ago"),
            (800 * 24 * 60 * 60, "2 years ago"),
        ] {
            assert_eq!(ago(seconds), text);
        }
    }

    #[test]
    fn the_exact_time_is_there_for_people_and_programs() {
        let moment = UNIX_EPOCH + Duration::from_millis(1_763_906_580_123);
        let moment = Moment::of(moment, moment + Duration::from_secs(120));
        assert_eq!(moment.ago, "2 minutes ago");
        assert_eq!(moment.exact, "23 November 2025, 14:03 UTC");
        assert_eq!(moment.iso, "2025-11-23T14:03:00Z");
    }

    #[test]
    fn a_clock_that_was_set_back_is_no_trouble() {
        let moment = UNIX_EPOCH + Duration::from_secs(60);
        assert_eq!(Moment::of(moment, UNIX_EPOCH).ago, "just now");
    }
}
