//! Metrics through the [`metrics`](https://docs.rs/metrics) crate (feature `metrics`).
//!
//! These are counted as calls are made, with the recorder that the program has installed:
//!
//! | name | kind | labels | counts |
//! |---|---|---|---|
//! | `tower_backoff_attempts_total` | counter | scope, outcome: `served`, `refused`, `failed` | requests that were sent |
//! | `tower_backoff_closings_total` | counter | scope, decided_by: `server`, `default` | how often a gate closed |
//! | `tower_backoff_waits_seconds` | histogram | scope | how long attempts waited, if they were not sent at once |
//! | `tower_backoff_stopped_total` | counter | scope, why: `final`, `gave_up` | calls that ended without success |
//!
//! These gauges are set whenever [`record`] is called:
//!
//! | name | kind | labels | is |
//! |---|---|---|---|
//! | `tower_backoff_gate_closed_seconds` | gauge | scope | for how long the gate is closed |
//! | `tower_backoff_gate_waiting` | gauge | scope | how many calls wait |
//! | `tower_backoff_gate_in_flight` | gauge | scope | how many calls are in flight |
//! | `tower_backoff_quota_used_ratio` | gauge | scope | used share of the fullest quota, 1 if it is used up |
//!
//! `refused` means refused by a rate limit, `failed` a 5xx or a broken connection, and `served` every other response.
//! `decided_by` is `server` if the server named the wait, in a header or in the body, and `default` if not. `final`
//! calls would not succeed on another attempt, or are not safe to send again. `gave_up` calls ran out of retries,
//! budget or patience, or had a body that could not be sent again.
//!
//! A wait is recorded when it is over and the attempt is sent: the first one at the gate, and those before retries. A
//! call that was sent at once has none.
//!
//! There are at most 12 series per scope, whatever a server sends: no label is a status, a header, a limit or the
//! name of a bucket. The numbers of a bucket count for its scope, and the response of a redirect target counts for
//! the scope of the request; only the gauges show the gate of the target. The gauges of a gate that was forgotten are
//! zero.

use std::collections::HashMap;
use std::sync::PoisonError;

use metrics::gauge;

use crate::gate::{GateStatus, Gates};
use crate::scope::Scope;

/// Sets the gauges to the current state of each gate.
///
/// Call it as often as the gauges are read.
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

/// The gauges of a scope, buckets included.
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
        // A call waits at one gate at a time, but is in flight at the scope's and at its bucket's.
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
