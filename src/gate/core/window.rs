//! The sliding window of one declared quota: its slots, and when each of them is free again.

mod low;
mod ring;

pub(crate) use low::LowWindow;

use low::LowWatch;
use ring::{Ring, SLOTS};

use std::num::NonZeroU64;
use std::time::Duration;

use super::admission::Need;
use super::pacer::interval_for;
use super::quota::{Quota, QuotaUsage, Spread};
use crate::time::{Length, Moment, Slices, nanos};

/// Sliding-window counter as a ring of 512 time slices.
/// O(1), and its memory does not grow with the quota.
///
/// A slot is freed at the end of its slice, never early: late by less than a five-hundredth of the longest time that it
/// may be held.
#[derive(Clone, Debug)]
pub(crate) struct SlidingWindow {
    limit: u32,
    reserved: u32,
    slices: Slices,
    /// The first slice that has not ended.
    first: u64,
    /// When that slice ends.
    turns: Moment,
    length: Length,
    /// How long after it was sent the server may still count a call.
    slack: Length,
    /// The same where bursts are kept small: by how much calls come closer to each other on their way.
    margin: Length,
    ring: Ring,
    /// Whether it counts calls, and not their cost.
    per_call: bool,
    /// How many slots only urgent calls may have.
    for_urgent: u32,
    /// Whether calls of more than one slot were counted: published counters count calls.
    counts_costs: bool,
    /// Whether it only keeps the bursts of a longer window small.
    burst_window: bool,
    spread: Spread,
    /// The limit as it was declared, whatever the server says.
    declared: u32,
    /// Whether the server may correct the limit.
    is_plan: bool,
    /// A limit that was published for a longer window: near its end it looks like this one's.
    of_another: Option<u32>,
    low: LowWatch,
}

/// No wait is longer; see [`later`](crate::time::later).
const LONGEST: Duration = Duration::from_secs(400 * 24 * 60 * 60);

impl SlidingWindow {
    pub(crate) fn new(limit: u32, length: Duration, slack: Duration) -> Self {
        let (length, slack) = (length.min(LONGEST), slack.min(LONGEST));
        // One slice more than a slot is ever held for, so that the ring never overtakes itself.
        let slice = nanos(length + slack).div_ceil(SLOTS as u64 - 2);
        let slice = NonZeroU64::new(slice).unwrap_or(NonZeroU64::MIN);
        let slices = Slices::around(Moment::START, slice);
        Self {
            limit,
            reserved: 0,
            slices,
            first: 0,
            turns: Moment::START,
            length: Length::of(length),
            slack: Length::of(slack),
            margin: Length::default(),
            ring: Ring::for_limit(limit),
            per_call: false,
            for_urgent: 0,
            counts_costs: false,
            burst_window: false,
            spread: Spread::Anyhow,
            declared: limit,
            is_plan: false,
            of_another: None,
            low: LowWatch::OFF,
        }
    }

    /// The windows of a quota: its own, and a shorter one if bursts are smaller than the quota.
    pub(crate) fn of(quota: &Quota) -> impl Iterator<Item = Self> + use<> {
        let (limit, length) = (quota.limit(), quota.window());
        let own = length.map(|length| Self::new(limit, length, quota.slack));
        let burst = match quota.spread() {
            Spread::Bursts(burst) if burst < limit => length.map(|length| (burst, length)),
            _ => None,
        };
        let burst_window = burst.map(|(burst, length)| {
            let window = Self::new(burst, length.saturating_mul(burst) / limit, quota.slack);
            // Of a single call, all of the slack, until a round trip is known.
            let margin = if burst == 1 {
                window.slack
            } else {
                window.margin
            };
            Self {
                burst_window: true,
                margin,
                ..window
            }
        });
        let spread = quota.spread();
        let (per_call, for_urgent) = (quota.per_call, quota.for_urgent);
        own.into_iter().chain(burst_window).map(move |window| Self {
            per_call,
            spread,
            for_urgent: if window.burst_window { 0 } else { for_urgent },
            ..window
        })
    }

    /// Lets published counters correct it.
    pub(super) fn correctable(self) -> Self {
        Self {
            is_plan: true,
            ..self
        }
    }

