//! Buckets that a response names: later requests of their kind share a gate, others are not stopped by it.

mod support;

use http::HeaderName;
use support::mock::{Mock, answer, status};
use support::paused::*;
use tokio::time::Instant;
use tower_backoff::policy::{Attempt, Policy, Provider, RequestHead, Route, Verdict};
use tower_backoff::{Gates, NotBefore, Quota, Retry, RetryLayer};

const SEARCH: &str = "https://api.test/search/code";
const CORE: &str = "https://api.test/repos/1/issues";
const OTHER_CORE: &str = "https://api.test/repos/2222/issues";

fn github() -> Provider {
    Provider::new("github").buckets_in(HeaderName::from_static("x-ratelimit-resource"))
}

/// Search is spent after its first call, all else is not.
fn two_buckets() -> Mock {
    Mock::new(|_, head| {
        let search = head.uri.path().starts_with("/search");
        let (resource, left) = if search {
            ("search", "0")
        } else {
            ("core", "4000")
        };
        let headers = [
            ("x-ratelimit-resource", resource),
            ("x-ratelimit-limit", if search { "30" } else { "5000" }),
            ("x-ratelimit-remaining", left),
            ("x-ratelimit-reset", "30"),
        ];
        answer(200, &headers, "")
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
        .all()
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
    assert!(
        gates
            .all()
            .iter()
            .all(|gate| gate.in_flight == 0 && gate.waiting == 0)
    );
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
    let search = tokio::spawn({
        let service = service.clone();
        async move { send(&service, get(SEARCH)).await }
    });
    tokio::time::sleep(millis(1)).await;
    send(&service, get(CORE)).await.unwrap();
    assert!(begun.elapsed() < secs(1));
    assert_eq!(status_of(&search.await.unwrap()), 200);
    assert_between(begun.elapsed(), secs(40), millis(300));
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
    let core = tokio::spawn({
        let service = service.clone();
        async move { send(&service, get(CORE)).await }
    });
    tokio::time::sleep(millis(1)).await;
    send(&service, get(SEARCH)).await.unwrap();
    assert_between(begun.elapsed(), secs(20), millis(300));
    assert_eq!(status_of(&core.await.unwrap()), 200);
}

fn discord() -> Provider {
    Provider::new("discord")
        .buckets_in(HeaderName::from_static("x-ratelimit-bucket"))
        .buckets_per_resource()
        .stops_everybody_in(HeaderName::from_static("x-ratelimit-global"))
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
        let refused = tokio::spawn({
            let service = service.clone();
            async move {
                send(
                    &service,
                    get("https://discord.test/channels/111111/messages"),
                )
                .await
            }
        });
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
    assert!(
        gates
            .all()
            .iter()
            .all(|gate| gate.in_flight == 0 && gate.waiting == 0)
    );
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
    assert!(
        gates
            .all()
            .iter()
            .all(|gate| gate.in_flight == 0 && gate.waiting == 0)
    );
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
    assert!(gates.all().len() <= 2_050, "{}", gates.all().len());
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
            verdict.cooling_for(secs(9)).in_bucket("mutations")
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
