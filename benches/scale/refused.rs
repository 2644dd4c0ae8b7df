//! How many bytes a call holds that was sent, was refused itself, and waits.

use std::convert::Infallible;
use std::future::{Ready, ready};
use std::task::{Context, Poll};

use bytes::{Bytes, BytesMut};
use http::HeaderValue;
use tower::{Layer, Service};
use tower_backoff::{Gates, Quota};

use crate::contender::{Once, refusing, send};
use crate::figure::Figure;
use crate::mock::{Answer, Ask, Asker, Mock};
use crate::{gate, live};

const CALLERS: usize = 10_000;

/// After so many served calls a gate lets any number through at once.
const WARM: usize = 5_000;

pub fn measure() -> Vec<Figure> {
    let table = "heap of a waiting call that was refused itself";
    let each = waiting() as f64 / CALLERS as f64;
    let figure = Figure::new(table, "ours", "B", each.round());
    vec![figure.asked("at most 1,600")]
}

fn waiting() -> isize {
    let quota = Quota::per_minute(1_000_000_000);
    let layer = gate::layer_of(quota, &Gates::new());
    let asker = Asker::new();
    let mut serving = layer.layer(Mock::silent());
    for _ in 0..WARM {
        assert!(Box::pin(send(&mut serving, asker.ask())).as_mut().is_over());
    }
    let mut refusing = layer.layer(FromTheWire(refusing()));
    let mut calls = Vec::with_capacity(CALLERS);
    live::counting(|| {
        // All are on their way before the first refusal is seen.
        calls.extend((0..CALLERS).map(|_| Box::pin(send(&mut refusing, asker.ask()))));
        for call in &mut calls {
            assert!(!call.as_mut().is_over(), "it was refused");
        }
    })
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
