//! The layer: all settings and their defaults.

mod giving_up;

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tower_layer::Layer;

use crate::config::Settings;
use crate::fleet::Fleet;
use crate::gate::{Gate, Gates};
use crate::inner::Clonable;
use crate::policy::{Policy, RequestHead};
use crate::retry::{Backoff, Budget, CircuitBreaker, Cost, Patience};
use crate::scope::Scope;
use crate::service::Retry;
use crate::telemetry::Observer;
use crate::telemetry::trace;
use crate::time::{Clock, Rng};

/// A layer that rate limits and retries: one rate limiter and circuit breaker per host.
///
/// The client waits as long as the server asked, and retries what is safe to send again. All callers of one API share
/// one [gate](Gates).
///
/// Build it once and clone it: all clones share their gates. A second layer for the same provider, built separately,
/// would spend the quota twice, so it logs a warning. Share [`Gates`] between the two, or give the policies different
/// names if they do not share a quota. There is no `build()`; the layer is its own builder.
///
/// # Defaults
///
/// | setting | default |
/// |---|---|
/// | [`max_retries`](Self::max_retries) | 4, of retries timed by the call's own backoff |
/// | [`max_refusals`](Self::max_refusals) | none: patience alone bounds how often a call is refused |
/// | [`backoff`](Self::backoff) | from 50 ms doubling to 30 s, full jitter |
/// | [`patience`](Self::patience) | 5 minutes for refusals |
/// | [`failure_patience`](Self::failure_patience) | 30 s for failures |
/// | [`budget`](Self::budget) | 20 % of the calls, plus 20 in ten seconds |
/// | [`gates`](Self::gates) | its own |
/// | [`scope_by`](Self::scope_by) | the policy's choice, else the origin of the request |
/// | [`cost_by`](Self::cost_by) | the request's [`Cost`](crate::Cost), else one |
/// | [`max_waiting`](Self::max_waiting) | none: any number of calls can wait |
/// | [`not_sent`](Self::not_sent) | what [`failure::delivery`](crate::failure::delivery) proves |
/// | [`idempotency_keys`](Self::idempotency_keys) | none are generated |
/// | [`max_cooldown`](Self::max_cooldown) | none: a gate is closed for as long as the server said |
/// | [`end_with_not_before`](Self::end_with_not_before) | a call past its patience ends with its last response |
/// | [`enabled`](Self::enabled) | yes |
/// | [`circuit_breaker`](Self::circuit_breaker) | opens after 5 failures in a row over 1 s, without a success for 10 s |
/// | [`observe`](Self::observe) | none |
/// | [`low_quota`](Self::low_quota) | 10 % of a quota |
/// | [`fleet`](Self::fleet) | none: the gates of this process decide alone |
///
/// ```
/// use std::time::Duration;
/// use tower_backoff::{Backoff, Budget, RetryLayer, providers};
///
/// let spelled_out = RetryLayer::new(providers::lemlist())
///     .max_retries(4)
///     .backoff(Backoff::default())
///     .patience(Duration::from_secs(300))
///     .failure_patience(Duration::from_secs(30))
///     .budget(Budget::default());
/// let default = RetryLayer::new(providers::lemlist());
/// assert_eq!(format!("{spelled_out:?}"), format!("{default:?}"));
/// ```
///
/// # Patience
///
/// Patience is the total time limit of a call. If the next attempt would be later, the call returns now: the last
/// response, plus a [`Report`](crate::Report) whose `not_before()` says when to retry. Inside a request handler set
/// it below your own timeout. A 429 without a header then returns at once instead of as a timeout.
#[derive(Clone)]
pub struct RetryLayer {
    settings: Arc<Settings>,
}

impl RetryLayer {
    const MAX_RETRIES: u32 = 4;
    const LOW_QUOTA: u8 = 10;
    const PATIENCE: Patience =
        Patience::of(Duration::from_secs(5 * 60)).failures(Duration::from_secs(30));

