//! What a call says on the wire about being sent again.

use crate::support;
use crate::support::mock::{Mock, answer, status};
use crate::support::paused::*;
use http::HeaderName;
use tower_backoff::policy::Provider;
use tower_backoff::{Idempotent, RetryLayer};

const URI: &str = "https://api.test/orders";

fn failing_once(with: u16) -> Mock {
    Mock::new(move |nth, _| if nth == 1 { status(with) } else { status(200) })
}

fn keys(mock: &Mock) -> Vec<Option<String>> {
    let key = |call: &support::mock::Call| {
        let key = call.headers.get("idempotency-key")?;
        Some(key.to_str().unwrap().to_owned())
    };
    mock.calls().iter().map(key).collect()
}

fn layer() -> RetryLayer {
    RetryLayer::new(Provider::new("acme")).idempotency_keys()
}

#[tokio::test(start_paused = true)]
async fn a_post_with_a_key_is_sent_again_with_the_same_key() {
    let mock = failing_once(500);
    let service = around(&mock, layer());
    assert_eq!(status_of(&send(&service, post(URI)).await), 200);
    send(&service, post(URI)).await.unwrap();
    let keys = keys(&mock);
    assert_eq!(keys.len(), 3);
    assert!(keys[0].is_some() && keys[0] == keys[1], "{keys:?}");
    assert_ne!(keys[1], keys[2], "another call has another key");
}

#[tokio::test(start_paused = true)]
async fn without_the_word_no_key_is_made_and_a_post_is_sent_once() {
    let mock = failing_once(500);
    let service = around(&mock, RetryLayer::new(Provider::new("acme")));
    assert_eq!(status_of(&send(&service, post(URI)).await), 500);
    assert_eq!(keys(&mock), [None]);
}

#[tokio::test(start_paused = true)]
async fn an_empty_key_makes_no_post_safe() {
    for empty in ["", " ", "\"\""] {
        let with_it = || {
            let mut request = post(URI);
            let key = empty.parse().unwrap();
            request.headers_mut().insert("idempotency-key", key);
            request
        };
        for status in [500, 409] {
            let mock = failing_once(status);
            let service = around(&mock, RetryLayer::new(Provider::new("acme")));
            assert_eq!(status_of(&send(&service, with_it()).await), status);
            assert_eq!(mock.calls().len(), 1, "{empty:?}");
        }
        let mock = failing_once(500);
        let service = around(&mock, layer());
        assert_eq!(status_of(&send(&service, with_it()).await), 200);
        let [Some(first), Some(second)] = &keys(&mock)[..] else {
            panic!("both tries have a key");
        };
        assert!(first == second && first.len() == 36, "{first}");
    }
}

#[tokio::test(start_paused = true)]
async fn who_has_a_key_or_needs_none_keeps_what_it_has() {
    let mock = Mock::new(|_, _| status(200));
    let service = around(&mock, layer());
    let mut own = post(URI);
    own.headers_mut()
        .insert("idempotency-key", "mine".parse().unwrap());
    send(&service, own).await.unwrap();
    send(&service, get(URI)).await.unwrap();
    for said in [true, false] {
        let mut request = post(URI);
        request.extensions_mut().insert(Idempotent(said));
        send(&service, request).await.unwrap();
    }
    assert_eq!(keys(&mock), [Some("mine".to_owned()), None, None, None]);
}

#[tokio::test(start_paused = true)]
async fn a_first_try_that_is_still_in_progress_is_waited_for() {
    let mock = Mock::new(|nth, _| match nth {
        1 => Err("the connection broke".into()),
        2 | 3 => answer(409, &[], r#"{"error":{"code":"idempotency_key_in_use"}}"#),
        _ => status(200),
    });
    let provider = Provider::new("acme").retried_codes(["idempotency_key_in_use"]);
    let service = around(&mock, RetryLayer::new(provider).idempotency_keys());
    assert_eq!(status_of(&send(&service, post(URI)).await), 200);
    let keys = keys(&mock);
    assert!(
        keys.iter().all(|key| key.is_some() && *key == keys[0]),
        "{keys:?}"
    );
}

/// draft-ietf-httpapi-idempotency-key-header-07, 2.7: 409 says that the first request with this key is still at work.
#[tokio::test(start_paused = true)]
async fn a_409_to_a_request_with_a_key_is_sent_again_with_the_same_key() {
    let mock = failing_once(409);
    let service = around(&mock, layer());
    assert_eq!(status_of(&send(&service, post(URI)).await), 200);
    let keys = keys(&mock);
    assert_eq!(keys.len(), 2);
    assert!(keys[0].is_some() && keys[0] == keys[1], "{keys:?}");
}

#[tokio::test(start_paused = true)]
async fn a_409_without_a_key_goes_to_the_caller() {
    for request in [post(URI), get(URI)] {
        let mock = failing_once(409);
        let service = around(&mock, RetryLayer::new(Provider::new("acme")));
        assert_eq!(status_of(&send(&service, request).await), 409);
        assert_eq!(mock.calls().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn later_attempts_say_which_they_are_if_the_provider_has_a_header_for_it() {
    let mock = Mock::new(|nth, _| if nth < 3 { status(503) } else { status(200) });
    let name = HeaderName::from_static("x-retry-attempt");
    let provider = Provider::new("acme").attempt_header(name.clone());
    send(&around(&mock, RetryLayer::new(provider)), get(URI))
        .await
        .unwrap();
    let said: Vec<_> = mock
        .calls()
        .iter()
        .map(|call| {
            call.headers
                .get(&name)
                .map(|value| value.to_str().unwrap().to_owned())
        })
        .collect();
    assert_eq!(said, [None, Some("2".to_owned()), Some("3".to_owned())]);
}
