//! A contender: a client under measurement whose calls wait.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use http::{HeaderValue, StatusCode, header};
use tower::Service;

use crate::mock::{Mock, MockRequest, RequestTemplate};

/// One row of the table.
pub struct Contender {
    pub name: &'static str,
    pub call: Box<dyn FnMut() -> Call>,
    /// The size of a box that only this bench adds.
    pub box_bytes: usize,
}

/// A call in the form in which a task holds it.
pub type Call = Pin<Box<dyn PollOnce>>;

/// A future whose output is dropped.
pub trait PollOnce {
    /// Polls the future once. Returns whether it is ready.
    fn poll_once(self: Pin<&mut Self>) -> bool;
}

impl<F: Future> PollOnce for F {
    fn poll_once(self: Pin<&mut Self>) -> bool {
        self.poll(&mut Context::from_waker(Waker::noop()))
            .is_ready()
    }
}

/// A server that refuses every call with a wait of 240 s, which the default patience covers.
pub fn refusing() -> Mock {
    let mut response = Mock::without_counters().response();
    *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    let wait = HeaderValue::from_static("240");
    response.headers_mut().insert(header::RETRY_AFTER, wait);
    Mock::with_response(response)
}

/// Starts a call.
pub fn send<S: Service<MockRequest>>(service: &mut S, request: MockRequest) -> S::Future {
    let ready = service.poll_ready(&mut Context::from_waker(Waker::noop()));
    assert!(
        matches!(ready, Poll::Ready(Ok(()))),
        "the service is always ready"
    );
    service.call(request)
}

/// A contender that is a tower service.
pub fn service<S>(name: &'static str, mut service: S) -> Contender
where
    S: Service<MockRequest, Future: 'static> + 'static,
{
    let template = RequestTemplate::new();
    future(name, move || send(&mut service, template.request()))
}

/// A contender that makes a future in another way.
pub fn future<F: Future + 'static>(
    name: &'static str,
    mut call: impl FnMut() -> F + 'static,
) -> Contender {
    Contender {
        name,
        call: Box::new(move || Box::pin(call())),
        box_bytes: 0,
    }
}

impl Contender {
    /// Subtracts the box of this bench, because the future has one of its own.
    pub fn boxed(mut self) -> Self {
        self.box_bytes = size_of::<Call>();
        self
    }
}
