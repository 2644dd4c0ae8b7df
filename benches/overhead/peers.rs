//! The others, with their defaults.

use std::convert::Infallible;
use std::sync::Arc;

use backon::{ExponentialBuilder, Retryable};
use http::{Extensions, StatusCode};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware, Middleware, Next};
use reqwest_retry::RetryTransientMiddleware;
use reqwest_retry::policies::ExponentialBackoff;
use tower::retry::backoff::{
    Backoff, ExponentialBackoff as TowerBackoff, ExponentialBackoffMaker, MakeBackoff,
};
use tower::retry::budget::{Budget, TpsBudget};
use tower::retry::{Policy, Retry};
use tower::{Layer, Service};
use tower_resilience_retry::RetryLayer;

use crate::contender::{Contender, future, service};
use crate::mock::{Answer, Ask, Asker, Mock};

pub fn all() -> [Contender; 5] {
    [
        service(
            "tower::retry",
            Retry::new(Standard::default(), Mock::silent()),
        ),
        service("tower-resilience-retry", resilience()).boxed(),
        backon(),
        reqwest(
            "reqwest-middleware, no retry",
            ClientBuilder::new(reqwest::Client::new()),
        ),
        reqwest("reqwest-retry", reqwest_retry()),
    ]
}

fn is_transient(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS
}

/// The policy that everybody writes: tower's own backoff and its own budget.
#[derive(Clone)]
struct Standard {
    backoff: TowerBackoff,
    budget: Arc<TpsBudget>,
}

impl Default for Standard {
    fn default() -> Self {
        Self {
            backoff: ExponentialBackoffMaker::default().make_backoff(),
            budget: Arc::default(),
        }
    }
}

impl Policy<Ask, Answer, Infallible> for Standard {
    type Future = <TowerBackoff as Backoff>::Future;

    fn retry(
        &mut self,
        _: &mut Ask,
        result: &mut Result<Answer, Infallible>,
    ) -> Option<Self::Future> {
        let answer = result.as_ref().ok()?;
        if !is_transient(answer.status()) {
            self.budget.deposit();
            return None;
        }
        let pays = self.budget.withdraw();
        pays.then(|| self.backoff.next_backoff())
    }

    fn clone_request(&mut self, ask: &Ask) -> Option<Ask> {
        Some(ask.clone())
    }
}

fn resilience() -> impl Service<Ask, Error = Infallible> {
    RetryLayer::builder()
        .retry_on_response(|answer: &Answer| is_transient(answer.status()))
        .build()
        .layer(Mock::silent())
}

/// It retries closures: so the request is copied by hand.
fn backon() -> Contender {
    let (asker, mock) = (Asker::new(), Mock::silent());
    future("backon", move || {
        let (ask, mut mock) = (asker.ask(), mock.clone());
        let attempt = move || {
            let call = mock.call(ask.clone());
            async move {
                let Ok(answer) = call.await;
                if is_transient(answer.status()) {
                    Err(answer)
                } else {
                    Ok(answer)
                }
            }
        };
        attempt.retry(ExponentialBuilder::default())
    })
}

fn reqwest_retry() -> ClientBuilder {
    let policy = ExponentialBackoff::builder().build_with_max_retries(3);
    let retry = RetryTransientMiddleware::new_with_policy(policy);
    ClientBuilder::new(reqwest::Client::new()).with(retry)
}

/// It works on reqwest's own requests, whose URL is parsed for each; the row without retrying says
/// how much of the cost is that.
fn reqwest(name: &'static str, client: ClientBuilder) -> Contender {
    let client: ClientWithMiddleware = client.with(InProcess(Mock::silent())).build();
    let asker = Asker::new();
    future(name, move || {
        let ask = asker.ask().map(|_| reqwest::Body::from(""));
        let ask = reqwest::Request::try_from(ask).expect("a valid request");
        let client = client.clone();
        async move { client.execute(ask).await }
    })
}

struct InProcess(Mock);

#[async_trait::async_trait]
impl Middleware for InProcess {
    async fn handle(
        &self,
        ask: reqwest::Request,
        _: &mut Extensions,
        _: Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        drop(ask);
        Ok(self.0.answer().map(reqwest::Body::wrap).into())
    }
}
