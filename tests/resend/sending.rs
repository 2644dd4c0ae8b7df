//! What is sent a second time, and what is not: counted by real servers.
//!
//! `cargo test --test resend sending -- --nocapture` prints the table.

use std::time::Duration;

use crate::support;
use crate::support::client::{
    HttpClient, http1_client, http1_client_of, http2_client, http2_client_of,
};
use crate::support::h2::{self as frames, H2, Last};
use crate::support::mock::{Mock, answer, status};
use crate::support::paused;
use crate::support::wire::{self, Wire};
use h2::Reason;
use http::Request;
use http_body::Body;
use http_body_util::combinators::BoxBody;
use http_body_util::{Empty, Full};
use tower::{Layer, ServiceExt};
use tower_backoff::body::{NoReplayLayer, Replay, ReplayBody};
use tower_backoff::failure::Redirected;
use tower_backoff::policy::Provider;
use tower_backoff::{Backoff, BoxError, Idempotent, ReportSlot, Retry, RetryLayer, StopReason};

fn quick() -> RetryLayer {
    RetryLayer::new(Provider::new("test")).backoff(Backoff::exponential(Duration::from_millis(1)))
}

fn around(client: HttpClient) -> Retry<HttpClient> {
    quick().layer(client)
}

fn request(method: &str, uri: http::Uri) -> Request<Full<bytes::Bytes>> {
    Request::builder()
        .method(method)
        .uri(uri)
        .body(Full::from("order one"))
        .expect("a valid request")
}

/// Sends with both kinds of method; `get` and `post` say how many requests the server must see.
#[track_caller]
fn row(failure: &str, method: &str, seen: usize, expected: usize) {
    println!("{failure:45} | {method:4} | {seen} requests seen");
    assert_eq!(seen, expected, "{failure}, {method}");
}

#[tokio::test]
async fn http1_failures_are_retried_only_if_the_method_is_idempotent() {
    use wire::Step::{Close, Reset, Send};
    for (failure, steps) in [
        ("http1: closed without an answer", vec![Close]),
        ("http1: reset without an answer", vec![Reset]),
        (
            "http1: truncated head",
            vec![Send("HTTP/1.1 200 O".into()), Close],
        ),
    ] {
        for (method, expected) in [("GET", 2), ("PUT", 2), ("POST", 1), ("PATCH", 1)] {
            let steps = steps.clone();
            let server = Wire::start(move |received| match received.nth {
                1 => steps.clone(),
                _ => wire::answer(200, "", "ok"),
            })
            .await;
            let outcome = around(http1_client())
                .oneshot(request(method, server.uri("/")))
                .await;
            assert_eq!(outcome.is_ok(), expected == 2, "{failure}, {method}");
            row(failure, method, server.requests(), expected);
        }
    }
}

#[tokio::test]
async fn a_provider_can_bar_every_second_send_after_a_broken_connection() {
    use wire::Step::{Close, Reset};
    let barred = || {
        let policy = Provider::new("test").never_after_broken_connection();
        RetryLayer::new(policy).backoff(Backoff::exponential(Duration::from_millis(1)))
    };
    for step in [Close, Reset] {
        for method in ["GET", "PUT", "POST"] {
            let step = step.clone();
            let server = Wire::start(move |received| match received.nth {
                1 => vec![step.clone()],
                _ => wire::answer(200, "", "ok"),
            })
            .await;
            let mut request = request(method, server.uri("/"));
            request.extensions_mut().insert(Idempotent(true));
            let slot = ReportSlot::new();
            request.extensions_mut().insert(slot.clone());
            let service = barred().layer(http1_client());
            assert!(service.oneshot(request).await.is_err());
            let reason = slot.report().unwrap().stop_reason();
            assert_eq!(reason, Some(StopReason::NotSafe));
            row(
                "http1: a broken connection, barred",
                method,
                server.requests(),
                1,
            );
        }
    }
    // What was not sent is no question, and what is answered is another one.
    let (tries, client) = counting(http1_client());
    let nowhere = wire::uri(support::listener::refusing().await, "/");
    let layer = barred().max_retries(2);
    let request_to = |uri| request("POST", uri);
    assert!(
        layer
            .layer(client)
            .oneshot(request_to(nowhere))
            .await
            .is_err()
    );
    assert_eq!(tries.load(std::sync::atomic::Ordering::Relaxed), 3);
    let server = Wire::start(|received| match received.nth {
        1 => wire::answer(500, "", ""),
        _ => wire::answer(200, "", "ok"),
    })
    .await;
    let service = barred().layer(http1_client());
    service
        .oneshot(request("GET", server.uri("/")))
        .await
        .unwrap();
    assert_eq!(server.requests(), 2);
}

