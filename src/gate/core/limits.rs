//! All limits that a call is counted against: declared quotas, concurrency, the server's counter.

use std::time::Duration;

use super::admission::{Admitted, Completion, GateConfig, Outcome};
use super::blocked::{Blocked, Reason};
use super::concurrency::ConcurrencyLimit;
use super::pacing::{LearnableQuota, Pacer, PacingDetector};
use super::quota::QuotaUsage;
use super::server_quota::{CounterReading, ServerQuota};
use super::window::SlidingWindow;
use crate::hint::Remaining;
use crate::time::Moment;

/// Everything that is spent before sending.
#[derive(Debug)]
pub(crate) struct Limits {
    windows: SlidingWindows,
    concurrency: ConcurrencyLimit,
    server_quota: ServerQuota,
    pacer: Pacer,
    /// Whether calls are paced now.
    paced: bool,
    detector: PacingDetector,
    /// What the detector learns about, for a call that costs one.
    learnable: Option<LearnableQuota>,
}

/// The windows of the declared quotas: hardly ever more than one, which is at hand.
#[derive(Debug, Default)]
struct SlidingWindows {
    first: Option<SlidingWindow>,
    more: Vec<SlidingWindow>,
}

impl SlidingWindows {
    fn of(config: GateConfig<'_>) -> Self {
        let caps = config.quotas.iter().flat_map(SlidingWindow::of);
        let plans = config.plans.iter().flat_map(SlidingWindow::of);
        let mut windows = caps.chain(plans.map(SlidingWindow::correctable));
        Self {
            first: windows.next(),
            more: windows.collect(),
        }
    }

    #[inline]
    fn each(&mut self, mut ask: impl FnMut(&mut SlidingWindow)) {
        let Some(first) = &mut self.first else {
            return;
        };
        ask(first);
        self.more.iter_mut().for_each(ask);
    }

    #[inline]
    fn all(&mut self, mut hold: impl FnMut(&mut SlidingWindow) -> bool) -> bool {
        let Some(first) = &mut self.first else {
            return true;
        };
        hold(first) && self.more.iter_mut().all(hold)
    }

    /// The quota of which refusals can teach that its calls have to be paced.
    /// Of the longest ones it is the one that holds the fewest calls of this cost.
    fn learnable(&self, cost: u32) -> Option<LearnableQuota> {
        let may_learn = |window: &&SlidingWindow| window.may_learn();
        let lengths = self.iter().filter(may_learn).map(SlidingWindow::length);
        let length = lengths.max()?;
        let longest = self.iter().filter(may_learn);
        let longest = longest.filter(|window| window.length() == length);
        let limit = longest.map(|window| window.capacity_for(cost)).min()?;
        Some(LearnableQuota { limit, length })
    }

    /// Corrects the only quota by what the server says: of several it is not known which one is meant.
    /// Returns whether its limit may have changed.
    fn publish(&mut self, limit: u32, resets_in: Duration) -> bool {
        let mut wide = self.iter_mut().filter(|window| !window.is_burst_window());
        match (wide.next(), wide.next()) {
            (Some(window), None) => window.publish(limit, resets_in),
            _ => false,
        }
    }

    fn iter(&self) -> impl Iterator<Item = &SlidingWindow> {
        self.first.iter().chain(&self.more)
    }

    fn iter_mut(&mut self) -> impl Iterator<Item = &mut SlidingWindow> {
        self.first.iter_mut().chain(&mut self.more)
    }
}

impl Limits {
    pub(crate) fn of(config: GateConfig<'_>) -> Self {
        let windows = SlidingWindows::of(config);
        let paced = windows.iter().any(SlidingWindow::is_paced);
        let learnable = windows.learnable(1);
        Self {
            paced,
            learnable,
            windows,
            concurrency: ConcurrencyLimit::of(config),
            server_quota: ServerQuota::default(),
            pacer: Pacer::default(),
            detector: PacingDetector::default(),
        }
    }

