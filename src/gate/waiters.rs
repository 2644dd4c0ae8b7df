//! The calls that wait at a gate: whose turn it is, and which of them hold a timer.

mod line;
mod number;

pub(super) use self::number::arrivals_before;

use std::collections::HashSet;
use std::time::Duration;

use self::line::{Line, Waiter};
use self::number::{first_number, priority_of};
use crate::retry::Priority;
use crate::time::Moment;

/// A first waiter that could go and does not ask for this long has stalled.
/// It may sit in a future that is not polled, and the others must not wait for it.
pub(super) const STALLED_AFTER: Duration = Duration::from_secs(1);

/// Spreads timers that would ring together.
/// The last one rings when the first call that was woken has taken another.
pub(super) fn timer_offset(number: u64) -> Duration {
    const WITHIN: u64 = 250;
    Duration::from_millis(number % WITHIN)
}

/// The waiting calls of a gate, each with a handle `W` that wakes it.
/// Its number tells the priority of a call, and when it arrived among those.
#[derive(Debug)]
#[repr(C)] // what every call touches first
pub(super) struct Waiters<W> {
    /// Since when the first waiter could have gone.
    due: Option<Moment>,
    /// The cost of the first waiter, once it has asked.
    first_cost: u32,
    /// How many are skipped next time, if none comes before.
    stalled: usize,
    normal: Line<W>,
    /// The calls of the other priorities, once there was one.
    others: Option<Box<OtherLines<W>>>,
    /// The numbers of those whose timers have not rung.
    timer_holders: HashSet<u64>,
    /// Whether a call without a timer waits.
    some_without_timer: bool,
    /// No waiting call's patience ends before this.
    earliest: Option<Moment>,
    /// The longest patience since the queue was empty.
    latest_deadline: Option<Moment>,
}

/// The lines that most gates never need, and whose turn it is.
#[derive(Debug)]
struct OtherLines<W> {
    urgent: Line<W>,
    background: Line<W>,
    /// How many calls of other priorities were admitted while normal ones, and those in the background, waited.
    passed_over: [u32; 2],
}

/// A priority whose calls wait gets one of this many admissions.
const SHARE: u32 = 10;

const PRIORITIES: [Priority; 3] = [Priority::Urgent, Priority::Normal, Priority::Background];

impl<W> Default for OtherLines<W> {
    fn default() -> Self {
        Self {
            urgent: Line::after(first_number(Priority::Urgent)),
            background: Line::after(first_number(Priority::Background)),
            passed_over: [0; 2],
        }
    }
}

impl<W> Default for Waiters<W> {
    fn default() -> Self {
        Self {
            due: None,
            first_cost: 0,
            stalled: 1,
            normal: Line::after(first_number(Priority::Normal)),
            others: None,
            timer_holders: HashSet::new(),
            some_without_timer: false,
            earliest: None,
            latest_deadline: None,
        }
    }
}

impl<W: Clone> Waiters<W> {
    /// With no more than this many, each has a timer.
    const FEW: usize = if cfg!(model) { 2 } else { 64 };
    /// Of more, the first has one, and one in 32: should the first be asleep, it is noticed.
    const TIMER_HOLDERS: u64 = if cfg!(model) { 3 } else { 32 };