#[tokio::test]
async fn http2_refusals_that_prove_nothing_was_done_are_retried_with_any_method() {
    for (failure, steps, post_sees) in [
        (
            "http2: REFUSED_STREAM",
            frames::reset(Reason::REFUSED_STREAM),
            2,
        ),
        (
            "http2: GOAWAY, stream not processed",
            frames::go_away(Last::Before, Reason::NO_ERROR),
            2,
        ),
        (
            "http2: GOAWAY, stream perhaps processed",
            frames::go_away(Last::This, Reason::NO_ERROR),
            1,
        ),
        (
            "http2: INTERNAL_ERROR",
            frames::reset(Reason::INTERNAL_ERROR),
            1,
        ),
    ] {
        for (method, expected) in [("GET", 2), ("POST", post_sees)] {
            let steps = steps.clone();
            let server = H2::start(move |received| match received.nth {
                1 => steps.clone(),
                _ => frames::answer(200, &[], "ok"),
            })
            .await;
            let outcome = around(http2_client())
                .oneshot(request(method, server.uri("/")))
                .await;
            assert_eq!(outcome.is_ok(), expected == 2, "{failure}, {method}");
            row(failure, method, server.requests(), expected);
        }
    }
}

/// How many requests a server sees that says GOAWAY to the first of them.
async fn seen_after_a_goaway<B>(method: &str, body: B) -> usize
where
    B: Replay + Body<Data: Send, Error: Into<BoxError>> + Send + Unpin + 'static,
{
    let server = H2::start(move |received| match received.nth {
        1 => frames::go_away(Last::Before, Reason::NO_ERROR),
        _ => frames::answer(200, &[], "ok"),
    })
    .await;
    let client = quick().layer(http2_client_of::<B>());
    let outcome = client
        .oneshot(request(method, server.uri("/")).map(|_| body))
        .await;
    let seen = server.requests();
    assert_eq!(outcome.is_ok(), seen == 2, "{method}");
    seen
}

/// A GOAWAY proves that the body was not taken: it says nothing of a request that is nothing but its head.
#[tokio::test]
async fn a_post_without_content_is_not_sent_again_after_a_goaway_whatever_its_type() {
    let nothing = Empty::<bytes::Bytes>::new;
    for (method, expected) in [("GET", 2), ("POST", 1)] {
        let boxed = ReplayBody::new(BoxBody::new(nothing()), 1024);
        for (body, seen) in [
            ("Empty", seen_after_a_goaway(method, nothing()).await),
            (
                "Full",
                seen_after_a_goaway(method, Full::<bytes::Bytes>::default()).await,
            ),
            ("String", seen_after_a_goaway(method, String::new()).await),
            ("BoxBody", seen_after_a_goaway(method, boxed).await),
        ] {
            row(
                &format!("http2: GOAWAY, an empty {body}"),
                method,
                seen,
                expected,
            );
        }
    }
}

#[tokio::test]
async fn a_post_with_content_is_sent_again_after_a_goaway_whatever_its_type() {
    let boxed = ReplayBody::new(BoxBody::new(Full::<bytes::Bytes>::from("order one")), 1024);
    for (body, seen) in [
        (
            "Full",
            seen_after_a_goaway("POST", Full::<bytes::Bytes>::from("order one")).await,
        ),
        (
            "String",
            seen_after_a_goaway("POST", String::from("order one")).await,
        ),
        ("BoxBody", seen_after_a_goaway("POST", boxed).await),
    ] {
        row(&format!("http2: GOAWAY, a {body}"), "POST", seen, 2);
    }
}

#[tokio::test]
async fn a_refused_connection_is_tried_again_with_any_method() {
    let layer = quick().max_retries(2);
    for method in ["GET", "POST"] {
        let (tries, client) = counting(http1_client());
        let free = support::listener::refusing().await;
        let uri = wire::uri(free, "/");
        let outcome = layer.layer(client).oneshot(request(method, uri)).await;
        assert!(outcome.is_err());
        let tries = tries.load(std::sync::atomic::Ordering::Relaxed);
        row("refused connection, tries of the client", method, tries, 3);
    }
}

type Tries = std::sync::Arc<std::sync::atomic::AtomicUsize>;

