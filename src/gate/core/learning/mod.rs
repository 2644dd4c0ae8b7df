//! What a limiter allows, learned from refusals, named waits and counters.
//!
//! The belief is a [`Pattern`]: at most `n` calls in a cycle, and `c` at once. A window is such a pattern, and a
//! pace is one of few calls in a short cycle. `docs/learning.md` explains how it is found.

mod at_once;
mod blame;
mod counters;
mod cycle;
mod deciding;
mod declared_rate;
mod learned_limit;
mod lesson;
mod pattern;
mod price;
mod questions;
mod ramp;
mod round_trip;

pub(crate) use cycle::{RefusalWait, Ticket};
pub(crate) use declared_rate::DeclaredRate;
pub use learned_limit::LearnedLimit;

use std::time::Duration;

use self::counters::Counters;
use self::cycle::Cycle;
use self::lesson::Lesson;
use self::pattern::Pattern;
use self::ramp::Ramp;
use self::round_trip::RoundTrip;
use super::blocked::Reason;
use crate::hint::Remaining;
use crate::time::Moment;

/// A scope without a call for this long is idle.
const IDLE: Duration = Duration::from_secs(1);

/// After this many served calls without a refusal, nothing bounds those in flight.
const KNOWN_AFTER: u32 = 4_096;

/// Learns what a limiter allows, and keeps calls accordingly.
#[derive(Clone, Debug)]
pub(crate) struct Learner {
    /// How many calls were admitted; wraps around.
    sequence: u32,
    answered: u32,
    served: u32,
    /// About how many were in flight with the calls that were served lately.
    served_at_once: u32,
    ramp: Ramp,
    round_trip: RoundTrip,
    last_sent: Moment,
    last_answered: Moment,
    cycle: Cycle,
    /// The start of the cycle before, and how many calls were served in it, as long as nothing is learned.
    before: (Moment, u32),
    counters: Counters,
    /// What was learned, from the first refusal on.
    pattern: Option<Box<Pattern>>,
    /// The refusals of a closing that is not over.
    lesson: Option<Box<Lesson>>,
    /// Refusals of calls from before this one are settled.
    settled_before: u32,
    /// The longest window that was declared.
    declared: Option<DeclaredRate>,
}

impl Learner {
    /// Knows nothing. `declared` is the longest of the declared windows.
    pub(crate) fn new(cold_start: Option<u32>, declared: Option<DeclaredRate>) -> Self {
        Self {
            sequence: 0,
            answered: 0,
            served: 0,
            served_at_once: 0,
            ramp: Ramp::of(cold_start.unwrap_or(u32::MAX)),
            round_trip: RoundTrip::default(),
            last_sent: Moment::START,
            last_answered: Moment::START,
            cycle: Cycle::default(),
            before: (Moment::START, 0),
            counters: Counters::default(),
            pattern: None,
            lesson: None,
            settled_before: 0,
            declared,
        }
    }

    /// The same where costs are counted: it is not known how many calls are many.
    pub(crate) fn counting_costs(declared: Option<DeclaredRate>) -> Self {
        Self {
            served: KNOWN_AFTER,
            ..Self::new(None, declared)
        }
    }

    /// The mean round trip of the calls; zero before the first.
    pub(crate) fn round_trip(&self) -> Duration {
        self.round_trip.mean()
    }

    /// The mean deviation of the round trips at its highest of late.
    pub(crate) fn peak_deviation(&self) -> Duration {
        self.round_trip.peak_deviation()
    }

    /// What is believed of the limiter, if anything was learned.
    pub(crate) fn learned(&self) -> Option<LearnedLimit> {
        self.pattern.as_deref().and_then(Pattern::learned)
    }

    /// How much the published quota ever holds.
    pub(crate) fn published_limit(&self) -> Option<u32> {
        self.counters.limit()
    }

    /// What is left of the published quota, and of how much.
    pub(crate) fn published(&mut self, in_flight: u32, now: Moment) -> Option<(u32, u32)> {
        self.counters.roll(in_flight, self.sequence, now);
        self.counters.usage(in_flight)
    }

    /// Whether nothing that was published holds a call back.
    pub(crate) fn is_idle(&mut self, now: Moment) -> bool {
        self.counters.roll(0, self.sequence, now);
        self.counters.left(0).is_none_or(|left| left > 0)
    }

