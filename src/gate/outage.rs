//! A server that is out, or that has just come back.
//!
//! One failure is a call's own affair; five in a row, over at least a second and with no answer below
//! 500 between, are everybody's: then one probe at growing intervals asks whether it is back, and
//! when it is, the pace grows from a few calls a second. One broken endpoint among good ones never
//! gets there, since the good ones answer.

use std::time::{Duration, Instant};

const IN_A_ROW: u32 = 5;
const FOR_AT_LEAST: Duration = Duration::from_secs(1);
const FIRST_INTERVAL: Duration = Duration::from_secs(1);
const LONGEST_INTERVAL: Duration = Duration::from_secs(12);
/// A probe that keeps silent for this long is followed by another.
const SILENCE: Duration = Duration::from_secs(10);

#[derive(Debug, Default)]
pub(crate) struct Outage {
    in_a_row: u32,
    first: Option<Instant>,
    out: Option<Out>,
    pace: Option<Pace>,
}

#[derive(Debug)]
struct Out {
    interval: Duration,
    probe_at: Instant,
}

impl Outage {
    /// From when one more may go.
    pub(crate) fn next(&self, now: Instant) -> Instant {
        match (&self.out, &self.pace) {
            (Some(out), _) => out.probe_at,
            (None, Some(pace)) => pace.next,
            (None, None) => now,
        }
    }

    #[cfg(test)]
    fn is_out(&self) -> bool {
        self.out.is_some()
    }

    /// Until when retries have to wait, because it looks as if the server were out.
    pub(crate) fn suspected_until(&self) -> Option<Instant> {
        let first = self.first.filter(|_| self.in_a_row >= IN_A_ROW)?;
        Some(
            self.out
                .as_ref()
                .map_or(first + FOR_AT_LEAST, |out| out.probe_at),
        )
    }

    pub(crate) fn let_one(&mut self, now: Instant) {
        if let Some(out) = &mut self.out {
            out.probe_at = now + SILENCE;
        }
        if let Some(pace) = &mut self.pace {
            pace.let_one(now);
        }
    }

    /// A 5xx without a wait, or a broken connection, of a call that was sent then.
    pub(crate) fn failed(&mut self, sent: Instant, now: Instant) {
        if let Some(pace) = &mut self.pace {
            pace.failed(sent, now);
        }
        self.in_a_row = self.in_a_row.saturating_add(1);
        let first = *self.first.get_or_insert(now);
        let long = now.saturating_duration_since(first) >= FOR_AT_LEAST;
        match &mut self.out {
            Some(out) => {
                out.interval = (out.interval * 2).min(LONGEST_INTERVAL);
                out.probe_at = now + out.interval;
            }
            None if self.in_a_row >= IN_A_ROW && long => {
                self.pace = None;
                self.out = Some(Out {
                    interval: FIRST_INTERVAL,
                    probe_at: now + FIRST_INTERVAL,
                });
            }
            None => {}
        }
    }

    /// Any answer below 500.
    pub(crate) fn answered(&mut self, now: Instant) {
        (self.in_a_row, self.first) = (0, None);
        if self.out.take().is_some() {
            self.pace = Some(Pace::new(now));
        }
        if let Some(pace) = &mut self.pace {
            pace.answered(now);
            if pace.is_over(now) {
                self.pace = None;
            }
        }
    }
}

/// So many calls a second, evenly spread: more with every second that goes well, and a little less
/// than what a second was seen to hold once that is known.
#[derive(Debug)]
struct Pace {
    per_second: u32,
    next: Instant,
    second: Instant,
    let_through: u32,
    answered: u32,
    /// Failures of calls that were sent before this are old news.
    changed: Instant,
    ceiling: bool,
    calm: u32,
}

impl Pace {
    const FIRST: u32 = 10;
    const SECOND: Duration = Duration::from_secs(1);
    /// Seconds that did not need the pace, after which it is given up.
    const CALM: u32 = 5;
    /// Seconds at the ceiling, after which a little more is tried.
    const PATIENT: u32 = 30;

    fn new(now: Instant) -> Self {
        Self {
            per_second: Self::FIRST,
            next: now,
            second: now,
            let_through: 0,
            answered: 0,
            changed: now,
            ceiling: false,
            calm: 0,
        }
    }

    fn let_one(&mut self, now: Instant) {
        self.turn(now);
        self.let_through += 1;
        self.next = self.next.max(now) + Self::SECOND / self.per_second;
    }

    fn answered(&mut self, now: Instant) {
        self.turn(now);
        self.answered += 1;
    }

    fn failed(&mut self, sent: Instant, now: Instant) {
        if sent < self.changed {
            return;
        }
        let held = self.answered.max(1);
        self.per_second = (held - held / 20).min(self.per_second).max(1);
        self.ceiling = true;
        self.start_second(now + Self::SECOND);
        self.changed = self.second;
        self.next = self.second;
    }

    fn turn(&mut self, now: Instant) {
        if now < self.second + Self::SECOND {
            return;
        }
        let used = self.let_through * 2 > self.per_second;
        self.calm = if used && !self.ceiling {
            0
        } else {
            self.calm + 1
        };
        if !self.ceiling && used {
            self.per_second = self.per_second.saturating_mul(2);
        } else if self.ceiling && self.calm % Self::PATIENT == 0 {
            self.per_second += self.per_second.div_ceil(20);
        }
        self.start_second(now);
    }

    fn start_second(&mut self, at: Instant) {
        (self.second, self.let_through, self.answered) = (at, 0, 0);
    }

    fn is_over(&self, now: Instant) -> bool {
        let idle = now.saturating_duration_since(self.second) > Self::SECOND * 60;
        idle || (!self.ceiling && self.calm >= Self::CALM)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fail(outage: &mut Outage, times: u32, now: Instant) {
        (0..times).for_each(|_| outage.failed(now, now));
    }

    #[test]
    fn five_failures_in_a_row_over_a_second_are_an_outage() {
        let now = Instant::now();
        let mut outage = Outage::default();
        fail(&mut outage, 64, now);
        assert!(!outage.is_out(), "all at once prove nothing");
        let later = now + Duration::from_secs(1);
        fail(&mut outage, 1, later);
        assert!(outage.is_out());
        assert_eq!(outage.next(later), later + FIRST_INTERVAL);
    }

    #[test]
    fn one_answer_below_500_among_failures_is_no_outage() {
        let mut now = Instant::now();
        let mut outage = Outage::default();
        for _ in 0..100 {
            fail(&mut outage, 4, now);
            outage.answered(now);
            now += Duration::from_millis(500);
        }
        assert!(!outage.is_out() && outage.next(now) <= now);
    }

    #[test]
    fn probes_come_at_growing_intervals() {
        let mut now = Instant::now();
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
        assert_eq!(intervals, [1, 2, 4, 8, 12, 12]);
    }

    #[test]
    fn after_an_outage_the_pace_doubles_every_second() {
        let mut now = Instant::now();
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
        assert!(seconds[0] <= 11 && seconds[3] >= 60, "{seconds:?}");
    }
}
