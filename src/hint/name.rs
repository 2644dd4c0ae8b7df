//! What the name of a header says: its role, whose counter it belongs to, its unit.
//!
//! These names are not registered, so they are not listed but taken apart: `x-ratelimit-reset-tokens-ms` is a reset,
//! in milliseconds, of the counter `x-ratelimit .. tokens`.

use super::value::Unit;

/// What a header states.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Role {
    /// A wait: a spelling of `Retry-After`.
    Wait,
    /// How much is left.
    ///
    /// A name that is not `sure` speaks of no limit, so that only a zero in it counts. Only what is left `of_calls`
    /// is compared with the calls that are sent; tokens and points are not.
    Remaining { sure: bool, of_calls: bool },
    /// When there will be more.
    ///
    /// A `delta` is counted from now and so needs no agreement of clocks. A name that is not `sure` speaks of no
    /// limit, so that it counts only with a counter of its own.
    Reset { delta: bool, sure: bool },
    /// How much there is per window.
    Limit,
    /// Items with counters and resets: the `RateLimit` field.
    Items,
}

/// A header name, taken apart.
#[derive(Clone, Copy, Debug)]
pub(super) struct Name<'n> {
    pub(super) role: Role,
    pub(super) stem: Stem<'n>,
    pub(super) unit: Unit,
}

/// The length of the shortest name that has a role, `reset`.
pub(super) const SHORTEST: usize = 5;

impl<'n> Name<'n> {
    /// Takes a lower-case header name apart; `None` if it has no role.
    pub(super) fn read(name: &'n str) -> Option<Name<'n>> {
        may_have_role(name).then(|| Name::of_role(name))?
    }

    /// Takes a name apart that [may have a role](may_have_role).
    #[inline(never)]
    pub(super) fn of_role(name: &'n str) -> Option<Name<'n>> {
        common(name).or_else(|| general(name))
    }

    fn new(role: Role, (before, after): (&'n str, &'n str), unit: Unit) -> Name<'n> {
        let stem = Stem { before, after };
        Name { role, stem, unit }
    }
}

/// Whether a name may contain one of the words without which it has no role.
///
/// They are retry, reset, remain, left, limit, quota and throttle, and three letters of each are looked for. This
/// rejects most names and is the first step of the grammar, so that the two cannot disagree. Inlined, since most names
/// end here.
#[inline(always)]
pub(super) fn may_have_role(name: &str) -> bool {
    let tells = |three: &[u8]| match three {
        [before @ .., b't'] => matches!(before, b"re" | b"se" | b"ef" | b"mi" | b"uo" | b"ro"),
        [before @ .., b'm'] => before == b"re",
        _ => false,
    };
    if name.starts_with("x-ratelimit") {
        return true;
    }
    name.len() >= SHORTEST && !name.starts_with("content-") && name.as_bytes().windows(3).any(tells)
}

/// The spellings that most servers use, each in one comparison.
fn common(name: &str) -> Option<Name<'_>> {
    let (role, word) = match name {
        "x-ratelimit" | "ratelimit" => (Role::Items, ""),
        "x-ratelimit-limit" | "ratelimit-limit" => (Role::Limit, "limit"),
        "x-ratelimit-remaining" | "ratelimit-remaining" => {
            let role = Role::Remaining {
                sure: true,
                of_calls: true,
            };
            (role, "remaining")
        }
        "x-ratelimit-reset" | "ratelimit-reset" => {
            let role = Role::Reset {
                delta: false,
                sure: true,
            };
            (role, "reset")
        }
        _ => return None,
    };
    let before = &name[..name.len() - word.len()];
    Some(Name::new(role, (before, ""), Unit::Auto))
}

/// The whole grammar, which also reads the common spellings.
fn general(name: &str) -> Option<Name<'_>> {
    if name.starts_with("beta-") || name.starts_with("x-beta-") {
        return None;
    }
    if let Some(wait) = wait(name, "retry") {
        return Some(wait);
    }
    let sure = ["limit", "quota", "throttl"]
        .iter()
        .any(|word| split(name, word).is_some());
    let wait = if sure { wait(name, "wait") } else { None };
    reset(name, sure)
        .or(wait)
        .or_else(|| remaining(name, sure))
        .or_else(|| limit(name))
}