fn counting(
    client: HttpClient,
) -> (
    Tries,
    impl tower::Service<
        Request<Full<bytes::Bytes>>,
        Response = http::Response<hyper::body::Incoming>,
        Error = hyper_util::client::legacy::Error,
    > + Clone,
) {
    let tries = Tries::default();
    let counter = tries.clone();
    let client = tower::ServiceBuilder::new()
        .map_request(move |request| {
            counter.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
            request
        })
        .service(client);
    (tries, client)
}

#[tokio::test]
async fn a_response_that_breaks_off_is_the_callers_and_is_not_retried() {
    use http_body_util::BodyExt;
    let server = Wire::always(wire::truncated_answer(200, "", "half")).await;
    let response = around(http1_client())
        .oneshot(request("GET", server.uri("/")))
        .await
        .expect("a head");
    assert!(response.into_body().collect().await.is_err());
    row(
        "http1: truncated body of a 200",
        "GET",
        server.requests(),
        1,
    );
}

/// RFC 9110, 15: a client treats an unrecognized status as the x00 of its class, so that 520 is a 500. Those of Cloudflare
/// (520 to 530), of AWS (561) and of proxies (598, 599) are not registered.
#[tokio::test(start_paused = true)]
async fn statuses_are_retried_as_the_safety_rule_says() {
    // status, requests seen of a GET, of a POST, of a POST with an Idempotency-Key
    for (code, get, post, keyed) in [
        (408, 2, 1, 2),
        (425, 2, 2, 2),
        (429, 2, 2, 2),
        (500, 2, 1, 2),
        (502, 2, 1, 2),
        (503, 2, 1, 2),
        (504, 2, 1, 2),
        (509, 2, 1, 2),
        (520, 2, 1, 2),
        (521, 2, 1, 2),
        (525, 2, 1, 2),
        (530, 2, 1, 2),
        (561, 2, 1, 2),
        (598, 2, 1, 2),
        (599, 2, 1, 2),
        (200, 1, 1, 1),
        (301, 1, 1, 1),
        (400, 1, 1, 1),
        (401, 1, 1, 1),
        (403, 1, 1, 1),
        (404, 1, 1, 1),
        (409, 1, 1, 2),
        (413, 1, 1, 1),
        (422, 1, 1, 1),
        (423, 1, 1, 1),
        (501, 1, 1, 1),
        (505, 1, 1, 1),
        (506, 1, 1, 1),
        (507, 1, 1, 1),
        (508, 1, 1, 1),
        (510, 1, 1, 1),
        (511, 1, 1, 1),
    ] {
        assert_eq!(
            seen(code, paused::get(URI), standard()).await,
            get,
            "{code} GET"
        );
        assert_eq!(
            seen(code, paused::request("QUERY", URI), standard()).await,
            get,
            "{code} QUERY"
        );
        assert_eq!(
            seen(code, paused::post(URI), standard()).await,
            post,
            "{code} POST"
        );
        let mut with_key = paused::post(URI);
        let key = http::HeaderValue::from_static("8e03978e");
        with_key.headers_mut().insert("idempotency-key", key);
        assert_eq!(
            seen(code, with_key, standard()).await,
            keyed,
            "{code} with a key"
        );
    }
}

/// RFC 9110, 15.5.9 (408: the connection closes) and 15.5.14 (413: the wait says that it is temporary); RFC 8470, 5.2 (425:
/// it was not processed).
#[tokio::test(start_paused = true)]
async fn what_a_server_says_it_has_not_done_is_sent_again_whatever_the_method() {
    for (code, header, value, post) in [
        (408, "connection", "close", 2),
        (408, "connection", "foo, Close", 2),
        (408, "connection", "keep-alive", 1),
        (408, "retry-after", "1", 1),
        (413, "retry-after", "1", 2),
        (413, "retry-after", "soon", 1),
        (425, "retry-after", "1", 2),
        (503, "connection", "close", 1),
    ] {
        let mock = Mock::new(move |nth, _| match nth {
            1 => answer(code, &[(header, value)], ""),
            _ => status(200),
        });
        let service = paused::around(&mock, RetryLayer::new(standard()));
        paused::send(&service, paused::post(URI)).await.unwrap();
        assert_eq!(mock.calls().len(), post, "{code} {header}: {value}");
    }
}

