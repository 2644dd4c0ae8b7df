//! The places of one declared quota, and when each of them is free again.

use std::time::{Duration, Instant};

use super::quota::Quota;

/// A wheel of slots, each a slice of time: so counting costs the same for twenty calls and for a
/// million, and a gate's memory does not grow with its quota. A place is free at the *end* of its
/// slice, so that rounding errs on the late side, by less than a five-hundredth of the window.
#[derive(Debug)]
pub(crate) struct Window {
    limit: u32,
    length: Duration,
    slack: Duration,
    born: Instant,
    slice: u64,
    /// The first slice that is not over yet.
    first: u64,
    taken: u32,
    slots: Box<[u32]>,
}

const SLOTS: u64 = 512;

/// Nothing waits for longer; see [`later`](crate::clock::later).
const LONGEST: Duration = Duration::from_secs(400 * 24 * 60 * 60);

impl Window {
    pub(crate) fn new(limit: u32, length: Duration, slack: Duration, born: Instant) -> Self {
        let (length, slack) = (length.min(LONGEST), slack.min(LONGEST));
        // A slot more than a place is ever held for, so that the wheel never bites its tail.
        let slice = nanos(length + slack).div_ceil(SLOTS - 2).max(1);
        Self {
            limit,
            length,
            slack,
            born,
            slice,
            first: 0,
            taken: 0,
            slots: vec![0; SLOTS as usize].into(),
        }
    }

    /// The windows that a quota asks for: its own, and a narrow one if bursts are smaller than it.
    pub(crate) fn of(quota: &Quota, born: Instant) -> impl Iterator<Item = Self> + use<> {
        let own = Self::new(quota.limit(), quota.window(), quota.slack, born);
        let burst = quota.burst.filter(|burst| *burst < quota.limit());
        let narrow = burst.map(|burst| {
            let length = quota.window().saturating_mul(burst) / quota.limit();
            Self::new(burst, length, Duration::ZERO, born)
        });
        std::iter::once(own).chain(narrow)
    }

    /// How many places are taken.
    pub(crate) fn taken(&mut self, now: Instant) -> u32 {
        self.turn_to(now);
        self.taken
    }

    /// Whether a call may be sent now.
    pub(crate) fn has_place(&mut self, now: Instant) -> bool {
        self.taken(now) < self.limit
    }

    /// When the next place is free.
    pub(crate) fn next_place(&mut self, now: Instant) -> Instant {
        if self.has_place(now) {
            return now;
        }
        let next = (self.first..self.first + SLOTS).find(|slice| self.slots[slot(*slice)] > 0);
        let over = (next.unwrap_or(self.first) + 1).saturating_mul(self.slice);
        self.born + Duration::from_nanos(over)
    }

    /// A call is sent. Until its answer is here, its place is held as if the server had seen it only
    /// at the end of the slack.
    pub(crate) fn take(&mut self, now: Instant) {
        self.turn_to(now);
        self.hold(now + self.slack);
    }

    /// The head of the answer is here: the server has counted the call by now.
    pub(crate) fn answered(&mut self, sent: Instant, now: Instant) {
        let earlier = now < sent + self.slack;
        if earlier && self.undo(sent, now) {
            self.hold(now);
        }
    }

    /// The call was never sent. Answers whether its place was still held.
    pub(crate) fn undo(&mut self, sent: Instant, now: Instant) -> bool {
        self.turn_to(now);
        let slice = self.slice_held(sent + self.slack);
        let held = slice >= self.first && self.slots[slot(slice)] > 0;
        if held {
            self.slots[slot(slice)] -= 1;
            self.taken -= 1;
        }
        held
    }

    fn hold(&mut self, counted: Instant) {
        let slice = self.slice_held(counted).max(self.first);
        self.slots[slot(slice)] += 1;
        self.taken += 1;
    }

    /// The slice at whose end a place is free that the server counted at this moment.
    fn slice_held(&self, counted: Instant) -> u64 {
        self.slice_of(counted + self.length)
    }

