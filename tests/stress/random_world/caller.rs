//! Who calls, waits, loses patience and goes away.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::Context;
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body_util::{BodyExt, Full};
use tokio::time::{Instant, sleep, timeout};
use tower::ServiceExt;
use tower_backoff::body::ResponseBody;
use tower_backoff::{BoxError, Deadline, NotBefore, Patience, Report, Retry};

use super::book::Book;
use super::rng::Rng;
use super::server::{Drip, Hosts, ROUTES, order, text};

type Outcome = Result<Response<ResponseBody<Drip>>, BoxError>;
type Call = Pin<Box<dyn Future<Output = Outcome> + Send>>;

/// Calls that were polled once and lie around.
#[derive(Clone, Default)]
pub(crate) struct LeftAlone(Arc<Mutex<Vec<Call>>>);

impl LeftAlone {
    pub(crate) fn clear(&self) {
        self.0.lock().unwrap().clear();
    }
}

/// Makes a few calls, one after the other.
pub(crate) struct Caller {
    pub(crate) number: u64,
    pub(crate) rng: Rng,
    pub(crate) begun: Instant,
    /// All callers come within this time.
    pub(crate) busy: Duration,
    pub(crate) book: Arc<Mutex<Book>>,
    /// Where calls are left that are never polled again, if any are.
    pub(crate) left_alone: Option<LeftAlone>,
    pub(crate) hosts: u64,
}

impl Caller {
    pub(crate) async fn run(mut self, service: Retry<Hosts>) {
        let come = self.rng.next() % (self.busy.as_millis() as u64);
        sleep(Duration::from_millis(come)).await;
        for nth in 0..self.rng.within(1..5) {
            let job = self.number * 10 + nth;
            self.call(job, &service).await;
            sleep(self.rng.millis(0..2_000)).await;
        }
    }

    async fn call(&mut self, job: u64, service: &Retry<Hosts>) {
        let started = self.begun.elapsed();
        let (request, patience) = self.request(job);
        let mut call: Call = Box::pin(service.clone().oneshot(request));
        if let Some(left_alone) = self.left_alone.as_ref().filter(|_| self.rng.happens(60)) {
            let _ = call
                .as_mut()
                .poll(&mut Context::from_waker(std::task::Waker::noop()));
            left_alone.0.lock().unwrap().push(call);
            return;
        }
        let outcome = if self.rng.happens(100) {
            // Goes away at some point.
            match timeout(self.rng.millis(0..30_000), call).await {
                Ok(outcome) => outcome,
                Err(_) => return,
            }
        } else {
            call.await
        };
        let now = self.begun.elapsed();
        self.book.lock().unwrap().ends(job, started, patience, now);
        match outcome {
            Ok(response) => self.read(job, response).await,
            Err(error) => self.told(job, &error),
        }
    }

    fn request(&mut self, job: u64) -> (Request<Full<Bytes>>, Duration) {
        let (host, route) = (self.rng.within(0..self.hosts), self.rng.one_of(&ROUTES));
        let method = self
            .rng
            .one_of(&[Method::GET.as_str(), "GET", "PUT", "POST", "POST"]);
        let body = if method == "GET" {
            Bytes::new()
        } else {
            order(job)
        };
        let mut patience = Duration::from_secs(self.rng.one_of(&[1, 5, 30, 120, 600]));
        let request = Request::builder()
            .method(method)
            .uri(format!("https://h{host}.test/{route}"))
            .header("x-job", job)
            .extension(Patience::of(patience));
        let request = if self.rng.happens(100) {
            let deadline = self.rng.millis(0..20_000);
            patience = patience.min(deadline);
            request.extension(Deadline::at(Instant::now() + deadline))
        } else {
            request
        };
        (
            request.body(Full::from(body)).expect("a valid request"),
            patience,
        )
    }

    /// The body is the one that was sent, to its end.
    async fn read(&mut self, job: u64, response: Response<ResponseBody<Drip>>) {
        let report = response.extensions().get::<Report>();
        let waited_for_nothing = |report: &&Report| {
            report.waited() > Duration::from_millis(100) && report.decided_by().is_none()
        };
        if let Some(report) = report.filter(waited_for_nothing) {
            let mut book = self.book.lock().unwrap();
            book.violated(|| format!("job {job} does not know what it waited for: {report}"));
        }
        let about = response.headers()["x-answer"].to_str().unwrap().to_owned();
        if self.rng.happens(100) {
            return;
        }
        let mut words = about.split(' ');
        let answer = words.next().unwrap().parse().unwrap();
        let length = words.next().unwrap().parse().unwrap();
        let expected = text(answer, length, words.next().unwrap());
        let body = response.into_body().collect().await;
        let read = body.map(|body| body.to_bytes());
        if !read.as_ref().is_ok_and(|read| *read == expected) {
            let length = read.map(|read| read.len());
            self.book
                .lock()
                .unwrap()
                .violated(|| format!("the answer to job {job} was {length:?} of {about}"));
        }
    }

    fn told(&self, job: u64, error: &BoxError) {
        let text = error.to_string();
        let known = error.is::<NotBefore>()
            || text == "the connection was lost"
            || text == "request was not sent";
        if !known {
            self.book
                .lock()
                .unwrap()
                .violated(|| format!("job {job} ended with {text}"));
        }
    }
}
