//! The handle by which a member reaches its gate.

use std::fmt;
use std::sync::{Arc, Weak};

/// What a gate does for its member.
pub(crate) trait GateSide: Send + Sync {
    fn wake(&self);
    fn reopen(&self);
    fn waiting(&self) -> usize;
    fn in_flight(&self) -> u32;
    fn set_led_by_fleet(&self, leads: bool);
}

/// A weak handle to a gate, for its member.
///
/// When the gate has been dropped, it does nothing and nothing waits at it.
#[derive(Clone)]
pub struct GateHandle(Weak<dyn GateSide>);

impl GateHandle {
    pub(crate) fn new(gate: Weak<dyn GateSide>) -> Self {
        Self(gate)
    }

    /// Lets the gate ask again: what the member has replied is no longer true.
    pub fn wake(&self) {
        self.if_alive((), |gate| gate.wake());
    }

    /// Opens the gate, since the user of another process has opened the scope.
    #[cfg_attr(all(target_family = "wasm", target_os = "unknown"), allow(dead_code))]
    pub(crate) fn reopen(&self) {
        self.if_alive((), |gate| gate.reopen());
    }

    /// Returns how many calls wait.
    pub fn waiting(&self) -> usize {
        self.if_alive(0, |gate| gate.waiting())
    }

    /// Returns how many calls are on their way.
    pub fn in_flight(&self) -> u32 {
        self.if_alive(0, |gate| gate.in_flight())
    }

    /// Sets whether the member knows the limits for all processes.
    ///
    /// While it does, the gate neither starts slowly after a refusal nor keeps to what it has learned by itself. The
    /// declared quotas stay in force.
    pub fn set_leading(&self, leads: bool) {
        self.if_alive((), |gate| gate.set_led_by_fleet(leads));
    }

    /// Whether the gate is still there.
    #[cfg_attr(all(target_family = "wasm", target_os = "unknown"), allow(dead_code))]
    pub(crate) fn is_alive(&self) -> bool {
        self.0.strong_count() > 0
    }

    fn if_alive<T>(&self, otherwise: T, ask: impl FnOnce(Arc<dyn GateSide>) -> T) -> T {
        self.0.upgrade().map_or(otherwise, ask)
    }
}

impl fmt::Debug for GateHandle {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("GateHandle")
    }
}
