//! A contender: a client under measurement, and how to call it.

use std::future::Future;
use std::hint::black_box;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use tower::Service;

use crate::mock::{MockRequest, RequestTemplate};

/// One row of the table.
pub struct Contender {
    pub name: &'static str,
    /// Makes a number of calls, one after the other.
    pub run: Box<dyn FnMut(u64)>,
    /// The size of the future of a call; `None` if it is boxed.
    pub future_bytes: Option<usize>,
}

/// A contender that is a tower service.
pub fn service<S>(name: &'static str, mut service: S) -> Contender
where
    S: Service<MockRequest, Error: std::fmt::Debug> + 'static,
{
    let template = RequestTemplate::new();
    let future_bytes = size_of_val(&service.call_ready(template.request()));
    Contender {
        name,
        run: Box::new(move |calls| {
            for _ in 0..calls {
                finish(service.call_ready(template.request()));
            }
        }),
        future_bytes: Some(future_bytes),
    }
}

/// A contender that makes a future in another way.
pub fn future<F: Future>(name: &'static str, mut call: impl FnMut() -> F + 'static) -> Contender {
    let future_bytes = size_of_val(&call());
    Contender {
        name,
        run: Box::new(move |calls| (0..calls).for_each(|_| finish(call()))),
        future_bytes: Some(future_bytes),
    }
}

impl Contender {
    /// Drops the size of the future, which is boxed.
    pub fn boxed(mut self) -> Self {
        self.future_bytes = None;
        self
    }
}

trait CallReady: Service<MockRequest> {
    fn call_ready(&mut self, request: MockRequest) -> Self::Future;
}

impl<S: Service<MockRequest, Error: std::fmt::Debug>> CallReady for S {
    fn call_ready(&mut self, request: MockRequest) -> S::Future {
        let ready = self.poll_ready(&mut Context::from_waker(Waker::noop()));
        assert!(
            matches!(ready, Poll::Ready(Ok(()))),
            "the service is always ready"
        );
        self.call(request)
    }
}

/// Polls a call once, which is enough for one that succeeds at once.
fn finish<F: Future>(call: F) {
    let call = pin!(call);
    let done = call.poll(&mut Context::from_waker(Waker::noop()));
    assert!(done.is_ready(), "a call that succeeds at once");
    drop(black_box(done));
}
