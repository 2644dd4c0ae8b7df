//! One pass over the headers of a response, which finds all that speak of limits.
//!
//! Most responses have none. So the pass looks at lengths and at first bytes before it looks at letters, and
//! takes names apart last. What it finds is read by [`wait`](super::wait) and [`remaining`](super::remaining).

use super::grammar::list;
use super::name::{Name, Role, SHORTEST};
use super::ratelimit;
use super::value::{count, whole_count};
use http::{HeaderMap, HeaderName, HeaderValue};

/// The headers of one response that speak of limits.
#[derive(Clone, Debug, Default)]
pub(crate) struct HeaderScan<'h> {
    entries: [Option<Entry<'h>>; MOST],
    len: usize,
    has_overflown: bool,
    date: Option<&'h HeaderValue>,
    age: Option<&'h HeaderValue>,
    has_items: bool,
    may_be_exhausted: bool,
    tightest: Option<Tightest<'h>>,
}

/// More lines than any API is known to send: the most that was recorded are eight.
const MOST: usize = 24;

/// One line of a header that has a role.
#[derive(Clone, Copy, Debug)]
pub(super) struct Entry<'h> {
    pub(super) header: &'h HeaderName,
    pub(super) name: Name<'h>,
    pub(super) value: &'h [u8],
}

/// The counter of calls with the least left.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tightest<'h> {
    pub(super) remaining: u32,
    pub(super) name: Name<'h>,
}

/// All lines of one header.
#[derive(Clone, Copy)]
pub(super) struct Group<'s, 'h> {
    pub(super) first: &'s Entry<'h>,
    lines: &'s [Option<Entry<'h>>],
}

/// Whether no header speaks of what is left, which ends nearly every look at a response.
pub(crate) fn is_silent(headers: &HeaderMap) -> bool {
    let mut entries = headers
        .iter()
        .filter_map(|(name, value)| Entry::read(name, value));
    entries.all(|entry| !entry.is_counter())
}

impl<'h> HeaderScan<'h> {
    pub(crate) fn of(headers: &'h HeaderMap) -> HeaderScan<'h> {
        let mut scan = HeaderScan::default();
        for (header, value) in headers {
            if let Some(entry) = Entry::read(header, value) {
                scan.add(entry);
            } else if header.as_str().len() < SHORTEST {
                scan.add_time(header.as_str(), value);
            }
        }
        scan
    }

    /// Whether a counter may be at zero; without one a served response makes no call wait.
    pub(crate) fn may_be_exhausted(&self) -> bool {
        self.may_be_exhausted
    }

    /// Whether there is a counter of calls, and none at all is at zero.
    pub(crate) fn has_something_left(&self) -> bool {
        self.tightest.is_some() && !self.may_be_exhausted
    }

    /// Whether the response came from a cache: its counters were true once.
    ///
    /// Of several ages the first counts, and one that is not a number does not (RFC 9111, section 5.1).
    pub(super) fn is_stale(&self) -> bool {
        let age = self.age.and_then(|age| list::items(age.as_bytes()).next());
        age.and_then(count).is_some_and(|age| age.whole > 0)
    }

    /// Whether there were too many headers to keep, which is an attack or a mistake.
    pub(super) fn has_overflown(&self) -> bool {
        self.has_overflown
    }

    pub(super) fn has_items(&self) -> bool {
        self.has_items
    }

    pub(super) fn date(&self) -> Option<&'h [u8]> {
        self.date.map(HeaderValue::as_bytes)
    }

