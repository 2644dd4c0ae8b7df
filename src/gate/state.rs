//! All that one gate knows, under one lock. Every decision is told the time.

mod closing;
mod waiting;

use std::borrow::Cow;
use std::task::Waker;
use std::time::Duration;

use self::closing::Interrupted;
use super::allowance::Allowance;
use super::blocked::{Blocked, Reason};
use super::cooldown::{Cooldown, Shut};
use super::outage::{Outage, PathHash, Suspicion};
use super::queue::Queue;
use super::ramp::Ramp;
use super::refused_paths::RefusedPaths;
use super::words::{Ending, Facts, Heard, Pass, Wake};
use crate::budget::{Ledger, Paid};
use crate::moment::Moment;

/// In the order of how often it is touched: the less memory every call touches, the less two threads wait for each
/// other's.
#[derive(Debug)]
#[repr(C)]
pub(crate) struct State {
    pub(crate) queue: Queue,
    in_flight: u32,
    /// The first epoch of this ramp: calls from before belong to another.
    ramp_epoch: u16,
    outage: Outage,
    /// When the youngest of the accepted calls was sent.
    youngest: Moment,
    /// When the last of them was answered.
    last_served: Moment,
    /// Since when the first in the queue could have passed.
    due: Option<Moment>,
    pub(crate) cooldown: Cooldown,
    ledger: Ledger,
    ramp: Ramp,
    pub(crate) allowance: Allowance,
    /// The price of the first in the queue, once it has asked.
    first_needs: u32,
    /// How many are passed over next time, if nobody comes before.
    loiterers: usize,
    /// The slow start that a closing by a head has interrupted, while that may still be taken back.
    interrupted: Option<Box<Interrupted>>,
    pub(super) refused_paths: RefusedPaths,
}

/// A served answer that overtook a call sent this much later speaks of a window that may be over.
const STALE: Duration = Duration::from_millis(500);

impl State {
    pub(crate) fn new(facts: Facts<'_>) -> Self {
        Self {
            in_flight: 0,
            ramp_epoch: 0,
            outage: Outage::with(facts.circuit_breaker),
            youngest: Moment::START,
            last_served: Moment::START,
            due: None,
            cooldown: Cooldown::default(),
            ledger: Ledger::default(),
            ramp: facts.cold_start.map_or_else(Ramp::open, Ramp::cold),
            allowance: Allowance::of(facts),
            queue: Queue::default(),
            first_needs: 0,
            loiterers: 1,
            interrupted: None,
            refused_paths: RefusedPaths::default(),
        }
    }

    /// Whether nothing holds anybody back but what is spent.
    #[inline]
    fn is_calm(&self, now: Moment) -> bool {
        self.cooldown.shut(now).is_none()
            && self.ramp.is_open()
            && self.outage.is_calm()
            && self.refused_paths.is_empty()
    }

    /// Until when no call passes, whatever the others do meanwhile, and why.
    pub(crate) fn shut_until(&mut self, price: u32, now: Moment) -> Option<Shut> {
        if let Some(shut) = self.cooldown.shut(now) {
            return Some(shut.clone());
        }
        let all = self.all_blocked(price, now);
        let certain = all.filter(|blocked| blocked.reason.is_certain());
        let last = certain.max_by_key(|blocked| blocked.until)?;
        Some(Shut {
            until: last.until,
            decided_by: last.reason.text().into(),
        })
    }

    /// Until when a call is kept, as far as can be known now, and by what.
    pub(crate) fn blocked(&mut self, price: u32, now: Moment) -> Option<Blocked> {
        if let Some(shut) = self.cooldown.shut(now) {
            return Blocked::until(shut.until, Reason::Closing, now);
        }
        let all = self.all_blocked(price, now);
        all.max_by_key(|blocked| blocked.until)
    }

    /// The same for the first in the queue, or the next to come.
    pub(crate) fn blocked_first(&mut self, now: Moment) -> Option<Blocked> {
        self.blocked(self.first_needs.max(1), now)
    }

    /// All that keeps a call but a closing.
    fn all_blocked(&mut self, price: u32, now: Moment) -> impl Iterator<Item = Blocked> {
        let by_outage = Blocked::until(self.outage.next(now), self.outage.reason(now), now);
        let by_ramp = Blocked::until(self.ramp.next(now), self.ramp.reason(), now);
        let by_allowance = self.allowance.blocked(price, now);
        by_allowance.chain(by_outage).chain(by_ramp)
    }

