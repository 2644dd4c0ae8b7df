//! hyper-util's client over rustls: each connection is refused once, and then reused.
//!
//! ```text
//! cargo run --example tls
//! ```
//!
//! It makes a certificate, starts a server on the loopback with it that answers 429 to the first request of each
//! connection, and asks it over HTTP/2 and over HTTP/1.1. The client trusts this certificate and no other.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Request, Response, Uri};
use http_body_util::{BodyExt, Empty};
use hyper::service::service_fn;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder};
use hyper_util::client::legacy::{Client, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::{ClientConfig, RootCertStore, ServerConfig};
use tower::{ServiceBuilder, ServiceExt};
use tower_backoff::policy::Provider;
use tower_backoff::{BoxError, Report, RetryLayer};

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let made = rcgen::generate_simple_self_signed([Ipv4Addr::LOCALHOST.to_string()])?;
    let mut roots = RootCertStore::empty();
    roots.add(made.cert.der().clone())?;
    let mut server = ServerConfig::builder()
        .with_no_client_auth()
        .with_single_cert(vec![made.cert.into()], made.signing_key.into())?;
    server.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let uri = Uri::try_from(format!("https://{}/hello", start(server).await?))?;

    let client = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let https = || HttpsConnectorBuilder::new().with_tls_config(client.clone());
    // Both protocols are offered, and the server prefers HTTP/2.
    let either = https().https_only().enable_all_versions().build();
    ask("offers both", either, &uri).await?;
    let http1 = https().https_only().enable_http1().build();
    ask("offers HTTP/1.1", http1, &uri).await
}

/// Sends one request through a layer of its own, and prints the result.
async fn ask(
    what: &'static str,
    connector: HttpsConnector<HttpConnector>,
    uri: &Uri,
) -> Result<(), BoxError> {
    let client = ServiceBuilder::new()
        .layer(RetryLayer::new(Provider::new(what)))
        .service(Client::builder(TokioExecutor::new()).build(connector));
    let request = Request::get(uri.clone()).body(Empty::<Bytes>::new())?;
    let response = client.oneshot(request).await?;
    let report = response.extensions().get::<Report>().cloned();
    let (version, status) = (response.version(), response.status());
    let body = response.into_body().collect().await?.to_bytes();
    println!(
        "{what:15} {version:?} {status}, {}, {}",
        String::from_utf8_lossy(&body),
        report.unwrap_or_default()
    );
    Ok(())
}

async fn start(tls: ServerConfig) -> std::io::Result<SocketAddr> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let server = listener.local_addr()?;
    let tls = TlsAcceptor::from(Arc::new(tls));
    tokio::spawn(async move {
        while let Ok((stream, _)) = listener.accept().await {
            tokio::spawn(serve(tls.clone(), stream));
        }
    });
    Ok(server)
}

/// Refuses the first request of a connection, with a wait of a second.
async fn serve(tls: TlsAcceptor, stream: TcpStream) -> Result<(), BoxError> {
    let stream = tls.accept(stream).await?;
    let asked = AtomicUsize::new(0);
    let answer = service_fn(move |_| {
        let nth = asked.fetch_add(1, Ordering::Relaxed) + 1;
        let response = match nth {
            1 => Response::builder().status(429).header("retry-after", "1"),
            _ => Response::builder(),
        };
        std::future::ready(response.body(format!("request {nth} of its connection")))
    });
    let http = auto::Builder::new(TokioExecutor::new());
    http.serve_connection(TokioIo::new(stream), answer).await
}
