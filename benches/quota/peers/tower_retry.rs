//! `tower::retry` with a policy made of tower's parts, and the same with `Retry-After` read by hand.
//!
//! The parts are the exponential backoff and the `TpsBudget`, both with their defaults.

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

use super::{MAX_ATTEMPTS, MAX_DELAY, is_transient};
use crate::contender::{Client, Contender, Setup};
use crate::server::Empty;

/// The default maximum of `ExponentialBackoffMaker`.
const FOREVER: Duration = Duration::from_millis(u64::MAX);

pub(super) fn all() -> [Contender; 4] {
    [
        Contender::peer("tower-retry", |setup| {
            client(setup, Standard::budgeted(setup))
        }),
        Contender::peer("tower-retry+patient", |setup| {
            client(setup, Standard::patient(setup))
        }),
        Contender::peer("tower-retry+retry-after", |setup| {
            client(setup, Standard::budgeted(setup).reading_retry_after())
        }),
        Contender {
            takes_part: super::plays_in_the_zoo,
            ..Contender::peer("tower-retry+retry-after+patient", |setup| {
                client(setup, Standard::patient(setup).reading_retry_after())
            })
        },
    ]
}

fn client(setup: &Setup, policy: Standard) -> Client {
    let server = setup.server.clone();
    Arc::new(move |job| {
        let service = Retry::new(policy.for_job(job), server.clone());
        let call = service.oneshot(server.request(job));
        Box::pin(async move { Ok(call.await?.status()) })
    })
}

/// The policy that a careful user writes with the parts that tower offers.
#[derive(Clone)]
struct Standard {
    /// Made for each call: a clone of a backoff repeats its random numbers.
    backoff: ExponentialBackoff<HasherRng<Seed>>,
    max_delay: Duration,
    seed: u64,
    budget: Option<Arc<TpsBudget>>,
    attempts_left: u32,
    reads_retry_after: bool,
}

impl Standard {
    fn new(seed: u64, max_delay: Duration) -> Self {
        Self {
            backoff: backoff(seed, max_delay),
            max_delay,
            seed,
            budget: None,
            attempts_left: u32::MAX,
            reads_retry_after: false,
        }
    }

    fn budgeted(setup: &Setup) -> Self {
        Self {
            budget: Some(Arc::default()),
            ..Self::new(setup.seed, FOREVER)
        }
    }

    fn patient(setup: &Setup) -> Self {
        Self {
            attempts_left: MAX_ATTEMPTS - 1,
            ..Self::new(setup.seed, MAX_DELAY)
        }
    }

    fn reading_retry_after(mut self) -> Self {
        self.reads_retry_after = true;
        self
    }

    /// The policy of one call, with random numbers of its own that depend on the seed of the run.
    fn for_job(&self, job: u32) -> Self {
        let seed = self.seed << 32 | u64::from(job);
        Self {
            backoff: backoff(seed, self.max_delay),
            ..self.clone()
        }
    }

    /// Whether one more attempt is allowed.
    fn may_retry(&mut self) -> bool {
        let left = self.attempts_left > 0;
        self.attempts_left = self.attempts_left.saturating_sub(1);
        left && self.budget.as_ref().is_none_or(|budget| budget.withdraw())
    }
}

/// The defaults of `ExponentialBackoffMaker`, except for the maximum and the seed.
fn backoff(seed: u64, max_delay: Duration) -> ExponentialBackoff<HasherRng<Seed>> {
    let rng = HasherRng::with_hasher(Seed(seed));
    ExponentialBackoffMaker::new(Duration::from_millis(50), max_delay, 0.99, rng)
        .expect("a maximum above 50 ms")
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
        if !self.may_retry() {
            return None;
        }
        let backoff = self.backoff.next_backoff();
        let hint = retry_after(response).filter(|_| self.reads_retry_after);
        Some(hint.map_or(backoff, sleep))
    }

    fn clone_request(&mut self, request: &Request<Empty>) -> Option<Request<Empty>> {
        Some(request.clone())
    }
}

fn retry_after<B>(response: &Response<B>) -> Option<Duration> {
    let value = response.headers().get(http::header::RETRY_AFTER)?;
    value.to_str().ok()?.parse().ok().map(Duration::from_secs)
}

/// Replaces the random state that seeds the generator by default, so that runs can be repeated.
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
