//! A refusal whose body comes late: its head closes the gate at once, and its body may take that back.
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll};

use crate::support;
use crate::support::paused::*;
use bytes::Bytes;
use futures_util::FutureExt;
use http::{HeaderName, Request, Response};
use http_body::Frame;
use tokio::time::{Instant, Sleep, sleep, timeout};
use tower::Layer;
use tower_backoff::failure::Redirected;
use tower_backoff::policy::Provider;
use tower_backoff::{Gates, Patience, Retry, RetryLayer, Scope};

const URI: &str = "https://api.test/";

/// Comes after a while, in one piece.
struct Late {
    comes: Option<Pin<Box<Sleep>>>,
    text: Option<&'static str>,
}

impl http_body::Body for Late {
    type Data = Bytes;
    type Error = support::BoxError;
    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        if let Some(comes) = &mut self.comes {
            std::task::ready!(comes.as_mut().poll(cx));
            self.comes = None;
        }
        let text = self.text.take().map(Bytes::from);
        Poll::Ready(text.map(|text| Ok(Frame::data(text))))
    }
}

/// An answer: its status, its headers, its body and when that comes.
#[derive(Clone, Copy)]
struct Answer(
    u16,
    &'static [(&'static str, &'static str)],
    &'static str,
    u64,
);

const SERVED: Answer = Answer(200, &[], "", 0);
const FIVE_MINUTES: u64 = 300_000;

/// Answers its first calls as it was told, and serves all others.
#[derive(Clone)]
struct Server {
    answers: &'static [Answer],
    sent: Arc<Mutex<Vec<Instant>>>,
    /// Where its client was redirected to.
    redirected: Option<Redirected>,
    /// How long the head of each answer takes.
    latency: std::time::Duration,
}

impl Server {
    fn new(answers: &'static [Answer]) -> Self {
        Self {
            answers,
            sent: Arc::default(),
            redirected: None,
            latency: std::time::Duration::ZERO,
        }
    }

    fn taking(self, latency: std::time::Duration) -> Self {
        Self { latency, ..self }
    }

    fn sent(&self) -> usize {
        self.sent.lock().unwrap().len()
    }

    /// How long after the first call each of the others came.
    fn after_the_first(&self) -> Vec<std::time::Duration> {
        let sent = self.sent.lock().unwrap();
        sent[1..].iter().map(|at| *at - sent[0]).collect()
    }
}

impl tower::Service<Request<Body>> for Server {
    type Response = Response<Late>;
    type Error = support::BoxError;
    type Future = Pin<Box<dyn Future<Output = Result<Response<Late>, Self::Error>> + Send>>;
    fn poll_ready(&mut self, _: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        Poll::Ready(Ok(()))
    }
    fn call(&mut self, _: Request<Body>) -> Self::Future {
        let mut sent = self.sent.lock().unwrap();
        let Answer(status, headers, text, late) = *self.answers.get(sent.len()).unwrap_or(&SERVED);
        sent.push(Instant::now());
        let headers = headers.iter();
        let response = headers.fold(Response::builder().status(status), |response, line| {
            response.header(line.0, line.1)
        });
        let response = match self.redirected.clone() {
            Some(redirected) => response.extension(redirected),
            None => response,
        };
        let latency = self.latency;
        Box::pin(async move {
            if !latency.is_zero() {
                sleep(latency).await;
            }
            Ok(response.body(Late {
                comes: (late > 0).then(|| Box::pin(sleep(millis(late)))),
                text: Some(text),
            })?)
        })
    }
}

fn acme() -> Provider {
    Provider::new("acme")
        .final_codes(["INSUFFICIENT_CREDITS"])
        .retried_codes(["LOCKED"])
}

fn client(server: &Server, provider: Provider, gates: &Gates) -> Retry<Server> {
    let layer = RetryLayer::new(provider).gates(gates).seed(1);
    layer.layer(server.clone())
}

fn impatient(request: Request<Body>, patience: std::time::Duration) -> Request<Body> {
    let mut request = request;
    request.extensions_mut().insert(Patience::of(patience));
    request
}

const NAMED: &[(&str, &str)] = &[("retry-after", "30")];

