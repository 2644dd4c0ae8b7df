//! The policy for `tower::retry` that a careful user writes with the parts that tower offers.

use std::sync::Arc;

use http::{Request, Response, StatusCode};
use tower::retry::Policy;
use tower::retry::backoff::{Backoff, ExponentialBackoff, ExponentialBackoffMaker, MakeBackoff};
use tower::retry::budget::{Budget, TpsBudget};

/// Exponential backoff with jitter, and one budget for all calls.
#[derive(Clone, Debug, Default)]
pub struct Standard {
    /// Made at the first retry: a clone of a backoff would repeat its random numbers in each call.
    backoff: Option<ExponentialBackoff>,
    budget: Arc<TpsBudget>,
}

impl Standard {
    pub fn with_budget(budget: TpsBudget) -> Self {
        Self {
            backoff: None,
            budget: Arc::new(budget),
        }
    }
}

impl<Req, Res, E> Policy<Request<Req>, Response<Res>, E> for Standard
where
    Req: Clone,
{
    type Future = <ExponentialBackoff as Backoff>::Future;

    fn retry(
        &mut self,
        _: &mut Request<Req>,
        result: &mut Result<Response<Res>, E>,
    ) -> Option<Self::Future> {
        if !result.as_ref().map_or(true, |it| is_transient(it.status())) {
            self.budget.deposit();
            return None;
        }
        if !self.budget.withdraw() {
            return None;
        }
        let new_backoff = || ExponentialBackoffMaker::default().make_backoff();
        Some(self.backoff.get_or_insert_with(new_backoff).next_backoff())
    }

    fn clone_request(&mut self, request: &Request<Req>) -> Option<Request<Req>> {
        Some(request.clone())
    }
}

/// Whether a retry may help: a 429 and any 5xx.
pub fn is_transient(status: StatusCode) -> bool {
    status.is_server_error() || status == StatusCode::TOO_MANY_REQUESTS
}
