//! The known gates by scope: bounded in number, and forgotten when they are of no use any more.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use super::core::GateConfig;
use super::gate::Gate;
use crate::scope::Scope;
use crate::time::Moment;

#[derive(Default)]
pub(super) struct Registry {
    gates: HashMap<Scope, Arc<Gate>>,
    /// By the scope that they are buckets of.
    buckets: HashMap<Scope, ScopeBuckets>,
    /// The number of gates, those of buckets included.
    total: usize,
    /// With more gates than this, the idle ones are forgotten.
    sweep_at: usize,
}

/// The buckets of one scope.
struct ScopeBuckets {
    gates: HashMap<Scope, Arc<Gate>>,
    /// They are not searched for idle ones before then.
    sweep_from: Moment,
}

/// A gate that was not used for this long is forgotten; no bare wait still grows by then.
const UNUSED: Duration = Duration::from_secs(15 * 60);

impl Registry {
    const FEW: usize = 1_024;
    /// A handful of gates is not worth a search.
    const HANDFUL: usize = 64;
    const BETWEEN_SWEEPS: Duration = Duration::from_secs(60);
    /// No known API has more buckets, but a server may name as many as it likes.
    const MOST_BUCKETS: usize = 1_024;
    /// One search for room costs as much as some hundreds of calls.
    const BETWEEN_BUCKET_SWEEPS: Duration = Duration::from_secs(1);

    pub(super) fn get(&self, scope: &Scope) -> Option<&Arc<Gate>> {
        self.gates.get(scope).or_else(|| {
            let buckets = self.buckets.get(&scope.without_bucket())?;
            buckets.gates.get(scope)
        })
    }

    pub(super) fn insert(&mut self, scope: Scope, config: GateConfig<'_>) -> Arc<Gate> {
        let gate = Arc::new(Gate::new(scope.clone(), config));
        self.gates.insert(scope, Arc::clone(&gate));
        self.total += 1;
        gate
    }

    /// The gate of a bucket, or `None` if its scope has no room for another one.
    /// One whose quotas are declared always has room: it is the user who names it, and not the server.
    pub(super) fn bucket(
        &mut self,
        of: &Scope,
        bucket: Scope,
        config: GateConfig<'_>,
        now: Moment,
    ) -> Option<Arc<Gate>> {
        if !self.buckets.contains_key(of) {
            let buckets = ScopeBuckets {
                gates: HashMap::new(),
                sweep_from: now,
            };
            self.buckets.insert(of.clone(), buckets);
        }
        let buckets = self.buckets.get_mut(of)?;
        if let Some(gate) = buckets.gates.get(&bucket) {
            return Some(Arc::clone(gate));
        }
        let before = buckets.gates.len();
        if !config.is_partial && !buckets.has_room(now) {
            return None;
        }
        self.total -= before - buckets.gates.len();
        let gate = Arc::new(Gate::new(bucket.clone(), config));
        buckets.gates.insert(bucket, Arc::clone(&gate));
        self.total += 1;
        Some(gate)
    }

    /// The gate of a scope and those of its buckets.
    pub(super) fn all_of(&self, scope: &Scope) -> Vec<Arc<Gate>> {
        let buckets = self.buckets.get(scope).into_iter();
        let buckets = buckets.flat_map(|buckets| buckets.gates.values());
        self.get(scope)
            .into_iter()
            .chain(buckets)
            .cloned()
            .collect()
    }

    pub(super) fn all(&self) -> Vec<Arc<Gate>> {
        let buckets = self.buckets.values().map(|buckets| &buckets.gates);
        let gates = buckets.chain([&self.gates]).flat_map(HashMap::values);
        gates.cloned().collect()
    }

    /// Whether their number has doubled, so that the cost per call stays flat.
    pub(super) fn is_full(&self) -> bool {
        self.total >= self.sweep_at.max(Self::FEW)
    }

    /// When unused gates are to be forgotten: never, while there is a handful.
    pub(super) fn next_sweep(&self, now: Moment) -> Moment {
        if self.total > Self::HANDFUL {
            now + Self::BETWEEN_SWEEPS
        } else {
            Moment::FAR
        }
    }

    /// Forgets the gates that no call holds and that remember nothing that still counts.
    pub(super) fn evict_idle(&mut self, now: Moment) {
        self.retain(|gate| !is_idle(gate, now));
        self.sweep_at = self.total * 2;
    }

    /// Forgets the idle gates that were not used lately: what was learned may still be of use.
    pub(super) fn evict_unused(&mut self, now: Moment) {
        self.retain(|gate| {
            !is_idle(gate, now) || gate.lock().core.was_used_after(now.earlier(UNUSED))
        });
    }

    fn retain(&mut self, keeps: impl Fn(&Arc<Gate>) -> bool) {
        retain(&mut self.gates, &keeps);
        self.buckets.retain(|_, buckets| {
            retain(&mut buckets.gates, &keeps);
            !buckets.gates.is_empty()
        });
        let buckets = self.buckets.values().map(|buckets| buckets.gates.len());
        self.total = self.gates.len() + buckets.sum::<usize>();
    }
}

impl ScopeBuckets {
    fn has_room(&mut self, now: Moment) -> bool {
        if self.gates.len() >= Registry::MOST_BUCKETS && now >= self.sweep_from {
            self.sweep_from = now + Registry::BETWEEN_BUCKET_SWEEPS;
            retain(&mut self.gates, &|gate| !is_idle(gate, now));
        }
        self.gates.len() < Registry::MOST_BUCKETS
    }
}

fn is_idle(gate: &Arc<Gate>, now: Moment) -> bool {
    Arc::strong_count(gate) == 1 && gate.lock().is_idle(now)
}

/// Removes gates, and gives the memory of the table back if most of it is empty now.
fn retain(gates: &mut HashMap<Scope, Arc<Gate>>, keeps: &impl Fn(&Arc<Gate>) -> bool) {
    gates.retain(|_, gate| keeps(gate));
    if gates.capacity() > 4 * gates.len() {
        gates.shrink_to(2 * gates.len());
    }
}
