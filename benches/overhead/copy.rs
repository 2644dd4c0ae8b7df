//! The floor of all retrying: one copy of the request, kept until the answer is there.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tower::Service;

use crate::mock::Ask;

#[derive(Clone, Debug)]
pub struct Copy<S>(pub S);

/// Keeps the copy beside the call.
#[derive(Debug)]
pub struct Copying<F> {
    _kept: Ask,
    call: F,
}

impl<S> Service<Ask> for Copy<S>
where
    S: Service<Ask, Future: Unpin>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = Copying<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, ask: Ask) -> Self::Future {
        Copying {
            _kept: ask.clone(),
            call: self.0.call(ask),
        }
    }
}

impl<F: Future + Unpin> Future for Copying<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        Pin::new(&mut self.call).poll(cx)
    }
}
