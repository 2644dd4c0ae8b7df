//! One provider's own place for a wait.

use super::super::grammar::{Number, list};
use super::super::reading::{Hint, Kind};
use super::super::remaining::Remaining;
use super::super::value::{Parsed, ReferenceTime, Unit};
use super::super::wait::is_wait;
use super::super::{json, prose};
use super::midnight::Midnight;
use super::used_up;
use crate::header_name::header_name;
use http::{HeaderMap, HeaderName};
use std::borrow::Cow;
use std::time::Duration;

pub(super) type Text = Cow<'static, str>;

/// Where one provider names a wait, stated as data.
///
/// ```
/// use std::time::Duration;
/// use tower_backoff::hint::{Field, Unit};
///
/// // {"meta": {"expiresIn": 54518}}, in milliseconds
/// Field::json("meta.expiresIn").unit(Unit::Millis);
/// // {"error": {"retry_after": 300}}, one second if it is missing
/// Field::json("error.retry_after").default_wait(Duration::from_secs(1));
/// // Zendesk-RateLimit-Tickets-Index: total=100; remaining=0; resets=41
/// Field::header_params("zendesk-ratelimit-tickets-index", "remaining", "resets");
/// ```
#[derive(Clone, Debug, PartialEq)]
#[must_use]
pub struct Field {
    pub(super) place: Location,
    pub(super) unit: Unit,
    pub(super) default: Option<Duration>,
}

#[derive(Clone, Debug, PartialEq)]
pub(super) enum Location {
    Header(HeaderName),
    HeaderList(HeaderName),
    HeaderParams {
        name: HeaderName,
        counter: Text,
        wait: Text,
    },
    HeaderJson {
        name: HeaderName,
        path: Text,
    },
    UsedUp {
        usage: HeaderName,
        limit: HeaderName,
        windows: Vec<Duration>,
    },
    Json(Text),
    JsonDeficit {
        need: Text,
        have: Text,
        per_second: Text,
    },
    After(Text),
    Midnight {
        phrase: Text,
        midnight: Midnight,
    },
}

impl Field {
    /// A header that holds a wait in any form; the longest counts.
    ///
    /// # Panics
    ///
    /// If `name` is no legal header name, as in all the constructors that take one: a provider is stated when the
    /// program starts, and a misspelt header would otherwise never be noticed.
    #[track_caller]
    pub fn header(name: impl TryInto<HeaderName> + AsRef<str>) -> Field {
        Field::new(Location::Header(header_name(name)))
    }

    /// A comma list whose items begin with a wait in seconds, up to `:` or `;`; the longest counts.
    #[track_caller]
    pub fn header_list(name: impl TryInto<HeaderName> + AsRef<str>) -> Field {
        Field::new(Location::HeaderList(header_name(name)))
    }

    /// A header with parameters, `remaining=0; resets=41`: the `wait` of a line whose `counter` is 0.
    #[track_caller]
    pub fn header_params(
        name: impl TryInto<HeaderName> + AsRef<str>,
        counter: impl Into<Text>,
        wait: impl Into<Text>,
    ) -> Field {
        Field::new(Location::HeaderParams {
            name: header_name(name),
            counter: counter.into(),
            wait: wait.into(),
        })
    }

    /// A path into the JSON in a header; see [`json`](Field::json).
    #[track_caller]
    pub fn header_json(
        name: impl TryInto<HeaderName> + AsRef<str>,
        path: impl Into<Text>,
    ) -> Field {
        Field::new(Location::HeaderJson {
            name: header_name(name),
            path: path.into(),
        })
    }

    /// Two comma lists of what was used and of what may be used, for windows that begin by the clock.
    ///
    /// The wait lasts until the next window begins, of those that are used up. `windows` are their lengths in the
    /// order of the lists; they begin at every whole multiple of their length since midnight UTC.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_backoff::hint::Field;
    ///
    /// // X-RateLimit-Limit: 200,2000    X-RateLimit-Usage: 200,643
    /// let windows = [15 * 60, 24 * 60 * 60].map(Duration::from_secs);
    /// Field::used_up("x-ratelimit-usage", "x-ratelimit-limit", windows);
    /// ```
    #[track_caller]
    pub fn used_up(
        usage: impl TryInto<HeaderName> + AsRef<str>,
        limit: impl TryInto<HeaderName> + AsRef<str>,
        windows: impl Into<Vec<Duration>>,
    ) -> Field {
        Field::new(Location::UsedUp {
            usage: header_name(usage),
            limit: header_name(limit),
            windows: windows.into(),
        })
    }

