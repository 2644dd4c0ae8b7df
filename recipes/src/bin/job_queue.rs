//! A job queue
//!
//! A worker does not sleep through a cooldown: with a short `patience` a call ends at once, and the job goes back into the
//! queue until the moment that `NotBefore` names. A queue in a database stores `not_before.moment()` in the column of the
//! next run. The queue's own retries, with a backoff of its own, are for other errors.

use std::collections::BTreeSet;
use std::time::{Duration, Instant};

use bytes::Bytes;
use http::Response;
use http_body_util::Full;
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use recipes::{Server, check};
use tower::{Layer, ServiceExt};
// recipe: begin
use tower_backoff::{BoxError, NotBefore, Retry, RetryLayer, policy::Provider};

type Acme = Retry<Client<HttpConnector, Full<Bytes>>>;

fn acme() -> Acme {
    let layer = RetryLayer::new(Provider::new("acme"))
        .patience(Duration::from_millis(500)) // a longer wait is one for the queue
        .end_with_not_before();
    layer.layer(Client::builder(TokioExecutor::new()).build_http())
}

/// Runs a job, and says when to run it again if it was not the time for it.
async fn run(job: &Job) -> Result<Option<Instant>, BoxError> {
    match job.call().await {
        Ok(()) => Ok(None),
        Err(error) => match NotBefore::find(&*error) {
            Some(not_before) => Ok(Some(Instant::now() + not_before.wait())),
            None => Err(error),
        },
    }
}
// recipe: end

/// A call that is to be made.
struct Job {
    id: usize,
    acme: Acme,
    url: String,
}

impl Job {
    async fn call(&self) -> Result<(), BoxError> {
        let body = Full::from(format!("job {}", self.id));
        let request = http::Request::post(&self.url).body(body)?;
        check(self.acme.clone().oneshot(request).await?.status().as_u16())
    }
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let server = Server::start(|_| Response::new("done".to_owned())).await;
    let acme = acme();
    let job = |id| Job {
        id,
        acme: acme.clone(),
        url: server.url("/jobs"),
    };
    let jobs: Vec<_> = (0..5).map(job).collect();
    server.limiter.refuse(1, 2);

    let begun = Instant::now();
    let mut queue: BTreeSet<_> = jobs.iter().map(|job| (begun, job.id)).collect();
    let mut rescheduled = 0;
    while let Some((due, id)) = queue.pop_first() {
        tokio::time::sleep_until(due.into()).await;
        if let Some(later) = run(&jobs[id]).await? {
            rescheduled += 1;
            queue.insert((later, id));
        }
    }
    let took = begun.elapsed();
    assert!((2..5).contains(&took.as_secs()), "{took:?}");
    assert_eq!((server.limiter.calls(), server.limiter.refusals()), (6, 1));
    assert_eq!(server.limiter.early_calls(), 0);
    assert!(rescheduled >= 5, "the worker was held");
    println!(
        "a job queue: one refusal of 2 s rescheduled 5 jobs, which were done after {took:.1?}"
    );
    Ok(())
}
