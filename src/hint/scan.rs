//! One pass over the headers of a response, which finds all that speak of limits.
//!
//! Most responses have none. So the pass looks at lengths and at first bytes before it looks at letters, and
//! takes names apart last. What it finds is read by [`wait`](super::wait) and [`remaining`](super::remaining).

use super::grammar::{Number, list};
use super::name::{Name, Role, SHORTEST, may_have_role};
use super::ratelimit;
use super::value::{count, whole_count};
use http::{HeaderMap, HeaderName, HeaderValue};

/// The headers of one response that speak of limits.
#[derive(Clone, Debug)]
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

/// More lines than any API is known to send: Anthropic's are 21, with the tiers `priority` and `fast`.
const MOST: usize = 21;

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
    for (header, value) in headers {
        let (name, value) = (header.as_str(), value.as_bytes());
        let Some(first) = value.first().filter(|_| name.len() >= SHORTEST) else {
            continue;
        };
        let may_count = if first.is_ascii_alphabetic() {
            ratelimit::is_name(name)
        } else {
            may_have_role(name)
        };
        if may_count && is_counter(name, value) {
            return false;
        }
    }
    true
}

/// Whether a header counts calls that are left, or anything else that may be at zero.
fn is_counter(name: &str, value: &[u8]) -> bool {
    match Name::of_role(name).map(|name| name.role) {
        Some(Role::Remaining { of_calls, .. }) => of_calls || !is_positive(value),
        Some(Role::Items) => true,
        _ => false,
    }
}

impl<'h> HeaderScan<'h> {
    /// Scans all headers, whatever their values are. For a refusal, of which each value may matter.
    pub(crate) fn of(headers: &'h HeaderMap) -> HeaderScan<'h> {
        HeaderScan::where_read(headers, |_, _| true)
    }

    /// Scans the headers whose values may be read. For a success, which nearly always says that there is something left.
    pub(crate) fn quick(headers: &'h HeaderMap) -> HeaderScan<'h> {
        HeaderScan::where_read(headers, may_be_read)
    }

    #[inline(always)]
    fn where_read(
        headers: &'h HeaderMap,
        may_be_read: impl Fn(&str, &[u8]) -> bool,
    ) -> HeaderScan<'h> {
        let mut scan = HeaderScan::empty();
        for (header, value) in headers {
            let name = header.as_str();
            if name.len() < SHORTEST {
                scan.add_time(name, value);
            } else if may_be_read(name, value.as_bytes()) && may_have_role(name) {
                scan.add(header, value);
            }
        }
        scan
    }

    /// The scan of a response without headers.
    pub(crate) const fn empty() -> HeaderScan<'h> {
        HeaderScan {
            entries: [None; MOST],
            len: 0,
            has_overflown: false,
            date: None,
            age: None,
            has_items: false,
            may_be_exhausted: false,
            tightest: None,
        }
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

    /// Keeps the header if it has a role. Few come here, so it is apart from the loop, which stays small.
    #[inline(never)]
    fn add(&mut self, header: &'h HeaderName, value: &'h HeaderValue) {
        let Some(name) = Name::of_role(header.as_str()) else {
            return;
        };
        let value = value.as_bytes();
        let entry = Entry {
            header,
            name,
            value,
        };
        match name.role {
            Role::Items => {
                self.has_items = true;
                self.may_be_exhausted |= ratelimit::says_zero(entry.value);
            }
            Role::Remaining { of_calls, .. } => self.add_remaining(&entry, of_calls),
            Role::Wait | Role::Reset { .. } | Role::Limit => {}
        }
        match self.entries.get_mut(self.len) {
            Some(free) => {
                *free = Some(entry);
                self.len += 1;
            }
            None => self.has_overflown = true,
        }
    }

    fn add_remaining(&mut self, entry: &Entry<'h>, of_calls: bool) {
        let number = Number::integer(entry.value);
        self.may_be_exhausted |=
            number.map_or_else(|| !is_positive(entry.value), |number| number.whole == 0);
        let is_bare = entry.value.first().is_some_and(u8::is_ascii_digit);
        let remaining = match number {
            _ if !of_calls || !is_bare => None,
            Some(number) => u32::try_from(number.whole).ok(),
            None => whole_count(entry.value),
        };
        let so_far = self.tightest.map_or(u32::MAX, |counter| counter.remaining);
        if let Some(remaining) = remaining.filter(|remaining| *remaining <= so_far) {
            let name = entry.name;
            self.tightest = Some(Tightest { remaining, name });
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

impl<'s, 'h> Group<'s, 'h> {
    pub(super) fn lines(self) -> impl Iterator<Item = &'h [u8]> + 's {
        self.lines.iter().flatten().map(|entry| entry.value)
    }
}

/// Whether the value of a header may state a number, a moment or items.
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

/// Whether a value may begin with the name of a day or a month and is long enough for a moment.
///
/// The letters are looked up one by one, so that `Sac` passes for a day, too.
#[inline]
fn may_be_moment(value: &[u8]) -> bool {
    const SHORTEST: usize = "Jan 1 00:00 26".len();
    const LETTERS: [u32; 3] = [
        letters(b"mtwfsjaond"),
        letters(b"aouehrpc"),
        letters(b"neduitbrylgpvc"),
    ];
    let begins = |(byte, letters): (&u8, &u32)| letters >> (byte & 31) & 1 == 1;
    value.len() >= SHORTEST && value.iter().zip(&LETTERS).all(begins)
}

/// A bit for each letter, of both cases.
const fn letters(mut text: &[u8]) -> u32 {
    let mut set = 0;
    while let [letter, rest @ ..] = text {
        set |= 1 << (*letter & 31);
        text = rest;
    }
    set
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
