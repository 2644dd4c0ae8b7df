//! The test server itself, as a tower service.

use std::convert::Infallible;
use std::fmt;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll, ready};
use std::time::Duration;

use http::{HeaderValue, Request, Response, StatusCode, header, request};
use tower_service::Service;

use crate::testing::dialect::{Dialect, http_date};
use crate::testing::limit::Limit;
use crate::testing::record::{Arrival, Manner, Record};
use crate::time::{Clock, Moment, Timer};

type Handler = dyn Fn(&request::Parts) -> Response<String> + Send + Sync;
type Fault = dyn Fn(usize) -> bool + Send + Sync;

/// A server that enforces a limit, in process or over loopback.
///
/// All clones share the limit and what was seen. Settings hold for the clones that are made later.
///
/// The wall clock of a server moves with tokio's clock, also while that is paused. It begins at 2026-03-02 12:00:00 UTC with
/// the first call, or is that of the system if the server listens on loopback; [`clock`](Self::clock) sets it. Each
/// answer carries its `Date`, with which [`RetryLayer`](crate::RetryLayer) compares all other dates.
///
/// # Default
///
/// Refusals are a 429 with `Retry-After` in seconds. Each answer comes at once, and that of a served call is a 200 with the
/// body `{}`. No call fails.
///
/// ```
/// use std::time::Duration;
/// use tower_backoff::testing::{Dialect, Limit, Server};
///
/// let limit = Limit::fixed_window(60, Duration::from_secs(60));
/// let defaults = Server::new(limit.clone());
/// let spelled_out = Server::new(limit)
///     .dialect(Dialect::RetryAfter)
///     .refusal_status(429)
///     .response_time(Duration::ZERO)
///     .handler(|_| http::Response::new("{}".to_owned()))
///     .fail_when(|_| false);
/// assert_eq!(format!("{defaults:?}"), format!("{spelled_out:?}"));
/// ```
#[derive(Clone)]
pub struct Server {
    manner: Manner,
    refusal_status: StatusCode,
    handler: Arc<Handler>,
    fault: Arc<Fault>,
    record: Arc<Mutex<Record>>,
}

impl Server {
    /// Creates a server with one limit.
    pub fn new(limit: Limit) -> Self {
        Self {
            manner: Manner {
                dialect: Dialect::default(),
                response_time: Duration::ZERO,
                transit: Duration::ZERO,
            },
            refusal_status: StatusCode::TOO_MANY_REQUESTS,
            handler: Arc::new(|_| Response::new("{}".to_owned())),
            fault: Arc::new(|_| false),
            record: Arc::new(Mutex::new(Record::new(limit))),
        }
    }

    /// Adds a limit: a call must be admitted by all, and counts in each only then.
    ///
    /// Name the shorter one first. [`Dialect::Named`] tells about up to three, the others about the one that refuses, or
    /// that has the least left.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_backoff::testing::{Dialect, Limit, Server};
    ///
    /// let nest = Server::new(Limit::fixed_window(10, Duration::from_secs(1)))
    ///     .add_limit(Limit::fixed_window(100, Duration::from_secs(60)))
    ///     .dialect(Dialect::Named);
    /// # let _ = nest;
    /// ```
    #[must_use]
    pub fn add_limit(self, limit: Limit) -> Self {
        self.record().limits.push(limit);
        self
    }

    /// Sets what the answers say about the limit. The default is [`Dialect::RetryAfter`].
    #[must_use]
    pub fn dialect(mut self, dialect: Dialect) -> Self {
        self.manner.dialect = dialect;
        self
    }

    /// Sets the status of refusals. The default is 429; nginx says 503, and django-ratelimit 403.
    ///
    /// # Panics
    ///
    /// If it has not three digits.
    #[must_use]
    pub fn refusal_status(mut self, status: impl TryInto<StatusCode>) -> Self {
        let Ok(status) = status.try_into() else {
            panic!("a status has three digits: write it as in the provider's page, such as 503")
        };
        self.refusal_status = status;
        self
    }

    /// Sets how long each call takes, refused ones included. By default the answer comes at once.
    ///
    /// A limit counts a call when it arrives.
    #[must_use]
    pub fn response_time(mut self, response_time: Duration) -> Self {
        self.manner.response_time = response_time;
        self
    }

    /// Sets how served calls are answered. The default is a 200 with the body `{}`.
    ///
    /// The server adds `Date` and the headers of its dialect, unless the response has them.
    ///
    /// ```
    /// use std::time::Duration;
    /// use http::Response;
    /// use tower_backoff::testing::{Limit, Server};
    ///
    /// let contacts = Server::new(Limit::fixed_window(60, Duration::from_secs(60))).handler(|head| {
    ///     let id = head.uri.path().trim_start_matches("/contacts/");
    ///     Response::new(format!(r#"{{"id":{id}}}"#))
    /// });
    /// # let _ = contacts;
    /// ```
    #[must_use]
    pub fn handler(
        mut self,
        handler: impl Fn(&request::Parts) -> Response<String> + Send + Sync + 'static,
    ) -> Self {
        self.handler = Arc::new(handler);
        self
    }

