//! The end of a declared window, where the server publishes its own in whole seconds.
//!
//! A published reset is kept to the letter. But one in whole seconds is up to a second late, and up to two if it is
//! compared with a `Date`: in a window of two seconds that is half of it. Where a quota is declared its own end counts if it
//! lies within that time, until a refusal proves otherwise. Then the published one counts for ten windows.

use std::time::Duration;

use super::limits::Limits;
use crate::hint::Remaining;
use crate::time::Moment;

/// For this many windows the declared end does not count after a refusal.
const DISTRUSTED: u32 = 10;

/// Which end counts, the declared or the published one.
#[derive(Clone, Debug, Default)]
pub(crate) struct DeclaredEnd {
    last: Option<Box<Replaced>>,
    distrusted_until: Option<Moment>,
}

/// A published end that was replaced by the declared one.
#[derive(Clone, Copy, Debug)]
struct Replaced {
    published: Moment,
    declared: Moment,
    window: Duration,
}

impl DeclaredEnd {
    /// Replaces the reset of a counter that has nothing left for another call, if the declared end is as good.
    /// The published one counts from now, though the server has named it up to a round trip ago.
    pub(crate) fn replace(
        &mut self,
        counter: &mut Remaining,
        limits: &mut Limits,
        round_trip: Duration,
        now: Moment,
    ) {
        if counter.coarseness.is_zero() || self.distrusted_until.is_some_and(|until| now < until) {
            return;
        }
        let Some(resets_in) = counter.resets_in else {
            return;
        };
        let published = now + resets_in;
        let end = limits.first_end(counter.limit, now);
        let late = counter.coarseness + round_trip;
        let Some((declared, window)) = end.filter(|(end, window)| {
            // A reset that is further away is of a longer window, however long the answer was on its way.
            let may_be_its = resets_in <= window.saturating_add(counter.coarseness);
            may_be_its && *end < published && *end + late > published
        }) else {
            return;
        };
        counter.resets_in = Some(declared.since(now));
        self.last = Some(Box::new(Replaced {
            published,
            declared,
            window,
        }));
    }

    /// The end that counts in place of this one.
    pub(crate) fn of(&self, published: Moment) -> Option<Moment> {
        let last = self.last.as_ref()?;
        (last.published == published).then_some(last.declared)
    }

    /// Notes a refusal by a limit. If the call was sent between the two ends, the declared one was wrong.
    pub(crate) fn on_refusal(&mut self, sent: Moment, now: Moment) {
        let Some(last) = &self.last else { return };
        if sent >= last.declared && sent < last.published {
            self.distrusted_until = Some(now + last.window * DISTRUSTED);
            self.last = None;
        }
    }
}
