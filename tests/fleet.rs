//! Others are asked before a call is sent: a ledger that several processes share.

mod support;

use std::sync::{Arc, Mutex};
use std::time::Duration;

use support::mock::{Mock, answer, status};
use support::paused::*;
use tokio::time::Instant;
use tower_backoff::fleet::{Admission, Admitting, Fleet};
use tower_backoff::{Gates, NotBefore, Retry, RetryLayer, Scope, providers};

const URI: &str = "https://api.lemlist.com/api/campaigns";

/// What all processes share: two calls a second, and until when nobody may call.
#[derive(Default)]
struct Ledger {
    takes: Duration,
    shut: Mutex<Option<Instant>>,
    granted: Mutex<Vec<Instant>>,
}

impl Ledger {
    fn answering_after(takes: Duration) -> Arc<Self> {
        Arc::new(Self {
            takes,
            ..Self::default()
        })
    }

    fn decide(&self) -> Admission {
        let now = Instant::now();
        if let Some(shut) = self.shut.lock().unwrap().filter(|shut| *shut > now) {
            return Admission::NotBefore(shut - now);
        }
        let mut granted = self.granted.lock().unwrap();
        let place = granted.iter().rev().nth(1).map(|before| *before + secs(1));
        match place.filter(|place| *place > now) {
            Some(place) => Admission::NotBefore(place - now),
            None => {
                granted.push(now);
                Admission::Granted
            }
        }
    }
}

impl Fleet for Ledger {
    fn admit(&self, _: &Scope, _: u32) -> Admitting {
        let (answer, takes) = (self.decide(), self.takes);
        Box::pin(async move {
            if !takes.is_zero() {
                tokio::time::sleep(takes).await;
            }
            answer
        })
    }

    fn shut(&self, _: &Scope, shut_for: Duration) {
        *self.shut.lock().unwrap() = Some(Instant::now() + shut_for);
    }
}

/// A process of its own: nothing is shared but the ledger.
fn process(mock: &Mock, ledger: &Arc<Ledger>) -> (Retry<Mock>, Gates) {
    let gates = Gates::new();
    let provider = providers::lemlist().quotas([]);
    let layer = RetryLayer::new(provider).gates(&gates);
    (around(mock, layer.fleet(Arc::clone(ledger))), gates)
}

#[tokio::test(start_paused = true)]
async fn two_processes_share_one_quota() {
    let mock = Mock::new(|_, _| status(200));
    let ledger = Ledger::answering_after(Duration::ZERO);
    let (one, another) = (process(&mock, &ledger).0, process(&mock, &ledger).0);
    let begun = Instant::now();
    let calls: Vec<_> = (0..20)
        .map(|nth| {
            let service = if nth % 2 == 0 {
                one.clone()
            } else {
                another.clone()
            };
            tokio::spawn(async move { send(&service, get(URI)).await })
        })
        .collect();
    for call in calls {
        assert_eq!(status_of(&call.await.unwrap()), 200);
    }
    let sent = offsets(&mock, begun);
    for window in sent.windows(3) {
        assert!(window[2] - window[0] >= millis(999), "{sent:?}");
    }
    assert!(begun.elapsed() < secs(12), "{:?}", begun.elapsed());
}

#[tokio::test(start_paused = true)]
async fn a_refusal_in_one_process_is_heard_by_the_others() {
    let mock = Mock::new(|nth, _| match nth {
        1 => answer(429, &[("retry-after", "30")], ""),
        _ => status(200),
    });
    let ledger = Ledger::answering_after(Duration::ZERO);
    let (one, another) = (process(&mock, &ledger).0, process(&mock, &ledger).0);
    let begun = Instant::now();
    let refused = tokio::spawn(async move { send(&one, get(URI)).await });
    tokio::time::sleep(millis(10)).await;
    send(&another, get(URI)).await.unwrap();
    assert_between(begun.elapsed(), secs(30), secs(1));
    refused.await.unwrap().unwrap();
}

#[tokio::test(start_paused = true)]
async fn the_answer_may_come_later_and_patience_runs_meanwhile() {
    let mock = Mock::new(|_, _| status(200));
    let ledger = Ledger::answering_after(millis(300));
    let (service, gates) = process(&mock, &ledger);
    let begun = Instant::now();
    send(&service, get(URI)).await.unwrap();
    assert_eq!(begun.elapsed(), millis(300));

    let silent = Ledger::answering_after(secs(3_600));
    let layer = RetryLayer::new(providers::lemlist()).gates(&gates);
    let service = around(&mock, layer.patience(secs(5)).fleet(silent));
    let begun = Instant::now();
    let error = send(&service, get(URI)).await.unwrap_err();
    assert!(error.is::<NotBefore>());
    assert_eq!(begun.elapsed(), secs(5));
    let dropped = tokio::time::timeout(secs(1), send(&service, get(URI))).await;
    assert!(dropped.is_err());
    assert!(
        gates
            .all()
            .iter()
            .all(|gate| gate.in_flight == 0 && gate.waiting == 0)
    );
    assert_eq!(mock.calls().len(), 1);
}

#[test]
fn the_future_stays_send_and_sync() {
    fn is_send_and_sync<T: Send + Sync>(_: T) {}
    is_send_and_sync(Ledger::answering_after(Duration::ZERO).admit(&Scope::layer(), 1));
}
