//! Several providers behind one client.

use std::fmt;
use std::sync::Arc;

use http::{HeaderMap, HeaderName};

use super::{Attempt, PartialQuota, Policy, Provider, RequestHead, Route, Verdict};
use crate::gate::Quota;
use crate::scope::Scope;

/// A policy that chooses among others by the host of the request.
///
/// ```
/// use tower_backoff::{RetryLayer, policy::ByHost, providers};
///
/// let policy = ByHost::new()
///     .host("api.lemlist.com", providers::lemlist())
///     .host("api.wolfeo.net", providers::wolfeo());
/// let layer = RetryLayer::new(policy);
/// # let _ = layer;
/// ```
#[derive(Clone)]
pub struct ByHost {
    hosts: Vec<(Box<str>, Arc<dyn Policy>)>,
    otherwise: Arc<dyn Policy>,
}

impl Default for ByHost {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            otherwise: Arc::new(Provider::new("standard")),
        }
    }
}

impl ByHost {
    /// A policy without hosts, which judges all requests by the standard policy.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a policy for a host; letter case does not matter, and the first that fits counts.
    #[must_use]
    pub fn host(mut self, host: &str, policy: impl Policy + 'static) -> Self {
        self.hosts.push((host.into(), Arc::new(policy)));
        self
    }

    /// Sets the policy for all other hosts, in place of the standard one.
    #[must_use]
    pub fn otherwise(mut self, policy: impl Policy + 'static) -> Self {
        self.otherwise = Arc::new(policy);
        self
    }

    fn of(&self, request: &RequestHead<'_>) -> &dyn Policy {
        let asked = host_of(request).unwrap_or_default();
        self.hosts
            .iter()
            .find(|(host, _)| asked.eq_ignore_ascii_case(host))
            .map_or(&*self.otherwise, |(_, policy)| &**policy)
    }
}

fn host_of<'a>(request: &RequestHead<'a>) -> Option<&'a str> {
    request.uri().host().or_else(|| {
        let host = request.headers().get(http::header::HOST)?.to_str().ok()?;
        match host.rsplit_once(':') {
            Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => Some(name),
            _ => Some(host),
        }
    })
}

impl Policy for ByHost {
    fn judge(&self, attempt: &Attempt<'_>) -> Verdict {
        self.of(&attempt.request()).judge(attempt)
    }

    fn wants_body(&self, attempt: &Attempt<'_>) -> bool {
        self.of(&attempt.request()).wants_body(attempt)
    }

    fn wants_trailers(&self, attempt: &Attempt<'_>) -> bool {
        self.of(&attempt.request()).wants_trailers(attempt)
    }

    fn accepts_success(&self, request: &RequestHead<'_>, headers: &HeaderMap) -> bool {
        self.of(request).accepts_success(request, headers)
    }

    fn scope(&self, request: &RequestHead<'_>) -> Option<Scope> {
        self.of(request).scope(request)
    }

    fn route(&self, request: &RequestHead<'_>) -> Option<Route> {
        self.of(request).route(request)
    }

    fn quotas(&self, request: &RequestHead<'_>) -> &[Quota] {
        self.of(request).quotas(request)
    }

    fn plans(&self, request: &RequestHead<'_>) -> &[Quota] {
        self.of(request).plans(request)
    }

    fn partial_quotas(&self, request: &RequestHead<'_>) -> &[PartialQuota] {
        self.of(request).partial_quotas(request)
    }

    fn cold_start(&self, request: &RequestHead<'_>) -> Option<u32> {
        self.of(request).cold_start(request)
    }

    fn attempt_header(&self, request: &RequestHead<'_>) -> Option<HeaderName> {
        self.of(request).attempt_header(request)
    }

    fn is_grpc(&self, request: &RequestHead<'_>) -> bool {
        self.of(request).is_grpc(request)
    }

    fn name(&self) -> &str {
        "by host"
    }
}

impl fmt::Debug for ByHost {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hosts = self
            .hosts
            .iter()
            .map(|(host, policy)| (host, policy.name()));
        f.debug_map().entries(hosts).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::{Ruling, policy_fn};

    #[track_caller]
    fn judged(policy: &ByHost, uri: &str) -> Ruling {
        let request = http::Request::get(uri).body(()).unwrap();
        let response = http::Response::builder().status(404).body(()).unwrap();
        policy.judge(&Attempt::new(&request, &response)).ruling()
    }

    #[test]
    fn each_host_has_its_own_policy() {
        let policy = ByHost::new()
            .host("one.test", policy_fn(|_| Verdict::retry()))
            .host("two.test", policy_fn(|_| Verdict::throttled()));
        assert_eq!(judged(&policy, "https://ONE.test:8443/"), Ruling::Retry);
        assert_eq!(judged(&policy, "https://two.test/"), Ruling::Throttled);
        assert_eq!(judged(&policy, "https://three.test/"), Ruling::Refuse);
        let policy = policy.otherwise(policy_fn(|_| Verdict::accept()));
        assert_eq!(judged(&policy, "https://three.test/"), Ruling::Accept);
    }
}
