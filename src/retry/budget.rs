//! The retry budget: how many retries the callers of one scope may add to its load.

use std::num::NonZeroU64;

use crate::time::Moment;

/// Limits retries to a share of the calls, counted per scope over the last ten seconds.
///
/// It prevents retry storms: when a server fails for all callers, retries multiply the load. With a budget, retries
/// that a call times by its own backoff stay below a percentage of the calls plus a fixed number. Waiting at a gate,
/// and retries at a time that the server named, are not counted. Counting is in whole numbers, so that 20 % is 20 %.
///
/// # Default
///
/// 20 % of the calls plus 20 retries in ten seconds:
///
/// ```
/// use tower_backoff::Budget;
///
/// assert_eq!(Budget::default(), Budget::percent(20).min_retries(20));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Budget {
    percent: u32,
    min_retries: u32,
}

impl Default for Budget {
    fn default() -> Self {
        Self::percent(20)
    }
}

impl Budget {
    const MIN_RETRIES: u32 = 20;

    /// Allows retries up to this percentage of the calls, plus 20 in ten seconds.
    ///
    /// More than 100 is allowed: several retries per call.
    pub const fn percent(percent: u32) -> Self {
        Self {
            percent,
            min_retries: Self::MIN_RETRIES,
        }
    }

    /// Sets how many retries in ten seconds are allowed in addition to the percentage.
    ///
    /// It is a sum, not a minimum: `percent(20).min_retries(20)` allows 40 retries after 100 calls, and 20 after
    /// none.
    ///
    /// ```
    /// use tower_backoff::Budget;
    ///
    /// let strict = Budget::percent(10).min_retries(0);
    /// assert_ne!(strict, Budget::percent(10));
    /// ```
    #[must_use]
    pub const fn min_retries(mut self, retries: u32) -> Self {
        self.min_retries = retries;
        self
    }

    /// Sets no limit. `max_retries` and patience still apply.
    pub const fn unlimited() -> Self {
        Self {
            percent: u32::MAX,
            min_retries: u32::MAX,
        }
    }
}

const SECONDS: usize = 10;
const SECOND: NonZeroU64 = NonZeroU64::new(1_000_000_000).unwrap();

/// Counts the calls and retries of one scope in a ring of ten one-second slots.
#[derive(Clone, Debug, Default)]
pub(crate) struct RetryLedger {
    /// The second of the last call, its end, and the number of calls in it.
    latest: u64,
    latest_end: Moment,
    calls: u32,
    /// Boxed, since most calls only count in the last second.
    ring: Box<[Second; SECONDS]>,
}

#[derive(Clone, Copy, Debug, Default)]
struct Second {
    number: u64,
    calls: u32,
    retries: u32,
}

/// The receipt of a retry, which is refunded if the retry is never sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct PaidRetry {
    second: u64,
}

impl RetryLedger {
    /// Counts a call.
    #[inline]
    pub(crate) fn on_call(&mut self, now: Moment) {
        if now >= self.latest_end {
            self.start_second(now);
        }
        self.calls += 1; // cannot overflow: no process makes four billion calls in a second
    }

    fn start_second(&mut self, now: Moment) {
        self.flush_calls();
        self.latest = now.slices(SECOND);
        self.latest_end = Moment::after_slices(self.latest + 1, SECOND);
    }

    /// Adds the calls of the last second to the ring.
    fn flush_calls(&mut self) {
        let calls = std::mem::take(&mut self.calls);
        if calls == 0 {
            return;
        }
        let second = self.second(self.latest);
        second.calls = second.calls.saturating_add(calls);
    }

    /// Pays for a retry, if the budget allows one.
    pub(crate) fn pay(&mut self, budget: Budget, now: Moment) -> Option<PaidRetry> {
        self.flush_calls();
        let now = now.slices(SECOND);
        let (calls, retries) = self.totals(now);
        let allowed = calls * u64::from(budget.percent) + u64::from(budget.min_retries) * 100;
        if (retries + 1) * 100 > allowed {
            return None;
        }
        let second = self.second(now);
        second.retries = second.retries.saturating_add(1);
        Some(PaidRetry { second: now })
    }

    /// Refunds a retry that was never sent, in the second in which it was paid.
    pub(crate) fn refund(&mut self, paid: PaidRetry) {
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

    fn totals(&self, now: u64) -> (u64, u64) {
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
        let mut ledger = RetryLedger::default();
        (0..calls).for_each(|_| ledger.on_call(NOW));
        (0..)
            .take_while(|_| ledger.pay(budget, NOW).is_some())
            .count() as u32
    }

    #[test]
    fn sixty_percent_is_sixty_percent() {
        let none = |percent| Budget::percent(percent).min_retries(0);
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
        let budget = Budget::percent(100).min_retries(0);
        let mut ledger = RetryLedger::default();
        (0..50).for_each(|_| ledger.on_call(NOW));
        assert!(ledger.pay(budget, NOW + Duration::from_secs(9)).is_some());
        assert!(ledger.pay(budget, NOW + Duration::from_secs(10)).is_none());
    }

    #[test]
    fn what_was_paid_ten_seconds_after_the_last_call_is_not_forgotten() {
        let budget = Budget::percent(0).min_retries(1);
        let mut ledger = RetryLedger::default();
        ledger.on_call(NOW);
        let later = NOW + Duration::from_secs(10);
        assert!(ledger.pay(budget, later).is_some());
        assert!(ledger.pay(budget, later).is_none());
    }

    #[test]
    fn an_unlimited_budget_says_so() {
        let mut ledger = RetryLedger::default();
        assert!((0..100_000).all(|_| ledger.pay(Budget::unlimited(), NOW).is_some()));
    }

    proptest! {
        #[test]
        fn a_refund_gives_back_exactly_what_was_paid(paid in 1usize..200, refunded in 0usize..200) {
            let budget = Budget::percent(0).min_retries(200);
            let refunded = refunded.min(paid);
            let mut ledger = RetryLedger::default();
            let receipts: Vec<_> = (0..paid).filter_map(|_| ledger.pay(budget, NOW)).collect();
            receipts.into_iter().take(refunded).for_each(|receipt| ledger.refund(receipt));
            let left = (0..).take_while(|_| ledger.pay(budget, NOW).is_some()).count();
            prop_assert_eq!(left, 200 - paid + refunded);
        }
    }
}
