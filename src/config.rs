//! The settings of a layer, shared by its clones and by every call.

use std::error::Error;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderValue, request};

use crate::failure::{self, Delivery};
use crate::fleet::Fleet;
use crate::gate::{Gate, GateConfig, Gates};
use crate::policy::{Attempt, PartialQuota, Policy, RequestHead, Verdict};
use crate::retry::{Backoff, Budget, CircuitBreaker, Cost, Idempotent, Patience};
use crate::scope::Scope;
use crate::telemetry::{Observer, trace};
use crate::time::{Clock, Moment, Rng};

type CostBy = dyn Fn(&RequestHead<'_>) -> Cost + Send + Sync;
type ScopeBy = dyn Fn(&RequestHead<'_>) -> Scope + Send + Sync;
type NotSent = dyn Fn(&(dyn Error + 'static)) -> bool + Send + Sync;

#[derive(Clone)]
pub(crate) struct Settings {
    pub(crate) policy: Arc<dyn Policy>,
    pub(crate) max_retries: u32,
    pub(crate) max_refusals: Option<u32>,
    pub(crate) backoff: Backoff,
    pub(crate) patience: Patience,
    pub(crate) budget: Budget,
    pub(crate) gates: Gates,
    pub(crate) scope_by: Option<Arc<ScopeBy>>,
    pub(crate) cost_by: Option<Arc<CostBy>>,
    pub(crate) max_waiting: usize,
    pub(crate) not_sent: Option<Arc<NotSent>>,
    /// The part of a published quota, in percent, that is little.
    pub(crate) low_quota: u8,
    pub(crate) idempotency_keys: bool,
    pub(crate) max_cooldown: Option<Duration>,
    pub(crate) ends_with_not_before: bool,
    /// The gate of calls that are passed through, if the layer is disabled. It is never asked.
    pub(crate) disabled: Option<Arc<Gate>>,
    pub(crate) circuit_breaker: CircuitBreaker,
    pub(crate) observer: Option<Arc<dyn Observer>>,
    pub(crate) fleet: Option<Arc<dyn Fleet>>,
    pub(crate) clock: Clock,
    pub(crate) rng: Rng,
}

impl Settings {
    /// Returns the cost of a request: its extension, else the layer's setting. `None` is one.
    #[inline]
    pub(crate) fn cost_of(&self, request: &RequestHead<'_>) -> Option<Cost> {
        match (request.extensions().get::<Cost>(), &self.cost_by) {
            (Some(cost), _) => Some(*cost),
            (None, Some(cost_by)) => Some(cost_by(request)),
            (None, None) => None,
        }
    }

    /// Whether an error comes from the caller's own layers or settings, so that nothing was sent.
    pub(crate) fn is_local_failure(&self, error: &(dyn Error + 'static)) -> bool {
        let says = self.not_sent.as_deref();
        failure::is_local_failure(error, |error| says.is_some_and(|says| says(error)))
            || (failure::is_permanent(error) && failure::delivery(error) == Delivery::No)
    }

    /// Adds an `Idempotency-Key` if the request needs one to be sent twice.
    #[inline]
    pub(crate) fn add_idempotency_key(&self, head: &mut request::Parts) {
        if self.idempotency_keys {
            self.insert_idempotency_key(head);
        }
    }

    fn insert_idempotency_key(&self, head: &mut request::Parts) {
        let wanted = !RequestHead::from(&*head).is_idempotent();
        if !wanted || head.extensions.get::<Idempotent>().is_some() {
            return;
        }
        let key = self.rng.uuid();
        if let Ok(key) = HeaderValue::try_from(key) {
            head.headers.insert("idempotency-key", key);
        }
    }

    /// Returns the longest wait that is accepted from a response.
    pub(crate) fn max_wait(&self, served: bool) -> Duration {
        /// A reset further away on a successful response is a mistake, or a date of another kind.
        const DAY_AND_AN_HOUR: Duration = Duration::from_secs(25 * 60 * 60);
        let most = if served {
            DAY_AND_AN_HOUR
        } else {
            Duration::MAX
        };
        self.max_cooldown.unwrap_or(most)
    }

    /// Returns the gate of a request.
    #[inline]
    pub(crate) fn gate_of(
        &self,
        request: &RequestHead<'_>,
        last: &mut Option<Arc<Gate>>,
    ) -> Arc<Gate> {
        let gate = match (self.scope_of(request), last) {
            (None, Some(gate)) if gate.scope().is_exactly(request.uri()) => {
                return Arc::clone(gate);
            }
            (None, last) => match self.gates.cached(request.uri()) {
                Some(gate) => Arc::clone(gate),
                None => Arc::clone(last.insert(self.gate_of_origin(request))),
            },
            (Some(scope), _) => self.gate_of_scope(scope, request),
        };
        if gate.is_of_another_layer(self.layer_id()) {
            self.compare_quotas(request, &gate);
        }
        gate
    }

    /// Warns once per gate if the layer that made it declares other quotas.
    ///
    /// Those count, and those of this layer do not.
    #[cold]
    fn compare_quotas(&self, request: &RequestHead<'_>, gate: &Gate) {
        if gate.declares_otherwise(self.gate_config(request)) {
            trace::on_other_quotas(gate.scope());
        }
    }

    /// Tells layers apart that were made apart; clones of a layer share their policy.
    #[inline]
    fn layer_id(&self) -> usize {
        Arc::as_ptr(&self.policy).cast::<()>().addr()
    }

    /// Turns a verdict down if sending the request twice might not be safe behind a redirect.
    ///
    /// The response of a redirect target proves nothing about the first address, so it is retried only if the request
    /// is idempotent.
    pub(crate) fn unless_redirected(&self, verdict: Verdict, attempt: &Attempt<'_>) -> Verdict {
        if attempt.answered_by().is_some() && !attempt.request().is_idempotent() {
            verdict.without_another_try()
        } else {
            verdict
        }
    }

    /// Judges an attempt with the policy, once all of the response that matters is known.
    pub(crate) fn judge(&self, attempt: &Attempt<'_>) -> Verdict {
        self.unless_redirected(self.policy.judge(attempt), attempt)
    }

    /// Returns the gate of the redirect target that responded, if it is not the call's own gate.
    pub(crate) fn redirected_gate(
        &self,
        attempt: &Attempt<'_>,
        own: &Arc<Gate>,
    ) -> Option<Arc<Gate>> {
        let request = attempt.request().at(attempt.answered_by()?);
        let gate = match self.scope_of(&request) {
            Some(scope) => self.gate_of_scope(scope, &request),
            None => self.gate_of_origin(&request),
        };
        self.join_fleet(&gate, &request);
        (!Arc::ptr_eq(&gate, own)).then_some(gate)
    }

    /// Returns the scope that the layer or the policy names for a request. `None` is its origin.
    #[inline]
    fn scope_of(&self, request: &RequestHead<'_>) -> Option<Scope> {
        match &self.scope_by {
            Some(scope_by) => Some(scope_by(request)),
            None => self.policy.scope(request),
        }
    }

    /// Looks up the gate of an origin, by the spelling of the address if that is known.
    #[inline(never)]
    fn gate_of_origin(&self, request: &RequestHead<'_>) -> Arc<Gate> {
        if let Some(gate) = self.gates.at(request.uri()) {
            return gate;
        }
        let scope = Scope::of_request(request.uri(), request.headers());
        let gate = self.gate_of_scope(scope, request);
        self.gates.cache(request.uri(), &gate);
        gate
    }

    /// Lets the gate of a request join the fleet, if there is one and it has not done so.
    #[inline]
    pub(crate) fn join_fleet(&self, gate: &Arc<Gate>, request: &RequestHead<'_>) {
        if let Some(fleet) = &self.fleet {
            self.join(fleet, gate, self.gate_config(request));
        }
    }

    #[inline(never)]
    fn join(&self, fleet: &Arc<dyn Fleet>, gate: &Arc<Gate>, config: GateConfig<'_>) {
        if gate.member().is_none() {
            gate.join(&**fleet, config, self.policy.name());
        }
    }

    /// Lets the gate of a bucket or a partial quota join the fleet, if there is one.
    fn joined(&self, gate: Option<Arc<Gate>>, config: GateConfig<'_>) -> Option<Arc<Gate>> {
        if let (Some(fleet), Some(gate)) = (&self.fleet, &gate) {
            self.join(fleet, gate, config);
        }
        gate
    }

    fn gate_of_scope(&self, scope: Scope, request: &RequestHead<'_>) -> Arc<Gate> {
        self.gates
            .of(scope, self.gate_config(request), self.clock.now())
    }

    fn gate_config<'a>(&'a self, request: &RequestHead<'_>) -> GateConfig<'a> {
        GateConfig {
            quotas: self.policy.quotas(request),
            plans: self.policy.plans(request),
            cold_start: self.policy.cold_start(request),
            circuit_breaker: self.circuit_breaker,
            is_partial: false,
            counts_costs: false,
            low_quota: self.low_quota,
            layer: self.layer_id(),
        }
    }

    /// Returns the gate of the bucket that such a request is known to belong to.
    #[inline]
    pub(crate) fn bucket_of(&self, request: &RequestHead<'_>, gate: &Gate) -> Option<Arc<Gate>> {
        let route = self.policy.route(request)?;
        let config = self.bucket_config();
        let bucket = self
            .gates
            .bucket(gate.scope(), route.bucket_key(), config, self.clock.now());
        self.joined(bucket, config)
    }

    /// Returns the gate of a quota that counts only some calls of a scope, if there is room for one.
    pub(crate) fn partial_gate(&self, scope: &Scope, quota: &PartialQuota) -> Option<Arc<Gate>> {
        let config = GateConfig {
            quotas: quota.quotas(),
            is_partial: true,
            counts_costs: quota.counts_costs(),
            ..self.bucket_config()
        };
        let partial = self
            .gates
            .partial(scope, quota.name(), config, self.clock.now());
        self.joined(partial, config)
    }

    /// Returns the configuration of a bucket before its first call.
    fn bucket_config(&self) -> GateConfig<'static> {
        GateConfig {
            circuit_breaker: self.circuit_breaker,
            low_quota: self.low_quota,
            ..GateConfig::default()
        }
    }

    /// Returns the gate of the bucket that a response has named, if there is room for one.
    pub(crate) fn named_bucket(
        &self,
        request: &RequestHead<'_>,
        gate: &Gate,
        name: &Arc<str>,
        now: Moment,
    ) -> Option<Arc<Gate>> {
        let route = self.policy.route(request)?;
        let config = self.bucket_config();
        let bucket = self
            .gates
            .name_bucket(gate.scope(), route.bucket_key(), name, config, now);
        self.joined(bucket, config)
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RetryLayer")
            .field("policy", &self.policy.name())
            .field("max_retries", &self.max_retries)
            .field("max_refusals", &self.max_refusals)
            .field("backoff", &self.backoff)
            .field("patience", &self.patience)
            .field("budget", &self.budget)
            .field("max_cooldown", &self.max_cooldown)
            .finish_non_exhaustive()
    }
}
