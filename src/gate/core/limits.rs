//! The declared limits that a call is counted against: quotas and concurrency.

use std::time::Duration;

use super::admission::{Admitted, Completion, GateConfig, Need};
use super::blocked::{Blocked, Reason};
use super::concurrency::ConcurrencyLimit;
use super::pacer::Pacer;
use super::quota::QuotaUsage;
use super::window::{LowWindow, SlidingWindow};
use crate::time::Moment;

/// Everything that is spent before sending.
#[derive(Clone, Debug)]
pub(crate) struct Limits {
    windows: SlidingWindows,
    concurrency: ConcurrencyLimit,
    pacer: Pacer,
    /// Whether a quota says that calls are paced.
    paced: bool,
    /// Whether a quota says that bursts are small.
    bursts: bool,
    /// How many deviations of the round trip refusals have added to the margin between bursts.
    refused: f32,
}

/// The windows of the declared quotas: hardly ever more than one, which is at hand.
#[derive(Clone, Debug, Default)]
struct SlidingWindows {
    first: Option<SlidingWindow>,
    more: Vec<SlidingWindow>,
}

impl SlidingWindows {
    fn of(config: GateConfig<'_>) -> Self {
        let windows = |quota| SlidingWindow::watched(quota, config.low_quota);
        let caps = config.quotas.iter().flat_map(windows);
        let plans = config.plans.iter().flat_map(windows);
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

    /// Corrects the only quota by what the server says: of several it is not known which one is meant.
    fn publish(&mut self, limit: u32, resets_in: Duration) {
        let mut wide = self.iter_mut().filter(|window| !window.is_burst_window());
        if let (Some(window), None) = (wide.next(), wide.next()) {
            window.publish(limit, resets_in);
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
    /// The margin between single calls: where ways take evenly spread times, no two differ by more than this many mean
    /// deviations of the round trip.
    const DEVIATIONS: f32 = 3.0;
    const MOST_REFUSED: f32 = 8.0;
    /// After more refusals than this the declaration is wrong, or the key has another user.
    const EXPLAINED: f32 = 3.0;
    /// Served calls narrow the margin again, by one deviation in 500.
    const FORGOTTEN: f32 = 0.002;

    pub(crate) fn of(config: GateConfig<'_>) -> Self {
        let windows = SlidingWindows::of(config);
        let paced = windows.iter().any(SlidingWindow::is_paced);
        let bursts = windows.iter().any(SlidingWindow::is_burst_window);
        Self {
            paced,
            bursts,
            refused: 0.0,
            windows,
            concurrency: ConcurrencyLimit::of(config),
            pacer: Pacer::default(),
        }
    }

    /// Until when each limit keeps a call, as far as is known.
    /// Nothing if there is enough of all.
    pub(crate) fn blocked(
        &mut self,
        need: Need,
        now: Moment,
    ) -> impl Iterator<Item = Blocked> + use<> {
        let windows = self.windows.iter_mut();
        let slots = windows.map(|window| window.next_slot(need, now));
        let declared = slots.max().unwrap_or(now);
        let all = [
            (declared, Reason::DeclaredQuota),
            (self.paced_until(now), Reason::Pacing),
            (self.concurrency.next(need, now), Reason::ConcurrencyLimit),
        ];
        let blocked = move |(until, reason)| Blocked::until(until, reason, now);
        all.into_iter().filter_map(blocked)
    }

    /// Whether [`blocked`](Self::blocked) would say nothing, told quickly.
    /// It may say no where that is not so.
    #[inline]
    pub(crate) fn has_slot(&mut self, need: Need, now: Moment) -> bool {
        self.concurrency.has_slot(need)
            && self.paced_until(now) <= now
            && self.windows.all(|window| window.has_slot(need, now))
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
        let windows = self.windows.iter();
        let intervals = windows.filter_map(|window| window.interval(cost));
        intervals.max()
    }

    /// When the first slot of a declared window is free, or now if all are, and how long the window is.
    /// Of several windows it is the one of as many calls as are `published`; `None` if that is not clear.
    pub(crate) fn first_end(
        &mut self,
        published: Option<u32>,
        now: Moment,
    ) -> Option<(Moment, Duration)> {
        let windows = || self.windows.iter().filter(|w| !w.is_burst_window());
        let is_alone = windows().count() == 1;
        let same = |window: &SlidingWindow| is_alone || published == Some(window.limit());
        if windows().filter(|window| same(window)).count() != 1 {
            return None;
        }
        let mut windows = self.windows.iter_mut();
        let window = windows.find(|window| !window.is_burst_window() && same(window))?;
        let length = window.length();
        Some((window.first_end(now).unwrap_or(now), length))
    }

    /// Whether there can ever be enough for this cost. If not, returns how much there is.
    pub(crate) fn check_cost(&self, cost: u32) -> Result<(), u32> {
        let windows = self.windows.iter();
        let too_small = windows.filter(|window| !window.can_afford(cost));
        let limits = too_small.map(SlidingWindow::limit);
        limits.min().map_or(Ok(()), Err)
    }

    /// Spends the cost of a call that is admitted.
    #[inline]
    pub(crate) fn charge(&mut self, cost: u32, now: Moment) {
        self.concurrency.acquire();
        self.windows.each(|window| window.reserve(cost, now));
        if let Some(interval) = self.interval_if_paced(cost) {
            self.pacer.on_admit(interval, now);
        }
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
        self.concurrency.release();
    }

    /// Notes that a sent call was dropped. The server may have counted it, so its slots stay taken.
    pub(crate) fn cancel(&mut self) {
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
        let counter = completion.counter;
        let published = counter.and_then(|counter| counter.limit.zip(counter.resets_in));
        if let Some((limit, resets_in)) = published {
            self.windows.publish(limit, resets_in);
        }
        if let Some((counter, limit)) = counter.and_then(|counter| Some((counter, counter.limit?)))
        {
            let resets_in = counter.resets_in;
            self.windows
                .each(|window| window.on_published(limit, resets_in));
        }
    }

    /// Whether little seems to be left of a declared quota, and that is news.
    #[inline]
    pub(crate) fn has_low_news(&self) -> bool {
        let SlidingWindows { first, more } = &self.windows;
        first.as_ref().is_some_and(SlidingWindow::has_low_news)
            || more.iter().any(SlidingWindow::has_low_news)
    }

    /// Says what is left of a declared quota of which little is left, once until there is enough again.
    pub(crate) fn take_low_news(&mut self, now: Moment) -> Option<LowWindow> {
        let mut windows = self.windows.iter_mut();
        windows.find_map(|window| window.take_low_news(now))
    }

    /// Whether bursts are kept apart by a margin that follows the round trip.
    #[inline]
    pub(crate) fn has_margin(&self) -> bool {
        self.bursts
    }

    /// Follows the mean deviation of the round trip: calls come closer to each other on their way.
    pub(crate) fn on_round_trip(&mut self, deviation: Duration) {
        self.refused = (self.refused - Self::FORGOTTEN).max(0.0);
        let refused = deviation.mul_f32(self.refused);
        let alone = deviation.mul_f32(Self::DEVIATIONS);
        self.windows.each(|window| {
            // Of more than one call the last have had time to be refilled.
            let least = if window.limit() == 1 {
                alone
            } else {
                Duration::ZERO
            };
            window.set_margin(least + refused);
        });
    }

    /// Widens the margin: a call was refused although the bursts were kept.
    pub(crate) fn on_refusal(&mut self) {
        self.refused = (self.refused + 1.0).min(Self::MOST_REFUSED);
    }

    /// Whether a wider margin may explain the refusals, since it is declared how calls are spread.
    pub(crate) fn explains_refusals(&self) -> bool {
        (self.bursts || self.paced) && self.refused <= Self::EXPLAINED
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

    /// Frees the slot of an answered call among the concurrent ones.
    pub(crate) fn release_concurrency(&mut self) {
        self.concurrency.release();
    }

    #[inline]
    pub(crate) fn limits_concurrency(&self) -> bool {
        self.concurrency.is_limited()
    }

    /// What is spent of each quota.
    pub(crate) fn usage(&mut self, now: Moment) -> Vec<QuotaUsage> {
        let windows = self.windows.iter_mut();
        let wide = windows.filter(|window| !window.is_burst_window());
        let declared = wide.map(|window| window.usage(now));
        declared.chain(self.concurrency.usage()).collect()
    }

    /// Whether nothing is spent that still counts.
    pub(crate) fn is_unused(&mut self, now: Moment) -> bool {
        let concurrency = self.concurrency.usage();
        self.windows.all(|window| window.usage(now).used == 0)
            && self.paced_until(now) <= now
            && concurrency.is_none_or(|concurrency| concurrency.used == 0)
    }
}

#[cfg(test)]
mod tests;
