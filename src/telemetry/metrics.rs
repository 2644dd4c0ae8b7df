//! Numbers through the [`metrics`](https://docs.rs/metrics) crate (feature `metrics`).
//!
//! These are counted as calls go by, with whatever recorder the program has installed:
//!
//! | name | kind | labels | counts |
//! |---|---|---|---|
//! | `tower_backoff_attempts_total` | counter | scope, outcome: `served`, `refused`, `failed` | requests that were sent and judged |
//! | `tower_backoff_closings_total` | counter | scope, decided_by: `server`, `default` | how often a gate closed for the calls behind it |
//! | `tower_backoff_waits_seconds` | histogram | scope | waits before a call is sent again |
//! | `tower_backoff_stopped_total` | counter | scope, why: `final`, `gave_up` | calls that ended without being served |
//!
//! And these are set whenever [`record`] is called:
//!
//! | name | kind | labels | is |
//! |---|---|---|---|
//! | `tower_backoff_gate_closed_seconds` | gauge | scope | for how long no call passes |
//! | `tower_backoff_gate_waiting` | gauge | scope | how many calls wait |
//! | `tower_backoff_gate_in_flight` | gauge | scope | how many calls are on their way |
//! | `tower_backoff_quota_used_ratio` | gauge | scope | how much of the fullest quota is used, 1 being all |
//!
//! `refused` means refused by a limit, `failed` a 5xx or a broken connection, and `served` every other answer.
//! A closing is decided by the `server` if it named the wait, in a header or in the body, and is the `default` if not.
//! `final` are calls that another try would not have helped, or would have harmed; `gave_up` are those that ran
//! out of retries, of budget or of patience, or whose body could not be sent again.
//!
//! These are 12 series per scope at most, whatever a server says: no label is a status, a header, a limit or the name
//! of a bucket. The numbers of a bucket count under its scope, and what an address behind a redirect answers counts under
//! the scope that was asked; only the gauges tell of the gate of that address. A gate that is forgotten leaves gauges of
//! zero.

use std::collections::HashMap;
use std::sync::PoisonError;

use metrics::gauge;

use crate::gate::{GateStatus, Gates};
use crate::scope::Scope;

/// Sets the gauges of each gate to what it is doing now. Call it as often as they are read.
///
/// ```
/// use tower_backoff::{Gates, metrics};
///
/// let gates = Gates::new();
/// metrics::record(&gates);
/// ```
pub fn record(gates: &Gates) {
    let mut scopes: HashMap<Scope, Gauges> = HashMap::new();
    for gate in gates.snapshot() {
        let scope = gate.scope.without_bucket();
        scopes.entry(scope).or_default().add(&gate);
    }
    let mut known = gates
        .recorded()
        .lock()
        .unwrap_or_else(PoisonError::into_inner);
    let forgotten = known.drain().filter(|scope| !scopes.contains_key(scope));
    forgotten.for_each(|scope| Gauges::default().set(&scope));
    scopes.iter().for_each(|(scope, gauges)| gauges.set(scope));
    known.extend(scopes.into_keys());
}

/// What the gate of a scope is doing, together with those of its buckets.
#[derive(Default)]
struct Gauges {
    closed_seconds: f64,
    waiting: usize,
    in_flight: u32,
    used: f64,
}

impl Gauges {
    fn add(&mut self, gate: &GateStatus) {
        let closed = gate.closed_for.unwrap_or_default().as_secs_f64();
        self.closed_seconds = self.closed_seconds.max(closed);
        // A call waits at one gate at a time, but is on its way at the scope's and at its bucket's.
        self.waiting += gate.waiting;
        self.in_flight = self.in_flight.max(gate.in_flight);
        for quota in &gate.quotas {
            let used = f64::from(quota.used) / f64::from(quota.limit.max(1));
            self.used = self.used.max(used);
        }
    }

    fn set(&self, scope: &Scope) {
        let labels = [("scope", scope.to_string())];
        gauge!("tower_backoff_gate_closed_seconds", &labels).set(self.closed_seconds);
        gauge!("tower_backoff_gate_waiting", &labels).set(self.waiting as f64);
        gauge!("tower_backoff_gate_in_flight", &labels).set(self.in_flight);
        gauge!("tower_backoff_quota_used_ratio", &labels).set(self.used);
    }
}