    /// How long after a call of this cost the next one is sent, if calls are paced.
    pub(super) fn interval(&self, cost: u32) -> Option<Duration> {
        let (length, slack) = (self.length.duration(), self.slack.duration());
        self.is_paced()
            .then(|| interval_for(self.limit, self.slots_for(cost), length, slack))
    }

    pub(super) fn is_paced(&self) -> bool {
        self.spread == Spread::Evenly
    }

    /// The length of the window.
    pub(super) fn length(&self) -> Duration {
        self.length.duration()
    }

    /// How many slots a call of this cost takes.
    #[inline]
    fn slots_for(&self, cost: u32) -> u32 {
        if self.per_call { cost.min(1) } else { cost }
    }

    /// Whether a call of this cost can ever be sent.
    pub(crate) fn can_afford(&self, cost: u32) -> bool {
        self.burst_window || self.slots_for(cost) <= self.declared.max(self.limit)
    }

    pub(crate) fn is_burst_window(&self) -> bool {
        self.burst_window
    }

    pub(crate) fn limit(&self) -> u32 {
        self.limit
    }

    /// How many slots are taken, and of how many.
    pub(crate) fn usage(&mut self, now: Moment) -> QuotaUsage {
        self.advance_to(now);
        QuotaUsage {
            used: self.reserved,
            limit: self.limit,
            window: Some(self.length.duration()),
        }
    }

    /// Whether there is a slot for a call now.
    #[inline]
    pub(crate) fn has_slot(&mut self, need: impl Into<Need>, now: Moment) -> bool {
        self.advance_to(now);
        let needed = self.slots_needed(need.into());
        self.reserved.saturating_add(needed) <= self.limit || self.reserved == 0
    }

    /// How many slots have to be free: those that it takes, and those that are not for it.
    #[inline]
    fn slots_needed(&self, need: Need) -> u32 {
        let not_for_it = if need.is_urgent { 0 } else { self.for_urgent };
        self.slots_for(need.cost).saturating_add(not_for_it)
    }

    /// When there is a slot for a call.
    #[inline]
    pub(crate) fn next_slot(&mut self, need: impl Into<Need>, now: Moment) -> Moment {
        let need = need.into();
        if self.has_slot(need, now) {
            return now;
        }
        self.next_free(self.slots_needed(need))
    }

    #[cold]
    fn next_free(&self, slots: u32) -> Moment {
        let missing = self
            .reserved
            .saturating_add(slots)
            .saturating_sub(self.limit);
        // A call that needs more than all of them waits until all are free.
        let mut missing = missing.min(self.reserved);
        let mut slices = self.first..self.first + SLOTS as u64;
        let over = slices.find(|slice| {
            missing = missing.saturating_sub(self.ring.get(*slice));
            missing == 0
        });
        self.slices.end(over.unwrap_or(self.first))
    }

    /// When the first of the slots that are taken is free.
    pub(super) fn first_end(&mut self, now: Moment) -> Option<Moment> {
        self.advance_to(now);
        let mut slices = self.first..self.first + SLOTS as u64;
        let first = slices.find(|slice| self.ring.get(*slice) > 0)?;
        Some(self.slices.end(first))
    }

    /// Reserves the slots of a call that is sent.
    /// Until its response arrives, they are held as if the server had counted it only at the end of the slack.
    #[inline]
    pub(crate) fn reserve(&mut self, cost: u32, now: Moment) {
        self.advance_to(now);
        self.counts_costs |= self.slots_for(cost) > 1;
        self.add(self.slots_for(cost), now + self.held_after_sending());
    }

    /// Notes that the head of the response has arrived: the server has counted the call by now.
    #[inline]
    pub(crate) fn on_response(&mut self, cost: u32, sent: Moment, now: Moment) {
        let slots = self.slots_for(cost);
        if self.burst_window || now >= sent + self.slack {
            return;
        }
        self.advance_to(now);
        let held = self.slice_held(sent + self.slack);
        // The caller may have read its clock long ago.
        let earlier = self.slice_held(now).max(self.first);
        if held >= self.first && self.ring.get(held) >= slots {
            self.ring.subtract(held, slots);
            self.ring.add(earlier, slots);
        }
    }

