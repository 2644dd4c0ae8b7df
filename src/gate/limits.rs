//! All that is spent before sending: the declared quotas, the calls at once, and the published quota.

use std::time::Duration;

use super::QuotaUsage;
use super::admission::{Admitted, Completion, GateConfig, Outcome};
use super::blocked::{Blocked, Reason};
use super::concurrency::ConcurrencyLimit;
use super::detector::{LearnableQuota, PacingDetector};
use super::pacer::Pacer;
use super::server_quota::{CounterReading, ServerQuota};
use super::window::SlidingWindow;
use crate::hint::Counter;
use crate::time::Moment;

#[derive(Debug)]
pub(crate) struct Limits {
    windows: SlidingWindows,
    concurrency: ConcurrencyLimit,
    server_quota: ServerQuota,
    detector: PacingDetector,
    /// The longest of the quotas whose calls may have to be spread.
    learns: Option<Duration>,
    pacer: Pacer,
    /// Whether calls are spread now.
    paced: bool,
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
        let learning = windows.iter().filter(|window| window.may_learn());
        let learns = learning.map(SlidingWindow::length).max();
        let paced = windows.iter().any(SlidingWindow::is_paced);
        Self {
            learns,
            paced,
            pacer: Pacer::default(),
            windows,
            concurrency: ConcurrencyLimit::of(config),
            server_quota: ServerQuota::default(),
            detector: PacingDetector::default(),
        }
    }

    /// From when there is enough for a call of this price, as far as can be known now.
    #[inline]
    pub(crate) fn next(&mut self, price: u32, now: Moment) -> Moment {
        let mut declared = now;
        let places =
            |window: &mut SlidingWindow| declared = declared.max(window.next_slot(price, now));
        self.windows.each(places);
        let server_quota = self.server_quota.next(price.min(1), now);
        let paced = self.paced_until(now);
        declared
            .max(self.concurrency.next(now))
            .max(server_quota)
            .max(paced)
    }

    /// From when a call may follow the last one.
    #[inline]
    fn paced_until(&self, now: Moment) -> Moment {
        if !self.paced {
            return now;
        }
        let interval = self.interval(1);
        interval.map_or(now, |interval| self.pacer.next(interval, now))
    }

    #[inline]
    fn interval_if_paced(&self, price: u32) -> Option<Duration> {
        if self.paced {
            self.interval(price)
        } else {
            None
        }
    }

    /// How long after a call of this price the next one follows.
    fn interval(&self, price: u32) -> Option<Duration> {
        let detected = self.detector.is_pacing();
        let windows = self.windows.iter();
        windows
            .filter_map(|window| window.interval(price, detected))
            .max()
    }

    /// Until when there is not enough, and of what.
    pub(crate) fn blocked(&mut self, price: u32, now: Moment) -> impl Iterator<Item = Blocked> {
        let windows = self.windows.iter_mut();
        let places = windows.map(|window| window.next_slot(price, now));
        let declared = places.max().unwrap_or(now);
        let server_quota = self.server_quota.next(price.min(1), now);
        let all = [
            (declared, Reason::DeclaredQuota),
            (server_quota, Reason::ServerQuota),
            (self.paced_until(now), Reason::Pacing),
            (self.concurrency.next(now), Reason::ConcurrencyLimit),
        ];
        let blocked = move |(until, reason)| Blocked::until(until, reason, now);
        all.into_iter().filter_map(blocked)
    }

    /// Whether there could ever be enough for this price; if not, how much there is.
    pub(crate) fn check_cost(&self, price: u32) -> Result<(), u32> {
        let too_dear = |window: &&SlidingWindow| !window.can_afford(price);
        let limits = self
            .windows
            .iter()
            .filter(too_dear)
            .map(SlidingWindow::limit);
        limits.min().map_or(Ok(()), Err)
    }

    /// Whether there is enough now: the short form of [`next`](Self::next).
    #[inline]
    pub(crate) fn has_slot(&mut self, price: u32, now: Moment) -> bool {
        self.concurrency.has_slot()
            && self.paced_until(now) <= now
            && self.server_quota.has_slot(price.min(1), now)
            && self.windows.all(|window| window.has_slot(price, now))
    }

    /// A call is let through. Returns how much had been answered by now.
    #[inline]
    pub(crate) fn on_admit(&mut self, price: u32, now: Moment) -> u32 {
        self.concurrency.acquire();
        self.windows.each(|window| window.reserve(price, now));
        if let Some(interval) = self.interval_if_paced(price) {
            self.pacer.on_admit(interval, now);
        }
        self.server_quota.on_admit(price.min(1))
    }

    /// Whether a call that was let through may still be sent, if it is sent only now: its places may be over, and be
    /// somebody else's.
    pub(crate) fn can_still_send(&mut self, admitted: Admitted, now: Moment) -> bool {
        let mut windows = self.windows.iter_mut();
        windows.all(|window| window.still_fits(admitted.price, admitted.sent, now))
            && (!self.paced || self.pacer.can_still_send(now))
    }

    /// It is sent only now.
    pub(crate) fn on_late_send(&mut self, admitted: Admitted, now: Moment) {
        self.windows.each(|window| {
            window.abort(admitted.price, admitted.sent);
            window.reserve(admitted.price, now);
        });
    }

    /// A call of this price that was let through is sent.
    #[inline]
    pub(crate) fn on_send(&mut self, price: u32, now: Moment) {
        if let Some(interval) = self.interval_if_paced(price) {
            self.pacer.on_send(interval, now);
        }
    }

    /// A call that was let through is not sent after all.
    pub(crate) fn abort(&mut self, admitted: Admitted) {
        self.windows.each(|window| {
            window.abort(admitted.price, admitted.sent);
        });
        if let Some(interval) = self.interval_if_paced(admitted.price) {
            self.pacer.abort(interval);
        }
        self.server_quota.abort(admitted.price.min(1));
        self.concurrency.release();
    }

    /// A call was dropped on its way: the server may have counted it, and its places stay taken.
    pub(crate) fn cancel(&mut self, admitted: Admitted) {
        self.server_quota.on_finish(admitted.price.min(1));
        self.concurrency.release();
    }

    /// The head of an answer is here, or the failure. Where calls at once are limited, it stays one of
    /// them until it is [released](Self::release_concurrency).
    pub(crate) fn complete(&mut self, admitted: Admitted, completion: Completion, now: Moment) {
        self.windows
            .each(|window| window.on_response(admitted.price, admitted.sent, now));
        self.note(admitted, completion, now);
        self.server_quota.on_finish(admitted.price.min(1));
    }

    /// The same, of an answer that says nothing about limits.
    #[inline]
    pub(crate) fn complete_ok(&mut self, admitted: Admitted, now: Moment) {
        self.on_success(1, admitted.price, now);
        self.windows
            .each(|window| window.on_response(admitted.price, admitted.sent, now));
        self.server_quota.on_silent_success();
        self.server_quota.on_finish(admitted.price.min(1));
    }

    /// What an answer says about the quotas.
    fn note(&mut self, admitted: Admitted, completion: Completion, now: Moment) {
        if let Some(cost) = completion.price.filter(|cost| *cost != admitted.price) {
            self.windows
                .each(|window| window.correct(admitted.price, cost, admitted.sent, now));
            let said = self.interval_if_paced(admitted.price);
            if let Some((said, truly)) = said.zip(self.interval_if_paced(cost)) {
                self.pacer.correct(said, truly);
            }
        }
        if let Some(counter) = completion.counter {
            self.on_counter(counter, admitted, completion, now);
        }
        if completion.outcome == Outcome::RateLimited {
            self.server_quota.on_refusal(admitted.answered_then);
            // A server that says what is left needs no guessing.
            if completion.by_limit && !self.server_quota.is_known() {
                self.learn(admitted, now);
            }
        }
        if completion.outcome == Outcome::Ok {
            self.on_success(1, admitted.price, now);
            if completion.counter.is_none() {
                self.server_quota.on_silent_success();
            }
        }
    }

    /// A limit refuses though places were left.
    fn learn(&mut self, admitted: Admitted, now: Moment) {
        if let Some(of) = self.learnable_quota(admitted.price) {
            self.detector.on_refusal(admitted.generation, of, now);
            self.update_pacing();
        }
    }

    /// So many calls of this price were accepted.
    #[inline]
    fn on_success(&mut self, calls: u32, price: u32, now: Moment) {
        if let Some(of) = self.learnable_quota(price) {
            self.detector.on_success(calls, of, now);
            self.update_pacing();
        }
    }

    /// Of the longest quotas the one that holds the fewest calls of this price.
    #[inline]
    fn learnable_quota(&self, price: u32) -> Option<LearnableQuota> {
        let length = self.learns?;
        let of = |window: &&SlidingWindow| window.may_learn() && window.length() == length;
        let longest = self.windows.iter().filter(of);
        let limit = longest.map(|window| window.capacity_for(price)).min()?;
        Some(LearnableQuota { limit, length })
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
        counter: Counter,
        admitted: Admitted,
        completion: Completion,
        now: Moment,
    ) {
        let told = CounterReading {
            counter,
            answered_then: admitted.answered_then,
            price: admitted.price.min(1),
            max_reset: completion.max_reset,
        };
        self.server_quota.on_counter(told, now);
        // Of several declared quotas, nobody says which one is meant.
        let mut wide = self
            .windows
            .iter_mut()
            .filter(|window| !window.is_burst_window());
        let only = (wide.next(), wide.next());
        let told = counter.limit.zip(counter.resets_in);
        if let ((Some(window), None), Some((limit, resets_in))) = (only, told) {
            window.publish(limit, resets_in);
        }
    }

    /// Forgets what the server has published.
    pub(crate) fn reopen(&mut self) {
        self.server_quota.forget();
    }

    /// A place among the calls at once is free.
    pub(crate) fn release_concurrency(&mut self) {
        self.concurrency.release();
    }

    pub(crate) fn limits_concurrency(&self) -> bool {
        self.concurrency.is_limited()
    }

    /// Whether the server says how much a window holds, so that a reopened gate needs no probe.
    pub(crate) fn has_server_quota(&self) -> bool {
        self.server_quota.is_known()
    }

    /// What is spent of each quota.
    pub(crate) fn usage(&mut self, now: Moment) -> Vec<QuotaUsage> {
        let wide = self
            .windows
            .iter_mut()
            .filter(|window| !window.is_burst_window());
        let declared = wide.map(|window| window.usage(now));
        let others = self.concurrency.usage().into_iter();
        declared
            .chain(others)
            .chain(self.server_quota.usage(now))
            .collect()
    }

    /// Whether nothing is spent that still counts.
    pub(crate) fn is_unused(&mut self, now: Moment) -> bool {
        let paced = self.paced_until(now);
        let mut windows = self.windows.iter_mut();
        windows.all(|window| window.usage(now).used == 0)
            && paced <= now
            && self.server_quota.next(1, now) <= now
            && self
                .concurrency
                .usage()
                .is_none_or(|concurrency| concurrency.used == 0)
    }
}

#[cfg(test)]
mod tests;
