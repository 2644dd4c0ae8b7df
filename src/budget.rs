//! How many retries all callers of one scope may add to its load.

use std::num::NonZeroU64;

use crate::moment::Moment;

/// A share of the traffic that may be retries, counted per scope over the last ten seconds.
///
/// When a server fails for everybody, retries multiply the load just when it hurts most. The budget
/// bounds that: retries timed by a call's own backoff stay below a percentage of the calls, plus a
/// small floor for scopes with little traffic. Waiting at a gate, and coming back when a server said
/// so, use none of it. Counting is in whole numbers, so 20 % is 20 %.
///
/// # Default
///
/// 20 %, and 20 retries in ten seconds whatever the traffic:
///
/// ```
/// use tower_backoff::Budget;
///
/// assert_eq!(Budget::default(), Budget::percent(20).at_least(20));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    percent: u32,
    floor: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Self::percent(20)
    }
}

impl Budget {
    const FLOOR: u32 = 20;

    /// Retries may be this share of the calls. More than 100 is allowed: several retries a call.
    pub const fn percent(percent: u32) -> Self {
        Self {
            percent,
            floor: Self::FLOOR,
        }
    }

    /// So many retries in ten seconds are allowed whatever the traffic.
    ///
    /// ```
    /// use tower_backoff::Budget;
    ///
    /// let strict = Budget::percent(10).at_least(0);
    /// assert_ne!(strict, Budget::percent(10));
    /// ```
    #[must_use]
    pub const fn at_least(mut self, retries: u32) -> Self {
        self.floor = retries;
        self
    }

    /// No bound. `max_retries` and patience still hold.
    pub const fn unlimited() -> Self {
        Self {
            percent: u32::MAX,
            floor: u32::MAX,
        }
    }
}

const SECONDS: usize = 10;
const SECOND: NonZeroU64 = NonZeroU64::new(1_000_000_000).unwrap();

/// What one scope has spent: a ring of seconds, so that old traffic is forgotten.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// The second in which the last call began, its end, and how many began in it.
    latest: u64,
    over: Moment,
    calls: u32,
    /// Apart, since most calls only count in the last second.
    ring: Box<[Second; SECONDS]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Second {
    number: u64,
    calls: u32,
    retries: u32,
}

/// The proof that a retry was paid for; given back if it is never sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Paid {
    second: u64,
}

impl Ledger {
    /// A call began.
    #[inline]
    pub(crate) fn call(&mut self, now: Moment) {
        if now >= self.over {
            self.turn(now);
        }
        self.calls += 1; // nobody makes four billion in a second
    }

    fn turn(&mut self, now: Moment) {
        self.put_down();
        self.latest = now.slices(SECOND);
        self.over = Moment::after_slices(self.latest + 1, SECOND);
    }

    /// Into the ring.
    fn put_down(&mut self) {
        let calls = std::mem::take(&mut self.calls);
        if calls == 0 {
            return;
        }
        let second = self.second(self.latest);
        second.calls = second.calls.saturating_add(calls);
    }

    /// Pays for a retry, if the budget allows one.
    pub(crate) fn pay(&mut self, budget: Budget, now: Moment) -> Option<Paid> {
        self.put_down();
        let now = now.slices(SECOND);
        let (calls, retries) = self.recent(now);
        let allowed = calls * u64::from(budget.percent) + u64::from(budget.floor) * 100;
        if (retries + 1) * 100 > allowed {
            return None;
        }
        let second = self.second(now);
        second.retries = second.retries.saturating_add(1);
        Some(Paid { second: now })
    }

    /// The retry was never sent: its price goes back to the second that it was taken from.
    pub(crate) fn refund(&mut self, paid: Paid) {
        let slot = &mut self.ring[slot_of(paid.second)];
        if slot.number == paid.second {
            slot.retries = slot.retries.saturating_sub(1);
        }
    }

    fn second(&mut self, number: u64) -> &mut Second {
        let slot = &mut self.ring[slot_of(number)];
        if slot.number != number {
            *slot = Second {
                number,
                ..Second::default()
            };
        }
        slot
    }

    fn recent(&self, now: u64) -> (u64, u64) {
        self.ring
            .iter()
            .filter(|second| second.number + SECONDS as u64 > now)
            .fold((0, 0), |(calls, retries), second| {
                (
                    calls + u64::from(second.calls),
                    retries + u64::from(second.retries),
                )
            })
    }
}

fn slot_of(second: u64) -> usize {
    (second % SECONDS as u64) as usize
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use std::time::Duration;

    const NOW: Moment = Moment::after_slices(1_000_003, SECOND);

    #[track_caller]
    fn retries_allowed(budget: Budget, calls: u32) -> u32 {
        let mut ledger = Ledger::default();
        (0..calls).for_each(|_| ledger.call(NOW));
        (0..)
            .take_while(|_| ledger.pay(budget, NOW).is_some())
            .count() as u32
    }

    #[test]
    fn sixty_percent_is_sixty_percent() {
        let none = |percent| Budget::percent(percent).at_least(0);
        assert_eq!(retries_allowed(none(60), 100), 60);
        assert_eq!(retries_allowed(none(20), 1_000), 200);
        assert_eq!(retries_allowed(none(33), 10), 3);
        assert_eq!(retries_allowed(none(250), 10), 25);
        assert_eq!(retries_allowed(none(0), 1_000), 0);
    }

    #[test]
    fn a_quiet_scope_has_its_floor() {
        assert_eq!(retries_allowed(Budget::default(), 0), 20);
        assert_eq!(retries_allowed(Budget::default(), 100), 40);
    }

    #[test]
    fn old_traffic_is_forgotten() {
        let budget = Budget::percent(100).at_least(0);
        let mut ledger = Ledger::default();
        (0..50).for_each(|_| ledger.call(NOW));
        assert!(ledger.pay(budget, NOW + Duration::from_secs(9)).is_some());
        assert!(ledger.pay(budget, NOW + Duration::from_secs(10)).is_none());
    }

    #[test]
    fn what_was_paid_ten_seconds_after_the_last_call_is_not_forgotten() {
        let budget = Budget::percent(0).at_least(1);
        let mut ledger = Ledger::default();
        ledger.call(NOW);
        let later = NOW + Duration::from_secs(10);
        assert!(ledger.pay(budget, later).is_some());
        assert!(ledger.pay(budget, later).is_none());
    }

    #[test]
    fn an_unlimited_budget_says_so() {
        let mut ledger = Ledger::default();
        assert!((0..100_000).all(|_| ledger.pay(Budget::unlimited(), NOW).is_some()));
    }

    proptest! {
        #[test]
        fn a_refund_gives_back_exactly_what_was_paid(paid in 1usize..200, refunded in 0usize..200) {
            let budget = Budget::percent(0).at_least(200);
            let refunded = refunded.min(paid);
            let mut ledger = Ledger::default();
            let receipts: Vec<_> = (0..paid).filter_map(|_| ledger.pay(budget, NOW)).collect();
            receipts.into_iter().take(refunded).for_each(|receipt| ledger.refund(receipt));
            let left = (0..).take_while(|_| ledger.pay(budget, NOW).is_some()).count();
            prop_assert_eq!(left, 200 - paid + refunded);
        }
    }
}
