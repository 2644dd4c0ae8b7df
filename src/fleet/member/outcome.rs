//! What a member is told of the calls that it has granted.

use std::time::Duration;

use super::calls::CallStage;
use super::state::{MemberState, Standing};
use crate::fleet::ledger::{Counter, QuotaUnit};
use crate::fleet::{CallEnding, CallOutcome, GrantId, PublishedCounter};
use crate::time::{Moment, later};

impl MemberState {
    pub(super) fn on_late_send(&mut self, grant: GrantId, now: Moment) {
        if let Some(call) = self.calls.get_mut(grant) {
            call.sent = now;
        }
    }

    pub(super) fn on_return(&mut self, grant: GrantId, now: Moment) {
        let Some(call) = self.calls.remove(grant) else {
            return;
        };
        let to_stock = call.by_ledger && self.may_use_stock(now) && self.closed_until <= now;
        for account in &mut self.accounts {
            let need = account.need_of(call.cost);
            // What was overdue is settled, so that the ledger believes it was sent.
            if call.stage == CallStage::OnItsWay || account.unit() == QuotaUnit::InFlight {
                account.put_back(need, to_stock);
            }
        }
        self.on_end(to_stock);
    }

    pub(super) fn on_outcome(
        &mut self,
        grant: Option<GrantId>,
        outcome: &CallOutcome,
        now: Moment,
    ) {
        let Some(grant) = grant else {
            return self.on_adopted(outcome, now);
        };
        let Some(call) = self.calls.get_mut(grant) else {
            return;
        };
        let settled_at = now.min(later(call.sent, self.slack));
        let before = *call;
        let is_counted_until_its_end = outcome.ending != CallEnding::Dropped;
        call.stage = CallStage::Body;
        let mut holds = false;
        for account in &mut self.accounts {
            let granted = account.need_of(before.cost);
            let cost = account.need_of(outcome.cost);
            match (account.unit(), before.stage) {
                (QuotaUnit::InFlight, _) if is_counted_until_its_end => holds = true,
                (_, CallStage::OnItsWay) => account.settle(granted, cost, settled_at),
                (QuotaUnit::InFlight, _) => account.settle(granted, granted, now),
                (_, _) => account.settle(0, cost.saturating_sub(granted), now),
            }
        }
        if !holds {
            self.calls.remove(grant);
        }
        self.on_end(false);
        self.served += u32::from(outcome.ending == CallEnding::Served);
        if let Some(counter) = outcome.counter {
            self.on_counter(counter, before.settled_by_all, outcome.cost, now);
        }
    }

    /// Lets the gates ask again, if a call waits that the end of this one may let go.
    fn on_end(&mut self, is_in_stock: bool) {
        let is_alone = matches!(self.standing, Standing::Alone(_) | Standing::Left);
        if self.waits_for_an_end && (is_in_stock || is_alone) {
            self.waits_for_an_end = false;
            self.wakes_gates = true;
        }
    }

    /// A call that another gate has sent: nothing was granted for it here.
    fn on_adopted(&mut self, outcome: &CallOutcome, now: Moment) {
        for account in &mut self.accounts {
            if account.unit() != QuotaUnit::InFlight {
                let cost = account.need_of(outcome.cost);
                account.settle(0, cost, now);
            }
        }
        if let Some(counter) = outcome.counter {
            self.on_counter(counter, self.known.settled_by_all, outcome.cost, now);
        }
    }

    fn on_counter(
        &mut self,
        counter: PublishedCounter,
        settled_by_all: u64,
        cost: u32,
        now: Moment,
    ) {
        let Some(resets_in) = counter.resets_in else {
            return;
        };
        let least = counter.remaining.saturating_add(cost);
        self.published_limit = counter
            .limit
            .unwrap_or_else(|| self.published_limit.max(least))
            // With none of a quota nothing would ever be asked again.
            .max(1);
        let counter = Counter {
            limit: self.published_limit,
            remaining: counter.remaining,
            resets_in,
            settled_by_all,
            cost,
            age: Duration::ZERO,
        };
        self.counter = Some((counter, self.with_suspensions(now)));
    }

    /// Notes that the body of a response has ended.
    pub(super) fn on_body_end(&mut self, grant: GrantId, now: Moment) {
        // Its number may be that of another call by now.
        let call = self.calls.get_mut(grant);
        if call.is_none_or(|call| call.stage != CallStage::Body) {
            return;
        }
        self.calls.remove(grant);
        for account in &mut self.accounts {
            if account.unit() == QuotaUnit::InFlight {
                account.settle(1, 1, now);
            }
        }
        self.on_end(false);
    }
}
