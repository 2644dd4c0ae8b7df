//! TLS beneath the layer: hyper-util's client over rustls, and what a handshake that fails proves.

use std::error::Error;
use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use std::{io, iter};

use crate::support;
use crate::support::BoxError;
use crate::support::listener::{self, Listener};
use bytes::Bytes;
use http::{Request, Response, Uri, Version};
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, builderstates};
use hyper_util::client::legacy::{self, connect::HttpConnector};
use hyper_util::rt::{TokioExecutor, TokioIo};
use hyper_util::server::conn::auto;
use tokio::io::AsyncReadExt;
use tokio::net::TcpStream;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::pki_types::CertificateDer;
use tokio_rustls::rustls::{self, AlertDescription, ClientConfig, RootCertStore, ServerConfig};
use tower::{Layer, Service, ServiceExt};
use tower_backoff::failure::{Delivery, delivery, is_permanent};
use tower_backoff::policy::Provider;
use tower_backoff::{Backoff, Quota, Report, ReportSlot, Retry, RetryLayer, StopReason};

type Client = Retry<legacy::Client<HttpsConnector<HttpConnector>, Full<Bytes>>>;

/// What the server does with a connection.
#[derive(Clone, Copy, Debug)]
enum Does {
    /// Refuses its first request, and answers the others.
    RefusesOnce,
    /// Answers each request.
    Answers,
    /// Closes it instead of shaking hands.
    HangsUp,
    /// The same, with RST.
    Resets,
    /// Reads a request and closes it then.
    TakesAndHangsUp,
}

type Certified = rcgen::CertifiedKey<rcgen::KeyPair>;

/// A certificate that was valid until 2001.
fn expired() -> Certified {
    let mut params = rcgen::CertificateParams::new([Ipv4Addr::LOCALHOST.to_string()]).unwrap();
    params.not_before = rcgen::date_time_ymd(2000, 1, 1);
    params.not_after = rcgen::date_time_ymd(2001, 1, 1);
    let signing_key = rcgen::KeyPair::generate().unwrap();
    let cert = params.self_signed(&signing_key).unwrap();
    Certified { cert, signing_key }
}

/// The requests that arrived: over which protocol, and with which body.
type Log = Arc<Mutex<Vec<(Version, Bytes)>>>;

/// A server that has a certificate of its own; it stops when dropped.
struct Server {
    listener: Listener,
    certificate: CertificateDer<'static>,
    received: Log,
}

impl Server {
    /// Does with each connection, from 1, what `script` names for it.
    async fn start(
        protocols: &[&str],
        script: impl Fn(usize) -> Does + Send + Sync + 'static,
    ) -> Self {
        let made = rcgen::generate_simple_self_signed([Ipv4Addr::LOCALHOST.to_string()]).unwrap();
        Self::with_certificate(made, protocols, script).await
    }

    async fn with_certificate(
        made: Certified,
        protocols: &[&str],
        script: impl Fn(usize) -> Does + Send + Sync + 'static,
    ) -> Self {
        let certificate = made.cert.der().clone();
        let mut tls = ServerConfig::builder()
            .with_no_client_auth()
            .with_single_cert(vec![certificate.clone()], made.signing_key.into())
            .unwrap();
        tls.alpn_protocols = protocols.iter().map(|name| (*name).into()).collect();
        let tls = TlsAcceptor::from(Arc::new(tls));
        let received = Arc::default();
        let log = Arc::clone(&received);
        let listener = Listener::start(move |stream, nth| {
            let (does, tls, log) = (script(nth), tls.clone(), Arc::clone(&log));
            async move {
                // A connection that fails is what some of the tests are about.
                let _ = serve(does, stream, tls, log).await;
            }
        })
        .await;
        Self {
            listener,
            certificate,
            received,
        }
    }

    async fn of_both_protocols(script: impl Fn(usize) -> Does + Send + Sync + 'static) -> Self {
        Self::start(&["h2", "http/1.1"], script).await
    }

