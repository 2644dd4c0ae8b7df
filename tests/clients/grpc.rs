//! gRPC over tonic's channel: real servers of tonic, and scripted ones that say what no library says.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::BoxError;
use crate::support::h2::{H2, Step};
use crate::support::listener::{Listener, refusing};
use crate::support::paused::assert_between;
use bytes::Bytes;
use futures_util::stream::{self, BoxStream, StreamExt};
use http::Uri;
use tokio::sync::mpsc;
use tonic::transport::{Channel, Server};
use tonic::{Code, Request, Response, Status};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tower::util::BoxCloneSyncService;
use tower::{ServiceBuilder, ServiceExt};
use tower_backoff::body::{ReplayBody, ReplayLayer, ResponseBody};
use tower_backoff::hint::{Reading, read_grpc};
use tower_backoff::policy::{Grpc, Provider, Streams};
use tower_backoff::{
    Backoff, Budget, Idempotent, Patience, Quota, ReportSlot, RetryLayer, StopReason,
};

type Body = tonic::body::Body;
type Client = HealthClient<
    BoxCloneSyncService<http::Request<Body>, http::Response<ResponseBody<Body>>, BoxError>,
>;
type Answer = Result<HealthCheckResponse, Status>;
type Messages = BoxStream<'static, Answer>;

const SERVING: HealthCheckResponse = HealthCheckResponse { status: 1 };
const CHECK: &str = "/grpc.health.v1.Health/Check";
const SECOND: Duration = Duration::from_secs(1);

/// The health service, whose answers are scripted by the number of the call.
#[derive(Clone)]
struct Scripted {
    calls: Arc<AtomicUsize>,
    check: Arc<dyn Fn(usize) -> Answer + Send + Sync>,
    watch: Arc<dyn Fn(usize) -> Messages + Send + Sync>,
}

impl Scripted {
    fn nth(&self) -> usize {
        self.calls.fetch_add(1, Ordering::SeqCst) + 1
    }
}

#[tonic::async_trait]
impl Health for Scripted {
    type WatchStream = Messages;

    async fn check(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        (self.check)(self.nth()).map(Response::new)
    }

    async fn watch(&self, _: Request<HealthCheckRequest>) -> Result<Response<Messages>, Status> {
        Ok(Response::new((self.watch)(self.nth())))
    }
}

/// A server of tonic; it stops when dropped.
struct Tonic {
    uri: Uri,
    calls: Arc<AtomicUsize>,
    listener: Listener,
}

impl Tonic {
    async fn start(
        check: impl Fn(usize) -> Answer + Send + Sync + 'static,
        watch: impl Fn(usize) -> Messages + Send + Sync + 'static,
    ) -> Self {
        let calls = Arc::new(AtomicUsize::new(0));
        let service = Scripted {
            calls: Arc::clone(&calls),
            check: Arc::new(check),
            watch: Arc::new(watch),
        };
        let listener = Listener::start(move |stream, _| {
            let incoming = stream::iter([Ok::<_, std::io::Error>(stream)]).chain(stream::pending());
            let service = HealthServer::new(service.clone());
            async {
                let server = Server::builder().add_service(service);
                server.serve_with_incoming(incoming).await.unwrap();
            }
        })
        .await;
        let uri = uri_of(listener.addr());
        Self {
            uri,
            calls,
            listener,
        }
    }

    /// Refuses this many checks with this status, then serves.
    async fn refusing(times: usize, status: Status) -> Self {
        let check = move |nth| match nth {
            nth if nth <= times => Err(status.clone()),
            _ => Ok(SERVING),
        };
        Self::start(check, |_| stream::empty().boxed()).await
    }

    async fn watching(watch: impl Fn(usize) -> Messages + Send + Sync + 'static) -> Self {
        Self::start(|_| Ok(SERVING), watch).await
    }

    fn calls(&self) -> usize {
        self.calls.load(Ordering::SeqCst)
    }
}

