//! TLS of the operating system beneath the layer: hyper-util's client over native-tls, which is OpenSSL here.
#![cfg(not(any(target_os = "macos", target_os = "ios", windows)))]

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::Request;
use http_body_util::Full;
use hyper_tls::HttpsConnector;
use hyper_util::client::legacy::{self, connect::HttpConnector};
use hyper_util::rt::TokioExecutor;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::PrivateKeyDer;
use tokio_rustls::rustls::server::{WantsServerCert, WebPkiClientVerifier};
use tokio_rustls::rustls::{
    ConfigBuilder, RootCertStore, ServerConfig, SupportedProtocolVersion, version,
};
use tower::{Layer, ServiceExt};
use tower_backoff::failure::is_permanent;
use tower_backoff::policy::Provider;
use tower_backoff::{BoxError, Report, ReportSlot, Retry, RetryLayer, StopReason};

type Client = Retry<legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>>;
type Certified = rcgen::CertifiedKey<rcgen::KeyPair>;

/// A certificate for this host that is valid until a year.
fn valid_until(year: i32) -> Certified {
    let mut params = rcgen::CertificateParams::new([Ipv4Addr::LOCALHOST.to_string()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2000, 1, 1);
    params.not_after = rcgen::date_time_ymd(year, 1, 1);
    let signing_key = rcgen::KeyPair::generate().unwrap();
    let cert = params.self_signed(&signing_key).unwrap();
    Certified { cert, signing_key }
}

/// A server that counts the connections it took; it stops with its runtime.
struct Server {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Server {
    /// Hangs up on the first `hung_up` connections instead of shaking hands, and answers one request on each other one.
    async fn start(config: ServerConfig, hung_up: usize) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        let acceptor = TlsAcceptor::from(Arc::new(config));
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                if counted.fetch_add(1, Ordering::SeqCst) >= hung_up {
                    tokio::spawn(answer(acceptor.clone(), stream));
                }
            }
        });
        Self {
            address,
            connections,
        }
    }

    fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    async fn call(&self, client: Client) -> (Result<u16, BoxError>, Report) {
        let slot = ReportSlot::new();
        let request = Request::post(format!("https://{}/", self.address)).extension(slot.clone());
        let called = client.oneshot(request.body(Full::default()).unwrap()).await;
        let status = called.map(|response| response.status().as_u16());
        (status, slot.report().unwrap())
    }

    /// A call fails for good, before anything was sent, and is not repeated.
    async fn ends_at_once(&self, client: Client) -> String {
        let (result, report) = self.call(client).await;
        let error = result.unwrap_err();
        assert!(is_permanent(&*error), "{error:?}");
        assert_eq!(
            (report.attempts(), report.stop_reason(), self.connections()),
            (1, Some(StopReason::Permanent), 1),
            "{error:?}"
        );
        format!("{error:?}")
    }
}

async fn answer(acceptor: TlsAcceptor, stream: TcpStream) {
    if let Ok(mut stream) = acceptor.accept(stream).await {
        let mut read = [0; 1024];
        let _ = stream.read(&mut read).await;
        let _ = stream
            .write_all(b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n")
            .await;
        let _ = stream.shutdown().await;
    }
}

fn of(certified: &Certified) -> ServerConfig {
    with_key(certified, ServerConfig::builder().with_no_client_auth())
}

fn with_key(
    certified: &Certified,
    config: ConfigBuilder<ServerConfig, WantsServerCert>,
) -> ServerConfig {
    let key = PrivateKeyDer::try_from(certified.signing_key.serialize_der()).unwrap();
    config
        .with_single_cert(vec![certified.cert.der().clone()], key)
        .unwrap()
}

fn trusting(certified: Option<&Certified>) -> Client {
    let mut tls = native_tls::TlsConnector::builder();
    if let Some(certified) = certified {
        tls.add_root_certificate(native_tls::Certificate::from_der(certified.cert.der()).unwrap());
    }
    let mut plain = HttpConnector::new();
    plain.enforce_http(false);
    let connector = HttpsConnector::from((plain, tls.build().unwrap().into()));
    let client = legacy::Client::builder(TokioExecutor::new()).build(connector);
    RetryLayer::new(Provider::new("native")).layer(client)
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_ends_the_call_at_once() {
    let server = Server::start(of(&valid_until(2100)), 0).await;
    let error = server.ends_at_once(trusting(None)).await;
    assert!(error.contains("self-signed"), "{error}");
}

#[tokio::test]
async fn a_certificate_that_has_expired_ends_the_call_at_once() {
    let expired = valid_until(2001);
    let server = Server::start(of(&expired), 0).await;
    let error = server.ends_at_once(trusting(Some(&expired))).await;
    assert!(error.contains("expired"), "{error}");
}

#[tokio::test]
async fn a_certificate_made_for_another_name_ends_the_call_at_once() {
    let other = rcgen::generate_simple_self_signed(["other.test".to_owned()]).unwrap();
    let server = Server::start(of(&other), 0).await;
    let error = server.ends_at_once(trusting(Some(&other))).await;
    assert!(error.contains("IP address mismatch"), "{error}");
}

/// The server wants a certificate of the client, who has none.
async fn without_a_certificate_of_its_own(version: &'static SupportedProtocolVersion) -> String {
    let certified = valid_until(2100);
    let mut roots = RootCertStore::empty();
    roots.add(certified.cert.der().clone()).unwrap();
    let verifier = WebPkiClientVerifier::builder(Arc::new(roots))
        .build()
        .unwrap();
    let config = ServerConfig::builder_with_protocol_versions(&[version])
        .with_client_cert_verifier(verifier);
    let server = Server::start(with_key(&certified, config), 0).await;
    server.ends_at_once(trusting(Some(&certified))).await
}

#[tokio::test]
async fn a_server_that_wants_a_certificate_of_the_client_ends_the_call_at_once() {
    for version in [&version::TLS13, &version::TLS12] {
        let error = without_a_certificate_of_its_own(version).await;
        assert!(error.contains("certificate required"), "{error}");
    }
}

#[tokio::test]
async fn a_handshake_that_the_server_breaks_off_is_tried_again() {
    let certified = valid_until(2100);
    let server = Server::start(of(&certified), 1).await;
    let (result, report) = server.call(trusting(Some(&certified))).await;
    assert_eq!((result.unwrap(), report.attempts()), (200, 2), "{report}");
}
