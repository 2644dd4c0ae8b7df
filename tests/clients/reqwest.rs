//! A `reqwest::Client` beneath the layer, alone and among middlewares.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use crate::support::wire::{self, Received, Step, Wire};
use reqwest_middleware::ClientBuilder;
use tower::{Layer, ServiceBuilder};
use tower_backoff::client::reqwest::{self as adapter, ReqwestService, SendThrough};
use tower_backoff::client::reqwest_middleware::RetryMiddleware;
use tower_backoff::failure::is_permanent;
use tower_backoff::policy::Provider;
use tower_backoff::{NotBefore, Patience, Report, ReportSlot, RetryLayer, StopReason};

/// Fails each first request to a path.
async fn flaky() -> Wire {
    Wire::start(|request: &Received| match request.nth {
        1 => wire::answer(503, "", "broken"),
        _ => wire::answer(200, "x-served: yes\r\n", "done"),
    })
    .await
}

fn layer() -> RetryLayer {
    RetryLayer::new(Provider::new("loopback"))
}

fn client() -> reqwest::Client {
    reqwest::Client::builder().no_proxy().build().unwrap()
}

#[tokio::test]
async fn a_request_goes_there_and_a_reqwest_response_comes_back() {
    let server = flaky().await;
    let client = client();
    let url = server.uri("/contacts?page=2").to_string();
    let request = client.put(&url).body("order one").build().unwrap();
    let service = layer().layer(ReqwestService::new(client));
    let response = adapter::execute(&service, request).await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.url().as_str(), url);
    assert_eq!(
        response.remote_addr().unwrap().port(),
        server.uri("/").port_u16().unwrap()
    );
    assert_eq!(response.headers()["x-served"], "yes");
    assert_eq!(response.extensions().get::<Report>().unwrap().attempts(), 2);
    assert_eq!(response.text().await.unwrap(), "done");
    let seen = server.received();
    assert_eq!(seen.len(), 2);
    assert!(seen.iter().all(|request| request.body == "order one"));
    assert_eq!(seen[0].head, seen[1].head);
}

#[tokio::test]
async fn a_builder_sends_through_the_layer_from_a_task_of_its_own() {
    let server = flaky().await;
    let client = client();
    let service = layer().layer(ReqwestService::new(client.clone()));
    let request = client.put(server.uri("/").to_string()).body("order one");
    let sent = tokio::spawn(async move { request.send_through(&service).await });
    let response = sent.await.unwrap().unwrap();
    assert_eq!(response.text().await.unwrap(), "done");
    let seen = server.received().into_iter();
    let bodies: Vec<_> = seen.map(|request| request.body).collect();
    assert_eq!(bodies, ["order one", "order one"]);

    let service = layer().layer(ReqwestService::new(client.clone()));
    let error = client.get("no address").send_through(&service).await;
    assert!(
        error
            .unwrap_err()
            .downcast_ref::<reqwest::Error>()
            .unwrap()
            .is_builder()
    );
}

#[tokio::test]
async fn the_timeout_of_a_request_holds_for_each_attempt() {
    let server = Wire::start(|request: &Received| match request.nth {
        1 => vec![Step::Wait(Duration::from_secs(30))],
        _ => wire::answer(200, "", "done"),
    })
    .await;
    let client = client();
    let request = client.get(server.uri("/").to_string());
    let request = request.timeout(Duration::from_millis(200)).build().unwrap();
    let service = layer().layer(ReqwestService::new(client));
    let response = adapter::execute(&service, request).await.unwrap();
    assert_eq!(response.text().await.unwrap(), "done");
}

