//! Strava: <https://developers.strava.com/docs/rate-limits/>.

use std::time::Duration;

use crate::gate::Quota;
use crate::policy::Provider;

/// Strava: 100 requests per 15 minutes and 1,000 per day and app; with uploads 200 and 2,000.
///
/// * The quarters begin with the clock, at 0, 15, 30 and 45 minutes, and the day at midnight UTC.
/// * `X-RateLimit-Limit: 200,2000` and `X-RateLimit-Usage: 314,1536` come with every response, the
///   quarter first; `X-ReadRateLimit-Limit` and `-Usage` for all that is no upload. No header names a
///   wait, so that it is read off the clock; nor what is left, which is what was not used.
/// * A refused request counts towards the day, too.
pub fn strava() -> Provider {
    const QUARTER: Duration = Duration::from_secs(15 * 60);
    const DAY: Duration = Duration::from_secs(24 * 60 * 60);
    const WINDOWS: [Duration; 2] = [QUARTER, DAY];
    Provider::new("strava")
        .page("https://developers.strava.com/docs/rate-limits/")
        .plans([Quota::new(100, QUARTER), Quota::new(1_000, DAY)])
        .bare_429_wait(QUARTER)
        .usage_from("x-readratelimit-usage", "x-readratelimit-limit", WINDOWS)
        .add_usage_from("x-ratelimit-usage", "x-ratelimit-limit", WINDOWS)
}
