//! Paths whose POST does no harm when it is sent twice.

use std::borrow::Cow;

use http::Method;

use super::Statuses;
use crate::policy::{Provider, RequestHead};
use crate::retry::Idempotent;

impl Statuses {
    /// Whether a request is a POST to one of the paths that were named, and its caller said nothing else.
    pub(in crate::policy) fn has_idempotent_path(&self, request: RequestHead<'_>) -> bool {
        if self.idempotent_paths.is_empty() || *request.method() != Method::POST {
            return false;
        }
        let path = request.uri().path().trim_end_matches('/');
        let mut named = self.idempotent_paths.iter();
        named.any(|named| ends_with(path, named))
            && request.extensions().get::<Idempotent>().is_none()
    }
}

/// Whether a path ends with these segments.
fn ends_with(path: &str, segments: &str) -> bool {
    let segments = segments.trim_matches('/');
    let before = path.strip_suffix(segments);
    !segments.is_empty() && before.is_some_and(|before| before.ends_with('/'))
}

impl Provider {
    /// Treats a POST to these paths as idempotent, because it only asks a question.
    ///
    /// A path is named by its last segments, so that `chat/completions` stands for `/v1/chat/completions` and for
    /// `/openai/deployments/small/chat/completions`. Such a POST goes again after a 500 or a broken connection, like a
    /// GET. An [`Idempotent`](crate::Idempotent) on the request outranks it. It replaces the paths that were named.
    ///
    /// Name no path that creates, changes or books anything. A question may cost money each time that it is asked.
    ///
    /// ```
    /// use tower_backoff::policy::{Attempt, Policy, Provider, Ruling};
    ///
    /// let acme = Provider::new("acme").idempotent_paths(["embeddings"]);
    ///
    /// let response = http::Response::builder().status(502).body(())?;
    /// let question = http::Request::post("https://api.example.com/v1/embeddings").body(())?;
    /// assert_eq!(acme.judge(&Attempt::new(&question, &response)).ruling(), Ruling::Retry);
    /// let order = http::Request::post("https://api.example.com/v1/orders").body(())?;
    /// assert_eq!(acme.judge(&Attempt::new(&order, &response)).ruling(), Ruling::Refuse);
    /// # Ok::<(), http::Error>(())
    /// ```
    #[must_use]
    pub fn idempotent_paths<P: Into<Cow<'static, str>>>(
        mut self,
        paths: impl IntoIterator<Item = P>,
    ) -> Self {
        self.statuses.idempotent_paths = paths.into_iter().map(Into::into).collect();
        self
    }

    /// Adds paths to [`idempotent_paths`](Self::idempotent_paths).
    ///
    /// ```
    /// # use tower_backoff::policy::Provider;
    /// let acme = Provider::new("acme").idempotent_paths(["search"]).add_idempotent_paths(["count"]);
    /// assert_eq!(acme, Provider::new("acme").idempotent_paths(["search", "count"]));
    /// ```
    #[must_use]
    pub fn add_idempotent_paths<P: Into<Cow<'static, str>>>(
        mut self,
        paths: impl IntoIterator<Item = P>,
    ) -> Self {
        let added = paths.into_iter().map(Into::into);
        self.statuses.idempotent_paths.extend(added);
        self
    }

    /// Takes back what was said with [`idempotent_paths`](Self::idempotent_paths): a POST is sent once.
    ///
    /// ```
    /// use tower_backoff::policy::{Attempt, Policy, Ruling};
    /// use tower_backoff::providers;
    ///
    /// let once = providers::openai().without_idempotent_paths(); // no completion is paid for twice
    ///
    /// let request = http::Request::post("https://api.openai.com/v1/chat/completions").body(())?;
    /// let response = http::Response::builder().status(500).body(())?;
    /// assert_eq!(once.judge(&Attempt::new(&request, &response)).ruling(), Ruling::Refuse);
    /// # Ok::<(), http::Error>(())
    /// ```
    #[must_use]
    pub fn without_idempotent_paths(mut self) -> Self {
        self.statuses.idempotent_paths.clear();
        self
    }
}