fn uri_of(addr: std::net::SocketAddr) -> Uri {
    format!("http://{addr}").parse().unwrap()
}

fn layer(policy: Grpc) -> RetryLayer {
    RetryLayer::new(policy).backoff(Backoff::exponential(Duration::from_millis(20)))
}

/// A client of tonic around the layer around a channel of tonic.
fn client(uri: &Uri, layer: RetryLayer) -> Client {
    let service = ServiceBuilder::new()
        .layer(ReplayLayer::new())
        .layer(layer)
        .map_request(|request: http::Request<ReplayBody<Body>>| request.map(Body::new))
        .service(Channel::builder(uri.clone()).connect_lazy());
    HealthClient::with_origin(BoxCloneSyncService::new(service), uri.clone())
}

fn cautious() -> Grpc {
    Grpc::new(Provider::new("health"))
}

fn trusting() -> Grpc {
    cautious().idempotent([CHECK, "/grpc.health.v1.Health/Watch"])
}

fn request() -> Request<HealthCheckRequest> {
    Request::new(HealthCheckRequest::default())
}

fn saying<T: Clone + Send + Sync + 'static>(said: T) -> Request<HealthCheckRequest> {
    let mut request = request();
    request.extensions_mut().insert(said);
    request
}

async fn check(client: &Client) -> Answer {
    let mut client = client.clone();
    client.check(request()).await.map(Response::into_inner)
}

fn unavailable() -> Status {
    Status::unavailable("draining")
}

fn exhausted() -> Status {
    Status::resource_exhausted("slow down")
}

fn pushed_back(mut status: Status, pushback: &'static str) -> Status {
    let metadata = status.metadata_mut();
    metadata.insert("grpc-retry-pushback-ms", pushback.parse().unwrap());
    status
}

/// RESOURCE_EXHAUSTED with the `RetryInfo` of 300 ms, encoded by hand.
fn with_retry_info() -> Status {
    let url = b"type.googleapis.com/google.rpc.RetryInfo";
    let nanos = b"\x10\x80\xc6\x86\x8f\x01"; // 300,000,000
    let field = |number: u8, value: &[u8]| [&[number << 3 | 2, value.len() as u8], value].concat();
    let any = [field(1, url), field(2, &field(1, nanos))].concat();
    let details = [&b"\x08\x08"[..], &field(3, &any)].concat();
    Status::with_details(Code::ResourceExhausted, "slow down", details.into())
}

#[tokio::test]
async fn unavailable_is_sent_again_only_if_that_is_safe() {
    let server = Tonic::refusing(1, unavailable()).await;
    let client = client(&server.uri, layer(cautious()));
    let status = check(&client).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::Unavailable, "draining")
    );
    assert_eq!(server.calls(), 1);

    let server = Tonic::refusing(2, unavailable()).await;
    let mut client = self::client(&server.uri, layer(cautious()));
    client.check(saying(Idempotent(true))).await.unwrap();
    assert_eq!(server.calls(), 3);

    let server = Tonic::refusing(2, unavailable()).await;
    let client = self::client(&server.uri, layer(trusting()));
    assert_eq!(check(&client).await.unwrap(), SERVING);
    assert_eq!((server.calls(), server.listener.connections()), (3, 1));
}

#[tokio::test]
async fn another_status_reaches_the_caller_whole() {
    let server = Tonic::refusing(9, Status::not_found("no such service")).await;
    let slot = ReportSlot::new();
    let mut client = client(&server.uri, layer(trusting()));
    let status = client.check(saying(slot.clone())).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::NotFound, "no such service")
    );
    assert_eq!(
        slot.report().unwrap().stop_reason(),
        Some(StopReason::Final)
    );
    assert_eq!(server.calls(), 1);
}

