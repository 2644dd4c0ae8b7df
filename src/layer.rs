//! The layer: all settings and their defaults.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tower_layer::Layer;

use crate::config::Settings;
use crate::fleet::Fleet;
use crate::gate::{Gate, Gates};
use crate::policy::{Policy, RequestHead};
use crate::retry::{Backoff, Budget, CircuitBreaker, Patience};
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

    /// Sets how often a call is retried after failures.
    ///
    /// Waits that the server named, and waiting at the gate, do not count.
    #[must_use]
    pub fn max_retries(self, retries: u32) -> Self {
        self.set(|settings| settings.max_retries = retries)
    }

    /// Sets how often a call waits for the end of a refusal; the next refusal ends it.
    ///
    /// Refusals are the responses whose wait the server or the gate decides: a 429, or a 503 with a `Retry-After`. The call
    /// ends with the response and a [`Report`](crate::Report) of
    /// [`RefusalsExhausted`](crate::StopReason::RefusalsExhausted) that says when to retry. Waiting at the gate, before the
    /// call is sent or because others were refused, does not count.
    ///
    /// # Default
    ///
    /// None: [`patience`](Self::patience) alone.
    ///
    /// ```
    /// use tower_backoff::{RetryLayer, providers};
    ///
    /// // A provider that bans keys which are refused too often.
    /// let layer = RetryLayer::new(providers::wolfeo()).max_refusals(2);
    /// # let _ = layer;
    /// ```
    #[must_use]
    pub fn max_refusals(self, refusals: u32) -> Self {
        self.set(|settings| settings.max_refusals = Some(refusals))
    }

    /// Sets the exponential backoff for retries whose wait the server does not name.
    #[must_use]
    pub fn backoff(self, backoff: Backoff) -> Self {
        self.set(|settings| settings.backoff = backoff)
    }

    /// Sets the total time limit of a call that is refused: no attempt starts later.
    ///
    /// A request can have its own, with a [`Patience`] in its extensions.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_backoff::{RetryLayer, providers};
    ///
    /// // In a web handler with a timeout of 30 s: answer the user instead of timing out.
    /// let layer = RetryLayer::new(providers::wolfeo()).patience(Duration::from_secs(20));
    /// # let _ = layer;
    /// ```
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        self.set(|settings| settings.patience.refusals = patience)
    }

    /// Sets the total time limit of a call that fails: a 5xx without a wait, a broken connection.
    #[must_use]
    pub fn failure_patience(self, patience: Duration) -> Self {
        self.set(|settings| settings.patience.failures = patience)
    }

    /// Sets the retry budget: how much retries may add to the load of a scope.
    #[must_use]
    pub fn budget(self, budget: Budget) -> Self {
        self.set(|settings| settings.budget = budget)
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
    pub fn cost_by(
        self,
        cost_by: impl Fn(&RequestHead<'_>) -> u32 + Send + Sync + 'static,
    ) -> Self {
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

    /// Ends every call past its patience with the error [`NotBefore`](crate::NotBefore).
    ///
    /// Without it a call that was sent ends with its last response, or the error of its last attempt. This is for clients
    /// above the layer that hide responses, such as those that turn a 429 into an error of their own without its headers:
    /// [`NotBefore::find`](crate::NotBefore::find) finds the error in theirs.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_backoff::{RetryLayer, providers};
    ///
    /// let layer = RetryLayer::new(providers::github())
    ///     .patience(Duration::from_secs(20))
    ///     .end_with_not_before();
    /// # let _ = layer;
    /// ```
    #[must_use]
    pub fn end_with_not_before(self) -> Self {
        self.set(|settings| settings.ends_with_not_before = true)
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

    /// Sets a ledger that is asked before each call, so that several processes share one quota.
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

impl<S> Layer<S> for RetryLayer {
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
