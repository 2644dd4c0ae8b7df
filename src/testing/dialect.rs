//! What a test server says: the headers of its answers, and the body of its refusals.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use jiff::Timestamp;

use crate::testing::limit::LimitState;
use crate::time::Moment;

#[cfg(test)]
mod tests;

/// How a test server tells its clients about its limit.
///
/// "Counters" are the limit and what remains of it. Waits and resets are whole seconds, rounded up, unless a variant
/// says otherwise. Where a variant names a product, other products speak like it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub enum Dialect {
    /// Nothing but a status.
    Bare,
    /// `Retry-After` in seconds.
    #[default]
    RetryAfter,
    /// `Retry-After` cut to whole seconds, so that it is too short by up to a second, and often 0.
    RetryAfterRoundedDown,
    /// `Retry-After` as an HTTP date.
    RetryAfterDate,
    /// `Retry-After` of a fixed length, whatever the limit, as Varnish is often configured.
    RetryAfterFixed(Duration),
    /// [`LegacyEpoch`](Self::LegacyEpoch), with fractional seconds in `Retry-After`: rate-limiter-flexible.
    RetryAfterFraction,
    /// [`LegacyEpoch`](Self::LegacyEpoch), with milliseconds in `Retry-After`: rate-limiter-flexible.
    RetryAfterMillis,
    /// `X-RateLimit-*` with a reset in epoch seconds on each answer: express-rate-limit, Flask-Limiter.
    LegacyEpoch,
    /// `X-RateLimit-*` with the seconds until the reset on each answer: fastify.
    LegacyDelta,
    /// `X-RateLimit-*` with an exact epoch, and a `Retry-After` that is cut: koa-ratelimit.
    LegacyFraction,
    /// `X-RateLimit-*` without a reset on each answer, and `Retry-After` on refusals.
    Counters,
    /// Laravel's `throttle`: counters on all answers, and a reset in epoch seconds on refusals.
    Laravel,
    /// `RateLimit-*` with a reset in epoch seconds on refusals, and nothing else: rack-attack.
    RackAttack,
    /// `RateLimit-Limit`, `-Remaining` and `-Reset` of the IETF draft, versions 0 to 6.
    Draft6,
    /// The combined `RateLimit` header of version 7.
    Draft7,
    /// The structured `RateLimit` and `RateLimit-Policy` of version 8 and later.
    Draft8,
    /// Counters of each limit under a name, such as `X-RateLimit-Remaining-short`: NestJS.
    Named,
    /// `Retry-After` cut to whole seconds, and once more as `x-ratelimit-after`: tower_governor.
    Governor,
    /// `Retry-After` cut to whole seconds, and the wait in words: Django REST framework.
    DjangoRest,
    /// The limit in the words of the body, and no wait: aiohttp-ratelimiter.
    Words,
}

/// A header of an answer.
pub(super) type Header = (&'static str, String);

/// A call that was counted, as the dialects tell about it.
#[derive(Clone, Copy, Debug)]
pub(super) struct CountedCall<'a> {
    pub(super) is_admitted: bool,
    /// The limit that refused the call, or that has the least left.
    pub(super) limit: LimitState,
    /// All limits of the server.
    pub(super) limits: &'a [LimitState],
    pub(super) now: Moment,
    /// What the clock of the server shows now.
    pub(super) wall: SystemTime,
}

impl CountedCall<'_> {
    fn rest(&self) -> Duration {
        self.limit.resets_at.since(self.now)
    }

    /// The reset in epoch seconds, rounded up.
    fn epoch(&self) -> u64 {
        rounded_up(since_epoch(self.wall + self.rest()))
    }

    /// How long until this second of the epoch.
    fn until(&self, epoch: u64) -> Duration {
        Duration::from_secs(epoch).saturating_sub(since_epoch(self.wall))
    }
}

