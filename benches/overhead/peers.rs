//! The peers: other retry crates with their defaults and with jitter.

use std::convert::Infallible;
use std::time::Duration;

use backon::{ExponentialBuilder, Retryable};
use http::Extensions;
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next};
use reqwest_retry::RetryTransientMiddleware;
use reqwest_retry::policies::ExponentialBackoff;
use tower::retry::Retry;
use tower::retry::budget::TpsBudget;
use tower::{Layer, Service};
use tower_resilience_retry::{ExponentialRandomBackoff, RetryLayer};

use crate::contender::{Contender, future, service};
use crate::mock::{Mock, MockRequest, MockResponse, RequestTemplate};
use crate::tower_policy::{Standard, is_transient};

/// All peers, each in front of the same server.
pub fn all(mock: &Mock, budget: TpsBudget) -> [Contender; 4] {
    [
        service(
            "tower::retry",
            Retry::new(Standard::with_budget(budget), mock.clone()),
        ),
        service("tower-resilience-retry", resilience(mock.clone())).boxed(),
        backon(mock.clone()),
        reqwest("reqwest-retry", reqwest_retry(), mock.clone()),
    ]
}

/// The share of `reqwest-retry` that is not retrying: reqwest parses the URL of each request.
pub fn no_retry(mock: &Mock) -> Contender {
    let client = ClientBuilder::new(reqwest::Client::new());
    reqwest("reqwest-middleware, no retry", client, mock.clone())
}

fn resilience(
    mock: Mock,
) -> impl Service<MockRequest, Response = MockResponse, Error = Infallible, Future: 'static> {
    let backoff = ExponentialRandomBackoff::new(Duration::from_millis(100), 0.5);
    RetryLayer::builder()
        .backoff(backoff.expect("a valid factor"))
        .retry_on_response(|response: &MockResponse| is_transient(response.status()))
        .build()
        .layer(mock)
}

/// Copies the request by hand, because `backon` retries closures.
fn backon(mock: Mock) -> Contender {
    let template = RequestTemplate::new();
    future("backon", move || {
        let (request, mut mock) = (template.request(), mock.clone());
        let attempt = move || {
            let call = mock.call(request.clone());
            async move {
                let Ok(response) = call.await;
                if is_transient(response.status()) {
                    Err(response)
                } else {
                    Ok(response)
                }
            }
        };
        attempt.retry(ExponentialBuilder::default().with_jitter())
    })
}

fn reqwest_retry() -> ClientBuilder {
    let policy = ExponentialBackoff::builder().build_with_max_retries(3);
    let retry = RetryTransientMiddleware::new_with_policy(policy);
    ClientBuilder::new(reqwest::Client::new()).with(retry)
}

fn reqwest(name: &'static str, client: ClientBuilder, mock: Mock) -> Contender {
    let client: ClientWithMiddleware = client.with(InProcess(mock)).build();
    let template = RequestTemplate::new();
    future(name, move || {
        let request = template.request().map(|_| reqwest::Body::from(""));
        let request = reqwest::Request::try_from(request).expect("a valid request");
        let client = client.clone();
        async move { client.execute(request).await }
    })
}

struct InProcess(Mock);

#[async_trait::async_trait]
impl Middleware for InProcess {
    async fn handle(
        &self,
        request: reqwest::Request,
        _: &mut Extensions,
        _: Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        drop(request);
        Ok(self.0.response().map(reqwest::Body::wrap).into())
    }
}
