//! All that is spent before sending: the declared quotas, the calls at once, and the published quota.

use std::time::Duration;

use super::Spent;
use super::at_once::AtOnce;
use super::blocked::{Blocked, Reason};
use super::lessons::{Lessons, Of};
use super::published::{Published, Told};
use super::spacing::Spacing;
use super::window::Window;
use super::words::{Ending, Facts, Heard, Pass};
use crate::hint::Counter;
use crate::moment::Moment;

#[derive(Debug)]
pub(crate) struct Allowance {
    windows: Windows,
    at_once: AtOnce,
    published: Published,
    lessons: Lessons,
    /// The longest of the quotas whose calls may have to be spread.
    learns: Option<Duration>,
    spacing: Spacing,
    /// Whether calls are spread now.
    spaced: bool,
}

/// The windows of the declared quotas: hardly ever more than one, which is at hand.
#[derive(Debug, Default)]
struct Windows {
    first: Option<Window>,
    more: Vec<Window>,
}

impl Windows {
    fn of(facts: Facts<'_>) -> Self {
        let caps = facts.quotas.iter().flat_map(Window::of);
        let plans = facts.plans.iter().flat_map(Window::of);
        let mut windows = caps.chain(plans.map(Window::correctable));
        Self {
            first: windows.next(),
            more: windows.collect(),
        }
    }

    #[inline]
    fn each(&mut self, mut ask: impl FnMut(&mut Window)) {
        let Some(first) = &mut self.first else {
            return;
        };
        ask(first);
        self.more.iter_mut().for_each(ask);
    }

    #[inline]
    fn all(&mut self, mut hold: impl FnMut(&mut Window) -> bool) -> bool {
        let Some(first) = &mut self.first else {
            return true;
        };
        hold(first) && self.more.iter_mut().all(hold)
    }

    fn iter(&self) -> impl Iterator<Item = &Window> {
        self.first.iter().chain(&self.more)
    }

    fn iter_mut(&mut self) -> impl Iterator<Item = &mut Window> {
        self.first.iter_mut().chain(&mut self.more)
    }
}

impl Allowance {
    pub(crate) fn of(facts: Facts<'_>) -> Self {
        let windows = Windows::of(facts);
        let learning = windows.iter().filter(|window| window.may_learn());
        let learns = learning.map(Window::length).max();
        let spaced = windows.iter().any(Window::is_paced);
        Self {
            learns,
            spaced,
            spacing: Spacing::default(),
            windows,
            at_once: AtOnce::of(facts),
            published: Published::default(),
            lessons: Lessons::default(),
        }
    }

    /// From when there is enough for a call of this price, as far as can be known now.
    #[inline]
    pub(crate) fn next(&mut self, price: u32, now: Moment) -> Moment {
        let mut declared = now;
        let places = |window: &mut Window| declared = declared.max(window.next_place(price, now));
        self.windows.each(places);
        let published = self.published.next(price.min(1), now);
        let spaced = self.spaced_until(now);
        declared
            .max(self.at_once.next(now))
            .max(published)
            .max(spaced)
    }

    /// From when a call may follow the last one.
    #[inline]
    fn spaced_until(&self, now: Moment) -> Moment {
        if !self.spaced {
            return now;
        }
        let apart = self.apart(1);
        apart.map_or(now, |apart| self.spacing.next(apart, now))
    }

    #[inline]
    fn apart_if_spaced(&self, price: u32) -> Option<Duration> {
        if self.spaced { self.apart(price) } else { None }
    }

    /// How long after a call of this price the next one follows.
    fn apart(&self, price: u32) -> Option<Duration> {
        let taught = self.lessons.are_spread();
        let windows = self.windows.iter();
        windows
            .filter_map(|window| window.apart(price, taught))
            .max()
    }

