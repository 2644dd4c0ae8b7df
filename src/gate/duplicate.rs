//! Notices a second set of gates for the same provider.
//!
//! Two layers that were built apart know nothing of each other: each spends the whole quota. That is nearly always a
//! mistake, such as a layer built per request, so it is logged once.

use std::sync::{Mutex, PoisonError, Weak};

use super::{Gates, Shared};

/// The known providers and the gates that serve them, as long as these live.
static KNOWN: Mutex<Vec<KnownProvider>> = Mutex::new(Vec::new());

type KnownProvider = (Box<str>, Weak<Shared>);

impl Gates {
    /// Whether other gates of this process serve the same provider. Answers "yes" once for each.
    pub(crate) fn is_duplicate_layer(&self, provider: &str) -> bool {
        let mut known = KNOWN.lock().unwrap_or_else(PoisonError::into_inner);
        known.retain(|(_, gates)| gates.strong_count() > 0);
        let of_provider = || known.iter().filter(|(name, _)| **name == *provider);
        if of_provider().any(|(_, gates)| gates.as_ptr() == std::sync::Arc::as_ptr(&self.shared)) {
            return false;
        }
        let has_others = of_provider().next().is_some();
        let gates = std::sync::Arc::downgrade(&self.shared);
        known.push((provider.into(), gates));
        has_others
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_set_of_gates_for_a_provider_is_noticed_once() {
        let (first, second) = (Gates::new(), Gates::new());
        assert!(!first.is_duplicate_layer("duplicate-test"));
        assert!(
            !first.clone().is_duplicate_layer("duplicate-test"),
            "a clone is the same"
        );
        assert!(second.is_duplicate_layer("duplicate-test"));
        assert!(
            !second.is_duplicate_layer("duplicate-test"),
            "it is said once"
        );
        assert!(!second.is_duplicate_layer("duplicate-test-other"));
    }

    #[test]
    fn gates_that_were_dropped_are_no_duplicates() {
        assert!(!Gates::new().is_duplicate_layer("duplicate-test-dropped"));
        assert!(!Gates::new().is_duplicate_layer("duplicate-test-dropped"));
    }
}
