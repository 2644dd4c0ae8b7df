//! The reader that knows no provider: the usual order of headers, by status and counters.

use super::counters::{Counters, count};
use super::grammar::list;
use super::name::{Name, Role};
use super::ratelimit;
use super::value::{Parsed, ReferenceTime, Unit};
use super::{Head, Hint, Kind, Reading};
use http::header::{AGE, RETRY_AFTER};
use http::{HeaderMap, HeaderName, StatusCode};
use std::cell::LazyCell;
use std::time::Duration;

/// What a status says about the request, before any header is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StatusClass {
    /// Done: only a spent counter makes the next one wait.
    Served,
    /// Not now: every hint counts.
    Refused,
    /// Not this: a mistake of the caller, as a rule, which a wait does not mend.
    OtherError,
}

impl StatusClass {
    pub(super) fn of(head: &Head<'_>) -> StatusClass {
        match head.refused {
            Some(true) => StatusClass::Refused,
            Some(false) => StatusClass::Served,
            None => StatusClass::of_status(head.status),
        }
    }

    fn of_status(status: StatusCode) -> StatusClass {
        match status.as_u16() {
            402 | 403 | 408 | 413 | 418 | 420 | 423 | 425 | 429 | 430 | 500.. => {
                StatusClass::Refused
            }
            400..=499 => StatusClass::OtherError,
            _ => StatusClass::Served,
        }
    }
}

/// Header units that a provider states, against what the name says.
pub(super) type Units = [(HeaderName, Unit)];

pub(super) fn read(
    head: &Head<'_>,
    class: StatusClass,
    reference: ReferenceTime,
    units: &Units,
) -> Reading {
    let counters = LazyCell::new(|| fresh_counters(head.headers, units));
    let limited = class == StatusClass::Refused || counters.any_spent();
    if limited || (class == StatusClass::OtherError && !counters.any()) {
        let asked = retry_after(head.headers, reference, units);
        if asked != Reading::Nothing {
            return asked;
        }
    }
    if !limited {
        return Reading::Nothing;
    }
    limits(head.headers, reference, &counters)
}

/// The counters of the response itself; those of a cached one were true once.
fn fresh_counters<'h>(headers: &'h HeaderMap, units: &Units) -> Counters<'h> {
    let age = headers.get(AGE).and_then(|age| count(age.as_bytes()));
    if age.is_some_and(|age| age.whole > 0) {
        return Counters::default();
    }
    Counters::read(headers, |name| unit_of(name, units))
}

/// `Retry-After`: first its precise spellings, then itself, then everybody else's.
fn retry_after(headers: &HeaderMap, reference: ReferenceTime, units: &Units) -> Reading {
    let mut longest: [Option<(Parsed, &HeaderName)>; 3] = [None; 3];
    for (rank, name) in headers
        .keys()
        .filter_map(|name| Some((Rank::of(name)?, name)))
    {
        let stated = asked(headers, name, reference, units).map(|stated| (stated, name));
        let so_far = &mut longest[rank as usize];
        *so_far = stated
            .into_iter()
            .chain(*so_far)
            .max_by_key(|(stated, _)| *stated);
    }
    let [precise, standard, vendor] = longest;
    let said = match (precise, standard) {
        (Some(precise), Some(standard)) if is_another(standard.0, precise.0) => Some(standard),
        _ => precise.or(standard).or(vendor),
    };
    match said {
        Some((Parsed::Wait(wait), name)) => Reading::Wait(Hint::of(wait, Kind::RetryAfter, name)),
        Some((Parsed::OutOfRange, _)) => Reading::Never(RETRY_AFTER.as_str()),
        Some((Parsed::Past, _)) | None => Reading::Nothing,
    }
}

/// Whether `Retry-After` says so much more than its precise spelling that it is not the same wait, rounded up.
fn is_another(standard: Parsed, precise: Parsed) -> bool {
    const ROUNDING: Duration = Duration::from_secs(1);
    match (standard, precise) {
        (Parsed::Wait(standard), Parsed::Wait(precise)) => {
            standard.saturating_sub(precise) >= ROUNDING
        }
        (standard, precise) => standard > precise,
    }
}

/// The spellings of `Retry-After`, those first that are believed first.
#[derive(Clone, Copy)]
enum Rank {
    Precise,
    Standard,
    Vendor,
}

impl Rank {
    fn of(name: &HeaderName) -> Option<Rank> {
        match name.as_str() {
            "retry-after-ms" | "x-ms-retry-after-ms" => Some(Rank::Precise),
            "retry-after" => Some(Rank::Standard),
            name => (Name::read(name)?.role == Role::Wait).then_some(Rank::Vendor),
        }
    }
}

/// Whether a header is a spelling of `Retry-After`.
pub(super) fn is_wait(name: &HeaderName) -> bool {
    Rank::of(name).is_some()
}

/// The longest of all that the lines of one header ask for.
///
/// Only the standard header is believed when it asks for more than a year; elsewhere it is one value too many.
fn asked(
    headers: &HeaderMap,
    name: &HeaderName,
    reference: ReferenceTime,
    units: &Units,
) -> Option<Parsed> {
    let unit = unit_of(name, units)
        .or_else(|| Some(Name::read(name.as_str())?.unit))
        .unwrap_or_default();
    let values = headers
        .get_all(name)
        .iter()
        .flat_map(|line| list::items(line.as_bytes()));
    let stated = values.filter_map(|value| reference.read(value, unit));
    stated
        .filter(|stated| match stated {
            Parsed::Wait(_) => true,
            Parsed::OutOfRange => *name == RETRY_AFTER,
            Parsed::Past => false,
        })
        .max()
}

/// The counters: the `RateLimit` field, then the resets of all others.
fn limits(headers: &HeaderMap, reference: ReferenceTime, counters: &Counters<'_>) -> Reading {
    if let Some(wait) = counters.item_reset(headers, reference) {
        return Reading::Wait(Hint::new(wait, Kind::Reset, ratelimit::NAME));
    }
    match counters.reset(headers, reference) {
        Some((wait, name)) => Reading::Wait(Hint::of(wait, Kind::Reset, name)),
        None => Reading::Nothing,
    }
}

fn unit_of(name: &HeaderName, units: &Units) -> Option<Unit> {
    units
        .iter()
        .find(|(known, _)| known == name)
        .map(|(_, unit)| *unit)
}