    /// Until when there is not enough, and of what.
    pub(crate) fn blocked(&mut self, price: u32, now: Moment) -> impl Iterator<Item = Blocked> {
        let windows = self.windows.iter_mut();
        let places = windows.map(|window| window.next_place(price, now));
        let declared = places.max().unwrap_or(now);
        let published = self.published.next(price.min(1), now);
        let all = [
            (declared, Reason::DeclaredQuota),
            (published, Reason::PublishedQuota),
            (self.spaced_until(now), Reason::Pace),
            (self.at_once.next(now), Reason::AtOnce),
        ];
        let blocked = move |(until, reason)| Blocked::until(until, reason, now);
        all.into_iter().filter_map(blocked)
    }

    /// Whether there could ever be enough for this price; if not, how much there is.
    pub(crate) fn affords(&self, price: u32) -> Result<(), u32> {
        let too_dear = |window: &&Window| !window.can_afford(price);
        let limits = self.windows.iter().filter(too_dear).map(Window::limit);
        limits.min().map_or(Ok(()), Err)
    }

    /// Whether there is enough now: the short form of [`next`](Self::next).
    #[inline]
    pub(crate) fn has_place(&mut self, price: u32, now: Moment) -> bool {
        self.at_once.has_place()
            && self.spaced_until(now) <= now
            && self.published.has_place(price.min(1), now)
            && self.windows.all(|window| window.has_place(price, now))
    }

    /// A call is let through. Returns how much had been answered by now.
    #[inline]
    pub(crate) fn take(&mut self, price: u32, now: Moment) -> u32 {
        self.at_once.take();
        self.windows.each(|window| window.take(price, now));
        if let Some(apart) = self.apart_if_spaced(price) {
            self.spacing.let_one(apart, now);
        }
        self.published.send(price.min(1))
    }

    /// Whether a call that was let through may still be sent, if it is sent only now: its places may be over, and be
    /// somebody else's.
    pub(crate) fn may_be_sent(&mut self, pass: Pass, now: Moment) -> bool {
        let mut windows = self.windows.iter_mut();
        windows.all(|window| window.still_fits(pass.price, pass.sent, now))
            && (!self.spaced || self.spacing.may_be_sent(now))
    }

    /// It is sent only now.
    pub(crate) fn sent_later(&mut self, pass: Pass, now: Moment) {
        self.windows.each(|window| {
            window.undo(pass.price, pass.sent);
            window.take(pass.price, now);
        });
    }

    /// A call of this price that was let through is sent.
    #[inline]
    pub(crate) fn is_sent(&mut self, price: u32, now: Moment) {
        if let Some(apart) = self.apart_if_spaced(price) {
            self.spacing.is_sent(apart, now);
        }
    }

    /// A call that was let through is not sent after all.
    pub(crate) fn undo(&mut self, pass: Pass) {
        self.windows.each(|window| {
            window.undo(pass.price, pass.sent);
        });
        if let Some(apart) = self.apart_if_spaced(pass.price) {
            self.spacing.undo(apart);
        }
        self.published.undo(pass.price.min(1));
        self.at_once.free();
    }

    /// A call was dropped on its way: the server may have counted it, and its places stay taken.
    pub(crate) fn dropped(&mut self, pass: Pass) {
        self.published.over(pass.price.min(1));
        self.at_once.free();
    }

    /// The head of an answer is here, or the failure. Where calls at once are limited, it stays one of
    /// them until it is [released](Self::release).
    pub(crate) fn answered(&mut self, pass: Pass, heard: Heard, now: Moment) {
        self.windows
            .each(|window| window.answered(pass.price, pass.sent, now));
        self.note(pass, heard, now);
        self.published.over(pass.price.min(1));
    }

    /// The same, of an answer that says nothing about limits.
    #[inline]
    pub(crate) fn served(&mut self, pass: Pass, now: Moment) {
        self.accepted(1, pass.price, now);
        self.windows
            .each(|window| window.answered(pass.price, pass.sent, now));
        self.published.served_silently();
        self.published.over(pass.price.min(1));
    }

