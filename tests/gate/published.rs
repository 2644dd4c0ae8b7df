//! What the server publishes of its quotas, beside what was declared.

use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};
use std::sync::{Arc, Mutex};

use crate::support::mock::{Mock, answer, status};
use crate::support::paused::*;
use http::HeaderName;
use std::time::Duration;
use tokio::time::Instant;
use tower_backoff::hint::Unit;
use tower_backoff::policy::Provider;
use tower_backoff::{Cost, Gates, Quota, RetryLayer};

const URI: &str = "https://api.test/";

fn layer(quotas: impl IntoIterator<Item = Quota>) -> RetryLayer {
    RetryLayer::new(Provider::new("published").plans(quotas))
}

#[tokio::test(start_paused = true)]
async fn what_the_server_publishes_corrects_a_plan_both_ways() {
    async fn sent_in_a_minute(published: &'static str) -> usize {
        let left = published.parse::<usize>().unwrap();
        let mock = Mock::new(move |nth, _| {
            let remaining = left.saturating_sub(nth).max(1).to_string();
            let headers = [
                ("x-ratelimit-limit", published),
                ("x-ratelimit-remaining", &*remaining),
                ("x-ratelimit-reset", "60"),
            ];
            answer(200, &headers, "")
        })
        .taking(millis(10));
        let service = around(&mock, layer([Quota::per_minute(10)]));
        let calls: Vec<_> = (0..40).map(|_| start(&service, get(URI))).collect();
        tokio::time::sleep(secs(50)).await;
        let sent = mock.calls().len();
        drop(calls);
        sent
    }
    assert_eq!(sent_in_a_minute("20").await, 20, "a bigger plan");
    assert_eq!(sent_in_a_minute("10").await, 10);
    // The first ten go at once: nothing is known yet.
    assert_eq!(sent_in_a_minute("5").await, 10, "and not one more");
}

#[tokio::test(start_paused = true)]
async fn no_server_raises_a_quota() {
    for provider in [
        Provider::new("published").quota(Quota::per_minute(20)),
        tower_backoff::providers::wolfeo().quota(Quota::per_minute(20)),
    ] {
        let mock = Mock::new(|nth, _| {
            let left = (5_000 - nth).to_string();
            let headers = [
                ("x-ratelimit-limit", "5000"),
                ("x-ratelimit-remaining", &*left),
                ("x-ratelimit-reset", "60"),
            ];
            answer(200, &headers, "")
        })
        .taking(millis(10));
        let service = around(&mock, RetryLayer::new(provider));
        let calls: Vec<_> = (0..400).map(|_| start(&service, get(URI))).collect();
        tokio::time::sleep(secs(55)).await;
        assert_eq!(mock.calls().len(), 20);
        drop(calls);
    }
}

#[tokio::test(start_paused = true)]
async fn a_limit_of_another_window_does_not_correct_the_declared_quota() {
    let mock = Mock::new(|_, _| {
        let headers = [
            ("x-ratelimit-limit", "5000"),
            ("x-ratelimit-remaining", "4990"),
            ("x-ratelimit-reset", "1800"),
        ];
        answer(200, &headers, "")
    });
    let service = around(&mock, layer([Quota::per_second(10)]));
    let begun = Instant::now();
    for _ in 0..21 {
        send(&service, get(URI)).await.unwrap();
    }
    assert_between(begun.elapsed(), secs(2), millis(100));
}

/// The declared quota is one of tokens; the server publishes how many requests a minute it takes.
#[tokio::test(start_paused = true)]
async fn a_published_limit_of_requests_does_not_correct_a_quota_of_tokens() {
    let mock = Mock::new(|nth, _| {
        let left = (500 - nth).to_string();
        let headers = [
            ("x-ratelimit-limit-requests", "500"),
            ("x-ratelimit-remaining-requests", left.as_str()),
            ("x-ratelimit-reset-requests", "60s"),
        ];
        answer(200, &headers, "")
    });
    let gates = Gates::new();
    let tokens = layer([Quota::per_minute(30_000)]).gates(&gates);
    let mut request = get(URI);
    request.extensions_mut().insert(Cost::new(100));
    send(&around(&mock, tokens), request).await.unwrap();
    assert_eq!(gates.snapshot()[0].quotas[0].limit, 30_000);
}

