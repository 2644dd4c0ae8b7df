//! What the crate tells, to whom, and what it never tells.

use std::sync::{Arc, Mutex};

use crate::support::mock::{Mock, answer, status};
use crate::support::paused::*;
use tower_backoff::failure::Redirected;
use tower_backoff::policy::{ByHost, Policy, Provider, RequestHead, Verdict, policy_fn};
use tower_backoff::{Decision, Gates, Observer, ReportSlot, RetryLayer, Scope, StopReason};

/// Planted in every place that must not be printed.
const SECRETS: [&str; 6] = [
    "sk-credential",
    "cookie-monster",
    "query-token",
    "path-id",
    "user-info",
    "body-secret",
];
const URI: &str = "https://user-info:user-info@api.test/path-id?key=query-token";

fn standard() -> RetryLayer {
    RetryLayer::new(Provider::new("test"))
}

fn secret_request() -> http::Request<Body> {
    let mut request = get(URI);
    let headers = request.headers_mut();
    headers.insert("authorization", "Bearer sk-credential".parse().unwrap());
    headers.insert("cookie", "id=cookie-monster".parse().unwrap());
    request
}

#[track_caller]
fn assert_tells_no_secret(printed: &str) {
    for secret in SECRETS {
        assert!(!printed.contains(secret), "{secret} was told: {printed}");
    }
}

#[tokio::test(start_paused = true)]
async fn no_debug_and_no_error_of_ours_tells_a_secret() {
    let gates = Gates::new();
    let mock = Mock::new(|_, _| {
        answer(
            429,
            &[("retry-after", "3600"), ("x-secret", "cookie-monster")],
            "body-secret",
        )
    });
    let keyed = Provider::new("test").per_credential([http::header::AUTHORIZATION]);
    let layer = RetryLayer::new(keyed.clone()).gates(&gates);
    let service = around(&mock, layer.clone());
    let refused = send(&service, secret_request()).await.unwrap();
    let waiting = send(&service, secret_request()).await.unwrap_err();
    let future = tower::Service::call(&mut service.clone(), secret_request());
    let request = secret_request();
    let head = RequestHead::new(&request);
    let attempt = tower_backoff::policy::Attempt::new(&request, &refused).with_body(b"body-secret");
    let printed = [
        format!("{service:?} {layer:?} {gates:?} {future:?}"),
        format!("{waiting} {waiting:?}"),
        format!("{head:?} {attempt:?} {:?}", attempt.standard()),
        format!(
            "{:?} {:?}",
            refused.body(),
            refused.extensions().get::<tower_backoff::Report>()
        ),
        format!("{:?} {}", keyed.scope(&head), Scope::origin(request.uri())),
        format!("{:?}", ByHost::new().host("api.test", keyed.clone())),
        format!("{:?}", policy_fn(|_| Verdict::accept())),
        format!("{:?}", gates.snapshot()),
        format!("{:?}", Redirected::new(request.uri().clone())),
    ];
    printed
        .iter()
        .for_each(|printed| assert_tells_no_secret(printed));
}

#[tokio::test(start_paused = true)]
async fn a_report_slot_is_filled_also_when_the_call_ends_with_an_error() {
    let mock = Mock::new(|_, _| Err("the wire broke".into()));
    let slot = ReportSlot::new();
    let mut request = get("https://api.test/");
    request.extensions_mut().insert(slot.clone());
    let error = send(&around(&mock, standard()), request).await.unwrap_err();
    assert_eq!(
        error.to_string(),
        "the wire broke",
        "the client's own error"
    );
    let report = slot.report().expect("a report");
    assert_eq!(
        (report.attempts(), report.stop_reason()),
        (5, Some(StopReason::RetriesExhausted))
    );
    assert_eq!(mock.calls().len(), 5);
}

#[tokio::test(start_paused = true)]
async fn a_report_slot_is_filled_when_nothing_was_sent() {
    let mock = Mock::new(|_, _| answer(429, &[("retry-after", "3600")], ""));
    let service = around(&mock, standard());
    send(&service, get("https://api.test/")).await.unwrap();
    let slot = ReportSlot::new();
    let mut request = get("https://api.test/");
    request.extensions_mut().insert(slot.clone());
    assert!(send(&service, request).await.is_err());
    let report = slot.report().expect("a report");
    assert_eq!(
        (report.attempts(), report.stop_reason()),
        (0, Some(StopReason::PatienceExceeded))
    );
    assert_eq!(report.decided_by(), Some("retry-after"));
}

