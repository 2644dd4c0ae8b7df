//! Tower manners: where the layer can stand, and what it does not demand.

use std::rc::Rc;
use std::time::Duration;

use crate::support::mock::{Mock, answer, status};
use crate::support::paused::*;
use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::util::{BoxCloneService, BoxCloneSyncService};
use tower::{Layer, ServiceBuilder, ServiceExt};
use tower_backoff::policy::Provider;
use tower_backoff::{Retry, RetryLayer};

const API: &str = "https://api.test/";
const LONG: Duration = Duration::from_secs(60);

fn standard() -> RetryLayer {
    RetryLayer::new(Provider::new("test"))
}

fn refusing_once() -> Mock {
    Mock::new(|nth, _| match nth {
        1 => answer(429, &[("retry-after", "2")], ""),
        _ => status(200),
    })
}

/// Sends one request that is refused once, and asserts that it was served.
macro_rules! served {
    ($service:expr) => {
        let response = $service.oneshot(get(API)).await.expect("served");
        assert_eq!(response.status(), 200);
    };
}

#[tokio::test(start_paused = true)]
async fn it_stands_outside_of_towers_layers_without_a_type_annotation() {
    served!(
        ServiceBuilder::new()
            .layer(standard())
            .timeout(Duration::from_secs(1))
            .service(refusing_once())
    );
    served!(
        ServiceBuilder::new()
            .layer(standard())
            .concurrency_limit(1)
            .service(refusing_once())
    );
    served!(
        ServiceBuilder::new()
            .layer(standard())
            .buffer(4)
            .service(refusing_once())
    );
    served!(
        ServiceBuilder::new()
            .layer(standard())
            .load_shed()
            .concurrency_limit(4)
            .service(refusing_once())
    );
}

#[tokio::test(start_paused = true)]
async fn it_stands_inside_of_towers_layers_without_a_type_annotation() {
    served!(
        ServiceBuilder::new()
            .timeout(LONG)
            .layer(standard())
            .service(refusing_once())
    );
    served!(
        ServiceBuilder::new()
            .concurrency_limit(1)
            .layer(standard())
            .service(refusing_once())
    );
    served!(
        ServiceBuilder::new()
            .buffer(4)
            .layer(standard())
            .service(refusing_once())
    );
    served!(
        ServiceBuilder::new()
            .boxed_clone()
            .layer(standard())
            .service(refusing_once())
    );
}

#[tokio::test(start_paused = true)]
async fn a_timeout_inside_is_per_attempt_and_one_outside_is_for_the_whole_call() {
    let mock = refusing_once().taking(Duration::from_millis(900));
    let per_attempt = ServiceBuilder::new()
        .layer(standard())
        .timeout(Duration::from_secs(1))
        .service(mock);
    served!(per_attempt);
    let whole = ServiceBuilder::new()
        .timeout(Duration::from_secs(1))
        .layer(standard())
        .service(refusing_once());
    let error = whole.oneshot(get(API)).await.unwrap_err();
    assert!(error.is::<tower::timeout::error::Elapsed>());
}

#[tokio::test(start_paused = true)]
async fn it_stands_between_tower_https_layers() {
    use tower_http::{decompression::DecompressionLayer, trace::TraceLayer};
    served!(
        ServiceBuilder::new()
            .layer(TraceLayer::new_for_http())
            .layer(DecompressionLayer::new())
            .layer(standard())
            .service(refusing_once())
    );
    served!(
        ServiceBuilder::new()
            .layer(standard())
            .layer(TraceLayer::new_for_http())
            .layer(DecompressionLayer::new())
            .service(refusing_once())
    );
}

#[tokio::test(start_paused = true)]
async fn it_can_be_boxed_and_shared() {
    type Boxed<R> = BoxCloneSyncService<Request<Body>, Response<R>, tower_backoff::BoxError>;
    let boxed: Boxed<_> = BoxCloneSyncService::new(standard().layer(refusing_once()));
    served!(boxed);
    let boxed = BoxCloneService::new(standard().layer(refusing_once()));
    served!(boxed);
    // And around a boxed one.
    let inner: Boxed<Full<Bytes>> = BoxCloneSyncService::new(refusing_once());
    served!(standard().layer(inner));
}

#[tokio::test(start_paused = true)]
async fn two_layers_in_a_row_wait_as_one() {
    served!(
        ServiceBuilder::new()
            .layer(standard())
            .layer(standard())
            .service(refusing_once())
    );
}

#[tokio::test(start_paused = true)]
async fn a_service_needs_to_be_clone_and_nothing_more() {
    // Neither `Send` nor `'static`: it borrows from the stack and counts in an `Rc`.
    let greeting = String::from("hello");
    let count = Rc::new(std::cell::Cell::new(0));
    let local = tower::service_fn(|_: Request<Body>| {
        let (count, greeting) = (Rc::clone(&count), &greeting);
        async move {
            count.set(count.get() + 1);
            let code = if count.get() == 1 { 429 } else { 200 };
            let response = Response::builder().status(code).header("retry-after", "1");
            Ok::<_, tower_backoff::BoxError>(response.body(greeting.clone())?)
        }
    });
    served!(standard().layer(local));
    assert_eq!(count.get(), 2);
}

#[tokio::test(start_paused = true)]
async fn request_and_response_bodies_may_be_of_any_type() {
    let service = standard().layer(tower::service_fn(|request: Request<String>| async move {
        Ok::<_, std::convert::Infallible>(Response::new(Full::<Bytes>::from(request.into_body())))
    }));
    let request = Request::new(String::from("7"));
    let response = service.oneshot(request).await.unwrap();
    use http_body_util::BodyExt;
    let body = response.into_body().collect().await.unwrap();
    assert_eq!(body.to_bytes(), "7");
}

