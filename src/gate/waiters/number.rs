//! The number of a waiting call: its priority, and when it arrived among the calls of that priority.

use crate::retry::Priority;

/// The priority is in the two highest bits of a number.
const PRIORITY_SHIFT: u32 = 62;

/// The number before that of the first call of a priority.
pub(super) const fn first_number(priority: Priority) -> u64 {
    (priority as u64) << PRIORITY_SHIFT
}

/// The priority of the call with this number.
pub(super) fn priority_of(number: u64) -> Priority {
    match number >> PRIORITY_SHIFT {
        0 => Priority::Urgent,
        1 => Priority::Normal,
        _ => Priority::Background,
    }
}

/// How many calls of its priority had arrived when the call with this number did.
pub(in crate::gate) const fn arrivals_before(number: u64) -> u64 {
    number & ((1 << PRIORITY_SHIFT) - 1)
}
