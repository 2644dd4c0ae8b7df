//! Who takes part, and how a call of each comes to wait.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll, Waker};

use http::{HeaderValue, StatusCode, header};
use tower::Service;

use crate::mock::{Ask, Asker, Mock};

/// A way to make calls that wait.
pub struct Contender {
    pub name: &'static str,
    pub call: Box<dyn FnMut() -> Call>,
    /// A box that only this bench puts around it.
    pub needless_bytes: usize,
}

/// A call, as a task holds it.
pub type Call = Pin<Box<dyn Once>>;

/// A future whose answer nobody reads.
pub trait Once {
    /// Polls it once more. Whether it is over.
    fn is_over(self: Pin<&mut Self>) -> bool;
}

impl<F: Future> Once for F {
    fn is_over(self: Pin<&mut Self>) -> bool {
        self.poll(&mut Context::from_waker(Waker::noop()))
            .is_ready()
    }
}

/// A server that has had enough for some minutes, but not for longer than anybody's patience.
pub fn refusing() -> Mock {
    let mut answer = Mock::silent().answer();
    *answer.status_mut() = StatusCode::TOO_MANY_REQUESTS;
    let wait = HeaderValue::from_static("240");
    answer.headers_mut().insert(header::RETRY_AFTER, wait);
    Mock::answering(answer)
}

/// Begins a call.
pub fn send<S: Service<Ask>>(service: &mut S, ask: Ask) -> S::Future {
    let ready = service.poll_ready(&mut Context::from_waker(Waker::noop()));
    assert!(matches!(ready, Poll::Ready(Ok(()))), "always ready");
    service.call(ask)
}

/// A tower service.
pub fn service<S>(name: &'static str, mut service: S) -> Contender
where
    S: Service<Ask, Future: 'static> + 'static,
{
    let asker = Asker::new();
    future(name, move || send(&mut service, asker.ask()))
}

/// Anything else that makes a future.
pub fn future<F: Future + 'static>(
    name: &'static str,
    mut call: impl FnMut() -> F + 'static,
) -> Contender {
    Contender {
        name,
        call: Box::new(move || Box::pin(call())),
        needless_bytes: 0,
    }
}

impl Contender {
    /// Its future is in a box of its own.
    pub fn boxed(mut self) -> Self {
        self.needless_bytes = size_of::<Call>();
        self
    }
}
