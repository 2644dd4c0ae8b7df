//! Calls at an even interval, because the quota is paced or because refusals have shown the need.

use std::pin::pin;
use std::task::{Context, Poll};
use std::time::Duration;

use crate::support::mock::{Answer, Mock, answer, status};
use crate::support::paused::*;
use tokio::time::Instant;
use tower::{Layer, Service};
use tower_backoff::policy::Provider;
use tower_backoff::{Cost, NotBefore, Quota, Retry, RetryLayer};

const URI: &str = "https://api.test/";

fn limited() -> Answer {
    answer(429, &[("retry-after", "1")], "")
}

fn layer(quotas: impl IntoIterator<Item = Quota>) -> RetryLayer {
    RetryLayer::new(Provider::new("pacing").quotas(quotas)).patience(secs(36_000))
}

/// The first call and the third are refused, all others are served as `rest` says.
fn paced_by_refusals(
    layer: RetryLayer,
    rest: impl Fn(usize) -> Answer + Send + Sync + 'static,
) -> (Mock, Retry<Mock>) {
    let mock = Mock::new(move |nth, _| match nth {
        1 | 3 => limited(),
        nth => rest(nth),
    });
    let service = around(&mock, layer);
    (mock, service)
}

fn with_cost(cost: u32) -> http::Request<Body> {
    let mut request = get(URI);
    request.extensions_mut().insert(Cost::new(cost));
    request
}

async fn serve(service: &Retry<Mock>, calls: usize) {
    for _ in 0..calls {
        send(service, get(URI)).await.unwrap();
    }
}

/// How many of `calls` calls are sent at once.
async fn burst(mock: &Mock, service: &Retry<Mock>, calls: usize) -> usize {
    tokio::time::sleep(secs(130)).await;
    let before = mock.calls().len();
    let calls: Vec<_> = (0..calls).map(|_| start(service, get(URI))).collect();
    tokio::time::sleep(millis(10)).await;
    let at_once = mock.calls().len() - before;
    futures_util::future::join_all(calls).await;
    at_once
}

#[tokio::test(start_paused = true)]
async fn a_fast_quota_is_not_slowed_by_the_timer() {
    let fast = Quota::per_second(10_000);
    let (_, learned) = paced_by_refusals(layer([fast]), |_| status(200));
    serve(&learned, 30).await;
    tokio::time::sleep(secs(130)).await;
    let declared = around(&Mock::new(|_, _| status(200)), layer([fast.paced()]));
    for service in [learned, declared] {
        let begun = Instant::now();
        let calls: Vec<_> = (0..5_000).map(|_| start(&service, get(URI))).collect();
        futures_util::future::join_all(calls).await;
        assert!(begun.elapsed() < secs(1), "{:?}", begun.elapsed());
    }
}

#[tokio::test(start_paused = true)]
async fn no_slack_starves_a_paced_quota() {
    for slack in [secs(1), secs(60)] {
        let quota = Quota::per_second(10).slack(slack).paced();
        let service = around(&Mock::new(|_, _| status(200)), layer([quota]));
        let begun = Instant::now();
        serve(&service, 20).await;
        assert_between(begun.elapsed(), secs(2), secs(1));
    }
}

#[tokio::test(start_paused = true)]
async fn a_dear_call_knows_when_its_turn_is() {
    let layer = layer([Quota::per_minute(10).paced()]).patience(secs(3));
    let service = around(&Mock::new(|_, _| status(200)), layer);
    send(&service, with_cost(3)).await.unwrap();
    let begun = Instant::now();
    let error = send(&service, with_cost(3)).await.unwrap_err();
    assert!(begun.elapsed().is_zero());
    let not_before = error.downcast_ref::<NotBefore>().unwrap();
    assert!(not_before.wait() > secs(18), "{not_before}");
    assert_eq!(not_before.decided_by(), "the pace of the quota");
}