impl Dialect {
    /// The wait that a refusal names, if it names one.
    pub(super) fn named_wait(self, call: &CountedCall<'_>) -> Option<Duration> {
        let rest = call.rest();
        Some(match self {
            Self::Bare | Self::Words => return None,
            Self::RackAttack | Self::RetryAfterDate => call.until(call.epoch()),
            Self::LegacyFraction => rest,
            Self::RetryAfterFraction | Self::RetryAfterMillis => millis_up(rest),
            Self::RetryAfterRoundedDown | Self::Governor | Self::DjangoRest => {
                Duration::from_secs(rest.as_secs())
            }
            Self::RetryAfterFixed(wait) => Duration::from_secs(rounded_up(wait)),
            _ => Duration::from_secs(rounded_up(rest)),
        })
    }

    /// The headers of an answer, apart from its `Date`.
    pub(super) fn headers(self, call: &CountedCall<'_>) -> Vec<Header> {
        let seconds = rounded_up(call.rest());
        let is_refusal = !call.is_admitted;
        let LimitState {
            limit, remaining, ..
        } = call.limit;
        let mut headers = match self {
            Self::LegacyEpoch | Self::RetryAfterFraction | Self::RetryAfterMillis => {
                legacy(call, Some(call.epoch().to_string()))
            }
            Self::LegacyDelta => legacy(call, Some(seconds.to_string())),
            Self::LegacyFraction => legacy(call, Some(exact_epoch(call))),
            Self::Counters => legacy(call, None),
            Self::Laravel => legacy(call, is_refusal.then(|| call.epoch().to_string())),
            Self::RackAttack if is_refusal => draft6(call, call.epoch()),
            Self::Draft6 => {
                let mut headers = vec![("ratelimit-policy", policy(call))];
                headers.extend(draft6(call, seconds));
                headers
            }
            Self::Draft7 => vec![
                ("ratelimit-policy", policy(call)),
                (
                    "ratelimit",
                    format!("limit={limit}, remaining={remaining}, reset={seconds}"),
                ),
            ],
            Self::Draft8 => draft8(call, seconds),
            Self::Named => named(call),
            Self::Governor if is_refusal => {
                vec![("x-ratelimit-after", call.rest().as_secs().to_string())]
            }
            _ => Vec::new(),
        };
        if is_refusal {
            let value = self.retry_after(call);
            headers.extend(value.map(|value| ("retry-after", value)));
        }
        headers
    }

    fn retry_after(self, call: &CountedCall<'_>) -> Option<String> {
        let rest = call.rest();
        Some(match self {
            Self::Bare | Self::Words | Self::RackAttack | Self::Named => return None,
            Self::RetryAfterRoundedDown
            | Self::LegacyFraction
            | Self::Governor
            | Self::DjangoRest => rest.as_secs().to_string(),
            Self::RetryAfterDate => http_date(UNIX_EPOCH + Duration::from_secs(call.epoch())),
            Self::RetryAfterFixed(wait) => rounded_up(wait).to_string(),
            Self::RetryAfterFraction => format!("{:.3}", millis_up(rest).as_secs_f64()),
            Self::RetryAfterMillis => millis_up(rest).as_millis().to_string(),
            _ => rounded_up(rest).to_string(),
        })
    }

    /// The body of a refusal.
    pub(super) fn refusal_body(self, call: &CountedCall<'_>) -> String {
        let rest = call.rest();
        match self {
            Self::Laravel => r#"{"message":"Too Many Attempts."}"#.to_owned(),
            Self::Governor => format!("Too Many Requests! Wait for {}s", rest.as_secs()),
            Self::DjangoRest => format!(
                r#"{{"detail":"Request was throttled. Expected available in {} seconds."}}"#,
                rounded_up(rest)
            ),
            Self::Words => match rounded_up(call.limit.window) {
                0 => format!("You have exceeded {} request(s) at once", call.limit.limit),
                seconds => format!(
                    "You have exceeded {} request(s) per {seconds} seconds",
                    call.limit.limit
                ),
            },
            _ => "Too many requests, please try again later.".to_owned(),
        }
    }
}

fn legacy(call: &CountedCall<'_>, reset: Option<String>) -> Vec<Header> {
    let mut headers = vec![
        ("x-ratelimit-limit", call.limit.limit.to_string()),
        ("x-ratelimit-remaining", call.limit.remaining.to_string()),
    ];
    headers.extend(reset.map(|reset| ("x-ratelimit-reset", reset)));
    headers
}

