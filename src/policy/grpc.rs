//! The policy for gRPC, whose refusals are responses of 200.

mod streams;

pub use streams::Streams;

use std::borrow::Cow;

use http::{HeaderMap, HeaderName, StatusCode};

use super::attempt::{GRPC_STATUS, are_of_grpc};
use super::provider::{Provider, contains};
use super::{Attempt, PartialQuota, Policy, RequestHead, Route, Verdict};
use crate::gate::Quota;
use crate::hint::{Head, HeaderScan, Reading, forbids_retry, read_grpc};
use crate::retry::Idempotent;
use crate::scope::Scope;

/// Texts of a `RESOURCE_EXHAUSTED` that no wait lifts: a message is too large for the server.
///
/// The first is written by grpc-go and the C core, the second by grpc-java.
const TOO_LARGE: [&str; 2] = ["message larger than max", "message exceeds maximum size"];

/// A policy for a provider that speaks gRPC: a [`Provider`], and what the status of gRPC means.
///
/// gRPC refuses under a 200. Its status is among the headers of a response without messages ("trailers-only"), or in
/// the trailers behind the messages. This policy reads both:
///
/// * `RESOURCE_EXHAUSTED` (8) is a refusal by a limit. With a wait, in `grpc-retry-pushback-ms` or as the `RetryInfo`
///   of the status details, the gate closes for that long and the call goes again, whatever the method. Without one it
///   may be a disk that is full: the gate closes as after a bare 429, and the call goes again if that is safe. A
///   message that is too large for the server is no limit of this kind; the call ends.
/// * `UNAVAILABLE` (14) is a failure, and goes again by backoff, if that is safe. All methods of gRPC are POSTs: it
///   is safe if the request says so ([`Idempotent`]), or the policy does ([`idempotent`](Self::idempotent)).
/// * A `grpc-retry-pushback-ms` that is no number, such as -1, ends the call
///   ([gRFC A6](https://github.com/grpc/proposal/blob/master/A6-client-retries.md)).
/// * Every other status goes to the caller, and so does a status that is not a number, which is `UNKNOWN`.
/// * What is no answer of gRPC, such as the 503 of a proxy, is judged by the words of the [`Provider`]. Its quotas, its
///   scope, its `bare_429_wait`, its headers, its buckets (of a refusal they may be named behind the messages) and
///   its final phrases (looked for in `grpc-message`) hold for gRPC, too.
///
/// # Streams
///
/// A response of one message and a stream look alike, and a stream must not be delayed. So a stream is judged by its
/// head, and so is everything that looks like one:
///
/// | what is known | a response without a status in its head |
/// |---|---|
/// | a stream, by the request ([`Streams`]) or [`streams`](Self::streams) | goes to the caller at once |
/// | no stream, by either or [`unary_only`](Self::unary_only) | is read up to 64 KiB and 2 s, like any refusal |
/// | nothing | is read until a second message begins, for 100 ms at most |
///
/// What did not end by then goes to the caller as it is, and its trailers are not judged.
///
/// # Defaults
///
/// | setting | default |
/// |---|---|
/// | [`retry_on`](Self::retry_on) | 14, `UNAVAILABLE` |
/// | [`throttled_on`](Self::throttled_on) | 8, `RESOURCE_EXHAUSTED` |
/// | [`idempotent`](Self::idempotent) | no method |
/// | [`streams`](Self::streams), [`unary_only`](Self::unary_only) | not known |
///
/// # Over tonic
///
/// ```
/// use tonic::transport::{Channel, Uri};
/// use tonic_health::pb::health_client::HealthClient;
/// use tower::ServiceBuilder;
/// use tower_backoff::body::{ReplayBody, ReplayLayer};
/// use tower_backoff::policy::{Grpc, Provider};
/// use tower_backoff::{Quota, RetryLayer};
///
/// type Request = http::Request<ReplayBody<tonic::body::Body>>;
///
/// # #[tokio::main(flavor = "current_thread")]
/// # async fn main() {
/// let origin = Uri::from_static("https://search.example.com");
/// let search = Grpc::new(Provider::new("search").quota(Quota::per_second(50)))
///     .idempotent(["/grpc.health.v1.Health/Check"])
///     .streams(["/grpc.health.v1.Health/Watch"]);
/// let channel = ServiceBuilder::new()
///     .layer(ReplayLayer::new())
///     .layer(RetryLayer::new(search))
///     .map_request(|request: Request| request.map(tonic::body::Body::new))
///     .service(Channel::builder(origin.clone()).connect_lazy());
/// // With the origin, the layer knows whose gate it is.
/// let client = HealthClient::with_origin(channel, origin);
/// # drop(client);
/// # }
/// ```
///
/// A connection that could not be made is no proof here, since tonic's error for it has no public name. A connector of
/// one's own gives it one: `TcpStream::connect(addr).await.map_err(Unsent::new)`, with
/// [`Unsent`](crate::failure::Unsent).
///
/// A request that says something about itself says it in its extensions.
///
/// # Deadlines, attempts, and calls that are not sent
///
/// The `grpc-timeout` of a request is the deadline of the whole call: no attempt starts later, and each is sent with what is
/// left of it. Attempts after the first say in `grpc-previous-rpc-attempts` how many the server has seen (gRFC A6).
///
/// A call that ends with [`NotBefore`](crate::NotBefore) ends with a status, since a client of gRPC knows no other error:
/// `UNAVAILABLE` while the circuit breaker is open, else `RESOURCE_EXHAUSTED`. Its details have a `google.rpc.RetryInfo`
/// with the wait, its message says who asked for it, and the extensions of the response have the error itself.
#[derive(Clone, Debug)]
pub struct Grpc {
    provider: Provider,
    retried: Vec<u16>,
    any_method: Vec<u16>,
    throttled: Vec<u16>,
    idempotent: Vec<Cow<'static, str>>,
    streams: Option<Vec<Cow<'static, str>>>,
}