    /// What an answer says about the quotas.
    fn note(&mut self, pass: Pass, heard: Heard, now: Moment) {
        if let Some(cost) = heard.price.filter(|cost| *cost != pass.price) {
            self.windows
                .each(|window| window.correct(pass.price, cost, pass.sent, now));
            let said = self.apart_if_spaced(pass.price);
            if let Some((said, truly)) = said.zip(self.apart_if_spaced(cost)) {
                self.spacing.correct(said, truly);
            }
        }
        if let Some(counter) = heard.counter {
            self.hear(counter, pass, heard, now);
        }
        if heard.ending == Ending::Refused {
            self.published.contradicted(pass.answered_then);
            // A server that says what is left needs no guessing.
            if heard.by_a_limit && !self.published.is_known() {
                self.learn(pass, now);
            }
        }
        if heard.ending == Ending::Accepted {
            self.accepted(1, pass.price, now);
            if heard.counter.is_none() {
                self.published.served_silently();
            }
        }
    }

    /// A limit refuses though places were left.
    fn learn(&mut self, pass: Pass, now: Moment) {
        if let Some(of) = self.learns_of(pass.price) {
            self.lessons.refused(pass.epoch, of, now);
            self.heed();
        }
    }

    /// So many calls of this price were accepted.
    #[inline]
    fn accepted(&mut self, calls: u32, price: u32, now: Moment) {
        if let Some(of) = self.learns_of(price) {
            self.lessons.accepted(calls, of, now);
            self.heed();
        }
    }

    /// Of the longest quotas the one that holds the fewest calls of this price.
    #[inline]
    fn learns_of(&self, price: u32) -> Option<Of> {
        let length = self.learns?;
        let of = |window: &&Window| window.may_learn() && window.length() == length;
        let longest = self.windows.iter().filter(of);
        let limit = longest.map(|window| window.holds(price)).min()?;
        Some(Of { limit, length })
    }

    #[inline]
    fn heed(&mut self) {
        if self.spaced != self.lessons.are_spread() {
            let declared = self.windows.iter().any(Window::is_paced);
            self.spaced = declared || self.lessons.are_spread();
        }
    }

    fn hear(&mut self, counter: Counter, pass: Pass, heard: Heard, now: Moment) {
        let told = Told {
            counter,
            answered_then: pass.answered_then,
            price: pass.price.min(1),
            believed_for: heard.believed_for,
        };
        self.published.hear(told, now);
        // Of several declared quotas, nobody says which one is meant.
        let mut wide = self.windows.iter_mut().filter(|window| !window.is_narrow());
        let only = (wide.next(), wide.next());
        let told = counter.limit.zip(counter.resets_in);
        if let ((Some(window), None), Some((limit, resets_in))) = (only, told) {
            window.publish(limit, resets_in);
        }
    }

    /// Forgets what the server has published.
    pub(crate) fn reopen(&mut self) {
        self.published.forget();
    }

    /// A place among the calls at once is free.
    pub(crate) fn release(&mut self) {
        self.at_once.free();
    }

    pub(crate) fn limits_at_once(&self) -> bool {
        self.at_once.is_limited()
    }

    /// Whether the server says how much a window holds, so that a reopened gate needs no probe.
    pub(crate) fn is_published(&self) -> bool {
        self.published.is_known()
    }

    /// What is spent of each quota.
    pub(crate) fn spent(&mut self, now: Moment) -> Vec<Spent> {
        let wide = self.windows.iter_mut().filter(|window| !window.is_narrow());
        let declared = wide.map(|window| window.spent(now));
        let others = self.at_once.spent().into_iter();
        declared
            .chain(others)
            .chain(self.published.spent(now))
            .collect()
    }

    /// Whether nothing is spent that still counts.
    pub(crate) fn is_whole(&mut self, now: Moment) -> bool {
        let spaced = self.spaced_until(now);
        let mut windows = self.windows.iter_mut();
        windows.all(|window| window.spent(now).spent == 0)
            && spaced <= now
            && self.published.next(1, now) <= now
            && self
                .at_once
                .spent()
                .is_none_or(|at_once| at_once.spent == 0)
    }
}

#[cfg(test)]
mod tests;
