//! The belief: how many calls a cycle holds at most, and how many may be in flight at once.

use std::collections::VecDeque;
use std::time::Duration;

use super::Reason;
use super::at_once::AtOnce;
use super::cycle::Cycle;
use super::learned_limit::LearnedLimit;
use super::price::Price;
use super::round_trip::RoundTrip;
use crate::time::Moment;

/// What is believed of a limiter, and how far it is tested.
#[derive(Clone, Debug)]
pub(super) struct Pattern {
    /// At most this many calls in a cycle. `None` if only calls at once are limited, or nothing was served yet.
    pub(super) limit: Option<u32>,
    pub(super) length: Duration,
    /// The longest window that was declared.
    pub(super) declared: Option<(u32, Duration)>,
    pub(super) too_short: TooShort,
    /// Whether a limit was learned before.
    pub(super) has_learned: bool,
    /// Whether a whole cycle passed without a refusal.
    pub(super) is_confirmed: bool,
    /// Whether a cycle that began when the one before was over passed without a refusal.
    pub(super) is_tested: bool,
    /// Whether the last refusal was taken for one that came too early.
    pub(super) was_early: bool,
    pub(super) at_once: AtOnce,
    /// How many calls took a place at once when too many were refused, the last time.
    pub(super) crowd: Option<u32>,
    pub(super) price: Price,
    /// Since the last refusal that was no probe's and cost time.
    pub(super) calm_since: Moment,
    pub(super) last_probe: Moment,
    /// Calls that were refused in cycles that were shorter as a trial.
    pub(super) trials_refused: u32,
    /// Calls beyond the limit that were refused, with those beside them.
    pub(super) extras_refused: u32,
    /// How many questions for more may go beyond the budget, since the limit fell by more than half: perhaps too far.
    pub(super) questions_after_fall: u32,
    /// The last cycle in which calls were served.
    pub(super) before: Cycle,
    cycles: u32,
    pub(super) misses: Misses,
    /// By how many calls the limit grew in the last cycle.
    pub(super) grown: u32,
    pub(super) has_asked_for_more: bool,
    pub(super) growth: Growth,
    pub(super) early_asks: EarlyAsks,
    /// By how much the server opens later than it says.
    pub(super) understated: Duration,
    /// Whether the last refusal named an end before the shortest length that is possible.
    pub(super) was_cut_short: bool,
    /// When the last calls were sent, as many as the limit, and 1,024 at most.
    sent: VecDeque<Moment>,
}

/// The longest length that was too short for a number of calls.
#[derive(Clone, Copy, Debug)]
pub(super) struct TooShort {
    pub(super) length: Duration,
    pub(super) calls: u32,
    pub(super) since: Moment,
}

/// What became of calls beyond the limit that were served.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Growth {
    /// Whether the limit has grown, and no cycle has confirmed it since.
    pub(super) is_new: bool,
    /// How often in a row it had grown too far: they were served out of what had been saved up.
    pub(super) failures: u32,
}

/// What became of calls that asked for more after a counter had said that nothing is left.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct EarlyAsks {
    /// How many in a row have shown that places do not become free one by one.
    pub(super) useless: u32,
    /// The number of the last cycle in which one has.
    last: u32,
}

/// Cycles that began too early, in a row.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Misses {
    pub(super) count: u32,
    /// The number of the last cycle that did.
    pub(super) last: u32,
    /// Refusals of calls that came alone, before anything was learned.
    pub(super) quiet: u32,
    /// Closings in a row in which no call was served.
    pub(super) empty: u32,
    /// The start of the last cycle that was served before these.
    pub(super) opens_from: Option<Moment>,
}

impl Pattern {
    /// Fewer calls are no part of a cycle that could be measured, and no limit that could have fallen far.
    pub(super) const FEW: u32 = 8;
    /// The numbers that are remembered at most, one for each call of a cycle.
    const MOST_REMEMBERED: usize = 1_024;

    pub(super) fn new(before: Cycle, declared: Option<(u32, Duration)>, now: Moment) -> Self {
        Self {
            limit: None,
            length: Duration::ZERO,
            declared,
            too_short: TooShort {
                length: Duration::ZERO,
                calls: 1,
                since: now,
            },
            has_learned: false,
            is_confirmed: false,
            is_tested: false,
            was_early: false,
            at_once: AtOnce::UNLIMITED,
            crowd: None,
            price: Price::Floor(Duration::ZERO),
            calm_since: now,
            last_probe: now,
            trials_refused: 0,
            extras_refused: 0,
            questions_after_fall: 0,
            before,
            cycles: 0,
            misses: Misses::default(),
            grown: 0,
            has_asked_for_more: false,
            growth: Growth::default(),
            early_asks: EarlyAsks::default(),
            understated: Duration::ZERO,
            was_cut_short: false,
            sent: VecDeque::new(),
        }
    }