impl Grpc {
    const UNAVAILABLE: u16 = 14;
    const RESOURCE_EXHAUSTED: u16 = 8;

    /// A gRPC policy for this provider.
    pub fn new(provider: Provider) -> Self {
        Self {
            provider,
            retried: vec![Self::UNAVAILABLE],
            any_method: Vec::new(),
            throttled: vec![Self::RESOURCE_EXHAUSTED],
            idempotent: Vec::new(),
            streams: None,
        }
    }

    /// Retries on these statuses, and no others, if that is safe. It replaces the list that was there.
    ///
    /// # Default
    ///
    /// 14, `UNAVAILABLE`.
    ///
    /// ```
    /// use tower_backoff::policy::{Attempt, Grpc, Policy, Provider, Ruling};
    ///
    /// let request = http::Request::post("https://api.example.com/acme.v1.Search/Find").body(())?;
    /// let response = http::Response::builder()
    ///     .header("content-type", "application/grpc")
    ///     .header("grpc-status", "14")
    ///     .body(())?;
    /// let attempt = Attempt::new(&request, &response);
    ///
    /// let search = Grpc::new(Provider::new("search")).idempotent(["/acme.v1.Search/Find"]);
    /// assert_eq!(search.judge(&attempt).ruling(), Ruling::Retry);
    /// assert_eq!(search.retry_on([10]).judge(&attempt).ruling(), Ruling::Refuse);
    /// # Ok::<(), http::Error>(())
    /// ```
    #[must_use]
    pub fn retry_on(mut self, statuses: impl IntoIterator<Item = u16>) -> Self {
        self.retried = statuses.into_iter().collect();
        self
    }

    /// Retries on these statuses whatever the method. It replaces the list that was there.
    ///
    /// **This does work twice.** `UNAVAILABLE` also means that the connection broke while the server was at it.
    /// Use it only where that is harmless, and prefer [`idempotent`](Self::idempotent) for the methods that it is
    /// harmless for.
    #[must_use]
    pub fn retry_any_method(mut self, statuses: impl IntoIterator<Item = u16>) -> Self {
        self.any_method = statuses.into_iter().collect();
        self
    }

