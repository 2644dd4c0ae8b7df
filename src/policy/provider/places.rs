//! Whom a provider counts together, and where it asks for a pause.

use super::Provider;
use crate::hint::Field;

impl Provider {
    /// A place where an answer that was *served* names how long the next call has to wait. A place in
    /// the body needs [`look_into`](Self::look_into), too.
    ///
    /// ```
    /// use tower_backoff::{hint::Field, policy::Provider};
    ///
    /// // {"items": [...], "backoff": 10}
    /// let stack_exchange = Provider::new("stack-exchange")
    ///     .look_into([200])
    ///     .pause_in(Field::json("backoff"));
    /// # let _ = stack_exchange;
    /// ```
    #[must_use]
    pub fn pause_in(mut self, field: Field) -> Self {
        self.names_served |= !field.is_in_body();
        self.pauses.push(field);
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

    pub(super) fn segment<'p>(&self, path: &'p str) -> Option<&'p str> {
        path.split('/').skip(1).nth(self.path_segment?)
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{Request, Response};

    use super::*;
    use crate::policy::{Attempt, Policy, RequestHead, Ruling};
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
    fn a_served_answer_may_ask_for_a_pause() {
        let waits = |provider: &Provider, header: &str, body: &str| {
            let request = Request::get("https://api.test/").body(()).unwrap();
            let response = Response::builder().header("slow-down", header);
            let response = response.body(()).unwrap();
            let mut attempt = Attempt::new(&request, &response);
            if provider.wants_body(&attempt) {
                attempt = attempt.with_body(body.as_bytes());
            }
            let verdict = provider.judge(&attempt);
            assert_eq!(verdict.ruling(), Ruling::Accept);
            verdict.hint().map(|hint| hint.wait().as_secs())
        };
        let body = Provider::new("test")
            .look_into([200])
            .pause_in(Field::json("backoff"));
        assert_eq!(waits(&body, "7", r#"{"backoff":10}"#), Some(10));
        assert_eq!(waits(&body, "7", r#"{"items":[]}"#), None);
        let header = Provider::new("test").pause_in(Field::header("slow-down"));
        assert_eq!(waits(&header, "7", r#"{"backoff":10}"#), Some(7));
        assert_eq!(waits(&header, "soon", ""), None);
        let default = Field::header("other").or(Duration::from_secs(1));
        assert_eq!(
            waits(&Provider::new("test").pause_in(default), "7", ""),
            None
        );
    }
}
