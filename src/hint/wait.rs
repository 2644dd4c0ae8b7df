//! The wait that headers name when no provider's rule says more: the usual order of sources.

use super::grammar::Number;
use super::grammar::list::{self, values};
use super::name::{Name, NameMatch, Role};
use super::ratelimit;
use super::reading::{Head, Hint, Kind, Reading};
use super::scan::{Group, HeaderScan};
use super::value::{Parsed, ReferenceTime, Unit, Units, count, unit_of};
use http::header::RETRY_AFTER;
use http::{HeaderMap, HeaderName};
use std::time::Duration;

/// What a status says about the request, before any header is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StatusClass {
    /// Done: only an exhausted counter makes the next call wait.
    Served,
    /// Not now: every hint counts.
    Refused,
    /// Any other 4xx, which is the caller's mistake as a rule: a wait does not mend it.
    OtherError,
}

impl StatusClass {
    pub(super) fn of(head: &Head<'_>) -> StatusClass {
        match (head.refused, head.status.as_u16()) {
            (Some(true), _) => StatusClass::Refused,
            (Some(false), _) => StatusClass::Served,
            (None, 402 | 403 | 408 | 413 | 418 | 420 | 423 | 425 | 429 | 430 | 500..) => {
                StatusClass::Refused
            }
            (None, 400..=499) => StatusClass::OtherError,
            (None, _) => StatusClass::Served,
        }
    }
}

/// Reads the wait; `headers` are those that were scanned.
pub(super) fn read(
    headers: &HeaderMap,
    scan: &HeaderScan<'_>,
    class: StatusClass,
    reference: ReferenceTime,
    units: &Units,
) -> Reading {
    let source = WaitSource {
        scan,
        reference,
        units,
    };
    if scan.has_overflown() {
        let is_limited = class == StatusClass::Refused || scan.may_be_exhausted();
        if is_limited || class == StatusClass::OtherError {
            return longest_of_all(headers, reference, units, !is_limited);
        }
    }
    let limited = class == StatusClass::Refused || source.has_exhausted();
    if limited || (class == StatusClass::OtherError && !source.has_counters()) {
        match source.retry_after() {
            Reading::Wait(asked) => return Reading::Wait(source.compared(asked)),
            Reading::Nothing => {}
            asked => return asked,
        }
    }
    if !limited || scan.is_stale() {
        return Reading::Nothing;
    }
    source.limits()
}

/// Whether a header is a spelling of `Retry-After`.
pub(super) fn is_wait(name: &HeaderName) -> bool {
    Name::read(name.as_str()).is_some_and(|name| name.role == Role::Wait)
}

/// The longest wait of a response with more counters than a scan keeps: none of them is cut short.
///
/// Where no limit was reached, resets are ignored.
fn longest_of_all(
    headers: &HeaderMap,
    reference: ReferenceTime,
    units: &Units,
    resets_ignored: bool,
) -> Reading {
    let lines = headers.iter().filter_map(|(header, line)| {
        let name = Name::read(header.as_str())?;
        let unit = unit_of(header, units).unwrap_or(name.unit);
        let read = |value| {
            reference
                .read(value, unit)
                .filter(|parsed| counts(header, *parsed))
        };
        let parsed = match name.role {
            Role::Reset { .. } | Role::Items if resets_ignored => None,
            Role::Wait | Role::Reset { .. } => values(line.as_bytes()).filter_map(read).max(),
            Role::Items => {
                let items = ratelimit::items(line.as_bytes());
                items.filter_map(|item| read(item.reset()?)).max()
            }
            Role::Remaining { .. } | Role::Limit => None,
        };
        Some((parsed?, header))
    });
    let longest = lines.max_by_key(|(parsed, _)| *parsed);
    match (reading(longest), longest) {
        (Reading::Wait(hint), Some((_, header))) if !is_wait(header) => {
            Reading::Wait(Hint::of(hint.wait(), Kind::Reset, header))
        }
        (reading, _) => reading,
    }
}

/// Whether a value counts that one of several spellings of `Retry-After` states.
///
/// Only the standard header is believed when it asks for more than a year; elsewhere it is one value too many.
fn counts(header: &HeaderName, parsed: Parsed) -> bool {
    match parsed {
        Parsed::Wait(_) => true,
        Parsed::OutOfRange => *header == RETRY_AFTER,
        Parsed::Past => false,
    }
}

fn reading(asked: Option<(Parsed, &HeaderName)>) -> Reading {
    match asked {
        Some((Parsed::Wait(wait), header)) => {
            Reading::Wait(Hint::of(wait, Kind::RetryAfter, header))
        }
        Some((Parsed::OutOfRange, _)) => Reading::Never(RETRY_AFTER.as_str()),
        Some((Parsed::Past, _)) | None => Reading::Nothing,
    }
}

/// The headers of one response, and what it takes to read them.
#[derive(Clone, Copy)]
struct WaitSource<'s, 'h> {
    scan: &'s HeaderScan<'h>,
    reference: ReferenceTime,
    units: &'s Units,
}

