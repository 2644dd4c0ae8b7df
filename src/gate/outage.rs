//! A server that is out, or that has just come back.
//!
//! One failure is a call's own affair; five in a row, over at least a second and with no answer below
//! 500 between, are everybody's: then one probe at growing intervals asks whether it is back, and
//! when it is, the pace grows from a few calls a second. One broken endpoint among good ones never
//! gets there, since the good ones answer.

use super::blocked::Reason;
use super::pace::Pace;
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

/// What has failed lately; usually nothing.
#[derive(Debug, Default)]
pub(crate) struct Outage {
    trouble: Option<Box<Trouble>>,
}

#[derive(Debug, Default)]
struct Trouble {
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
    pub(crate) fn is_calm(&self) -> bool {
        self.trouble.is_none()
    }

    /// From when one more may go.
    #[inline]
    pub(crate) fn next(&self, now: Moment) -> Moment {
        let trouble = self.trouble.as_ref();
        trouble.map_or(now, |trouble| trouble.next(now))
    }

    /// What keeps calls, if anything here does.
    pub(crate) fn reason(&self, now: Moment) -> Reason {
        if self.is_sure(now) {
            Reason::Outage
        } else {
            Reason::RecoveryPace
        }
    }

    /// Whether it is an outage and not a hiccup.
    pub(crate) fn is_sure(&self, now: Moment) -> bool {
        let trouble = self.trouble.as_ref();
        trouble.is_some_and(|trouble| trouble.is_sure(now))
    }

    /// Until when retries have to wait, because it looks as if the server were out.
    pub(crate) fn suspected_until(&self) -> Option<Moment> {
        self.trouble.as_ref()?.suspected_until()
    }

    #[inline]
    pub(crate) fn let_one(&mut self, now: Moment) {
        if let Some(trouble) = &mut self.trouble {
            trouble.let_one(now);
        }
    }

    /// A 5xx without a wait, or a broken connection, of a call that was sent then.
    pub(crate) fn failed(&mut self, sent: Moment, now: Moment) {
        let trouble = self.trouble.get_or_insert_default();
        trouble.failed(sent, now);
    }

    /// A call that was let through at this moment was not answered, but dropped: somebody else may
    /// probe.
    pub(crate) fn gone(&mut self, sent: Moment) {
        if let Some(trouble) = &mut self.trouble {
            trouble.gone(sent);
        }
    }

    /// Any answer below 500.
    #[inline]
    pub(crate) fn answered(&mut self, now: Moment) {
        if let Some(trouble) = &mut self.trouble {
            trouble.answered(now);
            if trouble.is_over() {
                self.trouble = None;
            }
        }
    }
}

impl Trouble {
    /// Whether nothing has failed lately, and nothing is paced.
    fn is_over(&self) -> bool {
        self.in_a_row == 0 && self.out.is_none() && self.pace.is_none()
    }

    /// From when one more may go.
    fn next(&self, now: Moment) -> Moment {
        let out = self.out.as_ref().filter(|out| now >= out.sure_from);
        let paced = self.pace.as_ref().map_or(now, Pace::next);
        out.map_or(paced, |out| out.probe_at)
    }

    /// Whether it is an outage and not a hiccup.
    fn is_sure(&self, now: Moment) -> bool {
        let out = self.out.as_ref().filter(|out| now >= out.sure_from);
        out.is_some_and(|out| out.sure)
    }

    /// Until when retries have to wait, because it looks as if the server were out.
    fn suspected_until(&self) -> Option<Moment> {
        self.out.as_ref().map(|out| out.probe_at)
    }

    fn let_one(&mut self, now: Moment) {
        self.forget_old_pace(now);
        if let Some(out) = self.out.as_mut().filter(|out| now >= out.sure_from) {
            out.probe_at = now + SILENCE;
        }
        if let Some(pace) = &mut self.pace {
            pace.let_one(now);
        }
    }

    /// A 5xx without a wait, or a broken connection, of a call that was sent then.
    fn failed(&mut self, sent: Moment, now: Moment) {
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
    fn gone(&mut self, sent: Moment) {
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
    fn answered(&mut self, now: Moment) {
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