#[tokio::test]
async fn a_stream_is_sent_once_and_its_refusal_comes_back_whole() {
    let server = Wire::always(wire::answer(503, "", "broken")).await;
    let client = client();
    let chunks = futures_util::stream::iter([Ok::<_, std::io::Error>("one"), Ok("two")]);
    let body = reqwest::Body::wrap(http_body_util::StreamBody::new(
        futures_util::StreamExt::map(chunks, |chunk| {
            chunk.map(|text| http_body::Frame::data(bytes::Bytes::from(text)))
        }),
    ));
    let request = client
        .put(server.uri("/").to_string())
        .body(body)
        .build()
        .unwrap();
    let service = layer().layer(ReqwestService::new(client));
    let response = adapter::execute(&service, request).await.unwrap();
    let report = response.extensions().get::<Report>().unwrap().clone();
    assert_eq!(
        (report.attempts(), report.stop_reason()),
        (1, Some(StopReason::BodyNotReplayable))
    );
    assert_eq!(response.text().await.unwrap(), "broken");
    assert_eq!(server.received().len(), 1);
}

#[tokio::test]
async fn a_connection_that_cannot_be_made_is_proof_that_nothing_was_sent() {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let uri = format!("http://{}/", listener.local_addr().unwrap());
    drop(listener);
    let builder = reqwest::Client::builder().no_proxy();
    let client = ReqwestService::from_builder(builder).unwrap();
    let slot = ReportSlot::new();
    let mut request = http::Request::post(&uri).body("order one").unwrap();
    request.extensions_mut().insert(slot.clone());
    let request = reqwest::Request::try_from(request).unwrap();
    let service = layer().max_retries(2).layer(client);
    let error = adapter::execute(&service, request).await.unwrap_err();
    assert!(error.downcast_ref::<reqwest::Error>().unwrap().is_connect());
    assert_eq!(slot.report().unwrap().attempts(), 3);
}

/// This reqwest has no TLS, and no reqwest speaks FTP.
#[tokio::test]
async fn an_address_that_it_cannot_speak_to_ends_the_call_at_once() {
    for uri in ["https://127.0.0.1/", "ftp://127.0.0.1/"] {
        for client in [
            ReqwestService::new(client()),
            ReqwestService::new(client()).without_redirects(),
        ] {
            let slot = ReportSlot::new();
            let request = http::Request::get(uri).extension(slot.clone()).body("");
            let request = reqwest::Request::try_from(request.unwrap()).unwrap();
            let service = layer().layer(client);
            let error = adapter::execute(&service, request).await.unwrap_err();
            assert!(is_permanent(&*error), "{error:?}");
            let report = slot.report().unwrap();
            assert_eq!(
                (report.attempts(), report.stop_reason()),
                (1, Some(StopReason::Permanent)),
                "{uri}"
            );
        }
    }
}

#[tokio::test]
async fn redirects_without_an_end_are_followed_once() {
    let server = Wire::always(wire::answer(302, "location: /again\r\n", "")).await;
    let (client, slot) = (client(), ReportSlot::new());
    let request = client.get(server.uri("/").to_string()).build().unwrap();
    let mut request = http::Request::<reqwest::Body>::try_from(request).unwrap();
    request.extensions_mut().insert(slot.clone());
    let service = layer().layer(ReqwestService::new(client));
    let request = request.try_into().unwrap();
    let error = adapter::execute(&service, request).await.unwrap_err();
    let error = error.downcast_ref::<reqwest::Error>();
    assert!(error.is_some_and(reqwest::Error::is_redirect), "{error:?}");
    let reason = slot.report().unwrap().stop_reason();
    assert_eq!(reason, Some(StopReason::Permanent));
    assert_eq!(
        server.requests(),
        11,
        "ten redirects, which reqwest follows"
    );
}

#[tokio::test]
async fn other_layers_stand_around_it_as_around_any_service() {
    let server = flaky().await;
    let client = client();
    let request = client.get(server.uri("/").to_string()).build().unwrap();
    let service = ServiceBuilder::new()
        .concurrency_limit(1)
        .layer(layer())
        .timeout(Duration::from_secs(5))
        .service(ReqwestService::new(client));
    let response = adapter::execute(&service, request).await.unwrap();
    assert_eq!(response.status(), 200);
}

