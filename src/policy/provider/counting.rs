//! What a provider counts together, and what apart.

use std::borrow::Cow;

use http::HeaderName;

use super::Provider;
use super::buckets::Buckets;
use crate::header_name::header_name;
use crate::policy::RequestHead;
use crate::scope::Scope;

/// What a provider counts together, and what apart.
#[derive(Clone, Debug, Default, PartialEq)]
pub(in crate::policy) struct ScopeRules {
    pub(super) credentials: Vec<HeaderName>,
    pub(super) shared_across_hosts: bool,
    pub(super) path_segment: Option<usize>,
    pub(super) path_parts: Vec<Cow<'static, str>>,
    pub(in crate::policy) buckets: Option<Buckets>,
}

impl ScopeRules {
    /// The scope of a request; `None` if it is its origin.
    pub(in crate::policy) fn scope(
        &self,
        provider: &str,
        request: &RequestHead<'_>,
    ) -> Option<Scope> {
        if !self.has_scopes() {
            return None;
        }
        let scope = if self.shared_across_hosts {
            Scope::named(provider)
        } else {
            Scope::of_request(request.uri(), request.headers())
        };
        let scope = scope.keyed_by(request.headers(), &self.credentials);
        let path = request.uri().path();
        let parts = self.segment(path).into_iter().chain(self.part(path));
        Some(parts.fold(scope, |scope, part| scope.keyed(part.as_bytes())))
    }

    /// Whether requests are told apart by anything else than their origin.
    fn has_scopes(&self) -> bool {
        let by_path = self.path_segment.is_some() || !self.path_parts.is_empty();
        self.shared_across_hosts || !self.credentials.is_empty() || by_path
    }

    fn part(&self, path: &str) -> Option<&str> {
        let mut parts = self.path_parts.iter().map(AsRef::as_ref);
        parts.find(|part: &&str| path.contains(part))
    }

    fn segment<'p>(&self, path: &'p str) -> Option<&'p str> {
        path.split('/').skip(1).nth(self.path_segment?)
    }
}

impl Provider {
    /// Counts per credential, found in the first of these headers that a request has.
    ///
    /// Only a keyed hash of it is kept. It replaces the headers that were named.
    ///
    /// ```
    /// use tower_backoff::policy::Provider;
    ///
    /// let acme = Provider::new("acme").per_credential(["authorization", "x-api-key"]);
    /// # let _ = acme;
    /// ```
    #[must_use]
    #[track_caller]
    pub fn per_credential<N>(mut self, headers: impl IntoIterator<Item = N>) -> Self
    where
        N: TryInto<HeaderName> + AsRef<str>,
    {
        let mut credentials = Vec::new();
        for name in headers {
            credentials.push(header_name(name));
        }
        self.counting.credentials = credentials;
        self
    }

    /// Takes back what was said with [`per_credential`](Self::per_credential).
    ///
    /// ```
    /// # use tower_backoff::policy::Provider;
    /// let acme = Provider::new("acme").per_credential(["x-api-key"]).without_per_credential();
    /// assert_eq!(acme, Provider::new("acme"));
    /// ```
    #[must_use]
    pub fn without_per_credential(mut self) -> Self {
        self.counting.credentials.clear();
        self
    }

    /// Counts all hosts of the provider together.
    #[must_use]
    pub fn shared_across_hosts(mut self) -> Self {
        self.counting.shared_across_hosts = true;
        self
    }

    /// Takes back what was said with [`shared_across_hosts`](Self::shared_across_hosts).
    ///
    /// ```
    /// # use tower_backoff::policy::Provider;
    /// let acme = Provider::new("acme").shared_across_hosts().without_shared_across_hosts();
    /// assert_eq!(acme, Provider::new("acme"));
    /// ```
    #[must_use]
    pub fn without_shared_across_hosts(mut self) -> Self {
        self.counting.shared_across_hosts = false;
        self
    }

