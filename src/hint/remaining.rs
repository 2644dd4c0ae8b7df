//! What is left of a published quota, while there is something left.
//!
//! Waits are read from counters that are spent. This reads those that are not, from nearly every response of a server
//! that publishes them: so it allocates nothing, and leaves odd spellings alone.

use super::name::{Role, Stem};
use super::scan::{Entry, HeaderScan, Tightest};
use super::value::{Parsed, ReferenceTime, Unit, Units, coarseness, unit_of, whole_count};
use http::HeaderMap;
use std::cmp::Reverse;
use std::time::{Duration, SystemTime};

/// What one response says about the budget of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Remaining {
    pub(crate) limit: Option<u32>,
    pub(crate) remaining: u32,
    /// `None` if the response names no moment, or one that cannot be read.
    pub(crate) resets_in: Option<Duration>,
    /// The reset may be earlier by less than this, since it is written in whole seconds, or compared with a `Date`.
    pub(crate) coarseness: Duration,
}

impl Remaining {
    /// Whether at most this part of the limit is left. `false` if no limit is named.
    pub(crate) fn is_low(&self, percent: u8) -> bool {
        let most = |limit: u32| u64::from(limit) * u64::from(percent) / 100;
        self.limit
            .is_some_and(|limit| u64::from(self.remaining) <= most(limit))
    }

    /// Orders counters: the less is left, and the longer that lasts, the smaller.
    pub(super) fn tightness(&self) -> (u32, Reverse<Option<Duration>>) {
        (self.remaining, Reverse(self.resets_in))
    }
}

/// What the headers of a success say is left, as far as no provider has rules of its own.
pub(crate) enum Left {
    /// Nothing is said.
    Silent,
    /// There is something left, and this is how much.
    Some(Option<Remaining>),
    /// Something may be at zero.
    PerhapsNone,
}

impl Left {
    /// Reads the headers of a response that arrived then.
    pub(crate) fn read(headers: &HeaderMap, received: impl FnOnce() -> SystemTime) -> Self {
        let scan = HeaderScan::quick(headers);
        if scan.tightest().is_none() && !scan.has_items() && !scan.may_be_exhausted() {
            return Self::Silent;
        }
        if scan.may_be_exhausted() || scan.has_overflown() {
            return Self::PerhapsNone;
        }
        let reference = || ReferenceTime::of(received, scan.date(), false);
        Self::Some(read(&scan, reference, &[]))
    }
}

/// The counter with the least left, of those that count calls.
pub(super) fn read(
    scan: &HeaderScan<'_>,
    reference: impl FnOnce() -> ReferenceTime,
    units: &Units,
) -> Option<Remaining> {
    if scan.is_stale() {
        return None;
    }
    match scan.tightest() {
        Some(tightest) => Some(named(scan, tightest, reference, units)),
        None if scan.has_items() => listed(scan, reference),
        None => None,
    }
}

/// What the headers of a response say is left of what has this name, such as `tokens`.
/// Of several counters it is the one whose name has the fewest other words.
pub(crate) fn remaining_of(
    counted: &str,
    headers: &HeaderMap,
    received: impl FnOnce() -> SystemTime,
    units: &Units,
) -> Option<Remaining> {
    let scan = HeaderScan::of(headers);
    if scan.is_stale() {
        return None;
    }
    let counters = scan.entries().filter_map(|entry| {
        let is_remaining = matches!(entry.name.role, Role::Remaining { .. });
        let others = entry.name.stem.words_before(counted)?;
        let remaining = whole_count(entry.value)?;
        is_remaining.then_some((others, remaining, entry.name))
    });
    let (_, remaining, name) = counters.min_by_key(|(others, ..)| *others)?;
    let reference = || ReferenceTime::of(received, scan.date(), false);
    Some(named(&scan, Tightest { remaining, name }, reference, units))
}

/// If more calls are left than may be in flight, it does not matter how exactly the reset is told.
const FEW: u32 = 1_000;

/// A counter with headers of its own: the limit and the reset have the same stem.
fn named(
    scan: &HeaderScan<'_>,
    tightest: Tightest<'_>,
    reference: impl FnOnce() -> ReferenceTime,
    units: &Units,
) -> Remaining {
    let related = Related::of(scan, tightest.name.stem);
    // The reset that needs no agreement of clocks comes first.
    let reset = related.reset_after.or(related.reset);
    let resets_in = reset.and_then(|reset| {
        let unit = unit_of(reset.header, units).unwrap_or(reset.name.unit);
        wait(reference().read(reset.value, unit)?)
    });
    let coarseness = reset
        .zip(resets_in)
        .filter(|_| tightest.remaining <= FEW)
        .map(|(reset, wait)| coarseness(reset.value, wait, scan.date().is_some()));
    Remaining {
        limit: related.limit.and_then(|limit| whole_count(limit.value)),
        remaining: tightest.remaining,
        resets_in,
        coarseness: coarseness.unwrap_or_default(),
    }
}

