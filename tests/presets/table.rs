//! A table of responses and of what one provider does about each.

#![allow(unreachable_pub)]

use std::time::{Duration, SystemTime};

use http::{Request, Response};
use serde_json::Value;
use tower_backoff::policy::{Attempt, Policy, Provider, Ruling, Verdict};

/// What is done about a response.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Done {
    /// The caller gets it.
    Accepted,
    /// The caller gets it, and the next call waits this many seconds.
    AcceptedThenHeld(u64),
    /// This call goes again by its own backoff.
    Retried,
    /// All calls wait this many seconds, as a header says, and this call goes again.
    HeldAsSaid(u64),
    /// All calls wait at least this many seconds, and this call goes again.
    HeldAtLeast(u64),
    /// The caller gets it, and no second request is sent.
    Final,
}
use Done::{Accepted, AcceptedThenHeld, Final, HeldAsSaid, HeldAtLeast, Retried};

/// 2021-02-16 08:02:40 UTC, the moment of lemlist's sample.
pub fn now() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_613_462_560)
}

pub struct Table {
    provider: Provider,
    method: &'static str,
    path: &'static str,
}

impl Table {
    pub fn of(provider: Provider) -> Self {
        Self::new(provider, "GET", "/")
    }

    pub fn for_posts(provider: Provider) -> Self {
        Self::new(provider, "POST", "/")
    }

    pub fn for_posts_to(path: &'static str, provider: Provider) -> Self {
        Self::new(provider, "POST", path)
    }

    fn new(provider: Provider, method: &'static str, path: &'static str) -> Self {
        Self {
            provider,
            method,
            path,
        }
    }

    #[track_caller]
    pub fn row(&self, status: u16, headers: &[(&str, &str)], body: &str, expected: Done) {
        self.judge(status, headers, body, now(), expected);
    }

    /// A response of the corpus, at the moment that it was recorded.
    #[track_caller]
    pub fn recorded(&self, id: &str, expected: Done) {
        let entry = recorded(id);
        let text = |value: &Value| value.as_str().expect("a string").to_owned();
        let lines = entry["headers"].as_array().expect("headers");
        let lines: Vec<_> = lines.iter().map(|l| (text(&l[0]), text(&l[1]))).collect();
        let lines: Vec<_> = lines.iter().map(|(n, v)| (&n[..], &v[..])).collect();
        let status = entry["status"].as_u64().and_then(|s| s.try_into().ok());
        let now: jiff::Timestamp = entry["now"].as_str().unwrap().parse().expect("a moment");
        let body = entry["body"].as_str().unwrap_or_default();
        let status = status.expect("a status");
        self.judge(
            status,
            &lines,
            body,
            now.try_into().expect("a moment"),
            expected,
        );
    }

    #[track_caller]
    fn judge(
        &self,
        status: u16,
        headers: &[(&str, &str)],
        body: &str,
        now: SystemTime,
        expected: Done,
    ) {
        let request = Request::builder()
            .method(self.method)
            .uri(format!("https://api.test{}", self.path))
            .body(())
            .unwrap();
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(*name, *value);
        }
        let response = response.body(()).unwrap();
        let mut attempt = Attempt::new(&request, &response).received_at(now);
        if self.provider.wants_body(&attempt) {
            attempt = attempt.with_body(body.as_bytes());
        }
        let done = self.done(&attempt);
        let name = self.provider.name();
        println!("{name:22} {:5} {status} {body:70} {done:?}", self.method);
        assert_eq!(done, expected, "{name} {status} {headers:?} {body}");
    }

    fn done(&self, attempt: &Attempt<'_>) -> Done {
        let verdict = self.provider.judge(attempt);
        let seconds = verdict.hint().map(|hint| hint.wait().as_secs());
        match (verdict.ruling(), verdict.closes_gate(), seconds) {
            (Ruling::Accept, false, _) => Accepted,
            (Ruling::Accept, true, Some(seconds)) => AcceptedThenHeld(seconds),
            (Ruling::Retry, false, None) => Retried,
            (Ruling::Retry | Ruling::Throttled, true, Some(seconds)) => HeldAsSaid(seconds),
            (Ruling::Throttled, true, None) => HeldAtLeast(bare_wait(&verdict)),
            (Ruling::Refuse, false, _) => Final,
            other => panic!("no row says this: {other:?}"),
        }
    }
}

fn recorded(id: &str) -> Value {
    let corpus: Vec<Value> =
        serde_json::from_str(include_str!("../corpus/responses.json")).expect("the corpus");
    let entry = corpus.into_iter().find(|entry| entry["id"] == id);
    entry.expect("a recorded response")
}

/// The bare wait of a verdict, found by comparing, since only the layer needs it.
fn bare_wait(verdict: &Verdict) -> u64 {
    let bare = |seconds| verdict.clone().bare_wait(Duration::from_secs(seconds));
    [1, 10, 20, 30, 60, 120, 300, 900]
        .into_iter()
        .find(|seconds| bare(*seconds) == *verdict)
        .expect("a bare wait that a page names")
}