    /// Counts apart what differs in this segment of the path: a method, a base, a deployment.
    ///
    /// Segments are counted from 0. Only a keyed hash of it is kept. It replaces the segment that was named.
    ///
    /// ```
    /// use tower_backoff::policy::Provider;
    ///
    /// // https://api.airtable.com/v0/{base}/{table}
    /// let airtable = Provider::new("airtable").per_path_segment(1);
    /// # let _ = airtable;
    /// ```
    #[must_use]
    pub fn per_path_segment(mut self, index: usize) -> Self {
        self.counting.path_segment = Some(index);
        self
    }

    /// Takes back what was said with [`per_path_segment`](Self::per_path_segment).
    ///
    /// ```
    /// # use tower_backoff::policy::Provider;
    /// let acme = Provider::new("acme").per_path_segment(1).without_per_path_segment();
    /// assert_eq!(acme, Provider::new("acme"));
    /// ```
    #[must_use]
    pub fn without_per_path_segment(mut self) -> Self {
        self.counting.path_segment = None;
        self
    }

    /// Counts apart the requests whose path contains one of these parts; the first that fits counts.
    ///
    /// All other requests are counted together. It replaces the parts that were there.
    ///
    /// ```
    /// use tower_backoff::policy::{Policy, Provider, RequestHead};
    ///
    /// let hugging_face = Provider::new("hugging-face").per_path_part(["/resolve/", "/api/"]);
    /// let scope = |path: &str| {
    ///     let request = http::Request::get(format!("https://huggingface.co{path}"));
    ///     let request = request.body(()).unwrap();
    ///     hugging_face.scope(&RequestHead::new(&request))
    /// };
    /// assert_eq!(scope("/gpt2/resolve/main/a.json"), scope("/bert/resolve/main/b.json"));
    /// assert_ne!(scope("/gpt2/resolve/main/a.json"), scope("/api/models/gpt2"));
    /// ```
    #[must_use]
    pub fn per_path_part<P: Into<Cow<'static, str>>>(
        mut self,
        parts: impl IntoIterator<Item = P>,
    ) -> Self {
        self.counting.path_parts = parts.into_iter().map(Into::into).collect();
        self
    }

    /// Takes back what was said with [`per_path_part`](Self::per_path_part).
    ///
    /// ```
    /// # use tower_backoff::policy::Provider;
    /// let acme = Provider::new("acme").per_path_part(["/api/"]).without_per_path_part();
    /// assert_eq!(acme, Provider::new("acme"));
    /// ```
    #[must_use]
    pub fn without_per_path_part(mut self) -> Self {
        self.counting.path_parts.clear();
        self
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;
    use crate::policy::{Policy, RequestHead};
    use crate::scope::Scope;

    fn scope(provider: &Provider, uri: &str) -> Option<Scope> {
        let request = Request::get(uri).body(()).unwrap();
        provider.scope(&RequestHead::new(&request))
    }

    #[test]
    fn a_segment_of_the_path_parts_the_callers() {
        let provider = Provider::new("test").per_path_segment(1);
        let of = |uri| scope(&provider, uri).expect("a scope");
        assert_eq!(of("https://api.test/v0/a/x"), of("https://api.test/v0/a/y"));
        assert_ne!(of("https://api.test/v0/a/x"), of("https://api.test/v0/b/x"));
        assert_eq!(of("https://api.test/v0"), of("https://api.test/"));
        let printed = of("https://api.test/v0/secret-base").to_string();
        assert!(printed.starts_with("https://api.test (key "), "{printed}");
    }

    #[test]
    fn a_part_of_the_path_parts_the_callers() {
        let provider = Provider::new("test").per_path_part(["/files/", "/api/"]);
        let of = |path| scope(&provider, &format!("https://api.test{path}")).expect("a scope");
        for (one, another, together) in [
            ("/api/a", "/v2/api/b", true),
            ("/a/files/api/b", "/b/files/c", true),
            ("/", "/apis", true),
            ("/api/a", "/a", false),
            ("/api/a", "/files/a", false),
        ] {
            assert_eq!(of(one) == of(another), together, "{one} {another}");
        }
        let both = provider.clone().per_path_segment(0);
        let of = |path| scope(&both, &format!("https://api.test{path}"));
        assert_ne!(of("/a/api/x"), of("/b/api/x"));
        assert_ne!(of("/a/api/x"), of("/a/files/x"));
    }
}
