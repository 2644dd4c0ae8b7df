//! Calls at a distance from each other: those of paced quotas, and of quotas of which refusals have taught it.

use std::time::Duration;

use crate::moment::{Length, Moment};

/// When the next one may be sent.
#[derive(Debug, Default)]
pub(super) struct Spacing {
    next: Moment,
}

/// Timers ring by the millisecond: of calls that are to be closer to each other than this some go together.
const TICK: Duration = Duration::from_millis(5);

impl Spacing {
    /// From when on a call may be sent, where they are so far apart.
    pub(super) fn next(&self, apart: Duration, now: Moment) -> Moment {
        let early = Length::of(TICK.saturating_sub(apart));
        if now + early >= self.next {
            now
        } else {
            self.next - early
        }
    }

    /// A call is sent, and the next one so much later.
    pub(super) fn let_one(&mut self, apart: Duration, now: Moment) {
        self.next = self.next.max(now) + apart;
    }

    /// It is sent only now.
    pub(super) fn sent_later(&mut self, apart: Duration, now: Moment) {
        self.next = self.next.max(now + apart);
    }
}

/// How long after a call that takes so many places of a quota the next one follows, so that a sliding counter refuses
/// none. There the last window weighs in the one that runs, so that it takes one call less than the quota: in a
/// quota of one, every other window is empty. On their way calls come closer to each other, those of a whole window by
/// its slack, if that is not long.
pub(super) fn evenly(limit: u32, places: u32, length: Duration, slack: Duration) -> Duration {
    let slack = slack.min(length / 8);
    let longest = length.saturating_mul(2).saturating_add(slack);
    match limit.saturating_sub(places) {
        0 => longest,
        rest => {
            let whole = length.saturating_add(slack);
            longest.min(whole.saturating_mul(places) / rest)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLACK: Duration = Duration::from_millis(250);

    fn sent(apart: Duration, step: Duration, steps: u32) -> usize {
        let start = Moment::now();
        let mut spacing = Spacing::default();
        let mut sent = 0;
        for step in (0..steps).map(|nth| start + step * nth) {
            while spacing.next(apart, step) <= step {
                spacing.let_one(apart, step);
                sent += 1;
            }
        }
        sent
    }

    #[test]
    fn calls_are_sent_at_their_distance() {
        let tenth = Duration::from_millis(100);
        assert_eq!(sent(tenth, Duration::from_millis(1), 1_000), 10);
    }

    #[test]
    fn those_that_are_closer_than_timers_can_tell_go_together_and_are_no_fewer() {
        let apart = Duration::from_micros(100);
        let in_a_second = sent(apart, Duration::from_millis(1), 1_000);
        assert!((9_990..=10_050).contains(&in_a_second), "{in_a_second}");
    }

    #[test]
    fn a_call_that_is_sent_late_keeps_the_next_one_at_its_distance() {
        let (start, second) = (Moment::now(), Duration::from_secs(1));
        let mut spacing = Spacing::default();
        spacing.let_one(second, start);
        let late = start + second * 3;
        spacing.sent_later(second, late);
        assert_eq!(spacing.next(second, late), late + second);
        spacing.sent_later(second, late);
        assert_eq!(spacing.next(second, late), late + second);
    }

    #[test]
    fn no_slack_starves_a_quota() {
        let minute = Duration::from_secs(60);
        let second = Duration::from_secs(1);
        assert_eq!(evenly(61, 1, minute, Duration::ZERO), second);
        assert_eq!(evenly(61, 1, minute, SLACK), (minute + SLACK) / 60);
        assert_eq!(evenly(61, 1, minute, Duration::MAX), minute / 8 * 9 / 60);
        assert_eq!(evenly(1, 1, minute, Duration::ZERO), minute * 2);
        assert_eq!(evenly(60, 10, minute, Duration::ZERO), second * 12);
        assert_eq!(evenly(60, 59, minute, Duration::ZERO), minute * 2);
        assert_eq!(evenly(60, 0, minute, Duration::ZERO), Duration::ZERO);
        let most = Duration::MAX;
        assert_eq!(evenly(0, u32::MAX, most, most), most);
        assert_eq!(evenly(u32::MAX, 1, most, most), most / (u32::MAX - 1));
    }
}
