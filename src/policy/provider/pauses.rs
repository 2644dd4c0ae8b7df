//! Where an answer that was served asks for a pause.

use super::Provider;
use crate::hint::Field;

impl Provider {
    /// A place where an answer that was *served* names how long the next call has to wait. A place in
    /// the body needs [`inspect_bodies_of`](Self::inspect_bodies_of), too.
    ///
    /// ```
    /// use tower_backoff::{hint::Field, policy::Provider};
    ///
    /// // {"items": [...], "backoff": 10}
    /// let stack_exchange = Provider::new("stack-exchange")
    ///     .inspect_bodies_of([200])
    ///     .pause_from(Field::json("backoff"));
    /// # let _ = stack_exchange;
    /// ```
    #[must_use]
    pub fn pause_from(mut self, field: Field) -> Self {
        self.names_served |= !field.is_in_body();
        self.pauses.push(field);
        self
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use http::{Request, Response};

    use super::*;
    use crate::policy::{Attempt, Policy, Ruling};

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
            .inspect_bodies_of([200])
            .pause_from(Field::json("backoff"));
        assert_eq!(waits(&body, "7", r#"{"backoff":10}"#), Some(10));
        assert_eq!(waits(&body, "7", r#"{"items":[]}"#), None);
        let header = Provider::new("test").pause_from(Field::header("slow-down"));
        assert_eq!(waits(&header, "7", r#"{"backoff":10}"#), Some(7));
        assert_eq!(waits(&header, "soon", ""), None);
        let default = Field::header("other").default_wait(Duration::from_secs(1));
        assert_eq!(
            waits(&Provider::new("test").pause_from(default), "7", ""),
            None
        );
    }
}
