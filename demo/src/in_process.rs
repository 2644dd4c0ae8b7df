//! A provider in this process: a tower service with no network between client and desk.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use http::Request;
use tower::Service;

use super::desk::{Answer, Desk};

/// The service; its clones share the desk.
#[derive(Clone, Debug)]
pub(crate) struct InProcess {
    desk: Arc<Desk>,
}

impl InProcess {
    /// Creates a service for this desk.
    pub(crate) fn new(desk: Desk) -> Self {
        let desk = Arc::new(desk);
        Self { desk }
    }
}

impl<B> Service<Request<B>> for InProcess {
    type Response = Answer;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let desk = Arc::clone(&self.desk);
        let path = request.uri().path().to_owned();
        Box::pin(async move { Ok(desk.serve(&path).await) })
    }
}
