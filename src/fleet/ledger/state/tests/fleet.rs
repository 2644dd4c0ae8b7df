//! A fleet in virtual time: its members, one ledger, and what the server counts.

use std::time::Duration;

use super::super::LedgerState;
use super::member::{Needs, SECOND, SimulatedMember};
use crate::fleet::ledger::{Exchange, QuotaUnit, Reply, ReplyState, Window};

/// All members, the ledger, and what the server saw.
#[derive(Debug)]
pub(super) struct SimulatedFleet {
    pub(super) state: LedgerState,
    pub(super) now: u64,
    pub(super) windows: Vec<Window>,
    pub(super) members: Vec<SimulatedMember>,
    next_id: u64,
    /// When each call was counted by the server, and what it cost.
    pub(super) counted: Vec<(u64, u32)>,
    /// Whether a member has come back after its lease had ended.
    pub(super) has_returned: bool,
}

pub(super) fn window(unit: QuotaUnit, limit: u32, length: u64) -> Window {
    Window {
        unit,
        limit,
        length: Duration::from_micros(length),
        slack: Duration::ZERO,
        is_plan: false,
    }
}

impl SimulatedFleet {
    pub(super) fn new(windows: Vec<Window>, members: usize) -> Self {
        let mut fleet = Self {
            state: LedgerState::new(),
            now: 1_000 * SECOND,
            windows,
            members: Vec::new(),
            next_id: 1,
            counted: Vec::new(),
            has_returned: false,
        };
        for _ in 0..members {
            fleet.join();
        }
        fleet
    }

    fn join(&mut self) {
        let member = SimulatedMember::new(self.next_id, &self.windows);
        self.members.push(member);
        self.next_id += 1;
    }

    /// A process ends without a word, and another one starts.
    pub(super) fn crash(&mut self, member: usize) {
        self.join();
        let dead = self.members.swap_remove(member);
        self.counted.extend(dead.counted);
        for call in dead.in_flight {
            self.counted.push((call.sent_at, call.cost));
        }
    }

    /// A process ends in order: what it holds unused goes back.
    pub(super) fn leave(&mut self, member: usize) {
        self.advance(0);
        self.members[member].give_back(self.now);
        let mut exchange = self.said_by(member, Needs::default(), false);
        exchange.leaves = true;
        let reply = self.deliver(&exchange);
        if reply.state == ReplyState::TellAll {
            let mut exchange = self.said_by(member, Needs::default(), true);
            exchange.leaves = true;
            self.deliver(&exchange);
        }
        self.crash(member);
    }

    pub(super) fn advance(&mut self, micros: u64) {
        self.now += micros;
        for member in &mut self.members {
            member.advance(self.now);
            self.counted.append(&mut member.counted);
        }
    }

    pub(super) fn said_by(&mut self, member: usize, needs: Needs, tells_all: bool) -> Exchange {
        self.members[member].say(&self.windows, needs, tells_all, self.now)
    }

    pub(super) fn deliver(&mut self, exchange: &Exchange) -> Reply {
        let record = self.state.members.record(exchange.member);
        self.has_returned |= record.is_some_and(|record| {
            record.until <= self.now || !self.state.members.is_leased(exchange.member)
        });
        self.state
            .exchange(exchange, Duration::from_micros(self.now))
    }

    fn hear(&mut self, member: usize, exchange: &Exchange, reply: &Reply) {
        self.members[member].hear(exchange, reply, self.now);
    }

    /// A whole round trip, and a second one if the ledger wants to know all.
    pub(super) fn exchange(&mut self, member: usize, needs: Needs) -> Reply {
        self.advance(0);
        let mut exchange = self.said_by(member, needs, false);
        let mut reply = self.deliver(&exchange);
        self.hear(member, &exchange, &reply);
        if reply.state == ReplyState::TellAll {
            exchange = self.said_by(member, needs, true);
            reply = self.deliver(&exchange);
            self.hear(member, &exchange, &reply);
        }
        reply
    }

    /// The member gives back what it does not need, with its next exchange.
    pub(super) fn give_back(&mut self, member: usize) {
        let now = self.now;
        self.members[member].give_back(now);
    }

    pub(super) fn send(&mut self, member: usize, calls: u32, cost: u32, way: u64) -> u32 {
        self.advance(0);
        self.members[member].send(calls, cost, way, self.now)
    }

    pub(super) fn answer(&mut self, member: usize, calls: usize) -> usize {
        self.advance(0);
        self.members[member].answer(calls, self.now)
    }

    /// The most that the server counted in any window of this length.
    pub(super) fn fullest(&self, length: u64) -> u64 {
        let mut counted = self.counted.clone();
        for member in &self.members {
            counted.extend(&member.counted);
            let on_their_way = member.in_flight.iter();
            counted.extend(on_their_way.map(|call| (call.sent_at, call.cost)));
        }
        counted.sort_unstable();
        let (mut first, mut sum, mut most) = (0, 0, 0);
        for (at, cost) in &counted {
            sum += u64::from(*cost);
            while counted[first].0 + length <= *at {
                sum -= u64::from(counted[first].1);
                first += 1;
            }
            most = most.max(sum);
        }
        most
    }

    /// A violation of a window of costs or calls: the moment, and how much was counted.
    pub(super) fn overrun(&self) -> Option<(u64, u64)> {
        let mut counted = self.counted.clone();
        for member in &self.members {
            counted.extend(&member.counted);
            counted.extend(
                member
                    .in_flight
                    .iter()
                    .map(|call| (call.sent_at, call.cost)),
            );
        }
        counted.sort_unstable();
        for window in self
            .windows
            .iter()
            .filter(|window| window.unit != QuotaUnit::InFlight)
        {
            let length = window.length.as_micros() as u64;
            let (mut first, mut sum) = (0, 0);
            for (at, cost) in &counted {
                let count = |cost: u32| {
                    if window.unit == QuotaUnit::Cost {
                        cost
                    } else {
                        1
                    }
                };
                sum += u64::from(count(*cost));
                while counted[first].0 + length <= *at {
                    sum -= u64::from(count(counted[first].1));
                    first += 1;
                }
                if sum > u64::from(window.limit) {
                    return Some((*at, sum));
                }
            }
        }
        None
    }
}
