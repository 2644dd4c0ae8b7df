//! Buckets within a scope, as a provider names them.

use http::{HeaderMap, HeaderName};

use super::{RequestHead, Route, Ruling, Verdict};
use crate::hint::HeaderScan;

/// Where the name of a bucket is found, and what else there is to know about them.
#[derive(Clone, Debug)]
pub(super) struct Buckets {
    pub(super) name: HeaderName,
    pub(super) per_resource: bool,
    pub(super) global: Option<HeaderName>,
}

impl Buckets {
    pub(super) fn named_in(name: HeaderName) -> Self {
        Self {
            name,
            per_resource: false,
            global: None,
        }
    }

    pub(super) fn route(&self, request: &RequestHead<'_>) -> Route {
        let route = Route::of_path(request);
        if self.per_resource {
            route.per_resource(request)
        } else {
            route
        }
    }

    /// Whether anything is said here about buckets.
    pub(super) fn are_told_in(&self, headers: &HeaderMap) -> bool {
        let names = [Some(&self.name), self.global.as_ref()];
        names
            .into_iter()
            .flatten()
            .any(|name| headers.contains_key(name))
    }

    /// The verdict, with the bucket that it is about.
    pub(super) fn note(
        &self,
        verdict: Verdict,
        headers: &HeaderMap,
        scan: &HeaderScan<'_>,
    ) -> Verdict {
        let refused = verdict.ruling() != Ruling::Accept && verdict.closes_gate();
        if refused && self.is_for_all(headers, scan) {
            return verdict.with_counter(None);
        }
        let name = headers.get(&self.name).and_then(|name| name.to_str().ok());
        match name.filter(|name| !name.is_empty()) {
            Some(name) => verdict.in_bucket(name),
            None => verdict,
        }
    }

    /// Whether a refusal is by a limit that all buckets share.
    fn is_for_all(&self, headers: &HeaderMap, scan: &HeaderScan<'_>) -> bool {
        match &self.global {
            Some(global) => headers.get(global).is_some_and(|value| value != "false"),
            None => scan.has_something_left(),
        }
    }
}
