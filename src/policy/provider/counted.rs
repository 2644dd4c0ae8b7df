//! Whom a provider counts together.

use std::borrow::Cow;

use http::HeaderName;

use super::{Buckets, Provider};

impl Provider {
    /// The provider counts per credential, found in the first of these headers that a request has.
    /// Only a keyed hash of it is kept.
    ///
    /// ```
    /// use http::{HeaderName, header::AUTHORIZATION};
    /// use tower_backoff::policy::Provider;
    ///
    /// let acme = Provider::new("acme")
    ///     .per_credential([AUTHORIZATION, HeaderName::from_static("x-api-key")]);
    /// # let _ = acme;
    /// ```
    #[must_use]
    pub fn per_credential(mut self, headers: impl IntoIterator<Item = HeaderName>) -> Self {
        self.credentials = headers.into_iter().collect();
        self
    }

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
        self.buckets = Some(Buckets::named_in(name));
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
        let buckets = self.buckets.as_mut();
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
        let buckets = self.buckets.as_mut();
        buckets
            .expect("there are no buckets: write buckets_in(header) first")
            .global = Some(name);
        self
    }

    /// All hosts of the provider share one limit.
    #[must_use]
    pub fn shared_across_hosts(mut self) -> Self {
        self.shared_across_hosts = true;
        self
    }

    /// The provider counts apart what differs in this segment of the path, counted from 0: a method,
    /// a base, a deployment. Only a keyed hash of it is kept.
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
        self.path_segment = Some(index);
        self
    }

    /// The provider counts apart the requests whose path has one of these in it, of several the first;
    /// all others are counted together.
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
        self.path_parts = parts.into_iter().map(Into::into).collect();
        self
    }

    pub(super) fn part(&self, path: &str) -> Option<&str> {
        let parts = self.path_parts.iter().map(AsRef::as_ref);
        parts.into_iter().find(|part: &&str| path.contains(part))
    }

    pub(super) fn segment<'p>(&self, path: &'p str) -> Option<&'p str> {
        path.split('/').skip(1).nth(self.path_segment?)
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
