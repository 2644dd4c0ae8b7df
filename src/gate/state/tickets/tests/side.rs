//! A gate, with books or without, and those who are on their way.

use std::time::Duration;

use proptest::prelude::*;

use super::State;
use crate::gate::words::{Ending, Facts, Heard, Pass};
use crate::gate::{Closing, Quota, Wait};
use crate::hint::Counter;
use crate::moment::Moment;

pub(super) const MINUTE: Duration = Duration::from_secs(60);
/// So many headers have the answers that say nothing.
pub(super) const SILENT: usize = 12;

#[derive(Clone, Debug)]
pub(super) enum Step {
    /// So many calls of this price come, one upon the other.
    Come(u32, u32),
    /// So many of those on their way are served, and looked at if the gate wants that.
    Served(usize),
    /// One of them ends otherwise.
    Ends(usize, End),
    /// Time passes.
    Passes(Duration),
    /// Somebody looks at what the gate is doing.
    Seen,
}

#[derive(Clone, Copy, Debug)]
pub(super) enum End {
    Refused(Duration),
    Failed,
    Dropped,
    /// Served, and so much is left of so much.
    Left(u32, u32),
}

pub(super) fn steps() -> impl Strategy<Value = Vec<Step>> {
    let end = prop_oneof![
        1 => (0u64..3).prop_map(|seconds| End::Refused(Duration::from_secs(seconds))),
        2 => Just(End::Failed),
        2 => Just(End::Dropped),
        3 => (0u32..9_000, Just(8_000)).prop_map(|(left, of)| End::Left(left, of)),
    ];
    let passes = prop_oneof![
        6 => Just(Duration::ZERO),
        3 => Just(Duration::from_micros(30)),
        1 => Just(Duration::from_millis(7)),
        1 => Just(Duration::from_secs(2)),
        1 => Just(MINUTE + Duration::from_secs(1)),
    ];
    let step = prop_oneof![
        8 => (1u32..90, prop_oneof![9 => Just(1u32), 1 => Just(7)]).prop_map(|(calls, price)| Step::Come(calls, price)),
        8 => (1usize..90).prop_map(Step::Served),
        1 => (any::<usize>(), end).prop_map(|(which, end)| Step::Ends(which, end)),
        4 => passes.prop_map(Step::Passes),
        1 => Just(Step::Seen),
    ];
    prop::collection::vec(step, 1..120)
}

/// A gate and those who are on their way.
pub(super) struct Side {
    pub(super) state: State,
    opens_books: bool,
    pub(super) on_their_way: Vec<Pass>,
    pub(super) with_tickets: u32,
}

impl Side {
    pub(super) fn new(quotas: &[Quota], opens_books: bool) -> Self {
        let facts = Facts {
            quotas,
            plans: &[],
            cold_start: None,
            circuit_breaker: Default::default(),
        };
        Self {
            state: State::new(facts),
            opens_books,
            on_their_way: Vec::new(),
            with_tickets: 0,
        }
    }

    /// As a turn does it. Whether it is let through.
    pub(super) fn comes(&mut self, price: u32, now: Moment) -> bool {
        if !self.opens_books {
            self.state.settle(|| now);
        }
        if price == 1 {
            if let Some((_, _, pass)) = self.state.tear(now.instant()) {
                self.with_tickets += 1;
                self.on_their_way.push(pass);
                return true;
            }
        }
        self.state.settle(|| now);
        self.state.ledger().call(now);
        self.state.queue.arrive();
        let pass = match self.opens_books {
            true => self.state.pass_at_once(price, now),
            false => self.state.pass_alone(price, now),
        };
        self.on_their_way.extend(pass);
        pass.is_some()
    }

    pub(super) fn served(&mut self, now: Moment) {
        if self.on_their_way.is_empty() {
            return;
        }
        let pass = self.on_their_way.remove(0);
        if !self.opens_books {
            self.state.settle(|| now);
        }
        if !pass.unread.contains(SILENT) {
            self.state.settle(|| now);
            let heard = Heard {
                ending: Ending::Accepted,
                counter: None,
                looked_at: Some(SILENT),
                price: None,
                by_a_limit: false,
                believed_for: Duration::MAX,
                path: Default::default(),
            };
            self.state.answered(pass, heard, now).now();
        } else if !self.state.tick_off(pass) {
            self.state.settle(|| now);
            self.state.served(pass, now);
        }
    }

    pub(super) fn ends(&mut self, which: usize, end: End, now: Moment) {
        if self.on_their_way.is_empty() {
            return;
        }
        let pass = self.on_their_way.remove(which % self.on_their_way.len());
        self.state.settle(|| now);
        let heard = |ending, counter| Heard {
            ending,
            counter,
            looked_at: Some(SILENT + 3),
            price: None,
            by_a_limit: false,
            believed_for: Duration::MAX,
            path: Default::default(),
        };
        match end {
            End::Dropped => self.state.dropped(pass).now(),
            End::Failed => self
                .state
                .answered(pass, heard(Ending::Failed, None), now)
                .now(),
            End::Left(remaining, limit) => {
                let counter = Counter {
                    limit: Some(limit),
                    remaining,
                    resets_in: Some(MINUTE),
                };
                let heard = heard(Ending::Accepted, Some(counter));
                self.state.answered(pass, heard, now).now();
            }
            End::Refused(wait) => {
                let closing = Closing {
                    wait: Wait::Named(wait),
                    heard: now,
                    refused: true,
                    by_a_limit: true,
                    path: Default::default(),
                    decided_by: "retry-after".into(),
                    at_most: None,
                };
                self.state
                    .answered(pass, heard(Ending::Refused, None), now)
                    .now();
                self.state.close(pass.epoch, closing, 0).1.now();
            }
        }
    }

    pub(super) fn does(&mut self, step: &Step, now: Moment) -> Option<u32> {
        match *step {
            Step::Come(calls, price) => {
                return Some((0..calls).filter(|_| self.comes(price, now)).count() as u32);
            }
            Step::Served(calls) => (0..calls).for_each(|_| self.served(now)),
            Step::Ends(which, end) => self.ends(which, end, now),
            Step::Passes(_) => {}
            Step::Seen => self.state.settle(|| now),
        }
        None
    }

    /// All that follows from what has happened; of moments, those that are exact.
    pub(super) fn picture(&mut self, now: Moment) -> String {
        self.state.settle(|| now);
        let State {
            in_flight,
            ramp_epoch,
            outage,
            cooldown,
            ledger,
            allowance,
            ramp,
            ..
        } = &mut self.state;
        format!(
            "{in_flight} {ramp_epoch} {outage:?} {cooldown:?} {ledger:?} {:?} {:?} {:?} {}",
            allowance.spent(now),
            allowance
                .ahead(now)
                .map(|ahead| (ahead.calls, ahead.unread)),
            ramp.next(now),
            ramp.counted(),
        )
    }
}
