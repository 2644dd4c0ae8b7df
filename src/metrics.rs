//! Numbers through the [`metrics`](https://docs.rs/metrics) crate (feature `metrics`).
//!
//! These are counted as calls go by, with whatever recorder the program has installed:
//!
//! | name | kind | labels | counts |
//! |---|---|---|---|
//! | `tower_backoff_attempts_total` | counter | scope, status | requests that were sent and judged |
//! | `tower_backoff_refusals_total` | counter | scope, status | those that a limit refused |
//! | `tower_backoff_closings_total` | counter | scope, decided_by | how often a gate was shut |
//! | `tower_backoff_waits_seconds` | histogram | scope, decided_by | waits before a call goes again |
//! | `tower_backoff_ended_total` | counter | scope, why | refusals and failures that were handed back |
//! | `tower_backoff_budget_paid_total` | counter | scope | retries that the budget paid for |
//!
//! And these are set whenever [`record`] is called:
//!
//! | name | kind | labels | is |
//! |---|---|---|---|
//! | `tower_backoff_gate_shut_seconds` | gauge | scope | for how long nobody passes |
//! | `tower_backoff_gate_waiting` | gauge | scope | how many calls wait |
//! | `tower_backoff_gate_in_flight` | gauge | scope | how many are on their way |
//! | `tower_backoff_quota_spent` | gauge | scope, quota | how much of a quota is spent |

use metrics::gauge;

use crate::gate::{GateStatus, Gates};

/// Sets the gauges of each gate to what it is doing now. Call it as often as they are read.
///
/// ```
/// use tower_backoff::{Gates, metrics};
///
/// let gates = Gates::new();
/// metrics::record(&gates);
/// ```
pub fn record(gates: &Gates) {
    gates.all().iter().for_each(record_one);
}

fn record_one(gate: &GateStatus) {
    let scope = gate.scope.to_string();
    let labels = [("scope", scope.clone())];
    let shut_for = gate.shut_for.unwrap_or_default();
    gauge!("tower_backoff_gate_shut_seconds", &labels).set(shut_for.as_secs_f64());
    gauge!("tower_backoff_gate_waiting", &labels).set(gate.waiting as f64);
    gauge!("tower_backoff_gate_in_flight", &labels).set(gate.in_flight);
    for quota in &gate.spent {
        let of = match quota.window {
            Some(window) => format!("{} per {window:?}", quota.of),
            None => quota.of.to_string(),
        };
        let labels = [("scope", scope.clone()), ("quota", of)];
        gauge!("tower_backoff_quota_spent", &labels).set(quota.spent);
    }
}
