//! What the limiters of the zoo say: the status, the headers and the body of their answers.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::limit::Count;
use crate::response_format::{RefusalHint, epoch, rounded_up};

/// The headers of one product.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Dialect {
    /// Laravel's throttle: counters without a reset on served answers.
    Laravel,
    /// The README of rack-attack: nothing on served answers, on a refusal the end of the window.
    RackAttack,
    /// express-rate-limit with legacy headers, koa2, flask-limiter.
    Legacy,
    /// rate-limiter-flexible: `Retry-After` in fractional seconds.
    Flexible,
    /// rate-limiter-flexible: `Retry-After` in milliseconds.
    FlexibleMillis,
    Draft6,
    Draft7,
    Draft8,
    Fastify,
    /// Two named throttlers of NestJS.
    NestNamed,
    /// koa-ratelimit: an exact reset beside a `Retry-After` that is cut.
    Koa,
    /// `Retry-After` rounded up; nothing on served answers.
    RetryAfter,
    /// `Retry-After` cut to whole seconds; nothing on served answers.
    Cut,
    /// tower_governor: the same, and once more as `x-ratelimit-after`.
    Governor,
    /// Django REST framework: the same, and rounded up in the body.
    RestFramework,
    /// Limit and remaining calls on served answers without a reset, and `Retry-After` rounded up.
    Counters,
    /// The fixed `Retry-After: 5` of vsthrottle.
    Five,
    /// A status and nothing else.
    Bare(u16),
    /// A 429 whose body states the limit, as aiohttp-ratelimiter.
    Words,
}

/// A header of a response.
pub type Header = (&'static str, String);

/// How a dialect tells when to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tells {
    /// Waits or counters, with exact resets or none.
    Waits,
    /// Waits that are cut to whole seconds.
    CutWaits,
    /// Resets in whole seconds, on served answers as well.
    WholeSeconds,
    /// Nothing but a status.
    Nothing(u16),
}

impl Dialect {
    pub fn tells(self) -> Tells {
        match self {
            Self::Laravel | Self::RackAttack | Self::Koa => Tells::Waits,
            Self::RetryAfter | Self::Counters | Self::Five => Tells::Waits,
            Self::Cut | Self::Governor | Self::RestFramework => Tells::CutWaits,
            Self::Legacy | Self::Flexible | Self::FlexibleMillis => Tells::WholeSeconds,
            Self::Draft6 | Self::Draft7 | Self::Draft8 => Tells::WholeSeconds,
            Self::Fastify | Self::NestNamed => Tells::WholeSeconds,
            Self::Bare(status) => Tells::Nothing(status),
            Self::Words => Tells::Nothing(429),
        }
    }

    /// The status of a refusal.
    pub fn refusal(self) -> u16 {
        match self {
            Self::Bare(status) => status,
            _ => 429,
        }
    }

    /// The moment that a refusal names, if it names one.
    pub fn hint(self, count: Count, now: Duration, clock: SystemTime) -> RefusalHint {
        let rest = count.resets_at.saturating_sub(now);
        let named = match self {
            Self::Bare(429) | Self::Words => return RefusalHint::Bare,
            Self::Bare(_) => return RefusalHint::Overload,
            Self::RackAttack => {
                let reset = UNIX_EPOCH + Duration::from_secs(epoch(clock + rest));
                reset.duration_since(clock).unwrap_or_default()
            }
            Self::Koa | Self::Flexible | Self::FlexibleMillis => rest,
            Self::Cut | Self::Governor | Self::RestFramework => Duration::from_secs(rest.as_secs()),
            Self::Five => Duration::from_secs(5),
            _ => Duration::from_secs(rounded_up(rest)),
        };
        RefusalHint::NotBefore(now + named)
    }

