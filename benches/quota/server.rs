//! The server of a scenario, as a tower service in this process.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use http::{Request, StatusCode};
use tokio::time::{Instant, sleep};
use tower::Service;

use crate::limit::Limit;
use crate::record::Record;
use crate::response_format::{RefusalHint, ResponseFormat, ServerResponse, with_headers};
use crate::scenario::Scenario;
use crate::zoo::Specimen;

/// A response, what a refusal says, and how long the server holds the call.
type Decision = (ServerResponse, Option<RefusalHint>, Duration);

/// The empty body of every request.
pub type Empty = http_body_util::Empty<bytes::Bytes>;

/// A handle to a server. Clones share the server.
#[derive(Clone)]
pub struct Server {
    state: Arc<State>,
}

struct State {
    scenario: Scenario,
    seed: u64,
    start: Instant,
    inner: Mutex<(Box<dyn Limit>, Record)>,
}

impl Server {
    /// Starts a server; its time begins now.
    pub fn start(scenario: &Scenario, seed: u64) -> Self {
        let inner = Mutex::new((scenario.limit(seed), Record::new(scenario)));
        let state = State {
            scenario: scenario.clone(),
            seed,
            start: Instant::now(),
            inner,
        };
        Self {
            state: Arc::new(state),
        }
    }

    /// The request of a job.
    pub fn request(&self, job: u32) -> Request<Empty> {
        let host = match self.state.scenario.hosts {
            1 => "api".to_owned(),
            _ => self.state.scenario.host(job).to_string(),
        };
        Request::get(format!("https://{host}.example.com/jobs/{job}"))
            .body(Empty::new())
            .expect("a valid request")
    }

    /// The time since the start of the server.
    pub fn now(&self) -> Duration {
        self.state.start.elapsed()
    }

    pub fn with_record<T>(&self, read: impl FnOnce(&mut Record) -> T) -> T {
        read(&mut self.state.lock().1)
    }
}

impl State {
    fn lock(&self) -> MutexGuard<'_, (Box<dyn Limit>, Record)> {
        self.inner.lock().expect("no holder of the lock panics")
    }

    /// Delays a request, decides on it at its arrival, and delays the response as long.
    async fn serve(&self, job: u32) -> ServerResponse {
        let attempt = self.lock().1.on_send(job, self.start.elapsed());
        let (there, back) = self.scenario.latency(self.seed, job, attempt);
        sleep(there).await;
        let (response, hint, delay) = match &self.scenario.specimen {
            Some(specimen) => self.reply(specimen, job),
            None => self.decide(job, attempt),
        };
        sleep(delay + back).await;
        self.lock().1.on_response(job, hint);
        response
    }

    /// The wall clock of the server.
    fn clock(&self, now: Duration) -> SystemTime {
        let ahead = self.scenario.clock_ahead;
        let offset = Duration::from_secs(ahead.unsigned_abs().into());
        let clock = self.scenario.clock(self.seed) + now;
        if ahead < 0 {
            clock - offset
        } else {
            clock + offset
        }
    }

    /// Answers as a limiter of the zoo.
    fn reply(&self, specimen: &Specimen, job: u32) -> Decision {
        let now = self.start.elapsed();
        let clock = self.clock(now);
        let (limit, record) = &mut *self.lock();
        let reply = specimen.reply(&mut **limit, job, now, clock);
        record.on_arrival(job, now, reply.status, reply.hint);
        let response = with_headers(reply.status, clock, reply.headers, reply.body);
        (response, reply.hint, reply.delay)
    }

    fn decide(&self, job: u32, attempt: u32) -> Decision {
        let now = self.start.elapsed();
        let clock = self.clock(now);
        let (limit, record) = &mut *self.lock();
        let omits = self.scenario.omits_headers && record.arrivals.len() % 3 == 2;
        let format = match self.scenario.format {
            _ if omits => ResponseFormat::Bare,
            format => format,
        };
        if now < self.scenario.outage {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            record.on_arrival(job, now, status, None);
            let response = format.response(status, None, now, clock);
            return (response, None, Duration::ZERO);
        }
        let count = limit.on_arrival(job, now);
        let (status, hint) = if !count.admitted {
            let (status, hint) = format.refusal(count, now, clock);
            (status, Some(hint))
        } else if self.scenario.fails(self.seed, job, attempt) {
            (StatusCode::INTERNAL_SERVER_ERROR, None)
        } else {
            (StatusCode::OK, None)
        };
        record.on_arrival(job, now, status, hint);
        let response = format.response(status, Some(count), now, clock);
        (response, hint, Duration::ZERO)
    }
}

fn job_of<B>(request: &Request<B>) -> u32 {
    let job = request.uri().path().strip_prefix("/jobs/");
    let job = job.and_then(|job| job.parse().ok());
    job.expect("a path of the form /jobs/<number>")
}

impl<B> Service<Request<B>> for Server {
    type Response = ServerResponse;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<ServerResponse, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (state, job) = (Arc::clone(&self.state), job_of(&request));
        Box::pin(async move { Ok(state.serve(job).await) })
    }
}
