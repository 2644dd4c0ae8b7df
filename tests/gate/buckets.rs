//! Buckets that a response names: later requests of their kind share a gate, others are not stopped by it.

use std::task::{Context, Poll};

use crate::support;
use crate::support::mock::{Mock, answer, status};
use crate::support::paused::*;
use http::request::Parts;
use http::{HeaderName, Request};
use tokio::sync::watch;
use tokio::time::Instant;
use tower::{Layer, Service, ServiceExt};
use tower_backoff::policy::{Attempt, Grpc, Policy, Provider, RequestHead, Route, Verdict};
use tower_backoff::{Gates, NotBefore, Quota, Retry, RetryLayer};

const SEARCH: &str = "https://api.test/search/code";
const CORE: &str = "https://api.test/repos/1/issues";
const OTHER_CORE: &str = "https://api.test/repos/2222/issues";
const USERS: &str = "https://api.test/users/1/repos";

fn github() -> Provider {
    Provider::new("github").buckets_in(HeaderName::from_static("x-ratelimit-resource"))
}

/// As GitHub says it: which bucket, its size, what is left of it, and for how long.
fn counters<'a>(
    [bucket, limit, left, reset]: [&'a str; 4],
    retry_after: Option<&'a str>,
) -> Vec<(&'static str, &'a str)> {
    let mut headers = vec![
        ("x-ratelimit-resource", bucket),
        ("x-ratelimit-limit", limit),
        ("x-ratelimit-remaining", left),
        ("x-ratelimit-reset", reset),
    ];
    headers.extend(retry_after.map(|wait| ("retry-after", wait)));
    headers
}

fn is_search(head: &Parts) -> bool {
    head.uri.path().starts_with("/search")
}

/// Search is spent after its first call, all else is not.
fn two_buckets() -> Mock {
    Mock::new(|_, head| {
        let bucket = match is_search(head) {
            true => ["search", "30", "0", "30"],
            false => ["core", "5000", "4000", "30"],
        };
        answer(200, &counters(bucket, None), "")
    })
}

fn client(mock: &Mock, policy: impl Policy + 'static, gates: &Gates) -> Retry<Mock> {
    around(mock, RetryLayer::new(policy).gates(gates))
}

