//! What is left, and when there will be more: remaining counters paired with their resets.

use super::grammar::{Number, list};
use super::name::{Name, NameMatch, Role, Stem};
use super::ratelimit;
use super::value::{Parsed, ReferenceTime, Unit};
use http::{HeaderMap, HeaderName};
use std::time::Duration;

/// Every counter and every reset of one response, as far as they can be read.
///
/// Allocates only if there are any, and only a refusal or a spent counter makes anyone look.
#[derive(Debug, Default)]
pub(super) struct Counters<'h> {
    remaining: Vec<RemainingHeader<'h>>,
    resets: Vec<ResetHeader<'h>>,
    /// Counters in the `RateLimit` field, which come with resets of their own.
    items: ItemSummary,
}

#[derive(Debug)]
struct RemainingHeader<'h> {
    stem: Stem<'h>,
    spent: ZeroMask,
}

#[derive(Debug)]
struct ResetHeader<'h> {
    name: &'h HeaderName,
    stem: Stem<'h>,
    delta: bool,
    sure: bool,
    unit: Unit,
}

/// Which values of a comma list are zero. The first 64, since nobody counts more windows.
#[derive(Clone, Copy, Debug, Default)]
struct ZeroMask {
    zeros: u64,
    len: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct ItemSummary {
    any: bool,
    spent: bool,
}

/// More counters than any response has; a bound on what a hostile one can make us compare.
const MOST: usize = 64;

impl<'h> Counters<'h> {
    pub(super) fn read(
        headers: &'h HeaderMap,
        unit_of: impl Fn(&HeaderName) -> Option<Unit>,
    ) -> Counters<'h> {
        let mut counters = Counters {
            items: summary(headers),
            ..Counters::default()
        };
        for name in headers.keys() {
            let Some(parts) = Name::read(name.as_str()) else {
                continue;
            };
            match parts.role {
                Role::Remaining { sure } => {
                    counters.note_remaining(parts.stem, ZeroMask::read(headers, name), sure)
                }
                Role::Reset { delta, sure } => {
                    let unit = unit_of(name).unwrap_or(parts.unit);
                    counters.note_reset(ResetHeader {
                        name,
                        stem: parts.stem,
                        delta,
                        sure,
                        unit,
                    });
                }
                Role::Wait => {}
            }
        }
        counters
    }

    fn note_remaining(&mut self, stem: Stem<'h>, spent: ZeroMask, sure: bool) {
        let telling = spent.any() || (sure && spent.len > 0);
        if telling && self.remaining.len() < MOST {
            self.remaining.push(RemainingHeader { stem, spent });
        }
    }

    fn note_reset(&mut self, reset: ResetHeader<'h>) {
        if self.resets.len() < MOST {
            self.resets.push(reset);
        }
    }

    pub(super) fn any(&self) -> bool {
        self.items.any || !self.remaining.is_empty()
    }

    pub(super) fn any_spent(&self) -> bool {
        self.items.spent || self.remaining.iter().any(|counter| counter.spent.any())
    }

    /// The latest reset among the spent items of the `RateLimit` field.
    pub(super) fn item_reset(
        &self,
        headers: &HeaderMap,
        reference: ReferenceTime,
    ) -> Option<Duration> {
        if !self.items.spent {
            return None;
        }
        let spent = ratelimit::items(headers).filter(|item| item.is_spent() == Some(true));
        spent
            .filter_map(|item| reference.read(item.reset()?, Unit::Auto)?.wait())
            .max()
    }

    /// The latest reset of any other spent counter.
    pub(super) fn reset(
        &self,
        headers: &HeaderMap,
        reference: ReferenceTime,
    ) -> Option<(Duration, &'h HeaderName)> {
        let usable =
            |reset: &&ResetHeader<'h>| reset.delta || !self.is_outdone(reset, headers, reference);
        let waits = self.resets.iter().filter(usable);
        waits
            .filter_map(|reset| Some((self.wait(reset, headers, reference)?, reset.name)))
            .max_by_key(|(wait, _)| *wait)
    }