    /// A path into the JSON body, to a number or a string, such as `5 minutes`; the longest wait counts.
    ///
    /// Its segments are parted by dots and match names in either case; `*` is any name or index.
    pub fn json(path: impl Into<Text>) -> Field {
        Field::new(Location::Json(path.into()))
    }

    /// Three paths into the JSON body: the cost of the call, what is left, and what returns per second.
    pub fn json_deficit(
        need: impl Into<Text>,
        have: impl Into<Text>,
        per_second: impl Into<Text>,
    ) -> Field {
        Field::new(Location::JsonDeficit {
            need: need.into(),
            have: have.into(),
            per_second: per_second.into(),
        })
    }

    /// What follows a phrase in the body, as far as it reads as a wait.
    ///
    /// Letters match in either case. Numbers may be followed by their units in words: `reset in 2 minutes and 5 seconds`.
    pub fn after(phrase: impl Into<Text>) -> Field {
        Field::new(Location::After(phrase.into()))
    }

    /// A phrase in the body that tells of a limit per day, and the zone in which the day ends.
    ///
    /// Letters match in either case.
    /// The zone is a rule of [POSIX], its name and hours west of UTC, then of its summer, and when that begins and ends:
    /// no database of zones is asked, so that the rule holds until a law changes it.
    ///
    /// ```
    /// use tower_backoff::hint::Field;
    ///
    /// // California: 8 hours, and summer from the second Sunday of March to the first of November.
    /// Field::midnight("PerDay", "PST8PDT,M3.2.0,M11.1.0");
    /// // Central Europe: from the last Sunday of March to the last of October, at 3 o'clock.
    /// Field::midnight("daily limit", "CET-1CEST,M3.5.0,M10.5.0/3");
    /// ```
    ///
    /// # Panics
    ///
    /// If `zone` is no such rule.
    ///
    /// [POSIX]: https://pubs.opengroup.org/onlinepubs/9699919799/basedefs/V1_chap08.html
    pub fn midnight(phrase: impl Into<Text>, zone: impl Into<Text>) -> Field {
        Field::new(Location::Midnight {
            phrase: phrase.into(),
            midnight: Midnight::of(zone.into()),
        })
    }

    /// What a bare number counts here.
    pub fn unit(self, unit: Unit) -> Field {
        Field { unit, ..self }
    }

    /// The wait that the provider's own page states for a refusal that leaves this field out.
    ///
    /// It counts only if nothing else in the response names a wait; in a body only once the body has been seen.
    pub fn default_wait(self, wait: Duration) -> Field {
        Field {
            default: Some(wait),
            ..self
        }
    }

    fn new(place: Location) -> Field {
        Field {
            place,
            unit: Unit::Auto,
            default: None,
        }
    }

    /// Whether the wait is in the body, so that the body is worth a look.
    pub(crate) fn is_in_body(&self) -> bool {
        matches!(
            self.place,
            Location::Json(_)
                | Location::JsonDeficit { .. }
                | Location::After(_)
                | Location::Midnight { .. }
        )
    }

    pub(in crate::hint) fn read(
        &self,
        headers: &HeaderMap,
        body: &[u8],
        reference: ReferenceTime,
    ) -> Option<Hint> {
        self.wait(headers, body, reference)
            .map(|wait| self.hint(wait))
    }

    /// The window with the least left, if this counts what was used.
    pub(in crate::hint) fn remaining(
        &self,
        headers: &HeaderMap,
        reference: ReferenceTime,
    ) -> Option<Remaining> {
        let Location::UsedUp {
            usage,
            limit,
            windows,
        } = &self.place
        else {
            return None;
        };
        let lines = |name| headers.get_all(name).iter().map(|line| line.as_bytes());
        lines(usage)
            .zip(lines(limit))
            .flat_map(|(usage, limit)| used_up::left(usage, limit, windows, reference))
            .min_by_key(Remaining::tightness)
    }

