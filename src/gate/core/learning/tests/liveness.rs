//! Whatever a server answers, a call may go in the end.

use std::time::Duration;

use proptest::prelude::*;
use proptest::sample::Index;

use crate::gate::core::learning::DeclaredRate;
use crate::gate::core::learning::{Learner, RefusalWait, Ticket};
use crate::hint::Remaining;
use crate::time::Moment;

const SECOND: Duration = Duration::from_secs(1);
const YEAR: u64 = 365 * 24 * 60 * 60 * 1_000;

#[derive(Clone, Debug)]
enum ServerStep {
    /// This many calls are sent, or as many as may go.
    Send(u8),
    Serve(Index),
    Refuse(Index, RefusalWait),
    Cancel(Index),
    Abort(Index),
    /// An answer says how much is left.
    Count(Index, Remaining),
    Elapse(Duration),
    /// A response that teaches nothing closes the gate.
    Outage,
    Reopen,
}

/// Mostly milliseconds or seconds, at most a year.
fn time() -> impl Strategy<Value = Duration> {
    prop_oneof![
        4 => 0..200_u64,
        4 => 0..100_000_u64,
        1 => Just(0),
        1 => 0..=YEAR,
    ]
    .prop_map(Duration::from_millis)
}

fn remaining() -> impl Strategy<Value = Remaining> {
    let count = || prop_oneof![0..30_u32, any::<u32>()];
    let parts = (
        proptest::option::of(count()),
        count(),
        proptest::option::of(time()),
    );
    parts.prop_map(|(limit, remaining, resets_in)| Remaining {
        limit,
        remaining,
        resets_in,
        coarseness: Duration::ZERO,
    })
}

fn step() -> impl Strategy<Value = ServerStep> {
    let call = any::<Index>;
    prop_oneof![
        4 => (1..40_u8).prop_map(ServerStep::Send),
        8 => call().prop_map(ServerStep::Serve),
        2 => (call(), time()).prop_map(|(call, wait)| ServerStep::Refuse(call, RefusalWait::Named(wait))),
        1 => (call(), time()).prop_map(|(call, wait)| ServerStep::Refuse(call, RefusalWait::Floor(wait))),
        1 => call().prop_map(ServerStep::Cancel),
        1 => call().prop_map(ServerStep::Abort),
        2 => (call(), remaining()).prop_map(|(call, left)| ServerStep::Count(call, left)),
        4 => time().prop_map(ServerStep::Elapse),
        1 => Just(ServerStep::Outage),
        1 => Just(ServerStep::Reopen),
    ]
}

struct AnyServer {
    learner: Learner,
    in_flight: Vec<(Ticket, Moment)>,
    now: Moment,
    /// The end of all named waits and resets.
    closed: Moment,
}

impl AnyServer {
    fn new(declared: Option<DeclaredRate>) -> Self {
        Self {
            learner: Learner::new(None, declared),
            in_flight: Vec::new(),
            now: Moment::START + 86_400 * SECOND,
            closed: Moment::START,
        }
    }

    /// Until when a call is kept that is sent now.
    fn blocked(&mut self) -> Option<Moment> {
        let in_flight = self.in_flight.len() as u32;
        let blocked = self.learner.blocked(1, in_flight, self.now);
        blocked.map(|blocked| blocked.until)
    }

    fn take(&mut self, call: Index) -> Option<(Ticket, Moment)> {
        let calls = self.in_flight.len();
        (calls > 0).then(|| self.in_flight.swap_remove(call.index(calls)))
    }

    fn send(&mut self) {
        let in_flight = self.in_flight.len() as u32;
        let ticket = self.learner.on_admit(1, in_flight, 9, self.now);
        self.in_flight.push((ticket, self.now));
    }

    fn happens(&mut self, step: ServerStep) {
        let now = self.now;
        match step {
            ServerStep::Send(calls) => {
                for _ in 0..calls {
                    if now >= self.closed && self.blocked().is_none() {
                        self.send();
                    }
                }
            }
            ServerStep::Elapse(time) => self.now += time,
            ServerStep::Outage => self.learner.on_outage(),
            ServerStep::Reopen => {
                self.learner.reopen();
                self.closed = now;
            }
            ServerStep::Serve(call) => {
                if let Some((ticket, sent)) = self.take(call) {
                    self.learner.on_silent_success(ticket);
                    self.learner.on_success(ticket, sent, true, now);
                }
            }
            ServerStep::Count(call, left) => {
                if let Some((ticket, sent)) = self.take(call) {
                    self.closed = self.closed.max(now + left.resets_in.unwrap_or_default());
                    self.learner
                        .on_counter(left, ticket, false, self.in_flight.is_empty(), now);
                    self.learner.on_success(ticket, sent, true, now);
                }
            }
            ServerStep::Refuse(call, wait) => {
                if let Some((ticket, sent)) = self.take(call) {
                    let (RefusalWait::Named(least) | RefusalWait::Floor(least)) = wait;
                    self.closed = self.closed.max(now + least);
                    self.learner.on_refusal(ticket, sent, wait, now);
                    self.learner.on_answer(ticket, now);
                }
            }
            ServerStep::Cancel(call) => {
                if let Some((ticket, _)) = self.take(call) {
                    self.learner.on_cancel(ticket);
                }
            }
            ServerStep::Abort(call) => {
                if let Some((ticket, sent)) = self.take(call) {
                    self.learner.on_abort(1, ticket, sent);
                }
            }
        }
    }

    /// All that was named has passed, and all callers in flight have gone away, or hang.
    fn comes_to_rest(&mut self, hangs: bool) {
        let gone = if hangs { 0 } else { self.in_flight.len() };
        for (ticket, _) in self.in_flight.drain(..gone) {
            self.learner.on_cancel(ticket);
        }
        self.now = self.now.max(self.closed);
    }
}

proptest! {
    /// When nothing is in flight, or all that is hangs, a call may go within the learned window, two seconds and twice
    /// the deviation of the round trip, if it is asked for whenever it was said to be free.
    #[test]
    fn whatever_was_answered_a_call_may_go_in_the_end(
        declared in proptest::option::of((1..1_000_u32, time(), 1..1_000_u32)),
        steps in proptest::collection::vec(step(), 1..80),
        hangs: bool,
    ) {
        let mut world = AnyServer::new(declared.and_then(|(calls, length, burst)| {
            let declared = DeclaredRate {
                calls,
                length,
                burst,
                refills_in: length / 7,
                is_alone: burst % 2 == 0,
            };
            (!length.is_zero()).then_some(declared)
        }));
        for step in steps {
            world.happens(step);
        }
        world.comes_to_rest(hangs);
        let _ = world.blocked(); // learns from the last refusals
        let learned = world.learner.learned().and_then(|learned| learned.window);
        let margin = 2 * SECOND + 2 * world.learner.round_trip.deviation();
        let latest = world.now + learned.unwrap_or_default() + margin;
        while let Some(until) = world.blocked() {
            prop_assert!(until > world.now && until <= latest, "{until:?} after {latest:?}");
            world.now = until;
        }
        world.send();
    }
}