    fn post(&self) -> Request<Full<Bytes>> {
        let uri = format!("https://{}/orders", self.listener.addr());
        support::client::post(Uri::try_from(uri).unwrap())
    }

    fn connections(&self) -> usize {
        self.listener.connections()
    }

    fn received(&self) -> Vec<(Version, Bytes)> {
        self.received.lock().unwrap().clone()
    }

    /// A client that trusts this server alone, and speaks HTTP/2 if the server does.
    fn client(&self) -> Client {
        around(trusting(&self.certificate).enable_all_versions().build())
    }
}

async fn serve(does: Does, mut stream: TcpStream, tls: TlsAcceptor, log: Log) -> io::Result<()> {
    if let Does::HangsUp | Does::Resets = does {
        stream.read_buf(&mut Vec::with_capacity(4096)).await?;
        if let Does::Resets = does {
            listener::reset(stream);
        }
        return Ok(());
    }
    let stream = TokioIo::new(tls.accept(stream).await?);
    let asked = AtomicUsize::new(0);
    let service = service_fn(move |request| {
        let nth = asked.fetch_add(1, Ordering::Relaxed) + 1;
        answer(does, nth, request, Arc::clone(&log))
    });
    let http = auto::Builder::new(TokioExecutor::new());
    // A connection that the script closes ends in an error, and so it should.
    let _ = http.serve_connection(stream, service).await;
    Ok(())
}

async fn answer(
    does: Does,
    nth: usize,
    request: Request<Incoming>,
    log: Log,
) -> Result<Response<String>, BoxError> {
    let version = request.version();
    let body = request.into_body().collect().await?.to_bytes();
    log.lock().unwrap().push((version, body));
    match (does, nth) {
        (Does::TakesAndHangsUp, _) => Err("hung up".into()),
        (Does::RefusesOnce, 1) => Ok(refusal()),
        _ => Ok(Response::new("done".to_owned())),
    }
}

const WAIT: Duration = Duration::from_millis(300);

fn refusal() -> Response<String> {
    Response::builder()
        .status(429)
        .header("retry-after-ms", "300")
        .body("later".to_owned())
        .unwrap()
}

type Connecting = HttpsConnectorBuilder<builderstates::WantsProtocols1>;

fn trusting(certificate: &CertificateDer<'static>) -> Connecting {
    let mut roots = RootCertStore::empty();
    roots.add(certificate.clone()).unwrap();
    connecting(roots)
}

fn connecting(roots: RootCertStore) -> Connecting {
    let tls = ClientConfig::builder()
        .with_root_certificates(roots)
        .with_no_client_auth();
    HttpsConnectorBuilder::new()
        .with_tls_config(tls)
        .https_only()
}

fn around(connector: HttpsConnector<HttpConnector>) -> Client {
    RetryLayer::new(Provider::new("tls"))
        .backoff(Backoff::exponential(Duration::from_millis(1)))
        .max_retries(2)
        .layer(legacy::Client::builder(TokioExecutor::new()).build(connector))
}

/// Sends the order to the end, which is a failure.
async fn fails<C>(client: C, mut request: Request<Full<Bytes>>) -> (BoxError, Report)
where
    C: Service<Request<Full<Bytes>>, Response: std::fmt::Debug, Error = BoxError>,
{
    let slot = ReportSlot::new();
    request.extensions_mut().insert(slot.clone());
    let error = client.oneshot(request).await.unwrap_err();
    (error, slot.report().expect("a report on a failure"))
}

/// The error of rustls in a chain. An `io::Error` does not name what it wraps as its source.
fn of_rustls<'a>(error: &'a (dyn Error + 'static)) -> Option<&'a rustls::Error> {
    let mut chain = iter::successors(Some(error), |&error| {
        match error.downcast_ref().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        }
    });
    chain.find_map(|error| error.downcast_ref())
}