    /// Frees the places of all slices that are over.
    fn turn_to(&mut self, now: Instant) {
        let now = self.slice_of(now);
        let last = now.min(self.first.saturating_add(SLOTS));
        while self.first < last {
            let freed = std::mem::take(&mut self.slots[slot(self.first)]);
            self.taken -= freed;
            self.first += 1;
        }
        self.first = self.first.max(now);
    }

    fn slice_of(&self, moment: Instant) -> u64 {
        nanos(moment.saturating_duration_since(self.born)) / self.slice
    }
}

fn slot(slice: u64) -> usize {
    (slice % SLOTS) as usize
}

fn nanos(duration: Duration) -> u64 {
    u64::try_from(duration.as_nanos()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SLACK: Duration = Duration::from_millis(250);

    fn window(limit: u32, seconds: u64) -> (Window, Instant) {
        let born = Instant::now();
        let length = Duration::from_secs(seconds);
        (Window::new(limit, length, SLACK, born), born)
    }

    #[test]
    fn a_place_is_free_one_window_after_the_answer() {
        let (mut window, now) = window(1, 2);
        window.take(now);
        let answered = now + Duration::from_millis(60);
        window.answered(now, answered);
        let free = answered + Duration::from_secs(2);
        assert!(!window.has_place(free));
        let next = window.next_place(free);
        assert!(
            next > free && next < free + Duration::from_millis(10),
            "{:?}",
            next - free
        );
        assert!(window.has_place(next));
    }

    #[test]
    fn without_an_answer_a_place_is_free_one_window_after_the_slack() {
        let (mut window, now) = window(1, 2);
        window.take(now);
        assert!(!window.has_place(now + Duration::from_millis(2_250)));
        assert!(window.has_place(now + Duration::from_millis(2_260)));
    }

    #[test]
    fn a_call_that_was_never_sent_gives_its_place_back_at_once() {
        let (mut window, now) = window(1, 60);
        window.take(now);
        assert!(!window.has_place(now));
        assert!(window.undo(now, now));
        assert!(window.has_place(now));
    }

    #[test]
    fn an_answer_that_comes_after_a_whole_turn_of_the_wheel_takes_nothing_from_others() {
        let (mut window, sent) = window(1, 1);
        window.take(sent);
        let later = sent + Duration::from_secs(100);
        window.take(later);
        window.answered(sent, later);
        assert_eq!(window.taken(later), 1);
    }

    #[test]
    fn a_million_places_cost_no_more_than_twenty() {
        let (mut window, now) = window(1_000_000, 1);
        (0..1_000_000).for_each(|_| window.take(now));
        assert!(!window.has_place(now));
        assert_eq!(window.slots.len(), SLOTS as usize);
    }

    proptest! {
        /// The rule of the design, held against a plain list of all that was sent.
        #[test]
        fn a_place_is_never_given_out_while_it_is_held(
            limit in 1u32..40,
            steps in prop::collection::vec((0u64..300, 0u64..600), 1..400),
        ) {
            let (mut window, mut now) = window(limit, 2);
            // When each call was sent, and by when the server has counted it.
            let mut sent: Vec<(Instant, Instant)> = Vec::new();
            let mut answers: Vec<(Instant, Instant)> = Vec::new();
            for (wait, latency) in steps {
                now += Duration::from_millis(wait);
                answers.sort_unstable();
                while answers.first().is_some_and(|(at, _)| *at <= now) {
                    let (at, of) = answers.remove(0);
                    window.answered(of, at);
                }
                if !window.has_place(now) {
                    continue;
                }
                let counted = now + Duration::from_millis(latency).min(SLACK);
                let held = sent.iter().filter(|(_, by)| *by + window.length > now).count();
                prop_assert!(held < limit as usize, "{held} are held of {limit}");
                window.take(now);
                sent.push((now, counted));
                answers.push((now + Duration::from_millis(latency), now));
            }
        }
    }
}
