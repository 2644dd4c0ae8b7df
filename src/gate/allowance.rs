//! All that is spent before sending: the declared quotas, the calls at once, and the published quota.

use std::time::Duration;

use super::Spent;
use super::at_once::AtOnce;
use super::book::Done;
use super::cooldown::Shut;
use super::lessons::{Lesson, Lessons};
use super::looks::{Looks, Unread};
use super::published::Published;
use super::quota::Quota;
use super::window::Window;
use super::words::{Ahead, Ending, Heard, Pass};
use crate::hint::Counter;
use crate::moment::Moment;

#[derive(Debug)]
pub(crate) struct Allowance {
    windows: Windows,
    at_once: AtOnce,
    published: Published,
    looks: Looks,
    lessons: Lessons,
}

/// The windows of the declared quotas: hardly ever more than one, which is at hand.
#[derive(Debug, Default)]
struct Windows {
    first: Option<Window>,
    more: Vec<Window>,
}

impl Windows {
    fn of(quotas: &[Quota]) -> Self {
        let mut windows = quotas.iter().flat_map(Window::of);
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

    /// The shortest, of which it can be learned that its calls have to be spread: nobody has said how they lie in
    /// it. Those of an hour are let be: spread, they would be far between, and something shorter is meant.
    fn to_learn_of(&self) -> Option<&Window> {
        const LONGEST: Duration = Duration::from_secs(60);
        let windows = || self.iter().filter(|window| !window.is_narrow());
        let shortest = windows().min_by_key(|window| window.length())?;
        let plain = shortest.length() <= LONGEST && !shortest.is_priced();
        plain.then_some(shortest)
    }

    fn are_spread(&self) -> bool {
        self.iter().any(Window::is_narrow)
    }

    fn iter(&self) -> impl Iterator<Item = &Window> {
        self.first.iter().chain(&self.more)
    }

    fn iter_mut(&mut self) -> impl Iterator<Item = &mut Window> {
        self.first.iter_mut().chain(&mut self.more)
    }
}

impl Allowance {
    pub(crate) fn of(quotas: &[Quota]) -> Self {
        Self {
            windows: Windows::of(quotas),
            at_once: AtOnce::of(quotas),
            published: Published::default(),
            looks: Looks::default(),
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
        declared.max(self.at_once.next(now)).max(published)
    }

    /// Until when there is not enough for certain, and by whom.
    pub(crate) fn shut_until(&mut self, price: u32, now: Moment) -> Option<Shut> {
        let windows = self.windows.iter_mut();
        let places = windows.map(|window| window.next_place(price, now));
        let declared = places.max().map(|until| (until, "the declared quota"));
        let published = (
            self.published.next(price.min(1), now),
            "the published quota",
        );
        let (until, decided_by) = declared.into_iter().chain([published]).max()?;
        let decided_by = decided_by.into();
        (until > now).then_some(Shut { until, decided_by })
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
            && self.published.has_place(price.min(1), now)
            && self.windows.all(|window| window.has_place(price, now))
    }

    /// A call is let through. Returns which answers to it need not be looked at, and how much had been
    /// answered by now.
    #[inline]
    pub(crate) fn take(&mut self, price: u32, now: Moment) -> (Unread, u32) {
        self.at_once.take();
        self.windows.each(|window| window.take(price, now));
        let unread = match self.published.plenty() {
            Some(left) => self.looks.next(left, now),
            None => Unread::default(),
        };
        (unread, self.published.send(price.min(1)))
    }

    /// The calls of the price of one for which there is enough, too, and plenty is left after them.
    pub(super) fn ahead(&self, now: Moment) -> Option<Ahead> {
        if self.limits_at_once() {
            return None;
        }
        let (calls, until) = self.published.ahead();
        let ahead = self.looks.ahead()?.at_most(calls).until(until);
        let mut windows = self.windows.iter();
        windows.try_fold(ahead, |ahead, window| Some(ahead.until(window.ahead(now)?)))
    }

    /// So many calls of the price of one were let through at a moment, and so many of those from then have been served
    /// by now.
    pub(super) fn catch_up(&mut self, done: Done, now: Moment) {
        let (Done { sent, served, .. }, then) = (done, done.pass.sent);
        self.windows.each(|window| {
            window.take_more(sent, then);
            window.more_answered(served, then, now);
        });
        self.accepted(served);
        self.looks.skipped(sent);
        self.published.send(sent);
        self.published.over(served);
    }

    /// A call that was let through is sent only now.
    pub(crate) fn sent_later(&mut self, pass: Pass, now: Moment) {
        self.windows.each(|window| {
            window.undo(pass.price, pass.sent, now);
            window.take(pass.price, now);
        });
    }

    /// A call that was let through is not sent after all.
    pub(crate) fn undo(&mut self, pass: Pass) {
        self.windows.each(|window| {
            window.undo(pass.price, pass.sent, pass.sent);
        });
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
    pub(crate) fn answered(&mut self, pass: Pass, heard: Heard, in_flight: u32, now: Moment) {
        self.windows
            .each(|window| window.answered(pass.price, pass.sent, now));
        self.note(pass, heard, in_flight, now);
        self.published.over(pass.price.min(1));
    }

    /// The same, of an answer that nobody has looked at.
    #[inline]
    pub(crate) fn served(&mut self, pass: Pass, now: Moment) {
        self.accepted(1);
        self.windows
            .each(|window| window.answered(pass.price, pass.sent, now));
        self.published.over(pass.price.min(1));
    }

    /// What an answer says about the quotas.
    fn note(&mut self, pass: Pass, heard: Heard, in_flight: u32, now: Moment) {
        if let Some(cost) = heard.price.filter(|cost| *cost != pass.price) {
            self.windows
                .each(|window| window.correct(pass.price, cost, pass.sent, now));
        }
        if let Some(headers) = heard.looked_at {
            self.looks.looked(headers, heard.counter.is_some());
        }
        if let Some(counter) = heard.counter {
            self.hear(counter, pass, now);
        }
        if heard.ending == Ending::Refused {
            self.looks.all_again();
            self.published.contradicted(pass.answered_then);
            if heard.by_a_limit {
                self.learn(pass.epoch, in_flight, now);
            }
        }
        if heard.ending == Ending::Accepted {
            self.accepted(1);
        }
    }

    /// A limit refuses though places were left, and though few of the calls before were accepted: many were if
    /// others use the key.
    fn learn(&mut self, epoch: u16, in_flight: u32, now: Moment) {
        let declared = self.windows.are_spread() && !self.lessons.are_spread();
        let Some(window) = self.windows.to_learn_of().filter(|_| !declared) else {
            return;
        };
        let (limit, spread) = (window.limit(), window.spread());
        let accepted = window.sent_lately(now).saturating_sub(in_flight);
        if self.lessons.are_spread() || accepted < limit / 2 {
            let lesson = self.lessons.refused(epoch, limit);
            self.heed(lesson, spread);
        }
    }

    /// So many calls were accepted.
    #[inline]
    fn accepted(&mut self, calls: u32) {
        if self.lessons.are_begun() {
            self.none_refused(calls);
        }
    }

    #[cold]
    fn none_refused(&mut self, calls: u32) {
        if let Some(window) = self.windows.to_learn_of() {
            let spread = window.spread();
            let lesson = self.lessons.accepted(calls, window.limit());
            self.heed(lesson, spread);
        }
    }

    fn heed(&mut self, lesson: Option<Lesson>, spread: Window) {
        match lesson {
            Some(Lesson::Spread) => self.windows.more.push(spread),
            Some(Lesson::SpreadNoLonger) => self.windows.more.retain(|window| !window.is_narrow()),
            None => {}
        }
    }

    fn hear(&mut self, counter: Counter, pass: Pass, now: Moment) {
        let thought = self.published.left();
        self.published
            .hear(counter, pass.answered_then, pass.price.min(1), now);
        if Looks::are_apart(self.published.left(), thought) {
            self.looks.all_again();
        }
        // Of several declared quotas, nobody says which one is meant.
        let mut wide = self.windows.iter_mut().filter(|window| !window.is_narrow());
        if let (Some(window), None, Some(limit)) = (wide.next(), wide.next(), counter.limit) {
            window.publish(limit, counter.resets_in);
        }
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
        let mut windows = self.windows.iter_mut();
        windows.all(|window| window.spent(now).spent == 0)
            && self.published.next(1, now) <= now
            && self
                .at_once
                .spent()
                .is_none_or(|at_once| at_once.spent == 0)
    }
}
