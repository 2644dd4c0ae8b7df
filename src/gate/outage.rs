//! A server that is out, or that has just come back.
//!
//! One failure is a call's own affair; five in a row, over at least a second and with no answer below
//! 500 between, are everybody's: then one probe at growing intervals asks whether it is back, and
//! when it is, the pace grows from a few calls a second. One broken endpoint among good ones never
//! gets there, since the good ones answer.

use crate::moment::Moment;
use std::time::Duration;

const IN_A_ROW: u32 = 5;
/// After an outage, so many failures in a row mean that the pace is too fast; one is a hiccup.
const TOO_FAST: u32 = 3;
const FOR_AT_LEAST: Duration = Duration::from_secs(1);
const FIRST_INTERVAL: Duration = Duration::from_secs(1);
const LONGEST_INTERVAL: Duration = Duration::from_secs(8);
/// A probe that keeps silent for this long is followed by another.
const SILENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
pub(crate) struct Outage {
    in_a_row: u32,
    first: Option<Moment>,
    out: Option<Out>,
    pace: Option<Pace>,
}

/// What looks like an outage, from the fifth failure on.
#[derive(Debug)]
struct Out {
    /// Until then it may be a hiccup: only retries wait.
    sure_from: Moment,
    /// A failure after that has made it sure.
    sure: bool,
    interval: Duration,
    probe_at: Moment,
}

impl Outage {
    /// Nothing has failed lately, and nothing is paced: the rule.
    #[inline]
    fn is_calm(&self) -> bool {
        self.in_a_row == 0 && self.out.is_none() && self.pace.is_none()
    }

    /// From when one more may go.
    #[inline]
    pub(crate) fn next(&self, now: Moment) -> Moment {
        if self.is_calm() {
            return now;
        }
        let out = self.out.as_ref().filter(|out| now >= out.sure_from);
        let paced = self.pace.as_ref().map_or(now, |pace| pace.next);
        out.map_or(paced, |out| out.probe_at)
    }

    /// Whether it is an outage and not a hiccup.
    pub(crate) fn is_sure(&self, now: Moment) -> bool {
        let out = self.out.as_ref().filter(|out| now >= out.sure_from);
        out.is_some_and(|out| out.sure)
    }

    /// Until when retries have to wait, because it looks as if the server were out.
    pub(crate) fn suspected_until(&self) -> Option<Moment> {
        self.out.as_ref().map(|out| out.probe_at)
    }

    #[inline]
    pub(crate) fn let_one(&mut self, now: Moment) {
        if self.is_calm() {
            return;
        }
        self.forget_old_pace(now);
        if let Some(out) = self.out.as_mut().filter(|out| now >= out.sure_from) {
            out.probe_at = now + SILENCE;
        }
        if let Some(pace) = &mut self.pace {
            pace.let_one(now);
        }
    }

    /// A 5xx without a wait, or a broken connection, of a call that was sent then.
    pub(crate) fn failed(&mut self, sent: Moment, now: Moment) {
        self.in_a_row = self.in_a_row.saturating_add(1);
        let too_fast = self.in_a_row >= TOO_FAST;
        if let Some(pace) = self.pace.as_mut().filter(|_| too_fast) {
            pace.failed(sent, now);
        }
        let first = *self.first.get_or_insert(now);
        match &mut self.out {
            // Calls that were on their way before it was sure say nothing new.
            Some(out) if now >= out.sure_from && sent >= out.sure_from => {
                out.interval = (out.interval * 2).min(LONGEST_INTERVAL);
                out.probe_at = now + out.interval;
                out.sure = true;
            }
            None if self.in_a_row >= IN_A_ROW => {
                let sure_from = (first + FOR_AT_LEAST).max(now);
                self.out = Some(Out {
                    sure_from,
                    sure: false,
                    interval: FIRST_INTERVAL / 2,
                    probe_at: sure_from,
                });
            }
            _ => {}
        }
    }

    /// A call that was let through at this moment was not answered, but dropped: somebody else may
    /// probe.
    pub(crate) fn gone(&mut self, sent: Moment) {
        if let Some(out) = self.out.as_mut().filter(|out| sent >= out.sure_from) {
            out.probe_at = out.probe_at.min(sent + out.interval);
        }
    }

    fn forget_old_pace(&mut self, now: Moment) {
        if self.pace.as_ref().is_some_and(|pace| pace.is_idle(now)) {
            self.pace = None;
        }
    }

    /// Any answer below 500.
    #[inline]
    pub(crate) fn answered(&mut self, now: Moment) {
        if self.is_calm() {
            return;
        }
        self.forget_old_pace(now);
        (self.in_a_row, self.first) = (0, None);
        if self.out.take().is_some_and(|out| out.sure) {
            self.pace = Some(Pace::new(now));
        }
        if let Some(pace) = &mut self.pace {
            pace.answered(now);
            if pace.is_over() {
                self.pace = None;
            }
        }
    }
}

