//! Who is told at once that another member has closed a scope.

use std::fmt;
use std::sync::{Arc, Weak};
use std::time::Duration;

/// What a member does when it hears of a closing.
pub(crate) trait HearsClosings: Send + Sync {
    fn on_closing(&self, closed_for: Duration);
}

/// A weak handle to a member that is told of the closings of its scope.
#[derive(Clone)]
pub struct ClosingListener(Weak<dyn HearsClosings>);

impl ClosingListener {
    #[cfg_attr(all(target_family = "wasm", target_os = "unknown"), allow(dead_code))]
    pub(crate) fn new(member: &Arc<dyn HearsClosings>) -> Self {
        Self(Arc::downgrade(member))
    }

    /// Tells the member for how long its scope is closed.
    pub fn on_closing(&self, closed_for: Duration) {
        if let Some(member) = self.0.upgrade() {
            member.on_closing(closed_for);
        }
    }

    /// Whether the member is still there. If not, the listener can be dropped.
    pub fn is_alive(&self) -> bool {
        self.0.strong_count() > 0
    }
}

impl fmt::Debug for ClosingListener {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("ClosingListener")
    }
}
