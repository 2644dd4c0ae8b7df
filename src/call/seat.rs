//! Where a call begins: the gate it belongs to, and whether it is let through at once.

use std::sync::Arc;

use http::Request;
use http_body::Body;
use tower_service::Service;

use super::Rare;
use super::message::Message;
use crate::body::Replay;
use crate::gate::{Gate, Turn};
use crate::moment::Moment;
use crate::patience::Deadline;
use crate::settings::Settings;

/// The place of a new call at its gate, and since when it has one.
pub(crate) struct Seat<R: Body> {
    pub(super) turn: Turn,
    pub(super) started: Moment,
    pub(super) rare: Option<Box<Rare<R>>>,
}

impl<R: Body> Seat<R> {
    #[inline]
    pub(crate) fn of<B>(
        message: &Message<B>,
        settings: &Settings,
        last: &mut Option<Arc<Gate>>,
    ) -> Self {
        let request = message.head();
        let gate = settings.gate_of(&request, last);
        let price = settings.price_of(&request);
        let bucket = settings.bucket_of(&request, &gate);
        Self {
            turn: Turn::at(gate, price),
            started: Moment::START,
            rare: bucket.map(|gate| Rare::of_bucket(Turn::at(gate, price))),
        }
    }

    /// Whether the gate is open and the call still in time, so that it can be sent at once.
    #[inline]
    pub(crate) fn arrives<B>(&mut self, message: &Message<B>, settings: &Settings) -> bool {
        let now = settings.clock.instant();
        let deadline = message.head.extensions.get::<Deadline>();
        if deadline.is_some_and(|deadline| Moment::of(now) > deadline.moment()) {
            self.started = Moment::of(now);
            return false;
        }
        let more_to_ask = self.rare.is_some() || settings.fleet.is_some();
        let (started, passes) = self.turn.arrive(more_to_ask, now);
        self.started = started;
        settings.gates.tidy(started);
        passes
    }

    /// Sends for the first time.
    #[inline]
    pub(crate) fn send<S, B>(
        &mut self,
        message: &mut Message<B>,
        service: &mut S,
        settings: &Settings,
    ) -> S::Future
    where
        S: Service<Request<B>>,
        B: Replay,
    {
        let scope = self.turn.gate().scope();
        message.send(service, settings, scope, &mut self.rare)
    }
}
