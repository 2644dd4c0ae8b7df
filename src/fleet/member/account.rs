//! What a member has of one unit: its stock, what is on its way, and what was settled.

use std::collections::VecDeque;
use std::time::Duration;

use super::settled_log::SettledLog;
use crate::fleet::ledger::{Granted, MemberAccount, QuotaUnit, Window};
use crate::time::Moment;

#[derive(Debug)]
pub(super) struct LeaseAccount {
    unit: QuotaUnit,
    windows: Vec<MemberWindow>,
    /// What may be sent now.
    available: u64,
    /// What may be sent from a moment to come, soonest first.
    booked: VecDeque<(Moment, u64)>,
    /// What was booked and will not be used. It goes back at its moment, and not before: it would be free too early.
    returning: VecDeque<(Moment, u64)>,
    /// What was granted to calls and is not settled.
    in_flight: u64,
    settled: u64,
    confirmed: u64,
    /// What was settled and is not confirmed, unless all is told anyway.
    unconfirmed: SettledLog,
    tells_all: bool,
    last_portion: u64,
    /// What was sent without the ledger since it was told last.
    untold: u64,
    demand: Demand,
}

#[derive(Debug)]
pub(super) struct MemberWindow {
    pub(super) limit: u32,
    pub(super) length: Duration,
    pub(super) log: SettledLog,
    /// How much of it was free at the last exchange.
    pub(super) free: u32,
    /// What may be sent without the ledger, beside the stock, until a window has passed.
    pub(super) first_part: u64,
}

/// How much calls have asked for in this half second and the one before.
#[derive(Debug, Default)]
struct Demand {
    half_second: u64,
    now: u64,
    before: u64,
}

impl Demand {
    const HALF_SECOND: std::num::NonZeroU64 = std::num::NonZeroU64::new(500_000_000).unwrap();

    fn add(&mut self, cost: u64, now: Moment) {
        self.advance(now);
        self.now += cost;
    }

    fn per_half_second(&mut self, now: Moment) -> u64 {
        self.advance(now);
        self.now.max(self.before)
    }

    fn advance(&mut self, now: Moment) {
        let half_second = now.slices(Self::HALF_SECOND);
        let passed = half_second.saturating_sub(self.half_second);
        if passed > 0 {
            self.before = if passed == 1 { self.now } else { 0 };
            self.now = 0;
            self.half_second = half_second;
        }
    }
}

impl LeaseAccount {
    /// One account for each unit that a window counts in; that of costs is always there.
    pub(super) fn of(windows: &[Window]) -> Vec<Self> {
        let units = [QuotaUnit::Cost, QuotaUnit::Calls, QuotaUnit::InFlight];
        let counted = |unit: &QuotaUnit| windows.iter().any(|window| window.unit == *unit);
        let units = units
            .into_iter()
            .filter(|unit| *unit == QuotaUnit::Cost || counted(unit));
        units.map(|unit| Self::new(unit, windows)).collect()
    }

    fn new(unit: QuotaUnit, windows: &[Window]) -> Self {
        let windows = windows.iter().filter(|window| window.unit == unit);
        let windows = windows.map(|window| MemberWindow {
            limit: window.limit,
            length: window.length,
            log: SettledLog::new(window.length),
            free: 0,
            first_part: 0,
        });
        let windows: Vec<_> = windows.collect();
        let shortest = windows.iter().map(|window| window.length).min();
        Self {
            unit,
            windows,
            available: 0,
            booked: VecDeque::new(),
            returning: VecDeque::new(),
            in_flight: 0,
            settled: 0,
            confirmed: 0,
            unconfirmed: SettledLog::new(shortest.unwrap_or(Duration::from_secs(1))),
            tells_all: false,
            last_portion: 0,
            untold: 0,
            demand: Demand::default(),
        }
    }

    pub(super) fn unit(&self) -> QuotaUnit {
        self.unit
    }

    /// What a call of this cost needs of the account.
    pub(super) fn need_of(&self, cost: u32) -> u64 {
        match self.unit {
            QuotaUnit::Cost => cost.into(),
            QuotaUnit::Calls | QuotaUnit::InFlight => 1,
        }
    }

    pub(super) fn windows(&mut self) -> impl Iterator<Item = &mut MemberWindow> {
        self.windows.iter_mut()
    }

    pub(super) fn in_flight(&self) -> u64 {
        self.in_flight
    }

    /// Notes that a call asks.
    pub(super) fn on_demand(&mut self, need: u64, now: Moment) {
        self.demand.add(need, now);
    }

    /// All that was granted and is not settled.
    pub(super) fn held(&self) -> u64 {
        let returning: u64 = self.returning.iter().map(|(_, count)| count).sum();
        self.stock() + self.in_flight + returning
    }

    /// What may be sent now or later.
    pub(super) fn stock(&self) -> u64 {
        let booked: u64 = self.booked.iter().map(|(_, count)| count).sum();
        self.available + booked
    }

    /// What may be sent now.
    pub(super) fn available(&mut self, now: Moment) -> u64 {
        while let Some(count) = pop_due(&mut self.booked, now) {
            self.available += count;
        }
        self.available
    }

    /// From when so much may be sent, if so much was granted.
    pub(super) fn available_from(&self, need: u64) -> Option<Moment> {
        let mut sum = self.available;
        self.booked.iter().find_map(|(from, count)| {
            sum += count;
            (sum >= need).then_some(*from)
        })
    }

    /// Takes from the stock for a call. There has to be so much available.
    pub(super) fn take(&mut self, need: u64) {
        self.available -= need;
        self.in_flight += need;
    }