fn draft6(call: &CountedCall<'_>, reset: u64) -> Vec<Header> {
    vec![
        ("ratelimit-limit", call.limit.limit.to_string()),
        ("ratelimit-remaining", call.limit.remaining.to_string()),
        ("ratelimit-reset", reset.to_string()),
    ]
}

/// The limit and its window, which a limit of concurrent calls has not.
fn policy(call: &CountedCall<'_>) -> String {
    let limit = call.limit.limit;
    match rounded_up(call.limit.window) {
        0 => limit.to_string(),
        seconds => format!("{limit};w={seconds}"),
    }
}

/// The headers of express-rate-limit: the policy has a name, and the key is a hash of the caller.
fn draft8(call: &CountedCall<'_>, reset: u64) -> Vec<Header> {
    let LimitState {
        limit, remaining, ..
    } = call.limit;
    let (name, window) = match rounded_up(call.limit.window) {
        0 => (format!("\"{limit}-at-once\""), String::new()),
        seconds if seconds % 60 == 0 => (
            format!("\"{limit}-in-{}min\"", seconds / 60),
            format!("; w={seconds}"),
        ),
        seconds => (
            format!("\"{limit}-in-{seconds}sec\""),
            format!("; w={seconds}"),
        ),
    };
    vec![
        (
            "ratelimit-policy",
            format!("{name}; q={limit}{window}; pk=:MTJjYTE3YjQ5YWYy:"),
        ),
        ("ratelimit", format!("{name}; r={remaining}; t={reset}")),
    ]
}

/// The headers of the throttlers of NestJS. A refusal names only the wait of the one that refused.
fn named(call: &CountedCall<'_>) -> Vec<Header> {
    const NAMES: [[&str; 4]; 3] = [
        [
            "x-ratelimit-limit-short",
            "x-ratelimit-remaining-short",
            "x-ratelimit-reset-short",
            "retry-after-short",
        ],
        [
            "x-ratelimit-limit-medium",
            "x-ratelimit-remaining-medium",
            "x-ratelimit-reset-medium",
            "retry-after-medium",
        ],
        [
            "x-ratelimit-limit-long",
            "x-ratelimit-remaining-long",
            "x-ratelimit-reset-long",
            "retry-after-long",
        ],
    ];
    // Two limits are the short and the long one.
    let two = [NAMES[0], NAMES[2]];
    let names = if call.limits.len() == 2 {
        &two[..]
    } else {
        &NAMES[..]
    };
    let mut headers = Vec::new();
    for ([limit, remaining, reset, retry_after], state) in names.iter().zip(call.limits) {
        let seconds = rounded_up(state.resets_at.since(call.now)).to_string();
        if call.is_admitted {
            headers.push((*limit, state.limit.to_string()));
            headers.push((*remaining, state.remaining.to_string()));
            headers.push((*reset, seconds));
        } else if *state == call.limit {
            headers.push((*retry_after, seconds));
        }
    }
    headers
}

fn since_epoch(moment: SystemTime) -> Duration {
    moment.duration_since(UNIX_EPOCH).unwrap_or_default()
}

/// The reset in epoch seconds with three digits of a fraction, rounded up.
fn exact_epoch(call: &CountedCall<'_>) -> String {
    let exact = millis_up(since_epoch(call.wall + call.rest()));
    format!("{}.{:03}", exact.as_secs(), exact.subsec_millis())
}

/// Whole seconds, rounded up.
fn rounded_up(wait: Duration) -> u64 {
    wait.as_secs()
        .saturating_add(u64::from(wait.subsec_nanos() > 0))
}

/// Whole milliseconds, rounded up.
fn millis_up(wait: Duration) -> Duration {
    Duration::from_millis(u64::try_from(wait.as_nanos().div_ceil(1_000_000)).unwrap_or(u64::MAX))
}

/// A moment as IMF-fixdate (RFC 9110, 5.6.7), the fraction of its second cut off.
pub(super) fn http_date(moment: SystemTime) -> String {
    let moment = Timestamp::try_from(moment).unwrap_or(Timestamp::UNIX_EPOCH);
    moment.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string()
}
