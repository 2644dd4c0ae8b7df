//! This crate's layer with an open gate, a closed gate, and a gate with a queue.

use std::collections::VecDeque;
use std::pin::Pin;

use tower::{Layer, Service};
use tower_backoff::policy::Provider;
use tower_backoff::{Gates, Quota, Retry, RetryLayer, Scope};

use crate::contender::{PollOnce, refusing, send};
use crate::mock::{Mock, MockRequest, RequestTemplate};

type Ours = Retry<Mock>;
type Call = Pin<Box<<Ours as Service<MockRequest>>::Future>>;

/// A layer with a quota that is counted and never reached.
fn layer(gates: &Gates) -> RetryLayer {
    layer_of(Quota::per_minute(1_000_000_000), gates)
}

pub fn layer_of(quota: Quota, gates: &Gates) -> RetryLayer {
    RetryLayer::new(Provider::new("bench").quota(quota)).gates(gates)
}

/// A service behind an open gate that no other call uses.
pub fn open() -> Ours {
    layer(&Gates::new()).layer(Mock::without_counters())
}

/// A service behind a gate that a refusal has closed.
pub fn closed() -> Ours {
    closed_in(&Gates::new())
}

fn closed_in(gates: &Gates) -> Ours {
    let mut refused = layer(gates).layer(refusing());
    assert!(
        !call(&mut refused, RequestTemplate::new().request())
            .as_mut()
            .poll_once()
    );
    layer(gates).layer(Mock::without_counters())
}

fn call(service: &mut Ours, request: MockRequest) -> Call {
    Box::pin(send(service, request))
}

/// A queue of constant length: for each admitted call a new one arrives.
pub struct Queue {
    service: Ours,
    template: RequestTemplate,
    waiting: VecDeque<Call>,
}

impl Queue {
    pub fn with_callers(callers: usize) -> Self {
        let gates = Gates::new();
        let mut queue = Self {
            service: closed_in(&gates),
            template: RequestTemplate::new(),
            waiting: VecDeque::with_capacity(callers + 1),
        };
        (0..callers).for_each(|_| queue.arrive());
        gates.reopen(&Scope::origin(queue.template.request().uri()));
        queue
    }

    fn arrive(&mut self) {
        let mut call = call(&mut self.service, self.template.request());
        assert!(!call.as_mut().poll_once(), "others wait");
        self.waiting.push_back(call);
    }

    /// Adds a call to the queue; the first in the queue is admitted and gets a response.
    pub fn step(&mut self) {
        self.arrive();
        let mut first = self.waiting.pop_front().expect("a call has arrived");
        assert!(first.as_mut().poll_once(), "its turn has come");
    }
}
