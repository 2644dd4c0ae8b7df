//! Measures the heap of a call that was sent, was refused itself, and waits.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::HeaderValue;
use tower::{Layer, Service};
use tower_backoff::{Gates, Quota};

use crate::contender::{PollOnce, refusing, send};
use crate::figure::Figure;
use crate::mock::{Mock, MockRequest, MockResponse, RequestTemplate};
use crate::{gate, heap_bytes};

const CALLERS: usize = 10_000;

/// After this many served calls a gate no longer limits the calls in flight.
const WARM: usize = 5_000;

pub fn measure() -> Vec<Figure> {
    let table = "heap of a waiting call that was refused itself";
    let each = waiting() as f64 / CALLERS as f64;
    let figure = Figure::new(table, "ours", "B", each.round());
    vec![figure.target("at most 1,600")]
}

fn waiting() -> isize {
    let quota = Quota::per_minute(1_000_000_000);
    let layer = gate::layer_of(quota, &Gates::new());
    let template = RequestTemplate::new();
    let mut serving = layer.layer(Mock::without_counters());
    for _ in 0..WARM {
        assert!(
            Box::pin(send(&mut serving, template.request()))
                .as_mut()
                .poll_once()
        );
    }
    let mut refusing = layer.layer(SingleBuffer(refusing()));
    let mut calls = Vec::with_capacity(CALLERS);
    heap_bytes::allocated_by(|| {
        // All calls are in flight before the first refusal is read.
        calls.extend((0..CALLERS).map(|_| Box::pin(send(&mut refusing, template.request()))));
        for call in &mut calls {
            assert!(!call.as_mut().poll_once(), "it was refused");
        }
    })
}

/// Puts all header values of a response into one buffer, as a client over a connection does.
#[derive(Clone, Debug)]
struct SingleBuffer(Mock);

impl SingleBuffer {
    const BUFFER: usize = 8 * 1024;

    fn response(&self) -> MockResponse {
        let mut response = self.0.response();
        let mut buffer = BytesMut::with_capacity(Self::BUFFER);
        let headers = response.headers_mut();
        let ends: Vec<_> = headers
            .values()
            .map(|value| {
                buffer.extend_from_slice(value.as_bytes());
                buffer.len()
            })
            .collect();
        let buffer: Bytes = buffer.freeze();
        let mut start = 0;
        for (value, end) in headers.values_mut().zip(ends) {
            let slice = buffer.slice(start..end);
            *value = HeaderValue::from_maybe_shared(slice).expect("a value");
            start = end;
        }
        response
    }
}

impl Service<MockRequest> for SingleBuffer {
    type Response = MockResponse;
    type Error = Infallible;
    type Future = Ready<Result<MockResponse, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: MockRequest) -> Self::Future {
        drop(request);
        ready(Ok(self.response()))
    }
}
