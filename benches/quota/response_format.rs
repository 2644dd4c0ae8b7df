//! How a server publishes its limit in its responses.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{Response, StatusCode, response};
use http_body_util::Full;
use jiff::{Timestamp, tz::TimeZone};

use crate::limit::Count;

/// A response of the server.
pub type ServerResponse = Response<Full<Bytes>>;

/// The wall clock of every run starts here: 2026-03-02 12:00:00 UTC.
pub fn noon() -> SystemTime {
    UNIX_EPOCH + Duration::from_secs(1_772_452_800)
}

/// The statuses and headers of one server.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ResponseFormat {
    /// A 429 without limit headers.
    Bare,
    /// A 503 without limit headers.
    Overload,
    /// A 429 with `Retry-After`; nothing on a 200.
    RetryAfter,
    /// `Retry-After` and counters on every response, the reset as a JavaScript date.
    Lemlist,
    /// Counters on every response, the reset in epoch seconds.
    Epoch,
}

/// What a refusal says about when to come back.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RefusalHint {
    /// It names the earliest moment.
    NotBefore(Duration),
    /// Nothing: a bare 429.
    Bare,
    /// Nothing: a bare 503.
    Overload,
}

impl ResponseFormat {
    /// The status of a refusal, and the moment that it names.
    pub fn refusal(
        self,
        count: Count,
        now: Duration,
        clock: SystemTime,
    ) -> (StatusCode, RefusalHint) {
        let hint = match self {
            Self::Bare => RefusalHint::Bare,
            Self::Overload => return (StatusCode::SERVICE_UNAVAILABLE, RefusalHint::Overload),
            Self::RetryAfter | Self::Lemlist => {
                RefusalHint::NotBefore(now + Duration::from_secs(rounded_up(count.resets_at - now)))
            }
            Self::Epoch => RefusalHint::NotBefore(now + until_epoch(clock, count.resets_at - now)),
        };
        (StatusCode::TOO_MANY_REQUESTS, hint)
    }

    /// The whole response. `clock` is the wall clock of the server.
    pub fn response(
        self,
        status: StatusCode,
        count: Option<Count>,
        now: Duration,
        clock: SystemTime,
    ) -> ServerResponse {
        let mut head = Response::builder()
            .status(status)
            .header("date", http_date(clock))
            .header("content-type", "application/json");
        if let Some(count) = count {
            head = self.headers(head, count, count.resets_at.saturating_sub(now), clock);
        }
        head.body(Full::from(body(status)))
            .expect("headers of digits and dates are valid")
    }

    fn headers(
        self,
        head: response::Builder,
        count: Count,
        rest: Duration,
        clock: SystemTime,
    ) -> response::Builder {
        match self {
            Self::RetryAfter if !count.admitted => head.header("retry-after", rounded_up(rest)),
            Self::Bare | Self::Overload | Self::RetryAfter => head,
            Self::Lemlist => counters(head, count, javascript_date(clock + rest))
                .header("retry-after", rounded_up(rest)),
            Self::Epoch => counters(head, count, epoch(clock + rest).to_string()),
        }
    }
}

/// A response with these headers, and with the usual body of its status unless it has its own.
pub fn with_headers(
    status: StatusCode,
    clock: SystemTime,
    headers: Vec<(&'static str, String)>,
    text: Option<String>,
) -> ServerResponse {
    let mut head = Response::builder()
        .status(status)
        .header("date", http_date(clock));
    for (name, value) in headers {
        head = head.header(name, value);
    }
    let bytes = text.map_or_else(|| Bytes::from_static(body(status).as_bytes()), Bytes::from);
    head.body(Full::from(bytes))
        .expect("headers of digits and dates are valid")
}

fn body(status: StatusCode) -> &'static str {
    match status {
        StatusCode::OK => r#"{"done":true}"#,
        StatusCode::TOO_MANY_REQUESTS => r#"{"message":"Too Many Attempts."}"#,
        _ => r#"{"error":"something is wrong"}"#,
    }
}

fn counters(head: response::Builder, count: Count, reset: String) -> response::Builder {
    head.header("x-ratelimit-limit", count.limit)
        .header("x-ratelimit-remaining", count.remaining)
        .header("x-ratelimit-reset", reset)
}

/// A wait in whole seconds, rounded up.
pub fn rounded_up(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

/// A moment in epoch seconds, rounded up.
pub fn epoch(moment: SystemTime) -> u64 {
    rounded_up(moment.duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn until_epoch(clock: SystemTime, rest: Duration) -> Duration {
    let reset = UNIX_EPOCH + Duration::from_secs(epoch(clock + rest));
    reset.duration_since(clock).unwrap_or_default()
}

fn http_date(moment: SystemTime) -> String {
    formatted(moment, "%a, %d %b %Y %H:%M:%S GMT")
}

fn javascript_date(moment: SystemTime) -> String {
    let format = "%a %b %d %Y %H:%M:%S GMT+0000 (Coordinated Universal Time)";
    formatted(moment, format)
}

fn formatted(moment: SystemTime, format: &str) -> String {
    let moment = Timestamp::try_from(moment).expect("a moment of this century");
    let moment = moment.to_zoned_datetime(TimeZone::UTC);
    moment.strftime(format).to_string()
}
