//! Finds the gate of an address without taking the address apart.

use std::collections::HashMap;
use std::hash::BuildHasher;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use foldhash::fast::RandomState;
use http::Uri;

use super::gate::Gate;

/// The gates by address, letter for letter.
///
/// What is not found may still be known in another spelling. Each service remembers its last gate; this is for services
/// that were just cloned, to make one call each, and for those with many hosts.
#[derive(Default)]
pub(super) struct UriLookup {
    /// Most clients talk to one host. Never forgotten: it is one gate.
    first: OnceLock<Arc<Gate>>,
    /// By the hash of scheme and authority.
    /// Two addresses with one hash are told apart by the scopes of their gates.
    gates: RwLock<HashMap<u64, Arc<Gate>, RandomState>>,
    hash: RandomState,
}

impl UriLookup {
    /// The gate of the first address that was set, if it is this one.
    #[inline]
    pub(super) fn first(&self, uri: &Uri) -> Option<&Arc<Gate>> {
        let first = self.first.get()?;
        first.scope().is_exactly(uri).then_some(first)
    }

    pub(super) fn get(&self, uri: &Uri) -> Option<Arc<Gate>> {
        let key = self.key(uri)?;
        let gates = self.gates.read().unwrap_or_else(PoisonError::into_inner);
        let same = |gate: &&Arc<Gate>| gate.scope().is_exactly(uri);
        gates.get(&key).filter(same).cloned()
    }

    /// Caches the gate, if it is the one of just this spelling: so there are never more entries than gates.
    pub(super) fn set(&self, uri: &Uri, gate: &Arc<Gate>) {
        let Some(key) = self.key(uri).filter(|_| gate.scope().is_exactly(uri)) else {
            return;
        };
        self.first.get_or_init(|| Arc::clone(gate));
        let mut gates = self.gates.write().unwrap_or_else(PoisonError::into_inner);
        gates.insert(key, Arc::clone(gate));
    }

    /// Forgets all gates but the first.
    pub(super) fn clear(&self) {
        let mut gates = self.gates.write().unwrap_or_else(PoisonError::into_inner);
        *gates = HashMap::default(); // and of the table's memory
    }

    fn key(&self, uri: &Uri) -> Option<u64> {
        let authority = uri.authority()?.as_str();
        // The same host by another scheme is another scope: `https` is longer than `http`.
        let scheme = uri.scheme_str().map_or(0, str::len) as u64;
        Some(self.hash.hash_one(authority) ^ scheme)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::gate::GateConfig;
    use crate::scope::Scope;

    fn gate(uri: &Uri) -> Arc<Gate> {
        Arc::new(Gate::new(Scope::origin(uri), GateConfig::default()))
    }

    #[test]
    fn a_gate_is_found_by_its_address_and_by_no_other() {
        let addresses = UriLookup::default();
        let uri = Uri::from_static("https://api.test/v1");
        let known = gate(&uri);
        addresses.set(&uri, &known);
        let found = addresses.get(&Uri::from_static("https://api.test/other?x=1"));
        assert!(found.is_some_and(|gate| Arc::ptr_eq(&gate, &known)));
        for other in [
            "http://api.test/",
            "https://api.test:444/",
            "https://b.test/",
            "/v1",
        ] {
            assert!(addresses.get(&Uri::from_static(other)).is_none(), "{other}");
        }
        addresses.clear();
        assert!(addresses.get(&uri).is_none());
    }

    #[test]
    fn the_first_gate_is_found_without_a_look_into_the_map_and_never_forgotten() {
        let addresses = UriLookup::default();
        let (uri, other) = (
            Uri::from_static("https://api.test/v1"),
            Uri::from_static("https://b.test/"),
        );
        assert!(addresses.first(&uri).is_none());
        let known = gate(&uri);
        addresses.set(&uri, &known);
        addresses.set(&other, &gate(&other));
        addresses.clear();
        assert!(
            addresses
                .first(&uri)
                .is_some_and(|gate| Arc::ptr_eq(gate, &known))
        );
        assert!(addresses.first(&other).is_none());
    }

    #[test]
    fn two_lookups_hash_one_address_differently() {
        let uri = Uri::from_static("https://api.test/");
        let (one, other) = (UriLookup::default(), UriLookup::default());
        assert_eq!(one.key(&uri), one.key(&uri));
        assert_ne!(one.key(&uri), other.key(&uri));
    }

    #[test]
    fn another_spelling_takes_no_room() {
        let addresses = UriLookup::default();
        let known = gate(&Uri::from_static("https://api.test/"));
        addresses.set(&Uri::from_static("https://API.test/"), &known);
        assert!(addresses.gates.read().unwrap().is_empty());
    }
}