#[tokio::test(start_paused = true)]
async fn a_bucket_that_is_spent_stops_its_own_kind_and_nobody_else() {
    let (mock, gates) = (two_buckets(), Gates::new());
    let service = client(&mock, github(), &gates);
    let begun = Instant::now();
    send(&service, get(SEARCH)).await.unwrap();
    send(&service, get(CORE)).await.unwrap();
    send(&service, get(OTHER_CORE)).await.unwrap();
    assert_eq!(begun.elapsed(), secs(0), "core is not stopped by search");
    send(&service, get(SEARCH)).await.unwrap();
    assert_between(begun.elapsed(), secs(30), millis(300));
    let mut scopes: Vec<_> = gates
        .snapshot()
        .iter()
        .map(|gate| gate.scope.to_string())
        .collect();
    scopes.sort();
    assert_eq!(
        scopes,
        [
            "https://api.test",
            "https://api.test, bucket core",
            "https://api.test, bucket search",
        ]
    );
    assert_nobody_is_left(&gates);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_by_a_bucket_is_waited_for_by_its_kind_alone() {
    let mock = Mock::new(|nth, head| {
        let headers = [
            (
                "x-ratelimit-resource",
                if head.uri.path() == "/search/code" {
                    "search"
                } else {
                    "core"
                },
            ),
            ("x-ratelimit-remaining", if nth == 1 { "0" } else { "20" }),
            ("x-ratelimit-reset", "40"),
        ];
        answer(if nth == 1 { 403 } else { 200 }, &headers, "")
    });
    let gates = Gates::new();
    let service = client(&mock, github(), &gates);
    let begun = Instant::now();
    let search = start(&service, get(SEARCH));
    tokio::time::sleep(millis(1)).await;
    send(&service, get(CORE)).await.unwrap();
    assert!(begun.elapsed() < secs(1));
    assert_eq!(status_of(&search.await.unwrap()), 200);
    assert_between(begun.elapsed(), secs(40), millis(300));
}

#[tokio::test(start_paused = true)]
async fn a_refusal_of_grpc_is_waited_for_by_its_bucket_alone() {
    let mock = Mock::new(|nth, head| {
        let finds = head.uri.path().ends_with("/Find");
        let headers = [
            ("content-type", "application/grpc"),
            ("x-bucket", if finds { "find" } else { "other" }),
            ("grpc-status", if nth == 1 { "8" } else { "0" }),
            ("grpc-retry-pushback-ms", "40000"),
        ];
        answer(200, &headers[..if nth == 1 { 4 } else { 3 }], "")
    });
    let provider = Provider::new("search").buckets_in(HeaderName::from_static("x-bucket"));
    let service = client(&mock, Grpc::new(provider), &Gates::new());
    let begun = Instant::now();
    let find = start(&service, post("https://api.test/acme.v1.Search/Find"));
    tokio::time::sleep(millis(1)).await;
    let add = send(&service, post("https://api.test/acme.v1.Index/Add"));
    add.await.unwrap();
    assert!(begun.elapsed() < secs(1));
    find.await.unwrap().unwrap();
    assert_between(begun.elapsed(), secs(40), millis(300));
    assert_eq!(mock.calls().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_refusal_with_something_left_in_its_bucket_stops_everybody() {
    let mock = Mock::new(|nth, _| {
        let headers = [
            ("x-ratelimit-resource", "core"),
            ("x-ratelimit-remaining", "4000"),
            ("x-ratelimit-reset", "3000"),
            ("retry-after", "20"),
        ];
        let few = &headers[..if nth == 1 { 4 } else { 3 }];
        answer(
            if nth == 1 { 403 } else { 200 },
            few,
            "secondary rate limit",
        )
    });
    let service = client(&mock, github(), &Gates::new());
    let begun = Instant::now();
    let core = start(&service, get(CORE));
    tokio::time::sleep(millis(1)).await;
    send(&service, get(SEARCH)).await.unwrap();
    assert_between(begun.elapsed(), secs(20), millis(300));
    assert_eq!(status_of(&core.await.unwrap()), 200);
}

fn discord() -> Provider {
    Provider::new("discord")
        .buckets_in(HeaderName::from_static("x-ratelimit-bucket"))
        .buckets_per_resource()
        .global_limit_header(HeaderName::from_static("x-ratelimit-global"))
}

#[tokio::test(start_paused = true)]
async fn a_bucket_may_hold_for_each_resource_apart() {
    let mock = Mock::new(|_, _| {
        let headers = [
            ("x-ratelimit-bucket", "abcd1234"),
            ("x-ratelimit-limit", "5"),
            ("x-ratelimit-remaining", "0"),
            ("x-ratelimit-reset-after", "7"),
        ];
        answer(200, &headers, "")
    });
    let service = client(&mock, discord(), &Gates::new());
    let begun = Instant::now();
    for channel in [111_111, 222_222] {
        let uri = format!("https://discord.test/api/v10/channels/{channel}/messages");
        send(&service, get(&uri)).await.unwrap();
    }
    assert_eq!(begun.elapsed(), secs(0), "each channel has its own");
    let uri = "https://discord.test/api/v10/channels/111111/messages";
    send(&service, get(uri)).await.unwrap();
    assert_between(begun.elapsed(), secs(7), millis(300));
}

#[tokio::test(start_paused = true)]
async fn a_shared_refusal_of_a_bucket_stops_no_other_and_a_global_one_all() {
    for (global, others_wait) in [
        (None, secs(0)),
        (Some(("x-ratelimit-global", "true")), secs(65)),
    ] {
        let mock = Mock::new(move |nth, _| {
            let mut headers = vec![
                ("x-ratelimit-bucket", "abcd1234"),
                ("x-ratelimit-remaining", "9"),
                ("x-ratelimit-reset-after", "6.48"),
                ("retry-after", "65"),
            ];
            headers.extend(global);
            if nth == 1 {
                answer(429, &headers, "")
            } else {
                status(200)
            }
        });
        let service = client(&mock, discord(), &Gates::new());
        let begun = Instant::now();
        let refused = start(
            &service,
            get("https://discord.test/channels/111111/messages"),
        );
        tokio::time::sleep(millis(1)).await;
        send(&service, get("https://discord.test/guilds/777777"))
            .await
            .unwrap();
        assert_between(begun.elapsed(), others_wait, millis(300));
        refused.await.unwrap().unwrap();
        assert_between(begun.elapsed(), secs(65), millis(300));
    }
}

#[tokio::test(start_paused = true)]
async fn the_declared_quota_holds_for_all_buckets_together() {
    let mock = Mock::new(|_, head| {
        let bucket = head.uri.path().to_owned();
        answer(200, &[("x-ratelimit-bucket", &*bucket)], "")
    });
    let policy = discord().quota(Quota::per_second(10));
    let service = client(&mock, policy, &Gates::new());
    let begun = Instant::now();
    for _ in 0..3 {
        for bucket in ["a", "b", "c", "d", "e"] {
            let uri = format!("https://discord.test/{bucket}");
            send(&service, get(&uri)).await.unwrap();
        }
    }
    let sent = offsets(&mock, begun);
    assert_eq!(sent[9], secs(0));
    assert_between(sent[10], secs(1), millis(100));
}

#[tokio::test(start_paused = true)]
async fn who_cannot_wait_for_its_bucket_is_told_which_one_it_is() {
    let (mock, gates) = (two_buckets(), Gates::new());
    let layer = RetryLayer::new(github()).gates(&gates).patience(secs(5));
    let service = around(&mock, layer);
    send(&service, get(SEARCH)).await.unwrap();
    let error = send(&service, get(SEARCH)).await.unwrap_err();
    let not_before = error
        .downcast_ref::<NotBefore>()
        .expect("when to come back");
    assert_eq!(
        not_before.scope().to_string(),
        "https://api.test, bucket search"
    );
    assert_eq!(not_before.decided_by(), "x-ratelimit-reset");
    assert_nobody_is_left(&gates);
}

#[tokio::test(start_paused = true)]
async fn a_first_try_in_a_bucket_reports_nothing() {
    let mock = two_buckets();
    let service = client(&mock, github(), &Gates::new());
    for _ in 0..3 {
        assert_eq!(report(&send(&service, get(CORE)).await), None);
    }
}

#[tokio::test(start_paused = true)]
async fn callers_that_are_dropped_in_a_bucket_leave_both_gates() {
    let mock = two_buckets().taking(millis(50));
    let gates = Gates::new();
    let service = client(&mock, github(), &gates);
    send(&service, get(CORE)).await.unwrap();
    send(&service, get(SEARCH)).await.unwrap();
    for uri in [CORE, SEARCH] {
        let dropped = tokio::time::timeout(millis(10), send(&service, get(uri))).await;
        assert!(dropped.is_err());
    }
    assert_nobody_is_left(&gates);
}

#[tokio::test(start_paused = true)]
async fn a_server_that_names_a_new_bucket_each_time_is_kept_within_bounds() {
    let mock = Mock::new(|nth, _| {
        let name = format!("bucket-{nth}-{}", "x".repeat(nth % 300));
        answer(200, &[("x-ratelimit-resource", &*name)], "")
    });
    let gates = Gates::new();
    let service = client(&mock, github(), &gates);
    for nth in 0..5_000 {
        let uri = format!("https://api.test/kind{nth}x");
        send(&service, get(&uri)).await.unwrap();
    }
    assert!(
        gates.snapshot().len() <= 2_050,
        "{}",
        gates.snapshot().len()
    );
}

/// A policy of one's own names buckets, too.
struct Operations;

impl Policy for Operations {
    fn judge(&self, attempt: &Attempt<'_>) -> Verdict {
        let spent = attempt
            .headers()
            .is_some_and(|headers| headers.contains_key("x-spent"));
        let verdict = attempt.standard();
        if spent {
            verdict.close_gate_for(secs(9)).in_bucket("mutations")
        } else {
            verdict
        }
    }

    fn route(&self, request: &RequestHead<'_>) -> Option<Route> {
        request
            .headers()
            .get("x-operation")
            .map(|_| Route::named("mutation"))
    }
}

#[tokio::test(start_paused = true)]
async fn a_policy_of_ones_own_may_name_routes_and_buckets() {
    let mock = Mock::new(|nth, _| match nth {
        1 => answer(200, &[("x-spent", "1")], ""),
        _ => status(200),
    });
    let service = client(&mock, Operations, &Gates::new());
    let mutation = || {
        let mut request = get("https://api.test/graphql");
        request
            .headers_mut()
            .insert("x-operation", "create".parse().unwrap());
        request
    };
    let begun = Instant::now();
    send(&service, mutation()).await.unwrap();
    send(&service, get("https://api.test/graphql"))
        .await
        .unwrap();
    assert_eq!(begun.elapsed(), secs(0));
    send(&service, mutation()).await.unwrap();
    assert_between(begun.elapsed(), secs(9), millis(300));
}

#[tokio::test(start_paused = true)]
async fn a_failure_of_one_bucket_does_not_count_for_all() {
    let mock = Mock::new(|nth, head| {
        let bucket = match is_search(head) {
            true => ["search", "30", "1", "50"],
            false => ["core", "5000", "4000", "50"],
        };
        let status = if nth == 2 { 500 } else { 200 };
        answer(status, &counters(bucket, None), "")
    });
    let service = around(&mock, RetryLayer::new(github()).max_retries(0));
    let begun = Instant::now();
    send(&service, get(CORE)).await.unwrap();
    send(&service, get(SEARCH)).await.unwrap();
    for _ in 0..5 {
        send(&service, get(CORE)).await.unwrap();
    }
    assert!(begun.elapsed() < secs(1), "{:?}", offsets(&mock, begun));
}

#[tokio::test(start_paused = true)]
async fn after_a_global_refusal_the_count_of_a_bucket_does_not_count_for_all() {
    let mock = Mock::new(|nth, head| {
        let bucket = match is_search(head) {
            true => ["search", "30", "3", "3000"],
            false => ["core", "5000", "4000", "3000"],
        };
        match nth {
            1 => answer(403, &counters(bucket, Some("20")), "secondary rate limit"),
            _ => answer(200, &counters(bucket, None), ""),
        }
    });
    let service = around(&mock, RetryLayer::new(github()).patience(secs(10)));
    let begun = Instant::now();
    let refused = send(&service, get(SEARCH)).await;
    assert_eq!(status_of(&refused), 403);
    tokio::time::sleep(secs(25)).await;
    for _ in 0..10 {
        send(&service, get(CORE)).await.unwrap();
    }
    assert!(begun.elapsed() < secs(40), "{:?}", offsets(&mock, begun));
}

/// A call of an unknown route names a bucket: it was not sent only when its answer came.
#[tokio::test(start_paused = true)]
async fn an_answer_is_not_stale_because_another_has_just_named_the_bucket() {
    let mock = Mock::new(|nth, _| {
        let left = if nth == 3 { "0" } else { "50" };
        answer(200, &counters(["core", "100", left, "30"], None), "")
    })
    .taking(millis(600));
    let service = around(&mock, RetryLayer::new(github()));
    send(&service, get(CORE)).await.unwrap();
    let begun = Instant::now();
    let other = start(&service, get(USERS));
    tokio::time::sleep(millis(10)).await;
    let core = start(&service, get(CORE));
    other.await.unwrap().unwrap();
    core.await.unwrap().unwrap();
    send(&service, get(CORE)).await.unwrap();
    assert!(begun.elapsed() >= secs(30), "{:?}", offsets(&mock, begun));
}

/// Ready only while it is open.
#[derive(Clone)]
pub(super) struct Sluice {
    pub(super) inner: Mock,
    pub(super) open: watch::Sender<bool>,
}

impl Service<Request<Body>> for Sluice {
    type Response = <Mock as Service<Request<Body>>>::Response;
    type Error = support::BoxError;
    type Future = <Mock as Service<Request<Body>>>::Future;

    fn poll_ready(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), Self::Error>> {
        if *self.open.borrow() {
            return Service::<Request<Body>>::poll_ready(&mut self.inner, cx);
        }
        let (mut open, waker) = (self.open.subscribe(), cx.waker().clone());
        tokio::spawn(async move {
            let _ = open.changed().await;
            waker.wake();
        });
        Poll::Pending
    }

    fn call(&mut self, request: Request<Body>) -> Self::Future {
        self.inner.call(request)
    }
}

#[tokio::test(start_paused = true)]
async fn a_call_that_was_not_sent_releases_its_slot_in_the_bucket() {
    let mock = Mock::new(|nth, head| {
        let bucket = match is_search(head) {
            true => ["search", "30", "1", "250"],
            false => ["core", "30", "20", "250"],
        };
        match nth {
            2 => answer(403, &counters(bucket, Some("20")), "for all"),
            _ => answer(200, &counters(bucket, None), ""),
        }
    })
    .taking(millis(100));
    let (open, _closed) = watch::channel(true);
    let sluice = Sluice {
        inner: mock.clone(),
        open: open.clone(),
    };
    let service = RetryLayer::new(github()).seed(1).layer(sluice);
    let begun = Instant::now();
    // The bucket of search is known from now on: one is left.
    send(&service, get(SEARCH)).await.unwrap();
    let core = start(&service, get(CORE));
    tokio::time::sleep(millis(10)).await;
    let mut ready = service.clone();
    let search = ready.ready().await.unwrap().call(get(SEARCH));
    open.send(false).unwrap();
    let search = tokio::spawn(search);
    tokio::time::sleep(millis(200)).await;
    open.send(true).unwrap();
    search.await.unwrap().unwrap();
    core.await.unwrap().unwrap();
    assert!(begun.elapsed() < secs(60), "{:?}", offsets(&mock, begun));
}

#[tokio::test(start_paused = true)]
async fn refusals_in_flight_that_name_a_bucket_shut_it_once() {
    // On a fresh gate, and just after many other calls.
    for just_before in [0, 40] {
        let mock = Mock::new(move |nth, head| match is_search(head) {
            true if nth <= just_before + 64 => {
                answer(429, &[("x-ratelimit-resource", "search")], "")
            }
            true => answer(200, &[("x-ratelimit-resource", "search")], ""),
            false => status(200),
        });
        let takes = |_, head: &Parts| millis(if is_search(head) { 60 } else { 0 });
        let gates = Gates::new();
        let layer = RetryLayer::new(github()).gates(&gates);
        let service = around(
            &mock.clone().taking_each(takes),
            layer.patience(secs(3_600)),
        );
        for _ in 0..just_before {
            send(&service, get(USERS)).await.unwrap();
        }
        let calls: Vec<_> = (0..64).map(|_| start(&service, get(SEARCH))).collect();
        tokio::time::sleep(secs(5)).await;
        let closed = gates
            .snapshot()
            .into_iter()
            .filter_map(|gate| gate.closed_for);
        assert!(closed.max().is_some_and(|closed| closed < secs(57)));
        for call in calls {
            assert_eq!(status_of(&call.await.unwrap()), 200);
        }
        assert_nobody_is_left(&gates);
    }
}

/// A path like no other, without anything that looks like an id.
fn path(nth: u32) -> String {
    let letter = |digit: u8| char::from(b'a' + (digit - b'0'));
    let name: String = format!("{nth:04}").bytes().map(letter).collect();
    format!("https://api.test/{name}")
}

#[tokio::test(start_paused = true)]
async fn a_server_that_names_ever_new_buckets_makes_no_more_than_1024_gates() {
    let mock = Mock::new(|nth, _| {
        let bucket = format!("bucket-{nth}");
        answer(
            429,
            &[("x-ratelimit-resource", &*bucket), ("retry-after", "3600")],
            "",
        )
    });
    let gates = Gates::new();
    let service = around(&mock, RetryLayer::new(github()).gates(&gates));
    for nth in 0..3_000 {
        let _ = send(&service, get(&path(nth))).await;
    }
    assert_eq!(
        gates.snapshot().len(),
        1_025,
        "1,024 buckets, and their scope"
    );
    assert_eq!(mock.calls().len(), 1_025, "then the scope itself is closed");
    let own = gates.snapshot().into_iter();
    let mut own = own.filter(|gate| gate.scope.to_string() == "https://api.test");
    let closed = own.next().and_then(|gate| gate.closed_for);
    assert!(
        closed.is_some_and(|closed| closed >= secs(3_600)),
        "{closed:?}"
    );
}

#[tokio::test(start_paused = true)]
async fn buckets_that_are_open_again_make_room_for_others() {
    let mock = Mock::new(|nth, _| {
        let bucket = format!("bucket-{nth}");
        answer(200, &counters([&bucket, "10", "0", "30"], None), "")
    });
    let gates = Gates::new();
    let service = around(&mock, RetryLayer::new(github()).gates(&gates));
    for nth in 0..3_000 {
        if nth % 1_000 == 0 {
            tokio::time::sleep(secs(60)).await;
        }
        send(&service, get(&path(nth))).await.unwrap();
        assert!(gates.snapshot().len() <= 1_025);
    }
    assert_eq!(mock.calls().len(), 3_000);
}

/// The scope is closed for five seconds, then its search is refused by its own bucket; all else is served.
fn closed_then_search_is_spent() -> Mock {
    Mock::new(|nth, head| match (nth, is_search(head)) {
        (1, _) => answer(503, &[("retry-after", "5")], ""),
        (_, true) => answer(429, &counters(["search", "30", "0", "30"], Some("30")), ""),
        (_, false) => status(200),
    })
    .taking(millis(50))
}

#[tokio::test(start_paused = true)]
async fn calls_that_wait_look_for_their_bucket_again_when_the_scope_lets_them_through() {
    let mock = closed_then_search_is_spent();
    let service = client(&mock, github(), &Gates::new());
    let begun = Instant::now();
    let first = start(&service, get(CORE));
    tokio::time::sleep(millis(100)).await;
    let calls: Vec<_> = (0..20).map(|_| start(&service, get(SEARCH))).collect();
    tokio::time::sleep(secs(25)).await;
    let sent = offsets(&mock, begun);
    let searches = mock
        .calls()
        .iter()
        .filter(|call| call.uri.path().starts_with("/search"))
        .count();
    assert!(
        searches <= 2,
        "{searches} went into a closed bucket: {sent:?}"
    );
    assert_eq!(status_of(&first.await.unwrap()), 200, "it is of no bucket");
    drop(calls);
}

/// A call of another kind turns out to belong to the bucket, and its refusal names a shorter wait than what the window was
/// seen to hold.
#[tokio::test(start_paused = true)]
async fn a_call_that_waits_for_a_learned_window_is_told_when_a_refusal_names_an_earlier_moment() {
    let mock = Mock::new(|nth, _| {
        let named = |wait| counters(["search", "30", "0", "30"], wait);
        let served = [("x-ratelimit-resource", "search")];
        match nth {
            2 => answer(429, &named(Some("40"))[..1], "").map(|mut refusal| {
                refusal.headers_mut().insert("retry-after", 40.into());
                refusal
            }),
            4 => answer(429, &named(Some("3"))[..1], "").map(|mut refusal| {
                refusal.headers_mut().insert("retry-after", 3.into());
                refusal
            }),
            _ => answer(200, &served, ""),
        }
    })
    .taking(millis(50));
    let looks_at_bodies = github().final_codes(["BROKE"]);
    let service = client(&mock, looks_at_bodies, &Gates::new());
    send(&service, get(SEARCH)).await.unwrap();
    // Refused, and served 40 s later: a window of it holds one call.
    send(&service, get(SEARCH)).await.unwrap();
    let begun = Instant::now();
    let waiting = start(&service, get(SEARCH));
    tokio::time::sleep(secs(1)).await;
    let other = start(&service, get(USERS));
    tokio::time::sleep(secs(10)).await;
    let search = |call: &support::mock::Call| call.uri.path().starts_with("/search");
    let calls = mock.calls();
    let sent = calls.iter().find(|call| call.at > begun && search(call));
    let sent = sent.map(|call| call.at - begun);
    assert!(sent.is_some_and(|at| at < secs(5)), "{sent:?}");
    drop((waiting, other));
}
