//! Days that end at midnight somewhere.

use super::super::value::ReferenceTime;
use jiff::tz::TimeZone;
use std::borrow::Cow;
use std::time::Duration;

/// A zone whose rule was written down, since no database of zones is compiled in.
#[derive(Clone, Debug, PartialEq)]
pub(super) struct Midnight {
    pub(super) rule: Cow<'static, str>,
    zone: TimeZone,
}

impl Midnight {
    pub(super) fn of(rule: Cow<'static, str>) -> Midnight {
        Midnight::read(rule).expect("the rule of a zone, such as `EST5EDT,M3.2.0,M11.1.0`")
    }

    /// The same, if the text is the rule of a zone.
    pub(super) fn read(rule: Cow<'static, str>) -> Option<Midnight> {
        let zone = TimeZone::posix(&rule).ok()?;
        Some(Midnight { rule, zone })
    }

    /// Until the day ends, if the text speaks of it.
    pub(super) fn wait(
        &self,
        text: &[u8],
        phrase: &str,
        reference: ReferenceTime,
    ) -> Option<Duration> {
        let phrase = phrase.as_bytes();
        let speaks = !phrase.is_empty()
            && text
                .windows(phrase.len())
                .any(|window| window.eq_ignore_ascii_case(phrase));
        speaks.then(|| reference.until_midnight(&self.zone))?
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use jiff::Timestamp;

    const PACIFIC: &str = "PST8PDT,M3.2.0,M11.1.0";

    #[track_caller]
    fn waits(rule: &'static str, now: &str, text: &str, hours: Option<f64>) {
        let now: Timestamp = now.parse().unwrap();
        let reference = ReferenceTime::of(|| now.try_into().unwrap(), None, false);
        let found = Midnight::of(rule.into()).wait(text.as_bytes(), "PerDay", reference);
        let expected = hours.map(|hours| Duration::from_secs_f64(hours * 3_600.0));
        assert_eq!(found, expected, "{now} {text}");
    }

    #[test]
    fn the_day_ends_at_midnight_in_summer_and_in_winter() {
        let waits = |now, hours| waits(PACIFIC, now, "RequestsPerDay", Some(hours));
        waits("2026-01-15T07:30:00Z", 0.5);
        waits("2026-01-15T08:00:00Z", 24.0);
        waits("2026-07-15T06:30:00Z", 0.5);
        waits("2026-07-15T07:30:00Z", 23.5);
        waits("2026-07-15T08:30:00Z", 22.5);
    }

    #[test]
    fn a_day_on_which_the_clocks_are_changed_is_as_long_as_it_is() {
        let waits = |now, hours| waits(PACIFIC, now, "RequestsPerDay", Some(hours));
        waits("2026-03-08T08:00:00Z", 23.0);
        waits("2026-11-01T07:00:00Z", 25.0);
    }

    #[test]
    fn a_zone_may_lie_in_the_east_and_have_no_summer() {
        waits("UTC0", "2026-01-15T23:00:00Z", "perday", Some(1.0));
        waits("CST-8", "2026-01-15T15:00:00Z", "perday", Some(1.0));
    }

    #[test]
    fn nothing_is_said_about_other_limits() {
        waits(PACIFIC, "2026-01-15T07:30:00Z", "RequestsPerMinute", None);
        waits(PACIFIC, "2026-01-15T07:30:00Z", "", None);
    }

    #[test]
    #[should_panic = "the rule of a zone"]
    fn a_zone_that_is_not_spelt_out_is_refused() {
        Midnight::of("America/Los_Angeles".into());
    }
}