    /// Numbers a new call.
    pub(super) fn arrive(&mut self, priority: Priority) -> u64 {
        self.line_mut(priority).arrive()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    pub(super) fn len(&self) -> usize {
        let others = self.others.as_deref();
        self.normal.len() + others.map_or(0, |others| others.urgent.len() + others.background.len())
    }

    /// How many calls wait that a new one of this priority does not go before.
    pub(super) fn len_before(&self, priority: Priority) -> usize {
        let lines = PRIORITIES
            .into_iter()
            .take_while(|other| *other as u8 <= priority as u8);
        lines
            .filter_map(|other| self.line(other))
            .map(Line::len)
            .sum()
    }

    fn line(&self, priority: Priority) -> Option<&Line<W>> {
        let others = self.others.as_deref();
        match priority {
            Priority::Urgent => others.map(|others| &others.urgent),
            Priority::Normal => Some(&self.normal),
            Priority::Background => others.map(|others| &others.background),
        }
    }

    fn line_mut(&mut self, priority: Priority) -> &mut Line<W> {
        match priority {
            Priority::Urgent => &mut self.others.get_or_insert_default().urgent,
            Priority::Normal => &mut self.normal,
            Priority::Background => &mut self.others.get_or_insert_default().background,
        }
    }

    fn lines(&self) -> impl Iterator<Item = &Line<W>> {
        PRIORITIES
            .into_iter()
            .filter_map(|priority| self.line(priority))
    }

    /// Whose turn it is, if a call `with` this priority were there, too.
    /// The lowest priority that was passed over too often, else the highest.
    fn whose_turn(&self, with: Option<Priority>) -> Option<Priority> {
        let waits = |priority: &Priority| {
            let line = self.line(*priority);
            with == Some(*priority) || line.is_some_and(|line| line.first().is_some())
        };
        let [of_normal, of_background] = self.others.as_deref().map_or([0; 2], |o| o.passed_over);
        let starving = [
            (Priority::Background, of_background),
            (Priority::Normal, of_normal),
        ];
        let mut starving = starving
            .into_iter()
            .filter(|(priority, passed)| *passed >= SHARE - 1 && waits(priority));
        let starving = starving.next().map(|(priority, _)| priority);
        starving.or_else(|| PRIORITIES.into_iter().find(waits))
    }

    /// Whether this is an urgent call, and no other urgent one goes before it.
    pub(super) fn is_first_urgent(&self, number: u64) -> bool {
        let first = self.line(Priority::Urgent).and_then(Line::first);
        priority_of(number) == Priority::Urgent && first.is_none_or(|(first, _)| first >= number)
    }

    /// Numbers a call that is refused again and again anew: it goes behind the others, whatever its priority.
    pub(super) fn arrive_behind(&mut self, number: u64, is_refused_again: bool) -> u64 {
        if let Some(others) = self.others.as_deref_mut().filter(|_| is_refused_again) {
            others.passed_over = [SHARE; 2];
        }
        self.arrive(priority_of(number))
    }

    /// Whether no other call goes before the one with this number.
    pub(super) fn is_first(&self, number: u64) -> bool {
        let priority = priority_of(number);
        if self.others.is_some() && self.whose_turn(Some(priority)) != Some(priority) {
            return false;
        }
        let first = self.line(priority).and_then(Line::first);
        first.is_none_or(|(first, _)| first >= number)
    }

    /// Whether this call, whose patience ends at `latest`, needs a timer of its own.
    /// All others are woken in their turn. The timers of the calls before it wake it in time only if their patience
    /// is no longer.
    pub(super) fn should_hold_timer(&mut self, number: u64, latest: Moment) -> bool {
        self.timer_holders.remove(&number);
        let hasty = Some(latest) < self.latest_deadline;
        let takes = self.len() <= Self::FEW
            || self.timer_holders.is_empty()
            || hasty
            || Self::holds_a_timer(number)
            || self.is_first(number);
        if takes {
            self.timer_holders.insert(number);
        } else {
            self.some_without_timer = true;
        }
        takes
    }

    /// Picks one call in 32, by a hash: were all timers held by one task, none would ring if it stops.
    const fn holds_a_timer(number: u64) -> bool {
        let mixed = number.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        (mixed ^ mixed >> 32) % Self::TIMER_HOLDERS == 0
    }

    /// Says which calls to wake when the timer of this one rings.
    /// Itself, the next in turn, and those whose patience has ended. If it was the last timer, all are, so that one
    /// of them takes another.
    pub(super) fn on_timer(&mut self, number: u64, now: Moment) -> Vec<W> {
        self.timer_holders.remove(&number);
        if self.timer_holders.is_empty() && self.some_without_timer {
            self.some_without_timer = false;
            return self.all();
        }
        let mut woken = self.expiring_before(now);
        woken.extend(self.get(number).map(|waiting| waiting.waker.clone()));
        woken.extend(self.first());
        woken
    }

    /// When the first deadline of all ends, or a little before.
    pub(super) fn earliest_deadline(&self) -> Option<Moment> {
        self.earliest
    }

    /// Queues a call, or keeps its place.
    /// Returns the waker that was there before, which may own anything and so has to be dropped when the lock is
    /// free.
    pub(super) fn park(&mut self, number: u64, latest: Moment, waker: W) -> Option<W> {
        self.earliest = Some(
            self.earliest
                .map_or(latest, |earliest| earliest.min(latest)),
        );
        self.latest_deadline = self.latest_deadline.max(Some(latest));
        let waiting = Waiter { waker, latest };
        let before = self.line_mut(priority_of(number)).park(number, waiting);
        before.map(|waiting| waiting.waker)
    }

    /// Takes a call out of the queue. Returns its waker.
    pub(super) fn leave(&mut self, number: u64) -> Option<W> {
        self.first_cost = 0;
        let left = self.line_mut(priority_of(number)).leave(number);
        self.timer_holders.remove(&number);
        if self.is_empty() {
            (self.earliest, self.latest_deadline, self.some_without_timer) = (None, None, false);
            self.timer_holders.shrink_to(Self::FEW);
        }
        left.map(|waiting| waiting.waker)
    }

    fn get(&self, number: u64) -> Option<&Waiter<W>> {
        self.line(priority_of(number))?.get(number)
    }

    /// The waker of the first waiter.
    pub(super) fn first(&self) -> Option<W> {
        let turn = self.whose_turn(None).and_then(|turn| self.line(turn));
        let present = turn.and_then(Line::first).map(|(_, first)| first);
        let first = present.or_else(|| self.lines().find_map(Line::first_skipped))?;
        Some(first.waker.clone())
    }

    /// Notes that a call is admitted: the first waiter may have to wait anew.
    #[inline]
    pub(super) fn on_admit(&mut self) {
        self.due = None;
    }

    /// Notes that the turn of this call has come: calls of other priorities were passed over.
    pub(super) fn on_turn(&mut self, number: u64) {
        let Some(others) = self.others.as_deref_mut() else {
            return;
        };
        let waits = [self.normal.len() > 0, others.background.len() > 0];
        let lower = [Priority::Normal, Priority::Background];
        for ((passed_over, waits), priority) in others.passed_over.iter_mut().zip(waits).zip(lower)
        {
            *passed_over = match waits && priority != priority_of(number) {
                true => passed_over.saturating_add(1),
                false => 0,
            };
        }
    }

    /// Notes that the first waiter came when it could.
    pub(super) fn first_came(&mut self) {
        self.stalled = 1;
    }

    /// Notes that the first waiter has asked, at this cost, and cannot go yet.
    pub(super) fn first_asked(&mut self, cost: u32) {
        (self.first_cost, self.due) = (cost, None);
    }

    /// The cost of the first waiter, or 0 if it has not asked.
    pub(super) fn first_cost(&self) -> u32 {
        self.first_cost
    }

    /// Forgets since when the first waiter could have gone.
    pub(super) fn reset_stalled(&mut self) {
        self.due = None;
    }

    /// Skips the first waiter if it could have gone for long and did not ask.
    /// More and more of those behind it that do not come either are skipped, too. Returns the calls to wake: those
    /// that were skipped, and the one that is first now.
    ///
    /// Now and then only: were the first woken by each call that asks, two calls of one task would wake each other for
    /// ever.
    pub(super) fn skip_stalled(&mut self, now: Moment) -> Vec<W> {
        let mut woken = Vec::new();
        if let Some(due) = self.due {
            if now.since(due) < STALLED_AFTER {
                return woken;
            }
            woken = self.skip(self.stalled);
            self.stalled *= 2;
        }
        self.due = Some(now);
        woken.extend(self.first());
        woken
    }

    /// Skips the first `calls`, until they ask.
    /// Those that held no timer may not have known that they could go.
    fn skip(&mut self, calls: usize) -> Vec<W> {
        let mut skipped_now = Vec::new();
        while skipped_now.len() < calls {
            let Some(turn) = self.whose_turn(None) else {
                break;
            };
            let skipped = self.line_mut(turn).skip_first();
            skipped_now.extend(skipped.map(|skipped| skipped.waker.clone()));
        }
        skipped_now
    }

    /// The wakers of all whose patience ends before `moment`.
    pub(super) fn expiring_before(&mut self, moment: Moment) -> Vec<W> {
        if self.earliest.is_none_or(|earliest| earliest >= moment) {
            return Vec::new();
        }
        let mut remaining = None;
        let mut expiring = Vec::new();
        for (_, waiting) in self.iter() {
            if waiting.latest < moment {
                expiring.push(waiting.waker.clone());
            } else {
                let latest = waiting.latest;
                remaining = Some(remaining.map_or(latest, |earliest: Moment| earliest.min(latest)));
            }
        }
        self.earliest = remaining;
        expiring
    }

    /// The calls without a timer, once they are few enough that each takes one, or if none has one.
    pub(super) fn if_few_left(&mut self) -> Vec<W> {
        let few = self.len() <= Self::FEW || self.timer_holders.is_empty();
        if !self.some_without_timer || !few {
            return Vec::new();
        }
        self.some_without_timer = false;
        self.by_timer(false)
    }

    /// The calls whose timers have not rung.
    pub(super) fn timer_holders(&self) -> Vec<W> {
        self.by_timer(true)
    }

    fn by_timer(&self, holds: bool) -> Vec<W> {
        self.iter()
            .filter(|(number, _)| self.timer_holders.contains(number) == holds)
            .map(|(_, waiting)| waiting.waker.clone())
            .collect()
    }

    /// The wakers of all calls.
    pub(super) fn all(&self) -> Vec<W> {
        let waiting = self.iter();
        waiting.map(|(_, waiting)| waiting.waker.clone()).collect()
    }

    fn iter(&self) -> impl Iterator<Item = (u64, &Waiter<W>)> {
        self.lines().flat_map(Line::iter)
    }
}

#[cfg(test)]
mod tests;