#[tokio::test]
async fn a_middleware_retries_and_says_what_happened() {
    let server = flaky().await;
    let client = ClientBuilder::new(client())
        .with(RetryMiddleware::new(layer()))
        .build();
    let url = server.uri("/a?b=c").to_string();
    let response = client.get(&url).send().await.unwrap();
    assert_eq!(response.url().as_str(), url);
    assert_eq!(response.extensions().get::<Report>().unwrap().attempts(), 2);
    assert_eq!(response.text().await.unwrap(), "done");
}

#[tokio::test]
async fn with_the_middleware_retry_after_and_the_60_seconds_hold() {
    let server = Wire::start(|request: &Received| match request.head.contains("/bare") {
        true => wire::answer(429, "", ""),
        false if request.nth == 1 => wire::answer(429, "retry-after: 1\r\n", ""),
        false => wire::answer(200, "", "done"),
    })
    .await;
    let client = ClientBuilder::new(client())
        .with(RetryMiddleware::new(layer()))
        .build();
    let begun = Instant::now();
    let response = client
        .get(server.uri("/named").to_string())
        .send()
        .await
        .unwrap();
    assert_eq!(response.status(), 200);
    assert!(begun.elapsed() >= Duration::from_secs(1));
    let impatient = Patience::of(Duration::from_secs(5));
    let bare = client
        .get(server.uri("/bare").to_string())
        .with_extension(impatient);
    let response = bare.send().await.unwrap();
    assert_eq!(response.status(), 429);
    let report = response.extensions().get::<Report>().unwrap().clone();
    assert_eq!(report.stop_reason(), Some(StopReason::PatienceExceeded));
    // And the next caller is told without being sent.
    let next = client
        .get(server.uri("/named").to_string())
        .with_extension(impatient);
    let error = next.send().await.unwrap_err();
    let reqwest_middleware::Error::Middleware(error) = error else {
        panic!("{error:?}");
    };
    let not_before = error
        .downcast_ref::<NotBefore>()
        .expect("when to come back");
    assert!(not_before.wait() > Duration::from_secs(58));
    assert_eq!(server.received().len(), 3);
}

/// Counts, and leaves a mark for the middlewares before it.
struct Count(Arc<AtomicUsize>);

#[derive(Clone, Debug, PartialEq)]
struct Mark(usize);

#[async_trait::async_trait]
impl reqwest_middleware::Middleware for Count {
    async fn handle(
        &self,
        request: reqwest::Request,
        extensions: &mut http::Extensions,
        next: reqwest_middleware::Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        let nth = self.0.fetch_add(1, Ordering::Relaxed) + 1;
        extensions.insert(Mark(nth));
        next.run(request, extensions).await
    }
}

#[tokio::test]
async fn middlewares_after_it_run_for_each_attempt_and_keep_their_extensions() {
    let server = flaky().await;
    let count = Arc::new(AtomicUsize::new(0));
    let client = ClientBuilder::new(client())
        .with(RetryMiddleware::new(layer()))
        .with(Count(Arc::clone(&count)))
        .build();
    let request = reqwest::Request::new(
        reqwest::Method::GET,
        server.uri("/").to_string().parse().unwrap(),
    );
    let mut extensions = http::Extensions::new();
    client
        .execute_with_extensions(request, &mut extensions)
        .await
        .unwrap();
    assert_eq!(count.load(Ordering::Relaxed), 2);
    assert_eq!(extensions.get::<Mark>(), Some(&Mark(2)));
}

#[test]
fn the_default_headers_of_the_client_are_not_shown() {
    let mut headers = reqwest::header::HeaderMap::new();
    headers.insert("authorization", "Bearer sesame".parse().unwrap());
    let client = reqwest::Client::builder()
        .default_headers(headers)
        .build()
        .unwrap();
    let client = ReqwestService::new(client);
    let shown = format!("{client:?}");
    assert!(!shown.contains("sesame"), "{shown}");
}
