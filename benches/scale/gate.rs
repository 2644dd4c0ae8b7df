//! One gate with many callers, and many gates with one caller each.

use std::collections::VecDeque;
use std::pin::Pin;

use tower::{Layer, Service};
use tower_backoff::policy::Provider;
use tower_backoff::{Gates, Quota, Retry, RetryLayer, Scope};

use crate::contender::{PollOnce, refusing, send};
use crate::mock::{Mock, MockRequest, RequestTemplate};

type Ours = Retry<Mock>;
type Call = Pin<Box<<Ours as Service<MockRequest>>::Future>>;

/// A layer with a quota that is counted and never spent.
fn layer(gates: &Gates) -> RetryLayer {
    layer_of(Quota::per_minute(1_000_000_000), gates)
}

pub fn layer_of(quota: Quota, gates: &Gates) -> RetryLayer {
    RetryLayer::new(Provider::new("bench").quota(quota)).gates(gates)
}

/// Behind a gate that nobody passes at once or waits at.
pub fn open() -> Ours {
    layer(&Gates::new()).layer(Mock::without_counters())
}

/// Behind a gate that an answer has just shut.
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

/// A queue that stays as long as it is: whenever one passes, another arrives.
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

    /// One arrives, and the first in the queue is let through and answered.
    pub fn step(&mut self) {
        self.arrive();
        let mut first = self.waiting.pop_front().expect("somebody has arrived");
        assert!(first.as_mut().poll_once(), "its turn has come");
    }
}