impl<'s, 'h> WaitSource<'s, 'h> {
    /// Every counter, and which of its values are zero; those of a cached response were true once.
    fn counters(self) -> impl Iterator<Item = (Group<'s, 'h>, ZeroMask)> {
        let groups = self.scan.groups().filter(move |_| !self.scan.is_stale());
        groups.filter_map(|group| {
            let Role::Remaining { sure, .. } = group.first.name.role else {
                return None;
            };
            let mask = ZeroMask::read(group);
            let counts = mask.has_zero() || (sure && mask.len > 0);
            counts.then_some((group, mask))
        })
    }

    fn items(self) -> impl Iterator<Item = ratelimit::Item<'h>> {
        self.scan.items().filter(move |_| !self.scan.is_stale())
    }

    fn has_counters(self) -> bool {
        self.items().next().is_some() || self.counters().next().is_some()
    }

    fn has_exhausted(self) -> bool {
        self.scan.may_be_exhausted()
            && (self.items().any(ratelimit::Item::is_exhausted)
                || self.counters().any(|(_, mask)| mask.has_zero()))
    }

    /// `Retry-After`: first its precise spellings, then itself, then all others.
    fn retry_after(self) -> Reading {
        let mut longest: [Option<(Parsed, &HeaderName)>; 3] = [None; 3];
        for group in self.scan.groups() {
            let rank = match (group.first.name.role, group.first.header.as_str()) {
                (Role::Wait, "retry-after-ms" | "x-ms-retry-after-ms") => 0,
                (Role::Wait, "retry-after") => 1,
                (Role::Wait, _) => 2,
                _ => continue,
            };
            let asked = self.asked(group).map(|asked| (asked, group.first.header));
            let both = asked.into_iter().chain(longest[rank]);
            longest[rank] = both.max_by_key(|(asked, _)| *asked);
        }
        let [precise, standard, vendor] = longest;
        match (precise, standard) {
            (Some(precise), Some(standard)) if is_another(standard.0, precise.0) => {
                reading(Some(standard))
            }
            _ => reading(precise.or(standard).or(vendor)),
        }
    }

    /// The wait of a bare `Retry-After`, beside the resets of the same response.
    ///
    /// A reset that is another by far shows that they count in different units, which is said in the log and never
    /// guessed.
    fn compared(self, asked: Hint) -> Hint {
        let is_bare = asked.source() == RETRY_AFTER.as_str() && self.is_bare_number();
        if !is_bare || self.scan.is_stale() || !self.has_exhausted() {
            return asked;
        }
        let Reading::Wait(reset) = self.limits() else {
            return asked;
        };
        if let Some(exactly) = self.reset_that_was_cut(asked.wait()) {
            return exactly;
        }
        let is_stated = unit_of(&RETRY_AFTER, self.units).is_some();
        let is_doubtful = !is_stated && differ_by_far(asked.wait(), reset.wait());
        asked.doubted_if(is_doubtful)
    }

    /// Whether every value of `Retry-After` is a whole number.
    fn is_bare_number(self) -> bool {
        let mut groups = self.scan.groups();
        let standard = groups.find(|group| *group.first.header == RETRY_AFTER);
        standard.is_some_and(|group| {
            let mut values = group.lines().flat_map(list::items);
            values.all(|value| Number::read(value).is_some_and(|number| number.integral))
        })
    }

    /// The reset of which `Retry-After` has cut the fraction (koa-ratelimit): it is later by less than a second.
    ///
    /// Compared with a `Date`, which is cut as well, it may seem later by another second.
    fn reset_that_was_cut(self, asked: Duration) -> Option<Hint> {
        const SECOND: Duration = Duration::from_secs(1);
        let (wait, header) = self.reset()?;
        let reference = self.reference.at_latest();
        let soonest = WaitSource { reference, ..self }.reset();
        let least = soonest.map_or(Duration::ZERO, |(wait, _)| wait);
        let is_same = wait > asked && least < asked + SECOND && self.has_fractional_reset();
        is_same.then(|| Hint::of(wait, Kind::Reset, header))
    }

    /// Whether the latest reset was written as a fraction of a second.
    fn has_fractional_reset(self) -> bool {
        let reference = self.reference.without_fraction();
        let written = WaitSource { reference, ..self };
        written
            .reset()
            .is_some_and(|(wait, _)| wait.subsec_nanos() != 0)
    }

    /// The longest of all that the lines of one header ask for.
    fn asked(self, group: Group<'_, '_>) -> Option<Parsed> {
        let unit = self.unit(group);
        let values = group.lines().flat_map(list::items);
        values
            .filter_map(|value| self.reference.read(value, unit))
            .filter(|parsed| counts(group.first.header, *parsed))
            .max()
    }

    /// The counters: the `RateLimit` field, then the resets of all others.
    fn limits(self) -> Reading {
        if let Some(wait) = self.reset_of_items() {
            return Reading::Wait(Hint::new(wait, Kind::Reset, ratelimit::NAME));
        }
        match self.reset() {
            Some((wait, header)) => Reading::Wait(Hint::of(wait, Kind::Reset, header)),
            None => Reading::Nothing,
        }
    }

    /// The latest reset among the exhausted items of the `RateLimit` field.
    fn reset_of_items(self) -> Option<Duration> {
        let exhausted = self.items().filter(|item| item.is_exhausted());
        exhausted
            .filter_map(|item| self.reference.read(item.reset()?, Unit::Auto)?.wait())
            .max()
    }

    /// The latest reset of any other exhausted counter.
    fn reset(self) -> Option<(Duration, &'h HeaderName)> {
        let usable = self
            .resets()
            .filter(|(reset, delta)| *delta || !self.is_outdone(*reset));
        usable
            .filter_map(|(reset, _)| Some((self.wait(reset)?, reset.first.header)))
            .max_by_key(|(wait, _)| *wait)
    }

    /// Every reset, and whether it is counted from now.
    fn resets(self) -> impl Iterator<Item = (Group<'s, 'h>, bool)> {
        self.scan
            .groups()
            .filter_map(|group| match group.first.name.role {
                Role::Reset { delta, .. } => Some((group, delta)),
                _ => None,
            })
    }

    /// Whether the same counter also has a reset that needs no agreement of clocks.
    fn is_outdone(self, reset: Group<'_, '_>) -> bool {
        self.resets().any(|(other, delta)| {
            let name_match = other.first.name.stem.name_match(reset.first.name.stem);
            delta && name_match >= Some(NameMatch::SameWords) && self.wait(other).is_some()
        })
    }

    /// The wait that a reset names, if its closest counters are exhausted.
    ///
    /// A reset without any counter of its own counts unless all that others say is that there is budget left, or
    /// nothing shows that it is about a limit.
    fn wait(self, reset: Group<'_, '_>) -> Option<Duration> {
        let name = reset.first.name;
        let sure = matches!(name.role, Role::Reset { sure: true, .. });
        let least = if sure {
            NameMatch::Prefix
        } else {
            NameMatch::SameWords
        };
        let name_match = |counter: Group<'_, '_>| {
            let found = name.stem.name_match(counter.first.name.stem);
            found.filter(|found| *found >= least)
        };
        let closest = self
            .counters()
            .filter_map(|(counter, _)| name_match(counter))
            .max();
        if closest.is_none() {
            let counts = sure && (self.has_exhausted() || !self.has_counters());
            return counts.then(|| self.longest(reset, ZeroMask::default()))?;
        }
        let own = self
            .counters()
            .filter(|(counter, mask)| mask.has_zero() && name_match(*counter) == closest);
        own.filter_map(|(_, mask)| self.longest(reset, mask)).max()
    }

    /// The longest of the values whose counter is zero; of all, if they cannot be told apart.
    fn longest(self, reset: Group<'_, '_>, mask: ZeroMask) -> Option<Duration> {
        let unit = self.unit(reset);
        let values = || reset.lines().flat_map(values);
        let paired = mask.len > 1 && values().count() == mask.len;
        let counting = values()
            .enumerate()
            .filter(|(at, _)| !paired || mask.is_zero(*at));
        counting
            .filter_map(|(_, value)| self.reference.read(value, unit)?.wait())
            .max()
    }

    fn unit(self, group: Group<'_, '_>) -> Unit {
        unit_of(group.first.header, self.units).unwrap_or(group.first.name.unit)
    }
}

