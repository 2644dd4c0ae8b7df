//! How many bytes a call holds that was sent, was refused itself, and waits.

use std::convert::Infallible;
use std::future::{Future, Ready, ready};
use std::task::{Context, Poll, Waker};

use bytes::{Bytes, BytesMut};
use http::HeaderValue;
use tower::{Layer, Service};
use tower_backoff::{Gates, Quota};

use crate::contender::{refusing, send};
use crate::figure::Figure;
use crate::mock::{Answer, Ask, Asker, Mock};
use crate::{gate, live};

/// So many at a time, each time at a gate of their own: a new gate lets no more through at once.
const AT_ONCE: usize = 50;
const TIMES: usize = 200;

pub fn measure() -> Vec<Figure> {
    let bytes: isize = (0..TIMES).map(|_| waiting()).sum();
    let each = bytes as f64 / (AT_ONCE * TIMES) as f64;
    let table = "heap of a waiting call that was refused itself";
    let figure = Figure::new(table, "ours", "B", each.round());
    vec![figure.asked("at most 1,600")]
}

fn waiting() -> isize {
    let quota = Quota::per_minute(1_000_000_000);
    let layer = gate::layer_of(quota, &Gates::new());
    let mut service = layer.layer(FromTheWire(refusing()));
    let asker = Asker::new();
    // The gate is there before anything is counted; all calls are on their way before the first refusal is seen.
    let first = send(&mut service, asker.ask());
    let mut calls = Vec::with_capacity(AT_ONCE);
    let bytes = live::counting(|| {
        calls.extend((0..AT_ONCE).map(|_| Box::pin(send(&mut service, asker.ask()))));
        for call in &mut calls {
            let polled = call.as_mut().poll(&mut Context::from_waker(Waker::noop()));
            assert!(polled.is_pending(), "it was refused");
        }
    });
    drop(first);
    bytes
}

/// Answers as a client does that has read them off a connection: the values of all headers lie in one buffer.
#[derive(Clone, Debug)]
struct FromTheWire(Mock);

impl FromTheWire {
    const BUFFER: usize = 8 * 1024;

    fn answer(&self) -> Answer {
        let mut answer = self.0.answer();
        let mut buffer = BytesMut::with_capacity(Self::BUFFER);
        let headers = answer.headers_mut();
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
        answer
    }
}

impl Service<Ask> for FromTheWire {
    type Response = Answer;
    type Error = Infallible;
    type Future = Ready<Result<Answer, Infallible>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, ask: Ask) -> Self::Future {
        drop(ask);
        ready(Ok(self.answer()))
    }
}
