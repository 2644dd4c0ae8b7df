//! A service in this process that answers by script and remembers when it was called.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Request, Response, Uri, request::Parts};
use http_body_util::Full;
use tokio::time::Instant;
use tower::Service;

use super::BoxError;

/// What the script returns.
pub type Answer = Result<Response<Full<Bytes>>, BoxError>;

/// One call as the service saw it.
#[derive(Clone, Debug)]
pub struct Call {
    /// When it was sent; virtual time where time is paused.
    pub at: Instant,
    /// Its method.
    pub method: Method,
    /// Its target.
    pub uri: Uri,
    /// Its headers.
    pub headers: HeaderMap,
}

type Script = dyn Fn(usize, &Parts) -> Answer + Send + Sync;
type Latency = dyn Fn(usize, &Parts) -> Duration + Send + Sync;

/// The service. Clones share script and diary, but not readiness: calling one that was not polled ready panics,
/// as tower's limits do.
#[derive(Clone)]
pub struct Mock {
    script: Arc<Script>,
    calls: Arc<Mutex<Vec<Call>>>,
    latency: Arc<Latency>,
    ready: Readiness,
}

/// A permit to call once, which a clone does not inherit.
#[derive(Default)]
struct Readiness(bool);

impl Clone for Readiness {
    fn clone(&self) -> Self {
        Self(false)
    }
}

impl Mock {
    /// `script` gets the number of the call, from 1, and the head of the request.
    pub fn new(script: impl Fn(usize, &Parts) -> Answer + Send + Sync + 'static) -> Self {
        Self {
            script: Arc::new(script),
            calls: Arc::default(),
            latency: Arc::new(|_, _| Duration::ZERO),
            ready: Readiness::default(),
        }
    }

    /// Lets every answer take so long.
    pub fn taking(self, latency: Duration) -> Self {
        self.taking_each(move |_, _| latency)
    }

    /// Lets each answer take as long as `latency` says, which gets what the script gets.
    pub fn taking_each(
        mut self,
        latency: impl Fn(usize, &Parts) -> Duration + Send + Sync + 'static,
    ) -> Self {
        self.latency = Arc::new(latency);
        self
    }

    /// The calls so far, in order.
    pub fn calls(&self) -> Vec<Call> {
        self.calls.lock().expect("no test panics in here").clone()
    }

    fn record(&self, head: &Parts) -> usize {
        let mut calls = self.calls.lock().expect("no test panics in here");
        calls.push(Call {
            at: Instant::now(),
            method: head.method.clone(),
            uri: head.uri.clone(),
            headers: head.headers.clone(),
        });
        calls.len()
    }
}

impl std::fmt::Debug for Mock {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Mock").field("calls", &self.calls).finish()
    }
}

impl<B> Service<Request<B>> for Mock {
    type Response = Response<Full<Bytes>>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Answer> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        self.ready.0 = true;
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        assert!(
            std::mem::take(&mut self.ready.0),
            "called without having been polled ready"
        );
        let (head, _) = request.into_parts();
        let nth = self.record(&head);
        let answer = (self.script)(nth, &head);
        let latency = (self.latency)(nth, &head);
        Box::pin(async move {
            // Even a sleep of nothing would be rounded up to the timer's next tick.
            if !latency.is_zero() {
                tokio::time::sleep(latency).await;
            }
            answer
        })
    }
}

/// An answer without a body.
pub fn status(status: u16) -> Answer {
    answer(status, &[], "")
}

/// An answer with headers and a body.
pub fn answer(status: u16, headers: &[(&str, &str)], body: &str) -> Answer {
    let mut response = Response::builder().status(status);
    for &(name, value) in headers {
        response = response.header(name, value);
    }
    Ok(response.body(Full::from(body.to_owned()))?)
}
