//! The questions to a limiter: whether a cycle is shorter, or holds more calls, as far as that is worth a refusal.

use std::time::Duration;

use super::pattern::Pattern;
use super::price::Price;
use super::round_trip::RoundTrip;
use crate::time::Moment;

impl Pattern {
    /// From this length on it may be the floor of a bare 429, and not what the server counts.
    pub(super) const LONG: Duration = Duration::from_secs(50);

    /// Whether the pattern allows as many calls as was declared, so that there is nothing to ask for.
    fn is_as_dense_as_declared(&self, limit: u32) -> bool {
        self.declared.is_some_and(|(calls, length)| {
            let declared = f64::from(calls) / length.as_secs_f64();
            f64::from(limit) / self.length.as_secs_f64().max(1e-9) >= 0.95 * declared
        })
    }

    /// How long a cycle of `served` calls is at the declared rate, if they are fewer than half of what was declared.
    pub(super) fn length_as_declared(&self, served: u32) -> Option<Duration> {
        let (calls, length) = self.declared?;
        let part = f64::from(served) / f64::from(calls.max(1));
        Some(if part < 0.5 {
            length.mul_f64(1.05 * part)
        } else {
            length
        })
    }

    /// A shorter length that is worth a trial.
    pub(super) fn shorter(
        &self,
        limit: u32,
        served: u32,
        waiting: usize,
        round_trip: RoundTrip,
        now: Moment,
    ) -> Option<Duration> {
        let length = self.length;
        let low = self.faded_too_short(round_trip, now);
        let is_dense = self.is_as_dense_as_declared(limit);
        if is_dense || low >= length.mul_f64(0.93) || length.is_zero() {
            return None;
        }
        let short = if low < length / 16 {
            length / 4
        } else {
            Duration::from_secs_f64((low.as_secs_f64() * length.as_secs_f64()).sqrt())
        };
        let calm = now.since(self.calm_since);
        // That a refusal without a wait means a minute is likely.
        let calm = if length >= Self::LONG {
            calm / 20
        } else {
            calm / 2
        };
        let known = length.mul_f64(waiting as f64 / f64::from(limit.max(1)));
        let gain = 1.0 - short.as_secs_f64() / length.as_secs_f64();
        let is_worth = calm.max(known).mul_f64(gain) >= self.probe_price(short, round_trip);
        (is_worth && self.trials_refused < served / 50 + 8).then_some(short)
    }

    /// The longest length that is too short; the older that is, the shorter, since servers change.
    fn faded_too_short(&self, round_trip: RoundTrip, now: Moment) -> Duration {
        let too_short = self.too_short;
        let price = self.probe_price(too_short.length, round_trip);
        let half_life = (price * 6_000).max(self.length * 3_000);
        let half_lives =
            now.since(too_short.since).as_secs_f64() / half_life.as_secs_f64().max(1.0);
        too_short.length.mul_f64(0.5_f64.powf(half_lives))
    }

    /// What a refusal at this age of a cycle costs, beyond the end of the cycle.
    fn probe_price(&self, age: Duration, round_trip: RoundTrip) -> Duration {
        let closed = match self.price {
            Price::Floor(floor) => floor,
            Price::Rest { whole_seconds } => {
                let rest = self.length.saturating_sub(age);
                let whole =
                    Duration::from_secs(rest.as_secs() + u64::from(rest.subsec_nanos() > 0));
                if whole_seconds { whole } else { rest }
            }
        };
        (closed + age + round_trip.mean()).saturating_sub(self.length)
    }

    /// Learns from a shorter cycle in which calls were refused, after as many as there was `room` for, if that is clear.
    ///
    /// It was too short, unless it has served more calls in its time than the pattern does: then they are what a cycle of
    /// this length holds.
    pub(super) fn learn_from_trial(&mut self, short: Duration, room: Option<u32>, now: Moment) {
        let limit = self.limit.unwrap_or(1).max(1);
        let rate = |calls: u32, length: Duration| f64::from(calls) / length.as_secs_f64();
        let before = rate(limit, self.length);
        let is_denser = |room: &u32| *room >= limit / 2 && rate(*room, short) >= 1.1 * before;
        let Some(room) = room.filter(is_denser) else {
            return self.note_too_short(short, limit, now);
        };
        let room = room.min(limit);
        self.scale_too_short(room, now);
        if self.too_short.length >= short {
            self.too_short.length = Duration::ZERO; // it was not too short after all
        }
        self.length = short;
        self.limit = Some(room);
        (self.is_tested, self.is_confirmed) = (false, false);
    }

    pub(super) fn note_too_short(&mut self, length: Duration, calls: u32, now: Moment) {
        if length > self.too_short.length {
            self.too_short.length = length;
            self.too_short.calls = calls;
            self.too_short.since = now;
        }
    }

    /// The longest length that is too short is shorter where a cycle holds fewer calls.
    pub(super) fn scale_too_short(&mut self, served: u32, now: Moment) {
        let calls = self
            .too_short
            .calls
            .clamp(1, self.limit.unwrap_or(1).max(1));
        if served < calls {
            let part = f64::from(served) / f64::from(calls);
            self.too_short.length = self.too_short.length.mul_f64(part);
            self.too_short.calls = served;
            self.too_short.since = now;
        }
    }

    /// How many calls beyond the limit ask for more in a cycle.
    pub(super) fn extras(
        &mut self,
        limit: u32,
        served: u32,
        round_trip: RoundTrip,
        now: Moment,
    ) -> u32 {
        if !self.has_asked_for_more {
            self.has_asked_for_more = true;
            return 1;
        }
        let is_pace = self.length < Duration::from_secs(1) && limit < 2;
        let can_be_shorter = self.faded_too_short(round_trip, now) < self.length.mul_f64(0.93);
        if is_pace && can_be_shorter && !self.is_as_dense_as_declared(limit) {
            return 0; // a shorter cycle finds out whether there is more
        }
        let since = now.since(self.calm_since.max(self.last_probe));
        let price = self.probe_price(round_trip.mean(), round_trip);
        let is_cheap = price * (1 << self.growth.failures.min(5)) <= since / 25;
        let is_in_budget = self.extras_refused < served / 50 || self.questions_after_fall > 0;
        if !is_in_budget || !is_cheap {
            return 0;
        }
        if self.grown > limit / 5 {
            1 + limit / 4
        } else {
            1
        }
    }
}
