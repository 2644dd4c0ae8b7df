//! What the refusals of one closing teach.

use std::time::Duration;

use super::at_once::AtOnce;
use super::cycle::{Cycle, RefusalWait, Ticket};
use super::pattern::{Misses, Pattern};
use super::price::Price;
use super::round_trip::RoundTrip;
use crate::time::Moment;

/// By how much a length grows with each cycle in a row that began too early. After these the pattern is forgotten.
const FACTORS: [f64; 5] = [1.06, 1.12, 1.25, 1.5, 2.0];

/// The refusals of one closing. The first one counts, since later ones may be punished.
#[derive(Clone, Copy, Debug)]
pub(super) struct Lesson {
    /// Whether the first call belonged to the cycle that ran.
    is_current: bool,
    /// How many calls were sent in the cycle before the first one that was refused.
    index: u32,
    /// How long after the start of its cycle the first one was sent.
    age: Duration,
    /// How long after the start of the last cycle that was served.
    since_served: Duration,
    pub(super) wait: RefusalWait,
    only_extras: bool,
    /// The fewest other calls that were on their way together with a refused one.
    pub(super) beside: u32,
    /// Whether those were more than with the calls that were served lately.
    pub(super) is_crowded: bool,
}

/// What follows from a lesson, besides what the pattern keeps.
#[derive(Debug, Default)]
pub(super) struct Conclusion {
    /// Whether the gate reopens with one call.
    pub(super) slowly: bool,
    /// A cycle that is not over, and has to be waited for.
    pub(super) goes_on: Option<Cycle>,
}

impl Lesson {
    /// What the refusal of this call shows.
    pub(super) fn of(
        ticket: Ticket,
        sent: Moment,
        wait: RefusalWait,
        beside: u32,
        cycle: &Cycle,
        pattern: &Pattern,
    ) -> Self {
        let is_current = cycle.has(ticket);
        let (index, age) = place_of(ticket, sent, cycle, pattern);
        let is_first = index == 0 || is_current && cycle.trial.is_some();
        let since_served = match pattern.before {
            _ if !is_current && index == 0 => pattern.length, // its cycle began when the one before was over
            before if is_first && before.is_running => sent.since(before.start),
            _ => age,
        };
        Self {
            is_current,
            index,
            age,
            since_served,
            wait,
            only_extras: ticket.is_extra,
            beside,
            is_crowded: false,
        }
    }

    /// Adds another refusal of the same closing.
    pub(super) fn join(&mut self, other: Self) {
        self.index = self.index.min(other.index);
        self.only_extras &= other.only_extras;
        self.beside = self.beside.min(other.beside);
        self.is_crowded &= other.is_crowded;
    }

    /// The wait that the server named, if it is one.
    fn named(&self) -> Option<Duration> {
        match self.wait {
            RefusalWait::Named(wait) if !wait.is_zero() => Some(wait),
            _ => None,
        }
    }

    fn is_in_whole_seconds(&self) -> bool {
        self.named().is_some_and(|wait| wait.subsec_nanos() == 0)
    }

    /// A window that began so long ago is longer than the first, and at most as long as the second.
    fn bounds(&self, age: Duration, round_trip: RoundTrip) -> (Duration, Option<Duration>) {
        let Some(wait) = self.named() else {
            return (age, None);
        };
        let grain = if self.is_in_whole_seconds() { 1_000 } else { 1 };
        let most = age + wait;
        let least = most.saturating_sub(Duration::from_millis(grain));
        (least, Some(most + 3 * round_trip.deviation()))
    }

    fn price(&self) -> Price {
        match self.wait {
            RefusalWait::Named(wait) if wait.is_zero() => Price::Floor(Duration::from_secs(1)),
            RefusalWait::Named(_) => Price::Rest {
                whole_seconds: self.is_in_whole_seconds(),
            },
            RefusalWait::Floor(floor) => Price::Floor(floor),
        }
    }

    /// How long the gate was closed at least.
    fn closed_for(&self, round_trip: RoundTrip) -> Duration {
        let (RefusalWait::Named(wait) | RefusalWait::Floor(wait)) = self.wait;
        wait.max(round_trip.mean())
    }
}

/// Where in its cycle a call was sent: after how many others, and how long after the start.
fn place_of(ticket: Ticket, sent: Moment, cycle: &Cycle, pattern: &Pattern) -> (u32, Duration) {
    for cycle in [cycle, &pattern.before] {
        if cycle.has(ticket) {
            let index = ticket.sequence.wrapping_sub(cycle.first);
            return (index, sent.since(cycle.start));
        }
    }
    let limit = pattern.limit.unwrap_or(1).max(1);
    let back = pattern.before.first.wrapping_sub(ticket.sequence);
    ((limit - back % limit) % limit, Duration::ZERO)
}

