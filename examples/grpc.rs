//! A gRPC client of tonic that is refused in several ways, and then gets its response.
//!
//! ```text
//! cargo run --example grpc
//! ```
//!
//! It starts a server of tonic on the loopback with the health service, whose first calls are refused:
//! `UNAVAILABLE` twice, then `RESOURCE_EXHAUSTED` with a `grpc-retry-pushback-ms`.

use std::net::Ipv4Addr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Instant;

use futures_util::stream::{self, BoxStream, StreamExt};
use http::Uri;
use tokio::net::TcpListener;
use tonic::transport::{Channel, Server};
use tonic::{Request, Response, Status};
use tonic_health::pb::health_client::HealthClient;
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
use tower::ServiceBuilder;
use tower_backoff::body::{ReplayBody, ReplayLayer};
use tower_backoff::policy::{Grpc, Provider};
use tower_backoff::{BoxError, Quota, ReportSlot, RetryLayer};

type Replayed = http::Request<ReplayBody<tonic::body::Body>>;

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let origin = start().await?;
    let policy = Grpc::new(Provider::new("health").quota(Quota::per_second(50)))
        .idempotent(["/grpc.health.v1.Health/Check"]) // it may be called twice
        .streams(["/grpc.health.v1.Health/Watch"]); // it is judged by its head
    let channel = ServiceBuilder::new()
        .layer(ReplayLayer::new())
        .layer(RetryLayer::new(policy))
        .map_request(|request: Replayed| request.map(tonic::body::Body::new))
        .service(Channel::builder(origin.clone()).connect_lazy());
    let mut client = HealthClient::with_origin(channel, origin);

    let (slot, begun) = (ReportSlot::new(), Instant::now());
    let mut request = Request::new(HealthCheckRequest::default());
    request.extensions_mut().insert(slot.clone());
    let answer = client.check(request).await?.into_inner();
    println!(
        "the server says {:?} after {:.1?}",
        answer.status(),
        begun.elapsed()
    );
    if let Some(report) = slot.report() {
        println!("the report says: {report}");
    }

    let watch = client.watch(HealthCheckRequest::default()).await?;
    let messages: Vec<_> = watch.into_inner().collect().await;
    println!("and a stream of {} messages came as it was", messages.len());
    Ok(())
}

/// Starts the server on a free port.
async fn start() -> Result<Uri, BoxError> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
    let origin = format!("http://{}", listener.local_addr()?).parse()?;
    let incoming = stream::unfold(listener, |listener| async {
        let stream = listener.accept().await.map(|(stream, _)| stream);
        Some((stream, listener))
    });
    let service = HealthServer::new(Refusing::default());
    let server = Server::builder().add_service(service);
    tokio::spawn(server.serve_with_incoming(incoming));
    Ok(origin)
}

/// The health service, which refuses its first three checks.
#[derive(Debug, Default)]
struct Refusing {
    calls: AtomicUsize,
}

#[tonic::async_trait]
impl Health for Refusing {
    type WatchStream = BoxStream<'static, Result<HealthCheckResponse, Status>>;

    async fn check(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        let nth = self.calls.fetch_add(1, Ordering::Relaxed) + 1;
        println!("call {nth} has arrived");
        match nth {
            1 | 2 => Err(Status::unavailable("not up yet")),
            3 => {
                let mut status = Status::resource_exhausted("too many checks");
                let pushback = "750".parse().expect("it is ASCII");
                status
                    .metadata_mut()
                    .insert("grpc-retry-pushback-ms", pushback);
                Err(status)
            }
            _ => Ok(Response::new(HealthCheckResponse { status: 1 })),
        }
    }

    async fn watch(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        let messages = [0, 1].map(|status| Ok(HealthCheckResponse { status }));
        Ok(Response::new(stream::iter(messages).boxed()))
    }
}