    /// Treats these statuses, and no others, as refusals by a limit. It replaces the list that was there.
    ///
    /// # Default
    ///
    /// 8, `RESOURCE_EXHAUSTED`.
    #[must_use]
    pub fn throttled_on(mut self, statuses: impl IntoIterator<Item = u16>) -> Self {
        self.throttled = statuses.into_iter().collect();
        self
    }

    /// States that these methods may be called twice. It replaces the methods that were there.
    ///
    /// They are written as in the path of the request: `/acme.v1.Search/Find`. A `.proto` says it with
    /// `idempotency_level`. [`Idempotent`] in a request counts for more.
    #[must_use]
    pub fn idempotent<M: Into<Cow<'static, str>>>(
        mut self,
        methods: impl IntoIterator<Item = M>,
    ) -> Self {
        self.idempotent = methods.into_iter().map(Into::into).collect();
        self
    }

    /// States that the server answers these methods, and no others, with streams.
    ///
    /// It replaces the methods that were there.
    #[must_use]
    pub fn streams<M: Into<Cow<'static, str>>>(
        mut self,
        methods: impl IntoIterator<Item = M>,
    ) -> Self {
        self.streams = Some(methods.into_iter().map(Into::into).collect());
        self
    }

    /// States that the server answers no method with a stream, so that every answer is read to its end.
    ///
    /// It replaces the methods of [`streams`](Self::streams).
    ///
    /// ```
    /// use tower_backoff::policy::{Grpc, Provider};
    ///
    /// let search = Grpc::new(Provider::new("search")).unary_only();
    /// # let _ = search;
    /// ```
    #[must_use]
    pub fn unary_only(mut self) -> Self {
        self.streams = Some(Vec::new());
        self
    }

    fn refusal(&self, attempt: &Attempt<'_>, status: u16, metadata: &HeaderMap) -> Verdict {
        let limits = self.throttled.contains(&status);
        let fails = self.retried.contains(&status) || self.any_method.contains(&status);
        if !limits && !fails {
            return Verdict::refuse();
        }
        let message = metadata.get("grpc-message");
        let message = message.map_or(&[][..], |message| message.as_bytes());
        if self.is_final(message) {
            return Verdict::refuse();
        }
        let reading = self.reading(attempt, metadata);
        let named = limits && matches!(reading, Reading::Wait(_));
        let safe = attempt.is_safe_to_resend() || self.any_method.contains(&status) || named;
        let refused = match forbids_retry(metadata) {
            true => Some(Verdict::refuse()),
            false if safe => None,
            false => Some(Verdict::not_safe()),
        };
        let verdict = match (limits, refused) {
            (true, None) => Verdict::throttled(),
            (true, Some(refused)) => refused.close_gate(),
            (false, None) => Verdict::retry().as_failure(),
            (false, Some(refused)) => refused.as_failure(),
        };
        match reading {
            Reading::Wait(hint) => verdict.close_gate_for(hint),
            Reading::Never(_) => Verdict::refuse().close_gate(),
            Reading::Nothing => verdict,
        }
        .bare_wait(self.provider.waits.bare)
    }

    fn is_final(&self, message: &[u8]) -> bool {
        self.provider.body_rules.has_final_phrase(message)
            || TOO_LARGE.iter().any(|phrase| contains(message, phrase))
    }

    /// The wait that gRPC names, else the one of any header: a gateway may have written it.
    fn reading(&self, attempt: &Attempt<'_>, metadata: &HeaderMap) -> Reading {
        let said = read_grpc(metadata);
        if said != Reading::Nothing {
            return said;
        }
        let places = [Some(metadata), attempt.headers()].into_iter().flatten();
        let mut said = places.map(|headers| {
            let head = Head {
                status: StatusCode::OK,
                headers,
                received: attempt.received(),
                refused: Some(true),
            };
            self.provider.waits.read(head, None)
        });
        said.find(|said| *said != Reading::Nothing)
            .unwrap_or(Reading::Nothing)
    }

    /// The verdict with the bucket that it is about, which the head or the trailers name.
    fn in_bucket(&self, verdict: Verdict, attempt: &Attempt<'_>, metadata: &HeaderMap) -> Verdict {
        let Some(buckets) = &self.provider.counting.buckets else {
            return verdict;
        };
        let places = [Some(metadata), attempt.headers()].into_iter().flatten();
        let mut naming = places.filter(|headers| buckets.are_named_in(headers));
        let headers = naming.next().unwrap_or(metadata);
        buckets.assign(verdict, headers, &HeaderScan::of(headers))
    }

    /// The attempt with what this policy knows about its method.
    fn with_idempotency<'a>(&self, attempt: &Attempt<'a>) -> Attempt<'a> {
        let request = attempt.request();
        let said = request.extensions().get::<Idempotent>();
        attempt.harmless_if(said.is_none() && lists(&self.idempotent, request))
    }

    /// Whether the response is a stream, if that is known.
    fn is_stream(&self, request: RequestHead<'_>) -> Option<bool> {
        match request.extensions().get::<Streams>() {
            Some(said) => Some(said.is_stream()),
            None => self.streams.as_ref().map(|streams| lists(streams, request)),
        }
    }
}

