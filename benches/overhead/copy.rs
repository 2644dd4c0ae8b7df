//! The floor of all retrying: one copy of the request, kept until the response.

use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tower::Service;

use crate::mock::MockRequest;

#[derive(Clone, Debug)]
pub struct CopyRequest<S>(pub S);

/// The call and the copy of its request.
#[derive(Debug)]
pub struct CopyFuture<F> {
    _kept: MockRequest,
    call: F,
}

impl<S> Service<MockRequest> for CopyRequest<S>
where
    S: Service<MockRequest, Future: Unpin>,
{
    type Response = S::Response;
    type Error = S::Error;
    type Future = CopyFuture<S::Future>;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), S::Error>> {
        self.0.poll_ready(cx)
    }

    fn call(&mut self, request: MockRequest) -> Self::Future {
        CopyFuture {
            _kept: request.clone(),
            call: self.0.call(request),
        }
    }
}

impl<F: Future + Unpin> Future for CopyFuture<F> {
    type Output = F::Output;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<F::Output> {
        Pin::new(&mut self.call).poll(cx)
    }
}