#[tokio::test]
async fn a_408_over_a_connection_that_closes_did_not_arrive() {
    for (headers, expected) in [("connection: close\r\n", 2), ("", 1)] {
        let server = Wire::start(move |received| match received.nth {
            1 => wire::answer(408, headers, ""),
            _ => wire::answer(200, "", "ok"),
        })
        .await;
        let request = request("POST", server.uri("/"));
        around(http1_client()).oneshot(request).await.unwrap();
        row("http1: 408", "POST", server.requests(), expected);
    }
}

#[tokio::test(start_paused = true)]
async fn the_wait_of_one_call_holds_no_other() {
    for (code, retried) in [(408, 408), (409, 409), (413, 413), (423, 423), (425, 425)] {
        let mock = Mock::new(move |nth, _| match nth {
            1 => answer(code, &[("retry-after", "30")], ""),
            _ => status(200),
        });
        let gates = tower_backoff::Gates::new();
        let policy = standard().retry_on([retried]);
        let service = paused::around(&mock, RetryLayer::new(policy).gates(&gates));
        let begun = tokio::time::Instant::now();
        let waiting = paused::start(&service, paused::get(URI));
        tokio::task::yield_now().await;
        assert_eq!(gates.snapshot()[0].closed_for, None, "{code}");
        paused::send(&service, paused::post(URI)).await.unwrap();
        assert_eq!(begun.elapsed(), paused::secs(0), "{code}");
        assert_eq!(paused::status_of(&waiting.await.unwrap()), 200);
        paused::assert_between(begun.elapsed(), paused::secs(30), paused::millis(301));
    }
}

#[tokio::test(start_paused = true)]
async fn a_spent_counter_holds_all_whatever_the_status() {
    let spent = [("x-ratelimit-remaining", "0"), ("x-ratelimit-reset", "30")];
    for code in [408, 425] {
        let mock = Mock::new(move |nth, _| match nth {
            1 => answer(code, &spent, ""),
            _ => status(200),
        });
        let service = paused::around(&mock, RetryLayer::new(standard()));
        let begun = tokio::time::Instant::now();
        let waiting = paused::start(&service, paused::get(URI));
        tokio::task::yield_now().await;
        paused::send(&service, paused::get(URI)).await.unwrap();
        paused::assert_between(begun.elapsed(), paused::secs(30), paused::secs(2));
        waiting.await.unwrap().unwrap();
    }
}

const URI: &str = "https://api.test/orders";

fn standard() -> Provider {
    Provider::new("test")
}

async fn seen(code: u16, request: Request<paused::Body>, policy: Provider) -> usize {
    let mock = Mock::new(move |nth, _| status(if nth == 1 { code } else { 200 }));
    let service = paused::around(&mock, RetryLayer::new(policy));
    let _ = paused::send(&service, request).await;
    mock.calls().len()
}

#[tokio::test(start_paused = true)]
async fn a_caller_and_a_provider_can_say_that_sending_twice_is_safe_or_is_not() {
    let mut safe = paused::post(URI);
    safe.extensions_mut().insert(Idempotent(true));
    assert_eq!(seen(500, safe, standard()).await, 2);
    let mut unsafe_put = paused::request("PUT", URI);
    unsafe_put.extensions_mut().insert(Idempotent(false));
    assert_eq!(seen(500, unsafe_put, standard()).await, 1);

    let unprocessed = standard().unprocessed_on([503]);
    assert_eq!(seen(503, paused::post(URI), unprocessed.clone()).await, 2);
    assert_eq!(seen(500, paused::post(URI), unprocessed).await, 1);
    let any = standard().retry_any_method([500]);
    assert_eq!(seen(500, paused::post(URI), any).await, 2);
}

#[tokio::test(start_paused = true)]
async fn retry_on_names_all_statuses_and_the_safety_rule_still_holds() {
    let only_500 = standard().retry_on([429, 500]);
    assert_eq!(seen(500, paused::get(URI), only_500.clone()).await, 2);
    assert_eq!(seen(500, paused::post(URI), only_500.clone()).await, 1);
    assert_eq!(seen(503, paused::get(URI), only_500.clone()).await, 1);
    assert_eq!(seen(429, paused::post(URI), only_500).await, 2);
    let never_429 = standard().retry_on([500]);
    assert_eq!(seen(429, paused::get(URI), never_429).await, 1);
    let odd = standard().retry_on([409]);
    assert_eq!(seen(409, paused::get(URI), odd.clone()).await, 2);
    assert_eq!(seen(409, paused::post(URI), odd).await, 1);
}

