//! What is left, and when there will be more: remaining counters paired with their resets.

use super::grammar::{Number, list};
use super::name::{Kinship, Name, Role, Stem};
use super::ratelimit;
use super::value::{Clock, Stated, Unit};
use http::{HeaderMap, HeaderName};
use std::time::Duration;

/// Every counter and every reset of one response, as far as they can be read.
///
/// Allocates only if there are any, and only a refusal or a spent counter makes anyone look.
#[derive(Debug, Default)]
pub(super) struct Counters<'h> {
    remaining: Vec<Remaining<'h>>,
    resets: Vec<Reset<'h>>,
    /// Counters in the `RateLimit` field, which come with resets of their own.
    items: Tally,
}

#[derive(Debug)]
struct Remaining<'h> {
    stem: Stem<'h>,
    spent: Spent,
}

#[derive(Debug)]
struct Reset<'h> {
    name: &'h HeaderName,
    stem: Stem<'h>,
    delta: bool,
    sure: bool,
    unit: Unit,
}

/// Which values of a comma list are zero. The first 64, since nobody counts more windows.
#[derive(Clone, Copy, Debug, Default)]
struct Spent {
    zeros: u64,
    len: usize,
}

#[derive(Clone, Copy, Debug, Default)]
struct Tally {
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
            items: tally(headers),
            ..Counters::default()
        };
        for name in headers.keys() {
            let Some(parts) = Name::read(name.as_str()) else {
                continue;
            };
            match parts.role {
                Role::Remaining { sure } => {
                    counters.note_remaining(parts.stem, Spent::read(headers, name), sure)
                }
                Role::Reset { delta, sure } => {
                    let unit = unit_of(name).unwrap_or(parts.unit);
                    counters.note_reset(Reset {
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

    fn note_remaining(&mut self, stem: Stem<'h>, spent: Spent, sure: bool) {
        let telling = spent.any() || (sure && spent.len > 0);
        if telling && self.remaining.len() < MOST {
            self.remaining.push(Remaining { stem, spent });
        }
    }

    fn note_reset(&mut self, reset: Reset<'h>) {
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
    pub(super) fn item_reset(&self, headers: &HeaderMap, clock: Clock) -> Option<Duration> {
        if !self.items.spent {
            return None;
        }
        let spent = ratelimit::items(headers).filter(|item| item.is_spent() == Some(true));
        spent
            .filter_map(|item| clock.read(item.reset()?, Unit::Auto)?.wait())
            .max()
    }

    /// The latest reset of any other spent counter.
    pub(super) fn reset(
        &self,
        headers: &HeaderMap,
        clock: Clock,
    ) -> Option<(Duration, &'h HeaderName)> {
        let usable = |reset: &&Reset<'h>| reset.delta || !self.is_outdone(reset, headers, clock);
        let waits = self.resets.iter().filter(usable);
        waits
            .filter_map(|reset| Some((self.wait(reset, headers, clock)?, reset.name)))
            .max_by_key(|(wait, _)| *wait)
    }

    /// Whether the same counter also has a reset that needs no agreement of clocks.
    fn is_outdone(&self, reset: &Reset<'_>, headers: &HeaderMap, clock: Clock) -> bool {
        self.resets.iter().any(|other| {
            other.delta
                && other.stem.kinship(reset.stem) >= Some(Kinship::Twin)
                && self.wait(other, headers, clock).is_some()
        })
    }

    /// The wait that a reset names, if its closest counters are spent.
    ///
    /// A reset without any counter of its own counts unless all that others say is that there is budget left, or
    /// nothing shows that it is about a limit.
    fn wait(&self, reset: &Reset<'_>, headers: &HeaderMap, clock: Clock) -> Option<Duration> {
        let near = if reset.sure {
            Kinship::Family
        } else {
            Kinship::Twin
        };
        let kin = |counter: &&Remaining<'_>| {
            reset
                .stem
                .kinship(counter.stem)
                .filter(|kinship| *kinship >= near)
        };
        let Some(closest) = self
            .remaining
            .iter()
            .filter_map(|counter| kin(&counter))
            .max()
        else {
            let counts = reset.sure && (self.any_spent() || !self.any());
            return counts.then(|| reset.longest(headers, clock, &Spent::default()))?;
        };
        let own = self
            .remaining
            .iter()
            .filter(|counter| kin(counter) == Some(closest) && counter.spent.any());
        own.filter_map(|counter| reset.longest(headers, clock, &counter.spent))
            .max()
    }
}

impl Reset<'_> {
    /// The longest of the values whose counter is spent; of all, if they cannot be told apart.
    fn longest(&self, headers: &HeaderMap, clock: Clock, spent: &Spent) -> Option<Duration> {
        let values = || values(headers, self.name);
        let paired = spent.len > 1 && values().count() == spent.len;
        let counting = values()
            .enumerate()
            .filter(|(at, _)| !paired || spent.at(*at));
        counting
            .filter_map(|(_, value)| clock.read(value, self.unit).and_then(Stated::wait))
            .max()
    }
}

impl Spent {
    fn read(headers: &HeaderMap, name: &HeaderName) -> Spent {
        let mut spent = Spent::default();
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

fn tally(headers: &HeaderMap) -> Tally {
    ratelimit::items(headers)
        .filter_map(ratelimit::Item::is_spent)
        .fold(Tally::default(), |tally, spent| Tally {
            any: true,
            spent: tally.spent || spent,
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
