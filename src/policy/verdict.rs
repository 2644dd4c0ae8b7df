//! Verdicts: what a policy decides about an attempt.

use std::borrow::Cow;
use std::sync::Arc;
use std::time::Duration;

use crate::hint::{Hint, Remaining};
use crate::retry::Cost;

/// What a policy decides about an attempt, and whether the other calls of its scope wait.
///
/// ```
/// use std::time::Duration;
/// use tower_backoff::policy::Verdict;
///
/// // Served, but that was the last call of this minute: the next one waits.
/// let last = Verdict::accept().close_gate_for(Duration::from_secs(12));
/// // Broken: try again when the usual backoff says so.
/// let broken = Verdict::retry();
/// // Refused, and no wait is named: all calls of the scope wait, at least a minute.
/// let refused = Verdict::throttled();
/// # let _ = (last, broken, refused);
/// ```
#[must_use = "a verdict does nothing until the layer carries it out"]
#[derive(Clone, Debug, PartialEq)]
pub struct Verdict {
    ruling: Ruling,
    hint: Option<Hint>,
    closes_gate: bool,
    bare_wait: Option<Duration>,
    counter: Option<Remaining>,
    cost: Option<Box<Cost>>,
    named_counters: Vec<(Cow<'static, str>, Remaining)>,
    bucket: Option<Arc<str>>,
    failure: bool,
    not_safe: bool,
    permanent: bool,
    shed: bool,
    grpc_status: Option<u16>,
}

/// The four kinds of verdict.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Ruling {
    /// The caller gets this answer.
    Accept,
    /// The call goes again, if its request can be sent again.
    Retry,
    /// The server refused because of a limit: this call goes again when the gate opens.
    Throttled,
    /// The caller gets this refusal or error; another try would not help or would do harm.
    Refuse,
}

impl Verdict {
    const fn new(ruling: Ruling, closes_gate: bool) -> Self {
        Self {
            ruling,
            hint: None,
            closes_gate,
            bare_wait: None,
            counter: None,
            cost: None,
            named_counters: Vec::new(),
            bucket: None,
            failure: false,
            not_safe: false,
            permanent: false,
            shed: false,
            grpc_status: None,
        }
    }

    /// Accepts the answer: the caller gets it.
    pub const fn accept() -> Self {
        Self::new(Ruling::Accept, false)
    }

    /// Retries after the usual backoff, or [`after`](Self::after) a wait that the server named.
    pub const fn retry() -> Self {
        Self::new(Ruling::Retry, false)
    }

    /// Retries when the gate opens again: the server refused because of a limit.
    ///
    /// The gate of the scope closes for all calls: for the wait given by [`after`](Self::after), else for at least a
    /// minute.
    pub const fn throttled() -> Self {
        Self::new(Ruling::Throttled, true)
    }

    /// Refuses another try: the caller gets this response or error.
    pub const fn refuse() -> Self {
        Self::new(Ruling::Refuse, false)
    }

    /// Refuses because sending the request twice is not safe: another try might have helped.
    ///
    /// The caller gets this response or error, and a report of
    /// [`StopReason::NotSafe`](crate::StopReason::NotSafe).
    ///
    /// ```
    /// use tower_backoff::policy::{Attempt, Ruling, Verdict, policy_fn};
    ///
    /// let policy = policy_fn(|attempt: &Attempt<'_>| match attempt.status() {
    ///     Some(status) if status.as_u16() == 599 && attempt.is_safe_to_resend() => Verdict::retry(),
    ///     Some(status) if status.as_u16() == 599 => Verdict::not_safe(),
    ///     _ => attempt.standard(),
    /// });
    /// assert_eq!(Verdict::not_safe().ruling(), Ruling::Refuse);
    /// # let _ = policy;
    /// ```
    pub const fn not_safe() -> Self {
        let mut refused = Self::refuse();
        refused.not_safe = true;
        refused
    }

    /// Refuses because no retry mends the error, such as a certificate that is not trusted.
    ///
    /// The caller gets the error, and a report of [`StopReason::Permanent`](crate::StopReason::Permanent). It does not
    /// count against the server.
    ///
    /// ```
    /// use tower_backoff::policy::{Attempt, Verdict, policy_fn};
    ///
    /// // The connector of this program speaks TLS by a library of the system.
    /// fn is_untrusted(error: &(dyn std::error::Error + 'static)) -> bool {
    ///     error.to_string().contains("self-signed certificate")
    /// }
    ///
    /// let policy = policy_fn(|attempt: &Attempt<'_>| match attempt.error() {
    ///     Some(error) if is_untrusted(error) => Verdict::permanent(),
    ///     _ => attempt.standard(),
    /// });
    /// # let _ = policy;
    /// ```
    pub const fn permanent() -> Self {
        let mut refused = Self::refuse();
        refused.permanent = true;
        refused
    }

    pub(crate) const fn is_permanent(&self) -> bool {
        self.permanent
    }

    pub(crate) const fn is_not_safe(&self) -> bool {
        self.not_safe
    }

    /// Waits at least this long, counted from the arrival of the response's head.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_backoff::policy::Verdict;
    ///
    /// let verdict = Verdict::throttled().after(Duration::from_secs(30));
    /// assert_eq!(verdict.hint().unwrap().wait(), Duration::from_secs(30));
    /// ```
    pub fn after(mut self, wait: impl Into<Hint>) -> Self {
        self.hint = Some(wait.into());
        self
    }

    /// Closes the gate of the scope as a bare 429 does.
    pub const fn close_gate(mut self) -> Self {
        self.closes_gate = true;
        self
    }

