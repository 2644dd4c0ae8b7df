//! throttle-net: its `Retry`, which waits as `Retry-After` says, without and with its limiters.
//!
//! With a limiter, each attempt takes a place first, and a `Retry-After` pauses all callers, as its
//! README shows. It plays in the zoo only: in the
//! bases, and with `--zoo` in all cells.

use std::sync::Arc;
use std::time::Duration;

use http::StatusCode;
use http::header::RETRY_AFTER;
use throttle_net::{
    Backoff, Bulkhead, Retry, RetryAction, SlidingWindowLog, Throttle, ThrottleError, TokioClock,
    parse_retry_after,
};
use tower::ServiceExt;
use tower_backoff::BoxError;

use super::{MAX_ATTEMPTS, MAX_DELAY, is_transient, plays_in_the_zoo};
use crate::contender::{Client, Contender, Outcome, Setup};
use crate::server::Server;
use crate::zoo::{Limiter, Specimen};

pub(super) fn all() -> [Contender; 2] {
    let contender = |name, is_declared, client| Contender {
        name,
        is_declared,
        takes_part: |scenario| {
            let specimen = scenario.specimen.as_ref();
            specimen.is_some_and(|specimen| specimen.has_all_peers) && plays_in_the_zoo(scenario)
        },
        client,
    };
    [
        contender("throttle-net", false, |setup| client(setup, Pace::None)),
        contender("throttle-net+limiter", true, |setup| {
            let specimen = setup.scenario.specimen.as_ref();
            client(setup, Pace::of(specimen.expect("plays in the zoo only")))
        }),
    ]
}

fn client(setup: &Setup, pace: Pace) -> Client {
    let server = setup.server.clone();
    let seed = setup.seed;
    let pace = Arc::new(pace);
    Arc::new(move |job| {
        let (server, pace) = (server.clone(), Arc::clone(&pace));
        Box::pin(async move {
            let retry = patient(seed << 32 | u64::from(job));
            let attempt = || attempt(&server, &pace, job);
            let outcome = retry.run(attempt, Refusal::action).await;
            outcome.map_err(|refusal| BoxError::from(refusal.status.to_string()))?
        })
    })
}

/// Its exponential backoff with its default jitter, as patient as the other peers.
fn patient(seed: u64) -> Retry {
    let backoff = Backoff::exponential(Duration::from_millis(50), 2.0)
        .with_max(MAX_DELAY)
        .with_seed(seed);
    Retry::new(backoff)
        .max_attempts(MAX_ATTEMPTS)
        .max_retry_after(Duration::MAX)
}

/// An answer after which the call is sent again.
struct Refusal {
    status: StatusCode,
    retry_after: Option<Duration>,
}

impl Refusal {
    fn action(&self) -> RetryAction {
        self.retry_after
            .map_or(RetryAction::Retry, RetryAction::RetryAfter)
    }
}

async fn attempt(server: &Server, pace: &Pace, job: u32) -> Result<Outcome, Refusal> {
    let call = server.clone().oneshot(server.request(job));
    let response = match pace.admit(call).await {
        Ok(Ok(response)) => response,
        Ok(Err(never)) => match never {},
        Err(error) => return Ok(Err(error.into())),
    };
    let status = response.status();
    if !is_transient(status) {
        return Ok(Ok(status));
    }
    let value = response.headers().get(RETRY_AFTER);
    let retry_after = value.and_then(|value| parse_retry_after(value.to_str().ok()?));
    if let Some(wait) = retry_after {
        pace.pause_for(wait);
    }
    Err(Refusal {
        status,
        retry_after,
    })
}

/// The limiter that its documentation offers for a limit.
enum Pace {
    None,
    Windows(Vec<SlidingWindowLog<TokioClock>>),
    Bucket(Throttle<TokioClock>),
    AtOnce(Bulkhead),
}

impl Pace {
    fn of(specimen: &Specimen) -> Self {
        let (limit, window) = (specimen.regime.limit, specimen.regime.window);
        let bucket = |burst| {
            let builder = Throttle::builder().rate(limit, window).burst(burst);
            Self::Bucket(builder.clock(TokioClock::new()).build())
        };
        match specimen.limiter {
            Limiter::Bucket(burst) | Limiter::Queue(burst) => bucket(burst.calls(limit)),
            Limiter::WholeTokens => bucket(limit),
            // Evenly spaced, since the last window weighs in.
            Limiter::Counter | Limiter::CounterOfAll => bucket(1),
            Limiter::Concurrent => Self::AtOnce(Bulkhead::new(limit)),
            limiter => {
                let windows = limiter.windows(limit, window).into_iter();
                let log = |(calls, length)| {
                    SlidingWindowLog::new(calls, length).with_clock(TokioClock::new())
                };
                Self::Windows(windows.map(log).collect())
            }
        }
    }

    /// Makes the call once the limiter has a place for it.
    async fn admit<T>(&self, call: impl Future<Output = T>) -> Result<T, ThrottleError> {
        let _permit = match self {
            Self::None => None,
            Self::Windows(logs) => {
                for log in logs {
                    log.acquire().await?;
                }
                None
            }
            Self::Bucket(throttle) => {
                throttle.acquire().await?;
                None
            }
            Self::AtOnce(bulkhead) => Some(bulkhead.acquire().await?),
        };
        Ok(call.await)
    }

    fn pause_for(&self, wait: Duration) {
        match self {
            Self::Windows(logs) => logs.iter().for_each(|log| log.pause_for(wait)),
            Self::Bucket(throttle) => throttle.pause_for(wait),
            Self::None | Self::AtOnce(_) => {}
        }
    }
}
