//! Many callers, some of whom go away: none is stuck, nothing leaks, nothing is sent early.

use std::collections::BTreeMap;
use std::fmt::Debug;
use std::pin::{Pin, pin};
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::mock::{Mock, answer};
use crate::support::paused::*;
use bytes::Bytes;
use futures_util::stream::{self, Stream};
use http::request::Parts;
use http::{HeaderName, Request, Response};
use http_body::Frame;
use http_body_util::{BodyExt, StreamBody};
use tokio::time::{Instant, timeout};
use tower::util::BoxCloneSyncService;
use tower::{Layer, Service, ServiceBuilder, ServiceExt};
use tower_backoff::policy::Provider;
use tower_backoff::{BoxError, Clock, Gates, Quota, RetryLayer};

/// Numbers that look random and are the same every time.
fn shuffled(n: u64) -> u64 {
    let mut z = n.wrapping_mul(0x9E37_79B9_7F4A_7C15);
    z = (z ^ (z >> 30)).wrapping_mul(0xBF58_476D_1CE4_E5B9);
    z ^ (z >> 31)
}

/// The servers of this test, each with a gate of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    Declared,
    Concurrent,
    Published,
    /// Refuses beyond a quota that was not declared.
    Unknown,
    /// Is out for a while.
    Out,
}

const KINDS: [Kind; 5] = [
    Kind::Declared,
    Kind::Concurrent,
    Kind::Published,
    Kind::Unknown,
    Kind::Out,
];

impl Kind {
    fn uri(self) -> String {
        format!("https://{self:?}.test/").to_lowercase()
    }

    fn policy(self) -> Provider {
        let provider = Provider::new("stress");
        match self {
            Self::Declared => provider.quota(Quota::per_second(100)),
            Self::Concurrent => provider.quota(Quota::concurrent(20)),
            _ => provider,
        }
    }

    /// What the server answers to its nth call, and how many it has served in this second.
    fn answer(self, nth: u64, begun: Instant, served: u64) -> (u16, Vec<(&'static str, String)>) {
        const EACH_SECOND: u64 = 100;
        let left = EACH_SECOND.checked_sub(served);
        let out = secs(20)..secs(40);
        let number = |number: u64| number.to_string();
        match self {
            Self::Published => (
                if left.is_some() { 200 } else { 429 },
                vec![
                    ("x-ratelimit-limit", number(EACH_SECOND)),
                    ("x-ratelimit-remaining", number(left.unwrap_or(0))),
                    ("x-ratelimit-reset", number(1)),
                ],
            ),
            Self::Unknown if left.is_none() => (429, vec![("retry-after", number(1))]),
            Self::Out if out.contains(&begun.elapsed()) => (502, Vec::new()),
            _ => match shuffled(nth) % 200 {
                0 => (429, vec![("retry-after", "0.1".into())]),
                1 => (503, vec![("retry-after", "0.1".into())]),
                2..9 => (500, Vec::new()),
                _ => (200, Vec::new()),
            },
        }
    }
}

type SlowBody = StreamBody<Pin<Box<dyn Stream<Item = Result<Frame<Bytes>, BoxError>> + Send>>>;

/// Three frames, each a while after the one before.
fn slow_body(pause: Duration) -> SlowBody {
    let frames = stream::unfold(0, move |nth| async move {
        tokio::time::sleep(pause).await;
        let frame = Frame::data(Bytes::from_static(b"a frame"));
        (nth < 3).then_some((Ok::<_, BoxError>(frame), nth + 1))
    });
    StreamBody::new(Box::pin(frames))
}

#[derive(Clone)]
struct Server {
    kind: Kind,
    begun: Instant,
    /// From now on it serves everybody, at once.
    calm: Arc<AtomicBool>,
    calls: Arc<AtomicU64>,
    /// This second, and what was served in it.
    second: Arc<Mutex<(u64, u64)>>,
}

impl Server {
    fn new(kind: Kind) -> Self {
        Self {
            kind,
            begun: Instant::now(),
            calm: Arc::default(),
            calls: Arc::default(),
            second: Arc::default(),
        }
    }

