//! Calls that need the permits of several gates, and what the gates hear of how they ended.

use std::sync::Mutex;

use crate::support::mock::{Mock, answer, status};
use crate::support::paused::*;
use http::request::Parts;
use http::{Request, Response};
use http_body_util::Full;
use tokio::time::Instant;
use tower_backoff::failure::Redirected;
use tower_backoff::hint::Unit;
use tower_backoff::policy::{Attempt, PartialQuota, Policy, Provider, RequestHead, Verdict};
use tower_backoff::{
    Cost, CostAboveQuota, Gates, NotBefore, Patience, Priority, Quota, RetryLayer, Scope,
};

const URI: &str = "https://api.test/things";

fn patient(mut request: Request<Body>) -> Request<Body> {
    let patience = Patience::of(secs(200_000));
    request.extensions_mut().insert(patience);
    request
}

fn with(uri: &str, priority: Priority) -> Request<Body> {
    let mut request = patient(get(uri));
    request.extensions_mut().insert(priority);
    request
}

fn tokens(tokens: u32) -> Request<Body> {
    let mut request = patient(post(URI));
    request.extensions_mut().insert(Cost::of("tokens", tokens));
    request
}

fn serves_all() -> Mock {
    Mock::new(|_, _| status(200)).taking(millis(5))
}

fn published() -> Provider {
    Provider::new("acme").partial_quota(PartialQuota::of_published_costs("tokens"))
}

/// A word without digits, since numbers in a path are taken for one route.
fn word(mut nth: usize) -> String {
    let mut word = String::from("w");
    while nth > 0 {
        word.push(char::from(b'a' + (nth % 26) as u8));
        nth /= 26;
    }
    word
}

#[tokio::test(start_paused = true)]
async fn two_quotas_of_writes_hold_together() {
    let provider = Provider::new("acme")
        .partial_quota(PartialQuota::of_writes(Quota::per_second(1)))
        .add_partial_quota(PartialQuota::of_writes(Quota::per_minute(20)));
    let mock = serves_all();
    let service = around(&mock, RetryLayer::new(provider));
    let begun = Instant::now();
    let calls: Vec<_> = (0..30)
        .map(|_| start(&service, patient(post(URI))))
        .collect();
    tokio::time::sleep(millis(4_500)).await;
    assert!(
        (4..=5).contains(&mock.calls().len()),
        "{}",
        mock.calls().len()
    );
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert!(offsets(&mock, begun)[20] > secs(60));
}

