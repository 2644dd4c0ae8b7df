//! A short way to say what a member says.

use std::time::Duration;

use super::super::LedgerState;
use crate::fleet::ledger::{
    Exchange, MemberAccount, QuotaUnit, Reply, ScopeClosing, Settled, Window,
};

pub(super) const LIMIT: u32 = 16;

pub(super) fn millis(millis: u64) -> Duration {
    Duration::from_millis(millis)
}

/// A ledger, and the time of its clock in milliseconds.
pub(super) struct Told {
    pub(super) state: LedgerState,
    pub(super) now: u64,
    pub(super) windows: Vec<Window>,
}

impl Told {
    /// 16 a second.
    pub(super) fn new() -> Self {
        Self::with(vec![window(QuotaUnit::Cost, LIMIT, 1_000)])
    }

    pub(super) fn with(windows: Vec<Window>) -> Self {
        Self {
            state: LedgerState::new(),
            now: 1_000_000,
            windows,
        }
    }

    pub(super) fn tell(&mut self, mut exchange: Exchange) -> Reply {
        exchange.windows.clone_from(&self.windows);
        self.state.exchange(&exchange, millis(self.now))
    }
}

pub(super) fn window(unit: QuotaUnit, limit: u32, length: u64) -> Window {
    Window {
        unit,
        limit,
        length: millis(length),
        slack: Duration::ZERO,
        is_plan: false,
    }
}

/// A member that has heard all replies, and says nothing of its account.
pub(super) fn said(member: u64, sequence: u64) -> Exchange {
    Exchange {
        member,
        sequence,
        last_reply: sequence - 1,
        lease: millis(2_000),
        accounts: vec![MemberAccount::default()],
        members_known: 1,
        ..Exchange::default()
    }
}

pub(super) trait Says {
    fn holds(self, held: u64) -> Self;
    fn needs(self, need: u32) -> Self;
    /// Has settled this much in all, `newly` of it this many milliseconds ago, and the rest was confirmed.
    fn settled(self, settled: u64, newly: u32, age: u64) -> Self;
    fn refused(self, wait: u64) -> Self;
    fn plan_is_spent(self, wait: u64) -> Self;
}

impl Says for Exchange {
    fn holds(mut self, held: u64) -> Self {
        self.accounts[0].held = held;
        self
    }

    fn needs(mut self, need: u32) -> Self {
        self.accounts[0].need = need;
        self.accounts[0].first = need.min(1);
        self
    }

    fn settled(mut self, settled: u64, newly: u32, age: u64) -> Self {
        let account = &mut self.accounts[0];
        account.settled = settled;
        account.confirmed = settled - u64::from(newly);
        account.log = vec![Settled {
            age: millis(age),
            count: newly,
        }];
        self
    }

    fn refused(mut self, wait: u64) -> Self {
        self.closing = Some(ScopeClosing {
            remaining: millis(wait),
            is_refusal: true,
            age: Duration::ZERO,
        });
        self
    }

    fn plan_is_spent(mut self, wait: u64) -> Self {
        self.closing = Some(ScopeClosing {
            remaining: millis(wait),
            is_refusal: false,
            age: Duration::ZERO,
        });
        self
    }
}

/// What was granted of the first account, as `(from in milliseconds, count)`.
pub(super) fn granted(reply: &Reply) -> Vec<(u64, u32)> {
    let grants = reply.grants[0].iter();
    grants
        .map(|granted| (granted.from.as_millis() as u64, granted.count))
        .collect()
}
