//! A host that counts, refuses, fails and answers in its own way.

use std::collections::VecDeque;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, Response};
use http_body::{Frame, SizeHint};
use http_body_util::{BodyExt, Full};
use tokio::time::{Instant, Sleep, sleep};
use tower::Service;
use tower_backoff::BoxError;
use tower_backoff::failure::Unsent;

use super::book::{Book, Declared, Kind};
use super::limiter::{Limiter, Ruling};
use super::rng::Rng;

/// How a refusal says when.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Says {
    Nothing,
    Seconds,
    Millis,
    Date,
    Counters,
    CountersWithoutReset,
}

/// What a host is like.
#[derive(Clone, Debug)]
pub(crate) struct Temper {
    pub(crate) says: Says,
    /// What a refusal says is that much of the truth.
    pub(crate) truth: f64,
    pub(crate) latency: Duration,
    /// In a thousand calls.
    pub(crate) errors: u64,
    pub(crate) lost: u64,
    pub(crate) unsent: u64,
    pub(crate) slow: u64,
    pub down_503: u64,
    pub(crate) final_refusals: u64,
    pub(crate) slow_bodies: u64,
    pub(crate) large_bodies: u64,
    /// All fail between these moments.
    pub(crate) outage: (Duration, Duration),
    pub(crate) declared: Declared,
    /// Whether routes have buckets of their own, with limiters of their own.
    pub(crate) buckets: bool,
}

impl Temper {
    pub(crate) fn any(rng: &mut Rng) -> Self {
        let says = [
            Says::Nothing,
            Says::Seconds,
            Says::Seconds,
            Says::Millis,
            Says::Date,
            Says::Counters,
            Says::CountersWithoutReset,
        ];
        let outage = rng.millis(1_000..200_000);
        let lasts = if rng.happens(250) {
            rng.millis(500..60_000)
        } else {
            Duration::ZERO
        };
        Self {
            says: rng.one_of(&says),
            truth: rng.one_of(&[1.0, 1.0, 1.0, 0.25, 0.0, 3.0]),
            latency: rng.millis(2..400),
            errors: rng.one_of(&[0, 0, 10, 100]),
            lost: rng.one_of(&[0, 0, 10, 50]),
            unsent: rng.one_of(&[0, 0, 20]),
            slow: rng.one_of(&[0, 0, 10]),
            down_503: rng.one_of(&[0, 0, 10, 30]),
            final_refusals: rng.one_of(&[0, 0, 20]),
            slow_bodies: rng.one_of(&[0, 100, 400]),
            large_bodies: rng.one_of(&[0, 0, 100]),
            outage: (outage, outage + lasts),
            declared: Declared::Nothing,
            buckets: rng.happens(300),
        }
    }
}

/// The last segments of their paths.
pub(crate) const ROUTES: [&str; 4] = ["apples", "figs", "pears", "plums"];

/// The body of an answer, in pieces that come when they come.
pub(crate) struct Drip {
    pieces: VecDeque<Bytes>,
    pause: Duration,
    sleep: Option<Pin<Box<Sleep>>>,
}

impl http_body::Body for Drip {
    type Data = Bytes;
    type Error = BoxError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BoxError>>> {
        if self.pieces.is_empty() {
            return Poll::Ready(None);
        }
        if !self.pause.is_zero() {
            let pause = self.pause;
            let pausing = self.sleep.get_or_insert_with(|| Box::pin(sleep(pause)));
            ready!(pausing.as_mut().poll(cx));
            self.sleep = None;
        }
        Poll::Ready(self.pieces.pop_front().map(|piece| Ok(Frame::data(piece))))
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.pieces.iter().map(|piece| piece.len() as u64).sum())
    }
}

/// The text of an answer: known by its number and length.
pub(crate) fn text(answer: u64, length: usize, code: &str) -> String {
    let head = format!("{{\"answer\":{answer},\"code\":\"{code}\",\"rest\":\"");
    let filled = length.saturating_sub(head.len() + 2);
    format!("{head}{}\"}}", "x".repeat(filled))
}

/// The body of the request of a job.
pub(crate) fn order(job: u64) -> Bytes {
    Bytes::from(format!("order {job} {}", "y".repeat((job % 97) as usize)))
}

/// A host; clones are the same one.
#[derive(Clone)]
pub(crate) struct Host {
    pub(crate) number: usize,
    begun: Instant,
    temper: Arc<Temper>,
    inner: Arc<Mutex<Inner>>,
    book: Arc<Mutex<Book>>,
}

struct Inner {
    rng: Rng,
    scope: Limiter,
    buckets: Vec<Limiter>,
    answers: u64,
}

/// What becomes of one call.
enum Fate {
    Answer(Answer),
    Lost,
    Unsent,
}

struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    closes: Option<(bool, Duration)>,
    code: &'static str,
}

impl Answer {
    fn of(status: u16) -> Self {
        Self {
            status,
            headers: Vec::new(),
            closes: None,
            code: "OK",
        }
    }
}