#[tokio::test(start_paused = true)]
async fn tokens_may_be_limited_per_minute_and_per_day() {
    let provider = Provider::new("acme")
        .partial_quota(PartialQuota::of_costs("tokens", Quota::per_minute(9_000)))
        .add_partial_quota(PartialQuota::of_costs("tokens", Quota::per_day(20_000)));
    let mock = serves_all();
    let service = around(&mock, RetryLayer::new(provider));
    let calls: Vec<_> = (0..60).map(|_| start(&service, tokens(1_000))).collect();
    tokio::time::sleep(secs(50)).await;
    assert_eq!(mock.calls().len(), 9, "in the first minute");
    tokio::time::sleep(secs(600)).await;
    assert_eq!(mock.calls().len(), 20, "in the day");
    calls.iter().for_each(|call| call.abort());
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_is_named_like_a_partial_quota_is_another_gate() {
    let mock = Mock::new(|_, _| answer(200, &[("x-ratelimit-bucket", "only writes")], ""));
    let provider = Provider::new("acme")
        .buckets_in("x-ratelimit-bucket")
        .partial_quota(PartialQuota::of_writes(Quota::per_second(1)));
    let service = around(&mock, RetryLayer::new(provider));
    send(&service, post(URI)).await.unwrap();
    let begun = Instant::now();
    send(&service, post(URI)).await.unwrap();
    assert_between(begun.elapsed(), millis(900), millis(600));
}

#[tokio::test(start_paused = true)]
async fn buckets_that_a_server_names_do_not_lift_a_partial_quota() {
    let mock = Mock::new(|nth, head: &Parts| {
        if head.method == http::Method::POST {
            return status(200);
        }
        let headers = [
            ("x-ratelimit-bucket", &*format!("b{nth}")),
            ("x-ratelimit-limit", "10"),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset-after", "36000"),
        ];
        answer(200, &headers, "")
    });
    let provider = Provider::new("acme")
        .buckets_in("x-ratelimit-bucket")
        .partial_quota(PartialQuota::of_writes(Quota::per_minute(1)));
    let service = around(&mock, RetryLayer::new(provider));
    for nth in 0..1_024 {
        let uri = format!("https://api.test/{}", word(nth));
        send(&service, patient(get(&uri))).await.unwrap();
    }
    let calls: Vec<_> = (0..10)
        .map(|_| start(&service, patient(post(URI))))
        .collect();
    tokio::time::sleep(secs(30)).await;
    let writes = mock
        .calls()
        .iter()
        .filter(|call| call.method == "POST")
        .count();
    assert_eq!(writes, 1);
    calls.iter().for_each(|call| call.abort());
}

#[tokio::test(start_paused = true)]
async fn a_failure_says_nothing_of_the_tokens_that_are_left() {
    for fails in [false, true] {
        let window = Mutex::new((Instant::now(), 0u32));
        let mock = Mock::new(move |nth, _| {
            let mut window = window.lock().unwrap();
            let now = Instant::now();
            if now >= window.0 + secs(10) {
                *window = (now, 0);
            }
            if fails && nth == 12 {
                return status(502);
            }
            let fits = window.1 + 900 <= 10_000;
            if fits {
                window.1 += 900;
            }
            let reset = format!("{}ms", (window.0 + secs(10) - now).as_millis());
            let left = (10_000 - window.1).to_string();
            let headers = [
                ("x-ratelimit-limit-tokens", "10000"),
                ("x-ratelimit-remaining-tokens", &*left),
                ("x-ratelimit-reset-tokens", &*reset),
            ];
            answer(if fits { 200 } else { 429 }, &headers, "")
        })
        .taking_each(move |nth, _| millis(if fails && nth == 12 { 5 } else { 2_000 }));
        let service = around(&mock, RetryLayer::new(published()));
        send(&service, tokens(900)).await.unwrap();
        let begun = Instant::now();
        let calls: Vec<_> = (0..40).map(|_| start(&service, tokens(900))).collect();
        tokio::time::sleep(secs(11)).await;
        let in_the_second = offsets(&mock, begun)
            .iter()
            .filter(|at| **at > secs(5))
            .count();
        assert!(
            in_the_second <= 12,
            "{fails}: {in_the_second} of 900 tokens"
        );
        calls.iter().for_each(|call| call.abort());
    }
}

#[tokio::test(start_paused = true)]
async fn a_quick_refusal_does_not_make_the_counter_of_a_slow_answer_old() {
    let mock = Mock::new(|nth, _| match nth {
        1 => {
            let headers = [
                ("x-ratelimit-limit-tokens", "1000"),
                ("x-ratelimit-remaining-tokens", "0"),
                ("x-ratelimit-reset-tokens", "60s"),
            ];
            answer(200, &headers, "")
        }
        2 => status(400),
        _ => status(200),
    })
    .taking_each(|nth, _| millis(if nth == 1 { 1_000 } else { 5 }));
    let service = around(&mock, RetryLayer::new(published()));
    let first = start(&service, tokens(1_000));
    tokio::time::sleep(millis(600)).await;
    assert_eq!(status_of(&send(&service, tokens(10)).await), 400);
    first.await.unwrap().unwrap();
    let begun = Instant::now();
    send(&service, tokens(10)).await.unwrap();
    assert!(begun.elapsed() > secs(50), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn the_counter_of_a_redirect_target_is_no_counter_of_the_scope() {
    let mock = Mock::new(|nth, _| match nth {
        1 => {
            let mut response = Response::builder()
                .status(200)
                .header("x-ratelimit-limit-tokens", "10000")
                .header("x-ratelimit-remaining-tokens", "0")
                .header("x-ratelimit-reset-tokens", "3600s")
                .body(Full::default())?;
            let target = Redirected::new("https://cdn.other.test/".parse()?);
            response.extensions_mut().insert(target);
            Ok(response)
        }
        _ => status(200),
    });
    let service = around(&mock, RetryLayer::new(published()));
    send(&service, tokens(10)).await.unwrap();
    let begun = Instant::now();
    send(&service, tokens(10)).await.unwrap();
    assert!(begun.elapsed() < secs(1), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn what_the_server_says_is_left_is_left_though_more_was_feared() {
    let left = Mutex::new((Instant::now(), 10_000u32));
    let mock = Mock::new(move |_, _| {
        let mut left = left.lock().unwrap();
        let now = Instant::now();
        if now >= left.0 + secs(60) {
            *left = (now, 10_000);
        }
        left.1 -= 100;
        let reset = format!("{}ms", (left.0 + secs(60) - now).as_millis());
        let tokens = left.1.to_string();
        let headers = [
            ("x-ratelimit-limit-tokens", "10000"),
            ("x-ratelimit-remaining-tokens", &*tokens),
            ("x-ratelimit-reset-tokens", &*reset),
        ];
        answer(200, &headers, "")
    })
    .taking(millis(50));
    let service = around(&mock, RetryLayer::new(published()));
    let begun = Instant::now();
    for nth in 0..60 {
        send(&service, tokens(900)).await.unwrap();
        assert!(
            begun.elapsed() < secs(10),
            "call {nth} waited until {:?}",
            begun.elapsed()
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_reset_of_tokens_is_read_in_the_unit_that_was_stated() {
    let mock = Mock::new(|nth, _| match nth {
        1 => {
            let headers = [
                ("x-ratelimit-limit-tokens", "1000"),
                ("x-ratelimit-remaining-tokens", "0"),
                ("x-ratelimit-reset-tokens", "6000"),
            ];
            answer(200, &headers, "")
        }
        _ => status(200),
    });
    let provider = published().header_unit("x-ratelimit-reset-tokens", Unit::Millis);
    let service = around(&mock, RetryLayer::new(provider));
    send(&service, tokens(10)).await.unwrap();
    let begun = Instant::now();
    send(&service, tokens(10)).await.unwrap();
    assert_between(begun.elapsed(), secs(6), secs(1));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_its_bucket_holds_no_slot_of_a_partial_quota() {
    let mock = Mock::new(|_, head: &Parts| match head.uri.path() {
        "/a" => {
            let headers = [
                ("x-ratelimit-bucket", "a"),
                ("x-ratelimit-limit", "1"),
                ("x-ratelimit-remaining", "0"),
                ("x-ratelimit-reset-after", "300"),
            ];
            answer(200, &headers, "")
        }
        _ => status(200),
    })
    .taking_each(|_, head| match head.uri.path() {
        "/slow" => secs(200),
        _ => millis(5),
    });
    let provider = Provider::new("acme")
        .buckets_in("x-ratelimit-bucket")
        .quota(Quota::new(1, secs(2)))
        .partial_quota(PartialQuota::of_statuses([401], Quota::new(3, secs(600))));
    let service = around(&mock, RetryLayer::new(provider));
    let mut kept = Vec::new();
    for _ in 0..3 {
        kept.push(start(&service, patient(get("https://api.test/a"))));
        tokio::time::sleep(millis(1)).await;
    }
    tokio::time::sleep(secs(10)).await;
    kept.push(start(&service, patient(get("https://api.test/slow"))));
    tokio::time::sleep(secs(3)).await;
    let begun = Instant::now();
    send(&service, patient(get("https://api.test/b")))
        .await
        .unwrap();
    assert!(begun.elapsed() < secs(10), "{:?}", begun.elapsed());
    kept.iter().for_each(|call| call.abort());
}

/// Says after each call how many tokens it has truly cost.
struct Settled(Provider);

impl Policy for Settled {
    fn judge(&self, attempt: &Attempt<'_>) -> Verdict {
        self.0.judge(attempt).with_cost(Cost::of("tokens", 5))
    }

    fn quotas(&self, request: &RequestHead<'_>) -> &[Quota] {
        Policy::quotas(&self.0, request)
    }

    fn partial_quotas(&self, request: &RequestHead<'_>) -> &[PartialQuota] {
        Policy::partial_quotas(&self.0, request)
    }
}

#[tokio::test(start_paused = true)]
async fn a_true_cost_of_tokens_leaves_the_cost_of_the_call_alone() {
    let provider = Provider::new("acme")
        .quota(Quota::per_minute(100))
        .partial_quota(PartialQuota::of_costs("tokens", Quota::per_minute(9_000)));
    let service = around(&serves_all(), RetryLayer::new(Settled(provider)));
    let begun = Instant::now();
    for _ in 0..3 {
        let mut request = patient(post(URI));
        let cost = Cost::new(50).and("tokens", 10);
        request.extensions_mut().insert(cost);
        send(&service, request).await.unwrap();
    }
    assert!(
        begun.elapsed() > secs(50),
        "150 points in {:?}",
        begun.elapsed()
    );
}

#[tokio::test(start_paused = true)]
async fn a_scope_is_reopened_with_its_partial_quotas() {
    let mock = Mock::new(|nth, _| match nth {
        1 => {
            let headers = [
                ("x-ratelimit-limit-tokens", "10000"),
                ("x-ratelimit-remaining-tokens", "0"),
                ("x-ratelimit-reset-tokens", "86400s"),
            ];
            answer(200, &headers, "")
        }
        _ => status(200),
    });
    let gates = Gates::new();
    let service = around(&mock, RetryLayer::new(published()).gates(&gates));
    send(&service, tokens(10)).await.unwrap();
    let begun = Instant::now();
    let waits = start(&service, tokens(10));
    tokio::time::sleep(secs(1)).await;
    gates.reopen(&Scope::origin(&URI.parse().unwrap()));
    waits.await.unwrap().unwrap();
    assert!(begun.elapsed() < secs(10), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn layers_that_share_gates_keep_each_its_own_partial_quota() {
    let (mock, gates) = (serves_all(), Gates::new());
    let of = |name: &'static str, quota| {
        let provider = Provider::new(name).partial_quota(PartialQuota::of_writes(quota));
        around(&mock, RetryLayer::new(provider).gates(&gates))
    };
    let many = of("many", Quota::per_second(100));
    let few = of("few", Quota::per_minute(1));
    send(&many, post(URI)).await.unwrap();
    let begun = Instant::now();
    for _ in 0..3 {
        send(&few, patient(post(URI))).await.unwrap();
    }
    assert!(begun.elapsed() > secs(60), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn urgent_calls_get_all_that_is_reserved_for_them() {
    let quota = Quota::per_hour(40).reserved_for_urgent(20);
    let mock = serves_all();
    let service = around(&mock, RetryLayer::new(Provider::new("test").quota(quota)));
    let normal: Vec<_> = (0..21)
        .map(|_| start(&service, with(URI, Priority::Normal)))
        .collect();
    tokio::time::sleep(secs(1)).await;
    assert_eq!(mock.calls().len(), 20);
    for nth in 1..=20 {
        let begun = Instant::now();
        send(&service, with(URI, Priority::Urgent)).await.unwrap();
        assert!(
            begun.elapsed() < secs(10),
            "urgent call {nth}: {:?}",
            begun.elapsed()
        );
    }
    normal.iter().for_each(|call| call.abort());
    let quota = Quota::concurrent(40).reserved_for_urgent(20);
    let mock = Mock::new(|_, _| status(200)).taking(secs(600));
    let service = around(&mock, RetryLayer::new(Provider::new("test").quota(quota)));
    let mut calls: Vec<_> = (0..21)
        .map(|_| start(&service, with(URI, Priority::Normal)))
        .collect();
    tokio::time::sleep(secs(1)).await;
    calls.extend((0..20).map(|_| start(&service, with(URI, Priority::Urgent))));
    tokio::time::sleep(secs(100)).await;
    assert_eq!(mock.calls().len(), 40);
    calls.iter().for_each(|call| call.abort());
}

#[tokio::test(start_paused = true)]
async fn an_urgent_endpoint_that_is_always_refused_does_not_starve_its_host() {
    for priority in [Priority::Normal, Priority::Urgent] {
        let mock = Mock::new(|_, head: &Parts| match head.uri.path() {
            "/bad" => status(429),
            _ => status(200),
        })
        .taking(millis(5));
        let service = around(&mock, RetryLayer::new(Provider::new("test")));
        let bad = start(&service, with("https://api.test/bad", priority));
        tokio::time::sleep(secs(1)).await;
        let begun = Instant::now();
        let good: Vec<_> = (0..3)
            .map(|_| start(&service, with("https://api.test/good", Priority::Normal)))
            .collect();
        for call in good {
            call.await.unwrap().unwrap();
        }
        assert!(
            begun.elapsed() < secs(1_000),
            "{priority:?}: {:?}",
            begun.elapsed()
        );
        bad.abort();
    }
}

#[tokio::test(start_paused = true)]
async fn a_full_queue_of_background_calls_does_not_send_urgent_ones_away() {
    let mock = Mock::new(|_, _| status(200));
    let provider = Provider::new("test").quota(Quota::per_second(1));
    let service = around(&mock, RetryLayer::new(provider).max_waiting(5));
    let background: Vec<_> = (0..6)
        .map(|_| start(&service, with(URI, Priority::Background)))
        .collect();
    tokio::time::sleep(millis(1)).await;
    let urgent = send(&service, with(URI, Priority::Urgent)).await;
    assert_eq!(status_of(&urgent), 200);
    background.iter().for_each(|call| call.abort());
}

#[tokio::test(start_paused = true)]
async fn a_write_whose_scope_is_closed_beyond_its_patience_ends_now() {
    let mock = Mock::new(|nth, _| match nth {
        2 => answer(429, &[("retry-after", "3600")], ""),
        _ => status(200),
    });
    let writes = PartialQuota::of_writes(Quota::per_minute(1));
    let provider = Provider::new("acme").partial_quota(writes);
    let service = around(&mock, RetryLayer::new(provider));
    send(&service, post(URI)).await.unwrap();
    let refused = send(&service, get(URI)).await;
    assert_eq!(status_of(&refused), 429);
    let begun = Instant::now();
    let error = send(&service, post(URI)).await.unwrap_err();
    let not_before = NotBefore::find(&*error).expect("when to come back");
    assert!(not_before.wait() > secs(3_000), "{not_before}");
    assert!(begun.elapsed() < secs(1), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_call_of_more_tokens_than_are_published_ends_at_once() {
    let mock = Mock::new(|_, _| {
        let headers = [
            ("x-ratelimit-limit-tokens", "1000"),
            ("x-ratelimit-remaining-tokens", "900"),
            ("x-ratelimit-reset-tokens", "60s"),
        ];
        answer(200, &headers, "")
    });
    let service = around(&mock, RetryLayer::new(published()));
    send(&service, tokens(100)).await.unwrap();
    let error = send(&service, tokens(1_001)).await.unwrap_err();
    let above: &CostAboveQuota = error.downcast_ref().expect("a cost above the quota");
    assert_eq!((above.cost(), above.limit()), (1_001, 1_000));
    assert_eq!(mock.calls().len(), 1);
}