async fn is_refused_and_answered_on_one_connection(
    server: Server,
    client: Client,
    version: Version,
) {
    let begun = Instant::now();
    let response = client.oneshot(server.post()).await.unwrap();
    assert!(begun.elapsed() >= WAIT, "early: {:?}", begun.elapsed());
    assert_eq!(
        (response.status().as_u16(), response.version()),
        (200, version)
    );
    let report = response.extensions().get::<Report>().unwrap();
    assert_eq!((report.attempts(), report.stop_reason()), (2, None));
    assert_eq!(report.decided_by(), Some("retry-after-ms"));
    assert!(report.waited() >= WAIT, "{report}");
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "done");
    let order = (version, Bytes::from("order one"));
    assert_eq!(server.received(), [order.clone(), order]);
    assert_eq!(server.connections(), 1);
}

#[tokio::test]
async fn a_refusal_over_tls_is_waited_for_and_its_http1_connection_used_again() {
    let server = Server::of_both_protocols(|_| Does::RefusesOnce).await;
    let client = around(trusting(&server.certificate).enable_http1().build());
    is_refused_and_answered_on_one_connection(server, client, Version::HTTP_11).await;
}

#[tokio::test]
async fn a_refusal_over_tls_is_waited_for_and_its_http2_connection_used_again() {
    let server = Server::of_both_protocols(|_| Does::RefusesOnce).await;
    let client = server.client();
    is_refused_and_answered_on_one_connection(server, client, Version::HTTP_2).await;
}

#[tokio::test]
async fn a_server_without_http2_is_spoken_to_in_http1() {
    let server = Server::start(&["http/1.1"], |_| Does::RefusesOnce).await;
    let client = server.client();
    is_refused_and_answered_on_one_connection(server, client, Version::HTTP_11).await;
}

/// A post is tried again, since nothing of it was sent, and its caller gets the error as it was.
async fn is_proof_that_nothing_was_sent(server: &Server, client: Client) -> BoxError {
    let (error, report) = fails(client, server.post()).await;
    let of_client = error.downcast_ref::<legacy::Error>();
    assert!(
        of_client.is_some_and(legacy::Error::is_connect),
        "{error:?}"
    );
    assert_eq!(delivery(&*error), Delivery::No);
    assert_eq!(
        (report.attempts(), report.stop_reason()),
        (3, Some(StopReason::RetriesExhausted))
    );
    assert_eq!(server.connections(), 3);
    assert_eq!(server.received(), []);
    error
}

/// Nothing was sent, and no retry would mend it: the call ends with the error as it was, and so does the next one.
async fn ends_at_once(server: &Server, client: Client) -> rustls::Error {
    for nth in 1..=8 {
        let (error, report) = fails(client.clone(), server.post()).await;
        assert_eq!(delivery(&*error), Delivery::No);
        assert!(is_permanent(&*error));
        assert_eq!(
            (report.attempts(), report.stop_reason()),
            (1, Some(StopReason::Permanent))
        );
        assert!(report.waited().is_zero(), "{report}");
        assert_eq!(server.connections(), nth);
        assert_eq!(server.received(), []);
        if nth == 8 {
            return of_rustls(&*error).unwrap().clone();
        }
    }
    unreachable!()
}

#[tokio::test]
async fn a_certificate_that_is_not_trusted_ends_the_call_at_once() {
    let server = Server::of_both_protocols(|_| Does::RefusesOnce).await;
    let client = connecting(RootCertStore::empty());
    let client = around(client.enable_all_versions().build());
    let unknown = rustls::CertificateError::UnknownIssuer;
    let expected = rustls::Error::InvalidCertificate(unknown);
    assert_eq!(ends_at_once(&server, client).await, expected);
}

#[tokio::test]
async fn a_certificate_that_has_expired_ends_the_call_at_once() {
    let server = Server::with_certificate(expired(), &["h2"], |_| Does::RefusesOnce).await;
    let error = ends_at_once(&server, server.client()).await;
    assert!(
        matches!(
            error,
            rustls::Error::InvalidCertificate(rustls::CertificateError::ExpiredContext { .. })
        ),
        "{error:?}"
    );
}