    async fn call(self) -> Result<Response<SlowBody>, BoxError> {
        let nth = self.calls.fetch_add(1, Ordering::Relaxed);
        if self.calm.load(Ordering::Relaxed) {
            return Ok(Response::new(slow_body(Duration::ZERO)));
        }
        let served = self.counts();
        tokio::time::sleep(millis(shuffled(nth) % 200)).await;
        if shuffled(nth) % 97 == 0 {
            return Err("the wire broke".into());
        }
        let (status, headers) = self.kind.answer(nth, self.begun, served);
        let mut response = Response::builder().status(status);
        for (name, value) in headers {
            response = response.header(name, value);
        }
        Ok(response.body(slow_body(millis(30)))?)
    }

    fn counts(&self) -> u64 {
        let now = self.begun.elapsed().as_secs();
        let mut second = self.second.lock().unwrap();
        if second.0 != now {
            *second = (now, 0);
        }
        second.1 += 1;
        second.1
    }
}

/// Where callers were when they went away.
type Left = Arc<Mutex<BTreeMap<String, usize>>>;

/// Calls, and goes away at some point.
async fn call_and_leave<S, R>(mut service: S, request: Request<Body>, bits: u64, left: Left)
where
    S: Service<Request<Body>, Response = Response<R>>,
    S::Future: Debug,
    R: http_body::Body,
{
    let note = |stage: String| *left.lock().unwrap().entry(stage).or_default() += 1;
    tokio::time::sleep(millis(bits % 80_000)).await;
    let Ok(ready) = service.ready().await else {
        return note("not even called".into());
    };
    let mut call = pin!(ready.call(request));
    if bits % 23 == 0 {
        return note("before the first poll".into());
    }
    // Many soon, some late.
    let patience = millis((shuffled(bits) % 70).pow(2) * 2);
    let Ok(answer) = timeout(patience, call.as_mut()).await else {
        return note(format!("{call:?}"));
    };
    let Ok(answer) = answer else {
        return note("failed".into());
    };
    let body = pin!(answer.into_body().collect());
    match timeout(millis(bits % 150), body).await {
        Ok(_) => note("the body was read".into()),
        Err(_) => note("in the middle of the body".into()),
    }
}

/// A caller, whose service is called as soon as it is ready.
async fn serves_within<S, R>(mut service: S, kind: Kind, most: Duration)
where
    S: Service<Request<Body>, Response = Response<R>, Error = BoxError>,
{
    let call = async { service.ready().await?.call(get(&kind.uri())).await };
    let answer = timeout(most, call).await;
    let answer = answer.unwrap_or_else(|_| panic!("{kind:?} keeps its caller for {most:?}"));
    assert_eq!(answer.expect("an answer").status(), 200, "{kind:?}");
}

async fn forty_thousand_come_and_go(seed: u64) {
    let gates = Gates::new();
    let left = Left::default();
    let mut callers = Vec::new();
    let mut services = Vec::new();
    for kind in KINDS {
        let server = Server::new(kind);
        let calm = Arc::clone(&server.calm);
        let layer = RetryLayer::new(kind.policy())
            .gates(&gates)
            .clock(Clock::starting_at(noon()))
            .seed(seed);
        let service = ServiceBuilder::new()
            .layer(layer)
            .concurrency_limit(15)
            .service(tower::service_fn(move |_: Request<Body>| {
                server.clone().call()
            }));
        callers.extend((0..8_000).map(|nth| {
            let bits = shuffled(seed << 32 | (kind as u64) << 16 | nth);
            let request = get(&kind.uri());
            let left = Arc::clone(&left);
            tokio::spawn(call_and_leave(service.clone(), request, bits, left))
        }));
        services.push((kind, service, calm));
    }
    for caller in callers {
        caller.await.expect("no panic");
    }
    for stage in [
        "before the first poll",
        "waiting at the gate",
        "waiting for the inner service",
        "\"sent\"",
        "reading a refusal",
        "backing off",
        "in the middle of the body",
        "the body was read",
    ] {
        let left = left.lock().unwrap();
        let mut here = left.iter().filter(|(known, _)| known.contains(stage));
        // Few calls are refused: the gate keeps the others.
        let enough = here.next().is_some_and(|(_, callers)| *callers >= 8);
        assert!(enough, "too few went away where it says: {stage}: {left:?}");
    }
    assert_eq!(gates.snapshot().len(), KINDS.len());
    for gate in gates.snapshot() {
        assert_eq!((gate.waiting, gate.in_flight), (0, 0), "{gate:?}");
        let at_once = gate.scope.to_string().contains("atonce");
        assert!(!at_once || gate.quotas[0].used == 0, "{gate:?}");
    }
    for (kind, service, calm) in services {
        calm.store(true, Ordering::Relaxed);
        let uri = kind.uri();
        let of_kind = |gate: &tower_backoff::GateStatus| uri.starts_with(&gate.scope.to_string());
        let gate = gates
            .snapshot()
            .into_iter()
            .find(of_kind)
            .expect("its gate");
        // A slot in the window, or the next probe of an outage, may still be ahead.
        let known = gate.closed_for.unwrap_or_default();
        serves_within(service.clone(), kind, known + secs(9)).await;
        tokio::time::sleep(secs(120)).await;
        serves_within(service, kind, millis(1)).await;
    }
}

#[tokio::test(start_paused = true)]
async fn forty_thousand_callers_dropped_anywhere_leave_nothing_behind() {
    forty_thousand_come_and_go(1).await;
}

#[tokio::test(start_paused = true)]
async fn nor_do_forty_thousand_others() {
    forty_thousand_come_and_go(2).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 4)]
