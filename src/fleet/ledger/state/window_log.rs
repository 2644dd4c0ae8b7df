//! What was settled within one window, oldest first.

use std::collections::VecDeque;

use super::terms::round_up_to_grid;

/// The settled calls of one window, merged into steps of a 256th of its length.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[cfg_attr(feature = "file", derive(serde::Serialize, serde::Deserialize))]
pub(super) struct WindowLog {
    entries: VecDeque<LogEntry>,
    sum: u64,
    /// The number of the present period, each as long as the window; what was settled in it, and in the one before.
    period: u64,
    current: u64,
    before: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[cfg_attr(feature = "file", derive(serde::Serialize, serde::Deserialize))]
struct LogEntry {
    settled_at: u64,
    count: u64,
}

impl WindowLog {
    /// How much the window holds.
    pub(super) fn sum(&self) -> u64 {
        self.sum
    }

    /// The most that was settled within one window: in the present period, or the one before.
    pub(super) fn most_settled(&self) -> u64 {
        self.current.max(self.before)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Frees what was settled at least a window ago.
    pub(super) fn free_expired(&mut self, length: u64, now: u64) {
        let period = now / length.max(1);
        if period != self.period {
            self.before = if period == self.period + 1 {
                self.current
            } else {
                0
            };
            (self.period, self.current) = (period, 0);
        }
        while let Some(oldest) = self.entries.front() {
            if oldest.settled_at + length > now {
                break;
            }
            self.sum -= oldest.count;
            self.entries.pop_front();
        }
    }

    /// Adds what was settled at this moment. It never counts for less than a window.
    pub(super) fn add(&mut self, settled_at: u64, count: u64, length: u64, now: u64) {
        let settled_at = round_up_to_grid(settled_at, length);
        if count == 0 || settled_at + length <= now {
            return;
        }
        self.sum += count;
        self.current += count;
        // An entry that comes late counts with the last one: later than it was, and so never too early free.
        match self.entries.back_mut() {
            Some(last) if settled_at <= last.settled_at => last.count += count,
            _ => self.entries.push_back(LogEntry { settled_at, count }),
        }
    }

    /// When the oldest entry was settled, and how much it is.
    pub(super) fn oldest(&self) -> Option<(u64, u64)> {
        let oldest = self.entries.front()?;
        Some((oldest.settled_at, oldest.count))
    }

    /// Takes this much out of the oldest entry, which holds at least as much.
    pub(super) fn take_oldest(&mut self, count: u64) {
        let Some(oldest) = self.entries.front_mut() else {
            return;
        };
        oldest.count -= count;
        self.sum -= count;
        if oldest.count == 0 {
            self.entries.pop_front();
        }
    }
}
