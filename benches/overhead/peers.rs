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

/// Everybody in front of the same server.
pub fn all(mock: &Mock, budget: TpsBudget) -> [Contender; 4] {
    [
        service(
            "tower::retry",
            Retry::new(Standard::new(budget), mock.clone()),
        ),
        service("tower-resilience-retry", resilience(mock.clone())).boxed(),
        backon(mock.clone()),
        reqwest("reqwest-retry", reqwest_retry(), mock.clone()),
    ]
}

/// What of the last one's cost is not retrying: it works on requests of reqwest's own, whose URL is
/// parsed for each.
pub fn no_retry(mock: &Mock) -> Contender {
    let client = ClientBuilder::new(reqwest::Client::new());
    reqwest("reqwest-middleware, no retry", client, mock.clone())
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

impl Standard {
    fn new(budget: TpsBudget) -> Self {
        Self {
            backoff: ExponentialBackoffMaker::default().make_backoff(),
            budget: Arc::new(budget),
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

fn resilience(
    mock: Mock,
) -> impl Service<Ask, Response = Answer, Error = Infallible, Future: 'static> {
    RetryLayer::builder()
        .retry_on_response(|answer: &Answer| is_transient(answer.status()))
        .build()
        .layer(mock)
}

/// It retries closures: so the request is copied by hand.
fn backon(mock: Mock) -> Contender {
    let asker = Asker::new();
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

fn reqwest(name: &'static str, client: ClientBuilder, mock: Mock) -> Contender {
    let client: ClientWithMiddleware = client.with(InProcess(mock)).build();
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
