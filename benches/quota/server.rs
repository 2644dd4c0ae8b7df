//! The server of a scenario: a tower service in this process.

use std::convert::Infallible;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard};
use std::task::{Context, Poll};
use std::time::{Duration, SystemTime};

use http::{Request, StatusCode};
use tokio::time::{Instant, sleep};
use tower::Service;

use crate::books::Books;
use crate::limit::Limit;
use crate::scenario::Scenario;
use crate::wording::{Answer, Told, Wording, noon};

/// The body of every request: none.
pub type Empty = http_body_util::Empty<bytes::Bytes>;

/// Clones are ways to the same server.
#[derive(Clone)]
pub struct Server {
    desk: Arc<Desk>,
}

struct Desk {
    scenario: Scenario,
    seed: u64,
    start: Instant,
    inner: Mutex<(Box<dyn Limit>, Books)>,
}

impl Server {
    /// Opens now.
    pub fn open(scenario: &Scenario, seed: u64) -> Self {
        let inner = Mutex::new((scenario.limit(seed), Books::of(scenario)));
        let desk = Desk {
            scenario: scenario.clone(),
            seed,
            start: Instant::now(),
            inner,
        };
        Self {
            desk: Arc::new(desk),
        }
    }

    /// A request for this job.
    pub fn request(&self, job: u32) -> Request<Empty> {
        let host = match self.desk.scenario.scopes {
            1 => "api".to_owned(),
            _ => self.desk.scenario.scope(job).to_string(),
        };
        Request::get(format!("https://{host}.example.com/jobs/{job}"))
            .body(Empty::new())
            .expect("a valid request")
    }

    /// How long it has been open.
    pub fn now(&self) -> Duration {
        self.desk.start.elapsed()
    }

    pub fn with_books<T>(&self, read: impl FnOnce(&mut Books) -> T) -> T {
        read(&mut self.desk.lock().1)
    }
}

impl Desk {
    fn lock(&self) -> MutexGuard<'_, (Box<dyn Limit>, Books)> {
        self.inner.lock().expect("nobody panics in here")
    }

    /// A request travels half its latency, is decided on when it arrives, and the answer travels the
    /// other half.
    async fn serve(&self, job: u32) -> Answer {
        let attempt = self.lock().1.sent(job, self.start.elapsed());
        let half = self.scenario.half_latency(self.seed, job, attempt);
        sleep(half).await;
        let (answer, told) = self.decide(job, attempt);
        sleep(half).await;
        self.lock().1.heard(job, told);
        answer
    }

    /// What the server's wall clock says.
    fn clock(&self, now: Duration) -> SystemTime {
        let ahead = self.scenario.clock_ahead;
        let offset = Duration::from_secs(ahead.unsigned_abs().into());
        if ahead < 0 {
            noon() + now - offset
        } else {
            noon() + now + offset
        }
    }

    fn decide(&self, job: u32, attempt: u32) -> (Answer, Option<Told>) {
        let now = self.start.elapsed();
        let clock = self.clock(now);
        let (limit, books) = &mut *self.lock();
        let forgets = self.scenario.forgets_headers && books.arrivals.len() % 3 == 2;
        let wording = match self.scenario.wording {
            _ if forgets => Wording::Bare,
            wording => wording,
        };
        if now < self.scenario.outage {
            let status = StatusCode::SERVICE_UNAVAILABLE;
            books.arrived(job, now, status, None);
            return (wording.answer(status, None, now, clock), None);
        }
        let count = limit.arrives(job, now);
        let (status, told) = if !count.taken {
            let (status, told) = wording.refusal(count, now, clock);
            (status, Some(told))
        } else if self.scenario.fails(self.seed, job, attempt) {
            (StatusCode::INTERNAL_SERVER_ERROR, None)
        } else {
            (StatusCode::OK, None)
        };
        books.arrived(job, now, status, told);
        (wording.answer(status, Some(count), now, clock), told)
    }
}

fn job_of<B>(request: &Request<B>) -> u32 {
    let job = request.uri().path().strip_prefix("/jobs/");
    let job = job.and_then(|job| job.parse().ok());
    job.expect("the queue asks for /jobs/<number>")
}

impl<B> Service<Request<B>> for Server {
    type Response = Answer;
    type Error = Infallible;
    type Future = Pin<Box<dyn Future<Output = Result<Answer, Infallible>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> Self::Future {
        let (desk, job) = (Arc::clone(&self.desk), job_of(&request));
        Box::pin(async move { Ok(desk.serve(job).await) })
    }
}
