//! The bucket that the server named last for each kind of request.

use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::{Arc, PoisonError, RwLock};

use crate::scope::Scope;

/// The key by which a request finds its bucket.
#[derive(Clone, Copy, Debug)]
pub(crate) struct BucketKey {
    /// The kind of request, of which a response names the bucket.
    pub(crate) route: u64,
    /// The resource for which that bucket holds, if there is one for each.
    pub(crate) resource: Option<u64>,
}

/// The names of buckets by scope and route. Read by every call of a provider that has buckets.
#[derive(Debug, Default)]
pub(crate) struct BucketNames {
    names: RwLock<HashMap<u64, Arc<str>>>,
    keys: RandomState,
}

impl BucketNames {
    /// More kinds of requests than any client makes. Beyond, all names are forgotten and learned again.
    const MOST: usize = 4_096;

    pub(crate) fn get(&self, scope: &Scope, route: u64) -> Option<Arc<str>> {
        let names = self.names.read().unwrap_or_else(PoisonError::into_inner);
        names.get(&self.key(scope, route)).cloned()
    }

    pub(crate) fn set(&self, scope: &Scope, route: u64, name: &Arc<str>) {
        if self.get(scope, route).as_ref() == Some(name) {
            return;
        }
        let mut names = self.names.write().unwrap_or_else(PoisonError::into_inner);
        if names.len() >= Self::MOST {
            names.clear();
        }
        names.insert(self.key(scope, route), Arc::clone(name));
    }

    fn key(&self, scope: &Scope, route: u64) -> u64 {
        self.keys.hash_one((scope, route))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_name_counts_and_their_number_is_bounded() {
        let (buckets, scope) = (BucketNames::default(), Scope::single());
        assert_eq!(buckets.get(&scope, 1), None);
        for name in ["core", "search"] {
            buckets.set(&scope, 1, &name.into());
            assert_eq!(buckets.get(&scope, 1).as_deref(), Some(name));
        }
        assert_eq!(buckets.get(&scope, 2), None);
        (0..100_000).for_each(|route| buckets.set(&scope, route, &"core".into()));
        assert!(buckets.names.read().unwrap().len() <= BucketNames::MOST);
    }
}