/// Whether two waits differ by more than a factor of 100; nothing is nothing in any unit.
fn differ_by_far(one: Duration, other: Duration) -> bool {
    const FAR: u32 = 100;
    let (short, long) = (one.min(other), one.max(other));
    !short.is_zero() && long > short.saturating_mul(FAR)
}

/// Whether `Retry-After` is longer than its precise spelling by more than rounding explains.
fn is_another(standard: Parsed, precise: Parsed) -> bool {
    const ROUNDING: Duration = Duration::from_secs(1);
    match (standard, precise) {
        (Parsed::Wait(standard), Parsed::Wait(precise)) => {
            standard.saturating_sub(precise) >= ROUNDING
        }
        (standard, precise) => standard > precise,
    }
}

/// Which values of a comma list are zero: the first 64, and no API lists more than four windows.
#[derive(Clone, Copy, Debug, Default)]
struct ZeroMask {
    zeros: u64,
    len: usize,
}

impl ZeroMask {
    fn read(counter: Group<'_, '_>) -> ZeroMask {
        let mut mask = ZeroMask::default();
        let values = counter.lines().flat_map(values).take(u64::BITS as usize);
        for (value, number) in values.filter_map(|value| Some((value, count(value)?))) {
            // No counter is written so, but the end of `4,000`.
            let is_end = value == b"000" && mask.len > 0;
            mask.zeros |= u64::from(number.is_spent() && !is_end) << mask.len;
            mask.len += 1;
        }
        mask
    }

    fn has_zero(self) -> bool {
        self.zeros != 0
    }

    fn is_zero(self, at: usize) -> bool {
        at < u64::BITS as usize && self.zeros >> at & 1 == 1
    }
}