    /// The headers of an answer. `parts` are the counts of several limits at once.
    pub fn headers(
        self,
        count: Count,
        parts: &[Count],
        window: Duration,
        now: Duration,
        clock: SystemTime,
    ) -> Vec<Header> {
        let rest = count.resets_at.saturating_sub(now);
        let seconds = rounded_up(rest);
        let end = epoch(clock + rest);
        let (limit, remaining) = (count.limit, count.remaining);
        let is_refusal = !count.admitted;
        let legacy = |reset: Option<String>| {
            let mut headers = vec![
                ("x-ratelimit-limit", limit.to_string()),
                ("x-ratelimit-remaining", remaining.to_string()),
            ];
            headers.extend(reset.map(|reset| ("x-ratelimit-reset", reset)));
            headers
        };
        let length = window.as_secs();
        let mut headers = match self {
            Self::Laravel => legacy(is_refusal.then(|| end.to_string())),
            Self::RackAttack if is_refusal => vec![
                ("ratelimit-limit", limit.to_string()),
                ("ratelimit-remaining", "0".to_owned()),
                ("ratelimit-reset", end.to_string()),
            ],
            Self::Legacy | Self::Flexible | Self::FlexibleMillis => legacy(Some(end.to_string())),
            Self::Draft6 => vec![
                ("ratelimit-policy", format!("{limit};w={length}")),
                ("ratelimit-limit", limit.to_string()),
                ("ratelimit-remaining", remaining.to_string()),
                ("ratelimit-reset", seconds.to_string()),
            ],
            Self::Draft7 => vec![
                ("ratelimit-policy", format!("{limit};w={length}")),
                (
                    "ratelimit",
                    format!("limit={limit}, remaining={remaining}, reset={seconds}"),
                ),
            ],
            Self::Draft8 => {
                let name = format!("\"{limit}-in-{}\"", words(length));
                vec![
                    (
                        "ratelimit-policy",
                        format!("{name}; q={limit}; w={length}; pk=:MTJjYTE3YjQ5YWYy:"),
                    ),
                    ("ratelimit", format!("{name}; r={remaining}; t={seconds}")),
                ]
            }
            Self::Fastify => legacy(Some(seconds.to_string())),
            Self::NestNamed => nest(count, parts, now),
            Self::Koa => {
                let exact = (clock + rest)
                    .duration_since(UNIX_EPOCH)
                    .unwrap_or_default();
                legacy(Some(format!("{:.3}", exact.as_secs_f64())))
            }
            Self::Counters => legacy(None),
            Self::Governor if is_refusal => {
                vec![("x-ratelimit-after", rest.as_secs().to_string())]
            }
            _ => Vec::new(),
        };
        if is_refusal {
            headers.extend(self.retry_after(rest));
        }
        headers
    }

    fn retry_after(self, rest: Duration) -> Option<Header> {
        let value = match self {
            Self::RackAttack | Self::NestNamed | Self::Bare(_) | Self::Words => return None,
            Self::Koa | Self::Cut | Self::Governor | Self::RestFramework => {
                rest.as_secs().to_string()
            }
            Self::Flexible => format!("{:.3}", rest.as_secs_f64()),
            Self::FlexibleMillis => rest.as_millis().to_string(),
            Self::Five => "5".to_owned(),
            _ => rounded_up(rest).to_string(),
        };
        Some(("retry-after", value))
    }

    /// The body of a refusal.
    pub fn body(self, count: Count, window: Duration, now: Duration) -> String {
        let rest = count.resets_at.saturating_sub(now);
        match self {
            Self::Laravel => r#"{"message":"Too Many Attempts."}"#.to_owned(),
            Self::Governor => format!("Too Many Requests! Wait for {}s", rest.as_secs()),
            Self::RestFramework => format!(
                r#"{{"detail":"Request was throttled. Expected available in {} seconds."}}"#,
                rounded_up(rest)
            ),
            Self::Words => format!(
                "You have exceeded {} request(s) per {} seconds",
                count.limit,
                window.as_secs()
            ),
            Self::Bare(503) => "<h1>503 Service Temporarily Unavailable</h1>".to_owned(),
            Self::Bare(403) => "<h1>403 Forbidden</h1>".to_owned(),
            _ => "Too many requests, please try again later.".to_owned(),
        }
    }
}

/// A length in the words of express-rate-limit.
fn words(seconds: u64) -> String {
    if seconds % 60 == 0 {
        format!("{}min", seconds / 60)
    } else {
        format!("{seconds}sec")
    }
}

/// The headers of two throttlers that are named short and long.
fn nest(count: Count, parts: &[Count], now: Duration) -> Vec<Header> {
    const NAMES: [[&str; 4]; 2] = [
        [
            "x-ratelimit-limit-short",
            "x-ratelimit-remaining-short",
            "x-ratelimit-reset-short",
            "retry-after-short",
        ],
        [
            "x-ratelimit-limit-long",
            "x-ratelimit-remaining-long",
            "x-ratelimit-reset-long",
            "retry-after-long",
        ],
    ];
    let mut headers = Vec::new();
    for ([limit, remaining, reset, retry_after], part) in NAMES.into_iter().zip(parts) {
        let seconds = rounded_up(part.resets_at.saturating_sub(now)).to_string();
        if !count.admitted {
            if part.resets_at == count.resets_at {
                headers.push((retry_after, seconds));
            }
            continue;
        }
        headers.push((limit, part.limit.to_string()));
        headers.push((remaining, part.remaining.to_string()));
        headers.push((reset, seconds));
    }
    headers
}
