//! Paces calls: one after the other at an even interval.

use std::time::Duration;

use crate::time::{Length, Moment};

/// When the next call may go.
/// It is asked twice: for admission, and again when the client beneath is ready to send.
#[derive(Clone, Debug, Default)]
pub(crate) struct Pacer {
    /// From when on the next call is admitted.
    next: Moment,
    /// From when on the next one may be sent.
    sent: Moment,
}

/// Timers ring by the millisecond. Where the interval is shorter than this, several calls go together.
const TICK: Duration = Duration::from_millis(5);

/// A call may be late by this much without those after it being late, too.
const ROUNDING: Duration = Duration::from_millis(1);

impl Pacer {
    /// From when on a call is admitted, at this interval.
    pub(crate) fn next(&self, interval: Duration, now: Moment) -> Moment {
        let early = Length::of(TICK.saturating_sub(interval));
        if now + early >= self.next {
            now
        } else {
            self.next - early
        }
    }

    /// Notes that a call is admitted.
    pub(crate) fn on_admit(&mut self, interval: Duration, now: Moment) {
        self.next = after(self.next, interval, now);
    }

    /// Whether an admitted call may be sent now: others that were held up may have been sent just now.
    pub(crate) fn can_still_send(&self, now: Moment) -> bool {
        now + TICK >= self.sent
    }

    /// Notes that a call is sent.
    pub(crate) fn on_send(&mut self, interval: Duration, now: Moment) {
        self.sent = after(self.sent, interval, now);
        self.next = self.next.max(self.sent);
    }

    /// Takes an admitted call back that was never sent.
    pub(crate) fn abort(&mut self, interval: Duration) {
        self.next = self.next.earlier(interval).max(self.sent);
    }

    /// Lengthens or shortens the next interval by the true cost of a call that was sent.
    pub(crate) fn correct(&mut self, said: Duration, truly: Duration) {
        for moment in [&mut self.next, &mut self.sent] {
            let more = *moment + truly.saturating_sub(said);
            *moment = more.earlier(said.saturating_sub(truly));
        }
    }
}

fn after(last: Moment, interval: Duration, now: Moment) -> Moment {
    let late = now.since(last);
    let since = if late <= ROUNDING { last } else { now };
    since + interval
}

/// The interval after a call that takes this many slots of a quota.
///
/// It is such that a sliding counter refuses none. There the last window weighs in the one that runs, so that it takes one call less than the quota: in a quota of one,
/// every other window is empty. On their way calls come closer to each other, those of a whole window by its slack, if
/// that is not long.
pub(crate) fn interval_for(limit: u32, slots: u32, length: Duration, slack: Duration) -> Duration {
    let slack = slack.min(length / 8);
    let longest = length.saturating_mul(2).saturating_add(slack);
    match limit.saturating_sub(slots) {
        0 => longest,
        rest => {
            let whole = length.saturating_add(slack);
            longest.min(whole.saturating_mul(slots) / rest)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SLACK: Duration = Duration::from_millis(250);

    fn sent(interval: Duration, step: Duration, steps: u32) -> usize {
        let start = Moment::now();
        let mut pacer = Pacer::default();
        let mut sent = 0;
        for step in (0..steps).map(|nth| start + step * nth) {
            while pacer.next(interval, step) <= step {
                pacer.on_admit(interval, step);
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
        let interval = Duration::from_micros(100);
        let in_a_second = sent(interval, Duration::from_millis(1), 1_000);
        assert!((9_990..=10_050).contains(&in_a_second), "{in_a_second}");
    }

    #[test]
    fn rounding_to_milliseconds_makes_no_call_after_it_late() {
        let interval = Duration::from_micros(6_300);
        let in_ten_seconds = sent(interval, Duration::from_millis(1), 10_000);
        assert!(
            (1_580..=1_590).contains(&in_ten_seconds),
            "{in_ten_seconds}"
        );
    }

    #[test]
    fn calls_that_were_held_up_are_sent_at_their_distance() {
        let (start, second) = (Moment::now(), Duration::from_secs(1));
        let mut pacer = Pacer::default();
        for nth in 0..3 {
            let now = start + second * nth;
            assert_eq!(pacer.next(second, now), now);
            pacer.on_admit(second, now);
        }
        let ready = start + second * 20;
        assert!(pacer.can_still_send(ready));
        pacer.on_send(second, ready);
        assert!(!pacer.can_still_send(ready));
        assert!(pacer.can_still_send(ready + second));
        assert_eq!(pacer.next(second, ready), ready + second);
    }

    #[test]
    fn one_that_is_not_sent_gives_its_turn_back() {
        let (now, second) = (Moment::now(), Duration::from_secs(1));
        let mut pacer = Pacer::default();
        pacer.on_admit(second, now);
        pacer.abort(second);
        assert_eq!(pacer.next(second, now), now);
        pacer.on_admit(second, now);
        pacer.on_send(second, now);
        pacer.abort(second);
        assert_eq!(pacer.next(second, now), now + second);
    }

    #[test]
    fn what_a_call_truly_costs_is_its_distance() {
        let (now, second) = (Moment::now(), Duration::from_secs(1));
        for (said, truly) in [(1, 30), (30, 1), (7, 7)] {
            let mut pacer = Pacer::default();
            pacer.on_admit(second * said, now);
            pacer.on_send(second * said, now);
            pacer.correct(second * said, second * truly);
            assert_eq!(pacer.next(second, now), now + second * truly);
        }
        let mut pacer = Pacer::default();
        pacer.correct(Duration::MAX, Duration::ZERO);
        assert_eq!(pacer.next(second, now), now);
    }

    #[test]
    fn no_slack_starves_a_quota() {
        let minute = Duration::from_secs(60);
        let second = Duration::from_secs(1);
        assert_eq!(interval_for(61, 1, minute, Duration::ZERO), second);
        assert_eq!(interval_for(61, 1, minute, SLACK), (minute + SLACK) / 60);
        assert_eq!(
            interval_for(61, 1, minute, Duration::MAX),
            minute / 8 * 9 / 60
        );
        assert_eq!(interval_for(1, 1, minute, Duration::ZERO), minute * 2);
        assert_eq!(interval_for(60, 10, minute, Duration::ZERO), second * 12);
        assert_eq!(interval_for(60, 59, minute, Duration::ZERO), minute * 2);
        assert_eq!(interval_for(60, 0, minute, Duration::ZERO), Duration::ZERO);
        let most = Duration::MAX;
        assert_eq!(interval_for(0, u32::MAX, most, most), most);
        assert_eq!(interval_for(u32::MAX, 1, most, most), most / (u32::MAX - 1));
    }
}
