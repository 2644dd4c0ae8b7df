//! Redirects that a client follows beneath the layer: what the last address answers proves nothing about the first.

use std::time::{Duration, Instant};

use crate::support;
use crate::support::wire::{self, Received, Wire};
use reqwest_middleware::{ClientBuilder, ClientWithMiddleware};
use tower::{Layer, ServiceBuilder};
use tower_backoff::client::{reqwest as adapter, reqwest_middleware::RetryMiddleware};
use tower_backoff::failure::Unsent;
use tower_backoff::policy::Provider;
use tower_backoff::{
    Backoff as Delays, BoxError, Gates, Idempotent, Patience, Report, RetryLayer, StopReason,
};

fn layer(gates: &Gates) -> RetryLayer {
    RetryLayer::new(Provider::new("loopback"))
        .gates(gates)
        .backoff(Delays::exponential(Duration::from_millis(1)))
}

fn builder() -> reqwest::ClientBuilder {
    reqwest::Client::builder().no_proxy()
}

/// Sends every request on to this address.
async fn redirecting(status: u16, to: String) -> Wire {
    Wire::always(wire::answer(status, &format!("location: {to}\r\n"), "")).await
}

/// Refuses the first request, and serves all others.
async fn refusing_once(headers: &'static str) -> Wire {
    Wire::start(move |request: &Received| match request.nth {
        1 => wire::answer(429, headers, "not now"),
        _ => wire::answer(200, "", "done"),
    })
    .await
}

/// The two ways to put a client beneath the layer.
#[derive(Clone, Copy, Debug)]
enum Way {
    Service,
    Middleware,
}

const WAYS: [Way; 2] = [Way::Service, Way::Middleware];

fn middleware(layer: RetryLayer) -> ClientWithMiddleware {
    let client = ClientBuilder::new(builder().build().unwrap());
    client.with(RetryMiddleware::new(layer)).build()
}

/// Sends through a client that may follow redirects.
async fn send(
    way: Way,
    layer: RetryLayer,
    method: &str,
    url: String,
    extension: impl Clone + Send + Sync + 'static,
) -> Result<reqwest::Response, BoxError> {
    let request = http::Request::builder().method(method).uri(url);
    let request = request.extension(extension.clone()).body("order one")?;
    let request = reqwest::Request::try_from(request)?;
    match way {
        Way::Service => {
            let service = layer.layer(adapter::ReqwestService::new(builder().build()?));
            adapter::execute(&service, request).await
        }
        Way::Middleware => {
            let mut extensions = http::Extensions::new();
            extensions.insert(extension);
            let client = middleware(layer);
            Ok(client
                .execute_with_extensions(request, &mut extensions)
                .await?)
        }
    }
}

#[tokio::test]
async fn a_post_is_sent_once_if_the_connection_behind_its_redirect_cannot_be_made() {
    for way in WAYS {
        let nowhere = support::listener::refusing().await;
        let server = redirecting(303, format!("http://{nowhere}/")).await;
        let url = server.uri("/orders").to_string();
        let error = send(way, layer(&Gates::new()), "POST", url, ())
            .await
            .unwrap_err();
        let error = match error.downcast::<reqwest_middleware::Error>() {
            Ok(error) => match *error {
                reqwest_middleware::Error::Reqwest(error) => error,
                error => panic!("{error:?}"),
            },
            Err(error) => *error
                .downcast::<reqwest::Error>()
                .expect("the client's own"),
        };
        assert!(error.is_connect(), "{way:?}: {error:?}");
        assert_eq!(server.requests(), 1, "{way:?}");
    }
}

#[tokio::test]
async fn a_post_is_sent_once_if_the_address_behind_its_redirect_refuses() {
    for way in WAYS {
        let (gates, refusing) = (Gates::new(), refusing_once("retry-after: 1\r\n").await);
        let server = redirecting(303, refusing.uri("/orders/7").to_string()).await;
        let url = server.uri("/orders").to_string();
        let response = send(way, layer(&gates), "POST", url, ()).await.unwrap();
        let ended = response
            .extensions()
            .get::<Report>()
            .and_then(Report::stop_reason);
        assert_eq!(
            (response.status().as_u16(), ended),
            (429, Some(StopReason::NotSafe))
        );
        assert_eq!(
            response.url().as_str(),
            refusing.uri("/orders/7").to_string()
        );
        assert_eq!(response.text().await.unwrap(), "not now");
        assert_eq!((server.requests(), refusing.requests()), (1, 1), "{way:?}");
        // The gate of the address that refused is closed, and no other.
        let closed: Vec<_> = gates
            .snapshot()
            .into_iter()
            .filter(|gate| gate.closed_for.is_some())
            .collect();
        let scopes: Vec<_> = closed.iter().map(|gate| gate.scope.to_string()).collect();
        let refused = refusing.uri("").to_string();
        assert_eq!(scopes, [refused.trim_end_matches('/')], "{way:?}");
    }
}