    /// How many calls a cycle holds, and how long it is.
    pub(super) fn window(&self) -> Option<(u32, Duration)> {
        self.limit.map(|limit| (limit, self.length))
    }

    /// What is believed, if anything was learned.
    pub(super) fn learned(&self) -> Option<LearnedLimit> {
        match self.limit {
            Some(calls) => Some(LearnedLimit {
                calls,
                window: Some(self.length),
                is_sure: self.is_confirmed,
            }),
            None => self.at_once.is_limited().then_some(LearnedLimit {
                calls: self.at_once.limit,
                window: None,
                is_sure: self.at_once.used >= self.at_once.limit,
            }),
        }
    }

    pub(super) fn at_once(&self) -> u32 {
        self.at_once.limit
    }

    pub(super) fn has_limit(&self) -> bool {
        self.limit.is_some()
    }

    pub(super) fn is_tested(&self) -> bool {
        self.is_tested
    }

    /// Whether one more call goes beyond the limit.
    pub(super) fn is_beyond_limit(&self, cycle: &Cycle) -> bool {
        self.limit.is_some_and(|limit| cycle.sent >= limit)
    }

    /// When a cycle ends.
    pub(super) fn end(&self, cycle: &Cycle) -> Moment {
        cycle.start + cycle.length(self.length)
    }

    /// Whether the next call begins another cycle.
    pub(super) fn is_over(&self, cycle: &Cycle, now: Moment) -> bool {
        let is_asking = self.at_once.is_limited()
            && cycle.extras.served > 0
            && cycle.refused + cycle.extras.refused == 0
            && !cycle.is_spent;
        self.limit.is_none() || !cycle.is_running || now >= self.end(cycle) && !is_asking
    }

    /// From when one more call may go, and what keeps it. `None` if nothing does.
    pub(super) fn next(
        &self,
        cycle: &Cycle,
        answer: Moment,
        promises: bool,
        round_trip: RoundTrip,
        now: Moment,
    ) -> Option<(Moment, Reason)> {
        let limit = self.limit?;
        if self.is_over(cycle, now) {
            return None;
        }
        let end = (self.end(cycle), Reason::LearnedWindow);
        if cycle.is_spent {
            return Some(end);
        }
        if cycle.trial.is_some() && cycle.sent > 0 && cycle.answered == 0 {
            return Some((answer.min(end.0), Reason::SlowStart)); // the first call of a trial goes alone
        }
        if cycle.sent < limit {
            let free = self.next_in_any_window(limit, cycle, round_trip);
            return free.map(|free| (free.min(end.0), end.1));
        }
        if promises && self.length >= Duration::from_secs(1) {
            return None;
        }
        let own_are_back = cycle.answered >= cycle.sent && cycle.refused == 0;
        match cycle.extras.allowed {
            0 => Some(end),
            _ if own_are_back || cycle.extras.sent > 0 => None,
            _ => Some((end.0.min(answer), end.1)),
        }
    }

    /// When the call that is as many before as the limit was sent one length ago: right for sliding logs, too.
    fn next_in_any_window(
        &self,
        limit: u32,
        cycle: &Cycle,
        round_trip: RoundTrip,
    ) -> Option<Moment> {
        let margin = 2 * round_trip.deviation();
        let before = self.sent.len().checked_sub(limit as usize)?;
        let sent = *self.sent.get(before)?;
        Some(sent + (cycle.length(self.length) + margin))
    }

    pub(super) fn on_admit(&mut self, in_flight: u32, now: Moment) {
        if in_flight + 1 >= self.at_once.limit {
            self.on_use_of_at_once(now);
        }
        let Some(limit) = self.limit else { return };
        self.sent.push_back(now);
        let most = (limit as usize).clamp(1, Self::MOST_REMEMBERED);
        while self.sent.len() > most {
            self.sent.pop_front();
        }
    }

    /// Allows more at once after enough calls at the limit.
    fn on_use_of_at_once(&mut self, now: Moment) {
        let at_once = &mut self.at_once;
        at_once.used = at_once.used.saturating_add(1);
        let more = at_once.next_step();
        let calm = now.since(self.calm_since);
        let price = self.price.floor() * (1 << at_once.failures.min(4));
        let gain = f64::from(more) / (f64::from(at_once.limit) + f64::from(more));
        let is_worth = (calm / 2).mul_f64(gain) >= price;
        if at_once.used >= at_once.limit.saturating_mul(4) && is_worth {
            at_once.raise(more);
        }
    }