#[tokio::test(start_paused = true)]
async fn a_final_refusal_is_not_retried_whatever_its_status() {
    let out_of_credits = r#"{"error":{"type":"insufficient_quota","message":"Pay up."}}"#;
    for code in [402, 403, 429, 500, 503] {
        let mock = Mock::new(move |_, _| answer(code, &[("retry-after", "1")], out_of_credits));
        let policy = standard().final_codes(["INSUFFICIENT_QUOTA"]);
        let service = paused::around(&mock, RetryLayer::new(policy));
        let outcome = paused::send(&service, paused::get(URI)).await;
        assert_eq!(paused::status_of(&outcome), code);
        assert_eq!(mock.calls().len(), 1, "{code}");
        let ended = paused::report(&outcome).unwrap().stop_reason();
        assert_eq!(ended, Some(StopReason::Final));
        assert_eq!(
            paused::text(outcome).await,
            out_of_credits,
            "the body is whole"
        );
    }
}

#[tokio::test(start_paused = true)]
async fn the_body_is_sent_whole_every_time() {
    use http_body_util::BodyExt;
    let bodies = std::sync::Arc::new(std::sync::Mutex::new(Vec::new()));
    let seen = bodies.clone();
    let echo = tower::service_fn(move |request: Request<paused::Body>| {
        let seen = seen.clone();
        async move {
            let bytes = request.into_body().collect().await?.to_bytes();
            let count = {
                let mut seen = seen.lock().unwrap();
                seen.push(bytes);
                seen.len()
            };
            let code = if count < 3 { 429 } else { 200 };
            let response = http::Response::builder()
                .status(code)
                .header("retry-after", "1");
            Ok::<_, BoxError>(response.body(paused::Body::default())?)
        }
    });
    let service = RetryLayer::new(standard()).layer(echo);
    paused::send(&service, paused::post(URI)).await.unwrap();
    assert_eq!(*bodies.lock().unwrap(), ["order one"; 3]);
}

#[tokio::test]
async fn a_body_that_is_sent_once_arrives_whole() {
    let server = Wire::always(wire::answer(200, "", "ok")).await;
    let service = tower::ServiceBuilder::new()
        .layer(NoReplayLayer::new())
        .layer(RetryLayer::new(standard()))
        .service(http1_client_of());
    let request = request("POST", server.uri("/"));
    service.oneshot(request).await.unwrap();
    let received = &server.received()[0];
    assert_eq!(received.body, "order one");
    assert!(received.head.contains("content-length: 9"), "{received:?}");
}

#[tokio::test(start_paused = true)]
async fn a_body_that_can_be_sent_once_is_sent_once_and_the_report_says_why() {
    let mock = Mock::new(|_, _| answer(429, &[("retry-after", "5")], "no"));
    let layer = RetryLayer::new(standard());
    let service = tower::ServiceBuilder::new()
        .layer(NoReplayLayer::new())
        .layer(layer)
        .service(mock.clone());
    let outcome = paused::send(&service, paused::post(URI)).await;
    assert_eq!(paused::status_of(&outcome), 429);
    assert_eq!(mock.calls().len(), 1);
    let ended = paused::report(&outcome).unwrap().stop_reason();
    assert_eq!(ended, Some(StopReason::BodyNotReplayable));
}

#[tokio::test(start_paused = true)]
async fn a_host_whose_policy_never_retries_is_not_retried() {
    use tower_backoff::policy::{ByHost, Verdict, policy_fn};
    let once = policy_fn(|_| Verdict::accept());
    let mock = Mock::new(|_, _| status(429));
    let layer = RetryLayer::new(ByHost::new().host("once.test", once)).patience(paused::secs(70));
    let service = paused::around(&mock, layer);
    paused::send(&service, paused::get("https://once.test/"))
        .await
        .unwrap();
    assert_eq!(mock.calls().len(), 1);
    paused::send(&service, paused::get("https://other.test/"))
        .await
        .unwrap();
    assert_eq!(mock.calls().len(), 3);
}

#[tokio::test(start_paused = true)]
async fn a_429_without_a_host_waits_at_the_gate_of_the_layer() {
    let mock = Mock::new(|nth, _| status(if nth == 1 { 429 } else { 200 }));
    let start = tokio::time::Instant::now();
    let service = paused::around(&mock, RetryLayer::new(standard()));
    paused::send(&service, paused::get("/no/host"))
        .await
        .unwrap();
    assert!(start.elapsed() >= paused::secs(60));
}

