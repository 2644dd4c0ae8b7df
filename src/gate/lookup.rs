//! Finds the gate of an address without taking the address apart.

use std::collections::HashMap;
use std::hash::{BuildHasher, BuildHasherDefault, Hasher, RandomState};
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use http::Uri;

use super::gate::Gate;

/// Gates by address, letter for letter. What is not found may still be known, spelt otherwise. Each service remembers
/// its last gate; this is for those that were just cloned, to make one call each, and for those with many hosts.
#[derive(Default)]
pub(super) struct UriLookup {
    /// Most clients talk to one host. Never forgotten: it is one gate.
    first: OnceLock<Arc<Gate>>,
    gates: RwLock<HashMap<u64, Arc<Gate>, BuildHasherDefault<Hashed>>>,
    hash: AuthorityHash,
}

/// A quick hash of an address, with keys that nobody knows. Whoever found two addresses with the same one would only
/// make the gate of the first be looked for by its scope: so it need not be as good as that of a map of strings.
struct AuthorityHash([u64; 2]);

impl Default for AuthorityHash {
    fn default() -> Self {
        let keys = RandomState::new();
        // An odd factor loses nothing of what it is multiplied with.
        Self([keys.hash_one(0), keys.hash_one(1) | 1])
    }
}

impl AuthorityHash {
    #[inline]
    fn of(&self, address: &str) -> u64 {
        let bytes = address.as_bytes();
        let Self([key, factor]) = self;
        let fold = |word: u64| {
            let product = u128::from(word) * u128::from(*factor);
            product as u64 ^ (product >> 64) as u64
        };
        let words = bytes.chunks_exact(8).filter_map(<[u8]>::first_chunk);
        let hash = words
            .map(|word| u64::from_le_bytes(*word))
            .fold(*key ^ bytes.len() as u64, |hash, word| fold(hash ^ word));
        // The last eight once more, or all if they are fewer.
        let last = match bytes.last_chunk() {
            Some(word) => u64::from_le_bytes(*word),
            None => bytes
                .iter()
                .fold(0, |word, byte| word << 8 | u64::from(*byte)),
        };
        fold(hash ^ last)
    }
}

/// The keys of the map are hashes already.
#[derive(Default)]
struct Hashed(u64);

impl Hasher for Hashed {
    fn write(&mut self, bytes: &[u8]) {
        bytes
            .iter()
            .for_each(|byte| self.write_u64(u64::from(*byte)));
    }

    fn write_u64(&mut self, hash: u64) {
        self.0 ^= hash;
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

impl UriLookup {
    /// The gate of the first address that was set, if it is this one.
    #[inline]
    pub(super) fn first(&self, uri: &Uri) -> Option<&Arc<Gate>> {
        let first = self.first.get()?;
        first.scope().is_plainly(uri).then_some(first)
    }

    pub(super) fn get(&self, uri: &Uri) -> Option<Arc<Gate>> {
        let key = self.key(uri)?;
        let gates = self.gates.read().unwrap_or_else(PoisonError::into_inner);
        let same = |gate: &&Arc<Gate>| gate.scope().is_plainly(uri);
        gates.get(&key).filter(same).cloned()
    }

    /// The gate will be found at once, if it is the one of just this spelling: so there are never more of them than
    /// of gates.
    pub(super) fn set(&self, uri: &Uri, gate: &Arc<Gate>) {
        let Some(key) = self.key(uri).filter(|_| gate.scope().is_plainly(uri)) else {
            return;
        };
        self.first.get_or_init(|| Arc::clone(gate));
        let mut gates = self.gates.write().unwrap_or_else(PoisonError::into_inner);
        gates.insert(key, Arc::clone(gate));
    }

    /// Lets go of all gates but the first.
    pub(super) fn clear(&self) {
        let mut gates = self.gates.write().unwrap_or_else(PoisonError::into_inner);
        *gates = HashMap::default(); // and of the table's memory
    }

    fn key(&self, uri: &Uri) -> Option<u64> {
        let authority = uri.authority()?.as_str();
        // The same host by another scheme is another scope: `https` is longer than `http`.
        let scheme = uri.scheme_str().map_or(0, str::len) as u64;
        Some(self.hash.of(authority) ^ scheme)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

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
    fn ten_thousand_addresses_have_as_many_hashes_and_none_is_foreseen() {
        let name = |nth| match nth % 3 {
            0 => format!("api-{nth}.test"),
            1 => format!("api.example.com:{}", 10_000 + nth),
            _ => format!("a:{nth}"),
        };
        let hosts: Vec<_> = (0..10_000).map(name).collect();
        let (hash, other) = (AuthorityHash::default(), AuthorityHash::default());
        let of = |hash: &AuthorityHash| hosts.iter().map(|host| hash.of(host)).collect::<Vec<_>>();
        assert_eq!(of(&hash), of(&hash));
        let mut all = [of(&hash), of(&other)].concat();
        // A map of so many looks at the last bits first.
        let low: HashSet<_> = of(&hash).iter().map(|hash| hash % (1 << 14)).collect();
        assert!((7_000..8_000).contains(&low.len()), "{}", low.len());
        all.sort_unstable();
        all.dedup();
        assert_eq!(all.len(), 20_000);
    }

    #[test]
    fn another_spelling_takes_no_room() {
        let addresses = UriLookup::default();
        let known = gate(&Uri::from_static("https://api.test/"));
        addresses.set(&Uri::from_static("https://API.test/"), &known);
        assert!(addresses.gates.read().unwrap().is_empty());
    }
}