    /// Whether an admitted call still has its slots, or may have others now.
    pub(super) fn still_fits(&mut self, cost: u32, sent: Moment, now: Moment) -> bool {
        self.has_slot(cost, now) || self.still_holds_slots(self.slots_for(cost), sent)
    }

    #[inline]
    fn still_holds_slots(&self, slots: u32, sent: Moment) -> bool {
        let slice = self.slice_held(sent + self.held_after_sending());
        slice >= self.first && self.ring.get(slice) >= slots
    }

    /// Frees the slots of a call that was never sent.
    #[inline]
    pub(crate) fn abort(&mut self, cost: u32, sent: Moment) {
        let slots = self.slots_for(cost);
        if self.still_holds_slots(slots, sent) {
            let held = self.slice_held(sent + self.held_after_sending());
            self.ring.subtract(held, slots);
            self.reserved = self.reserved.saturating_sub(slots);
        }
    }

    /// Corrects the slots of a call whose true cost is another one.
    pub(crate) fn correct(&mut self, cost: u32, truly: u32, sent: Moment, now: Moment) {
        self.advance_to(now);
        let (said, truly) = (self.slots_for(cost), self.slots_for(truly));
        self.counts_costs |= truly > 1;
        if truly > said {
            self.add(truly - said, now);
        } else {
            // Where its own slots are: a response that took longer than the slack has not moved them.
            let slice = self.slice_held(now.min(sent + self.held_after_sending()));
            if slice >= self.first {
                let back = (said - truly).min(self.ring.get(slice));
                self.ring.subtract(slice, back);
                self.reserved = self.reserved.saturating_sub(back);
            }
        }
    }

    /// How long a slot is held beyond the length of the window, as long as no response has come.
    #[inline]
    fn held_after_sending(&self) -> Length {
        if self.burst_window {
            self.margin
        } else {
            self.slack
        }
    }

    /// Keeps bursts apart by this margin, and by no more than the slack.
    pub(super) fn set_margin(&mut self, margin: Duration) {
        self.margin = Length::of(margin).min(self.slack);
    }

    /// Corrects the limit of a plan by what the server says that a window of about this length holds.
    pub(crate) fn publish(&mut self, limit: u32, resets_in: Duration) {
        if !self.is_plan {
            return;
        }
        let is_mine = resets_in > self.length.duration() / 2 && resets_in <= self.longest_reset();
        if resets_in > self.longest_reset() {
            self.limit = self.declared;
            self.of_another = Some(limit);
        } else if is_mine && !self.counts_costs && self.of_another != Some(limit) {
            self.limit = limit.max(1);
        }
    }

    /// The longest time to a reset that may be of this window: it is rounded, and the response took its time.
    fn longest_reset(&self) -> Duration {
        self.length.duration() + Duration::from_millis(1_500)
    }

    #[inline]
    fn add(&mut self, slots: u32, counted: Moment) {
        let slice = self.slice_held(counted).max(self.first);
        self.ring.add(slice, slots);
        self.reserved = self.reserved.saturating_add(slots);
    }

    /// The slice at whose end a slot is free that the server counted at this moment.
    #[inline]
    fn slice_held(&self, counted: Moment) -> u64 {
        self.slices.number(counted + self.length)
    }

    /// Frees the slots of all slices that have ended.
    #[inline]
    fn advance_to(&mut self, now: Moment) {
        if now >= self.turns {
            self.advance(now);
        }
    }

    #[inline(never)]
    fn advance(&mut self, now: Moment) {
        if self.first == 0 {
            // The first call: what follows depends on nothing that was before it.
            self.slices = self.slices.around_another(now);
        }
        let now = self.slices.number(now);
        if self.reserved > 0 {
            self.free_before(now);
        }
        self.first = now;
        self.turns = self.slices.end(now);
    }

    fn free_before(&mut self, now: u64) {
        let freed = self.ring.empty(self.first, now.saturating_sub(self.first));
        self.reserved = u64::from(self.reserved).saturating_sub(freed) as u32;
        self.low.on_freed(self.reserved);
    }
}

#[cfg(test)]
mod tests;
