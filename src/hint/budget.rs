//! What is left of a published quota, while there is something left.
//!
//! Waits are read from counters that are spent. This reads those that are not, from nearly every answer
//! when little is left: so it allocates nothing, and leaves the odd spellings alone, which cost a
//! refusal and no more.

use super::counters::whole;
use super::name::Name;
use super::ratelimit;
use super::scan::{HeaderScan, Tightest};
use super::value::{Parsed, ReferenceTime, Unit};
use http::header::{AGE, DATE};
use http::{HeaderMap, HeaderName};
use std::cmp::Reverse;
use std::time::{Duration, SystemTime};

/// What one response says about the budget of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Remaining {
    pub(crate) limit: Option<u32>,
    pub(crate) remaining: u32,
    /// `None` if it does not say when, or no moment to come.
    pub(crate) resets_in: Option<Duration>,
}

impl Remaining {
    /// The less is left, and the longer that lasts, the smaller.
    pub(super) fn tightness(&self) -> (u32, Reverse<Option<Duration>>) {
        (self.remaining, Reverse(self.resets_in))
    }
}

/// The counter with the least left, of those that count calls.
pub(super) fn read(
    headers: &HeaderMap,
    scan: &HeaderScan<'_>,
    received: impl FnOnce() -> SystemTime,
    unit_of: impl FnOnce(&HeaderName) -> Option<Unit>,
) -> Option<Remaining> {
    if is_stale(headers) {
        return None;
    }
    let reference = || {
        let date = headers.get(DATE).map(|date| date.as_bytes());
        ReferenceTime::of(received(), date, false)
    };
    match scan.tightest() {
        Some(tightest) => plain(headers, tightest, reference, unit_of),
        None => structured(headers, reference),
    }
}

/// Of a cached response: its counters were true once.
pub(super) fn is_stale(headers: &HeaderMap) -> bool {
    let age = headers.get(AGE).map(|age| whole(age.as_bytes()));
    age.is_some_and(|age| age != Some(0))
}

fn plain(
    headers: &HeaderMap,
    tightest: Tightest<'_>,
    reference: impl FnOnce() -> ReferenceTime,
    unit_of: impl FnOnce(&HeaderName) -> Option<Unit>,
) -> Option<Remaining> {
    let related = Related::of(headers, tightest.around);
    let reset = related.reset_after.or(related.reset);
    let resets_in = reset.and_then(|(name, reset)| {
        let unit = unit_of(name).unwrap_or_else(|| Name::unit(name.as_str()));
        wait(reference().read(reset, unit)?)
    });
    Some(Remaining {
        limit: related.limit.and_then(|(_, limit)| whole(limit)),
        remaining: tightest.remaining,
        resets_in,
    })
}

fn structured(headers: &HeaderMap, reference: impl FnOnce() -> ReferenceTime) -> Option<Remaining> {
    let items = ratelimit::items(headers).filter_map(ratelimit::Item::budget);
    let (remaining, reset) = items.min_by_key(|(remaining, _)| *remaining)?;
    let resets_in = reset.and_then(|reset| wait(reference().read(reset, Unit::Auto)?));
    Some(Remaining {
        limit: None,
        remaining,
        resets_in,
    })
}

/// A counter whose window is over by these clocks is still a counter.
fn wait(stated: Parsed) -> Option<Duration> {
    match stated {
        Parsed::Past => Some(Duration::ZERO),
        stated => stated.wait(),
    }
}

type Line<'h> = (&'h HeaderName, &'h [u8]);

/// The headers of the same counter that play another part: `remaining` in its name, replaced.
#[derive(Default)]
struct Related<'h> {
    limit: Option<Line<'h>>,
    reset: Option<Line<'h>>,
    reset_after: Option<Line<'h>>,
}

impl<'h> Related<'h> {
    fn of(headers: &'h HeaderMap, around: (&str, &str)) -> Related<'h> {
        let mut related = Related::default();
        for (name, value) in headers {
            if let Some(part) = related.part(name.as_str(), around) {
                part.get_or_insert((name, value.as_bytes()));
            }
        }
        related
    }

    fn part(&mut self, name: &str, (before, after): (&str, &str)) -> Option<&mut Option<Line<'h>>> {
        match name.strip_prefix(before)?.strip_suffix(after)? {
            "limit" => Some(&mut self.limit),
            "reset" => Some(&mut self.reset),
            "reset-after" => Some(&mut self.reset_after),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn reads(lines: &[(&str, &str)], expected: Option<(Option<u32>, u32, u64)>) {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, value.parse().unwrap());
        }
        let scan = HeaderScan::at(&headers, true);
        let found = read(&headers, &scan, || SystemTime::UNIX_EPOCH, |_| None);
        let expected = expected.map(|(limit, remaining, seconds)| Remaining {
            limit,
            remaining,
            resets_in: (seconds > 0).then_some(Duration::from_secs(seconds)),
        });
        assert_eq!(found, expected, "{lines:?}");
    }

    #[test]
    fn a_counter_is_its_remaining_its_limit_and_its_reset() {
        reads(
            &[
                ("x-ratelimit-limit", "100"),
                ("x-ratelimit-remaining", "42"),
                ("x-ratelimit-reset", "60"),
            ],
            Some((Some(100), 42, 60)),
        );
        reads(
            &[
                ("x-ratelimit-limit-requests", "100"),
                ("x-ratelimit-remaining-requests", "42"),
                ("x-ratelimit-reset-requests", "1m0s"),
                ("x-ratelimit-remaining-tokens", "1"),
                ("x-ratelimit-reset-tokens", "6s"),
            ],
            Some((Some(100), 42, 60)),
        );
        reads(
            &[
                ("x-ratelimit-remaining", "4"),
                ("x-ratelimit-reset", "1470173023.123"),
                ("x-ratelimit-reset-after", "64"),
            ],
            Some((None, 4, 64)),
        );
    }

    #[test]
    fn of_several_windows_the_tightest_counts() {
        reads(
            &[
                ("x-ratelimit-remaining-day", "900"),
                ("x-ratelimit-reset-day", "3600"),
                ("x-ratelimit-remaining-minute", "3"),
                ("x-ratelimit-reset-minute", "30"),
            ],
            Some((None, 3, 30)),
        );
    }

    #[test]
    fn a_counter_without_a_reset_is_a_counter() {
        reads(&[("x-ratelimit-remaining", "5")], Some((None, 5, 0)));
        reads(
            &[
                ("x-ratelimit-limit", "60"),
                ("x-ratelimit-remaining", "59"),
                ("x-ratelimit-reset", "soon"),
            ],
            Some((Some(60), 59, 0)),
        );
        reads(&[("ratelimit", "\"burst\";r=12")], Some((None, 12, 0)));
    }

    #[test]
    fn without_a_number_nothing_is_counted() {
        reads(
            &[("x-ratelimit-remaining", "-5"), ("x-ratelimit-reset", "9")],
            None,
        );
        reads(
            &[
                ("age", "5"),
                ("x-ratelimit-remaining", "5"),
                ("x-ratelimit-reset", "9"),
            ],
            None,
        );
        reads(&[], None);
    }

    #[test]
    fn the_structured_field_is_a_counter_too() {
        reads(&[("ratelimit", "\"burst\";r=12;t=3")], Some((None, 12, 3)));
        reads(
            &[("ratelimit", "\"burst\";r=12;t=3, \"daily\";r=7;t=5400")],
            Some((None, 7, 5400)),
        );
    }
}