#[tokio::test]
async fn a_post_that_may_be_sent_twice_is() {
    for way in WAYS {
        let refusing = refusing_once("retry-after: 0\r\n").await;
        let server = redirecting(303, refusing.uri("/orders/7").to_string()).await;
        let url = server.uri("/orders").to_string();
        let response = send(way, layer(&Gates::new()), "POST", url, Idempotent(true)).await;
        assert_eq!(response.unwrap().status(), 200);
        assert_eq!((server.requests(), refusing.requests()), (2, 2), "{way:?}");
    }
}

#[tokio::test]
async fn a_get_waits_as_long_as_the_address_behind_its_redirect_says() {
    for way in WAYS {
        let refusing = refusing_once("retry-after: 1\r\n").await;
        let server = redirecting(302, refusing.uri("/contacts").to_string()).await;
        let (begun, url) = (Instant::now(), server.uri("/").to_string());
        let response = send(way, layer(&Gates::new()), "GET", url, ())
            .await
            .unwrap();
        assert!(begun.elapsed() >= Duration::from_secs(1), "{way:?}");
        assert_eq!((response.status().as_u16(), refusing.requests()), (200, 2));
        let report = response.extensions().get::<Report>().unwrap();
        assert_eq!(
            (report.attempts(), report.decided_by()),
            (2, Some("retry-after"))
        );
    }
}

#[tokio::test]
async fn a_bare_429_behind_a_redirect_shuts_its_own_address_for_60_seconds() {
    for way in WAYS {
        let (gates, refusing) = (Gates::new(), refusing_once("").await);
        let server = Wire::start({
            let to = refusing.uri("/contacts").to_string();
            move |request: &Received| match request.head.contains("/away") {
                true => wire::answer(302, &format!("location: {to}\r\n"), ""),
                false => wire::answer(200, "", "here"),
            }
        })
        .await;
        let layer = layer(&gates);
        let impatient = Patience::of(Duration::from_secs(5));
        let get = |url: http::Uri| send(way, layer.clone(), "GET", url.to_string(), impatient);
        let response = get(server.uri("/away")).await.unwrap();
        let ended = response
            .extensions()
            .get::<Report>()
            .and_then(Report::stop_reason);
        assert_eq!(
            (response.status().as_u16(), ended),
            (429, Some(StopReason::PatienceExceeded))
        );
        assert_eq!(get(server.uri("/")).await.unwrap().status(), 200);
        get(refusing.uri("/"))
            .await
            .expect_err("its gate is closed");
        assert_eq!((server.requests(), refusing.requests()), (2, 1), "{way:?}");
    }
}

#[tokio::test]
async fn a_failed_connection_proves_nothing_if_the_client_may_have_followed_a_redirect() {
    for way in WAYS {
        let nowhere = support::listener::refusing().await;
        let slot = tower_backoff::ReportSlot::new();
        let url = format!("http://{nowhere}/");
        send(way, layer(&Gates::new()), "POST", url, slot.clone())
            .await
            .unwrap_err();
        assert_eq!(slot.report().unwrap().attempts(), 1, "{way:?}");
    }
}

#[tokio::test]
async fn a_client_that_follows_none_keeps_its_proofs_and_hands_redirects_back() {
    let nowhere = support::listener::refusing().await;
    let away = redirecting(303, format!("http://{nowhere}/")).await;
    for way in WAYS {
        let attempts = |url: String| async {
            let slot = tower_backoff::ReportSlot::new();
            let layer = layer(&Gates::new()).max_retries(2);
            let request = http::Request::post(url).extension(slot.clone());
            let request = reqwest::Request::try_from(request.body("order one").unwrap()).unwrap();
            let status = match way {
                Way::Service => {
                    let client = adapter::ReqwestService::from_builder(builder()).unwrap();
                    let response = adapter::execute(&layer.layer(client), request).await;
                    response.map(|response| response.status().as_u16()).ok()
                }
                Way::Middleware => {
                    let client = builder().redirect(reqwest::redirect::Policy::none());
                    let backoff = RetryMiddleware::new(layer).without_redirects();
                    let client = ClientBuilder::new(client.build().unwrap())
                        .with(backoff)
                        .build();
                    let mut extensions = http::Extensions::new();
                    extensions.insert(slot.clone());
                    let response = client
                        .execute_with_extensions(request, &mut extensions)
                        .await;
                    response.map(|response| response.status().as_u16()).ok()
                }
            };
            (status, slot.report().map(|report| report.attempts()))
        };
        assert_eq!(
            attempts(format!("http://{nowhere}/")).await,
            (None, Some(3)),
            "{way:?}"
        );
        let url = away.uri("/orders").to_string();
        assert_eq!(attempts(url).await, (Some(303), Some(1)), "{way:?}");
    }
}

