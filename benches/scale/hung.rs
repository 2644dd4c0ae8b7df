//! A server that never answers.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::task::{Context, Poll};

use tower::Service;

use crate::mock::{Answer, Ask};

/// A server that never answers, and whose call has room for an answer.
#[derive(Clone, Debug)]
pub struct Hung;

pub struct Hanging(Option<Result<Answer, Infallible>>);

impl Service<Ask> for Hung {
    type Response = Answer;
    type Error = Infallible;
    type Future = Hanging;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, ask: Ask) -> Hanging {
        drop(ask);
        Hanging(None)
    }
}

impl Future for Hanging {
    type Output = Result<Answer, Infallible>;

    fn poll(mut self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Self::Output> {
        self.0.take().map_or(Poll::Pending, Poll::Ready)
    }
}

impl Unpin for Hanging {}
