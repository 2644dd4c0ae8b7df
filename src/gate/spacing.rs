//! Calls at a distance from each other: those of paced quotas, and of quotas of which refusals have taught it.

use std::time::Duration;

use crate::moment::{Length, Moment};

/// When the next one may go. One that is let through goes when the service within is ready: so it is asked twice.
#[derive(Debug, Default)]
pub(super) struct Spacing {
    /// From when on the next one is let through,
    next: Moment,
    /// and from when on one may be sent, after those that were.
    sent: Moment,
}

/// Timers ring by the millisecond: of calls that are to be closer to each other than this some go together.
const TICK: Duration = Duration::from_millis(5);

/// So late a call may be without those after it being late, too.
const ROUNDING: Duration = Duration::from_millis(1);

impl Spacing {
    /// From when on a call is let through, where they are so far apart.
    pub(super) fn next(&self, apart: Duration, now: Moment) -> Moment {
        let early = Length::of(TICK.saturating_sub(apart));
        if now + early >= self.next {
            now
        } else {
            self.next - early
        }
    }

    /// A call is let through, and the next one so much later.
    pub(super) fn let_one(&mut self, apart: Duration, now: Moment) {
        self.next = after(self.next, apart, now);
    }

    /// Whether a call that was let through may be sent now: others that were held up may have been just now.
    pub(super) fn may_be_sent(&self, now: Moment) -> bool {
        now + TICK >= self.sent
    }

    /// It is sent.
    pub(super) fn is_sent(&mut self, apart: Duration, now: Moment) {
        self.sent = after(self.sent, apart, now);
        self.next = self.next.max(self.sent);
    }

    /// It is not sent after all.
    pub(super) fn undo(&mut self, apart: Duration) {
        self.next = self.next.earlier(apart).max(self.sent);
    }

    /// A call that was sent has cost more or less than it had said, and keeps the next one waiting as long.
    pub(super) fn correct(&mut self, said: Duration, truly: Duration) {
        for moment in [&mut self.next, &mut self.sent] {
            let more = *moment + truly.saturating_sub(said);
            *moment = more.earlier(said.saturating_sub(truly));
        }
    }
}

fn after(last: Moment, apart: Duration, now: Moment) -> Moment {
    let late = now.since(last);
    let since = if late <= ROUNDING { last } else { now };
    since + apart
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
    fn rounding_to_milliseconds_makes_nobody_after_it_late() {
        let apart = Duration::from_micros(6_300);
        let in_ten_seconds = sent(apart, Duration::from_millis(1), 10_000);
        assert!(
            (1_580..=1_590).contains(&in_ten_seconds),
            "{in_ten_seconds}"
        );
    }

    #[test]
    fn calls_that_were_held_up_are_sent_at_their_distance() {
        let (start, second) = (Moment::now(), Duration::from_secs(1));
        let mut spacing = Spacing::default();
        for nth in 0..3 {
            let now = start + second * nth;
            assert_eq!(spacing.next(second, now), now);
            spacing.let_one(second, now);
        }
        let ready = start + second * 20;
        assert!(spacing.may_be_sent(ready));
        spacing.is_sent(second, ready);
        assert!(!spacing.may_be_sent(ready));
        assert!(spacing.may_be_sent(ready + second));
        assert_eq!(spacing.next(second, ready), ready + second);
    }

    #[test]
    fn one_that_is_not_sent_gives_its_turn_back() {
        let (now, second) = (Moment::now(), Duration::from_secs(1));
        let mut spacing = Spacing::default();
        spacing.let_one(second, now);
        spacing.undo(second);
        assert_eq!(spacing.next(second, now), now);
        spacing.let_one(second, now);
        spacing.is_sent(second, now);
        spacing.undo(second);
        assert_eq!(spacing.next(second, now), now + second);
    }

    #[test]
    fn what_a_call_truly_costs_is_its_distance() {
        let (now, second) = (Moment::now(), Duration::from_secs(1));
        for (said, truly) in [(1, 30), (30, 1), (7, 7)] {
            let mut spacing = Spacing::default();
            spacing.let_one(second * said, now);
            spacing.is_sent(second * said, now);
            spacing.correct(second * said, second * truly);
            assert_eq!(spacing.next(second, now), now + second * truly);
        }
        let mut spacing = Spacing::default();
        spacing.correct(Duration::MAX, Duration::ZERO);
        assert_eq!(spacing.next(second, now), now);
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