    pub(super) fn tightest(&self) -> Option<Tightest<'h>> {
        self.tightest
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = &Entry<'h>> {
        self.entries[..self.len].iter().flatten()
    }

    /// The entries, each with all the lines of its header.
    pub(super) fn groups(&self) -> impl Iterator<Item = Group<'_, 'h>> {
        let header =
            |entry: &Option<Entry<'h>>| entry.map(|entry| std::ptr::from_ref(entry.header));
        let groups =
            self.entries[..self.len].chunk_by(move |one, next| header(one) == header(next));
        groups.filter_map(|lines| {
            let first = lines.first()?.as_ref()?;
            Some(Group { first, lines })
        })
    }

    /// The items of the `RateLimit` field.
    pub(super) fn items(&self) -> impl Iterator<Item = ratelimit::Item<'h>> {
        let lines = self
            .entries()
            .filter(|entry| entry.name.role == Role::Items);
        lines.flat_map(|entry| ratelimit::items(entry.value))
    }

    /// Only few headers come here, so that the loop stays small.
    #[inline(never)]
    fn add(&mut self, entry: Entry<'h>) {
        self.has_items |= entry.name.role == Role::Items;
        self.may_be_exhausted |= entry.may_be_zero();
        if let Some(remaining) = entry.calls_left() {
            let so_far = self.tightest.map_or(u32::MAX, |counter| counter.remaining);
            if remaining <= so_far {
                let name = entry.name;
                self.tightest = Some(Tightest { remaining, name });
            }
        }
        match self.entries.get_mut(self.len) {
            Some(free) => {
                *free = Some(entry);
                self.len += 1;
            }
            None => self.has_overflown = true,
        }
    }

    fn add_time(&mut self, name: &str, value: &'h HeaderValue) {
        match name {
            "date" => _ = self.date.get_or_insert(value),
            "age" => _ = self.age.get_or_insert(value),
            _ => {}
        }
    }
}

impl<'h> Entry<'h> {
    #[inline]
    fn read(header: &'h HeaderName, value: &'h HeaderValue) -> Option<Entry<'h>> {
        let (name, value) = (header.as_str(), value.as_bytes());
        if name.len() < SHORTEST || !may_be_read(name, value) {
            return None;
        }
        let name = Name::read(name)?;
        Some(Entry {
            header,
            name,
            value,
        })
    }

    /// Whether it counts what is left, as far as anybody is concerned by it.
    fn is_counter(&self) -> bool {
        let of_calls = matches!(self.name.role, Role::Remaining { of_calls: true, .. });
        self.name.role == Role::Items || of_calls || self.may_be_zero()
    }

    fn may_be_zero(&self) -> bool {
        match self.name.role {
            Role::Remaining { .. } => !is_positive(self.value),
            Role::Items => ratelimit::says_zero(self.value),
            Role::Wait | Role::Reset { .. } | Role::Limit => false,
        }
    }

    fn calls_left(&self) -> Option<u32> {
        let of_calls = matches!(self.name.role, Role::Remaining { of_calls: true, .. });
        let is_bare = self.value.first().is_some_and(u8::is_ascii_digit);
        (of_calls && is_bare).then(|| whole_count(self.value))?
    }
}

impl<'s, 'h> Group<'s, 'h> {
    pub(super) fn lines(self) -> impl Iterator<Item = &'h [u8]> + 's {
        self.lines.iter().flatten().map(|entry| entry.value)
    }
}

/// Whether a value may state a number, a moment or items.
///
/// What begins with a letter is a moment or, in the headers of two standards, anything.
#[inline]
fn may_be_read(name: &str, value: &[u8]) -> bool {
    match value {
        [] => false,
        [first, ..] if !first.is_ascii_alphabetic() => true,
        _ => may_be_moment(value) || matches!(name, "ratelimit" | "x-ratelimit" | "retry-after"),
    }
}

/// Whether a value is as long as the shortest moment with letters in front, and begins with a day or a month.
fn may_be_moment(value: &[u8]) -> bool {
    const SHORTEST: usize = "Jan 1 00:00 26".len();
    let [first, second, third, ..] = value else {
        return false;
    };
    value.len() >= SHORTEST
        && matches!(
            &[first | 0x20, second | 0x20, third | 0x20],
            b"mon"
                | b"tue"
                | b"wed"
                | b"thu"
                | b"fri"
                | b"sat"
                | b"sun"
                | b"jan"
                | b"feb"
                | b"mar"
                | b"apr"
                | b"may"
                | b"jun"
                | b"jul"
                | b"aug"
                | b"sep"
                | b"oct"
                | b"nov"
                | b"dec"
        )
}

/// Whether a value is one number above zero; in a list there may be a zero behind it.
fn is_positive(value: &[u8]) -> bool {
    match value {
        [b'1'..=b'9', rest @ ..] => rest.iter().all(|byte| matches!(byte, b'0'..=b'9' | b'.')),
        _ => false,
    }
}

#[cfg(test)]
mod tests;