    /// Creates a layer with a policy.
    ///
    /// It is a [preset](crate::providers), a [`Provider`](crate::policy::Provider) of your own, or any other
    /// [`Policy`].
    pub fn new(policy: impl Policy + 'static) -> Self {
        let settings = Settings {
            policy: Arc::new(policy),
            max_retries: Self::MAX_RETRIES,
            max_refusals: None,
            backoff: Backoff::default(),
            patience: Self::PATIENCE,
            budget: Budget::default(),
            gates: Gates::new(),
            scope_by: None,
            cost_by: None,
            max_waiting: usize::MAX,
            not_sent: None,
            low_quota: Self::LOW_QUOTA,
            idempotency_keys: false,
            max_cooldown: None,
            ends_with_not_before: false,
            disabled: None,
            circuit_breaker: CircuitBreaker::default(),
            observer: None,
            fleet: None,
            clock: Clock::default(),
            rng: Rng::default(),
        };
        Self {
            settings: Arc::new(settings),
        }
    }

    fn set(mut self, change: impl FnOnce(&mut Settings)) -> Self {
        change(Arc::make_mut(&mut self.settings));
        self
    }

    /// Uses these gates, which other layers can share.
    #[must_use]
    pub fn gates(self, gates: &Gates) -> Self {
        self.set(|settings| settings.gates = gates.clone())
    }