/// A header name without its role: what is before it and what is behind it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Stem<'n> {
    before: &'n str,
    after: &'n str,
}

/// How close two stems are; only the closest counter says whether a reset counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum NameMatch {
    /// One is the beginning of the other: `x-ratelimit-reset` of `x-ratelimit-hour-remaining`.
    Prefix,
    /// The same words, however they are written: `ratelimit` and `x-rate-limit`.
    SameWords,
    /// Letter for letter.
    Exact,
}

impl<'n> Stem<'n> {
    pub(super) fn name_match(self, other: Stem<'_>) -> Option<NameMatch> {
        if self == other {
            return Some(NameMatch::Exact);
        }
        let (mut ours, mut theirs) = (self.words(), other.words());
        loop {
            match (ours.next(), theirs.next()) {
                (None, None) => return Some(NameMatch::SameWords),
                (None, _) | (_, None) => return Some(NameMatch::Prefix),
                (one, another) if one != another => return None,
                _ => {}
            }
        }
    }

    /// How many words it has before those of `counted`, if it ends with these: `x-ratelimit` and `tokens` has one.
    pub(super) fn words_before(self, counted: &str) -> Option<usize> {
        let wanted = || counted.split(SEPARATORS);
        let words = self.words().count().checked_sub(wanted().count())?;
        let mut pairs = self.words().skip(words).zip(wanted());
        pairs
            .all(|(word, wanted)| word.eq_ignore_ascii_case(wanted))
            .then_some(words)
    }

    /// Without the words that come and go: `x-rate-limit-limit-user` is `rate`, `user`.
    fn words(self) -> impl Iterator<Item = &'n str> {
        let words = self
            .before
            .split(SEPARATORS)
            .chain(self.after.split(SEPARATORS));
        let telling = words.filter(|word| !matches!(*word, "" | "x" | "limit" | "time"));
        telling.map(|word| if word == "ratelimit" { "rate" } else { word })
    }
}

const SEPARATORS: [char; 2] = ['-', '_'];

/// `retry-after`, `retry-in`, `throttle-wait-seconds`; a bare `retry` is about something else.
fn wait<'n>(name: &'n str, word: &str) -> Option<Name<'n>> {
    let (before, rest) = split(name, word)?;
    let (suffix, after) = Suffix::read(rest);
    let says_when = suffix.delta || suffix.moment || word == "wait";
    // The one spelling whose unit is not in its name: the SDKs of AWS count milliseconds.
    let unit = match name {
        "x-amz-retry-after" => Unit::Millis,
        _ => suffix.unit(),
    };
    says_when.then(|| Name::new(Role::Wait, (before, after), unit))
}

/// `reset`, `resets-in`, `reset-after-ms`, `resettime`, `seconds-until-reset`, `next`.
fn reset(name: &str, sure: bool) -> Option<Name<'_>> {
    let Some((before, rest)) = split(name, "reset") else {
        return next(name).filter(|_| sure);
    };
    let (mut suffix, after) = Suffix::read(rest.strip_prefix('s').unwrap_or(rest));
    let before = suffix.read_prefix(before);
    let role = Role::Reset {
        delta: suffix.delta,
        sure,
    };
    Some(Name::new(role, (before, after), suffix.unit()))
}

/// When the next single call may be made.
fn next(name: &str) -> Option<Name<'_>> {
    let before = name.strip_suffix("-next")?;
    let role = Role::Reset {
        delta: false,
        sure: true,
    };
    Some(Name::new(role, (before, ""), Unit::Auto))
}

fn remaining(name: &str, sure: bool) -> Option<Name<'_>> {
    let (before, rest) = split(name, "remain")
        .map(|(before, rest)| (before, rest.strip_prefix("ing").unwrap_or(rest)))
        .or_else(|| split(name, "available").filter(|_| sure))
        .or_else(|| split(name, "-left").filter(|(_, rest)| at_boundary(rest)))
        .or_else(|| name.strip_suffix("limit-status").map(|before| (before, "")))?;
    let (suffix, after) = Suffix::read(rest);
    // Time that remains is no number of calls.
    let of_time = suffix.time || before.trim_end_matches(SEPARATORS).ends_with("time");
    if of_time {
        return None;
    }
    let of_calls = name.contains("remaining") && counts_calls([before, after]);
    let role = Role::Remaining { sure, of_calls };
    Some(Name::new(role, (before, after), Unit::Auto))
}