#[tokio::test(start_paused = true)]
async fn layers_in_a_row_do_not_multiply_their_tries() {
    let mock = Mock::new(|_, _| status(500));
    let service = tower::ServiceBuilder::new()
        .layer(RetryLayer::new(standard()))
        .layer(RetryLayer::new(standard()))
        .layer(RetryLayer::new(standard()))
        .service(mock.clone());
    let response = paused::send(&service, paused::get(URI)).await.unwrap();
    assert_eq!((response.status().as_u16(), mock.calls().len()), (500, 5));
}

#[tokio::test(start_paused = true)]
async fn a_served_answer_with_nothing_left_is_served() {
    for code in [200, 301] {
        let mock = Mock::new(move |_, _| answer(code, &[("ratelimit", "\"a\";r=0;t=9")], "ok"));
        let service = paused::around(&mock, RetryLayer::new(standard()));
        let outcome = paused::send(&service, paused::get(URI)).await;
        assert_eq!(paused::status_of(&outcome), code);
        assert_eq!(mock.calls().len(), 1);
    }
}

#[tokio::test(start_paused = true)]
async fn the_old_counters_of_a_cached_response_stop_nobody() {
    let cached = [
        ("age", "30"),
        ("x-ratelimit-remaining", "0"),
        ("x-ratelimit-reset", "9"),
    ];
    let mock = Mock::new(move |_, _| answer(200, &cached, "ok"));
    let service = paused::around(&mock, RetryLayer::new(standard()));
    let start = tokio::time::Instant::now();
    for _ in 0..3 {
        paused::send(&service, paused::get(URI)).await.unwrap();
    }
    assert!(start.elapsed().is_zero());
}

#[tokio::test(start_paused = true)]
async fn a_header_that_forbids_another_try_is_obeyed() {
    let policy = || {
        let name = http::HeaderName::from_static("stripe-should-retry");
        standard().should_retry_header(name)
    };
    for (said, expected) in [("false", 1), ("true", 2), ("perhaps", 2)] {
        let mock = Mock::new(move |nth, _| match nth {
            1 => answer(500, &[("stripe-should-retry", said)], ""),
            _ => status(200),
        });
        let service = paused::around(&mock, RetryLayer::new(policy()));
        paused::send(&service, paused::get(URI)).await.unwrap();
        assert_eq!(mock.calls().len(), expected, "{said}");
    }
    let conflict = Mock::new(|nth, _| match nth {
        1 => answer(409, &[("stripe-should-retry", "true")], ""),
        _ => status(200),
    });
    let service = paused::around(&conflict, RetryLayer::new(policy()));
    paused::send(&service, paused::get(URI)).await.unwrap();
    assert_eq!(conflict.calls().len(), 2);
}

/// An answer of another address than was asked.
fn behind_a_redirect(code: u16, headers: &[(&str, &str)]) -> support::mock::Answer {
    let mut response = answer(code, headers, "no")?;
    let there = "https://files.test/7".parse()?;
    response.extensions_mut().insert(Redirected::new(there));
    Ok(response)
}

#[tokio::test(start_paused = true)]
async fn what_an_address_behind_a_redirect_answers_makes_no_post_safe() {
    for code in [425, 429, 500, 503] {
        for (idempotent, expected) in [(false, 1), (true, 2)] {
            let mock = Mock::new(move |nth, _| match nth {
                1 => behind_a_redirect(code, &[("retry-after", "1")]),
                _ => status(200),
            });
            let provider = standard()
                .unprocessed_on([503])
                .retry_any_method([425, 500]);
            let mut order = paused::post(URI);
            if idempotent {
                order.extensions_mut().insert(Idempotent(true));
            }
            let service = paused::around(&mock, RetryLayer::new(provider));
            paused::send(&service, order).await.unwrap();
            assert_eq!(mock.calls().len(), expected, "{code}");
        }
    }
}

#[tokio::test(start_paused = true)]
async fn failures_behind_a_redirect_are_an_outage_of_their_own_address() {
    let mock = Mock::new(|_, _| behind_a_redirect(502, &[]));
    let gates = tower_backoff::Gates::new();
    let service = paused::around(&mock, RetryLayer::new(standard()).gates(&gates));
    for _ in 0..6 {
        paused::send(&service, paused::get(URI)).await.unwrap();
    }
    let closed: Vec<_> = gates
        .snapshot()
        .into_iter()
        .filter(|gate| gate.closed_for.is_some())
        .collect();
    let scopes: Vec<_> = closed.iter().map(|gate| gate.scope.to_string()).collect();
    assert_eq!(scopes, ["https://files.test"]);
    paused::assert_nobody_is_left(&gates);
}
