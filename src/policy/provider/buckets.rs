//! Buckets within a scope, as a provider names them.

use http::{HeaderMap, HeaderName};

use super::Provider;
use crate::hint::HeaderScan;
use crate::policy::{RequestHead, Route, Ruling, Verdict};

/// Where the name of a bucket is found, and what else there is to know about them.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::policy) struct Buckets {
    pub(super) name: HeaderName,
    pub(super) per_resource: bool,
    global: Option<HeaderName>,
}

impl Buckets {
    fn named_in(name: HeaderName) -> Self {
        Self {
            name,
            per_resource: false,
            global: None,
        }
    }

    pub(in crate::policy) fn route(&self, request: &RequestHead<'_>) -> Route {
        let route = Route::of_path(request);
        if self.per_resource {
            route.per_resource(request)
        } else {
            route
        }
    }

    /// Whether anything is said here about buckets.
    pub(in crate::policy) fn are_told_in(&self, headers: &HeaderMap) -> bool {
        let names = [Some(&self.name), self.global.as_ref()];
        names
            .into_iter()
            .flatten()
            .any(|name| headers.contains_key(name))
    }

    /// The verdict, with the bucket that it is about.
    pub(in crate::policy) fn note(
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

impl Provider {
    /// The provider counts kinds of requests apart, and names the bucket of each in this header.
    /// Later requests of the same kind (method and path, without the ids) share the gate of that bucket;
    /// others are not stopped by it.
    ///
    /// ```
    /// use http::HeaderName;
    /// use tower_backoff::policy::Provider;
    ///
    /// let github = Provider::new("github")
    ///     .buckets_in(HeaderName::from_static("x-ratelimit-resource"));
    /// # let _ = github;
    /// ```
    ///
    /// A refusal whose counters all have something left is by another limit, and stops everybody.
    #[must_use]
    pub fn buckets_in(mut self, name: HeaderName) -> Self {
        self.counting.buckets = Some(Buckets::named_in(name));
        self
    }

    /// Each bucket holds for each resource apart: for the first id in the path.
    ///
    /// ```
    /// use http::HeaderName;
    /// use tower_backoff::policy::Provider;
    ///
    /// let discord = Provider::new("discord")
    ///     .buckets_in(HeaderName::from_static("x-ratelimit-bucket"))
    ///     .buckets_per_resource()
    ///     .global_limit_header(HeaderName::from_static("x-ratelimit-global"));
    /// # let _ = discord;
    /// ```
    ///
    /// # Panics
    ///
    /// If no header [names buckets](Self::buckets_in).
    #[must_use]
    pub fn buckets_per_resource(mut self) -> Self {
        let buckets = self.counting.buckets.as_mut();
        buckets
            .expect("there are no buckets: write buckets_in(header) first")
            .per_resource = true;
        self
    }

    /// A refusal with this header is no matter of its bucket: it stops all calls of the scope. All
    /// other refusals are matters of their buckets, then.
    ///
    /// # Panics
    ///
    /// If no header [names buckets](Self::buckets_in).
    #[must_use]
    pub fn global_limit_header(mut self, name: HeaderName) -> Self {
        let buckets = self.counting.buckets.as_mut();
        buckets
            .expect("there are no buckets: write buckets_in(header) first")
            .global = Some(name);
        self
    }
}