#[tokio::test(start_paused = true)]
async fn a_dear_call_that_waits_looks_a_few_times_and_not_all_the_time() {
    for quota in [
        Quota::per_minute(10).paced(),
        Quota::per_minute(10).burst(2),
    ] {
        let service = around(&Mock::new(|_, _| status(200)), layer([quota]));
        send(&service, with_cost(3)).await.unwrap();
        let mut polls = 0;
        let mut call = pin!(send(&service, with_cost(3)));
        let counted = std::future::poll_fn(|cx| {
            polls += 1;
            call.as_mut().poll(cx)
        });
        counted.await.unwrap();
        assert!(polls < 10, "{polls} of {quota:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn what_does_not_help_is_given_up() {
    let mock = Mock::new(|nth, _| match nth % 50 {
        1 => limited(),
        _ => status(200),
    });
    let service = around(&mock, layer([Quota::new(20, secs(2))]));
    let mut bursts = Vec::new();
    for _ in 0..10 {
        serve(&service, 95).await;
        bursts.push(burst(&mock, &service, 10).await);
    }
    assert!(bursts[1..].iter().all(|burst| *burst > 1), "{bursts:?}");
}

#[tokio::test(start_paused = true)]
async fn calls_that_hang_do_not_hide_those_that_were_accepted() {
    let mock = Mock::new(|_, head| match head.headers.contains_key("refuse") {
        true => limited(),
        false => status(200),
    });
    let mock = mock.taking_each(|_, head| match head.uri.path() {
        "/hang" => secs(600),
        _ => Duration::ZERO,
    });
    let layer = layer([Quota::new(20, secs(2))]).patience(millis(500));
    let service = around(&mock, layer);
    let hang = (0..10).map(|_| start(&service, get("https://api.test/hang")));
    let hang: Vec<_> = hang.collect();
    for _ in 0..2 {
        tokio::time::sleep(secs(10)).await;
        serve(&service, 14).await;
        let mut refused = get(URI);
        let refuse = http::HeaderValue::from_static("1");
        refused.headers_mut().insert("refuse", refuse);
        assert_eq!(status_of(&send(&service, refused).await), 429);
    }
    tokio::time::sleep(secs(5)).await;
    serve(&service, 1).await;
    // Fourteen were served before each refusal.
    assert!(burst(&mock, &service, 15).await >= 14);
    hang.iter().for_each(|call| call.abort());
}

/// Ready for a second, and then not before another moment.
#[derive(Clone)]
struct BusyUntil(Instant, Mock);

impl Service<http::Request<Body>> for BusyUntil {
    type Response = <Mock as Service<http::Request<Body>>>::Response;
    type Error = <Mock as Service<http::Request<Body>>>::Error;
    type Future = <Mock as Service<http::Request<Body>>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        let Self(until, mock) = self;
        if Instant::now() < *until && Instant::now() > *until - secs(19) {
            let (until, waker) = (*until, cx.waker().clone());
            tokio::spawn(async move {
                tokio::time::sleep_until(until).await;
                waker.wake();
            });
            return Poll::Pending;
        }
        Service::<http::Request<Body>>::poll_ready(mock, cx)
    }

    fn call(&mut self, request: http::Request<Body>) -> Self::Future {
        self.1.call(request)
    }
}

#[tokio::test(start_paused = true)]
async fn calls_that_were_held_up_within_are_no_more_at_once_than_declared() {
    let paced = Quota::new(11, secs(10)).slack(Duration::ZERO).paced();
    for (quota, most) in [(paced, 1), (Quota::new(2, secs(2)), 2)] {
        let mock = Mock::new(|_, _| status(200));
        let begun = Instant::now();
        let until = begun + secs(20);
        let service = layer([quota]).layer(BusyUntil(until, mock.clone()));
        let calls: Vec<_> = (0..12).map(|_| start(&service, get(URI))).collect();
        tokio::time::sleep(secs(19)).await;
        let before = mock.calls().len();
        tokio::time::sleep(millis(1_005)).await;
        let at_once = mock.calls().len() - before;
        assert!((1..=most).contains(&at_once), "{at_once} of {quota:?}");
        for call in calls {
            assert_eq!(status_of(&call.await.unwrap()), 200);
        }
        let sent = offsets(&mock, begun);
        let window = quota.window().unwrap();
        let limit = quota.limit() as usize;
        let crowd = sent
            .windows(limit + 1)
            .find(|all| all[limit] - all[0] < window);
        assert_eq!(crowd, None);
    }
}
