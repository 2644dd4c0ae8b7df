//! Buckets within a scope, which the responses of a provider name.

use http::{HeaderMap, HeaderName};

use super::Provider;
use crate::header_name::header_name;
use crate::hint::HeaderScan;
use crate::policy::{RequestHead, Route, Ruling, Verdict};

/// The headers that name buckets, and what they hold for.
#[derive(Clone, Debug, PartialEq)]
pub(in crate::policy) struct Buckets {
    pub(super) name: HeaderName,
    pub(super) per_resource: bool,
    pub(super) global: Option<HeaderName>,
}

impl Buckets {
    fn new(name: HeaderName) -> Self {
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

    /// Whether these headers name a bucket, or none by a global limit.
    pub(in crate::policy) fn are_named_in(&self, headers: &HeaderMap) -> bool {
        let names = [Some(&self.name), self.global.as_ref()];
        names
            .into_iter()
            .flatten()
            .any(|name| headers.contains_key(name))
    }

    /// The verdict, with the bucket that it is about.
    pub(in crate::policy) fn assign(
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
    /// Reads the bucket that a request was counted in from this header of the response.
    ///
    /// Later requests of the same kind (method and path, without the ids) share the gate of that bucket; others are
    /// not stopped by it. It replaces the header that was named, and what was said about its buckets.
    ///
    /// ```
    /// use tower_backoff::policy::Provider;
    ///
    /// let github = Provider::new("github").buckets_in("x-ratelimit-resource");
    /// # let _ = github;
    /// ```
    ///
    /// A refusal whose counters all have something left is by another limit, and closes the scope.
    #[must_use]
    #[track_caller]
    pub fn buckets_in(mut self, name: impl TryInto<HeaderName> + AsRef<str>) -> Self {
        let name = header_name(name);
        self.counting.buckets = Some(Buckets::new(name));
        self
    }

    /// Counts each bucket for each resource apart: for the first id in the path.
    ///
    /// ```
    /// use tower_backoff::policy::Provider;
    ///
    /// let discord = Provider::new("discord")
    ///     .buckets_in("x-ratelimit-bucket")
    ///     .buckets_per_resource()
    ///     .global_limit_header("x-ratelimit-global");
    /// # let _ = discord;
    /// ```
    ///
    /// # Panics
    ///
    /// If no header [names buckets](Self::buckets_in).
    #[must_use]
    #[track_caller]
    pub fn buckets_per_resource(mut self) -> Self {
        self.stated_buckets().per_resource = true;
        self
    }

    /// Marks a refusal with this header as global: it closes the scope.
    ///
    /// Refusals without this header close only their bucket. It replaces the header that was named.
    ///
    /// # Panics
    ///
    /// If no header [names buckets](Self::buckets_in).
    #[must_use]
    #[track_caller]
    pub fn global_limit_header(mut self, name: impl TryInto<HeaderName> + AsRef<str>) -> Self {
        self.stated_buckets().global = Some(header_name(name));
        self
    }

    /// Takes back what was said with [`buckets_in`](Self::buckets_in), and about those buckets.
    ///
    /// ```
    /// # use tower_backoff::policy::Provider;
    /// let acme = Provider::new("acme").buckets_in("x-bucket").without_buckets();
    /// assert_eq!(acme, Provider::new("acme"));
    /// ```
    #[must_use]
    pub fn without_buckets(mut self) -> Self {
        self.counting.buckets = None;
        self
    }

    #[track_caller]
    fn stated_buckets(&mut self) -> &mut Buckets {
        let buckets = self.counting.buckets.as_mut();
        buckets.expect("there are no buckets: write buckets_in(header) first")
    }
}
