//! A queue of jobs, and the tasks that process it through one client.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering::Relaxed};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use http_body_util::BodyExt;
use tokio::task::JoinSet;
use tower::{Service, ServiceExt};
use tower_backoff::BoxError;

use super::clock::Wall;
use super::tally::Tally;

/// How many tasks call one provider concurrently.
pub(crate) const WORKERS: u32 = 64;

/// The body of every request.
pub(crate) type Empty = http_body_util::Empty<Bytes>;

/// The jobs of one provider; each job is one call.
#[derive(Debug)]
pub(crate) struct Queue {
    /// The base URL of the calls, such as `http://127.0.0.1:4321`.
    pub base: String,
    /// The number of jobs.
    pub jobs: u32,
    /// The results.
    pub tally: Arc<Tally>,
    /// The clock that measures how long the queue took.
    pub wall: Wall,
}

impl Queue {
    /// Starts the workers. Each has a clone of the client, and all clones wait at one gate.
    pub(crate) fn drain<S, R>(self, client: &S, workers: &mut JoinSet<()>)
    where
        S: Service<Request<Empty>, Response = Response<R>, Error = BoxError>,
        S: Clone + Send + 'static,
        S::Future: Send,
        R: Body<Data: Send, Error: Into<BoxError>> + Send + 'static,
    {
        let queue = Arc::new(self);
        let taken = Arc::new(AtomicU32::new(0));
        for _ in 0..WORKERS {
            workers.spawn(work(client.clone(), Arc::clone(&queue), Arc::clone(&taken)));
        }
    }

    fn done(&self, outcome: Result<(), BoxError>, job: u32) {
        match outcome {
            Ok(()) => self.tally.answered.add(),
            Err(why) => self.tally.lose(format!("job {job}: {why}")),
        }
        if self.tally.answered.get() + self.tally.lost().len() as u32 == self.jobs {
            self.tally.took.get_or_init(|| self.wall.elapsed());
        }
    }
}

/// Calls the client. Waiting, retrying and counting are left to the layer.
async fn work<S, R>(client: S, queue: Arc<Queue>, taken: Arc<AtomicU32>)
where
    S: Service<Request<Empty>, Response = Response<R>, Error = BoxError> + Clone,
    R: Body<Error: Into<BoxError>>,
{
    loop {
        let job = taken.fetch_add(1, Relaxed);
        if job >= queue.jobs {
            return;
        }
        let outcome = call(client.clone(), &queue.base, job).await;
        queue.done(outcome, job);
    }
}

async fn call<S, R>(client: S, base: &str, job: u32) -> Result<(), BoxError>
where
    S: Service<Request<Empty>, Response = Response<R>, Error = BoxError>,
    R: Body<Error: Into<BoxError>>,
{
    let request = Request::get(format!("{base}/jobs/{job}")).body(Empty::new())?;
    let response = client.oneshot(request).await?;
    if !response.status().is_success() {
        return Err(response.status().to_string().into());
    }
    response.into_body().collect().await.map_err(Into::into)?;
    Ok(())
}
