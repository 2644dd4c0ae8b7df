//! One look at the headers of an answer, with which nearly every answer ends.
//!
//! Values are looked at before names, and lengths before letters: of a dozen headers two or three
//! begin with a digit, and hardly one of those has a name as long as a counter's.

use super::counters::whole;
use super::name::{Name, Role, split};
use super::ratelimit;
use http::{HeaderMap, HeaderName};

/// What there is to read.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct HeaderScan<'h> {
    counting: bool,
    may_be_exhausted: bool,
    tightest: Option<Tightest<'h>>,
    structured: bool,
}

/// The counter of calls with the least left.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Tightest<'h> {
    pub(super) remaining: u32,
    /// What is before `remaining` in its name, and what is behind.
    pub(super) around: (&'h str, &'h str),
}

impl<'h> HeaderScan<'h> {
    /// Counters with something left are looked for only if anybody is `counting`.
    pub(crate) fn at(headers: &'h HeaderMap, counting: bool) -> HeaderScan<'h> {
        let mut scan = HeaderScan {
            counting,
            ..HeaderScan::default()
        };
        for (name, value) in headers {
            match value.as_bytes() {
                [] => {}
                text @ ([b'A'..=b'z', ..] | [b'"', b'A'..=b'z', ..]) => {
                    if ratelimit::is_field(name) {
                        scan.note_field(text);
                    }
                }
                text @ [b'1'..=b'9', rest @ ..] if !goes_on(rest) => {
                    scan.note_number(name, text);
                }
                text => scan.note_zero(name.as_str(), text),
            }
        }
        scan
    }

    /// Whether a served answer makes anybody wait; without a zero in it nothing is spent.
    pub(crate) fn may_be_exhausted(&self) -> bool {
        self.may_be_exhausted
    }

    /// Whether there is a counter, and none of them is spent.
    pub(crate) fn has_something_left(&self) -> bool {
        self.tightest.is_some() && !self.may_be_exhausted
    }

    /// Whether anybody wants to know what is left.
    pub(super) fn is_counting(&self) -> bool {
        self.counting
    }

    /// Whether it says nothing about limits.
    pub(crate) fn is_silent(&self) -> bool {
        !self.counts() && !self.may_be_exhausted
    }

    /// Whether there may be a counter with something left.
    pub(crate) fn counts(&self) -> bool {
        self.counting && (self.tightest.is_some() || self.structured)
    }

    pub(super) fn tightest(&self) -> Option<Tightest<'h>> {
        self.tightest
    }

    fn note_field(&mut self, text: &[u8]) {
        self.structured = true;
        self.may_be_exhausted |= ratelimit::says_zero(text);
    }

    /// Of what is no zero only what is left is of interest.
    fn note_number(&mut self, name: &'h HeaderName, text: &[u8]) {
        if self.counting && name.as_str().len() >= SHORTEST_ODD {
            self.tighten(name.as_str(), text);
        }
    }

    /// A zero, a list that may contain one, or anything odd.
    fn note_zero(&mut self, name: &'h str, text: &[u8]) {
        if name.len() < SHORTEST_ODD {
            return; // as short as `age` and `via`, which every server sends
        }
        if ratelimit::is_name(name) {
            return self.note_field(text);
        }
        self.may_be_exhausted |= may_count(name) && is_counter(name);
        if self.counting && name.len() > SHORTEST && text.first().is_some_and(u8::is_ascii_digit) {
            self.tighten(name, text);
        }
    }

    /// Hardly a header comes here, and a loop without this is a loop in registers.
    #[inline(never)]
    fn tighten(&mut self, name: &'h str, text: &[u8]) {
        let counter = counts_calls(name).and_then(|around| {
            let remaining = whole(text)?;
            Some(Tightest { remaining, around })
        });
        let so_far = self.tightest.map_or(u32::MAX, |counter| counter.remaining);
        self.tightest = counter
            .filter(|counter| counter.remaining <= so_far)
            .or(self.tightest);
    }
}

/// Whether more follows behind a number, which may be a zero.
fn goes_on(mut rest: &[u8]) -> bool {
    loop {
        match rest {
            [b'0'..=b'9' | b'.', more @ ..] => rest = more,
            [b',' | b';' | b' ' | b'/', ..] => return true,
            _ => return false,
        }
    }
}

/// Four letters of every name that [`Name`] may take for a counter: most headers end here.
fn may_count(name: &str) -> bool {
    let letters = |four: &[u8]| matches!(four, b"rema" | b"avai" | b"left" | b"stat");
    name.as_bytes().windows(4).any(letters)
}

fn is_counter(name: &str) -> bool {
    let role = Name::read(name).map(|name| name.role);
    matches!(role, Some(Role::Remaining { .. }))
}

const REMAINING: &str = "remaining";

/// No name of a counter is shorter.
const SHORTEST_ODD: usize = "-left".len();

/// No name that speaks of a limit as well as of what remains is shorter.
const SHORTEST: usize = "limit".len() + REMAINING.len();

/// What is around `remaining` in the name of a counter of calls.
fn counts_calls(name: &str) -> Option<(&str, &str)> {
    let around = split(name, REMAINING)?;
    let parts = [around.0, around.1];
    let limits = parts.iter().any(|part| split(part, "limit").is_some());
    let otherwise = parts.iter().any(|part| measures_otherwise(part));
    (limits && !otherwise).then_some(around)
}

/// Tokens, points and seconds are spent by other measures than calls.
fn measures_otherwise(part: &str) -> bool {
    const OTHERS: [&str; 7] = [
        "token",
        "cost",
        "point",
        "complex",
        "time",
        "concurrent",
        "beta-",
    ];
    let four = |other: &&str, letters: &[u8]| other.as_bytes().starts_with(letters);
    part.as_bytes()
        .windows(4)
        .any(|letters| OTHERS.iter().any(|other| four(other, letters)))
        && OTHERS.iter().any(|other| split(part, other).is_some())
}

#[cfg(test)]
mod tests;
