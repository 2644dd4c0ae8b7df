//! The layer: every setting and its default.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use tower_layer::Layer;

use crate::config::Settings;
use crate::fleet::Fleet;
use crate::gate::Gates;
use crate::policy::{Policy, RequestHead};
use crate::retry::{Backoff, Budget, CircuitBreaker, Patience};
use crate::scope::Scope;
use crate::service::Retry;
use crate::telemetry::Observer;
use crate::telemetry::trace;
use crate::time::{Clock, Rng};

/// Makes a client wait as long as the server asked, retry what is safe, and share one gate per API.
///
/// Build it once and clone it: all clones share their gates. A second layer for the same provider, built
/// apart, would spend the quota twice, so it logs a warning: share [`Gates`] between the two, or give
/// the policies names of their own if they do not share a quota. There is no `build()`; the layer is
/// its own builder.
///
/// # Defaults
///
/// | setting | default |
/// |---|---|
/// | [`max_retries`](Self::max_retries) | 4, of those that the call times by its own backoff |
/// | [`backoff`](Self::backoff) | from 50 ms doubling to 30 s, full jitter |
/// | [`patience`](Self::patience) | 5 minutes for refusals |
/// | [`failure_patience`](Self::failure_patience) | 30 s for failures |
/// | [`budget`](Self::budget) | 20 % of the calls, and 20 in ten seconds whatever the traffic |
/// | [`gates`](Self::gates) | its own |
/// | [`scope_by`](Self::scope_by) | what the policy says, else the origin of the request |
/// | [`cost_by`](Self::cost_by) | what the request's [`Cost`](crate::Cost) says, else one |
/// | [`max_waiting`](Self::max_waiting) | none: any number of calls may wait |
/// | [`not_sent`](Self::not_sent) | what [`failure::delivery`](crate::failure::delivery) proves |
/// | [`idempotency_keys`](Self::idempotency_keys) | none are made |
/// | [`max_cooldown`](Self::max_cooldown) | none: a gate is shut for as long as the server said |
/// | [`circuit_breaker`](Self::circuit_breaker) | after 5 failures in a row over 1 s, if none was served for 10 s |
/// | [`observe`](Self::observe) | nobody |
/// | [`fleet`](Self::fleet) | nobody: the gates of this process decide alone |
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
/// A call never waits past its patience: when the next moment lies beyond, it ends at once, with
/// the refusal in hand and a [`Report`](crate::Report) that says *not before when*. Inside a request
/// handler set it below your own timeout, and a bare 429 ends at once instead of as a timeout.
#[derive(Clone)]
pub struct RetryLayer {
    settings: Arc<Settings>,
}

impl RetryLayer {
    const MAX_RETRIES: u32 = 4;
    const PATIENCE: Patience =
        Patience::of(Duration::from_secs(5 * 60)).failures(Duration::from_secs(30));