    /// Lets a call go that the ledger has not granted.
    pub(super) fn take_alone(&mut self, need: u64) {
        self.in_flight += need;
        self.untold += need;
    }

    /// Takes back what was given to a call that was not sent.
    pub(super) fn put_back(&mut self, need: u64, to_stock: bool) {
        self.in_flight -= need;
        if to_stock {
            self.available += need;
        }
    }

    /// Settles a call that was given `granted`, and has cost `cost`.
    pub(super) fn settle(&mut self, granted: u64, cost: u64, settled_at: Moment) {
        self.in_flight -= granted;
        self.settled += cost;
        for window in &mut self.windows {
            if !window.length.is_zero() {
                // Frees what is over, so that the log stays small.
                window.log.used(settled_at);
                window.log.add(settled_at, cost);
            }
        }
        if !self.tells_all {
            self.unconfirmed.add(settled_at, cost);
        }
    }

    /// Lets the next exchange tell all of the longest window, since the ledger is away or has lost something.
    pub(super) fn tell_all_next(&mut self) {
        self.tells_all = true;
        self.unconfirmed.clear();
    }

    pub(super) fn tells_all(&self) -> bool {
        self.tells_all
    }

    pub(super) fn has_unconfirmed(&self) -> bool {
        self.settled > self.confirmed
    }

    #[cfg(all(test, not(model)))]
    pub(super) fn unconfirmed_len(&self) -> usize {
        self.unconfirmed.len()
    }

    /// Whether half of what was granted last is used up.
    pub(super) fn is_low(&self) -> bool {
        self.stock() * 2 <= self.last_portion
    }

    /// Gives back what is not needed soon, or all of it. What was booked goes back at its moment.
    pub(super) fn give_back(&mut self, keep: u64) {
        self.available = self.available.min(keep);
        self.last_portion = self.last_portion.min(keep);
        if keep == 0 {
            self.return_booked();
        }
    }

    /// Keeps what was booked until its moment, when it is free for others. Soonest first.
    fn return_booked(&mut self) {
        self.returning.append(&mut self.booked);
        let returning = self.returning.make_contiguous();
        returning.sort_unstable_by_key(|(from, _)| *from);
    }

    /// Gives back what may be sent now, since it does not suffice for the first call.
    pub(super) fn give_back_available(&mut self) {
        self.available = 0;
    }

    /// Forgets a stock whose lease has ended: as far as the ledger knows, it was sent.
    ///
    /// The lease ends here a tenth sooner than there. So what was booked is held until its moment all the same.
    pub(super) fn void(&mut self) {
        self.available = 0;
        self.return_booked();
    }

    /// What it will need within half a second.
    pub(super) fn soon(&mut self, now: Moment) -> u64 {
        self.demand.per_half_second(now)
    }

    /// What the ledger is told, if calls wait that need so much, and the first of them `first`.
    pub(super) fn tell(&mut self, waiting: u64, first: u64, now: Moment) -> MemberAccount {
        while pop_due(&mut self.returning, now).is_some() {}
        self.untold = 0;
        let stock = self.stock();
        let need = waiting.saturating_sub(stock);
        // The call after those for which the stock suffices lacks so much.
        let lacking = first - stock.checked_rem(first).unwrap_or(0);
        let soon = self.soon(now).saturating_sub(stock.saturating_sub(waiting));
        let small = |count: u64| u32::try_from(count).unwrap_or(u32::MAX);
        let longest = self.windows.iter_mut().max_by_key(|window| window.length);
        let in_window = longest.map(|longest| {
            let used = longest.log.used(now);
            (used, longest.log.entries(now))
        });
        let (in_window, whole_log) = in_window.unwrap_or_default();
        MemberAccount {
            held: self.held(),
            settled: self.settled,
            confirmed: self.confirmed,
            log: match std::mem::take(&mut self.tells_all) {
                true => whole_log,
                false => self.unconfirmed.entries(now),
            },
            in_window,
            first: small(lacking.min(need)),
            need: small(need),
            extra: small(soon),
        }
    }

    /// Notes what the ledger has granted, and that it knows of so much.
    pub(super) fn on_granted(&mut self, settled: u64, granted: &[Granted], now: Moment) {
        self.unconfirmed
            .remove_oldest(settled.saturating_sub(self.confirmed));
        self.confirmed = settled;
        let portion: u64 = granted.iter().map(|granted| u64::from(granted.count)).sum();
        if portion > 0 {
            self.last_portion = portion;
        }
        for granted in granted {
            let count = granted.count.into();
            match granted.from.is_zero() {
                true => self.available += count,
                false => self.book(now + granted.from, count),
            }
        }
        self.spend_untold();
    }

    /// What was sent without the ledger, while the exchange was on its way, comes out of what it has granted.
    fn spend_untold(&mut self) {
        let mut untold = std::mem::take(&mut self.untold);
        let now = untold.min(self.available);
        self.available -= now;
        untold -= now;
        while let Some((_, count)) = self.booked.front_mut().filter(|_| untold > 0) {
            let taken = untold.min(*count);
            *count -= taken;
            untold -= taken;
            if *count == 0 {
                self.booked.pop_front();
            }
        }
    }

    fn book(&mut self, from: Moment, count: u64) {
        let after = self.booked.partition_point(|(other, _)| *other <= from);
        self.booked.insert(after, (from, count));
    }
}

/// Takes the first entry out, if its moment has come.
fn pop_due(queue: &mut VecDeque<(Moment, u64)>, now: Moment) -> Option<u64> {
    let is_due = queue.front().is_some_and(|(from, _)| *from <= now);
    is_due.then(|| queue.pop_front().map_or(0, |(_, count)| count))
}