/// So many calls a second, evenly spread: twice as many with every second that goes well, until one
/// fails. What that second held is the new pace, less a little; from there it grows back to just below
/// the pace that failed, and only rarely beyond.
#[derive(Debug)]
struct Pace {
    per_second: u32,
    next: Moment,
    second: Moment,
    let_through: u32,
    answered: u32,
    answered_before: u32,
    /// Failures of calls that were sent before this are old news.
    changed: Moment,
    /// The pace that was too fast.
    too_fast: Option<u32>,
    /// Seconds since it was, or that did not need the pace.
    calm: u32,
}

impl Pace {
    const FIRST: u32 = 20;
    const SECOND: Duration = Duration::from_secs(1);
    /// Seconds that did not need the pace, after which it is given up.
    const CALM: u32 = 5;
    /// Seconds below a pace that failed, after which it is tried once more.
    const PATIENT: u32 = 30;

    fn new(now: Moment) -> Self {
        Self {
            per_second: Self::FIRST,
            next: now,
            second: now,
            let_through: 0,
            answered: 0,
            answered_before: 0,
            changed: now,
            too_fast: None,
            calm: 0,
        }
    }

    fn let_one(&mut self, now: Moment) {
        self.turn(now);
        self.let_through += 1;
        self.next = self.next.max(now) + Self::SECOND / self.per_second;
    }

    fn answered(&mut self, now: Moment) {
        self.turn(now);
        self.answered += 1;
    }

    fn failed(&mut self, sent: Moment, now: Moment) {
        if sent < self.changed {
            return;
        }
        let held = self.answered.max(self.answered_before).max(1);
        self.too_fast = Some(self.per_second);
        let least = Self::FIRST.min(self.per_second);
        self.per_second = (held - held.div_ceil(20)).clamp(least, self.per_second);
        self.calm = 0;
        (self.answered, self.answered_before, self.let_through) = (0, 0, 0);
        self.second = now + Self::SECOND;
        self.changed = self.second;
        self.next = self.second;
    }

    fn turn(&mut self, now: Moment) {
        if now < self.second + Self::SECOND {
            return;
        }
        let used = self.let_through * 2 > self.per_second;
        // What was too fast is tried again now and then: the server may have grown.
        self.too_fast = self.too_fast.filter(|_| self.calm < Self::PATIENT);
        let more = match self.too_fast {
            None if used => self.per_second.saturating_mul(2),
            Some(limit) if used => {
                let below = limit - limit.div_ceil(20);
                (self.per_second + self.per_second.div_ceil(4)).min(below)
            }
            _ => 0,
        };
        self.per_second = self.per_second.max(more);
        let at_rest = !used || self.too_fast.is_some();
        self.calm = if at_rest { self.calm + 1 } else { 0 };
        (self.answered_before, self.answered, self.let_through) = (self.answered, 0, 0);
        self.second = now;
    }

    fn is_idle(&self, now: Moment) -> bool {
        now.since(self.second) > Self::SECOND * 60
    }

    fn is_over(&self) -> bool {
        self.too_fast.is_none() && self.calm >= Self::CALM
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(outage: &mut Outage, times: u32, now: Moment) {
        (0..times).for_each(|_| outage.failed(now, now));
    }

    #[test]
    fn five_failures_in_a_row_over_a_second_are_an_outage() {
        let now = Moment::now();
        let mut outage = Outage::default();
        fail(&mut outage, 64, now);
        assert!(!outage.is_sure(now), "all at once prove nothing");
        assert_eq!(outage.next(now), now, "new calls go on");
        let later = now + Duration::from_secs(1);
        assert_eq!(outage.suspected_until(), Some(later), "retries wait");
        outage.let_one(later);
        assert!(outage.next(later) > later, "one asks");
        fail(&mut outage, 1, later);
        assert!(outage.is_sure(later));
        assert_eq!(outage.next(later), later + FIRST_INTERVAL);
    }

    #[test]
    fn one_answer_below_500_among_failures_is_no_outage() {
        let mut now = Moment::now();
        let mut outage = Outage::default();
        for _ in 0..100 {
            fail(&mut outage, 4, now);
            outage.answered(now);
            now += Duration::from_millis(500);
        }
        assert!(!outage.is_sure(now) && outage.next(now) <= now);
    }

    #[test]
    fn probes_come_at_growing_intervals() {
        let mut now = Moment::now();
        let mut outage = Outage::default();
        fail(&mut outage, 5, now);
        now += Duration::from_secs(1);
        fail(&mut outage, 1, now);
        let mut intervals = Vec::new();
        for _ in 0..6 {
            let probe = outage.next(now);
            intervals.push((probe - now).as_secs());
            outage.let_one(probe);
            outage.failed(probe, probe);
            now = probe;
        }
        assert_eq!(intervals, [1, 2, 4, 8, 8, 8]);
    }

    #[test]
    fn after_an_outage_the_pace_doubles_every_second() {
        let mut now = Moment::now();
        let mut outage = Outage::default();
        fail(&mut outage, 5, now);
        now += Duration::from_secs(1);
        fail(&mut outage, 1, now);
        outage.answered(now);
        let start = now;
        let mut seconds = [0_u32; 4];
        while now < start + Duration::from_secs(4) {
            seconds[(now - start).as_secs() as usize] += 1;
            outage.let_one(now);
            outage.answered(now);
            now = outage.next(now).max(now);
        }
        assert!(seconds[0] <= 21 && seconds[3] >= 120, "{seconds:?}");
    }
}
