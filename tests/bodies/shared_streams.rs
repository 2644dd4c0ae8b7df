//! `Clone` bodies whose clones share one stream, as those of some clients do: what is left of it is never sent in
//! place of the whole.

use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};
use std::time::Duration;

use crate::support::client::http1_client_of;
use crate::support::wire::{self, Wire};
use bytes::Bytes;
use http::{Request, Response};
use http_body::{Body, Frame, SizeHint};
use http_body_util::{BodyExt, Full, StreamBody};
use tower::{Layer, ServiceBuilder, ServiceExt};
use tower_backoff::body::{Replay, ReplayLayer, ResponseBody};
use tower_backoff::policy::Provider;
use tower_backoff::{Backoff, BoxError, Report, ReportSlot, RetryLayer, StopReason};

/// The second clone reads on where the first has stopped.
struct Shared<B>(Arc<Mutex<B>>);

impl<B> Clone for Shared<B> {
    fn clone(&self) -> Self {
        Self(Arc::clone(&self.0))
    }
}

impl<B> Shared<B> {
    fn new(body: B) -> Self {
        Self(Arc::new(Mutex::new(body)))
    }
}

impl<B: Body + Unpin> Body for Shared<B> {
    type Data = B::Data;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<B::Data>, B::Error>>> {
        Pin::new(&mut *self.0.lock().unwrap()).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.0.lock().unwrap().is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.0.lock().unwrap().size_hint()
    }
}

fn order() -> Full<Bytes> {
    Full::from("order one")
}

/// It does not know how long it is.
#[derive(Clone, Default)]
struct Unsized(Full<Bytes>);

impl Body for Unsized {
    type Data = Bytes;
    type Error = std::convert::Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        Pin::new(&mut self.0).poll_frame(cx)
    }
}

fn quick() -> RetryLayer {
    RetryLayer::new(Provider::new("test")).backoff(Backoff::exponential(Duration::from_millis(1)))
}

/// Refuses the first request, and serves all others.
async fn server() -> Wire {
    Wire::start(|received| match received.nth {
        1 => wire::answer(429, "retry-after: 0\r\n", "not now"),
        _ => wire::answer(200, "", "ok"),
    })
    .await
}

type Answer<R> = Response<ResponseBody<R>>;

async fn post<B>(server: &Wire, body: B) -> Answer<hyper::body::Incoming>
where
    B: Replay + Body<Data: Send, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    let request = Request::post(server.uri("/orders")).body(body).unwrap();
    let service = quick().layer(http1_client_of::<B>());
    service.oneshot(request).await.expect("an answer")
}

fn ended<R: Body>(answer: &Answer<R>) -> Option<StopReason> {
    answer
        .extensions()
        .get::<Report>()
        .and_then(Report::stop_reason)
}

#[tokio::test]
async fn a_stream_that_its_clones_share_is_sent_once_and_its_refusal_comes_back_whole() {
    let server = server().await;
    let answer = post(&server, Shared::new(order())).await;
    assert_eq!(
        (answer.status().as_u16(), ended(&answer)),
        (429, Some(StopReason::BodyNotReplayable))
    );
    let body = answer.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "not now");
    let bodies: Vec<_> = server
        .received()
        .into_iter()
        .map(|seen| seen.body)
        .collect();
    assert_eq!(bodies, ["order one"]);
}

#[tokio::test]
async fn a_clone_of_unknown_size_is_sent_once() {
    let server = server().await;
    let answer = post(&server, Unsized(order())).await;
    assert_eq!(
        (answer.status().as_u16(), ended(&answer)),
        (429, Some(StopReason::BodyNotReplayable))
    );
    assert_eq!(server.requests(), 1);
    // An empty one, too: it does not say that it is empty.
    let server = self::server().await;
    let answer = post(&server, Unsized::default()).await;
    assert_eq!((answer.status().as_u16(), server.requests()), (429, 1));
}

