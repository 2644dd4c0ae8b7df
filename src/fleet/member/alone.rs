//! What a member sends while its ledger is away: its share of the declared quotas.

use std::time::Duration;

use super::Away;
use super::state::{MemberState, Standing};
use crate::fleet::Grant;
use crate::fleet::ledger::QuotaUnit;
use crate::time::{Moment, later};

impl MemberState {
    /// Whether a call may be sent without the ledger.
    pub(super) fn admit_alone(&mut self, cost: u32, now: Moment) -> Grant {
        let mut alone = match self.standing {
            Standing::Alone(alone) => Some(alone),
            Standing::Joining | Standing::Leased | Standing::Left => None,
        };
        if self.settings.when_away == Away::Nobody {
            return Grant::Later;
        }
        let had_a_lease = alone.is_none_or(|alone| alone.had_a_lease);
        let members = match had_a_lease && self.known.most_members > 0 {
            true => self.known.most_members,
            false => self.settings.processes.max(self.known.most_members),
        };
        let mut from = now;
        let mut is_known = true;
        let began = alone.filter(|alone| alone.had_a_lease);
        // When the first window without the ledger ends: until then a part of what was free may be sent.
        let first_end = |length| began.map(|alone| later(alone.since, length));
        for account in &mut self.accounts {
            let need = account.need_of(cost);
            let in_flight = account.in_flight();
            let unit = account.unit();
            for window in account.windows() {
                let (share, length) = share_of(window.limit, window.length, members);
                if unit == QuotaUnit::InFlight {
                    is_known &= in_flight + need <= share;
                    continue;
                }
                if let Some(end) = first_end(window.length).filter(|_| window.first_part < need) {
                    from = from.max(end);
                }
                let used = window.log.used(now) + in_flight;
                let last = alone.and_then(|alone| alone.last_sent);
                if let Some(last) = last.filter(|_| length > window.length) {
                    from = from.max(later(last, length));
                }
                // A call that is dearer than the share goes when nothing else counts.
                let most = share.max(need);
                if used + need > most {
                    match window.log.free_at(used + need - most) {
                        Some(free_at) => from = from.max(free_at),
                        None => is_known = false,
                    }
                }
            }
        }
        if !is_known {
            self.waits_for_an_end = true;
            return Grant::Later;
        }
        if from > now {
            return Grant::At(from.since(now));
        }
        for account in &mut self.accounts {
            let need = account.need_of(cost);
            account.take_alone(need);
            for window in account.windows() {
                window.first_part = window.first_part.saturating_sub(need);
            }
        }
        if let Some(alone) = &mut alone {
            alone.last_sent = Some(now);
            self.standing = Standing::Alone(*alone);
        }
        Grant::Now(self.add_call(cost, false, now))
    }
}

/// The share of one member, and the window that it holds for: a longer one, if there are more members than places.
fn share_of(limit: u32, length: Duration, members: u32) -> (u64, Duration) {
    let members = members.max(1);
    match limit / members {
        0 => (1, length.saturating_mul(members.div_ceil(limit.max(1)))),
        share => (share.into(), length),
    }
}