    /// Notes that a call is admitted. `in_flight` and `waiting` are the numbers of the others.
    #[inline]
    pub(crate) fn on_admit(
        &mut self,
        cost: u32,
        in_flight: u32,
        waiting: usize,
        now: Moment,
    ) -> Ticket {
        self.begin_if_over(in_flight, waiting, now);
        let is_promised = self.counters.promises(in_flight, self.cycle.first);
        let pattern = self.pattern.as_deref();
        let is_beyond = pattern.is_some_and(|pattern| pattern.is_beyond_limit(&self.cycle));
        let ticket = Ticket {
            sequence: self.sequence,
            in_flight: u16::try_from(in_flight).unwrap_or(u16::MAX),
            is_extra: !is_promised && is_beyond,
            is_promised,
        };
        if self.asks(cost, in_flight) {
            self.cycle.asked = Some(self.sequence);
        }
        self.counters.on_admit(cost);
        self.sequence = self.sequence.wrapping_add(1);
        self.last_sent = now;
        self.ramp.on_admit();
        self.cycle.on_admit(ticket);
        if let Some(pattern) = &mut self.pattern {
            pattern.on_admit(in_flight, now);
        }
        ticket
    }

    #[inline]
    fn begin_if_over(&mut self, in_flight: u32, waiting: usize, now: Moment) {
        let is_idle = || in_flight == 0 && now >= self.last_answered.max(self.last_sent) + IDLE;
        let is_over = match &self.pattern {
            Some(pattern) if pattern.has_limit() => pattern.is_over(&self.cycle, now),
            _ => !self.cycle.is_running || is_idle(),
        };
        if is_over {
            self.begin(waiting, now);
        }
    }

    fn begin(&mut self, waiting: usize, now: Moment) {
        let next = Cycle::beginning(self.sequence, now);
        let last = std::mem::replace(&mut self.cycle, next);
        let Some(pattern) = &mut self.pattern else {
            if last.served() > 0 {
                self.before = (last.start, last.served());
            }
            return;
        };
        if pattern.begin(
            &last,
            &mut self.cycle,
            self.served,
            waiting,
            self.round_trip,
            now,
        ) {
            match pattern.is_tested() {
                true => self.ramp.end(),
                false => self.ramp.restart(self.sequence),
            }
        }
    }

    /// Takes back an admitted call that was never sent.
    pub(crate) fn on_abort(&mut self, cost: u32, ticket: Ticket, sent: Moment) {
        self.counters.on_abort(cost);
        self.ramp.on_end(ticket);
        if self.cycle.has(ticket) {
            self.cycle.on_abort(ticket);
        }
        if let Some(pattern) = &mut self.pattern {
            pattern.forget_call(sent);
        }
    }

    /// Notes that a call was dropped. The server may have counted it.
    pub(crate) fn on_cancel(&mut self, ticket: Ticket) {
        self.counters.on_cancel();
        self.on_answer(ticket, self.last_answered);
    }

    /// Notes that a call was answered.
    #[inline]
    pub(crate) fn on_answer(&mut self, ticket: Ticket, now: Moment) {
        self.answered = self.answered.saturating_add(1);
        self.ramp.on_end(ticket);
        self.last_answered = self.last_answered.max(now);
        if self.cycle.has(ticket) {
            self.cycle.answered += 1;
        }
    }

    /// Notes that a call was served.
    #[inline]
    pub(crate) fn on_success(
        &mut self,
        ticket: Ticket,
        sent: Moment,
        others_wait: bool,
        now: Moment,
    ) {
        self.on_answer(ticket, now);
        self.round_trip.add(now.since(sent));
        self.served = self.served.saturating_add(1);
        self.ramp.on_success(ticket, others_wait);
        let faded = self.served_at_once - self.served_at_once.div_ceil(8);
        self.served_at_once = faded.max(ticket.at_once());
        let is_new = ticket.sequence.wrapping_sub(self.settled_before) < u32::MAX / 2;
        let Some(pattern) = &mut self.pattern else {
            return;
        };
        if is_new {
            pattern.on_served_again(sent);
        }
        if self.cycle.has(ticket) {
            if ticket.is_extra {
                self.cycle.on_extra_served();
            }
            if self.cycle.asked == Some(ticket.sequence) {
                pattern.on_useful_ask();
            }
            pattern.give_up_limit_if_at_once(&self.cycle);
        }
    }

    /// Notes that a call will be served, as far as it can be foreseen.
    pub(crate) fn on_foreseen_success(&mut self, ticket: Ticket, sent: Moment, now: Moment) {
        self.on_success(ticket, sent, true, now);
        self.counters.on_foreseen_answer(sent);
    }

