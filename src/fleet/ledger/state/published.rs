//! A quota that the server publishes in its answers.

use super::terms::{UNLIMITED, micros};
use crate::fleet::ledger::exchange::Counter;

/// Counters whose resets differ by less belong to the same window: a second of rounding and the way of the answer.
const SAME_RESET: u64 = 1_200_000;

/// What is left of a published quota, as far as the members know.
#[derive(Clone, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "file", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct PublishedQuota {
    pub(super) limit: u64,
    pub(super) left: u64,
    /// When it is filled up again or, if it is over, was filled up.
    resets_at: u64,
    /// The longest wait for the reset that was heard: as long is the limit remembered after it.
    period: u64,
    /// Whether the reset has passed, and no counter of the next window was heard.
    is_over: bool,
    /// What the youngest answer said.
    remaining: u64,
}

impl PublishedQuota {
    /// How long until the reset, if that is still ahead.
    pub(super) fn resets_in(&self, now: u64) -> Option<u64> {
        (!self.is_over).then(|| self.resets_at.saturating_sub(now))
    }

    /// When it is forgotten, if no further counter is heard.
    #[cfg(feature = "file")]
    pub(super) fn matters_until(&self) -> u64 {
        self.resets_at + self.period
    }

    /// Fills up the quota at its reset, and forgets it one period after that.
    pub(super) fn advance(quota: &mut Option<Self>, lent: u64, now: u64) {
        let Some(known) = quota.as_mut().filter(|known| now >= known.resets_at) else {
            return;
        };
        if now >= known.resets_at + known.period {
            *quota = None;
        } else if !known.is_over {
            known.left = known.limit.saturating_sub(lent);
            known.is_over = true;
        }
    }

    /// Notes what an answer said. `lent` and `settled` are those of all members, now.
    pub(super) fn on_counter(
        quota: &mut Option<Self>,
        counter: &Counter,
        (lent, settled): (u64, u64),
        now: u64,
    ) {
        let resets_in = micros(counter.resets_in);
        let resets_at = now + resets_in;
        let remaining = u64::from(counter.remaining);
        let limit = u64::from(counter.limit);
        if let Some(known) = quota {
            if resets_at + SAME_RESET < known.resets_at {
                return;
            }
            let is_same = resets_at <= known.resets_at + SAME_RESET;
            if limit == known.limit && (is_same || known.is_over) {
                let is_next = !is_same;
                if is_next || !known.is_over {
                    let least =
                        remaining.saturating_sub(outstanding(counter, lent + settled, settled));
                    known.left = known.left.max(least).min(remaining);
                    known.remaining = remaining;
                    known.resets_at = match is_next {
                        true => resets_at,
                        false => known.resets_at.min(resets_at),
                    };
                    known.period = known.period.max(resets_in);
                    known.is_over = false;
                }
                return;
            }
        }
        *quota = Some(Self {
            limit,
            left: remaining.saturating_sub(lent),
            resets_at,
            period: resets_in,
            is_over: false,
            remaining,
        });
    }

    /// What was granted and has come back unused can be granted again.
    pub(super) fn on_return(quota: &mut Option<Self>, returned: u64) {
        if let Some(known) = quota {
            known.left = (known.left + returned).min(known.limit);
        }
    }

    /// How much may be granted of it, while `lent` is out.
    ///
    /// Answers that overtook each other leave a part of it unused. When all is quiet, one call has a look: its answer
    /// says what is left for certain.
    pub(super) fn left(quota: Option<&Self>, lent: u64) -> u64 {
        quota.map_or(UNLIMITED, |known| {
            let has_a_look = lent == 0 && known.remaining > 0 && !known.is_over;
            known.left.max(u64::from(has_a_look))
        })
    }
}

/// How much the server may not have counted in this answer: what was granted or settled since its call was granted.
fn outstanding(counter: &Counter, had: u64, settled: u64) -> u64 {
    // A ledger that has settled less than the member was told has forgotten: then all that it knows may be missing.
    let then = if counter.settled_by_all > settled {
        0
    } else {
        counter.settled_by_all
    };
    had.saturating_sub(then)
        .saturating_sub(u64::from(counter.cost))
}
