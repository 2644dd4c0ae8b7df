//! What is left of a published quota, while there is something left.
//!
//! Waits are read from counters that are spent. This looks at those that are not, on nearly every
//! answer: so it looks at few headers, allocates nothing, and leaves the odd spellings alone, which
//! cost a refusal and no more.

use super::name::Name;
use super::ratelimit;
use super::value::{Clock, Stated, Unit};
use http::header::{AGE, DATE};
use http::{HeaderMap, HeaderName};
use std::time::{Duration, SystemTime};

/// What one response says about the budget of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Counter {
    pub(crate) limit: Option<u32>,
    pub(crate) remaining: u32,
    pub(crate) resets_in: Duration,
}

/// The counter with the least left, of those that count calls and say when they are reset.
pub(super) fn read(
    headers: &HeaderMap,
    received: impl Fn() -> SystemTime,
    unit_of: impl Fn(&HeaderName) -> Option<Unit>,
) -> Option<Counter> {
    let (tightest, structured) = glance(headers);
    if tightest.is_none() && !structured {
        return None;
    }
    let age = headers.get(AGE).map(|age| whole(age.as_bytes()));
    if age.is_some_and(|age| age != Some(0)) {
        return None;
    }
    let date = headers.get(DATE).map(|date| date.as_bytes());
    let clock = Clock::of(received(), date, false);
    if let Some((remaining, name)) = tightest {
        return Some(Counter {
            limit: kin(headers, name, &["limit"]).and_then(|(_, limit)| whole(limit)),
            remaining,
            resets_in: resets_in(headers, name, clock, unit_of)?,
        });
    }
    let items = ratelimit::items(headers).filter_map(ratelimit::Item::budget);
    let (remaining, reset) = items.min_by_key(|(remaining, _)| *remaining)?;
    Some(Counter {
        limit: None,
        remaining,
        resets_in: wait(clock.read(reset?, Unit::Auto)?)?,
    })
}

/// The tightest counter among the headers, and whether there is a structured field.
///
/// Values are looked at before names: of a dozen headers two or three begin with a digit.
fn glance(headers: &HeaderMap) -> (Option<(u32, &HeaderName)>, bool) {
    let mut tightest: Option<(u32, &HeaderName)> = None;
    let mut structured = false;
    for (name, value) in headers {
        let value = value.as_bytes();
        if value.first().is_some_and(u8::is_ascii_digit) && counts_calls(name.as_str()) {
            let counted = whole(value).map(|remaining| (remaining, name));
            let so_far = tightest.map_or(u32::MAX, |(remaining, _)| remaining);
            tightest = counted
                .filter(|(remaining, _)| *remaining <= so_far)
                .or(tightest);
        } else if ratelimit::is_name(name.as_str()) {
            structured = true;
        }
    }
    (tightest, structured)
}

const REMAINING: &str = "remaining";

/// No name that speaks of a limit as well as of what remains is shorter.
const SHORTEST: usize = "limit".len() + REMAINING.len();

/// Tokens, points and seconds are spent by other measures than calls.
fn counts_calls(name: &str) -> bool {
    const OTHERS: [&str; 7] = [
        "token",
        "cost",
        "point",
        "complex",
        "time",
        "concurrent",
        "beta-",
    ];
    name.len() > SHORTEST
        && name.contains(REMAINING)
        && name.contains("limit")
        && !OTHERS.iter().any(|other| name.contains(other))
}

fn resets_in(
    headers: &HeaderMap,
    remaining: &HeaderName,
    clock: Clock,
    unit_of: impl Fn(&HeaderName) -> Option<Unit>,
) -> Option<Duration> {
    let (name, value) = kin(headers, remaining, &["reset-after", "reset"])?;
    let unit = unit_of(name).or_else(|| Some(Name::read(name.as_str())?.unit));
    wait(clock.read(value, unit.unwrap_or(Unit::Auto))?)
}

fn wait(stated: Stated) -> Option<Duration> {
    stated.wait().filter(|wait| !wait.is_zero())
}

/// The header of the same counter that plays another part: `remaining` in its name, replaced.
fn kin<'h>(
    headers: &'h HeaderMap,
    remaining: &HeaderName,
    parts: &[&str],
) -> Option<(&'h HeaderName, &'h [u8])> {
    let (before, after) = remaining.as_str().split_once(REMAINING)?;
    let is_kin = |name: &str| {
        let middle = name
            .strip_prefix(before)
            .and_then(|rest| rest.strip_suffix(after));
        middle.and_then(|middle| parts.iter().position(|part| *part == middle))
    };
    headers
        .iter()
        .filter_map(|(name, value)| Some((is_kin(name.as_str())?, name, value)))
        .min_by_key(|(rank, ..)| *rank)
        .map(|(_, name, value)| (name, value.as_bytes()))
}

fn whole(value: &[u8]) -> Option<u32> {
    let number = super::counters::count(value)?;
    u32::try_from(number.whole).ok()
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
        let found = read(&headers, || SystemTime::UNIX_EPOCH, |_| None);
        let expected = expected.map(|(limit, remaining, seconds)| Counter {
            limit,
            remaining,
            resets_in: Duration::from_secs(seconds),
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
    fn without_a_reset_or_a_number_nothing_is_counted() {
        reads(&[("x-ratelimit-remaining", "5")], None);
        reads(
            &[("x-ratelimit-remaining", "-5"), ("x-ratelimit-reset", "9")],
            None,
        );
        reads(
            &[("x-ratelimit-remaining", "5"), ("x-ratelimit-reset", "0")],
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