#[tokio::test]
async fn a_retry_info_is_waited_for_by_everybody_whatever_the_method() {
    let server = Tonic::refusing(1, with_retry_info()).await;
    let client = client(&server.uri, layer(cautious()));
    let begun = Instant::now();
    let slot = ReportSlot::new();
    let mut first = client.clone();
    let first = first.check(saying(slot.clone()));
    let second = async {
        tokio::time::sleep(Duration::from_millis(100)).await;
        check(&client).await
    };
    let (first, second) = tokio::join!(first, second);
    assert!(begun.elapsed() >= Duration::from_millis(300));
    first.unwrap();
    second.unwrap();
    assert_eq!(server.calls(), 3);
    let report = slot.report().unwrap();
    assert_eq!(report.decided_by(), Some("google.rpc.RetryInfo"));
}

#[tokio::test]
async fn a_pushback_is_waited_for() {
    let server = Tonic::refusing(1, pushed_back(exhausted(), "400")).await;
    let begun = Instant::now();
    check(&client(&server.uri, layer(cautious())))
        .await
        .unwrap();
    assert!(begun.elapsed() >= Duration::from_millis(400));
    assert_eq!(server.calls(), 2);
}

#[tokio::test]
async fn a_pushback_that_is_no_number_ends_the_call_with_the_truth() {
    for pushback in ["-1", "soon"] {
        let server = Tonic::refusing(1, pushed_back(unavailable(), pushback)).await;
        let client = client(&server.uri, layer(trusting()));
        assert_eq!(check(&client).await.unwrap_err().code(), Code::Unavailable);
        assert_eq!(server.calls(), 1);
        // No other call waits, and the connection is as it was.
        check(&client).await.unwrap();
        assert_eq!(server.listener.connections(), 1);
    }
}

#[tokio::test]
async fn without_a_wait_the_next_caller_is_told_not_before_when() {
    let server = Tonic::refusing(1, exhausted()).await;
    let layer = layer(cautious()).patience(5 * SECOND);
    let client = client(&server.uri, layer);
    let status = check(&client).await.unwrap_err();
    assert_eq!(
        (status.code(), status.message()),
        (Code::ResourceExhausted, "slow down")
    );
    let status = check(&client).await.unwrap_err();
    assert!(retry_info(status).expect("when to come back") > 58 * SECOND);
    assert_eq!(server.calls(), 1);
}

/// What the details of a status say about when to come back.
pub(crate) fn retry_info(status: Status) -> Option<Duration> {
    match read_grpc(status.into_http::<()>().headers()) {
        Reading::Wait(hint) => Some(hint.wait()),
        _ => None,
    }
}

#[tokio::test]
async fn failures_cost_the_budget_what_they_cost_it_over_plain_http() {
    let server = Tonic::refusing(9, unavailable()).await;
    let layer = layer(trusting()).budget(Budget::percent(0).min_retries(2));
    let mut client = client(&server.uri, layer);
    let slot = ReportSlot::new();
    let status = client.check(saying(slot.clone())).await.unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
    let report = slot.report().unwrap();
    assert_eq!(
        (report.attempts(), report.stop_reason()),
        (3, Some(StopReason::BudgetExhausted))
    );
}