#[tokio::test(start_paused = true)]
async fn the_end_of_an_hour_does_not_raise_a_quota_per_minute() {
    let begun = Instant::now();
    let mock = Mock::new(move |nth, _| {
        let left = (5_000 - nth).to_string();
        let reset = 100u64.saturating_sub(begun.elapsed().as_secs()).to_string();
        let headers = [
            ("x-ratelimit-limit", "5000"),
            ("x-ratelimit-remaining", left.as_str()),
            ("x-ratelimit-reset", reset.as_str()),
        ];
        answer(200, &headers, "")
    });
    let service = around(&mock, layer([Quota::per_minute(10)]));
    for _ in 0..30 {
        send(&service, get(URI)).await.unwrap();
    }
    let sent = offsets(&mock, begun);
    for window in sent.windows(11) {
        assert!(window[10] - window[0] >= secs(60), "{sent:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn after_silent_answers_a_spent_counter_is_noticed() {
    let mock = Mock::new(|nth, _| match nth {
        21 => answer(
            200,
            &[
                ("x-ratelimit-remaining", "0"),
                ("x-ratelimit-limit", "21"),
                ("x-ratelimit-reset", "30"),
            ],
            "",
        ),
        _ => status(200),
    });
    let service = around(&mock, layer([]));
    let begun = Instant::now();
    for _ in 0..22 {
        send(&service, get(URI)).await.unwrap();
    }
    assert!(begun.elapsed() >= secs(30), "{:?}", offsets(&mock, begun));
}

#[tokio::test(start_paused = true)]
async fn a_spent_rate_limit_field_is_noticed_however_it_is_written() {
    for field in [
        ("ratelimit", "\"d\";r=0;t=30"),
        ("ratelimit", "\"7d\";r=0;t=30"),
        ("ratelimit", "d; r= 0; t=30"),
        ("ratelimit", "limit=5, remaining=\"0\", reset=30"),
        ("x-ratelimit", "d;r=0;t=30"),
    ] {
        let mock = Mock::new(move |_, _| answer(200, &[field], ""));
        let service = around(&mock, layer([]));
        let begun = Instant::now();
        for _ in 0..2 {
            send(&service, get(URI)).await.unwrap();
        }
        let waited = begun.elapsed();
        assert!(
            (secs(30)..=secs(31)).contains(&waited),
            "{field:?}: {waited:?}"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn what_is_left_is_left_until_the_reset_in_the_unit_of_the_provider() {
    let mock = Mock::new(|nth, _| {
        let left = 3usize.saturating_sub(nth).max(1).to_string();
        let headers = [
            ("x-ratelimit-limit", "3"),
            ("x-ratelimit-remaining", &*left),
            ("x-ratelimit-reset", "5000"),
        ];
        answer(200, &headers, "")
    })
    .taking(millis(10));
    let reset = HeaderName::from_static("x-ratelimit-reset");
    let provider = Provider::new("published").header_unit(reset, Unit::Millis);
    let service = around(&mock, RetryLayer::new(provider).patience(secs(3_600)));
    let begun = Instant::now();
    send(&service, get(URI)).await.unwrap();
    let calls: Vec<_> = (0..4).map(|_| start(&service, get(URI))).collect();
    for call in calls {
        call.await.unwrap().unwrap();
    }
    assert_between(begun.elapsed(), secs(5), secs(1));
}

/// They have as many headers each, and no counter from which calls could be counted down.
#[tokio::test(start_paused = true)]
async fn a_spent_counter_that_does_not_count_calls_is_noticed_among_many_that_are_not() {
    for (limit, remaining, reset) in [
        (
            "x-ratelimit-limit-tokens",
            "x-ratelimit-remaining-tokens",
            "x-ratelimit-reset-tokens",
        ),
        ("x-tokens-limit", "x-tokens-remaining", "x-tokens-reset"),
        ("x-quota", "x-quota-remaining", "x-quota-reset"),
        ("x-quota", "x-ratelimit-remaining", "retry-after"),
    ] {
        let mock = Mock::new(move |nth, _| {
            let left = if nth == 31 { 0 } else { 90_000 - nth };
            let left = left.to_string();
            let headers = [(limit, "90000"), (remaining, &*left), (reset, "30")];
            answer(200, &headers, "")
        });
        let service = around(&mock, layer([]));
        let begun = Instant::now();
        for _ in 0..32 {
            send(&service, get(URI)).await.unwrap();
        }
        assert_between(begun.elapsed(), secs(30), secs(1));
    }
}

/// How many of 600 calls, one after the other, are refused, if that is what the server says is left after each. A
/// window is a minute long.
async fn refused(
    says: impl Fn(&mut Counts) -> Vec<(&'static str, u64)> + Send + Sync + 'static,
) -> usize {
    let begun = Instant::now();
    let counts = Mutex::new(Counts::default());
    let refused = Arc::new(AtomicUsize::new(0));
    let count = Arc::clone(&refused);
    let mock = Mock::new(move |nth, _| {
        let mut counts = counts.lock().unwrap();
        let minute = begun.elapsed().as_secs() / 60;
        if minute != counts.minute {
            *counts = Counts::default();
        }
        let resets = (minute + 1) * 60 - begun.elapsed().as_secs();
        (counts.minute, counts.nth, counts.resets) = (minute, nth as u64, resets);
        counts.spent += 1;
        let told = says(&mut counts);
        let told: Vec<_> = told
            .into_iter()
            .map(|(name, value)| (name, value.to_string()))
            .collect();
        let headers: Vec<_> = told.iter().map(|(name, value)| (*name, &**value)).collect();
        if counts.refuses {
            count.fetch_add(1, Relaxed);
        }
        answer(if counts.refuses { 429 } else { 200 }, &headers, "")
    })
    .taking(millis(20));
    let service = around(&mock, layer([]));
    for _ in 0..600 {
        send(&service, get(URI)).await.unwrap();
    }
    refused.load(Relaxed)
}

/// What a server counts in one minute.
#[derive(Default)]
struct Counts {
    minute: u64,
    resets: u64,
    nth: u64,
    spent: u64,
    other: u64,
    refuses: bool,
}

#[tokio::test(start_paused = true)]
async fn tokens_that_run_out_long_before_the_calls_are_noticed() {
    let refused = refused(|counts| {
        counts.refuses = counts.spent > 100;
        vec![
            ("x-ratelimit-limit-requests", 10_000),
            ("x-ratelimit-remaining-requests", 10_000 - counts.nth),
            ("x-ratelimit-reset-requests", 86_400),
            ("x-ratelimit-limit-tokens", 30_000),
            (
                "x-ratelimit-remaining-tokens",
                30_000u64.saturating_sub(counts.spent * 300),
            ),
            ("x-ratelimit-reset-tokens", counts.resets),
        ]
    });
    assert_eq!(refused.await, 0);
}

#[tokio::test(start_paused = true)]
async fn what_others_spend_of_the_same_key_is_noticed_before_all_is_spent() {
    let refused = refused(|counts| {
        counts.refuses = counts.spent > 100;
        vec![
            ("x-ratelimit-limit", 1_000),
            (
                "x-ratelimit-remaining",
                1_000u64.saturating_sub(counts.spent * 10),
            ),
            ("x-ratelimit-reset", counts.resets),
        ]
    });
    assert_eq!(refused.await, 0);
}

#[tokio::test(start_paused = true)]
async fn beside_an_endpoint_with_plenty_left_one_with_little_is_noticed() {
    let refused = refused(|counts| {
        let strict = counts.nth % 5 == 0;
        counts.other += u64::from(strict);
        counts.refuses = strict && counts.other > 30;
        let (limit, left, resets) = if strict {
            (30, 30u64.saturating_sub(counts.other), counts.resets)
        } else {
            (5_000, 5_000 - counts.nth, 3_000)
        };
        vec![
            ("x-ratelimit-limit", limit),
            ("x-ratelimit-remaining", left),
            ("x-ratelimit-reset", resets),
        ]
    });
    assert_eq!(refused.await, 0);
}

/// How long the third call waits behind two that spent a quota of two in 10 s, if the second answer names this reset.
async fn waits_behind_a_spent_quota(provider: Provider, reset: &'static str) -> Duration {
    let mock = Mock::new(move |nth, _| {
        let left = 2usize.saturating_sub(nth).to_string();
        let headers = [
            ("ratelimit-limit", "2"),
            ("ratelimit-remaining", &*left),
            ("ratelimit-reset", reset),
        ];
        answer(200, &headers, "")
    })
    .taking(millis(20));
    let service = around(&mock, RetryLayer::new(provider));
    let begun = Instant::now();
    for _ in 0..3 {
        send(&service, get(URI)).await.unwrap();
    }
    begun.elapsed()
}

fn two_in_ten_seconds() -> Provider {
    Provider::new("published").quota(Quota::new(2, secs(10)))
}

#[tokio::test(start_paused = true)]
async fn the_end_of_a_declared_window_counts_within_the_last_second_of_a_published_one() {
    for (reset, least, most) in [
        // The declared window ends 10 s after the first answer, at 10.02 s.
        ("10", millis(10_020), millis(10_060)),
        ("10.5", millis(10_540), millis(10_600)),
        ("12", millis(12_040), millis(12_100)),
    ] {
        let took = waits_behind_a_spent_quota(two_in_ten_seconds(), reset).await;
        let most = most + millis(40);
        assert!((least..most).contains(&took), "{reset}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn of_several_declared_windows_the_one_that_the_server_names_ends_early() {
    for (other, ends_early) in [
        (Quota::new(100, secs(60)), true),
        (Quota::new(2, secs(2)), false),
    ] {
        let quotas = [Quota::new(2, millis(10_500)), other];
        let took =
            waits_behind_a_spent_quota(Provider::new("published").quotas(quotas), "11").await;
        assert_eq!(took < secs(11), ends_early, "{other:?}: {took:?}");
    }
}

#[tokio::test(start_paused = true)]
async fn without_a_declaration_a_published_reset_is_kept_to_the_letter() {
    let took = waits_behind_a_spent_quota(Provider::new("published"), "10").await;
    assert!(took >= millis(10_040), "{took:?}");
}

#[tokio::test(start_paused = true)]
async fn after_a_refusal_the_published_end_counts_again() {
    // Two calls in each window of 10.03 s that the server rounds up to seconds; it refuses what comes sooner.
    let window = Arc::new(Mutex::new((Instant::now(), 0)));
    let refused = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&refused);
    let mock = Mock::new(move |_, _| {
        let mut window = window.lock().unwrap();
        let now = Instant::now();
        if now >= window.0 {
            *window = (now + millis(10_030), 0);
        }
        window.1 += 1;
        let left = window.0 - now;
        let seconds = (left.as_secs() + u64::from(left.subsec_nanos() > 0)).to_string();
        let remaining = 2usize.saturating_sub(window.1).to_string();
        let headers = [
            ("ratelimit-limit", "2"),
            ("ratelimit-remaining", &*remaining),
            ("ratelimit-reset", &*seconds),
        ];
        let is_refused = window.1 > 2;
        counted.fetch_add(usize::from(is_refused), Relaxed);
        answer(if is_refused { 429 } else { 200 }, &headers, "")
    })
    .taking(millis(2));
    let layer = RetryLayer::new(two_in_ten_seconds()).patience(secs(600));
    let service = around(&mock, layer);
    for _ in 0..20 {
        send(&service, get(URI)).await.unwrap();
    }
    let refused = refused.load(Relaxed);
    assert!((1..=2).contains(&refused), "{refused} in ten windows");
}
