//! How a provider tells its limit: headers, body, and the wait that follows from them.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use bytes::Bytes;
use http::{Response, StatusCode, response};
use http_body_util::Full;
use jiff::{Timestamp, tz};

use super::window::Count;

/// The wait after a 429 without a header, on Wolfeo's page and in this crate.
const AFTER_A_BARE_429: Duration = Duration::from_secs(60);

/// The headers and bodies of one provider.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Wording {
    /// `Retry-After`, in seconds.
    pub retry_after: Telling,
    /// `X-RateLimit-Limit`, `-Remaining` and `-Reset`, on every response.
    pub counters: Option<ResetFormat>,
    /// The body of a 429.
    pub refusal: &'static str,
}

/// On which responses a header is sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Telling {
    Never,
    OnRefusals,
    Always,
}

/// What an `X-RateLimit-Reset` looks like.
#[derive(Clone, Copy, Debug)]
pub(crate) enum ResetFormat {
    /// The seconds until the reset.
    Delta,
    /// Seconds since 1970.
    Epoch,
    /// `Tue Feb 16 2021 09:02:42 GMT+0100 (Central European Standard Time)`
    JavaScript,
}

impl Wording {
    /// Creates the response.
    pub(crate) fn answer(
        &self,
        status: StatusCode,
        count: Count,
        now: SystemTime,
    ) -> Response<Full<Bytes>> {
        let mut head = Response::builder()
            .status(status)
            .header("date", http_date(now))
            .header("content-type", "application/json");
        if self.tells_retry_after(count) {
            head = head.header("retry-after", whole_seconds(count.resets_in));
        }
        if let Some(format) = self.counters {
            head = counters(head, count, format.write(count.resets_in, now));
        }
        head.body(Full::from(self.body(status)))
            .expect("headers of digits and dates are valid")
    }

    /// Returns how long a caller that was refused now has to wait.
    pub(crate) fn told(&self, count: Count, now: SystemTime) -> Duration {
        match self.counters {
            _ if self.tells_retry_after(count) => {
                Duration::from_secs(whole_seconds(count.resets_in))
            }
            Some(ResetFormat::Epoch) => {
                let reset = Duration::from_secs(epoch_rounded_up(now + count.resets_in));
                (UNIX_EPOCH + reset).duration_since(now).unwrap_or_default()
            }
            Some(_) => Duration::from_secs(whole_seconds(count.resets_in)),
            None => AFTER_A_BARE_429,
        }
    }

    fn tells_retry_after(&self, count: Count) -> bool {
        match self.retry_after {
            Telling::Never => false,
            Telling::OnRefusals => count.refused,
            Telling::Always => true,
        }
    }

    fn body(&self, status: StatusCode) -> &'static str {
        match status {
            StatusCode::OK => r#"{"done":true}"#,
            StatusCode::TOO_MANY_REQUESTS => self.refusal,
            _ => r#"{"error":"Internal Server Error"}"#,
        }
    }
}

impl ResetFormat {
    fn write(self, resets_in: Duration, now: SystemTime) -> String {
        let reset = now + resets_in;
        match self {
            Self::Delta => whole_seconds(resets_in).to_string(),
            Self::Epoch => epoch_rounded_up(reset).to_string(),
            Self::JavaScript => javascript_date(reset),
        }
    }
}

fn counters(head: response::Builder, count: Count, reset: String) -> response::Builder {
    head.header("x-ratelimit-limit", count.limit)
        .header("x-ratelimit-remaining", count.remaining)
        .header("x-ratelimit-reset", reset)
}

fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs() + u64::from(wait.subsec_nanos() > 0)
}

fn epoch_rounded_up(moment: SystemTime) -> u64 {
    whole_seconds(moment.duration_since(UNIX_EPOCH).unwrap_or_default())
}

fn http_date(moment: SystemTime) -> String {
    written(moment, 0, "%a, %d %b %Y %H:%M:%S GMT")
}

fn javascript_date(moment: SystemTime) -> String {
    let format = "%a %b %d %Y %H:%M:%S GMT+0100 (Central European Standard Time)";
    written(moment, 1, format)
}

fn written(moment: SystemTime, hours_east: i8, format: &str) -> String {
    let zone = tz::TimeZone::fixed(tz::offset(hours_east));
    let moment = Timestamp::try_from(moment).expect("the demo plays in this century");
    moment.to_zoned_datetime(zone).strftime(format).to_string()
}