    /// Closes the gate of the scope for this long.
    pub fn close_gate_for(self, wait: impl Into<Hint>) -> Self {
        self.after(wait).close_gate()
    }

    /// Sets the least wait of a refusal that names none. The default is 60 s.
    ///
    /// # Panics
    ///
    /// If `wait` is zero.
    pub const fn bare_wait(mut self, wait: Duration) -> Self {
        assert!(
            !wait.is_zero(),
            "a bare refusal needs a wait: write the provider's window, or leave the default of 60 s"
        );
        self.bare_wait = Some(wait);
        self
    }

    /// Sets what the call has cost, as the response says; see [`Cost`](crate::Cost).
    ///
    /// ```
    /// use tower_backoff::Cost;
    /// use tower_backoff::policy::{Attempt, Verdict, policy_fn};
    ///
    /// // The provider bills by tokens, and says how many in a header.
    /// let policy = policy_fn(|attempt: &Attempt<'_>| {
    ///     let tokens = attempt.headers().and_then(|headers| headers.get("x-tokens-used"));
    ///     match tokens.and_then(|tokens| tokens.to_str().ok()?.parse().ok()) {
    ///         Some(tokens) => attempt.standard().with_cost(Cost::of("tokens", tokens)),
    ///         None => attempt.standard(),
    ///     }
    /// });
    /// # let _ = policy;
    /// ```
    pub fn with_cost(mut self, cost: impl Into<Cost>) -> Self {
        self.cost = Some(Box::new(cost.into()));
        self
    }

    pub(crate) fn cost(&self) -> Option<Cost> {
        self.cost.as_deref().copied()
    }

    /// Applies the waits and counters to one bucket of the scope, which the response names.
    ///
    /// See [`Policy::route`](super::Policy::route). A name longer than 128 bytes is ignored.
    pub fn in_bucket(mut self, name: impl Into<Arc<str>>) -> Self {
        self.bucket = Some(name.into()).filter(|name| name.len() <= 128);
        self
    }

    pub(crate) fn bucket(&self) -> Option<&Arc<str>> {
        self.bucket.as_ref()
    }

    /// Counts the answer as a failure of the server, whatever its status.
    ///
    /// Several failures in a row open the circuit breaker of the scope. A 5xx and a broken connection count by
    /// themselves.
    ///
    /// ```
    /// use tower_backoff::policy::{Attempt, Verdict, policy_fn};
    ///
    /// // An RPC over HTTP that answers 200 to everything.
    /// let policy = policy_fn(|attempt: &Attempt<'_>| {
    ///     let headers = attempt.headers();
    ///     match headers.is_some_and(|headers| headers.contains_key("x-rpc-fault")) {
    ///         true if attempt.is_safe_to_resend() => Verdict::retry().as_failure(),
    ///         true => Verdict::not_safe().as_failure(),
    ///         false => attempt.standard(),
    ///     }
    /// });
    /// # let _ = policy;
    /// ```
    pub const fn as_failure(mut self) -> Self {
        self.failure = true;
        self
    }

    pub(crate) const fn is_failure(&self) -> bool {
        self.failure
    }

    /// Sets the gRPC status that it is about, in place of the 200 above it.
    pub(crate) fn about_grpc(mut self, status: u16) -> Self {
        self.grpc_status = Some(status);
        self
    }

    pub(crate) const fn grpc_status(&self) -> Option<u16> {
        self.grpc_status
    }

    /// The kind of the verdict.
    pub const fn ruling(&self) -> Ruling {
        self.ruling
    }

    /// The same verdict without another try, since sending the request twice is not safe.
    pub(crate) fn without_another_try(mut self) -> Self {
        if matches!(self.ruling, Ruling::Retry | Ruling::Throttled) {
            self.ruling = Ruling::Refuse;
            self.not_safe = true;
        }
        self
    }

    /// The same verdict on a bare 503 that is a refusal by a limit.
    /// Whether sending the request twice is safe stays as it is.
    pub(crate) fn shed(mut self) -> Self {
        if self.ruling == Ruling::Retry {
            self.ruling = Ruling::Throttled;
        }
        self.shed = true;
        self.close_gate()
    }

    pub(crate) const fn is_shed(&self) -> bool {
        self.shed
    }

    /// Whether a limit refused the call.
    pub(crate) fn is_by_limit(&self) -> bool {
        self.shed || self.ruling == Ruling::Throttled
    }

    /// The wait of the verdict, if one was named.
    pub const fn hint(&self) -> Option<&Hint> {
        self.hint.as_ref()
    }

    /// Whether the other calls of the scope wait as well.
    pub const fn closes_gate(&self) -> bool {
        self.closes_gate
    }

    /// Adds what the response says is left of a published quota.
    pub(crate) fn with_counter(mut self, counter: Option<Remaining>) -> Self {
        self.counter = counter;
        self
    }

    pub(crate) fn with_named_counters(
        mut self,
        counters: Vec<(Cow<'static, str>, Remaining)>,
    ) -> Self {
        self.named_counters = counters;
        self
    }

    /// What is left of what has this name, if a provider has read it.
    pub(crate) fn named_counter(&self, name: &str) -> Option<Remaining> {
        let mut counters = self.named_counters.iter();
        let (_, counter) = counters.find(|(known, _)| *known == name)?;
        Some(*counter)
    }

    pub(crate) const fn counter(&self) -> Option<Remaining> {
        self.counter
    }

    pub(crate) const BARE_WAIT: Duration = Duration::from_secs(60);

    pub(crate) fn bare(&self) -> Duration {
        self.bare_wait.unwrap_or(Self::BARE_WAIT)
    }
}