    /// Until when each limit keeps a call of this cost, as far as is known.
    /// Nothing if there is enough of all.
    pub(crate) fn blocked(
        &mut self,
        cost: u32,
        now: Moment,
    ) -> impl Iterator<Item = Blocked> + use<> {
        let windows = self.windows.iter_mut();
        let slots = windows.map(|window| window.next_slot(cost, now));
        let declared = slots.max().unwrap_or(now);
        let all = [
            (declared, Reason::DeclaredQuota),
            (
                self.server_quota.next(cost.min(1), now),
                Reason::ServerQuota,
            ),
            (self.paced_until(now), Reason::Pacing),
            (self.concurrency.next(now), Reason::ConcurrencyLimit),
        ];
        let blocked = move |(until, reason)| Blocked::until(until, reason, now);
        all.into_iter().filter_map(blocked)
    }

    /// Whether [`blocked`](Self::blocked) would say nothing, told quickly.
    /// It may say no where that is not so.
    #[inline]
    pub(crate) fn has_slot(&mut self, cost: u32, now: Moment) -> bool {
        self.concurrency.has_slot()
            && self.paced_until(now) <= now
            && self.server_quota.has_slot(cost.min(1), now)
            && self.windows.all(|window| window.has_slot(cost, now))
    }

    /// From when a call may follow the last one.
    #[inline]
    fn paced_until(&self, now: Moment) -> Moment {
        match self.interval_if_paced(1) {
            Some(interval) => self.pacer.next(interval, now),
            None => now,
        }
    }

    #[inline]
    fn interval_if_paced(&self, cost: u32) -> Option<Duration> {
        if self.paced {
            self.interval(cost)
        } else {
            None
        }
    }

    /// How long after a call of this cost the next one follows.
    fn interval(&self, cost: u32) -> Option<Duration> {
        let detected = self.detector.is_pacing();
        let windows = self.windows.iter();
        let intervals = windows.filter_map(|window| window.interval(cost, detected));
        intervals.max()
    }

    /// Whether there can ever be enough for this cost. If not, returns how much there is.
    pub(crate) fn check_cost(&self, cost: u32) -> Result<(), u32> {
        let windows = self.windows.iter();
        let too_small = windows.filter(|window| !window.can_afford(cost));
        let limits = too_small.map(SlidingWindow::limit);
        limits.min().map_or(Ok(()), Err)
    }

    /// Spends the cost of a call that is admitted. Returns how much had been answered by now.
    #[inline]
    pub(crate) fn charge(&mut self, cost: u32, now: Moment) -> u32 {
        self.concurrency.acquire();
        self.windows.each(|window| window.reserve(cost, now));
        if let Some(interval) = self.interval_if_paced(cost) {
            self.pacer.on_admit(interval, now);
        }
        self.server_quota.on_admit(cost.min(1))
    }

    /// Whether an admitted call may still be sent now: its slots may have expired and been given to others.
    pub(crate) fn can_still_send(&mut self, admitted: Admitted, now: Moment) -> bool {
        let mut windows = self.windows.iter_mut();
        windows.all(|window| window.still_fits(admitted.cost, admitted.sent, now))
            && (!self.paced || self.pacer.can_still_send(now))
    }

    /// Dates an admission anew: the call is sent only now.
    pub(crate) fn on_late_send(&mut self, admitted: Admitted, now: Moment) {
        self.windows.each(|window| {
            window.abort(admitted.cost, admitted.sent);
            window.reserve(admitted.cost, now);
        });
    }

    /// Notes that an admitted call is sent.
    #[inline]
    pub(crate) fn on_send(&mut self, cost: u32, now: Moment) {
        if let Some(interval) = self.interval_if_paced(cost) {
            self.pacer.on_send(interval, now);
        }
    }

    /// Gives back what a call has spent that was never sent.
    pub(crate) fn abort(&mut self, admitted: Admitted) {
        self.windows
            .each(|window| window.abort(admitted.cost, admitted.sent));
        if let Some(interval) = self.interval_if_paced(admitted.cost) {
            self.pacer.abort(interval);
        }
        self.server_quota.abort(admitted.cost.min(1));
        self.concurrency.release();
    }

    /// Notes that a sent call was dropped. The server may have counted it, so its slots stay taken.
    pub(crate) fn cancel(&mut self, admitted: Admitted) {
        self.server_quota.on_finish(admitted.cost.min(1));
        self.concurrency.release();
    }