async fn two_thousand_callers_on_four_threads_all_get_through() {
    let gates = Gates::new();
    let sent = Arc::new(AtomicU64::new(0));
    let server = {
        let sent = Arc::clone(&sent);
        tower::service_fn(move |_: Request<Body>| {
            let nth = sent.fetch_add(1, Ordering::Relaxed);
            async move {
                tokio::time::sleep(Duration::from_micros(shuffled(nth) % 2_000)).await;
                let refuse = shuffled(nth) % 100 == 0;
                let response = Response::builder()
                    .status(if refuse { 429 } else { 200 })
                    .header("retry-after", "0.01");
                Ok::<_, BoxError>(response.body(Body::default())?)
            }
        })
    };
    let layer = RetryLayer::new(Provider::new("threads")).gates(&gates);
    let service = BoxCloneSyncService::new(layer.layer(server));
    let calls = (0..2_000).map(|n| {
        let call = service.clone().oneshot(get("https://a.test/"));
        tokio::spawn(async move {
            if n % 10 == 0 {
                // Dropped if it takes too long; then it has no answer, and that is well.
                let _ = timeout(Duration::from_millis(3), call).await;
                return true;
            }
            call.await.is_ok_and(|response| response.status() == 200)
        })
    });
    for call in futures_util::future::join_all(calls).await {
        assert!(call.expect("no panic"), "a call was lost");
    }
    let [gate] = gates.snapshot().try_into().expect("one gate");
    assert_eq!((gate.waiting, gate.in_flight), (0, 0));
}

/// A server with buckets, two concurrency slots, and all kinds of answers: the refusal of one bucket, of all, a
/// broken connection.
fn of_many_minds() -> Mock {
    let answers = |nth, _: &Parts| {
        let headers = [
            ("x-ratelimit-resource", "a"),
            ("x-ratelimit-remaining", "3"),
            ("x-ratelimit-limit", "5"),
            ("x-ratelimit-reset", "30"),
            ("retry-after", "1"),
        ];
        match nth % 4 {
            1 => answer(429, &headers, "no"),
            2 => answer(503, &headers[..4], "down"),
            3 => Err("broken".into()),
            _ => answer(200, &headers[..4], "yes"),
        }
    };
    Mock::new(answers).taking(millis(100))
}

#[tokio::test(start_paused = true)]
async fn dropped_at_any_moment_nothing_is_left_behind() {
    for dropped_after in (0..4_000).step_by(7).map(millis) {
        let gates = Gates::new();
        let provider = Provider::new("buckets")
            .buckets_in(HeaderName::from_static("x-ratelimit-resource"))
            .quotas([Quota::concurrent(2), Quota::per_second(10)]);
        let layer = RetryLayer::new(provider).gates(&gates);
        let service = around(&of_many_minds(), layer);
        let call = || {
            timeout(
                dropped_after,
                service.clone().oneshot(get("https://a.test/")),
            )
        };
        let calls: Vec<_> = (0..4).map(|_| tokio::spawn(call())).collect();
        for call in calls {
            drop(call.await.expect("no panic"));
        }
        assert_nobody_is_left(&gates);
        for gate in gates.snapshot() {
            let mut slots = gate.quotas.iter().filter(|usage| usage.limit == 2);
            assert!(
                slots.all(|slots| slots.used == 0),
                "{dropped_after:?}: {gate:?}"
            );
        }
    }
}