impl Pattern {
    /// Learns from the refusals of a closing that has ended, in a cycle that is over by that.
    pub(super) fn learn(
        &mut self,
        lesson: &Lesson,
        cycle: &Cycle,
        round_trip: RoundTrip,
        now: Moment,
    ) -> Conclusion {
        let served = if lesson.is_current {
            cycle.served()
        } else {
            lesson.index
        };
        if cycle.served() > 0 && cycle.trial.is_none() {
            self.before = *cycle;
        }
        self.price = lesson.price();
        let is_extra = lesson.only_extras && self.limit.is_some();
        let is_probe = cycle.trial.is_some() || is_extra;
        let refused = cycle.refused + cycle.extras.refused;
        if !is_probe && !self.is_free(lesson, refused, served, round_trip) {
            self.calm_since = now;
        }
        self.at_once.used = 0;
        if !is_probe && self.learn_from_crowd(lesson, cycle, served) {
            return Conclusion {
                slowly: true,
                goes_on: None,
            };
        }
        if self.at_once.is_limited() && lesson.beside.saturating_mul(2) < self.at_once.limit {
            self.at_once.give_up(); // it was refused though few were on their way
        }
        if self.lower_at_once(cycle, served, round_trip) {
            return Conclusion {
                slowly: true,
                goes_on: None,
            };
        }
        if lesson.is_current && cycle.asked.is_some() {
            self.on_useless_ask();
            return Conclusion {
                slowly: false,
                goes_on: self.rest_of_cycle(lesson),
            };
        }
        if is_probe {
            self.last_probe = now;
            match cycle.trial {
                Some(short) => {
                    self.trials_refused += refused;
                    // With all served calls before the first refusal, it is clear how many there is room for.
                    let room = (lesson.index >= served).then_some(served);
                    self.learn_from_trial(short, room, now);
                }
                None => {
                    self.extras_refused += refused;
                    self.questions_after_fall = self.questions_after_fall.saturating_sub(1);
                    self.learn_from_extras(lesson, cycle, served, round_trip);
                }
            }
            return Conclusion {
                slowly: false,
                goes_on: self.rest_of_cycle(lesson),
            };
        }
        let goes_on = if served == 0 {
            self.learn_from_nothing(lesson, round_trip, now)
        } else {
            self.learn_from_served(lesson, served, round_trip, now);
            None
        };
        Conclusion {
            slowly: true,
            goes_on,
        }
    }

    /// Whether a refusal costs next to nothing: a single one near the end of what a cycle holds, for the floor of a bare 429
    /// that is over before the cycle. Many that are refused together show that the limit is wrong.
    fn is_free(&self, lesson: &Lesson, refused: u32, served: u32, round_trip: RoundTrip) -> bool {
        let closed = lesson.closed_for(round_trip);
        let is_long_floor = lesson.named().is_none() && closed >= Self::LONG;
        let is_near_limit = self.limit.is_some_and(|limit| served >= limit / 2);
        let opens = lesson.age.saturating_add(closed);
        is_long_floor && is_near_limit && refused <= 1 && opens <= self.length.mul_f64(1.02)
    }

    /// Learns from calls beyond the limit: the limit is right, and its end may be known better.
    fn learn_from_extras(
        &mut self,
        lesson: &Lesson,
        cycle: &Cycle,
        served: u32,
        round_trip: RoundTrip,
    ) {
        self.is_confirmed = true;
        self.is_tested |= cycle.follows;
        if let Some(limit) = &mut self.limit {
            self.growth.is_new = served > *limit;
            *limit = served.max(*limit);
        }
        let (_, most) = lesson.bounds(lesson.age, round_trip);
        let most = most.map(|most| most + self.understated);
        let Some(most) = most.filter(|most| *most < self.length) else {
            return;
        };
        if most > self.too_short.length {
            self.length = most;
        } else if std::mem::replace(&mut self.was_cut_short, true) {
            // Once, a clock may have cut the window short; twice, what was too short is not.
            self.too_short.length = Duration::ZERO;
            self.length = most;
            self.was_cut_short = false;
        }
    }