    /// Notes how a call ended.
    /// Where concurrency is limited, it stays one of the calls in flight until it is
    /// [released](Self::release_concurrency).
    #[inline]
    pub(crate) fn complete(&mut self, admitted: Admitted, completion: Completion, now: Moment) {
        self.windows
            .each(|window| window.on_response(admitted.cost, admitted.sent, now));
        if let Some(cost) = completion.cost {
            self.correct_cost(admitted, cost, now);
        }
        if let Some(counter) = completion.counter {
            self.on_counter(counter, admitted, completion.max_reset, now);
        }
        match completion.outcome {
            Outcome::Ok => {
                self.on_success(admitted.cost, now);
                if completion.counter.is_none() {
                    self.server_quota.on_silent_success();
                }
            }
            Outcome::RateLimited => self.on_refusal(admitted, completion.by_limit, now),
            _ => {}
        }
        self.server_quota.on_finish(admitted.cost.min(1));
    }

    /// Spends or gives back the difference between what a call said that it costs and its true cost.
    fn correct_cost(&mut self, admitted: Admitted, cost: u32, now: Moment) {
        let (said, sent) = (admitted.cost, admitted.sent);
        if cost == said {
            return;
        }
        self.windows
            .each(|window| window.correct(said, cost, sent, now));
        let said = self.interval_if_paced(said);
        if let Some((said, truly)) = said.zip(self.interval_if_paced(cost)) {
            self.pacer.correct(said, truly);
        }
    }

    fn on_refusal(&mut self, admitted: Admitted, by_limit: bool, now: Moment) {
        self.server_quota.on_refusal(admitted.answered_then);
        // A server that says what is left needs no guessing.
        if !by_limit || self.server_quota.is_known() {
            return;
        }
        if let Some(quota) = self.learnable_quota(admitted.cost) {
            self.detector.on_refusal(admitted.generation, quota, now);
            self.update_pacing();
        }
    }

    #[inline]
    fn on_success(&mut self, cost: u32, now: Moment) {
        if let Some(quota) = self.learnable_quota(cost) {
            self.detector.on_success(quota, now);
            self.update_pacing();
        }
    }

    #[inline]
    fn learnable_quota(&self, cost: u32) -> Option<LearnableQuota> {
        match cost {
            1 => self.learnable,
            _ => self.windows.learnable(cost),
        }
    }

    #[inline]
    fn update_pacing(&mut self) {
        if self.paced != self.detector.is_pacing() {
            let declared = self.windows.iter().any(SlidingWindow::is_paced);
            self.paced = declared || self.detector.is_pacing();
        }
    }

    fn on_counter(
        &mut self,
        counter: Remaining,
        admitted: Admitted,
        max_reset: Duration,
        now: Moment,
    ) {
        let reading = CounterReading {
            counter,
            answered_then: admitted.answered_then,
            cost: admitted.cost.min(1),
            max_reset,
        };
        self.server_quota.on_counter(reading, now);
        let Some((limit, resets_in)) = counter.limit.zip(counter.resets_in) else {
            return;
        };
        if self.windows.publish(limit, resets_in) {
            self.learnable = self.windows.learnable(1);
        }
    }

    /// Forgets what the server has published.
    pub(crate) fn reopen(&mut self) {
        self.server_quota.forget();
    }

    /// Frees the slot of an answered call among the concurrent ones.
    pub(crate) fn release_concurrency(&mut self) {
        self.concurrency.release();
    }

    #[inline]
    pub(crate) fn limits_concurrency(&self) -> bool {
        self.concurrency.is_limited()
    }

    /// Whether the server says how much a window holds, so that a reopened gate needs no probe.
    pub(crate) fn has_server_quota(&self) -> bool {
        self.server_quota.is_known()
    }

    /// What is spent of each quota.
    pub(crate) fn usage(&mut self, now: Moment) -> Vec<QuotaUsage> {
        let windows = self.windows.iter_mut();
        let wide = windows.filter(|window| !window.is_burst_window());
        let declared = wide.map(|window| window.usage(now));
        let others = self.concurrency.usage().into_iter();
        let published = self.server_quota.usage(now);
        declared.chain(others).chain(published).collect()
    }

    /// Whether nothing is spent that still counts.
    pub(crate) fn is_unused(&mut self, now: Moment) -> bool {
        let concurrency = self.concurrency.usage();
        self.windows.all(|window| window.usage(now).used == 0)
            && self.paced_until(now) <= now
            && self.server_quota.next(1, now) <= now
            && concurrency.is_none_or(|concurrency| concurrency.used == 0)
    }
}

#[cfg(test)]
mod tests;