#[tokio::test]
async fn redirects_are_followed_outside_of_the_layer() -> Result<(), BoxError> {
    let gates = Gates::new();
    let refusing = refusing_once("retry-after: 1\r\n").await;
    let server = redirecting(303, refusing.uri("/orders/7").to_string()).await;
    let service = ServiceBuilder::new()
        .layer(tower_http::follow_redirect::FollowRedirectLayer::new())
        .layer(layer(&gates))
        .service(adapter::ReqwestService::from_builder(builder())?);
    let request = builder().build()?.post(server.uri("/orders").to_string());
    let response = adapter::execute(&service, request.body("order one").build()?).await?;
    assert_eq!(response.status(), 200);
    assert_eq!(
        response.url().as_str(),
        refusing.uri("/orders/7").to_string()
    );
    assert_eq!((server.requests(), refusing.requests()), (1, 2));
    assert!(
        refusing
            .received()
            .iter()
            .all(|request| request.head.starts_with("GET "))
    );
    Ok(())
}

#[tokio::test]
async fn what_an_address_behind_a_redirect_has_left_is_counted_there() {
    for way in WAYS {
        let gates = Gates::new();
        let spent = "x-ratelimit-remaining: 0\r\nx-ratelimit-reset: 30\r\n";
        let other = Wire::always(wire::answer(200, spent, "done")).await;
        let server = redirecting(302, other.uri("/contacts").to_string()).await;
        let url = server.uri("/").to_string();
        send(way, layer(&gates), "GET", url, ()).await.unwrap();
        for gate in gates.snapshot() {
            let is_other = other.uri("/").port()
                == gate.scope.to_string().parse::<http::Uri>().unwrap().port();
            assert_eq!(gate.closed_for.is_some(), is_other, "{way:?}: {gate:?}");
            assert_eq!(gate.in_flight, 0);
        }
        assert_eq!(gates.snapshot().len(), 2);
    }
}

/// Signs requests in their query, as some APIs want it.
struct Signs;

#[async_trait::async_trait]
impl reqwest_middleware::Middleware for Signs {
    async fn handle(
        &self,
        mut request: reqwest::Request,
        extensions: &mut http::Extensions,
        next: reqwest_middleware::Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        request
            .url_mut()
            .query_pairs_mut()
            .append_pair("signature", "7");
        next.run(request, extensions).await
    }
}

#[tokio::test]
async fn an_address_that_a_middleware_has_signed_is_no_redirect_of_a_client_that_follows_none() {
    let server = refusing_once("retry-after: 0\r\n").await;
    let client = builder().redirect(reqwest::redirect::Policy::none());
    let client = ClientBuilder::new(client.build().unwrap())
        .with(RetryMiddleware::new(layer(&Gates::new())).without_redirects())
        .with(Signs)
        .build();
    let request = client.post(server.uri("/orders").to_string());
    let response = request.body("order one").send().await.unwrap();
    assert_eq!((response.status().as_u16(), server.requests()), (200, 2));
}

/// Wraps every error of the client.
struct Wraps(fn(reqwest_middleware::Error) -> anyhow::Error);

#[async_trait::async_trait]
impl reqwest_middleware::Middleware for Wraps {
    async fn handle(
        &self,
        request: reqwest::Request,
        extensions: &mut http::Extensions,
        next: reqwest_middleware::Next<'_>,
    ) -> reqwest_middleware::Result<reqwest::Response> {
        let answered = next.run(request, extensions).await;
        answered.map_err(|error| self.0(error).into())
    }
}

#[tokio::test]
async fn a_middleware_that_wraps_an_error_of_the_client_makes_no_proof_of_it() {
    use reqwest_middleware::Error::{self, Middleware, Reqwest};
    let bare = |error: Error| match error {
        Middleware(error) => error,
        Reqwest(error) => error.into(),
    };
    let wraps: [fn(Error) -> anyhow::Error; 4] = [
        anyhow::Error::from,
        bare,
        |error| anyhow::Error::from(error).context("orders"),
        |error| anyhow::Error::from(Error::middleware(std::io::Error::other(error))),
    ];
    for (nth, wrap) in wraps.into_iter().enumerate() {
        let nowhere = support::listener::refusing().await;
        let server = redirecting(303, format!("http://{nowhere}/")).await;
        let client = ClientBuilder::new(builder().build().unwrap())
            .with(RetryMiddleware::new(layer(&Gates::new())))
            .with(Wraps(wrap))
            .build();
        let request = client.post(server.uri("/orders").to_string());
        let error = request.body("order one").send().await.unwrap_err();
        assert!(error.is_middleware(), "{nth}: {error:?}");
        assert_eq!(server.requests(), 1, "{nth}");
    }
}

#[tokio::test]
async fn a_middleware_that_sends_nothing_says_so_and_its_error_comes_back_as_it_was() {
    let slot = tower_backoff::ReportSlot::new();
    let client = ClientBuilder::new(builder().build().unwrap())
        .with(RetryMiddleware::new(layer(&Gates::new()).max_retries(2)))
        .with(Wraps(|_| Unsent::new("its own limit").into()))
        .build();
    let nowhere = support::listener::refusing().await;
    let request = client.post(format!("http://{nowhere}/"));
    let request = request.with_extension(slot.clone()).body("order one");
    let reqwest_middleware::Error::Middleware(error) = request.send().await.unwrap_err() else {
        panic!("it is the error of the middleware");
    };
    assert!(error.is::<Unsent>(), "{error:?}");
    assert_eq!(slot.report().unwrap().attempts(), 3);
}