#[tokio::test(start_paused = true)]
async fn no_call_is_sent_while_the_body_of_a_refusal_is_read() {
    let server = Server::new(&[Answer(429, NAMED, "", FIVE_MINUTES)]);
    let service = client(&server, acme(), &Gates::new());
    let first = start(&service, get(URI));
    sleep(millis(500)).await;
    send(&service, get(URI)).await.unwrap();
    first.await.unwrap().unwrap();
    let waits = server.after_the_first();
    assert!(waits[0] >= secs(30), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_closes_the_gate_though_its_caller_leaves_while_the_body_is_read() {
    let server = Server::new(&[Answer(429, NAMED, "", FIVE_MINUTES)]);
    let service = client(&server, acme(), &Gates::new());
    let first = timeout(millis(500), send(&service, get(URI))).await;
    assert!(first.is_err());
    sleep(secs(5)).await;
    send(&service, get(URI)).await.unwrap();
    let waits = server.after_the_first();
    assert!(waits[0] >= secs(30), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn a_bare_429_that_drips_lets_no_call_through_within_the_minute() {
    static DRIPS: [Answer; 60] = [Answer(429, &[], "", FIVE_MINUTES); 60];
    let server = Server::new(&DRIPS);
    let service = client(&server, acme(), &Gates::new());
    for _ in 0..59 {
        let call = timeout(secs(1), send(&service, get(URI))).await;
        assert!(call.is_err(), "it waits, or reads");
    }
    assert_eq!(server.sent(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_503_that_names_a_wait_holds_the_gate_though_the_post_is_not_retried() {
    static DOWN: [Answer; 30] = [Answer(503, NAMED, "", FIVE_MINUTES); 30];
    let server = Server::new(&DOWN);
    let service = client(&server, acme().inspect_bodies_of([503]), &Gates::new());
    for _ in 0..20 {
        let _ = timeout(secs(1), send(&service, post(URI))).await;
    }
    assert_eq!(server.sent(), 1);
}

#[tokio::test(start_paused = true)]
async fn a_head_closes_the_bucket_that_it_names_and_no_other_call() {
    const BUCKET: &[(&str, &str)] = &[("x-bucket", "search"), ("retry-after", "30")];
    let server = Server::new(&[
        Answer(200, &[("x-bucket", "search")], "", 0),
        Answer(429, BUCKET, "", FIVE_MINUTES),
    ]);
    let provider = acme().buckets_in(HeaderName::from_static("x-bucket"));
    let gates = Gates::new();
    let service = client(&server, provider, &gates);
    send(&service, get("https://api.test/search"))
        .await
        .unwrap();
    let refused = start(&service, get("https://api.test/search"));
    sleep(millis(100)).await;
    let other = timeout(secs(1), send(&service, get("https://api.test/core"))).await;
    other.expect("another bucket is open").unwrap();
    let same = timeout(secs(20), send(&service, get("https://api.test/search"))).await;
    assert!(same.is_err(), "this one is closed");
    assert_eq!(server.sent(), 3);
    drop(refused);
}

#[tokio::test(start_paused = true)]
async fn a_final_refusal_takes_back_what_its_head_has_closed() {
    const HOUR: &[(&str, &str)] = &[("retry-after", "3600")];
    let body = r#"{"code":"INSUFFICIENT_CREDITS"}"#;
    static FINAL: [Answer; 1] = [Answer(429, HOUR, r#"{"code":"INSUFFICIENT_CREDITS"}"#, 500)];
    let server = Server::new(&FINAL);
    let gates = Gates::new();
    let service = client(&server, acme(), &gates);
    let first = start(&service, get(URI));
    sleep(millis(100)).await;
    let closed = gates.snapshot()[0]
        .closed_for
        .expect("its head closes the gate");
    assert!(closed > secs(3_500), "{closed:?}");
    // One that could not wait for an hour waits until it is known whether it has to.
    let second = start(&service, impatient(get(URI), secs(10)));
    let first = first.await.unwrap();
    assert_eq!(first.unwrap().status(), 429, "{body}");
    assert_eq!(second.await.unwrap().unwrap().status(), 200);
    assert_eq!(gates.snapshot()[0].closed_for, None);
    let waits = server.after_the_first();
    assert!(waits[0] < secs(1), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn the_lock_of_one_call_makes_no_other_wait() {
    static LOCKED: [Answer; 1] = [Answer(423, NAMED, r#"{"code":"LOCKED"}"#, 300)];
    let server = Server::new(&LOCKED);
    let service = client(&server, acme(), &Gates::new());
    let locked = start(&service, post(URI));
    sleep(millis(400)).await;
    let other = timeout(secs(1), send(&service, get(URI))).await;
    other.expect("it does not wait").unwrap();
    assert_eq!(locked.await.unwrap().unwrap().status(), 200);
    let waits = server.after_the_first();
    assert!(waits[0] < secs(1) && waits[1] >= secs(30), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn a_closing_that_is_taken_back_leaves_those_of_others() {
    const HOUR: &[(&str, &str)] = &[("retry-after", "3600")];
    static BOTH: [Answer; 2] = [
        Answer(429, HOUR, r#"{"code":"INSUFFICIENT_CREDITS"}"#, 500),
        Answer(429, NAMED, "", 0),
    ];
    let server = Server::new(&BOTH);
    let gates = Gates::new();
    let service = client(&server, acme(), &gates);
    let (first, second) = (start(&service, get(URI)), start(&service, get(URI)));
    first.await.unwrap().unwrap();
    let closed = gates.snapshot()[0]
        .closed_for
        .expect("the second was refused");
    assert!((secs(29)..secs(31)).contains(&closed), "{closed:?}");
    assert_eq!(second.await.unwrap().unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_body_that_names_a_wait_takes_the_place_of_the_bare_floor() {
    static SAYS: [Answer; 1] = [Answer(429, &[], r#"{"retry_after":3}"#, 200)];
    let server = Server::new(&SAYS);
    let provider = Provider::new("acme").wait_from(tower_backoff::hint::Field::json("retry_after"));
    let service = client(&server, provider, &Gates::new());
    send(&service, get(URI)).await.unwrap();
    let waits = server.after_the_first();
    assert!((secs(3)..secs(4)).contains(&waits[0]), "{waits:?}");
}

#[tokio::test(start_paused = true)]
async fn the_head_of_a_refusal_behind_a_redirect_closes_the_gate_of_that_address() {
    for (first, requests) in [(get(URI), 3), (post(URI), 2)] {
        let behind = "https://files.test/";
        let mut server = Server::new(&[Answer(429, NAMED, "", FIVE_MINUTES)]);
        server.redirected = Some(Redirected::new(behind.parse().unwrap()));
        let service = client(&server, acme(), &Gates::new());
        let first = start(&service, first);
        sleep(millis(500)).await;
        let begun = Instant::now();
        send(&service, get(behind)).await.unwrap();
        assert_between(begun.elapsed(), secs(29), secs(1));
        first.await.unwrap().unwrap();
        assert_eq!(server.sent(), requests);
    }
}

const HOUR: &[(&str, &str)] = &[("retry-after", "3600")];
const FINAL: &str = r#"{"code":"INSUFFICIENT_CREDITS"}"#;

#[tokio::test(start_paused = true)]
async fn a_body_that_was_read_while_the_gate_was_reopened_takes_back_no_later_closing() {
    static BOTH: [Answer; 2] = [
        Answer(429, HOUR, FINAL, 500),
        Answer(429, NAMED, "", FIVE_MINUTES),
    ];
    let server = Server::new(&BOTH);
    let gates = Gates::new();
    let service = client(&server, acme(), &gates);
    let first = start(&service, get(URI));
    sleep(millis(100)).await;
    gates.reopen(&Scope::origin(&URI.parse().unwrap()));
    let second = start(&service, get(URI));
    sleep(millis(100)).await;
    assert_eq!(server.sent(), 2);
    first.await.unwrap().unwrap();
    let closed = gates.snapshot()[0]
        .closed_for
        .expect("the second was refused");
    assert!((secs(29)..secs(31)).contains(&closed), "{closed:?}");
    assert_eq!(second.await.unwrap().unwrap().status(), 200);
}

#[tokio::test(start_paused = true)]
async fn a_waiting_call_is_told_when_a_body_takes_back_only_a_part_of_its_wait() {
    static BOTH: [Answer; 2] = [Answer(429, HOUR, FINAL, 500), Answer(429, NAMED, "", 0)];
    let server = Server::new(&BOTH).taking(millis(50));
    let service = client(&server, acme(), &Gates::new());
    let first = start(&service, get(URI));
    let second = start(&service, impatient(get(URI), secs(10)));
    sleep(millis(100)).await;
    let waiting = start(&service, impatient(get(URI), secs(7_200)));
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    waiting.await.unwrap().unwrap();
    let waits = server.after_the_first();
    assert!((secs(30)..secs(32)).contains(&waits[1]), "{waits:?}");
}

/// How many of twenty calls are on their way just after the first of them was sent.
async fn sent_together(server: &Server, service: &Retry<Server>) -> usize {
    let before = server.sent();
    for _ in 0..20 {
        start(service, impatient(get(URI), secs(3_600)));
    }
    while server.sent() == before {
        sleep(millis(1)).await;
    }
    sleep(millis(10)).await;
    server.sent() - before
}

#[tokio::test(start_paused = true)]
async fn the_gate_reopens_slowly_after_a_refusal_that_stands_though_another_was_final() {
    static BOTH: [Answer; 2] = [Answer(429, HOUR, FINAL, 300), Answer(429, NAMED, "", 500)];
    let server = Server::new(&BOTH).taking(millis(50));
    let service = client(&server, acme(), &Gates::new());
    let first = start(&service, get(URI));
    let second = start(&service, impatient(get(URI), secs(10)));
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    assert_eq!(sent_together(&server, &service).await, 1, "one probe");
}

#[tokio::test(start_paused = true)]
async fn the_gate_reopens_slowly_after_a_refusal_that_follows_one_whose_body_is_read() {
    const ONE: &[(&str, &str)] = &[("retry-after", "1")];
    static BOTH: [Answer; 2] = [Answer(429, ONE, FINAL, 1_800), Answer(503, NAMED, "", 0)];
    let server = Server::new(&BOTH).taking(millis(50));
    // The body of a 503 to a POST, which does not go again, is not looked at.
    let provider = Provider::new("acme").final_codes(["INSUFFICIENT_CREDITS"]);
    let service = client(&server, provider, &Gates::new());
    let first = start(&service, get(URI));
    sleep(millis(100)).await;
    start(&service, post(URI)).await.unwrap().unwrap();
    first.await.unwrap().unwrap();
    assert_eq!(server.sent(), 2);
    assert_eq!(sent_together(&server, &service).await, 1, "one probe");
}

#[tokio::test(start_paused = true)]
async fn a_refusal_without_a_wait_whose_body_is_read_is_followed_by_one_probe() {
    const NOW: &[(&str, &str)] = &[("retry-after", "0")];
    static ONE: [Answer; 1] = [Answer(429, NOW, "", 0)];
    let server = Server::new(&ONE).taking(millis(50));
    let service = client(&server, acme(), &Gates::new());
    let refused = timeout(millis(60), send(&service, get(URI))).await;
    assert!(refused.is_err(), "it goes again");
    assert_eq!(sent_together(&server, &service).await, 1, "one probe");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_takes_back_a_part_of_a_wait_is_noticed_though_the_first_caller_is_not_polled()
{
    static BOTH: [Answer; 2] = [Answer(429, HOUR, FINAL, 500), Answer(429, NAMED, "", 0)];
    let server = Server::new(&BOTH).taking(millis(50));
    let service = client(&server, acme(), &Gates::new());
    let first = start(&service, get(URI));
    let second = start(&service, impatient(get(URI), secs(10)));
    sleep(millis(100)).await;
    let mut left_alone = Box::pin(send(&service, impatient(get(URI), secs(7_200))));
    assert!(left_alone.as_mut().now_or_never().is_none(), "it waits");
    let waiting = start(&service, impatient(get(URI), secs(7_200)));
    first.await.unwrap().unwrap();
    second.await.unwrap().unwrap();
    waiting.await.unwrap().unwrap();
    let waits = server.after_the_first();
    assert!((secs(30)..secs(34)).contains(&waits[1]), "{waits:?}");
}