    /// Notes that an answer says nothing of what is left.
    #[inline]
    pub(crate) fn on_silent_success(&mut self, ticket: Ticket) {
        self.counters.on_silent_success(ticket.sequence);
    }

    /// Notes that an answer says nothing of what is left, or nothing that is new.
    #[inline]
    pub(crate) fn on_silence(&mut self) {
        self.counters.on_silence();
    }

    /// Notes what an answer says of what is left.
    #[inline]
    pub(crate) fn on_counter(
        &mut self,
        counter: Remaining,
        ticket: Ticket,
        is_settled: bool,
        is_quiet: bool,
        now: Moment,
    ) {
        let (number, sent) = (ticket.sequence, self.sequence);
        self.counters
            .on_counter(counter, number, sent, is_settled, is_quiet, now);
        if self.cycle.asked.is_some() && self.lesson.is_none() {
            self.begin_if_all_is_back(now);
        }
    }

    /// Begins a cycle if a counter says that more than half of what a cycle holds is left, after a call has asked.
    fn begin_if_all_is_back(&mut self, now: Moment) {
        let Some(pattern) = &mut self.pattern else {
            return;
        };
        let left = self.counters.left(0).unwrap_or_default();
        let is_back = |(limit, _)| left > i64::from(limit / 2);
        if pattern.window().is_some_and(is_back) {
            self.cycle.ends_early = None; // what begins now tries no shorter length
            self.begin(0, now);
        }
    }

    /// How many other calls were in flight when this one was sent, and how many were sent since.
    fn beside(&self, ticket: Ticket) -> u32 {
        let since = self.sequence.wrapping_sub(ticket.sequence);
        since
            .saturating_sub(1)
            .saturating_add(ticket.in_flight.into())
    }

    /// Notes that a limit refused a call, which has closed the gate.
    pub(crate) fn on_refusal(
        &mut self,
        ticket: Ticket,
        sent: Moment,
        wait: RefusalWait,
        now: Moment,
    ) {
        if self.round_trip.mean().is_zero() {
            self.round_trip.add(now.since(sent));
        }
        if ticket.is_promised {
            self.counters.on_contradiction();
        }
        if ticket.sequence.wrapping_sub(self.settled_before) > u32::MAX / 2 {
            return; // it belongs to a closing that is over
        }
        let beside = self.beside(ticket);
        let (start, served) = self.before;
        let pattern = self.pattern.get_or_insert_with(|| {
            let before = Cycle::of_served(start, served);
            let declared = self.declared.map(|window| (window.calls, window.length));
            Box::new(Pattern::new(before, declared, now))
        });
        if self.cycle.has(ticket) {
            self.cycle.on_refusal(ticket);
        }
        pattern.forget_call(sent);
        let mut seen = Lesson::of(ticket, sent, wait, beside, &self.cycle, pattern);
        // Calls that are held back by counters are few before the last one of a window.
        let follows_counters = self.counters.left(0).is_some();
        seen.is_crowded = !follows_counters && beside + 1 > self.served_at_once;
        match &mut self.lesson {
            Some(lesson) => lesson.join(seen),
            None => self.lesson = Some(Box::new(seen)),
        }
    }

    /// Learns from the refusals of a closing that has ended.
    fn settle(&mut self, now: Moment) {
        let Some((lesson, pattern)) = self.lesson.take().zip(self.pattern.as_deref_mut()) else {
            return;
        };
        let cycle = std::mem::take(&mut self.cycle);
        self.settled_before = self.sequence;
        let next = pattern.learn(&lesson, &cycle, self.round_trip, now);
        self.cycle = next.goes_on.unwrap_or_default();
        if next.slowly {
            self.ramp.restart(self.sequence);
        }
    }

    /// Begins with one call after an outage, or a refusal that teaches nothing.
    pub(crate) fn on_outage(&mut self) {
        self.ramp.restart(self.sequence);
    }

    /// Forgets what refusals have taught.
    pub(crate) fn forget(&mut self) {
        (self.pattern, self.lesson) = (None, None);
        self.cycle = Cycle::default();
    }

    /// Begins anew with one call: the user has opened the gate.
    pub(crate) fn reopen(&mut self) {
        self.forget();
        self.counters = Counters::default();
        self.ramp.restart(self.sequence);
    }
}

#[cfg(test)]
mod tests;