    /// Sets how requests are grouped into scopes, instead of the policy and the origin.
    ///
    /// ```
    /// use tower_backoff::{RetryLayer, Scope, providers};
    ///
    /// // One key for everything: one gate.
    /// let layer = RetryLayer::new(providers::wolfeo()).scope_by(|_| Scope::single());
    /// # let _ = layer;
    /// ```
    ///
    /// A call has one scope. Where it is counted twice, per key *and* per tenant, each count takes a layer, one inside the
    /// other. A call that the outer layer has sent may wait at the gate of the inner one; so the
    /// [`slack`](crate::Quota::slack) of the outer quota is the patience of the inner layer. A refusal closes the gate of the
    /// inner one, and that of the outer one only if the inner layer gives up:
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower::ServiceBuilder;
    /// use tower_backoff::policy::{Provider, RequestHead};
    /// use tower_backoff::{Quota, RetryLayer, Scope};
    ///
    /// fn by(request: &RequestHead<'_>, name: &str) -> Scope {
    ///     let value = request.headers().get(name).map_or(&b""[..], |value| value.as_bytes());
    ///     Scope::named(name.to_owned()).keyed(value)
    /// }
    ///
    /// let inside = Duration::from_secs(30);
    /// let per_tenant = Quota::per_second(4).slack(inside);
    /// let layers = ServiceBuilder::new()
    ///     .layer(
    ///         RetryLayer::new(Provider::new("acme, per tenant").quota(per_tenant))
    ///             .scope_by(|request| by(request, "x-tenant")),
    ///     )
    ///     .layer(
    ///         RetryLayer::new(Provider::new("acme, per key").quota(Quota::per_second(10)))
    ///             .scope_by(|request| by(request, "authorization"))
    ///             .patience(inside),
    ///     );
    /// # let _ = layers.service(());
    /// ```
    #[must_use]
    pub fn scope_by(
        self,
        scope_by: impl Fn(&RequestHead<'_>) -> Scope + Send + Sync + 'static,
    ) -> Self {
        self.set(|settings| {
            settings.scope_by = Some(Arc::new(scope_by));
        })
    }

    /// Sets the cost of requests, for quotas that count more than calls.
    ///
    /// A [`Cost`](crate::Cost) in the extensions of a request takes precedence.
    ///
    /// ```
    /// use tower_backoff::{RetryLayer, providers};
    ///
    /// let layer = RetryLayer::new(providers::snippets_ai()).cost_by(|request| {
    ///     if request.uri().path().ends_with("/bulk") { 10 } else { 1 }
    /// });
    /// # let _ = layer;
    /// ```
    #[must_use]
    pub fn cost_by<C: Into<Cost>>(
        self,
        cost_by: impl Fn(&RequestHead<'_>) -> C + Send + Sync + 'static,
    ) -> Self {
        let cost_by = move |request: &RequestHead<'_>| cost_by(request).into();
        self.set(|settings| settings.cost_by = Some(Arc::new(cost_by)))
    }

    /// Limits how many calls wait at one gate; further ones fail with [`NotBefore`](crate::NotBefore).
    ///
    /// A call that was already sent is never rejected.
    ///
    /// ```
    /// use tower_backoff::{RetryLayer, providers};
    ///
    /// let layer = RetryLayer::new(providers::wolfeo()).max_waiting(10_000);
    /// # let _ = layer;
    /// ```
    #[must_use]
    pub fn max_waiting(self, calls: usize) -> Self {
        self.set(|settings| settings.max_waiting = calls)
    }

    /// Sets which errors of the layers and the client inside mean that nothing was sent.
    ///
    /// They count as [`Unsent`](crate::failure::Unsent): the request may be sent again whatever its method, what it
    /// took of a quota is returned, and the failure does not count against the server. The function is called with an
    /// error and its [sources](std::error::Error::source), up to the first that proves by itself whether anything was
    /// sent.
    ///
    /// ```
    /// use tower::ServiceBuilder;
    /// use tower::load_shed::error::Overloaded;
    /// use tower_backoff::{BoxError, RetryLayer, providers};
    /// # use std::sync::atomic::{AtomicUsize, Ordering};
    /// # use tower::ServiceExt;
    /// # #[tokio::main(flavor = "current_thread", start_paused = true)]
    /// # async fn main() -> Result<(), BoxError> {
    /// # let hyper_client = tower::service_fn(|_: http::Request<String>| async {
    /// #     tokio::time::sleep(std::time::Duration::from_millis(1)).await;
    /// #     Ok::<_, BoxError>(http::Response::new(String::new()))
    /// # });
    ///
    /// let client = ServiceBuilder::new()
    ///     .layer(RetryLayer::new(providers::wolfeo()).not_sent(|error| error.is::<Overloaded>()))
    ///     .load_shed()
    ///     .concurrency_limit(1)
    ///     .service(hyper_client);
    /// let order = || http::Request::post("https://api.wolfeo.me/orders").body(String::from("order one"));
    /// let (first, second) = (client.clone().oneshot(order()?), client.oneshot(order()?));
    /// let (first, second) = tokio::join!(first, second); // the second is shed at first, and sent later
    /// assert!(first.is_ok() && second.is_ok());
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn not_sent(
        self,
        is_unsent: impl Fn(&(dyn Error + 'static)) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.set(|settings| settings.not_sent = Some(Arc::new(is_unsent)))
    }

    /// Adds an `Idempotency-Key` to requests that are not idempotent, the same on every attempt.
    ///
    /// A server that supports such keys does the work once however often it receives the request, so that a POST may
    /// be sent again. Requests with a key, or with [`Idempotent`](crate::Idempotent), are not changed.
    ///
    /// **Only for servers that support the header.** To all others the second POST is another order.
    ///
    /// ```
    /// use tower_backoff::{RetryLayer, providers};
    ///
    /// let layer = RetryLayer::new(providers::stripe()).idempotency_keys();
    /// # let _ = layer;
    /// ```
    #[must_use]
    pub fn idempotency_keys(self) -> Self {
        self.set(|settings| settings.idempotency_keys = true)
    }

    /// Sets the longest cooldown of a gate: after it, one call probes the server.
    ///
    /// It is for servers that name a day and mean a minute. The default wait after a 429 without a header is another
    /// setting: [`Provider::bare_429_wait`](crate::policy::Provider::bare_429_wait).
    ///
    /// # Panics
    ///
    /// If `longest` is zero, which would be no cooldown.
    #[must_use]
    pub fn max_cooldown(self, longest: Duration) -> Self {
        assert!(
            !longest.is_zero(),
            "a cooldown of zero ignores the server: write the longest wait that you believe"
        );
        self.set(|settings| settings.max_cooldown = Some(longest))
    }

    /// Enables or disables the layer: a disabled one passes each call through untouched.
    ///
    /// It has the type of an enabled one, so that a setting of the program can choose.
    ///
    /// ```
    /// use tower_backoff::{RetryLayer, providers};
    ///
    /// let wanted = std::env::var_os("WITHOUT_RETRIES").is_none();
    /// let layer = RetryLayer::new(providers::wolfeo()).enabled(wanted);
    /// # let _ = layer;
    /// ```
    #[must_use]
    pub fn enabled(self, enabled: bool) -> Self {
        self.set(|settings| {
            settings.disabled = (!enabled).then(|| Arc::new(Gate::unused()));
        })
    }

    /// Sets when the circuit breaker of a gate opens.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_backoff::{CircuitBreaker, RetryLayer, providers};
    ///
    /// let slow_to_open = CircuitBreaker::after(20).lasting(Duration::from_secs(5));
    /// let layer = RetryLayer::new(providers::wolfeo()).circuit_breaker(slow_to_open);
    /// # let _ = layer;
    /// ```
    #[must_use]
    pub fn circuit_breaker(self, breaker: CircuitBreaker) -> Self {
        self.set(|settings| settings.circuit_breaker = breaker)
    }

    /// Sets an observer that receives every decision.
    #[must_use]
    pub fn observe(self, observer: impl Observer + 'static) -> Self {
        self.set(|settings| {
            settings.observer = Some(Arc::new(observer));
        })
    }

    /// Sets which part of a quota, in percent, is little.
    ///
    /// When no more is left, that is told once: the log gets an event (`info`), and an observer a call of
    /// [`on_low_quota`](crate::Observer::on_low_quota). 0 tells only of a quota that is used up.
    ///
    /// It is told of
    /// - each quota that the server publishes with its limit, again when there was more in between;
    /// - each declared [`Quota`](crate::Quota) with a window of five minutes or longer, again after half of it was
    ///   free. Shorter windows, [paced](crate::Quota::paced) quotas and those with smaller [bursts](crate::Quota::burst)
    ///   have room again soon, and are empty by design. What is [reserved](crate::Quota::reserved_for_urgent) for urgent
    ///   calls does not count as left. A quota of which nothing is reserved is told once if the server publishes it, too.
    ///   In a fleet, only what this process has sent counts.
    ///
    /// # Default
    ///
    /// 10 %.
    ///
    /// ```
    /// use tower_backoff::{RetryLayer, providers};
    ///
    /// let layer = RetryLayer::new(providers::github()).low_quota(25);
    /// # let _ = layer;
    /// ```
    #[must_use]
    pub fn low_quota(self, percent: u8) -> Self {
        self.set(|settings| settings.low_quota = percent)
    }

    /// Sets the fleet that grants each call, so that several processes share one quota.
    ///
    /// See [`fleet`](crate::fleet).
    #[must_use]
    pub fn fleet(self, fleet: impl Fleet + 'static) -> Self {
        self.set(|settings| settings.fleet = Some(Arc::new(fleet)))
    }

    /// Sets the wall clock with which dates in headers are compared, for tests.
    #[cfg(feature = "test-util")]
    #[must_use]
    pub fn clock(self, clock: Clock) -> Self {
        self.set(|settings| settings.clock = clock)
    }

    /// Makes all jitter reproducible, for tests and simulations.
    #[cfg(feature = "test-util")]
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        self.set(|settings| settings.rng = Rng::from_seed(seed))
    }
}

// A client has to be `Clone`. Asked for here, the compiler says so where the stack is built.
impl<S: Clonable> Layer<S> for RetryLayer {
    type Service = Retry<S>;

    fn layer(&self, inner: S) -> Retry<S> {
        let provider = self.settings.policy.name();
        if self.settings.disabled.is_none() && self.settings.gates.is_duplicate_layer(provider) {
            trace::on_duplicate_layer(provider);
        }
        Retry::new(inner, Arc::clone(&self.settings))
    }
}

impl fmt::Debug for RetryLayer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.settings.fmt(f)
    }
}