#[tokio::test(start_paused = true)]
async fn a_report_tells_what_is_not_safe_to_send_twice_from_what_is_final() {
    use StopReason::{Final, NotSafe};
    let failing = Provider::new("test").final_codes(["BROKE"]);
    let said = r#"{"code":"BROKE"}"#;
    for (method, code, body, reason) in [
        ("POST", 500, "", NotSafe),
        ("POST", 503, "", NotSafe),
        ("POST", 501, "", Final),
        ("POST", 400, "", Final),
        ("GET", 500, said, Final),
        ("GET", 501, "", Final),
        ("GET", 404, "", Final),
    ] {
        let mock = Mock::new(move |_, _| answer(code, &[], body));
        let service = around(&mock, RetryLayer::new(failing.clone()));
        let outcome = send(&service, request(method, "https://api.test/")).await;
        let report = report(&outcome).expect("a report");
        assert_eq!(report.stop_reason(), Some(reason), "{method} {code} {body}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_failure_that_may_not_be_sent_twice_says_what_would_make_it_safe() {
    let mock = Mock::new(|_, _| Err("the wire broke".into()));
    let slot = ReportSlot::new();
    let mut request = post("https://api.test/");
    request.extensions_mut().insert(slot.clone());
    assert!(send(&around(&mock, standard()), request).await.is_err());
    let report = slot.report().expect("a report");
    assert_eq!(report.stop_reason(), Some(StopReason::NotSafe));
    let told = report.to_string();
    let words = "not safe to send twice: add an Idempotency-Key or `Idempotent(true)`";
    assert!(told.contains(words), "{told}");
}

#[tokio::test(start_paused = true)]
async fn what_is_printed_for_people_is_rounded_for_people() {
    let mock = Mock::new(|nth, _| match nth {
        1 => answer(429, &[("retry-after", "125")], ""),
        2 => status(200),
        _ => answer(429, &[("retry-after", "3600")], ""),
    });
    let service = around(&mock, standard());
    let mut told = Vec::new();
    for _ in 0..2 {
        let outcome = send(&service, get("https://api.test/")).await;
        told.push(report(&outcome).expect("a report").to_string());
    }
    told.push(
        send(&service, get("https://api.test/"))
            .await
            .unwrap_err()
            .to_string(),
    );
    assert_eq!(
        told,
        [
            "sent twice, waited 2 min 5 s (retry-after)",
            "sent once, ended: the next attempt would be later than its patience, \
             not before 1 h from its end (retry-after)",
            "https://api.test takes no call for another 1 h (retry-after)",
        ]
    );
}

/// Keeps a line about each decision.
#[derive(Clone, Default)]
struct Diary(Arc<Mutex<Vec<String>>>);

impl Observer for Diary {
    fn on_decision(&self, decision: &Decision<'_>) {
        let line = format!(
            "{} {:?} {:?} {}",
            decision.attempt.number(),
            decision.attempt.status().map(|status| status.as_u16()),
            decision.verdict.ruling(),
            String::from_utf8_lossy(decision.attempt.body().unwrap_or(b"-")),
        );
        self.0.lock().unwrap().push(line);
    }
}

#[tokio::test(start_paused = true)]
async fn an_observer_gets_every_decision_with_the_body_of_refusals() {
    let mock = Mock::new(|nth, _| match nth {
        1 => answer(500, &[], "a trace"),
        2 => answer(429, &[("retry-after", "1")], "slow"),
        3 => Err("the wire broke".into()),
        _ => answer(200, &[], "not peeked at"),
    });
    let diary = Diary::default();
    let service = around(&mock, standard().observe(diary.clone()));
    let outcome = send(&service, get("https://api.test/")).await;
    assert_eq!(text(outcome).await, "not peeked at");
    let lines = diary.0.lock().unwrap().clone();
    assert_eq!(
        lines,
        [
            "1 Some(500) Retry a trace",
            "2 Some(429) Throttled slow",
            "3 None Retry -",
            "4 Some(200) Accept -",
        ]
    );
}

#[tokio::test(start_paused = true)]
async fn gates_tell_what_each_gate_is_doing() {
    let gates = Gates::new();
    let mock = Mock::new(|nth, _| match nth {
        1 => answer(429, &[("retry-after", "30")], ""),
        _ => status(200),
    });
    let service = around(&mock, standard().gates(&gates));
    let waiting = start(&service, get("https://api.test/"));
    tokio::time::sleep(secs(10)).await;
    let [gate] = gates.snapshot().try_into().expect("one gate");
    assert_eq!(gate.scope.to_string(), "https://api.test");
    assert_between(gate.closed_for.unwrap(), secs(20), millis(300));
    assert_eq!(gate.closed_by.as_deref(), Some("retry-after"));
    assert_eq!((gate.waiting, gate.in_flight), (1, 0));
    assert!(waiting.await.unwrap().is_ok());
    let [gate] = gates.snapshot().try_into().expect("one gate");
    assert_eq!(
        (gate.closed_for, gate.waiting, gate.in_flight),
        (None, 0, 0)
    );
}

#[tokio::test(start_paused = true)]
async fn a_closure_is_an_observer() {
    let mock = Mock::new(|nth, _| match nth {
        1 => answer(503, &[], "why"),
        _ => status(200),
    });
    let seen = Arc::new(Mutex::new(Vec::new()));
    let diary = Arc::clone(&seen);
    let layer = standard().observe(move |decision: &Decision<'_>| {
        let attempt = decision.attempt;
        let body = attempt.body().map(<[u8]>::to_vec);
        diary
            .lock()
            .unwrap()
            .push((attempt.status().unwrap().as_u16(), body));
    });
    send(&around(&mock, layer), get(URI)).await.unwrap();
    let seen = seen.lock().unwrap();
    assert_eq!(*seen, [(503, Some(b"why".to_vec())), (200, None)]);
}
