//! `tower::retry` leaves the policy to its user: here its own exponential backoff and its own
//! `TpsBudget`, both with their defaults; and the same with `Retry-After` read by hand.

use std::hash::{BuildHasher, DefaultHasher, Hasher};
use std::sync::Arc;
use std::time::Duration;

use http::{Request, Response};
use tokio::time::{Sleep, sleep};
use tower::ServiceExt;
use tower::retry::backoff::{Backoff, ExponentialBackoff, ExponentialBackoffMaker, MakeBackoff};
use tower::retry::budget::{Budget, TpsBudget};
use tower::retry::{Policy, Retry};
use tower::util::rng::HasherRng;

use super::{ATTEMPTS, LONGEST, is_transient};
use crate::contender::{Client, Contender, Stage};
use crate::server::Empty;

pub(super) fn all() -> [Contender; 4] {
    [
        Contender::peer("tower-retry", |stage| {
            client(stage, Standard::budgeted(stage))
        }),
        Contender::peer("tower-retry+patient", |stage| {
            client(stage, Standard::patient(stage))
        }),
        Contender::peer("tower-retry+retry-after", |stage| {
            client(stage, Standard::budgeted(stage).reading_retry_after())
        }),
        Contender::peer("tower-retry+retry-after+patient", |stage| {
            client(stage, Standard::patient(stage).reading_retry_after())
        }),
    ]
}

fn client(stage: &Stage, policy: Standard) -> Client {
    let service = Retry::new(policy, stage.server.clone());
    let server = stage.server.clone();
    Arc::new(move |job| {
        let call = service.clone().oneshot(server.request(job));
        Box::pin(async move { Ok(call.await?.status()) })
    })
}

/// The policy that everybody writes.
#[derive(Clone)]
struct Standard {
    /// Cloned with the policy for each call, its dice too: so all calls throw the same numbers.
    backoff: ExponentialBackoff<HasherRng<Seed>>,
    budget: Option<Arc<TpsBudget>>,
    attempts_left: u32,
    reads_retry_after: bool,
}

impl Standard {
    fn budgeted(stage: &Stage) -> Self {
        Self {
            backoff: backoff(stage, Duration::from_millis(u64::MAX)),
            budget: Some(Arc::default()),
            attempts_left: u32::MAX,
            reads_retry_after: false,
        }
    }

    fn patient(stage: &Stage) -> Self {
        Self {
            backoff: backoff(stage, LONGEST),
            budget: None,
            attempts_left: ATTEMPTS - 1,
            reads_retry_after: false,
        }
    }

    fn reading_retry_after(mut self) -> Self {
        self.reads_retry_after = true;
        self
    }

    /// Whether one more attempt is allowed.
    fn pays(&mut self) -> bool {
        let left = self.attempts_left > 0;
        self.attempts_left = self.attempts_left.saturating_sub(1);
        left && self.budget.as_ref().is_none_or(|budget| budget.withdraw())
    }
}

/// The defaults of `ExponentialBackoffMaker`, but for the longest wait and the seed.
fn backoff(stage: &Stage, longest: Duration) -> ExponentialBackoff<HasherRng<Seed>> {
    let dice = HasherRng::with_hasher(Seed(stage.seed));
    ExponentialBackoffMaker::new(Duration::from_millis(50), longest, 0.99, dice)
        .expect("50 ms is less than any of the longest waits")
        .make_backoff()
}

impl<Res, E> Policy<Request<Empty>, Response<Res>, E> for Standard {
    type Future = Sleep;

    fn retry(
        &mut self,
        _: &mut Request<Empty>,
        result: &mut Result<Response<Res>, E>,
    ) -> Option<Sleep> {
        let response = result.as_ref().ok()?;
        if !is_transient(response.status()) {
            if let Some(budget) = &self.budget {
                budget.deposit();
            }
            return None;
        }
        if !self.pays() {
            return None;
        }
        let backoff = self.backoff.next_backoff();
        let told = retry_after(response).filter(|_| self.reads_retry_after);
        Some(told.map_or(backoff, sleep))
    }

    fn clone_request(&mut self, request: &Request<Empty>) -> Option<Request<Empty>> {
        Some(request.clone())
    }
}

fn retry_after<B>(response: &Response<B>) -> Option<Duration> {
    let value = response.headers().get(http::header::RETRY_AFTER)?;
    value.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

/// In place of the random state that the dice are made of otherwise.
#[derive(Clone, Debug)]
struct Seed(u64);

impl BuildHasher for Seed {
    type Hasher = DefaultHasher;

    fn build_hasher(&self) -> DefaultHasher {
        let mut hasher = DefaultHasher::new();
        hasher.write_u64(self.0);
        hasher
    }
}