    /// What the caller is told of a reason.
    pub(crate) fn words_for(&self, reason: Reason) -> Cow<'static, str> {
        match reason {
            Reason::Closing => self.cooldown.last_words(),
            reason => reason.text().into(),
        }
    }

    /// When the next call may pass, as far as can be known now.
    #[inline]
    fn opens(&mut self, price: u32, now: Moment) -> Moment {
        if let Some(shut) = self.cooldown.shut(now) {
            return shut.until;
        }
        self.allowance
            .next(price, now)
            .max(self.ramp.next(now))
            .max(self.outage.next(now))
    }

    /// Passes if the gate is wide open and nobody waits.
    #[inline]
    pub(crate) fn pass_at_once(&mut self, price: u32, now: Moment) -> Option<Pass> {
        if !self.queue.is_empty() {
            return None;
        }
        let calm = self.is_calm(now) && self.allowance.has_place(price, now);
        if !calm && self.opens(price, now) > now {
            return None;
        }
        let pass = self.let_through(price, now);
        self.allowance.is_sent(price, now);
        Some(pass)
    }

    #[inline]
    pub(crate) fn let_through(&mut self, price: u32, now: Moment) -> Pass {
        self.outage.let_one(now);
        self.let_past_the_outage(price, now)
    }

    fn let_past_the_outage(&mut self, price: u32, now: Moment) -> Pass {
        self.in_flight += 1;
        self.due = None;
        self.ramp.let_one(now);
        let answered_then = self.allowance.take(price, now);
        Pass {
            epoch: self.cooldown.epoch(),
            price,
            sent: now,
            answered_then,
        }
    }

    /// A call that was sent when another gate let it through turns out to belong here: if this one has shut since, to
    /// an epoch that is over.
    pub(super) fn was_sent(&mut self, price: u32, there: Pass, now: Moment) -> Pass {
        let pass = self.let_through(price, now);
        self.allowance.is_sent(price, now);
        let epoch = self.cooldown.epoch_at(there.sent);
        if !self.is_of_this_ramp(epoch) {
            self.ramp.left(false, !self.queue.is_empty());
        }
        Pass {
            sent: there.sent,
            epoch,
            ..pass
        }
    }

    /// A call that was let through is sent only now, if the gate has stayed open and there is still room for it.
    pub(crate) fn still_holds(&mut self, pass: Pass, now: Moment) -> Option<Pass> {
        // Every closing begins another epoch.
        if self.cooldown.epoch() != pass.epoch {
            return None;
        }
        if pass.sent != now {
            if !self.allowance.may_be_sent(pass, now) {
                return None;
            }
            self.allowance.sent_later(pass, now);
            self.outage.sent_later(pass.sent, now);
        }
        self.allowance.is_sent(pass.price, now);
        Some(Pass { sent: now, ..pass })
    }

    /// A call that was let through is not sent after all.
    pub(crate) fn undo(&mut self, pass: Pass) -> Wake {
        self.allowance.undo(pass);
        self.outage.gone(pass.sent);
        self.left(pass, Ending::Unknown);
        self.wake_first()
    }

    /// A call was dropped on its way: the server may have counted it, and its places stay taken.
    pub(crate) fn dropped(&mut self, pass: Pass) -> Wake {
        self.allowance.dropped(pass);
        self.outage.gone(pass.sent);
        self.left(pass, Ending::Unknown);
        self.wake_first()
    }

    /// The head of an answer is here, or the failure.
    pub(crate) fn answered(&mut self, pass: Pass, heard: Heard, now: Moment) -> Wake {
        let counter = heard.counter.filter(|_| !self.is_stale(pass));
        // What refuses one path alone says nothing about the quota.
        let by_a_limit = heard.by_a_limit && !self.refused_paths.is_limited_itself(heard.path);
        let heard = Heard {
            by_a_limit,
            ..heard
        };
        self.allowance
            .answered(pass, Heard { counter, ..heard }, now);
        match heard.ending {
            Ending::Failed => {
                let served = self.last_served;
                self.outage.failed(heard.path, pass.sent, served, now);
            }
            Ending::Accepted => {
                if heard.path != PathHash::UNKNOWN {
                    self.refused_paths.served(heard.path, now);
                }
                self.last_served = self.last_served.max(now);
                self.outage.answered(now);
            }
            Ending::Refused | Ending::RefusedElsewhere | Ending::Errored => {
                self.outage.answered(now);
            }
            Ending::TakenAsAnswer => self.outage.gone(pass.sent),
            Ending::Unknown => {}
        }
        self.left(pass, heard.ending);
        self.note_idle(now);
        // A gate that is shut does not open because of an answer.
        if self.cooldown.shut(now).is_some() {
            return Wake::default();
        }
        self.wake_first()
    }

    /// It was served, and its answer says nothing about limits. Returns who is next.
    #[inline]
    pub(crate) fn served(&mut self, pass: Pass, now: Moment) -> Option<Waker> {
        self.allowance.served(pass, now);
        self.last_served = self.last_served.max(now);
        self.outage.answered(now);
        self.left(pass, Ending::Accepted);
        self.note_idle(now);
        if self.queue.is_empty() || self.cooldown.shut(now).is_some() {
            return None;
        }
        self.queue.first()
    }

    /// The place of a call among the calls at once is free.
    pub(crate) fn release(&mut self) -> Wake {
        self.allowance.release();
        self.wake_first()
    }

    /// Whether calls that were sent much later have been served already: then what the answer says is
    /// left, was left before.
    pub(crate) fn is_stale(&self, pass: Pass) -> bool {
        pass.sent + STALE < self.youngest
    }

    #[inline]
    fn left(&mut self, pass: Pass, ending: Ending) {
        let accepted = ending == Ending::Accepted;
        if accepted {
            self.youngest = self.youngest.max(pass.sent);
        }
        self.in_flight = self.in_flight.saturating_sub(1);
        if accepted {
            self.cooldown.accepted(pass.epoch);
        }
        if self.is_of_this_ramp(pass.epoch) {
            self.ramp.left(accepted, !self.queue.is_empty());
            return;
        }
        if let Some(before) = &mut self.interrupted {
            before.ramp.left(accepted, !self.queue.is_empty());
        }
        if accepted {
            self.ramp.accepted_late();
        }
    }

    #[inline]
    fn note_idle(&mut self, now: Moment) {
        if self.in_flight == 0 {
            self.ramp.idle_from(now);
        }
    }

    /// Epochs wrap around; no call is on its way for half of them.
    #[inline]
    fn is_of_this_ramp(&self, epoch: u16) -> bool {
        epoch.wrapping_sub(self.ramp_epoch) < u16::MAX / 2
    }

    /// What a retry that no response named a wait for has to wait for, because the whole scope seems to be out.
    pub(crate) fn suspicion(&self, now: Moment) -> Option<Suspicion> {
        self.outage.suspicion(now)
    }

    pub(crate) fn reopen(&mut self) -> Wake {
        self.cooldown.reopen();
        self.allowance.reopen();
        self.outage.reopen();
        self.interrupted = None;
        // What was learned from a wait that was wrong is wrong, too.
        self.ramp = Ramp::one_probe(None);
        self.ramp_epoch = self.cooldown.epoch();
        // All of them thought that it would open much later.
        Wake {
            others: self.queue.wakers(),
            ..Wake::default()
        }
    }

    pub(crate) fn wake_first(&self) -> Wake {
        Wake {
            first: self.queue.first(),
            ..Wake::default()
        }
    }

    /// The retry budget of the scope.
    pub(crate) fn ledger(&mut self) -> &mut Ledger {
        &mut self.ledger
    }

    pub(crate) fn refund(&mut self, paid: Paid) {
        self.ledger.refund(paid);
    }

    pub(crate) fn in_flight(&self) -> u32 {
        self.in_flight
    }

    /// Whether a call that was sent after this moment has been accepted.
    pub(super) fn was_used_after(&self, moment: Moment) -> bool {
        self.youngest > moment
    }

    /// Whether it can be forgotten: nobody is here, and nothing is remembered that still counts.
    pub(crate) fn is_idle(&mut self, now: Moment) -> bool {
        self.queue.is_empty()
            && self.in_flight == 0
            && self.cooldown.is_idle(now)
            && self.allowance.is_whole(now)
            && self.outage.next(now) <= now
    }
}
