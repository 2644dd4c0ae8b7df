//! hyper's clients beneath the layer: the pooling one, a custom pool, and bare connections.
//!
//! ```text
//! cargo run --example hyper
//! ```
//!
//! It starts a server on the loopback that answers 503 to every other request, and asks it in each way.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{HeaderValue, Request, Response, Uri, header::HOST};
use http_body_util::{BodyExt, Empty, Full};
use hyper::client::conn::{http1, http2};
use hyper::service::service_fn;
use hyper_util::client::{legacy::Client, pool};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tower::{Layer, Service, ServiceExt};
use tower_backoff::client::connection::{Http1, Http2};
use tower_backoff::policy::Provider;
use tower_backoff::{BoxError, Report, RetryLayer};

type Ask = Request<Empty<Bytes>>;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let server = start().await?;
    let whole = Uri::try_from(format!("http://{server}/hello"))?;

    let http1: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new()).build_http();
    ask("hyper-util's client, HTTP/1.1", http1, &whole).await?;

    let http2: Client<_, Empty<Bytes>> = Client::builder(TokioExecutor::new())
        .http2_only(true)
        .build_http();
    ask("hyper-util's client, HTTP/2", http2, &whole).await?;

    ask("a pool composed by hand", pooled(server), &whole).await?;

    // A bare connection wants the path alone; the `Host` header says whose gate it is.
    let path = Uri::from_static("/hello");
    let stream = TokioIo::new(TcpStream::connect(server).await?);
    let (sender, connection) = http1::handshake(stream).await?;
    tokio::spawn(connection);
    ask("one connection, HTTP/1.1", Http1::new(sender), &path).await?;

    let stream = TokioIo::new(TcpStream::connect(server).await?);
    let (sender, connection) = http2::handshake(TokioExecutor::new(), stream).await?;
    tokio::spawn(connection);
    ask("one connection, HTTP/2", Http2::new(sender), &whole).await
}

/// Sends one request through a layer of its own, and prints the result.
async fn ask<S, R>(what: &str, client: S, uri: &Uri) -> Result<(), BoxError>
where
    S: Service<Ask, Response = Response<R>> + Clone,
    S::Error: Into<BoxError>,
    R: http_body::Body,
    R::Error: Into<BoxError>,
{
    let client = RetryLayer::new(Provider::new(what.to_owned())).layer(client);
    let mut request = Request::get(uri.clone()).body(Empty::new())?;
    if uri.authority().is_none() {
        let host = HeaderValue::from_static("api.example.com");
        request.headers_mut().insert(HOST, host);
    }
    let response = client.oneshot(request).await?;
    let report = response.extensions().get::<Report>().cloned();
    let status = response.status();
    let body = response.into_body().collect().await.map_err(Into::into)?;
    let body = String::from_utf8_lossy(&body.to_bytes()).into_owned();
    println!(
        "{what:32} {status} {body:?}, {}",
        report.unwrap_or_default()
    );
    Ok(())
}

/// Creates a client with a cache of connections, which return to it after each response.
fn pooled(
    server: SocketAddr,
) -> impl Service<Ask, Response = Response<Full<Bytes>>, Error = BoxError> + Clone {
    let connect = tower::service_fn(move |server: SocketAddr| {
        Box::pin(async move {
            let stream = TokioIo::new(TcpStream::connect(server).await?);
            let (sender, connection) = http1::handshake(stream).await?;
            tokio::spawn(connection);
            Ok::<_, BoxError>(Http1::new(sender))
        })
    });
    let cache = pool::cache::builder().build(connect);
    tower::service_fn(move |request: Ask| {
        let cache = cache.clone();
        async move {
            let mut connection = cache.oneshot(server).await?;
            let (head, body) = connection.ready().await?.call(request).await?.into_parts();
            let body = Full::new(body.collect().await?.to_bytes());
            Ok(Response::from_parts(head, body))
        }
    })
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
                let (status, body) = if first {
                    (503, "not now")
                } else {
                    (200, "hello")
                };
                let response = Response::builder().status(status);
                std::future::ready(response.body(Full::<Bytes>::from(body)))
            });
            tokio::spawn(async move {
                let server = auto::Builder::new(TokioExecutor::new());
                server.serve_connection(TokioIo::new(stream), answer).await
            });
        }
    });
    Ok(server)
}