/// A counter in the `RateLimit` field.
fn listed(scan: &HeaderScan<'_>, reference: impl FnOnce() -> ReferenceTime) -> Option<Remaining> {
    let items = scan.items().filter_map(|item| item.budget());
    let (remaining, reset) = items.min_by_key(|(remaining, _)| *remaining)?;
    let resets_in = reset.and_then(|reset| wait(reference().read(reset, Unit::Auto)?));
    let coarseness = reset
        .zip(resets_in)
        .map(|(reset, wait)| coarseness(reset, wait, scan.date().is_some()));
    Some(Remaining {
        limit: None,
        remaining,
        resets_in,
        coarseness: coarseness.unwrap_or_default(),
    })
}

/// A counter whose window is over by these clocks is still a counter.
fn wait(parsed: Parsed) -> Option<Duration> {
    match parsed {
        Parsed::Past => Some(Duration::ZERO),
        parsed => parsed.wait(),
    }
}

/// The limit and the reset of one counter.
#[derive(Default)]
struct Related<'s, 'h> {
    limit: Option<&'s Entry<'h>>,
    reset: Option<&'s Entry<'h>>,
    reset_after: Option<&'s Entry<'h>>,
}

impl<'s, 'h> Related<'s, 'h> {
    fn of(scan: &'s HeaderScan<'h>, stem: Stem<'_>) -> Related<'s, 'h> {
        let mut related = Related::default();
        for entry in scan.entries().filter(|entry| entry.name.stem == stem) {
            let part = match entry.name.role {
                Role::Limit => &mut related.limit,
                Role::Reset { delta: true, .. } => &mut related.reset_after,
                Role::Reset { .. } => &mut related.reset,
                Role::Wait | Role::Remaining { .. } | Role::Items => continue,
            };
            part.get_or_insert(entry);
        }
        related
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::{HeaderMap, HeaderName};
    use std::time::SystemTime;

    #[track_caller]
    fn reads(lines: &[(&str, &str)], expected: Option<(Option<u32>, u32, u64)>) {
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
            headers.append(name, value.parse().unwrap());
        }
        let reference = || ReferenceTime::of(|| SystemTime::UNIX_EPOCH, None, false);
        let found = read(&HeaderScan::of(&headers), reference, &[]);
        let expected = expected.map(|(limit, remaining, seconds)| Remaining {
            limit,
            remaining,
            resets_in: (seconds > 0).then_some(Duration::from_secs(seconds)),
            coarseness: found.map(|found| found.coarseness).unwrap_or_default(),
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
    fn a_counter_of_something_else_is_found_by_its_name() {
        let lines = [
            ("x-ratelimit-remaining-requests", "42"),
            ("x-ratelimit-limit-tokens", "10000"),
            ("x-ratelimit-remaining-tokens", "700"),
            ("x-ratelimit-reset-tokens", "6s"),
            ("anthropic-ratelimit-input-tokens-remaining", "31"),
            ("anthropic-ratelimit-input-tokens-limit", "50"),
        ];
        let mut headers = HeaderMap::new();
        for (name, value) in lines {
            headers.append(name, value.parse().unwrap());
        }
        let read = |name| {
            let found = remaining_of(name, &headers, || SystemTime::UNIX_EPOCH, &[])?;
            let seconds = found.resets_in.map(|resets_in| resets_in.as_secs());
            Some((found.limit, found.remaining, seconds))
        };
        assert_eq!(read("tokens"), Some((Some(10_000), 700, Some(6))));
        assert_eq!(read("requests"), Some((None, 42, None)));
        assert_eq!(read("input-tokens"), Some((Some(50), 31, None)));
        for unknown in ["token", "output-tokens", "put-tokens", "", "remaining"] {
            assert_eq!(read(unknown), None, "{unknown}");
        }
        headers.insert("age", "7".parse().unwrap());
        let cached = remaining_of("tokens", &headers, || SystemTime::UNIX_EPOCH, &[]);
        assert_eq!(cached, None);
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