/// Whether the words around `remaining` speak of a limit, and of no other measure than calls.
fn counts_calls(around: [&str; 2]) -> bool {
    const OTHERS: [&str; 7] = [
        "token",
        "cost",
        "point",
        "complex",
        "time",
        "concurrent",
        "percent",
    ];
    let has = |word: &str| around.iter().any(|part| split(part, word).is_some());
    has("limit") && !OTHERS.iter().any(|other| has(other))
}

/// `ratelimit-limit`, `x-rate-limit-limit-requests`: the last `limit` of a name that has two.
fn limit(name: &str) -> Option<Name<'_>> {
    let (before, after) = name.rsplit_once("limit")?;
    let is_limit = at_boundary(after) && split(before, "limit").is_some();
    is_limit.then(|| Name::new(Role::Limit, (before, after), Unit::Auto))
}

/// The words around a role that tell how the value is meant.
#[derive(Clone, Copy, Default)]
struct Suffix {
    delta: bool,
    moment: bool,
    time: bool,
    millis: bool,
    minutes: bool,
}

impl Suffix {
    /// Takes such words off the beginning of `rest`.
    fn read(mut rest: &str) -> (Suffix, &str) {
        let mut suffix = Suffix::default();
        loop {
            let next = rest.strip_prefix(SEPARATORS).unwrap_or(rest);
            let end = next.find(SEPARATORS).unwrap_or(next.len());
            let (word, behind) = next.split_at(end);
            if !suffix.note(word) {
                suffix.note_last(rest);
                return (suffix, rest);
            }
            rest = behind;
        }
    }

    /// Takes `seconds-until-` or `time-to-` off the end of `before`.
    fn read_prefix<'n>(&mut self, before: &'n str) -> &'n str {
        let (rest, link) = before
            .trim_end_matches(SEPARATORS)
            .rsplit_once(SEPARATORS)
            .unwrap_or_default();
        if !matches!(link, "to" | "until" | "till" | "before") {
            return before;
        }
        self.delta = true;
        match rest.rsplit_once(SEPARATORS) {
            Some((shorter, word)) if self.note(word) => shorter,
            _ => rest,
        }
    }

    fn note(&mut self, word: &str) -> bool {
        match word {
            "after" | "in" | "delta" => self.delta = true,
            "at" | "on" | "timestamp" | "epoch" | "unix" | "utc" | "date" => self.moment = true,
            "time" => self.time = true,
            "seconds" | "secs" | "sec" | "ttl" => self.time = true,
            "ms" | "msec" | "millis" | "milliseconds" => (self.millis, self.time) = (true, true),
            "minutes" | "mins" => (self.minutes, self.time) = (true, true),
            _ => return false,
        }
        true
    }

    /// `reset-tokens-ms`: the unit may also stand at the very end.
    fn note_last(&mut self, rest: &str) {
        if let Some((_, "ms" | "milliseconds" | "millis")) = rest.rsplit_once(SEPARATORS) {
            self.millis = true;
        }
    }

    fn unit(self) -> Unit {
        match self {
            Suffix { millis: true, .. } => Unit::Millis,
            Suffix { minutes: true, .. } => Unit::Minutes,
            _ => Unit::Auto,
        }
    }
}

/// Parts a name around the first `word` in it.
///
/// As `str::split_once`, whose preparations for a long text cost more than walking through a short one.
pub(super) fn split<'n>(name: &'n str, word: &str) -> Option<(&'n str, &'n str)> {
    let first = *word.as_bytes().first()?;
    let mut places = name.bytes().enumerate().filter(|(_, byte)| *byte == first);
    places.find_map(|(at, _)| Some((&name[..at], name[at..].strip_prefix(word)?)))
}

fn at_boundary(rest: &str) -> bool {
    rest.is_empty() || rest.starts_with(SEPARATORS)
}

#[cfg(test)]
mod tests;