/// A call that is on its way, as long as this lives.
struct OnItsWay {
    host: Host,
    route: usize,
    holds: bool,
}

impl Drop for OnItsWay {
    fn drop(&mut self) {
        self.host.book.lock().unwrap().is_back(self.host.number);
        if self.holds {
            self.host.leaves(self.route);
        }
    }
}

impl Host {
    pub(crate) fn new(
        number: usize,
        temper: Temper,
        rng: &mut Rng,
        begun: Instant,
        book: Arc<Mutex<Book>>,
    ) -> Self {
        let mut own = rng.split();
        let bucketed = temper.buckets;
        let scope = if bucketed {
            Limiter::None
        } else {
            Limiter::any(&mut own)
        };
        let buckets = (0..ROUTES.len() / 2)
            .map(|_| Limiter::any(&mut own))
            .collect();
        let inner = Inner {
            rng: own,
            scope,
            buckets,
            answers: 0,
        };
        Self {
            number,
            begun,
            temper: Arc::new(temper),
            inner: Arc::new(Mutex::new(inner)),
            book,
        }
    }

    pub(crate) fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Two routes share a bucket.
    fn bucket(&self, route: usize) -> Option<usize> {
        self.temper.buckets.then_some(route / 2)
    }

    fn leaves(&self, route: usize) {
        let mut inner = self.inner.lock().unwrap();
        match self.bucket(route) {
            Some(bucket) => inner.buckets[bucket].leaves(),
            None => inner.scope.leaves(),
        }
    }

    /// Decides on a call that arrives now.
    fn decide(&self, job: u64, route: usize, once: bool, call: &mut OnItsWay) -> Fate {
        let now = self.now();
        let mut inner = self.inner.lock().unwrap();
        let temper = &self.temper;
        if inner.rng.happens(temper.unsent) {
            return Fate::Unsent;
        }
        if now >= temper.outage.0 && now < temper.outage.1 {
            return Fate::Answer(Answer::of(503));
        }
        let limiter = match self.bucket(route) {
            Some(bucket) => &mut inner.buckets[bucket],
            None => &mut inner.scope,
        };
        let ruling = limiter.arrives(now);
        call.holds = ruling.allowed;
        if !ruling.allowed {
            let is_final = inner.rng.happens(temper.final_refusals);
            drop(inner);
            return Fate::Answer(self.refusal(&ruling, is_final));
        }
        if inner.rng.happens(temper.down_503) {
            let seconds = inner.rng.within(1..20);
            let mut answer = Answer::of(503);
            answer.headers.push(("retry-after", seconds.to_string()));
            answer.closes = Some((false, Duration::from_secs(seconds)));
            return Fate::Answer(answer);
        }
        let (lost, error) = (
            inner.rng.happens(temper.lost),
            inner.rng.happens(temper.errors),
        );
        drop(inner);
        self.book.lock().unwrap().executes(job, once, now);
        if lost {
            return Fate::Lost;
        }
        let mut answer = Answer::of(if error { 500 } else { 200 });
        self.count(&ruling, &mut answer);
        Fate::Answer(answer)
    }

    /// What a served answer says is left.
    fn count(&self, ruling: &Ruling, answer: &mut Answer) {
        let counters = matches!(
            self.temper.says,
            Says::Counters | Says::CountersWithoutReset
        );
        if counters && self.temper.truth == 1.0 {
            answer
                .headers
                .push(("x-ratelimit-limit", ruling.limit.to_string()));
            answer
                .headers
                .push(("x-ratelimit-remaining", ruling.left.to_string()));
            if self.temper.says == Says::Counters {
                answer
                    .headers
                    .push(("x-ratelimit-reset", seconds_up(ruling.reset).to_string()));
            }
        }
    }

    fn refusal(&self, ruling: &Ruling, is_final: bool) -> Answer {
        let mut answer = Answer::of(429);
        let said = ruling.wait.mul_f64(self.temper.truth);
        let seconds = seconds_up(said);
        let named = Duration::from_secs(seconds);
        let wait = match self.temper.says {
            Says::Nothing => Duration::from_secs(60),
            Says::Seconds => {
                answer.headers.push(("retry-after", seconds.to_string()));
                named
            }
            Says::Millis => {
                answer
                    .headers
                    .push(("retry-after-ms", said.as_millis().to_string()));
                Duration::from_millis(said.as_millis() as u64)
            }
            Says::Date => {
                answer.headers.push(("date", date(self.now())));
                answer
                    .headers
                    .push(("retry-after", date(self.now() + named)));
                named
            }
            Says::Counters | Says::CountersWithoutReset => {
                answer
                    .headers
                    .push(("x-ratelimit-limit", ruling.limit.to_string()));
                answer.headers.push(("x-ratelimit-remaining", "0".into()));
                answer.headers.push(("retry-after", seconds.to_string()));
                named
            }
        };
        answer.code = if is_final { "BROKE" } else { "SLOW" };
        answer.closes = (!is_final).then_some((true, wait));
        answer
    }

