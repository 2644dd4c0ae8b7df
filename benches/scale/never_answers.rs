//! A server that never answers.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tower::Service;

use crate::mock::{MockRequest, MockResponse};

/// A server that never answers; the future of a call has room for a response.
#[derive(Clone, Debug)]
pub struct NeverAnswers;

pub struct NeverFuture(Option<Result<MockResponse, Infallible>>);

impl Service<MockRequest> for NeverAnswers {
    type Response = MockResponse;
    type Error = Infallible;
    type Future = NeverFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: MockRequest) -> NeverFuture {
        drop(request);
        NeverFuture(None)
    }
}

impl Future for NeverFuture {
    type Output = Result<MockResponse, Infallible>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.take().map_or(Poll::Pending, Poll::Ready)
    }
}

impl Unpin for NeverFuture {}