#[tokio::test]
async fn a_server_that_is_out_is_asked_by_one_probe() {
    let server = Tonic::refusing(usize::MAX, unavailable()).await;
    let client = client(&server.uri, layer(cautious()).failure_patience(SECOND));
    let begun = Instant::now();
    while begun.elapsed() < Duration::from_millis(1_500) {
        check(&client).await.unwrap_err();
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    let so_far = server.calls();
    let callers = (0..20).map(|_| check(&client));
    let outcomes = futures_util::future::join_all(callers).await;
    assert!(outcomes.iter().all(Result::is_err));
    assert!(
        server.calls() <= so_far + 2,
        "{} calls more",
        server.calls() - so_far
    );
}

#[tokio::test]
async fn a_refusal_behind_the_head_of_a_stream_is_one_too() {
    let server = Tonic::watching(|nth| match nth {
        1 => stream::iter([Err(unavailable())]).boxed(),
        _ => stream::iter([Ok(SERVING)]).boxed(),
    })
    .await;
    let mut client = client(&server.uri, layer(trusting()));
    let messages = client.watch(request()).await.unwrap().into_inner();
    assert_eq!(
        messages.map(Result::unwrap).collect::<Vec<_>>().await,
        [SERVING]
    );
    assert_eq!((server.calls(), server.listener.connections()), (2, 1));
}

/// A stream whose messages the test sends.
fn slow_stream() -> (mpsc::UnboundedSender<Answer>, impl Fn(usize) -> Messages) {
    let (sender, receiver) = mpsc::unbounded_channel();
    let receiver = Arc::new(tokio::sync::Mutex::new(receiver));
    let watch = move |_| {
        let receiver = Arc::clone(&receiver);
        stream::unfold(receiver, |receiver| async {
            let message = receiver.lock().await.recv().await?;
            Some((message, receiver))
        })
        .boxed()
    };
    (sender, watch)
}

#[tokio::test]
async fn a_stream_is_judged_by_its_head_and_not_held_up() {
    let listed = cautious().streams(["/grpc.health.v1.Health/Watch"]);
    let ways = [
        ("listed", listed, request()),
        ("said", cautious(), saying(Streams::server_streaming())),
        ("guessed", cautious(), request()),
    ];
    for (way, policy, request) in ways {
        let (sender, watch) = slow_stream();
        let server = Tonic::watching(watch).await;
        let mut client = client(&server.uri, layer(policy));
        check(&client).await.unwrap(); // there is a connection
        let begun = Instant::now();
        // Silent as yet.
        let mut messages = client.watch(request).await.unwrap().into_inner();
        assert!(begun.elapsed() < SECOND, "{way}: {:?}", begun.elapsed());
        for status in 0..3 {
            sender.send(Ok(HealthCheckResponse { status })).unwrap();
            let message = messages.message().await.unwrap().unwrap();
            assert_eq!(message.status, status, "{way}");
        }
        // Its end is the caller's affair: the call is over.
        sender.send(Err(exhausted())).unwrap();
        let status = messages.message().await.unwrap_err();
        assert_eq!(status.code(), Code::ResourceExhausted, "{way}");
        check(&client).await.unwrap();
        assert_eq!(
            (server.calls(), server.listener.connections()),
            (3, 1),
            "{way}"
        );
    }
}

#[tokio::test]
async fn a_stream_holds_its_concurrency_slot() {
    let (sender, watch) = slow_stream();
    let server = Tonic::watching(watch).await;
    let provider = Provider::new("health").quota(Quota::concurrent(1));
    let mut client = client(&server.uri, layer(Grpc::new(provider)));
    let mut messages = client.watch(request()).await.unwrap().into_inner();
    let impatient = saying(Patience::of(Duration::from_millis(50)));
    client.check(impatient).await.unwrap_err();
    drop(sender);
    assert_eq!(messages.message().await.unwrap(), None);
    check(&client).await.unwrap();
    assert_eq!(server.calls(), 2);
}

#[tokio::test]
async fn a_call_that_is_dropped_while_it_is_listened_to_leaves_all_as_it_was() {
    let (_sender, watch) = slow_stream();
    let server = Tonic::watching(watch).await;
    let provider = Provider::new("health").quota(Quota::concurrent(1));
    let layer = layer(Grpc::new(provider));
    let mut client = client(&server.uri, layer);
    let unary = saying(Streams::unary());
    let watching = client.watch(unary);
    assert!(tokio::time::timeout(SECOND / 2, watching).await.is_err());
    check(&client).await.unwrap();
    assert_eq!(server.listener.connections(), 1);
}

// From here on the server says what no library says.

fn headers(lines: &[(&str, &str)]) -> Vec<(String, String)> {
    let lines = lines.iter();
    lines
        .map(|&(name, value)| (name.to_owned(), value.to_owned()))
        .collect()
}

/// The head of an answer of gRPC.
fn head(more: &[(&str, &str)]) -> Step {
    let kind = headers(&[("content-type", "application/grpc")]);
    Step::Head(200, [kind, headers(more)].concat())
}

/// An answer without trailers: its head says all.
fn only(more: &[(&str, &str)]) -> Vec<Step> {
    vec![head(more), Step::End]
}

/// SERVING, as it goes over the wire.
fn message() -> Step {
    Step::Data(Bytes::from_static(b"\0\0\0\0\x02\x08\x01"))
}

fn trailers(lines: &[(&str, &str)]) -> Step {
    Step::Trailers(headers(lines))
}

fn served() -> Vec<Step> {
    vec![head(&[]), message(), trailers(&[("grpc-status", "0")])]
}

/// Plays these steps once, then serves.
async fn once(steps: Vec<Step>) -> H2 {
    H2::start(move |received| match received.nth {
        1 => steps.clone(),
        _ => served(),
    })
    .await
}

/// The first call ends with this status after one attempt; the next one is served at once, on the same connection.
#[track_caller]
fn ends_with(code: Code, steps: Vec<Step>, within: Duration) -> impl Future<Output = ()> {
    let caller = std::panic::Location::caller();
    async move {
        let server = once(steps).await;
        let layer = layer(trusting()).budget(Budget::percent(0).min_retries(1));
        let client = client(&server.uri(""), layer);
        let begun = Instant::now();
        let status = check(&client).await.unwrap_err();
        assert_eq!(status.code(), code, "{caller}: {status:?}");
        check(&client).await.unwrap();
        assert!(begun.elapsed() < within, "{caller}: {:?}", begun.elapsed());
        assert_eq!(
            (server.requests(), server.connections()),
            (2, 1),
            "{caller}"
        );
    }
}

/// The first attempt is refused by this, and the second served, on the same connection.
async fn goes_again(policy: Grpc, steps: Vec<Step>) {
    let server = once(steps).await;
    let client = client(&server.uri(""), layer(policy));
    check(&client).await.unwrap();
    assert_eq!((server.requests(), server.connections()), (2, 1));
}

#[tokio::test]
async fn a_status_that_is_not_a_number_ends_the_call_as_unknown() {
    for status in ["fourteen", "", "-14", "+14", "14.0"] {
        ends_with(Code::Unknown, only(&[("grpc-status", status)]), SECOND).await;
        let behind = vec![head(&[]), trailers(&[("grpc-status", status)])];
        ends_with(Code::Unknown, behind, SECOND).await;
    }
}

#[tokio::test]
async fn an_answer_that_ends_without_trailers_ends_the_call() {
    let bare = vec![head(&[]), Step::End];
    ends_with(Code::Internal, bare, SECOND).await;
}

#[tokio::test]
async fn trailers_that_never_come_are_not_waited_for_by_the_layer() {
    // Nothing follows the head; the caller's own timeout ends the call.
    let server = once(vec![head(&[]), message()]).await;
    let provider = Provider::new("health").quota(Quota::concurrent(1));
    let client = client(&server.uri(""), layer(Grpc::new(provider)));
    let mut first = client.clone();
    let first = tokio::time::timeout(SECOND / 2, first.check(request()));
    assert!(first.await.is_err());
    check(&client).await.unwrap();
    assert_eq!((server.requests(), server.connections()), (2, 1));
}

#[tokio::test]
async fn a_stream_that_is_reset_instead_of_its_trailers_ends_the_call() {
    let reset = vec![
        head(&[]),
        message(),
        Step::Reset(h2::Reason::INTERNAL_ERROR),
    ];
    ends_with(Code::Internal, reset, SECOND).await;
}

#[tokio::test]
async fn the_trailers_of_an_answer_that_ends_at_once_are_judged() {
    let unavailable = trailers(&[("grpc-status", "14")]);
    goes_again(trusting(), vec![head(&[]), unavailable.clone()]).await;
    goes_again(trusting(), vec![head(&[]), message(), unavailable]).await;
    let pushback = [("grpc-status", "8"), ("grpc-retry-pushback-ms", "50")];
    goes_again(cautious(), vec![head(&[]), trailers(&pushback)]).await;
}

#[tokio::test]
async fn an_answer_that_is_known_to_be_no_stream_is_listened_to_for_longer() {
    let late = |by| {
        let unavailable = trailers(&[("grpc-status", "14")]);
        vec![
            head(&[]),
            Step::Wait(by),
            message(),
            Step::Wait(by),
            unavailable,
        ]
    };
    let by = Duration::from_millis(300);
    goes_again(trusting().unary_only(), late(by)).await;
    // And an answer that may be a stream is not, nor one that is later still.
    ends_with(Code::Unavailable, late(by), 2 * SECOND).await;
    let server = once(late(3 * SECOND / 2)).await;
    let policy = trusting().unary_only();
    let status = check(&client(&server.uri(""), layer(policy)))
        .await
        .unwrap_err();
    assert_eq!(status.code(), Code::Unavailable);
}

#[tokio::test]
async fn an_answer_beyond_64_kib_is_judged_by_its_head_and_comes_whole() {
    // Field 1 is SERVING, field 15 unknown and large.
    let mut large = b"\x08\x01\x7a\xf0\xa2\x04".to_vec();
    large.resize(large.len() + 70_000, b'x');
    let length = u32::try_from(large.len()).unwrap().to_be_bytes();
    let data = [&[0][..], &length, &large].concat();
    let steps = vec![
        head(&[]),
        Step::Data(data.into()),
        trailers(&[("grpc-status", "0")]),
    ];
    let server = H2::always(steps).await;
    for policy in [cautious(), cautious().unary_only()] {
        let client = client(&server.uri(""), layer(policy));
        assert_eq!(check(&client).await.unwrap(), SERVING);
    }
}

#[tokio::test]
async fn details_that_are_damaged_are_no_wait() {
    // What is not even base64 is not among them: tonic itself panics on it.
    for details in ["CAga", "////////////////", "CAgaNgoodHlwZS5nb29nbGVhcGlz"] {
        let lines = [("grpc-status", "8"), ("grpc-status-details-bin", details)];
        let server = once(only(&lines)).await;
        let client = client(&server.uri(""), layer(cautious()).patience(SECOND));
        check(&client).await.unwrap_err();
        let status = check(&client).await.unwrap_err();
        assert!(retry_info(status).unwrap() > 58 * SECOND, "{details}");
    }
}

#[tokio::test]
async fn a_stream_refused_by_the_server_was_not_processed() {
    let server = once(vec![Step::Reset(h2::Reason::REFUSED_STREAM)]).await;
    let client = client(&server.uri(""), layer(cautious()));
    check(&client).await.unwrap();
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn a_proxy_that_answers_for_the_server_is_judged_as_http() {
    let page = |status| {
        let kind = headers(&[("content-type", "text/html"), ("retry-after", "0")]);
        vec![
            Step::Head(status, kind),
            Step::Data(Bytes::from("<html>")),
            Step::End,
        ]
    };
    goes_again(cautious(), page(429)).await;
    goes_again(trusting(), page(503)).await;
    let server = once(page(503)).await;
    let client = client(&server.uri(""), layer(cautious()));
    check(&client).await.unwrap_err();
    assert_eq!(server.requests(), 1);
}

#[tokio::test]
async fn a_connection_that_cannot_be_made_is_proof_if_the_connector_says_so() {
    use hyper_util::rt::TokioIo;
    use tower_backoff::failure::Unsent;

    let addr = refusing().await;
    let uri = uri_of(addr);
    let connector = tower::service_fn(move |_: Uri| async move {
        let stream = tokio::net::TcpStream::connect(addr).await;
        stream.map(TokioIo::new).map_err(Unsent::new)
    });
    let channel = Channel::builder(uri.clone()).connect_with_connector_lazy(connector);
    let service = ServiceBuilder::new()
        .layer(ReplayLayer::new())
        .layer(layer(cautious()).max_retries(2))
        .map_request(|request: http::Request<ReplayBody<Body>>| request.map(Body::new))
        .service(channel);
    let mut client = HealthClient::with_origin(service.boxed_clone(), uri);
    let slot = ReportSlot::new();
    client.check(saying(slot.clone())).await.unwrap_err();
    assert_eq!(slot.report().unwrap().attempts(), 3);
}

// And in virtual time, how long an answer is listened to, to the millisecond.

/// Frames, each this many milliseconds after the one before it.
type Frames = &'static [(u64, Said)];

#[derive(Clone, Copy)]
enum Said {
    Data(&'static [u8]),
    Trailers,
    Silence,
}

fn body(frames: Frames) -> impl http_body::Body<Data = Bytes, Error = BoxError> + Send {
    let frames = stream::iter(frames).then(|&(wait, said)| async move {
        tokio::time::sleep(Duration::from_millis(wait)).await;
        match said {
            Said::Data(data) => Ok(http_body::Frame::data(Bytes::from_static(data))),
            Said::Trailers => Ok(http_body::Frame::trailers(http::HeaderMap::new())),
            Said::Silence => std::future::pending().await,
        }
    });
    http_body_util::StreamBody::new(Box::pin(frames))
}

/// Asserts that it takes this many milliseconds until the caller has such an answer.
async fn held_up(policy: Grpc, frames: Frames, expected: u64) {
    let service = tower::service_fn(move |_: http::Request<String>| async move {
        let response = http::Response::builder().header("content-type", "application/grpc+proto");
        Ok::<_, BoxError>(response.body(body(frames))?)
    });
    let service = ServiceBuilder::new().layer(layer(policy)).service(service);
    let request = http::Request::post(format!("http://grpc.test{CHECK}"));
    let begun = tokio::time::Instant::now();
    service
        .oneshot(request.body(String::new()).unwrap())
        .await
        .unwrap();
    let expected = Duration::from_millis(expected);
    // A timer is up to a millisecond late, and there are several.
    assert_between(begun.elapsed(), expected, Duration::from_millis(4));
}

#[tokio::test(start_paused = true)]
async fn an_answer_is_listened_to_for_no_longer_than_the_docs_say() {
    use Said::{Data, Silence, Trailers};
    const MESSAGE: Said = Data(b"\0\0\0\0\x02\x08\x01");
    let unary = || cautious().unary_only();
    let streaming = || cautious().streams([CHECK]);

    held_up(streaming(), &[(0, Silence)], 0).await;
    held_up(cautious(), &[(0, Silence)], 100).await;
    held_up(unary(), &[(0, Silence)], 2_000).await;

    held_up(cautious(), &[(20, MESSAGE), (0, Silence)], 100).await;
    held_up(unary(), &[(20, MESSAGE), (0, Silence)], 2_000).await;
    held_up(cautious(), &[(20, MESSAGE), (30, Trailers)], 50).await;
    held_up(unary(), &[(700, MESSAGE), (700, Trailers)], 1_400).await;

    // The second message, in frames of any size, and after one of no length.
    held_up(
        cautious(),
        &[(20, MESSAGE), (30, MESSAGE), (0, Silence)],
        50,
    )
    .await;
    let in_pieces = &[
        (9, Data(b"\0\0")),
        (9, Data(b"\0\0\x01\x08")),
        (9, Data(b"\0")),
        (0, Silence),
    ];
    held_up(cautious(), in_pieces, 27).await;
    let empty = &[(9, Data(b"\0\0\0\0\0")), (9, Data(b"\0")), (0, Silence)];
    held_up(cautious(), empty, 18).await;
    // A first one that says it is larger than anything.
    let huge = &[(9, Data(b"\0\xff\xff\xff\xff\0")), (0, Silence)];
    held_up(cautious(), huge, 100).await;
}