    /// Whether the same counter also has a reset that needs no agreement of clocks.
    fn is_outdone(
        &self,
        reset: &ResetHeader<'_>,
        headers: &HeaderMap,
        reference: ReferenceTime,
    ) -> bool {
        self.resets.iter().any(|other| {
            other.delta
                && other.stem.name_match(reset.stem) >= Some(NameMatch::SameWords)
                && self.wait(other, headers, reference).is_some()
        })
    }

    /// The wait that a reset names, if its closest counters are spent.
    ///
    /// A reset without any counter of its own counts unless all that others say is that there is budget left, or
    /// nothing shows that it is about a limit.
    fn wait(
        &self,
        reset: &ResetHeader<'_>,
        headers: &HeaderMap,
        reference: ReferenceTime,
    ) -> Option<Duration> {
        let near = if reset.sure {
            NameMatch::Prefix
        } else {
            NameMatch::SameWords
        };
        let related = |counter: &&RemainingHeader<'_>| {
            reset
                .stem
                .name_match(counter.stem)
                .filter(|name_match| *name_match >= near)
        };
        let Some(closest) = self
            .remaining
            .iter()
            .filter_map(|counter| related(&counter))
            .max()
        else {
            let counts = reset.sure && (self.any_spent() || !self.any());
            return counts.then(|| reset.longest(headers, reference, &ZeroMask::default()))?;
        };
        let own = self
            .remaining
            .iter()
            .filter(|counter| related(counter) == Some(closest) && counter.spent.any());
        own.filter_map(|counter| reset.longest(headers, reference, &counter.spent))
            .max()
    }
}

impl ResetHeader<'_> {
    /// The longest of the values whose counter is spent; of all, if they cannot be told apart.
    fn longest(
        &self,
        headers: &HeaderMap,
        reference: ReferenceTime,
        spent: &ZeroMask,
    ) -> Option<Duration> {
        let values = || values(headers, self.name);
        let paired = spent.len > 1 && values().count() == spent.len;
        let counting = values()
            .enumerate()
            .filter(|(at, _)| !paired || spent.at(*at));
        counting
            .filter_map(|(_, value)| reference.read(value, self.unit).and_then(Parsed::wait))
            .max()
    }
}

impl ZeroMask {
    fn read(headers: &HeaderMap, name: &HeaderName) -> ZeroMask {
        let mut spent = ZeroMask::default();
        for value in values(headers, name).take(u64::BITS as usize) {
            let Some(count) = count(value) else { continue };
            spent.zeros |= u64::from(count.is_spent()) << spent.len;
            spent.len += 1;
        }
        spent
    }

    fn any(self) -> bool {
        self.zeros != 0
    }

    fn at(self, at: usize) -> bool {
        u32::try_from(at)
            .ok()
            .and_then(|at| self.zeros.checked_shr(at))
            .is_some_and(|zeros| zeros & 1 == 1)
    }
}

fn summary(headers: &HeaderMap) -> ItemSummary {
    ratelimit::items(headers)
        .filter_map(ratelimit::Item::is_spent)
        .fold(ItemSummary::default(), |summary, spent| ItemSummary {
            any: true,
            spent: summary.spent || spent,
        })
}

/// Every value of a header: of all its lines, of every list, whether `7, 0` or `7/0`.
fn values<'h>(headers: &'h HeaderMap, name: &HeaderName) -> impl Iterator<Item = &'h [u8]> {
    headers
        .get_all(name)
        .iter()
        .flat_map(|line| list::items(line.as_bytes()))
        .flat_map(|item| item.split(|byte| *byte == b'/'))
}

/// The number that a counter begins with: `0`, `"0"`, `0;w=60`.
pub(super) fn count(value: &[u8]) -> Option<Number> {
    let value = list::bare(value);
    let end = value
        .iter()
        .position(|byte| *byte == b';')
        .unwrap_or(value.len());
    Number::read(&value[..end])
}

/// The whole number that a counter begins with, if it is one of calls.
pub(super) fn whole(value: &[u8]) -> Option<u32> {
    u32::try_from(count(value)?.whole).ok()
}
