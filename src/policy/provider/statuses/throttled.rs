//! Statuses that are refusals by a limit.

use std::time::Duration;

use http::StatusCode;

use crate::policy::{Provider, arguments};

impl Provider {
    /// Treats these statuses as refusals by a limit that lasts this long, such as a ban.
    ///
    /// A wait that the response names counts for more. It replaces the list that was there.
    ///
    /// Such a refusal closes the gate for all calls, and longer each time that the next one is refused, too. The call is
    /// sent again whatever its method, because a limit refuses before any work is done, and until its
    /// [`Patience`](crate::Patience) ends: `max_retries` and the [`Budget`](crate::Budget) are for failures.
    ///
    /// nginx refuses with a bare 503 unless it is told otherwise:
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_backoff::policy::{Attempt, Policy, Provider, Ruling};
    ///
    /// let behind_nginx = Provider::new("acme").throttled_on([503], Duration::from_secs(1));
    ///
    /// let request = http::Request::get("https://api.example.com/").body(())?;
    /// let response = http::Response::builder().status(503).body(())?;
    /// let verdict = behind_nginx.judge(&Attempt::new(&request, &response));
    /// assert!(verdict.ruling() == Ruling::Throttled && verdict.closes_gate());
    /// # Ok::<(), http::Error>(())
    /// ```
    ///
    /// A ban:
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_backoff::policy::{Attempt, Policy, Provider, Verdict};
    ///
    /// let two_minutes = Duration::from_secs(120);
    /// let binance = Provider::new("binance").throttled_on([418], two_minutes);
    ///
    /// let request = http::Request::post("https://api.binance.com/api/v3/order").body(())?;
    /// let response = http::Response::builder().status(418).body(())?;
    /// let verdict = binance.judge(&Attempt::new(&request, &response));
    /// assert_eq!(verdict, Verdict::throttled().bare_wait(two_minutes));
    /// # Ok::<(), http::Error>(())
    /// ```
    ///
    /// # Panics
    ///
    /// If `lasting` is zero.
    #[must_use]
    #[track_caller]
    pub fn throttled_on<S>(
        mut self,
        statuses: impl IntoIterator<Item = S>,
        lasting: Duration,
    ) -> Self
    where
        S: TryInto<StatusCode>,
    {
        self.statuses.throttled.clear();
        self.add_throttled_on(statuses, lasting)
    }

    /// Adds statuses to [`throttled_on`](Self::throttled_on). Of one that is listed twice the last counts.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_backoff::policy::Provider;
    ///
    /// let [minute, hour] = [60, 3_600].map(Duration::from_secs);
    /// let acme = Provider::new("acme").throttled_on([418], minute).add_throttled_on([403], hour);
    /// # let _ = acme;
    /// ```
    ///
    /// # Panics
    ///
    /// If `lasting` is zero.
    #[must_use]
    #[track_caller]
    pub fn add_throttled_on<S>(
        mut self,
        statuses: impl IntoIterator<Item = S>,
        lasting: Duration,
    ) -> Self
    where
        S: TryInto<StatusCode>,
    {
        assert_lasts(lasting);
        let statuses = arguments::statuses(statuses).into_iter();
        let added = statuses.map(|status| (status, lasting));
        self.statuses.throttled.extend(added);
        self
    }

    /// Takes back what was said with [`throttled_on`](Self::throttled_on).
    ///
    /// ```
    /// # use tower_backoff::policy::Provider;
    /// # let minute = std::time::Duration::from_secs(60);
    /// let acme = Provider::new("acme").throttled_on([418], minute).without_throttled_on();
    /// assert_eq!(acme, Provider::new("acme"));
    /// ```
    #[must_use]
    pub fn without_throttled_on(mut self) -> Self {
        self.statuses.throttled.clear();
        self
    }
}

#[track_caller]
pub(in crate::policy::provider) fn assert_lasts(block: Duration) {
    assert!(
        !block.is_zero(),
        "a block needs a length: write how long the page says that it lasts"
    );
}
