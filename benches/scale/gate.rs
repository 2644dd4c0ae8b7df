//! One gate with many callers, and many gates with one caller each.

use std::collections::VecDeque;
use std::pin::Pin;

use tower::{Layer, Service};
use tower_backoff::policy::Provider;
use tower_backoff::{Gates, Quota, Retry, RetryLayer, Scope};

use crate::contender::{Once, refusing, send};
use crate::mock::{Ask, Asker, Mock};

type Ours = Retry<Mock>;
type Call = Pin<Box<<Ours as Service<Ask>>::Future>>;

/// A layer with a quota that is counted and never spent.
fn layer(gates: &Gates) -> RetryLayer {
    layer_of(Quota::per_minute(1_000_000_000), gates)
}

pub fn layer_of(quota: Quota, gates: &Gates) -> RetryLayer {
    RetryLayer::new(Provider::new("bench").quota(quota)).gates(gates)
}

/// Behind a gate that nobody passes at once or waits at.
pub fn open() -> Ours {
    layer(&Gates::new()).layer(Mock::silent())
}

/// Behind a gate that an answer has just shut.
pub fn shut() -> Ours {
    shut_in(&Gates::new())
}

fn shut_in(gates: &Gates) -> Ours {
    let mut refused = layer(gates).layer(refusing());
    assert!(!call(&mut refused, Asker::new().ask()).as_mut().is_over());
    layer(gates).layer(Mock::silent())
}

fn call(service: &mut Ours, ask: Ask) -> Call {
    Box::pin(send(service, ask))
}

/// A queue that stays as long as it is: whenever one passes, another arrives.
pub struct Line {
    service: Ours,
    asker: Asker,
    waiting: VecDeque<Call>,
}

impl Line {
    pub fn of(callers: usize) -> Self {
        let gates = Gates::new();
        let mut line = Self {
            service: shut_in(&gates),
            asker: Asker::new(),
            waiting: VecDeque::with_capacity(callers + 1),
        };
        (0..callers).for_each(|_| line.arrive());
        gates.reopen(&Scope::origin(line.asker.ask().uri()));
        line
    }

    fn arrive(&mut self) {
        let mut call = call(&mut self.service, self.asker.ask());
        assert!(!call.as_mut().is_over(), "others wait");
        self.waiting.push_back(call);
    }

    /// One arrives, and the first in the queue is let through and answered.
    pub fn step(&mut self) {
        self.arrive();
        let mut first = self.waiting.pop_front().expect("somebody has arrived");
        assert!(first.as_mut().is_over(), "its turn has come");
    }
}