    pub(in crate::hint) fn fallback(&self) -> Option<Hint> {
        self.default.map(|wait| self.hint(wait))
    }

    fn wait(&self, headers: &HeaderMap, body: &[u8], reference: ReferenceTime) -> Option<Duration> {
        let lines = |name| headers.get_all(name).iter().map(|line| line.as_bytes());
        let Field { place, unit, .. } = self;
        match place {
            Location::Header(name) => lines(name)
                .filter_map(|line| reference.longest(line, *unit))
                .max(),
            Location::HeaderList(name) => lines(name)
                .filter_map(|line| listed(line, reference, *unit))
                .max(),
            Location::HeaderParams {
                name,
                counter,
                wait,
            } => lines(name)
                .filter_map(|line| spent(line, [counter, wait], reference, *unit))
                .max(),
            Location::HeaderJson { name, path } => lines(name)
                .filter_map(|line| at(line, path, reference, *unit))
                .max(),
            Location::UsedUp {
                usage,
                limit,
                windows,
            } => lines(usage)
                .zip(lines(limit))
                .filter_map(|(usage, limit)| used_up::wait(usage, limit, windows, reference))
                .max(),
            Location::Json(path) => at(body, path, reference, *unit),
            Location::JsonDeficit {
                need,
                have,
                per_second,
            } => deficit(body, [need, have, per_second]),
            Location::After(phrase) => prose::after(body, phrase, reference, *unit),
            Location::Midnight { phrase, midnight } => midnight.wait(body, phrase, reference),
        }
    }

    fn hint(&self, wait: Duration) -> Hint {
        match &self.place {
            Location::HeaderList(name) => Hint::of(wait, Kind::RetryAfter, name),
            Location::Header(name) if is_wait(name) => Hint::of(wait, Kind::RetryAfter, name),
            Location::Header(name)
            | Location::HeaderParams { name, .. }
            | Location::HeaderJson { name, .. }
            | Location::UsedUp { usage: name, .. } => Hint::of(wait, Kind::Reset, name),
            Location::Json(text)
            | Location::JsonDeficit { need: text, .. }
            | Location::After(text)
            | Location::Midnight { phrase: text, .. } => Hint::new(wait, Kind::Body, text.clone()),
        }
    }
}

/// The longest of the numbers that the items of a list begin with.
fn listed(line: &[u8], reference: ReferenceTime, unit: Unit) -> Option<Duration> {
    let heads =
        list::items(line).filter_map(|item| item.split(|byte| matches!(byte, b':' | b';')).next());
    heads
        .filter_map(|head| reference.read(head, unit)?.wait())
        .max()
}

/// The wait among the parameters of a line whose counter is zero.
fn spent(
    line: &[u8],
    [counter, wait]: [&str; 2],
    reference: ReferenceTime,
    unit: Unit,
) -> Option<Duration> {
    let value = |wanted: &str| {
        let pairs = line
            .split(|byte| matches!(byte, b';' | b','))
            .filter_map(list::pair);
        pairs
            .filter(|(name, _)| name.eq_ignore_ascii_case(wanted.as_bytes()))
            .map(|(_, value)| value)
            .next()
    };
    Number::read(value(counter)?).filter(|count| count.is_spent())?;
    reference.read(value(wait)?, unit)?.wait()
}

/// The longest wait at a path.
fn at(body: &[u8], path: &str, reference: ReferenceTime, unit: Unit) -> Option<Duration> {
    let mut longest = None;
    json::at(body, path, &mut |value| {
        let value = value.as_bytes();
        let read = reference.read(value, unit).or_else(|| prose::whole(value));
        longest = longest.max(read.and_then(Parsed::wait));
        false
    });
    longest
}

/// How long until enough has come back.
fn deficit(body: &[u8], paths: [&str; 3]) -> Option<Duration> {
    let [need, have, per_second] = paths.map(|path| amount(body, path));
    let seconds = (need? - have?).max(0.0) / per_second?;
    Parsed::of(Duration::try_from_secs_f64(seconds).ok()?).wait()
}

fn amount(body: &[u8], path: &str) -> Option<f64> {
    let mut amount = None;
    json::at(body, path, &mut |value| {
        amount = value.parse().ok().filter(|amount: &f64| amount.is_finite());
        true
    });
    amount
}
