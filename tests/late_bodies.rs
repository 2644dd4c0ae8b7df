//! A refusal whose body comes late: nobody is sent while it is listened to.
mod support;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Frame;
use support::paused::*;
use tokio::time::Instant;
use tower::{Layer, ServiceExt};
use tower_backoff::RetryLayer;
use tower_backoff::failure::Redirected;
use tower_backoff::policy::Provider;

const URI: &str = "https://api.test/";

/// Says nothing, or nothing at all.
struct Late(bool);
impl http_body::Body for Late {
    type Data = Bytes;
    type Error = support::BoxError;
    fn poll_frame(
        self: Pin<&mut Self>,
        _: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if self.0 {
            Poll::Pending
        } else {
            Poll::Ready(None)
        }
    }
}

/// Its first answer is a 429 that names 30 seconds and whose body never comes.
#[derive(Clone, Default)]
struct Refuses(Arc<Mutex<Vec<Instant>>>, Option<Redirected>);
impl tower::Service<Request<Body>> for Refuses {
    type Response = Response<Late>;
    type Error = support::BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Late>, Self::Error>> + Send>>;
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }
    fn call(&mut self, _: Request<Body>) -> Self::Future {
        let mut sent = self.0.lock().unwrap();
        sent.push(Instant::now());
        let mut response = Response::builder();
        if let Some(redirected) = self.1.clone() {
            response = response.extension(redirected);
        }
        let response = match sent.len() {
            1 => response
                .status(429)
                .header("retry-after", "30")
                .body(Late(true)),
            _ => response.body(Late(false)),
        };
        Box::pin(async move { Ok(response?) })
    }
}

#[tokio::test(start_paused = true)]
async fn nobody_is_sent_while_the_body_of_a_refusal_is_looked_at() {
    let server = Refuses::default();
    let provider = Provider::new("acme").final_codes(["INSUFFICIENT_CREDITS"]);
    let service = RetryLayer::new(provider).seed(1).layer(server.clone());
    let first = tokio::spawn(service.clone().oneshot(get(URI)));
    tokio::time::sleep(millis(500)).await;
    service.clone().oneshot(get(URI)).await.unwrap();
    first.await.unwrap().unwrap();
    let sent = server.0.lock().unwrap().clone();
    assert!(
        sent[1] - sent[0] >= secs(30),
        "sent {:?} after a 429 that named 30 s",
        sent[1] - sent[0]
    );
}

#[tokio::test(start_paused = true)]
async fn a_refusal_is_known_though_its_caller_is_dropped_while_the_body_is_looked_at() {
    let server = Refuses::default();
    let provider = Provider::new("acme").final_codes(["INSUFFICIENT_CREDITS"]);
    let service = RetryLayer::new(provider).seed(1).layer(server.clone());
    let first = tokio::time::timeout(millis(500), service.clone().oneshot(get(URI))).await;
    assert!(first.is_err());
    tokio::time::sleep(secs(5)).await;
    service.clone().oneshot(get(URI)).await.unwrap();
    let sent = server.0.lock().unwrap().clone();
    assert!(
        sent[1] - sent[0] >= secs(30),
        "sent {:?} after a 429 that named 30 s",
        sent[1] - sent[0]
    );
}

#[tokio::test(start_paused = true)]
async fn nobody_is_sent_to_an_address_behind_a_redirect_while_the_body_of_its_refusal_is_looked_at()
{
    for (first, requests) in [(get(URI), 3), (post(URI), 2)] {
        let behind = "https://files.test/";
        let server = Refuses(Arc::default(), Some(Redirected(behind.parse().unwrap())));
        let provider = Provider::new("acme").final_codes(["INSUFFICIENT_CREDITS"]);
        let service = RetryLayer::new(provider).seed(1).layer(server.clone());
        let first = tokio::spawn(service.clone().oneshot(first));
        tokio::time::sleep(millis(500)).await;
        let begun = Instant::now();
        service.clone().oneshot(get(behind)).await.unwrap();
        assert_between(begun.elapsed(), secs(29), secs(1));
        first.await.unwrap().unwrap();
        assert_eq!(server.0.lock().unwrap().len(), requests);
    }
}