fn lists(methods: &[Cow<'static, str>], request: RequestHead<'_>) -> bool {
    methods.iter().any(|method| method == request.uri().path())
}

/// Whether this is a gRPC response whose status has not come yet.
fn is_open(attempt: &Attempt<'_>) -> bool {
    attempt.status() == Some(StatusCode::OK) && attempt.is_grpc() && attempt.grpc().is_none()
}

impl Policy for Grpc {
    fn judge(&self, attempt: &Attempt<'_>) -> Verdict {
        let attempt = &self.with_idempotency(attempt);
        match attempt.grpc() {
            None if is_open(attempt) => self.provider.judge(&attempt.bodiless()),
            None => self.provider.judge(attempt),
            Some((0, _)) => self.provider.judge(&attempt.bodiless()),
            Some((status, metadata)) => {
                let counter = self.provider.judge(&attempt.bodiless()).counter();
                let verdict = self.refusal(attempt, status, metadata);
                let verdict = verdict.about_grpc(status).with_counter(counter);
                self.in_bucket(verdict, attempt, metadata)
            }
        }
    }

    fn wants_body(&self, attempt: &Attempt<'_>) -> bool {
        if is_open(attempt) {
            return self.is_stream(attempt.request()) == Some(false);
        }
        attempt.grpc().is_none() && self.provider.wants_body(&self.with_idempotency(attempt))
    }

    fn wants_trailers(&self, attempt: &Attempt<'_>) -> bool {
        is_open(attempt) && self.is_stream(attempt.request()).is_none()
    }

    fn accepts_success(&self, request: &RequestHead<'_>, headers: &HeaderMap) -> bool {
        // The caller handles the end of a stream, unless it has ended with its head.
        self.is_stream(*request) == Some(true)
            && !headers.contains_key(GRPC_STATUS)
            && self.provider.accepts_success(request, headers)
    }

    fn scope(&self, request: &RequestHead<'_>) -> Option<Scope> {
        self.provider.scope(request)
    }

    fn route(&self, request: &RequestHead<'_>) -> Option<Route> {
        self.provider.route(request)
    }

    fn quotas(&self, request: &RequestHead<'_>) -> &[Quota] {
        Policy::quotas(&self.provider, request)
    }

    fn plans(&self, request: &RequestHead<'_>) -> &[Quota] {
        Policy::plans(&self.provider, request)
    }

    fn partial_quotas(&self, request: &RequestHead<'_>) -> &[PartialQuota] {
        Policy::partial_quotas(&self.provider, request)
    }

    fn cold_start(&self, request: &RequestHead<'_>) -> Option<u32> {
        Policy::cold_start(&self.provider, request)
    }

    fn attempt_header(&self, request: &RequestHead<'_>) -> Option<HeaderName> {
        Policy::attempt_header(&self.provider, request)
    }

    fn is_grpc(&self, request: &RequestHead<'_>) -> bool {
        are_of_grpc(request.headers())
    }

    fn name(&self) -> &str {
        self.provider.name()
    }
}

#[cfg(test)]
mod tests;
