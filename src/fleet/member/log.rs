//! What the log is told of a member; nothing without the feature `tracing`.

use crate::fleet::ledger::Unreachable;
use crate::scope::Scope;

/// Warns that the ledger cannot be reached.
pub(super) fn on_ledger_away(scope: &Scope, why: &Unreachable) {
    #[cfg(feature = "tracing")]
    tracing::warn!(scope = %scope, error = %why, "the ledger of the fleet is away: each process keeps to its share");
    #[cfg(not(feature = "tracing"))]
    let _ = (scope, why);
}

/// Reports that the ledger is reached again.
pub(super) fn on_ledger_back(scope: &Scope) {
    #[cfg(feature = "tracing")]
    tracing::info!(scope = %scope, "the ledger of the fleet is back");
    #[cfg(not(feature = "tracing"))]
    let _ = scope;
}

/// Warns that the process hashes under another secret than that of the ledger.
pub(super) fn on_other_secret() {
    #[cfg(feature = "tracing")]
    tracing::warn!(
        "scopes were hashed under another secret before: this fleet shares with no other process. Create the ledger first, and only one secret in a process"
    );
}

/// Warns that the names of scopes are those of this process alone.
pub(super) fn on_no_secret(scope: &Scope) {
    #[cfg(feature = "tracing")]
    tracing::warn!(scope = %scope, "the fleet has no secret, so it shares with no other process: say `secret(..)`, the same in all of them");
    #[cfg(not(feature = "tracing"))]
    let _ = scope;
}