    /// Forgets a call that was refused, or never sent: it takes no place in the window.
    pub(super) fn forget_call(&mut self, sent: Moment) {
        if let Some(at) = self.sent.iter().rposition(|at| *at == sent) {
            self.sent.remove(at);
        }
    }

    pub(super) fn forget_calls(&mut self) {
        self.sent.clear();
    }

    /// Notes that the counters of the server have nothing left. Returns from when on the next call may ask for more.
    ///
    /// If only few calls of the limit were sent, their places become free one by one: then as many have by the part of
    /// the cycle that is as large, but none before the first of the last window was sent one length ago.
    pub(super) fn on_counter_spent(&mut self, cycle: &mut Cycle, round_trip: RoundTrip) -> Moment {
        let end = self.end(cycle);
        let Some(limit) = self.limit else { return end };
        let sent = cycle.sent.max(1);
        if sent < limit - limit / 4 && self.may_ask(limit) {
            cycle.counted_out = Some(sent);
            let length = cycle.length(self.length);
            let evenly = cycle.start + length.mul_f64(f64::from(sent) / f64::from(limit));
            let first_is_back = self.next_in_any_window(limit, cycle, round_trip);
            return evenly.max(first_is_back.unwrap_or(evenly)).min(end);
        }
        self.limit = Some(limit.min(sent));
        end
    }

    /// Whether a call may ask for more before a cycle is over. Waits have to be named. After each refusal in a row it waits
    /// for twice as many cycles.
    fn may_ask(&self, limit: u32) -> bool {
        let EarlyAsks { useless, last } = self.early_asks;
        let since = self.cycles.wrapping_sub(last);
        let is_time = useless == 0 || since >= 1 << useless.min(6);
        is_time && limit >= Self::FEW && matches!(self.price, Price::Rest { .. })
    }

    /// Notes that a call was served that asked for more.
    pub(super) fn on_useful_ask(&mut self) {
        self.early_asks.useless = 0;
    }

    /// Notes that a call was refused that asked for more: the places do not become free one by one.
    pub(super) fn on_useless_ask(&mut self) {
        self.early_asks.useless += 1;
        self.early_asks.last = self.cycles;
    }

    /// Notes that a call was served that was sent after the last closing.
    pub(super) fn on_served_again(&mut self, sent: Moment) {
        self.misses.empty = 0;
        if let Some(start) = self.misses.opens_from.take() {
            let took = sent.since(start);
            self.understated = self.understated.max(took.saturating_sub(self.length));
            self.length = self.length.max(took);
        }
    }

    /// Begins a cycle. Returns whether the last one was used up and is confirmed by that.
    pub(super) fn begin(
        &mut self,
        last: &Cycle,
        next: &mut Cycle,
        served: u32,
        waiting: usize,
        round_trip: RoundTrip,
        now: Moment,
    ) -> bool {
        self.cycles = self.cycles.wrapping_add(1);
        if last.is_running {
            self.before = *last;
        }
        let Some(limit) = self.limit else {
            return false;
        };
        let used_up = last.is_running && last.sent >= limit && last.refused == 0;
        // A trial of less than a round trip is over before its first call is answered.
        let is_answered = last.trial.is_none() || last.answered > 0;
        let confirms = used_up && !last.is_spent && is_answered;
        if confirms {
            self.confirm(last, limit);
        }
        if let Some(sent) = last.counted_out.filter(|_| last.asked.is_none()) {
            self.limit = self.limit.map(|limit| limit.min(sent));
        }
        let limit = self.limit.unwrap_or(limit);
        next.limit = limit;
        next.follows = last.is_running;
        let is_long_ago = now.since(last.start) > self.length * 2;
        next.trial = last.ends_early.filter(|_| !is_long_ago);
        if next.trial.is_none() {
            if used_up && self.is_confirmed && !last.held_by_at_once {
                next.ends_early = self.shorter(limit, served, waiting, round_trip, now);
            }
            if next.ends_early.is_none() {
                next.extras.allowed = self.extras(limit, served, round_trip, now);
            }
        }
        self.grown = 0;
        confirms
    }

    fn confirm(&mut self, last: &Cycle, limit: u32) {
        self.is_confirmed = true;
        self.was_early = false;
        self.was_cut_short = false;
        self.is_tested |= last.follows;
        if let Some(short) = last.trial {
            self.length = short;
            self.understated /= 2;
        }
        if std::mem::take(&mut self.growth.is_new) {
            self.growth.failures = 0;
        }
        if last.sent > limit {
            self.limit = Some(last.sent);
            self.grown = last.sent - limit;
            self.growth.is_new = true;
        }
    }

    /// The number of the cycle that runs.
    pub(super) fn cycle_number(&self) -> u32 {
        self.cycles
    }
}
