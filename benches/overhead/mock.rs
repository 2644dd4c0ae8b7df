//! The service that answers at once: 200, with twelve headers. Request and response cost two
//! allocations each, the two halves of a header map.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::sync::Arc;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{self, HeaderMap, HeaderName, HeaderValue};
use http::{Request, Response, Uri};
use http_body_util::{Empty, Full};
use tower::Service;

/// What is sent.
pub type Ask = Request<Empty<Bytes>>;
/// What comes back.
pub type Answer = Response<Full<Bytes>>;

/// The body of every answer.
pub const BODY: &str = r#"{"done":true}"#;

type Line = (HeaderName, &'static str);

/// Nine that every server sends.
static COMMON: [Line; 9] = [
    (header::DATE, "Mon, 02 Mar 2026 12:00:00 GMT"),
    (header::CONTENT_TYPE, "application/json"),
    (header::CONTENT_LENGTH, "13"),
    (header::CACHE_CONTROL, "no-store"),
    (header::ETAG, "\"33a64df5\""),
    (header::VARY, "accept-encoding"),
    (header::SERVER, "nginx"),
    (header::STRICT_TRANSPORT_SECURITY, "max-age=31536000"),
    (header::VIA, "1.1 varnish"),
];

/// And three more that say nothing about limits.
static SILENT: [Line; 3] = [
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (HeaderName::from_static("x-request-id"), "6f1d2c7a"),
    (header::AGE, "0"),
];

/// Or three that publish one.
static COUNTERS: [Line; 3] = [
    (HeaderName::from_static("x-ratelimit-limit"), "1000000"),
    (HeaderName::from_static("x-ratelimit-remaining"), "999990"),
    (HeaderName::from_static("x-ratelimit-reset"), "1772452860"),
];

/// Clones are the same server. It copies one answer again and again, as [`Asker`] does with the
/// question, so that the row of the bare service is mostly what is measured, not its making.
#[derive(Clone, Debug)]
pub struct Mock {
    answer: Arc<Answer>,
}

impl Mock {
    pub fn silent() -> Self {
        Self::with(&SILENT)
    }

    pub fn with_counters() -> Self {
        Self::with(&COUNTERS)
    }

    fn with(more: &[Line]) -> Self {
        let body = Full::new(Bytes::from_static(BODY.as_bytes()));
        let mut answer = Response::new(body);
        *answer.headers_mut() = headers(COMMON.iter().chain(more));
        Self::answering(answer)
    }

    pub fn answering(answer: Answer) -> Self {
        Self {
            answer: Arc::new(answer),
        }
    }

    pub fn answer(&self) -> Answer {
        Answer::clone(&self.answer)
    }
}

/// Asks the same again and again: a GET with four headers.
#[derive(Debug)]
pub struct Asker(Ask);

impl Asker {
    pub fn new() -> Self {
        let mut ask = Request::new(Empty::new());
        *ask.uri_mut() = Uri::from_static("https://api.example.com/v1/contacts");
        *ask.headers_mut() = headers(&[
            (header::ACCEPT, "application/json"),
            (header::AUTHORIZATION, "Bearer 0123456789abcdef"),
            (header::USER_AGENT, "bench/1.0"),
            (header::HOST, "api.example.com"),
        ]);
        Self(ask)
    }

    pub fn ask(&self) -> Ask {
        self.0.clone()
    }
}

fn headers<'a>(lines: impl IntoIterator<Item = &'a Line>) -> HeaderMap {
    let line = |(name, value): &Line| (name.clone(), HeaderValue::from_static(value));
    lines.into_iter().map(line).collect()
}

impl<B> Service<Request<B>> for Mock {
    type Response = Answer;
    type Error = Infallible;
    type Future = Ready<Result<Answer, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, ask: Request<B>) -> Self::Future {
        drop(ask);
        ready(Ok(self.answer()))
    }
}