    /// Sets which admitted calls fail with a 500, by their number from 1. By default none does.
    ///
    /// ```
    /// use std::time::Duration;
    /// use tower_backoff::testing::{Limit, Server};
    ///
    /// let limit = || Limit::fixed_window(60, Duration::from_secs(60));
    /// let flaky = Server::new(limit()).fail_when(|nth| nth % 10 == 0);
    /// let out_for_a_while = Server::new(limit()).fail_when(|nth| (100..120).contains(&nth));
    /// # let _ = (flaky, out_for_a_while);
    /// ```
    #[must_use]
    pub fn fail_when(mut self, fails: impl Fn(usize) -> bool + Send + Sync + 'static) -> Self {
        self.fault = Arc::new(fails);
        self
    }

    /// Sets the wall clock of the server, such as to begin shortly before midnight.
    ///
    /// ```
    /// use std::time::{Duration, SystemTime};
    /// use tower_backoff::Clock;
    /// use tower_backoff::testing::{Limit, Server};
    ///
    /// let just_before_midnight = SystemTime::UNIX_EPOCH + Duration::from_secs(86_400 - 5);
    /// let server = Server::new(Limit::aligned_window(1_000, Duration::from_secs(86_400)))
    ///     .clock(Clock::starting_at(just_before_midnight));
    /// # let _ = server;
    /// ```
    #[must_use]
    pub fn clock(self, clock: Clock) -> Self {
        self.record().clock = Some(clock);
        self
    }

    /// Returns how many calls have arrived, refused ones included.
    pub fn calls(&self) -> usize {
        self.record().calls
    }

    /// Returns how many calls were refused.
    pub fn refusals(&self) -> usize {
        self.record().refusals
    }

    /// Returns how many calls have arrived before a wait was over that a refusal had named.
    ///
    /// Calls that were sent before the refusal was answered do not count; over loopback, nor do those that arrive in the
    /// 100 ms after it. A bare refusal names no wait.
    pub fn early_calls(&self) -> usize {
        self.record().early_calls
    }

    /// Counts a call and answers it.
    pub(super) fn on_request(&self, head: &request::Parts) -> ResponseFuture {
        let now = Clock::default().now();
        let arrival = self.record().on_arrival(now, &self.manner);
        let slot = arrival.admitted.map(|_| Slot {
            record: Arc::clone(&self.record),
            arrived: now,
        });
        let takes = self.manner.response_time;
        let timer = (!takes.is_zero()).then(|| Timer::until(now + takes));
        ResponseFuture {
            response: Some(self.response(head, arrival)),
            timer,
            slot,
        }
    }

    fn response(&self, head: &request::Parts, arrival: Arrival) -> Response<String> {
        let mut response = match arrival.admitted {
            Some(nth) if (self.fault)(nth) => {
                let mut failure = Response::new(r#"{"error":"something is wrong"}"#.to_owned());
                *failure.status_mut() = StatusCode::INTERNAL_SERVER_ERROR;
                failure
            }
            Some(_) => (self.handler)(head),
            None => {
                let mut refusal = Response::new(arrival.refusal_body);
                *refusal.status_mut() = self.refusal_status;
                refusal
            }
        };
        let headers = response.headers_mut();
        let date = (header::DATE.as_str(), http_date(arrival.date));
        for (name, value) in arrival.headers.into_iter().chain([date]) {
            let value = HeaderValue::try_from(value).expect("digits, dates and words of ASCII");
            headers.entry(name).or_insert(value);
        }
        response
    }

    /// Makes a clone for a network, on which an answer is this long on its way.
    ///
    /// Its clock is that of the system unless another one was set.
    pub(super) fn behind(&self, transit: Duration) -> Self {
        self.record().clock.get_or_insert_with(Clock::default);
        let mut server = self.clone();
        server.manner.transit = transit;
        server
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.record.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl fmt::Debug for Server {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Server")
            .field("dialect", &self.manner.dialect)
            .field("refusal_status", &self.refusal_status)
            .field("response_time", &self.manner.response_time)
            .field("record", &*self.record())
            .finish_non_exhaustive()
    }
}

impl<B> Service<Request<B>> for Server {
    type Response = Response<String>;
    type Error = Infallible;
    type Future = ResponseFuture;

    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Infallible>> {
        Poll::Ready(Ok(()))
    }

    fn call(&mut self, request: Request<B>) -> ResponseFuture {
        let (head, _) = request.into_parts();
        self.on_request(&head)
    }
}

/// The answer of a [`Server`], after the time that a call takes.
pub struct ResponseFuture {
    response: Option<Response<String>>,
    timer: Option<Timer>,
    slot: Option<Slot>,
}

impl Future for ResponseFuture {
    type Output = Result<Response<String>, Infallible>;

    fn poll(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        if let Some(timer) = &mut self.timer {
            ready!(timer.poll(cx));
        }
        self.slot = None;
        let response = self.response.take();
        Poll::Ready(Ok(
            response.expect("a future that is polled once it is done")
        ))
    }
}

impl fmt::Debug for ResponseFuture {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ResponseFuture").finish_non_exhaustive()
    }
}

/// An admitted call in flight, which ends when it is dropped.
struct Slot {
    record: Arc<Mutex<Record>>,
    arrived: Moment,
}

impl Drop for Slot {
    fn drop(&mut self) {
        let mut record = self.record.lock().unwrap_or_else(PoisonError::into_inner);
        record.on_end(self.arrived);
    }
}