    /// Learns that the cycle began too early, unless it is an outage.
    fn learn_from_nothing(
        &mut self,
        lesson: &Lesson,
        round_trip: RoundTrip,
        now: Moment,
    ) -> Option<Cycle> {
        const LONG: Duration = Duration::from_secs(120);
        self.misses.empty += 1;
        if self.limit.is_none() && self.misses.empty == 1 && self.before.served() > 0 {
            // They came so far apart that each was a cycle of its own. One refusal that names a short wait is another
            // matter; a second is not.
            self.misses.quiet += 1;
            let closed = lesson.closed_for(round_trip) * (1 << self.misses.quiet.min(3) >> 1);
            let is_first = self.misses.quiet == 1 && lesson.named().is_some();
            if is_first || lesson.since_served > closed {
                return None;
            }
            self.limit = Some(self.before.served());
            self.has_learned = true;
            self.length = lesson.since_served + lesson.closed_for(round_trip);
            self.note_too_short(lesson.since_served, self.before.served(), now);
            return None;
        }
        let limit = self.limit?;
        if self.misses.empty > 1 {
            // How long it takes until a call is served is how long the cycle is, if that is not for ever.
            let start = self.before.is_running.then_some(self.before.start);
            let is_short = lesson.since_served <= LONG || self.misses.empty <= 2;
            self.misses.opens_from = start.filter(|_| is_short);
            return None;
        }
        let (least, _) = lesson.bounds(lesson.since_served, round_trip);
        if lesson.since_served < self.length.mul_f64(0.99) && least <= self.length {
            // The length says the same; it is the wait before that was too short.
            let missing = self.length - lesson.since_served;
            self.understated = self.understated.max(missing);
            return self.rest_of_cycle(lesson);
        }
        if self.is_tested && least > self.length * 2 && lesson.named().is_some() {
            self.is_tested = false;
            return None; // another limit, over a longer time
        }
        if self.cycle_number().wrapping_sub(self.misses.last) > 20 {
            self.misses.count = 0;
        }
        let Some(factor) = FACTORS.get(self.misses.count as usize) else {
            self.forget();
            return None;
        };
        self.misses.count += 1;
        self.misses.last = self.cycle_number();
        self.note_too_short(self.length.mul_f64(0.999), limit, now);
        // When the gate opens again the cycle is over, so it is no longer than that.
        let most = lesson.since_served + lesson.closed_for(round_trip);
        let longer = self.length.mul_f64(*factor).min(most.max(self.length));
        self.length = longer.max(least);
        None
    }

    /// Learns how many calls were served before the refusal, and how long a window of them is.
    fn learn_from_served(
        &mut self,
        lesson: &Lesson,
        served: u32,
        round_trip: RoundTrip,
        now: Moment,
    ) {
        let (mut least, most) = lesson.bounds(lesson.age, round_trip);
        if let Some(limit) = self.limit {
            let is_near = self.length <= self.too_short.length.mul_f64(1.1);
            let is_another = lesson.named().is_some() && least > self.length * 2;
            if is_another && std::mem::take(&mut self.is_tested) {
                return; // another limit, over a longer time
            }
            let is_early = served < limit / 2 || lesson.index == 0 && is_near && self.is_confirmed;
            if is_early && !self.was_early {
                self.is_confirmed = false;
                self.was_early = true;
                self.length = self.length.mul_f64(1.06);
                return;
            }
            if std::mem::take(&mut self.growth.is_new) {
                self.growth.failures += 1;
            }
            self.scale_too_short(served, now);
            if served < limit / 2 {
                self.questions_after_fall = if limit < Self::FEW { 0 } else { 2 };
                least = lesson.age; // no window of the limit: the wait is until one more is free
            }
            if most.is_some_and(|most| most < self.too_short.length) {
                self.too_short.length = Duration::ZERO; // it was not too short after all
            }
            if let Some(declared) = self.length_as_declared(served) {
                self.length = self.length.min(declared);
            }
            let fits = self.length > least && most.is_none_or(|most| self.length <= most);
            if !fits {
                self.length = most.unwrap_or(self.length);
            }
            self.note_too_short(least.min(self.length), served, now);
        } else {
            let length = most.unwrap_or_else(|| lesson.age + lesson.closed_for(round_trip));
            let declared = self.length_as_declared(served);
            self.length = declared.map_or(length, |declared| declared.min(length));
            self.too_short.length = Duration::ZERO;
            self.note_too_short(least.min(self.length), served, now);
            if !self.has_learned {
                self.at_once = AtOnce::of(served);
            }
        }
        self.has_learned = true;
        self.limit = Some(served);
        (self.is_tested, self.is_confirmed) = (false, false);
        self.forget_calls();
    }

    /// The cycle that a refusal without a true wait has ended too soon.
    fn rest_of_cycle(&self, lesson: &Lesson) -> Option<Cycle> {
        let is_short = lesson.named().is_none() || self.understated > Duration::ZERO;
        (is_short && self.before.is_running).then_some(Cycle {
            is_spent: true,
            trial: None,
            ends_early: None,
            ..self.before
        })
    }

    /// Forgets the limit: refusals came whatever it was.
    fn forget(&mut self) {
        self.limit = None;
        self.has_learned = false;
        self.too_short.length = Duration::ZERO;
        self.understated = Duration::ZERO;
        self.misses = Misses::default();
        self.forget_calls();
    }
}