#[tokio::test]
async fn a_clone_of_known_size_is_sent_again_even_if_there_is_nothing_in_it() {
    for body in [order(), Full::default()] {
        let server = server().await;
        let length = body.size_hint().exact().unwrap();
        assert_eq!(post(&server, body).await.status(), 200);
        let lengths: Vec<_> = server
            .received()
            .iter()
            .map(|seen| seen.body.len() as u64)
            .collect();
        assert_eq!(lengths, [length; 2]);
    }
    let server = server().await;
    assert_eq!(
        post(&server, Shared::new(Full::<Bytes>::default()))
            .await
            .status(),
        200
    );
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn under_the_replay_layer_such_bodies_are_sent_again_whole() {
    let server = server().await;
    let service = ServiceBuilder::new()
        .layer(ReplayLayer::new())
        .layer(quick())
        .service(http1_client_of());
    let request = Request::post(server.uri("/orders"));
    let request = request.body(Shared::new(order())).unwrap();
    assert_eq!(service.oneshot(request).await.unwrap().status(), 200);
    let bodies: Vec<_> = server
        .received()
        .into_iter()
        .map(|seen| seen.body)
        .collect();
    assert_eq!(bodies, ["order one"; 2]);

    let server = self::server().await;
    let service = ServiceBuilder::new()
        .layer(ReplayLayer::new())
        .layer(quick())
        .service(http1_client_of());
    let request = Request::post(server.uri("/orders"));
    let request = request.body(Unsized(order())).unwrap();
    assert_eq!(service.oneshot(request).await.unwrap().status(), 200);
    let bodies: Vec<_> = server
        .received()
        .into_iter()
        .map(|seen| seen.body)
        .collect();
    // The second time it is known how long it is.
    assert_eq!(bodies, ["9\r\norder one\r\n0\r\n\r\n", "order one"]);
}

/// Two frames, of which one has been read.
fn half_read() -> Shared<impl Body<Data = Bytes, Error = BoxError> + Unpin> {
    let frames = ["order ", "one"].map(|piece| Ok(Frame::data(Bytes::from(piece))));
    let body = StreamBody::new(futures_util::stream::iter(frames));
    Shared::new(http_body_util::combinators::BoxBody::new(Counted {
        body,
        left: 9,
    }))
}

/// Knows how much is left.
struct Counted<B> {
    body: B,
    left: u64,
}

impl<B: Body<Data = Bytes> + Unpin> Body for Counted<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = Pin::new(&mut self.body).poll_frame(cx);
        if let Poll::Ready(Some(Ok(frame))) = &frame {
            self.left -= frame.data_ref().map_or(0, |data| data.len() as u64);
        }
        frame
    }

    fn size_hint(&self) -> SizeHint {
        SizeHint::with_exact(self.left)
    }
}

/// When the body of the first request is read.
#[derive(Clone, Copy, PartialEq)]
enum Reads {
    Never,
    OneFrame,
    /// By a task that outlives its request, while the next attempt waits.
    Late,
}

/// How many requests there were, and how the call ended.
async fn unsent_at_first(reads: Reads) -> (usize, Result<u16, BoxError>, Option<StopReason>) {
    let requests = Arc::new(Mutex::new(0));
    let counted = Arc::clone(&requests);
    let service = tower::service_fn(move |request: Request<_>| {
        let nth = {
            let mut requests = counted.lock().unwrap();
            *requests += 1;
            *requests
        };
        let mut body: Pin<Box<dyn Body<Data = Bytes, Error = BoxError> + Send>> =
            Box::pin(request.into_body());
        async move {
            match reads {
                _ if nth > 1 => {
                    let whole = body.collect().await?.to_bytes();
                    assert_eq!(whole, "order one");
                    return Ok::<_, BoxError>(Response::new(order()));
                }
                Reads::Never => {}
                Reads::OneFrame => drop(body.frame().await),
                Reads::Late => {
                    tokio::spawn(async move {
                        tokio::time::sleep(Duration::from_millis(10)).await;
                        body.collect().await.map(drop)
                    });
                }
            }
            Err(tower_backoff::failure::Unsent::new("no connection").into())
        }
    });
    let service = RetryLayer::new(Provider::new("test"))
        .seed(1)
        .layer(service);
    let slot = ReportSlot::new();
    let request = Request::post("https://api.test/").extension(slot.clone());
    let outcome = service.oneshot(request.body(half_read()).unwrap()).await;
    let ended = slot.report().and_then(|report| report.stop_reason());
    let requests = *requests.lock().unwrap();
    (
        requests,
        outcome.map(|answer| answer.status().as_u16()),
        ended,
    )
}

#[tokio::test(start_paused = true)]
async fn a_shared_stream_that_was_not_touched_is_sent_again() {
    let (requests, outcome, ended) = unsent_at_first(Reads::Never).await;
    assert_eq!((requests, outcome.unwrap(), ended), (2, 200, None));
}

#[tokio::test(start_paused = true)]
async fn a_shared_stream_that_was_read_in_part_is_not_sent_again() {
    for reads in [Reads::OneFrame, Reads::Late] {
        let (requests, outcome, ended) = unsent_at_first(reads).await;
        assert_eq!((requests, ended), (1, Some(StopReason::BodyNotReplayable)));
        let error = outcome.expect_err("the failure itself");
        assert!(error.is::<tower_backoff::failure::Unsent>(), "{error:?}");
    }
}
