//! Where a call begins: its gate, and whether it is admitted at once.

use std::sync::Arc;

use http::Request;
use http_body::Body;
use tower_service::Service;

use super::RetryState;
use super::outgoing::Outgoing;
use super::partial::PartialPermits;
use crate::body::Replay;
use crate::config::Settings;
use crate::gate::{Gate, Permit};
use crate::retry::{Cost, Deadline};
use crate::time::{Instant, Moment};

/// The permit of a new call, and when the call began.
pub(crate) struct CallEntry<R: Body> {
    pub(super) permit: Permit,
    pub(super) started: Moment,
    pub(super) retry_state: Option<Box<RetryState<R>>>,
}

impl<R: Body> CallEntry<R> {
    #[inline]
    pub(crate) fn of<B>(
        outgoing: &Outgoing<B>,
        settings: &Settings,
        last: &mut Option<Arc<Gate>>,
    ) -> Self {
        let request = outgoing.head();
        let gate = settings.gate_of(&request, last);
        let cost = settings.cost_of(&request);
        let bucket = settings.bucket_of(&request, &gate);
        let partial = PartialPermits::of(&request, &gate, cost, settings);
        let cost = cost.map_or(1, Cost::get);
        let has_more_gates = bucket.is_some() || partial.is_some();
        Self {
            permit: Permit::new(gate, cost),
            started: Moment::START,
            retry_state: has_more_gates.then(|| {
                let bucket = bucket.map(|gate| Permit::new(gate, cost));
                RetryState::of_gates(bucket, partial)
            }),
        }
    }

    /// An entry where there is no gate, for a layer that is disabled.
    pub(crate) fn untouched(settings: &Settings) -> Self {
        let gate = settings.disabled.as_ref().map(Arc::clone);
        Self {
            permit: Permit::new(gate.unwrap_or_else(|| Arc::new(Gate::unused())), 1),
            started: Moment::START,
            retry_state: None,
        }
    }

    /// Whether the gate is open and the call in time, so that it can be sent at once.
    #[inline]
    pub(crate) fn arrives<B>(&mut self, outgoing: &Outgoing<B>, settings: &Settings) -> bool {
        let now = settings.clock.instant();
        let deadline = outgoing.head.extensions.get::<Deadline>();
        if deadline.is_some_and(|deadline| Moment::of(now) > deadline.moment()) {
            self.started = Moment::of(now);
            return false;
        }
        if settings.fleet.is_some() {
            return self.arrives_in_fleet(outgoing, settings, now);
        }
        self.passes_gate(outgoing, settings, now)
    }

    /// The same, where the member of a fleet has to grant the call, too.
    #[inline(never)]
    fn arrives_in_fleet<B>(
        &mut self,
        outgoing: &Outgoing<B>,
        settings: &Settings,
        now: Instant,
    ) -> bool {
        settings.join_fleet(self.permit.gate(), &outgoing.head());
        self.passes_gate(outgoing, settings, now) && self.permit.is_granted_at_once(self.started)
    }

    #[inline]
    fn passes_gate<B>(
        &mut self,
        outgoing: &Outgoing<B>,
        settings: &Settings,
        now: Instant,
    ) -> bool {
        let more_to_ask = self.retry_state.is_some();
        let (started, passes) = self
            .permit
            .try_acquire_now(outgoing.priority(), more_to_ask, now);
        self.started = started;
        settings.gates.tidy(started);
        passes
    }

    /// Sends the first attempt.
    #[inline]
    pub(crate) fn send<S, B>(
        &mut self,
        outgoing: &mut Outgoing<B>,
        service: &mut S,
        settings: &Settings,
    ) -> S::Future
    where
        S: Service<Request<B>>,
        B: Replay,
    {
        let scope = self.permit.gate().scope();
        outgoing.send(service, settings, scope, &mut self.retry_state, None)
    }
}
