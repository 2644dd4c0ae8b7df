//! What an exchange says about time and windows, in integer microseconds.

use std::time::Duration;

use super::super::exchange::{Exchange, QuotaUnit};

/// Stands for "no limit". Below 2^53, so that a script that counts in doubles is exact.
pub(super) const UNLIMITED: u64 = 1 << 52;
/// The longest duration that a ledger calculates with: 35 years.
const MAX_MICROS: u128 = 1 << 50;
/// Time is counted in this many steps per window, which bounds the log of a window.
const STEPS_PER_WINDOW: u64 = 256;

/// The number of units that accounts are kept in.
pub(super) const UNITS: usize = 3;
pub(super) const COST: usize = 0;
pub(super) const CALLS: usize = 1;
pub(super) const IN_FLIGHT: usize = 2;

/// A number that a member has told, bounded so that sums of them are exact.
pub(super) fn bounded(count: u64) -> u64 {
    count.min(1 << 48)
}

/// Microseconds, rounded down.
pub(super) fn micros(duration: Duration) -> u64 {
    duration.as_micros().min(MAX_MICROS) as u64
}

/// Microseconds, rounded up.
pub(super) fn micros_up(duration: Duration) -> u64 {
    duration.as_nanos().div_ceil(1_000).min(MAX_MICROS) as u64
}

/// The declared windows of one exchange, and its lease.
#[derive(Clone, Debug)]
pub(super) struct Terms {
    pub(super) windows: Vec<DeclaredWindow>,
    /// The unit of each account, in their order.
    pub(super) units: Vec<usize>,
    /// What the member's first call needs of each unit.
    pub(super) first: [u64; UNITS],
    pub(super) longest: u64,
    /// Whether a window counts costs or calls.
    pub(super) limits_rate: bool,
    pub(super) lease: u64,
}

/// A window as the ledger reads it.
#[derive(Clone, Copy, Debug)]
pub(super) struct DeclaredWindow {
    pub(super) unit: usize,
    pub(super) limit: u64,
    /// Zero if what it counts is free as soon as it is settled.
    pub(super) length: u64,
    pub(super) is_plan: bool,
}

impl Terms {
    pub(super) fn of(exchange: &Exchange) -> Self {
        let windows: Vec<_> = exchange
            .windows
            .iter()
            .map(|window| DeclaredWindow {
                unit: index(window.unit),
                limit: u64::from(window.limit),
                length: match window.unit {
                    QuotaUnit::InFlight => 0,
                    _ => micros_up(window.length),
                },
                is_plan: window.is_plan,
            })
            .collect();
        let counts_in = |unit: usize| windows.iter().any(|window| window.unit == unit);
        let units = (0..UNITS).filter(|unit| *unit == COST || counts_in(*unit));
        let units: Vec<_> = units.collect();
        let mut first = [0; UNITS];
        for (unit, account) in units.iter().zip(&exchange.accounts) {
            first[*unit] = account.first.into();
        }
        Self {
            units,
            first,
            longest: windows
                .iter()
                .map(|window| window.length)
                .max()
                .unwrap_or(0),
            limits_rate: windows.iter().any(|window| window.unit != IN_FLIGHT),
            lease: micros_up(exchange.lease).max(1),
            windows,
        }
    }

    /// For how long a member is remembered after its lease has ended.
    pub(super) fn memory(&self) -> u64 {
        self.longest + 2 * self.lease
    }

    /// Within this time all members that are alive are heard of. They exchange each quarter of a lease.
    pub(super) fn first_lap(&self) -> u64 {
        self.lease * 5 / 16
    }

    /// The windows that count in this unit, with their index.
    pub(super) fn of_unit(&self, unit: usize) -> impl Iterator<Item = (usize, &DeclaredWindow)> {
        let windows = self.windows.iter().enumerate();
        windows.filter(move |(_, window)| window.unit == unit)
    }
}

fn index(unit: QuotaUnit) -> usize {
    match unit {
        QuotaUnit::Cost => COST,
        QuotaUnit::Calls => CALLS,
        QuotaUnit::InFlight => IN_FLIGHT,
    }
}

/// Rounds a moment up to the grid of a window, so that no place is free too early.
pub(super) fn round_up_to_grid(at: u64, length: u64) -> u64 {
    at.next_multiple_of((length / STEPS_PER_WINDOW).max(1))
}