    /// A layer that asks this policy: a [preset](crate::providers), a
    /// [`Provider`](crate::policy::Provider) of your own, or any other [`Policy`].
    pub fn new(policy: impl Policy + 'static) -> Self {
        let settings = Settings {
            shortcuts: policy.shortcuts(),
            policy: Arc::new(policy),
            max_retries: Self::MAX_RETRIES,
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

    /// How often one call is sent again after a failure. Waits that the server named, and waiting at
    /// the gate, use up none of them.
    #[must_use]
    pub fn max_retries(self, retries: u32) -> Self {
        self.set(|settings| settings.max_retries = retries)
    }

    /// How long a call waits when nobody says how long.
    #[must_use]
    pub fn backoff(self, backoff: Backoff) -> Self {
        self.set(|settings| settings.backoff = backoff)
    }

    /// No attempt starts later than this after the call's start, on account of refusals. One request
    /// may say otherwise with a [`Patience`] in its extensions.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_backoff::{RetryLayer, providers};
    ///
    /// // In a web handler that has 30 s: tell the user, do not time out.
    /// let layer = RetryLayer::new(providers::wolfeo()).patience(Duration::from_secs(20));
    /// # let _ = layer;
    /// ```
    #[must_use]
    pub fn patience(self, patience: Duration) -> Self {
        self.set(|settings| settings.patience.refusals = patience)
    }

    /// No attempt starts later than this after the call's start, on account of failures: a 5xx that
    /// names no wait, a broken connection.
    #[must_use]
    pub fn failure_patience(self, patience: Duration) -> Self {
        self.set(|settings| settings.patience.failures = patience)
    }

    /// How much retries may add to the load of a scope.
    #[must_use]
    pub fn budget(self, budget: Budget) -> Self {
        self.set(|settings| settings.budget = budget)
    }

    /// Shares these gates with whoever else holds them.
    #[must_use]
    pub fn gates(self, gates: &Gates) -> Self {
        self.set(|settings| settings.gates = gates.clone())
    }

    /// Decides who shares a gate, in place of the policy and of the origin.
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
            settings.shortcuts.goes_by_origin = false;
        })
    }

    /// What a request costs, of quotas that count more than calls. A request with a
    /// [`Cost`](crate::Cost) of its own says so itself.
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

    /// No more than so many calls wait at one gate: the next one is told at once, with
    /// [`NotBefore`](crate::NotBefore). A call that was sent and comes back is not sent away.
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

    /// Says which errors of the layers and the client inside mean that nothing was sent.
    ///
    /// They count as an [`Unsent`](crate::failure::Unsent): the request may be sent again whatever its method,
    /// what it took of a quota is given back, and the failure is not held against the server. The question is
    /// asked of an error and of all its [sources](std::error::Error::source), up to the first that says by
    /// itself whether anything was sent.
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
        says: impl Fn(&(dyn Error + 'static)) -> bool + Send + Sync + 'static,
    ) -> Self {
        self.set(|settings| settings.not_sent = Some(Arc::new(says)))
    }

    /// Gives each request that must not be sent twice an `Idempotency-Key`, the same on every attempt:
    /// so that a server that understands such keys does the work once however often it is asked, and a POST
    /// may be sent again. Requests that have a key, or say [`Idempotent`](crate::Idempotent), keep what they have.
    ///
    /// **Only for servers that honour the header.** To all others the second POST is another order.
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

    /// However long a wait the server names, one call probes after this long. For servers that name
    /// a day and mean a minute. The wait after a bare 429 is another setting:
    /// [`Provider::bare_429_wait`](crate::policy::Provider::bare_429_wait).
    ///
    /// # Panics
    ///
    /// If it is zero: that would be no cooldown at all.
    #[must_use]
    pub fn max_cooldown(self, longest: Duration) -> Self {
        assert!(
            !longest.is_zero(),
            "a cooldown of zero ignores the server: write the longest wait that you believe"
        );
        self.set(|settings| settings.max_cooldown = Some(longest))
    }

    /// When all calls of a scope wait for a probe, because the server is out of order.
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

    /// Tells this observer every decision.
    #[must_use]
    pub fn observe(self, observer: impl Observer + 'static) -> Self {
        self.set(|settings| {
            settings.observer = Some(Arc::new(observer));
            settings.shortcuts.accepts_unseen = false;
        })
    }

    /// Asks this before each call is sent, too: a ledger that several processes share. See
    /// [`fleet`](crate::fleet).
    #[must_use]
    pub fn fleet(self, fleet: impl Fleet + 'static) -> Self {
        self.set(|settings| settings.fleet = Some(Arc::new(fleet)))
    }

    /// The wall clock that absolute dates in headers are compared with. For tests.
    #[cfg(feature = "test-util")]
    #[must_use]
    pub fn clock(self, clock: Clock) -> Self {
        self.set(|settings| settings.clock = clock)
    }

    /// Makes every jitter reproducible. For tests and simulations.
    #[cfg(feature = "test-util")]
    #[must_use]
    pub fn seed(self, seed: u64) -> Self {
        self.set(|settings| settings.rng = Rng::seeded(seed))
    }
}

impl<S> Layer<S> for RetryLayer {
    type Service = Retry<S>;

    fn layer(&self, inner: S) -> Retry<S> {
        let provider = self.settings.policy.name();
        if self.settings.gates.is_duplicate_layer(provider) {
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
