//! Who takes part, and how a call of each comes to wait.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use http::{HeaderValue, StatusCode, header};
use tower::Service;

use crate::mock::{Mock, MockRequest, RequestTemplate};

/// A way to make calls that wait.
pub struct Contender {
    pub name: &'static str,
    pub call: Box<dyn FnMut() -> Call>,
    /// A box that only this bench puts around it.
    pub box_bytes: usize,
}

/// A call, as a task holds it.
pub type Call = Pin<Box<dyn PollOnce>>;

/// A future whose answer nobody reads.
pub trait PollOnce {
    /// Polls it once more. Whether it is over.
    fn poll_once(self: Pin<&mut Self>) -> bool;
}

impl<F: Future> PollOnce for F {
    fn poll_once(self: Pin<&mut Self>) -> bool {
        self.poll(&mut Context::from_waker(Waker::noop()))
            .is_ready()
    }
}

/// A server that has had enough for some minutes, but not for longer than anybody's patience.
pub fn refusing() -> Mock {
    let mut response = Mock::without_counters().response();
    *response.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    let wait = HeaderValue::from_static("240");
    response.headers_mut().insert(header::RETRY_AFTER, wait);
    Mock::with_response(response)
}

/// Begins a call.
pub fn send<S: Service<MockRequest>>(service: &mut S, request: MockRequest) -> S::Future {
    let ready = service.poll_ready(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(ready, Poll::Ready(Ok(()))), "always ready");
    service.call(request)
}

/// A tower service.
pub fn service<S>(name: &'static str, mut service: S) -> Contender
where
    S: Service<MockRequest, Future: 'static> + 'static,
{
    let template = RequestTemplate::new();
    future(name, move || send(&mut service, template.request()))
}

/// Anything else that makes a future.
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
    /// Its future is in a box of its own.
    pub fn boxed(mut self) -> Self {
        self.box_bytes = size_of::<Call>();
        self
    }
}