#[tokio::test]
async fn a_scheme_that_the_connector_does_not_speak_ends_the_call_at_once() {
    let server = Server::of_both_protocols(|_| Does::RefusesOnce).await;
    let plain = legacy::Client::builder(TokioExecutor::new()).build_http::<Full<Bytes>>();
    // What was never sent takes nothing of a quota.
    let provider = Provider::new("plain").quota(Quota::per_hour(2));
    let plain = RetryLayer::new(provider).layer(plain);
    for _ in 0..4 {
        let (error, report) = fails(plain.clone(), server.post()).await;
        assert!(is_permanent(&*error), "{error:?}");
        assert_eq!(
            (report.attempts(), report.stop_reason()),
            (1, Some(StopReason::Permanent))
        );
    }
    for scheme in ["ftp", "http"] {
        let uri = format!("{scheme}://{}/orders", server.listener.addr());
        let request = support::client::post(Uri::try_from(uri).unwrap());
        let (error, report) = fails(server.client(), request).await;
        assert!(is_permanent(&*error), "{error:?}");
        assert_eq!(
            (report.attempts(), report.stop_reason()),
            (1, Some(StopReason::Permanent))
        );
    }
    assert_eq!(server.connections(), 0);
}

/// Resolvers fail for a moment, too.
#[tokio::test]
async fn a_host_that_is_not_known_is_asked_for_again() {
    let server = Server::of_both_protocols(|_| Does::RefusesOnce).await;
    let request = support::client::post(Uri::from_static("https://host.invalid/"));
    let (error, report) = fails(server.client(), request).await;
    assert!(!is_permanent(&*error), "{error:?}");
    assert_eq!(
        (report.attempts(), report.stop_reason()),
        (3, Some(StopReason::RetriesExhausted))
    );
}

#[tokio::test]
async fn no_protocol_in_common_is_proof_that_nothing_was_sent() {
    let server = Server::start(&["http/1.1"], |_| Does::RefusesOnce).await;
    let client = around(trusting(&server.certificate).enable_http2().build());
    let error = is_proof_that_nothing_was_sent(&server, client).await;
    let alert = AlertDescription::NoApplicationProtocol;
    let expected = rustls::Error::AlertReceived(alert);
    assert_eq!(of_rustls(&*error), Some(&expected));
}

#[tokio::test]
async fn a_connection_that_is_closed_during_the_handshake_is_proof_that_nothing_was_sent() {
    for does in [Does::HangsUp, Does::Resets] {
        let server = Server::of_both_protocols(move |_| does).await;
        is_proof_that_nothing_was_sent(&server, server.client()).await;
    }
}

#[tokio::test]
async fn a_post_whose_handshake_failed_arrives_once_when_the_next_succeeds() {
    for does in [Does::HangsUp, Does::Resets] {
        let server = Server::of_both_protocols(move |nth| match nth {
            1 => does,
            _ => Does::Answers,
        })
        .await;
        let response = server.client().oneshot(server.post()).await.unwrap();
        assert_eq!(response.status(), 200);
        assert_eq!(server.connections(), 2);
        assert_eq!(server.received().len(), 1);
    }
}

#[tokio::test]
async fn a_post_that_arrived_before_its_connection_broke_is_not_sent_again() {
    let server = Server::of_both_protocols(|_| Does::TakesAndHangsUp).await;
    let http1 = trusting(&server.certificate).enable_http1().build();
    for (nth, client) in [around(http1), server.client()].into_iter().enumerate() {
        let (error, report) = fails(client, server.post()).await;
        assert_eq!(delivery(&*error), Delivery::Perhaps, "{error:?}");
        assert_eq!(
            (report.attempts(), report.stop_reason()),
            (1, Some(StopReason::NotSafe))
        );
        assert_eq!(server.received().len(), nth + 1);
    }
}
