//! Uploads that are streams: what a real server gets when they are sent again, and what the caller
//! gets when they cannot be.

use std::error::Error;
use std::time::Duration;

use crate::support;
use crate::support::client::{http1_client_of, http2_client_of};
use crate::support::uploads::{Does, Upload, Uploads};
use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http::{HeaderMap, HeaderName, HeaderValue, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use hyper::body::Incoming;
use tower::util::BoxCloneService;
use tower::{ServiceBuilder, ServiceExt};
use tower_backoff::body::{BodyFactory, ReplayLayer, ResponseBody};
use tower_backoff::policy::Provider;
use tower_backoff::{Backoff, BoxError, Gates, Report, ReportSlot, RetryLayer, StopReason};

type Uploader = BoxCloneService<Request<Upload>, Response<ResponseBody<Incoming>>, BoxError>;

/// Impatient, so that a test that fails does so soon.
fn quick() -> RetryLayer {
    RetryLayer::new(Provider::new("test"))
        .backoff(Backoff::exponential(Duration::from_millis(5)))
        .patience(Duration::from_secs(5))
        .failure_patience(Duration::from_secs(5))
}

fn uploader_with(retry: RetryLayer) -> Uploader {
    let service = ServiceBuilder::new()
        .layer(ReplayLayer::new())
        .layer(retry)
        .timeout(Duration::from_secs(5))
        .service(http1_client_of());
    BoxCloneService::new(service)
}

fn uploader() -> Uploader {
    uploader_with(quick())
}

/// A stream of these frames that does not know its length.
fn frames<I>(frames: I) -> Upload
where
    I: IntoIterator<Item = Result<Frame<Bytes>, BoxError>, IntoIter: Send + 'static>,
{
    Upload::new(StreamBody::new(stream::iter(frames)))
}

fn data(piece: impl Into<Bytes>) -> Result<Frame<Bytes>, BoxError> {
    Ok(Frame::data(piece.into()))
}

fn pieces<const N: usize>(texts: [&'static str; N]) -> Upload {
    frames(texts.map(data))
}

/// These pieces now, and then nothing, not even an end.
fn unending<const N: usize>(texts: [&'static str; N]) -> Upload {
    let now = stream::iter(texts.map(data));
    Upload::new(StreamBody::new(now.chain(stream::pending())))
}

/// These pieces, one every 20 ms.
fn slowly<const N: usize>(texts: [&'static str; N]) -> Upload {
    let paced = stream::iter(texts).then(|text| async move {
        tokio::time::sleep(Duration::from_millis(20)).await;
        data(text)
    });
    Upload::new(StreamBody::new(paced))
}

const LARGE: usize = 300_000;

fn large() -> Upload {
    let byte = |nth: usize| (nth % 251) as u8;
    let all: Bytes = (0..LARGE).map(byte).collect();
    let chunks: Vec<_> = all
        .chunks(30_000)
        .map(|chunk| data(all.slice_ref(chunk)))
        .collect();
    frames(chunks)
}

fn request(method: &str, server: &Uploads, body: Upload) -> Request<Upload> {
    Request::builder()
        .method(method)
        .uri(server.uri())
        .body(body)
        .expect("a valid request")
}

fn put(server: &Uploads, body: Upload) -> Request<Upload> {
    request("PUT", server, body)
}

/// Does this with the first request, then takes what comes.
async fn first(does: Does) -> Uploads {
    Uploads::start(move |nth| match nth {
        1 => does,
        _ => Does::Answer(200),
    })
    .await
}

/// Asserts that the call ended with this answer, whole, because its body could be sent only once.
#[track_caller]
fn assert_sent_once(response: &Response<ResponseBody<Incoming>>, status: u16) {
    let report: &Report = response.extensions().get().expect("a report");
    assert_eq!(
        (report.attempts(), report.stop_reason()),
        (1, Some(StopReason::BodyNotReplayable))
    );
    assert_eq!(response.status(), status);
}

async fn text(response: Response<ResponseBody<Incoming>>) -> Bytes {
    let body = response.into_body().collect().await;
    body.expect("a whole body").to_bytes()
}

/// Asserts that all the server got, it got whole, and that each was this.
#[track_caller]
fn assert_all(server: &Uploads, times: usize, expected: &[u8]) {
    let received = server.received();
    assert_eq!(received.len(), times);
    for upload in received {
        assert!(
            upload.whole && upload.bytes == expected,
            "{} bytes",
            upload.bytes.len()
        );
    }
}

#[tokio::test]
async fn a_stream_is_sent_again_whole_after_a_refusal() -> Result<(), BoxError> {
    for (status, method) in [(429, "POST"), (503, "PUT")] {
        let server = first(Does::Answer(status)).await;
        let upload = request(method, &server, slowly(["one ", "two ", "three"]));
        let response = uploader().oneshot(upload).await?;
        assert_eq!(response.status(), 200);
        assert_all(&server, 2, b"one two three");
    }
    Ok(())
}

#[tokio::test]
async fn trailers_are_sent_again() -> Result<(), BoxError> {
    let sum = HeaderMap::from_iter([(
        HeaderName::from_static("x-sum"),
        HeaderValue::from_static("a1b2"),
    )]);
    let over_http1 = uploader();
    let over_http2 = ServiceBuilder::new()
        .layer(ReplayLayer::new())
        .layer(quick())
        .service(http2_client_of());
    for client in [over_http1, BoxCloneService::new(over_http2)] {
        let server = first(Does::Answer(503)).await;
        let mut upload = put(
            &server,
            frames([data("body"), Ok(Frame::trailers(sum.clone()))]),
        );
        upload
            .headers_mut()
            .insert("trailer", HeaderValue::from_static("x-sum"));
        let response = client.oneshot(upload).await?;
        assert_eq!(response.status(), 200);
        assert_all(&server, 2, b"body");
        let trailers = |upload: support::uploads::Received| upload.trailers;
        let trailers: Vec<_> = server.received().into_iter().filter_map(trailers).collect();
        assert_eq!(trailers, [sum.clone(), sum.clone()]);
    }
    Ok(())
}

#[tokio::test]
async fn an_idempotent_upload_that_a_broken_connection_cut_is_sent_again_whole()
-> Result<(), BoxError> {
    let server = first(Does::HangUpAfter(8)).await;
    let texts = ["one ", "two ", "three ", "four ", "five ", "six ", "seven"];
    let response = uploader().oneshot(put(&server, slowly(texts))).await?;
    assert_eq!(response.status(), 200);
    let [cut, whole] = &server.received()[..] else {
        panic!("two uploads")
    };
    assert!(!cut.whole && cut.bytes.starts_with(b"one two "));
    assert!(whole.whole);
    assert_eq!(whole.bytes, texts.concat());
    Ok(())
}

/// HTTP/2 goes on with a body that no caller waits for any more.
#[tokio::test]
async fn an_upload_that_ran_out_of_time_is_taken_up_by_the_next_attempt() -> Result<(), BoxError> {
    let server = first(Does::Answer(200)).await;
    let client = ServiceBuilder::new()
        .layer(ReplayLayer::new())
        .layer(quick())
        .timeout(Duration::from_millis(120)) // of each attempt; all of it takes 180
        .service(http2_client_of());
    let texts = [
        "one ", "two ", "three ", "four ", "five ", "six ", "seven ", "eight ", "nine",
    ];
    let response = client.oneshot(put(&server, slowly(texts))).await?;
    assert_eq!(response.status(), 200);
    let [cut, .., whole] = &server.received()[..] else {
        panic!("two uploads at least")
    };
    assert!(!cut.whole && whole.whole);
    assert_eq!(whole.bytes, texts.concat());
    Ok(())
}

#[tokio::test]
async fn an_upload_that_is_not_idempotent_is_not_sent_again_when_it_was_cut() {
    let server = first(Does::HangUpAfter(8)).await;
    let upload = request("POST", &server, slowly(["one ", "two ", "three ", "four "]));
    assert!(uploader().oneshot(upload).await.is_err());
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn an_upload_that_outgrew_its_buffer_is_sent_once_and_the_refusal_handed_back_whole()
-> Result<(), BoxError> {
    let server = Uploads::start(|_| Does::Answer(503)).await;
    let response = uploader().oneshot(put(&server, large())).await?;
    assert_sent_once(&response, 503);
    assert_eq!(text(response).await, "answer 1");
    let expected = large().collect().await?.to_bytes();
    assert_all(&server, 1, &expected);
    Ok(())
}

#[tokio::test]
async fn an_outgrown_upload_that_a_broken_connection_cut_ends_with_that_error() {
    let server = first(Does::HangUpAfter(200_000)).await;
    let slot = ReportSlot::new();
    let mut upload = put(&server, large());
    upload.extensions_mut().insert(slot.clone());
    assert!(uploader().oneshot(upload).await.is_err());
    assert_eq!(
        slot.report().and_then(|report| report.stop_reason()),
        Some(StopReason::BodyNotReplayable)
    );
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn an_upload_whose_answer_came_before_its_end_is_not_sent_again() -> Result<(), BoxError> {
    for status in [429, 503] {
        let server = Uploads::start(move |_| Does::AnswerUnread(status)).await;
        let response = uploader().oneshot(put(&server, unending(["half"]))).await?;
        assert_sent_once(&response, status);
        assert_eq!(text(response).await, "answer 1");
        assert_eq!(server.received().len(), 1);
    }
    Ok(())
}

#[tokio::test]
async fn an_upload_that_its_content_length_ends_is_sent_again() -> Result<(), BoxError> {
    let server = first(Does::Answer(503)).await;
    // The stream has not said that it ended, but the client reads no further.
    let mut upload = put(&server, unending(["or", "der"]));
    upload
        .headers_mut()
        .insert("content-length", HeaderValue::from_static("5"));
    let response = uploader().oneshot(upload).await?;
    assert_eq!(response.status(), 200);
    assert_all(&server, 2, b"order");
    Ok(())
}

#[tokio::test]
async fn a_stream_that_fails_ends_the_call_with_its_own_error() {
    let server = Uploads::start(|_| Does::Answer(200)).await;
    let broken = frames([data("half"), Err("the disk is gone".into())]);
    let slot = ReportSlot::new();
    let mut upload = put(&server, broken);
    upload.extensions_mut().insert(slot.clone());
    let error = uploader().oneshot(upload).await.expect_err("a failure");
    let mut chain = std::iter::successors(Some(&*error as &dyn Error), |&error| error.source());
    assert!(
        chain.any(|error| error.to_string() == "the disk is gone"),
        "{error:?}"
    );
    let report = slot.report().expect("a report");
    assert_eq!(
        (report.attempts(), report.stop_reason()),
        (1, Some(StopReason::BodyNotReplayable))
    );
    assert!(
        server.received().iter().all(|upload| !upload.whole),
        "never an end"
    );
}

#[tokio::test]
async fn a_stream_that_fails_over_http2_ends_the_call_and_never_looks_whole() {
    let server = Uploads::start(|_| Does::Answer(200)).await;
    let client = ServiceBuilder::new()
        .layer(ReplayLayer::new())
        .layer(quick())
        .service(http2_client_of());
    let slot = ReportSlot::new();
    let mut upload = put(&server, frames([data("half"), Err("gone".into())]));
    upload.extensions_mut().insert(slot.clone());
    assert!(client.oneshot(upload).await.is_err());
    let report = slot.report().expect("a report");
    assert_eq!(
        (report.attempts(), report.stop_reason()),
        (1, Some(StopReason::BodyNotReplayable))
    );
    assert!(server.received().iter().all(|upload| !upload.whole));
}

#[tokio::test]
async fn a_stream_that_fails_after_another_attempt_took_it_up_ends_the_call() {
    let server = Uploads::start(|nth| match nth {
        1 => Does::HangUpAfter(8),
        _ => Does::Answer(200),
    })
    .await;
    let texts = stream::iter([
        Ok("one "),
        Ok("two "),
        Ok("three "),
        Ok("four "),
        Err("gone"),
    ]);
    let broken = texts.then(|text| async move {
        tokio::time::sleep(Duration::from_millis(20)).await;
        data(text?)
    });
    let broken = StreamBody::new(broken);
    let outcome = uploader().oneshot(put(&server, Upload::new(broken))).await;
    assert!(outcome.is_err());
    assert!(
        server.received().iter().all(|upload| !upload.whole),
        "never an end"
    );
}

#[tokio::test]
async fn trailers_that_never_come_hold_up_nobody_but_their_own_call() {
    let server = Uploads::start(|_| Does::Answer(200)).await;
    let gates = Gates::new();
    let client = ServiceBuilder::new()
        .layer(ReplayLayer::new())
        .layer(quick().gates(&gates).max_retries(1))
        .timeout(Duration::from_millis(150)) // of each attempt
        .service(http1_client_of());
    let outcome = client
        .clone()
        .oneshot(put(&server, unending(["all the data"])))
        .await;
    let error = outcome.expect_err("no answer");
    assert!(error.is::<tower::timeout::error::Elapsed>(), "{error:?}");
    assert!(
        gates
            .snapshot()
            .iter()
            .all(|gate| (gate.in_flight, gate.waiting) == (0, 0))
    );
    let received = server.received();
    assert_eq!(received.len(), 2);
    assert!(
        received
            .iter()
            .all(|upload| !upload.whole && upload.bytes == "all the data")
    );
    let next = client.oneshot(put(&server, pieces(["next"]))).await;
    assert_eq!(next.expect("an answer").status(), 200);
}

#[tokio::test]
async fn a_caller_that_is_dropped_while_it_uploads_releases_its_slot() {
    let mut server = Uploads::start(|_| Does::Answer(200)).await;
    let gates = Gates::new();
    let client = uploader_with(quick().gates(&gates));
    let call = tokio::spawn(client.clone().oneshot(put(&server, unending(["half"]))));
    server.has_read(4).await;
    assert_eq!(gates.snapshot()[0].in_flight, 1);
    call.abort();
    assert!(call.await.is_err_and(|error| error.is_cancelled()));
    assert_eq!(
        (gates.snapshot()[0].in_flight, gates.snapshot()[0].waiting),
        (0, 0)
    );
    let next = client.oneshot(put(&server, pieces(["next"]))).await;
    assert_eq!(next.expect("an answer").status(), 200);
}

#[tokio::test]
async fn a_body_that_cannot_be_replayed_is_made_anew() -> Result<(), BoxError> {
    let expected = large().collect().await?.to_bytes();
    let server = Uploads::start(|nth| match nth {
        1 => Does::Answer(503),
        2 => Does::HangUpAfter(200_000),
        _ => Does::Answer(200),
    })
    .await;
    let mut upload = put(&server, large());
    upload
        .extensions_mut()
        .insert(BodyFactory::new(|| Ok::<_, BoxError>(large())));
    let response = uploader().oneshot(upload).await?;
    assert_eq!(response.status(), 200);
    let received = server.received();
    let whole: Vec<bool> = received.iter().map(|upload| upload.whole).collect();
    assert_eq!(whole, [true, false, true]);
    assert!(received[0].bytes == expected && received[2].bytes == expected);
    Ok(())
}

#[tokio::test]
async fn a_body_whose_answer_came_early_is_made_anew() -> Result<(), BoxError> {
    let server = first(Does::AnswerUnread(429)).await;
    let mut upload = put(&server, unending(["half"]));
    let factory = BodyFactory::new(|| Ok::<_, BoxError>(pieces(["half", " and half"])));
    upload.extensions_mut().insert(factory);
    let response = uploader().oneshot(upload).await?;
    assert_eq!(response.status(), 200);
    assert_eq!(server.received()[1].bytes, "half and half");
    Ok(())
}

#[tokio::test]
async fn a_body_that_cannot_be_made_anew_ends_the_call_with_the_refusal_in_hand()
-> Result<(), BoxError> {
    let server = first(Does::Answer(503)).await;
    let mut upload = put(&server, large());
    upload
        .extensions_mut()
        .insert(BodyFactory::<Upload>::new(|| Err("the file was deleted")));
    let response = uploader().oneshot(upload).await?;
    assert_sent_once(&response, 503);
    assert_eq!(text(response).await, "answer 1");
    assert_eq!(server.received().len(), 1);
    Ok(())
}

#[tokio::test]
async fn a_body_that_can_be_replayed_is_not_made_anew() -> Result<(), BoxError> {
    let server = first(Does::Answer(503)).await;
    let mut upload = put(&server, pieces(["small"]));
    let factory = BodyFactory::<Upload>::new(|| -> Result<_, BoxError> { panic!("asked in vain") });
    upload.extensions_mut().insert(factory);
    let response = uploader().oneshot(upload).await?;
    assert_eq!(response.status(), 200);
    assert_all(&server, 2, b"small");
    Ok(())
}

#[tokio::test]
async fn a_request_without_a_body_stays_one() -> Result<(), BoxError> {
    let server = first(Does::Answer(503)).await;
    let empty = http_body_util::Empty::new().map_err(|never| match never {});
    let request = request("GET", &server, Upload::new(empty));
    assert_eq!(uploader().oneshot(request).await?.status(), 200);
    assert_all(&server, 2, b"");
    Ok(())
}