#[test]
fn what_should_be_send_and_sync_is() {
    fn is<T: Send + Sync + Unpin + 'static>() {}
    is::<RetryLayer>();
    is::<Retry<Mock>>();
    is::<tower_backoff::Gates>();
    is::<tower_backoff::Report>();
    is::<tower_backoff::ReportSlot>();
    is::<tower_backoff::NotBefore>();
    is::<Provider>();
    is::<tower_backoff::body::ResponseBody<Full<Bytes>>>();
    fn is_sync<T: Send + Sync>(_: &T) {}
    let mut readied = standard().layer(tower::service_fn(|_: Request<Body>| {
        std::future::ready(Ok::<_, tower_backoff::BoxError>(Response::new(
            Body::default(),
        )))
    }));
    is_sync(&readied.call(get(API)));
}

#[test]
fn the_future_is_small() {
    let mut service = standard().layer(tower::service_fn(|_: Request<Body>| {
        std::future::ready(Ok::<_, tower_backoff::BoxError>(Response::new(
            Body::default(),
        )))
    }));
    let copy = size_of::<Request<Body>>();
    let answer = size_of::<Result<Response<Body>, tower_backoff::BoxError>>();
    let future = service.call(get(API));
    let own = size_of_val(&future) - copy - answer;
    assert!(own <= 104, "{own} bytes of its own");
}

/// `{"code":"BROKE"}`, by gzip.
const BROKE: &[u8] = &[
    0x1f, 0x8b, 0x08, 0x00, 0x00, 0x00, 0x00, 0x00, 0x02, 0x03, 0xab, 0x56, 0x4a, 0xce, 0x4f, 0x49,
    0x55, 0xb2, 0x52, 0x72, 0x0a, 0xf2, 0xf7, 0x76, 0x55, 0xaa, 0x05, 0x00, 0x62, 0xb1, 0x7a, 0x2a,
    0x10, 0x00, 0x00, 0x00,
];

#[tokio::test(start_paused = true)]
async fn a_final_code_in_a_compressed_body_is_seen_if_decompression_stands_inside() {
    use tower_http::decompression::DecompressionLayer;
    let broke = || {
        Mock::new(|_, _| {
            let mut refusal = answer(
                429,
                &[("retry-after", "1"), ("content-encoding", "gzip")],
                "",
            )?;
            *refusal.body_mut() = Full::from(BROKE);
            Ok(refusal)
        })
    };
    let layer = RetryLayer::new(Provider::new("test").final_codes(["BROKE"])).patience(LONG);
    let mock = broke();
    let inside = ServiceBuilder::new()
        .layer(layer.clone())
        .layer(DecompressionLayer::new())
        .service(mock.clone());
    assert_eq!(inside.oneshot(get(API)).await.unwrap().status(), 429);
    assert_eq!(mock.calls().len(), 1, "out of credits: once is enough");
    let mock = broke();
    let outside = ServiceBuilder::new()
        .layer(DecompressionLayer::new())
        .layer(layer)
        .service(mock.clone());
    assert_eq!(outside.oneshot(get(API)).await.unwrap().status(), 429);
    assert!(mock.calls().len() > 1, "the code was not seen");
}

#[tokio::test(start_paused = true)]
async fn load_shedding_outside_does_not_see_who_waits_and_max_waiting_does() {
    let layer = standard().max_waiting(2);
    let mock = Mock::new(|_, _| answer(429, &[("retry-after", "30")], ""));
    let service = ServiceBuilder::new().load_shed().layer(layer).service(mock);
    let waiting: Vec<_> = (0..2).map(|_| start(&service, get(API))).collect();
    tokio::time::sleep(Duration::from_secs(1)).await;
    let over = waiting.iter().filter(|call| call.is_finished());
    assert_eq!(over.count(), 0, "the layer is ready all the time");
    let error = send(&service, get(API)).await.unwrap_err();
    assert!(error.is::<tower_backoff::NotBefore>(), "{error}");
}

/// When all calls to the other hosts are over, while one host of ten makes its calls wait for a second.
macro_rules! others_are_over_after {
    ($stack:expr) => {{
        let mock = Mock::new(|nth, _| match nth {
            1 => answer(429, &[("retry-after", "1")], ""),
            _ => status(200),
        });
        let service = $stack.service(mock.taking(Duration::from_millis(50)));
        let begun = tokio::time::Instant::now();
        let call = |nth: u32| {
            start(
                &service,
                get(&format!("https://host-{}.test/{}", nth % 10, nth / 10)),
            )
        };
        let calls: Vec<_> = (0..200).map(call).collect();
        for (nth, call) in calls.into_iter().enumerate() {
            if nth % 10 != 0 {
                call.await.unwrap().unwrap();
            }
        }
        begun.elapsed()
    }};
}

#[tokio::test(start_paused = true)]
async fn a_concurrency_limit_over_many_hosts_belongs_inside() {
    let builder = ServiceBuilder::new;
    let inside = others_are_over_after!(builder().layer(standard()).concurrency_limit(10));
    let outside = others_are_over_after!(builder().concurrency_limit(10).layer(standard()));
    println!("inside {inside:?}, outside {outside:?}");
    assert!(inside <= Duration::from_millis(1_000), "{inside:?}");
    assert!(
        outside >= inside + Duration::from_millis(300),
        "{outside:?}"
    );
}