    fn respond(&self, kind: Kind, job: u64, answer: Answer) -> Response<Drip> {
        let mut inner = self.inner.lock().unwrap();
        inner.answers += 1;
        let number = inner.answers;
        let length = if inner.rng.happens(self.temper.large_bodies) {
            inner.rng.within(2_000..400_000) as usize
        } else {
            inner.rng.within(60..1_000) as usize
        };
        let slow = inner.rng.happens(self.temper.slow_bodies);
        let pause = if slow {
            inner.rng.millis(1..3_000)
        } else {
            Duration::ZERO
        };
        drop(inner);
        let mut response = Response::builder().status(answer.status);
        for (name, value) in &answer.headers {
            response = response.header(*name, value);
        }
        let bucket = self
            .bucket(kind.1)
            .filter(|_| matches!(answer.status, 200 | 429));
        if let Some(bucket) = bucket {
            response = response.header("x-bucket", bucket.to_string());
        }
        response = response.header("x-answer", format!("{number} {length} {}", answer.code));
        let body = Bytes::from(text(number, length, answer.code));
        let half = body.len() / 2;
        let body = Drip {
            pieces: VecDeque::from([body.slice(..half), body.slice(half..)]),
            pause,
            sleep: None,
        };
        let mut book = self.book.lock().unwrap();
        book.on_response(job, self.now());
        if let Some(bucket) = bucket {
            book.names(self.number, kind, bucket);
        }
        if let Some((of_bucket, wait)) = answer.closes {
            let place = (self.number, bucket.filter(|_| of_bucket));
            book.closes(place, self.now(), wait);
        }
        response.body(body).expect("a valid response")
    }

    async fn answers(
        self,
        request: Request<Full<Bytes>>,
        mut call: OnItsWay,
    ) -> Result<Response<Drip>, BoxError> {
        let (head, body) = request.into_parts();
        let (job, kind) = known(&head);
        let slow = self.inner.lock().unwrap().rng.happens(self.temper.slow);
        let latency = if slow {
            self.temper.latency * 40
        } else {
            self.temper.latency
        };
        sleep(latency / 2).await;
        let sent = body.collect().await.expect("a whole body").to_bytes();
        let once = head.method == Method::POST;
        if once && sent != order(job) {
            let now = self.now();
            self.book
                .lock()
                .unwrap()
                .violated(|| format!("job {job} was sent as {sent:?}, at {now:?}"));
        }
        let fate = self.decide(job, kind.1, once, &mut call);
        sleep(latency - latency / 2).await;
        match fate {
            Fate::Answer(answer) => Ok(self.respond(kind, job, answer)),
            Fate::Lost => {
                self.book.lock().unwrap().on_response(job, self.now());
                Err("the connection was lost".into())
            }
            Fate::Unsent => {
                self.book.lock().unwrap().on_response(job, self.now());
                Err(Unsent::new("no connection").into())
            }
        }
    }
}

/// Which job a request is of, and its kind.
fn known(head: &http::request::Parts) -> (u64, Kind) {
    let job = head.headers["x-job"].to_str().unwrap().parse().unwrap();
    let segment = &head.uri.path()[1..];
    let route = ROUTES.iter().position(|route| *route == segment);
    let method = head.method.as_str().as_bytes()[1];
    (job, (method, route.expect("a known route")))
}

fn seconds_up(time: Duration) -> u64 {
    time.as_secs() + u64::from(time.subsec_nanos() > 0)
}

/// Of the server's own clock, which begins at noon.
fn date(at: Duration) -> String {
    let noon = NOON + at.as_secs();
    let (day, second) = (noon / 86_400, noon % 86_400);
    // The world lasts for hours: the second of March 2026 and the days after it.
    let of_month = 2 + (day - 20_514);
    let weekday = ["Thu", "Fri", "Sat", "Sun", "Mon", "Tue", "Wed"][(day % 7) as usize];
    let (hour, minute) = (second / 3_600, second / 60 % 60);
    format!(
        "{weekday}, {of_month:02} Mar 2026 {hour:02}:{minute:02}:{:02} GMT",
        second % 60
    )
}

/// 2026-03-02 12:00:00 UTC.
const NOON: u64 = 1_772_452_800;

/// The hosts of a world, as one client.
#[derive(Clone)]
pub(crate) struct Hosts(pub(crate) Vec<Host>);

impl Service<Request<Full<Bytes>>> for Hosts {
    type Response = Response<Drip>;
    type Error = BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Drip>, BoxError>> + Send>>;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), BoxError>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<Full<Bytes>>) -> Self::Future {
        let number = request.uri().host().unwrap_or_default()[1..2]
            .parse::<usize>()
            .unwrap();
        let host = self.0[number].clone();
        let (head, body) = request.into_parts();
        let (job, kind) = known(&head);
        let now = host.now();
        let declared = host.temper.declared;
        host.book
            .lock()
            .unwrap()
            .sends(job, number, kind, declared, now);
        let call = OnItsWay {
            host: host.clone(),
            route: kind.1,
            holds: false,
        };
        Box::pin(host.answers(Request::from_parts(head, body), call))
    }
}
