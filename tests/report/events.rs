//! What the log says. In a process of its own: `tracing` remembers per process who listens.

use crate::support::alone::alone;
use crate::support::log::Log;
use crate::support::mock::{Mock, answer, status};
use crate::support::paused::*;
use tower_backoff::hint::Unit;
use tower_backoff::policy::Provider;
use tower_backoff::{Gates, Quota, RetryLayer, Scope};

#[test]
fn events_name_status_scope_wait_and_the_header_that_decided_and_no_secret() {
    alone(
        "events::events_name_status_scope_wait_and_the_header_that_decided_and_no_secret",
        three_refusals_and_a_failure,
    );
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn three_refusals_and_a_failure() {
    let log = Log::default();
    let _guard = log.listen();
    let mock = Mock::new(|nth, _| {
        tracing::info!("sending");
        match nth {
            1 => answer(
                429,
                &[("retry-after", "7"), ("set-cookie", "cookie-monster")],
                "body-secret",
            ),
            2 => status(500),
            3 => {
                Err(std::io::Error::new(std::io::ErrorKind::ConnectionReset, "body-secret").into())
            }
            _ => answer(429, &[("retry-after", "3600")], ""),
        }
    });
    let policy = Provider::new("test").per_credential([http::header::AUTHORIZATION]);
    let service = around(&mock, RetryLayer::new(policy));
    let mut request = get("https://user-info@api.test/path-id?key=query-token");
    let credential = "Bearer sk-credential".parse().unwrap();
    request.headers_mut().insert("authorization", credential);
    let _ = send(&service, request).await;
    let told = log.text();
    for word in [
        "https://api.test (key ",
        "429",
        "decided_by=retry-after",
        "seconds=",
        "500",
        "error.type=connection reset",
        "attempt{scope=https://api.test (key ",
        "http.request.method=GET http.request.resend_count=1}: report::events: sending",
    ] {
        assert!(told.contains(word), "{word} is missing: {told}");
    }
    assert!(!told.contains("status=0"), "{told}");
    for secret in [
        "credential",
        "cookie",
        "query-token",
        "path-id",
        "user-info",
        "body-secret",
    ] {
        assert!(!told.contains(secret), "{secret} was told: {told}");
    }
}

#[test]
fn a_layer_that_shares_gates_and_declares_other_quotas_is_warned_of_once() {
    alone(
        "events::a_layer_that_shares_gates_and_declares_other_quotas_is_warned_of_once",
        layers_with_shared_gates,
    );
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn layers_with_shared_gates() {
    let log = Log::default();
    let _guard = log.listen();
    let (gates, mock) = (Gates::new(), Mock::new(|_, _| status(200)));
    let with = |quota| {
        let layer = RetryLayer::new(Provider::new("shared").quota(quota));
        around(&mock, layer.gates(&gates))
    };
    let warnings = || log.text().matches("has declared other quotas").count();
    let [first, same] = [60, 60].map(|calls| with(Quota::per_minute(calls)));
    send(&first, get("https://api.test/")).await.unwrap();
    send(&first, get("https://same.test/")).await.unwrap();
    send(&same, get("https://same.test/")).await.unwrap();
    assert_eq!(warnings(), 0, "they agree");
    let other = with(Quota::per_minute(600));
    send(&other, get("https://own.test/")).await.unwrap();
    for _ in 0..3 {
        send(&other.clone(), get("https://api.test/"))
            .await
            .unwrap();
    }
    assert_eq!(warnings(), 1);
    assert!(log.text().contains("scope=https://api.test"));
}

#[test]
fn a_retry_after_whose_unit_is_in_doubt_is_warned_of_once() {
    alone(
        "events::a_retry_after_whose_unit_is_in_doubt_is_warned_of_once",
        units_in_doubt,
    );
}

#[tokio::main(flavor = "current_thread", start_paused = true)]
async fn units_in_doubt() {
    let log = Log::default();
    let _guard = log.listen();
    let reset = ("x-ratelimit-reset", "30");
    let mock = Mock::new(move |_, head| {
        let asked = head.uri.path().trim_start_matches('/').to_owned();
        let spent = ("x-ratelimit-remaining", "0");
        answer(429, &[("retry-after", &asked), spent, reset], "")
    });
    let policy = Provider::new("test");
    let told = || {
        log.text()
            .matches("state it with `Provider::header_unit")
            .count()
    };
    let ask = async |policy: &Provider, asked: &str| {
        let service = around(&mock, RetryLayer::new(policy.clone()));
        let _ = send(&service, get(&format!("https://api.test/{asked}"))).await;
        told()
    };
    for plain in ["0", "1", "30", "3000"] {
        assert_eq!(ask(&policy, plain).await, 0, "{plain}");
    }
    let millis = policy.clone().header_unit("retry-after", Unit::Millis);
    assert_eq!(ask(&millis, "100").await, 0, "the unit is stated");
    assert_eq!(ask(&policy, "3001").await, 1);
    let (gates, before) = (Gates::new(), mock.calls().len());
    let service = around(&mock, RetryLayer::new(policy).gates(&gates));
    for _ in 0..3 {
        let uri = "https://api.test/30000";
        let _ = send(&service, get(uri)).await;
        gates.reopen(&Scope::origin(&http::Uri::from_static(uri)));
    }
    assert_eq!(mock.calls().len(), before + 3);
    assert_eq!(told(), 2, "once for each gate");
    assert!(log.text().contains("scope=https://api.test"));
}
