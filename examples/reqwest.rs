//! reqwest beneath the layer, and the layer as a middleware of reqwest-middleware.
//!
//! ```text
//! cargo run --example reqwest --features reqwest-middleware
//! ```
//!
//! It starts a server on the loopback that answers every other request with a 429 and `Retry-After: 1`.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http::Response;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use reqwest_middleware::ClientBuilder;
use tokio::net::TcpListener;
use tower::Layer;
use tower_backoff::client::{self, reqwest_middleware::RetryMiddleware};
use tower_backoff::policy::Provider;
use tower_backoff::{BoxError, Report, RetryLayer};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let url = format!("http://{}/contacts", start().await?);
    let client = reqwest::Client::new();

    let request = client.get(&url).build()?;
    let layer = RetryLayer::new(Provider::new("acme"));
    let service = layer.layer(client::reqwest::ReqwestService::new(client.clone()));
    let response = client::reqwest::execute(&service, request).await?;
    say("as a service", response).await?;

    let client = ClientBuilder::new(client)
        .with(RetryMiddleware::new(RetryLayer::new(Provider::new(
            "acme too",
        ))))
        .build();
    let response = client.get(&url).send().await?;
    say("among middlewares", response).await
}

async fn say(what: &str, response: reqwest::Response) -> Result<(), BoxError> {
    let report = response.extensions().get::<Report>().cloned();
    let status = response.status();
    println!(
        "{what:18} {status} {:?}, {}",
        response.text().await?,
        report.unwrap_or_default()
    );
    Ok(())
}

async fn start() -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let server = listener.local_addr()?;
    let asked = Arc::new(AtomicUsize::new(0));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            let asked = Arc::clone(&asked);
            let answer = service_fn(move |_| {
                let first = asked.fetch_add(1, Ordering::Relaxed) % 2 == 0;
                let response = if first {
                    Response::builder().status(429).header("retry-after", "1")
                } else {
                    Response::builder()
                };
                std::future::ready(response.body("hello".to_owned()))
            });
            tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), answer));
        }
    });
    Ok(server)
}
