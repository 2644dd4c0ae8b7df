//! What counters, outages and callers may do to the gate: it keeps moving, and is never early.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::support::mock::{Mock, answer, status};
use crate::support::paused::*;
use tokio::task::JoinHandle;
use tokio::time::Instant;
use tower::ServiceExt;
use tower_backoff::fleet::{
    CallOutcome, CloseReason, Fleet, GateHandle, Grant, GrantId, Joining, Member,
};
use tower_backoff::policy::Provider;
use tower_backoff::{Budget, Gates, NotBefore, Quota, Retry, RetryLayer, Scope};

fn long() -> RetryLayer {
    RetryLayer::new(Provider::new("x"))
        .patience(Duration::from_secs(100_000))
        .failure_patience(Duration::from_secs(100_000))
}

#[tokio::test(start_paused = true)]
async fn a_published_limit_of_zero_does_not_shut_the_gate_for_ever() {
    let mock = Mock::new(|nth, _| match nth {
        1 => answer(
            200,
            &[
                ("x-ratelimit-limit", "0"),
                ("x-ratelimit-remaining", "0"),
                ("x-ratelimit-reset", "60"),
            ],
            "",
        ),
        _ => status(200),
    });
    let s = around(&mock, long());
    status_of(&send(&s, get("http://a/")).await);
    let second = tokio::time::timeout(secs(50_000), send(&s, get("http://a/"))).await;
    assert!(second.is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_slow_answer_does_not_spend_a_window_that_it_opens() {
    let mock = Mock::new(|_, _| answer(200, &[("ratelimit", "\"d\";r=100;t=60")], "")).taking_each(
        |_, head| match head.uri.path() {
            "/slow" => secs(70),
            _ => millis(50),
        },
    );
    let s = around(&mock, long());
    let slow = start(&s, get("http://a/slow"));
    tokio::time::sleep(millis(10)).await;
    for _ in 0..90 {
        send(&s, get("http://a/fast")).await.unwrap();
    }
    for _ in 0..20 {
        tokio::time::sleep(secs(2)).await;
        send(&s, get("http://a/fast")).await.unwrap();
    }
    slow.await.unwrap().unwrap();
    let before = Instant::now();
    send(&s, get("http://a/fast")).await.unwrap();
    assert!(before.elapsed() < secs(2));
}

fn backlog(s: &Retry<Mock>, n: usize) -> Vec<JoinHandle<Outcome>> {
    (0..n).map(|_| start(s, get("http://a/"))).collect()
}

#[tokio::test(start_paused = true)]
async fn after_an_outage_a_flaky_server_is_not_taken_for_a_slow_one() {
    let start = Instant::now();
    let mock = Mock::new(move |nth, _| {
        if start.elapsed() < secs(5) || nth % 50 == 0 {
            status(500)
        } else {
            status(200)
        }
    })
    .taking(millis(50));
    let s = around(&mock, long().max_retries(1000).budget(Budget::unlimited()));
    let tasks = backlog(&s, 3000);
    tokio::time::sleep(secs(600)).await;
    let done = tasks.iter().filter(|t| t.is_finished()).count();
    assert_eq!(done, 3000);
}

#[tokio::test(start_paused = true)]
async fn the_pace_after_an_outage_is_forgotten_when_nobody_calls() {
    let start = Instant::now();
    let mock = Mock::new(move |nth, _| {
        let t = start.elapsed();
        if t < secs(5) || (t < secs(60) && nth % 4 == 0) {
            status(500)
        } else {
            status(200)
        }
    })
    .taking(millis(50));
    let s = around(&mock, long().max_retries(1000).budget(Budget::unlimited()));
    let _tasks = backlog(&s, 60);
    tokio::time::sleep(secs(86_400)).await;
    let before = Instant::now();
    send(&s, get("http://a/")).await.unwrap();
    let tasks = backlog(&s, 300);
    for t in tasks {
        t.await.unwrap().unwrap();
    }
    assert!(before.elapsed() < secs(30));
}

#[tokio::test(start_paused = true)]
async fn reopening_by_hand_forgets_what_a_wrong_wait_taught() {
    let mock = Mock::new(|nth, _| {
        if nth == 6 {
            answer(429, &[("retry-after", "86400")], "")
        } else {
            status(200)
        }
    })
    .taking(secs(5));
    let gates = Gates::new();
    let s = around(&mock, RetryLayer::new(Provider::new("x")).gates(&gates));
    for _ in 0..6 {
        let _ = send(&s, get("http://a/")).await;
    }
    gates.reopen(&Scope::origin(&"http://a/".parse().unwrap()));
    let s = around(&mock, long().gates(&gates));
    let start = Instant::now();
    let tasks = backlog(&s, 2000);
    for t in tasks {
        t.await.unwrap().unwrap();
    }
    assert!(start.elapsed() < secs(300));
}

#[tokio::test(start_paused = true)]
async fn a_declared_quota_beyond_patience_is_told_at_once() {
    let mock = Mock::new(|_, _| status(200));
    let s = around(
        &mock,
        RetryLayer::new(Provider::new("x").quota(Quota::per_hour(1))),
    );
    send(&s, get("http://a/")).await.unwrap();
    let start = Instant::now();
    let error = send(&s, get("http://a/")).await.unwrap_err();
    assert!(start.elapsed() < secs(1));
    let not_before = error.downcast_ref::<NotBefore>().expect("NotBefore");
    assert_between(not_before.wait(), secs(3_600), secs(10));
    assert_eq!(not_before.decided_by(), "the declared quota");
}

#[tokio::test(start_paused = true)]
async fn max_retries_holds_for_a_lone_caller_in_an_outage() {
    let mock = Mock::new(|_, _| status(500));
    let s = around(&mock, RetryLayer::new(Provider::new("x")).max_retries(1));
    let mut each = vec![];
    for _ in 0..5 {
        let n = mock.calls().len();
        let _ = send(&s, get("http://a/")).await;
        each.push(mock.calls().len() - n);
        tokio::time::sleep(secs(60)).await;
    }
    assert!(each.iter().all(|n| *n <= 2));
}

async fn quota_call(q: Quota) {
    let mock = Mock::new(|_, _| status(200));
    let s = around(&mock, RetryLayer::new(Provider::new("x").quota(q)));
    send(&s, get("http://a/")).await.unwrap();
}

#[tokio::test(start_paused = true)]
async fn a_quota_over_an_endless_window_is_no_panic() {
    quota_call(Quota::new(u32::MAX, Duration::MAX)).await
}
#[tokio::test(start_paused = true)]
async fn an_endless_slack_is_no_panic() {
    quota_call(Quota::per_second(1).slack(Duration::MAX)).await
}

#[tokio::test(start_paused = true)]
async fn a_paced_quota_over_an_endless_window_is_no_panic() {
    quota_call(Quota::new(1000, Duration::from_secs(u64::MAX / 2)).paced()).await
}

#[tokio::test(start_paused = true)]
async fn a_probe_that_is_dropped_passes_its_turn_on() {
    let start = Instant::now();
    let mock = Mock::new(move |_, _| {
        if start.elapsed() < secs(3) {
            status(500)
        } else {
            status(200)
        }
    })
    .taking(millis(100));
    let s = around(&mock, long());
    for _ in 0..4 {
        let _ = send(&s, post("http://a/")).await;
        tokio::time::sleep(millis(400)).await;
    }
    let _ = send(&s, post("http://a/")).await;
    tokio::time::sleep(secs(5)).await;
    let _ = tokio::time::timeout(millis(50), send(&s, post("http://a/"))).await;
    let before = Instant::now();
    let _ = send(&s, post("http://a/")).await;
    assert!(before.elapsed() < secs(3));
}

#[tokio::test(start_paused = true)]
async fn a_cold_start_is_not_slowed_by_windows_that_are_spent() {
    let start = Instant::now();
    let mock = Mock::new(move |nth, _| {
        if start.elapsed() < secs(300) && nth % 20 == 1 {
            answer(
                200,
                &[("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "1")],
                "",
            )
        } else {
            status(200)
        }
    })
    .taking(secs(1));
    let s = around(
        &mock,
        RetryLayer::new(Provider::new("x").cold_start(20)).patience(secs(100_000)),
    );
    let tasks = backlog(&s, 3000);
    for t in tasks {
        t.await.unwrap().unwrap();
    }
    let took = start.elapsed();
    assert!(took < secs(60), "3,000 calls took {took:?}");
}

#[tokio::test(start_paused = true)]
async fn calls_that_hang_do_not_hold_up_a_published_quota_for_ever() {
    let mock = Mock::new(|nth, _| {
        answer(
            200,
            &[
                ("x-ratelimit-limit", "3"),
                ("x-ratelimit-remaining", if nth == 1 { "2" } else { "0" }),
                ("x-ratelimit-reset", "10"),
            ],
            "",
        )
    })
    .taking(secs(20_000));
    let quick = Mock::new(|_, _| {
        answer(
            200,
            &[
                ("x-ratelimit-limit", "3"),
                ("x-ratelimit-remaining", "2"),
                ("x-ratelimit-reset", "10"),
            ],
            "",
        )
    });
    let gates = Gates::new();
    let q = around(&quick, long().gates(&gates));
    let l = around(&mock, long().gates(&gates));
    send(&q, get("http://a/")).await.unwrap();
    for _ in 0..3 {
        start(&l, get("http://a/poll"));
        tokio::time::sleep(secs(15)).await;
    }
    let start = Instant::now();
    let next = tokio::time::timeout(secs(15_000), send(&q, get("http://a/")));
    assert!(next.await.is_ok());
    assert!(start.elapsed() < secs(60));
}

#[tokio::test(start_paused = true)]
async fn a_call_that_waits_in_an_outage_ends_with_its_patience_for_failures() {
    // One call that fails while the scope is out, and what it costs its caller.
    let mock = Mock::new(|_, _| status(500));
    let s = around(&mock, RetryLayer::new(Provider::new("x")));
    let tasks = backlog(&s, 20);
    let begin = Instant::now();
    let mut worst = Duration::ZERO;
    for t in tasks {
        t.await.unwrap().unwrap();
        worst = worst.max(begin.elapsed());
    }
    assert!(
        worst <= secs(40),
        "a failed call was held for {worst:?}, failure_patience is 30 s"
    );
}

#[tokio::test(start_paused = true)]
async fn nothing_is_sent_early_whatever_is_answered() {
    for seed in 0..60u64 {
        let start = Instant::now();
        let closed: Arc<Mutex<Vec<(Instant, Instant)>>> = Arc::default();
        let log = closed.clone();
        let mock = Mock::new(move |nth, _| {
            let x = (nth as u64)
                .wrapping_mul(6364136223846793005)
                .wrapping_add(seed.wrapping_mul(1442695040888963407))
                .rotate_left(23)
                .wrapping_mul(0x9E3779B97F4A7C15)
                >> 33;
            let received = Instant::now() + millis(100);
            match x % 23 {
                0 => {
                    let w = x / 23 % 40;
                    log.lock().unwrap().push((received, received + secs(w)));
                    answer(429, &[("retry-after", &w.to_string())], "")
                }
                1 => {
                    log.lock().unwrap().push((received, received + secs(60)));
                    status(429)
                }
                2 => {
                    let w = 1 + x / 23 % 9;
                    log.lock().unwrap().push((received, received + secs(w)));
                    answer(503, &[("retry-after", &w.to_string())], "")
                }
                3 | 4 => status(500),
                5 => {
                    let w = 1 + x / 23 % 20;
                    log.lock().unwrap().push((received, received + secs(w)));
                    answer(
                        200,
                        &[
                            ("x-ratelimit-remaining", "0"),
                            ("x-ratelimit-reset", &w.to_string()),
                        ],
                        "",
                    )
                }
                6 => status(404),
                _ => answer(
                    200,
                    &[
                        ("x-ratelimit-limit", "50"),
                        ("x-ratelimit-remaining", &(x / 23 % 50).to_string()),
                        ("x-ratelimit-reset", &(1 + x / 1000 % 60).to_string()),
                    ],
                    "",
                ),
            }
        })
        .taking(millis(100));
        let gates = Gates::new();
        let s = around(&mock, long().gates(&gates).budget(Budget::unlimited()));
        let mut tasks = vec![];
        for i in 0..120u64 {
            let s = s.clone();
            tasks.push(tokio::spawn(async move {
                tokio::time::sleep(millis(i * 37 * (seed % 7))).await;
                let _ = send(&s, get("http://a/")).await;
            }));
        }
        let all = async {
            for t in tasks {
                t.await.unwrap();
            }
        };
        let ok = tokio::time::timeout(secs(90_000), all).await.is_ok();
        let closed = closed.lock().unwrap();
        for c in mock.calls() {
            for (from, until) in closed.iter() {
                assert!(
                    !(c.at > *from && c.at < *until),
                    "seed {seed}: sent {:?} early, at {:?}",
                    *until - c.at,
                    c.at - start
                );
            }
        }
        assert!(ok, "seed {seed} hangs");
        let st = &gates.snapshot()[0];
        assert_eq!((st.in_flight, st.waiting), (0, 0), "seed {seed}");
    }
}

/// Says a hundred thousand times that the call may go now, without granting it, and wakes the gate each time.
#[derive(Clone, Default)]
struct SaysNow(Arc<AtomicUsize>, Arc<std::sync::OnceLock<GateHandle>>);

impl Fleet for SaysNow {
    fn join(&self, joining: Joining<'_>) -> Box<dyn Member> {
        self.1.get_or_init(|| joining.gate);
        Box::new(self.clone())
    }
}

impl Member for SaysNow {
    fn admit(&self, _: u32) -> Grant {
        let asked = self.0.fetch_add(1, Ordering::Relaxed);
        self.1.get().unwrap().wake();
        match asked {
            0..100_000 if asked % 2 == 0 => Grant::At(Duration::ZERO),
            0..100_000 => Grant::Later,
            _ => Grant::Now(GrantId::new(std::num::NonZeroU64::MIN)),
        }
    }

    fn on_return(&self, _: GrantId) {}

    fn on_outcome(&self, _: Option<GrantId>, _: &CallOutcome) {}

    fn on_close(&self, _: Duration, _: CloseReason) {}
}

#[tokio::test(start_paused = true)]
async fn a_fleet_that_says_now_makes_no_loop() {
    let mock = Mock::new(|_, _| status(200));
    let fleet = SaysNow::default();
    let service = around(&mock, long().fleet(fleet.clone()));
    let mut call = Box::pin(send(&service, get("http://a/")));
    assert!(futures_util::poll!(&mut call).is_pending());
    let asked = fleet.0.load(Ordering::Relaxed);
    assert!(asked < 10, "asked {asked} times in one poll");
}

#[tokio::test(start_paused = true)]
async fn a_server_that_was_silent_for_long_and_says_zero_shuts_the_gate_at_once() {
    let mock = Mock::new(|nth, _| match nth {
        500 => answer(
            200,
            &[
                ("server", "nginx"),
                ("x-ratelimit-remaining", "0"),
                ("x-ratelimit-reset", "30"),
            ],
            "",
        ),
        _ => answer(200, &[("server", "nginx")], ""),
    });
    let s = around(&mock, long());
    for _ in 0..500 {
        send(&s, get("http://a/")).await.unwrap();
    }
    let spent = Instant::now();
    send(&s, get("http://a/")).await.unwrap();
    assert!(spent.elapsed() >= secs(30), "{:?}", spent.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_service_that_calls_two_hosts_in_turn_waits_for_each_by_itself() {
    let mock = Mock::new(|_, head| match head.uri.host() {
        Some("a") => answer(429, &[("retry-after", "30")], ""),
        _ => status(200),
    });
    let mut s = around(&mock, long().patience(secs(10)));
    for _ in 0..3 {
        let closed = (&mut s).oneshot(get("http://a/")).await;
        assert!(closed.is_err() || closed.unwrap().status() == 429);
        let open = (&mut s).oneshot(get("http://b/")).await;
        assert_eq!(open.unwrap().status(), 200);
    }
    assert_eq!(
        mock.calls().len(),
        4,
        "one to the closed host, three to the open one"
    );
}
