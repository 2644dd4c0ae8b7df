//! Counters of what was used.

use std::time::Duration;

use super::Provider;
use crate::hint::Field;

impl Provider {
    /// The provider counts up: one header says how much was used, another how much there is, each a
    /// comma list of the same windows, which begin by the clock as those of [`Field::used_up`] do. What
    /// is left is spent before sending, and the end of a window that is used up is waited for.
    ///
    /// # Default
    ///
    /// What is left is read from counters that say so, such as `X-RateLimit-Remaining`.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_backoff::policy::{Attempt, Policy, Provider, Ruling};
    ///
    /// let windows = [15 * 60, 24 * 60 * 60].map(Duration::from_secs);
    /// let strava = Provider::new("strava")
    ///     .usage_from("x-ratelimit-usage", "x-ratelimit-limit", windows);
    ///
    /// let request = http::Request::get("https://www.strava.com/api/v3/athlete").body(())?;
    /// let response = http::Response::builder()
    ///     .header("date", "Thu, 01 Jan 2026 10:07:30 GMT")
    ///     .header("x-ratelimit-limit", "200,2000")
    ///     .header("x-ratelimit-usage", "200,643")
    ///     .body(())?;
    /// let verdict = strava.judge(&Attempt::new(&request, &response));
    /// assert_eq!(verdict.ruling(), Ruling::Accept);
    /// assert_eq!(verdict.hint().unwrap().wait(), Duration::from_secs(450));
    /// # Ok::<(), http::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If a name is no legal name of a header.
    #[must_use]
    pub fn usage_from(
        mut self,
        usage: &str,
        limit: &str,
        windows: impl Into<Vec<Duration>>,
    ) -> Self {
        self.names_served = true;
        self.rules
            .usages
            .push(Field::used_up(usage, limit, windows));
        self
    }
}

#[cfg(test)]
mod tests {
    use http::{Request, Response};

    use super::*;
    use crate::policy::{Attempt, Policy};

    /// What is left, of how much, and for how many seconds.
    type Left = Option<(u32, Option<u32>, u64)>;

    #[track_caller]
    fn leaves(lines: &[(&str, &str)], expected: Left) {
        let windows = [15 * 60, 24 * 60 * 60].map(Duration::from_secs);
        let provider = Provider::new("test")
            .usage_from("x-usage", "x-limit", windows)
            .usage_from("x-read-usage", "x-read-limit", windows);
        let request = Request::get("https://api.test/").body(()).unwrap();
        let mut response = Response::builder().header("date", "Thu, 01 Jan 2026 10:07:30 GMT");
        for (name, value) in lines {
            response = response.header(*name, *value);
        }
        let response = response.body(()).unwrap();
        let verdict = provider.judge(&Attempt::new(&request, &response));
        let left = verdict.counter();
        let seconds = |left: crate::hint::Remaining| left.resets_in.unwrap_or_default().as_secs();
        let left = left.map(|left| (left.remaining, left.limit, seconds(left)));
        assert_eq!(left, expected, "{lines:?}");
    }

    #[test]
    fn what_is_not_used_is_left() {
        let limit = ("x-limit", "200,2000");
        leaves(&[limit, ("x-usage", "150,643")], Some((50, Some(200), 450)));
        leaves(
            &[limit, ("x-usage", "150,1990")],
            Some((10, Some(2_000), 49_950)),
        );
        leaves(
            &[limit, ("x-usage", "201,2001")],
            Some((0, Some(2_000), 49_950)),
        );
    }

    #[test]
    fn of_several_counters_the_tightest_counts() {
        let all = [("x-limit", "200,2000"), ("x-usage", "150,643")];
        let reads = [("x-read-limit", "100,1000"), ("x-read-usage", "90,500")];
        let both = [all, reads].concat();
        leaves(&both, Some((10, Some(100), 450)));
        let usual = [("x-ratelimit-remaining", "3"), ("x-ratelimit-reset", "60")];
        leaves(&[&both[..], &usual].concat(), Some((3, None, 60)));
        let usual = [("x-ratelimit-remaining", "99"), ("x-ratelimit-reset", "60")];
        leaves(&[&both[..], &usual].concat(), Some((10, Some(100), 450)));
    }

    #[test]
    fn what_is_no_pair_of_counts_or_was_true_once_is_not_counted() {
        let limit = ("x-limit", "200,2000");
        leaves(&[], None);
        leaves(&[limit], None);
        leaves(&[limit, ("x-usage", "many")], None);
        leaves(&[("x-limit", "99999999999"), ("x-usage", "1")], None);
        leaves(&[limit, ("x-usage", "150,643"), ("age", "5")], None);
    }
}
