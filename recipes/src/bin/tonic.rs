//! tonic
//!
//! The layer stands around the `Channel`, which connects anew on its own but sends no call twice. `policy::Grpc` reads the
//! status, `grpc-retry-pushback-ms` and `RetryInfo`; the methods that may be called twice are named. A body of tonic is a
//! stream, so a `ReplayLayer` stands outside. A client of gRPC knows no other error than a `Status`, so a call past its
//! patience ends with one (`RESOURCE_EXHAUSTED`), and `hint::read_grpc` reads the wait in its details; `NotBefore::find`
//! finds nothing. A `ReportSlot` in the extensions of the request says it, too.

use std::net::Ipv4Addr;

use futures_util::stream::{self, BoxStream, StreamExt};
use recipes::{Decision, Limiter, Scenes};
use tokio::net::TcpListener;
use tonic::transport::Server;
use tonic::{Request, Response};
use tonic_health::pb::health_server::{Health, HealthServer};
use tonic_health::pb::{HealthCheckRequest, HealthCheckResponse};
// recipe: begin
use std::time::Duration;

use http::Uri;
use tonic::{Status, body::Body, transport::Channel};
use tonic_health::pb::health_client::HealthClient;
use tower::{ServiceBuilder, util::BoxCloneSyncService};
use tower_backoff::body::{ReplayBody, ReplayLayer, ResponseBody};
use tower_backoff::hint::{Reading, read_grpc};
use tower_backoff::policy::{Grpc, Provider};
use tower_backoff::{BoxError, Quota, RetryLayer};

type Layered =
    BoxCloneSyncService<http::Request<Body>, http::Response<ResponseBody<Body>>, BoxError>;

fn client(origin: Uri) -> HealthClient<Layered> {
    let policy = Grpc::new(Provider::new("health").quota(Quota::per_second(5)))
        .idempotent(["/grpc.health.v1.Health/Check"]);
    let channel = ServiceBuilder::new()
        .layer(ReplayLayer::new())
        .layer(RetryLayer::new(policy).end_with_not_before())
        .map_request(|request: http::Request<ReplayBody<Body>>| request.map(Body::new))
        .service(Channel::builder(origin.clone()).connect_lazy());
    HealthClient::with_origin(BoxCloneSyncService::new(channel), origin)
}

/// When to come back, if the layer or the server says so.
fn wait(status: &Status) -> Option<Duration> {
    match read_grpc(status.clone().into_http::<()>().headers()) {
        Reading::Wait(hint) => Some(hint.wait()),
        _ => None,
    }
}
// recipe: end

/// The health service behind a limiter.
struct Limited(Limiter);

impl Limited {
    async fn start() -> Result<(Limiter, Uri), BoxError> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let origin = format!("http://{}", listener.local_addr()?).parse()?;
        let incoming = stream::unfold(listener, |listener| async {
            let stream = listener.accept().await.map(|(stream, _)| stream);
            Some((stream, listener))
        });
        let limiter = Limiter::default();
        let server = Server::builder().add_service(HealthServer::new(Self(limiter.clone())));
        tokio::spawn(server.serve_with_incoming(incoming));
        Ok((limiter, origin))
    }
}

#[tonic::async_trait]
impl Health for Limited {
    type WatchStream = BoxStream<'static, Result<HealthCheckResponse, Status>>;

    async fn check(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<HealthCheckResponse>, Status> {
        match self.0.decide() {
            Decision::Serve(_) => Ok(Response::new(HealthCheckResponse { status: 1 })),
            Decision::Refuse(seconds) => {
                let mut status = Status::resource_exhausted("too many checks");
                let millis = seconds * 1_000;
                let pushback = millis.to_string().parse().expect("it is ASCII");
                status
                    .metadata_mut()
                    .insert("grpc-retry-pushback-ms", pushback);
                Err(status)
            }
        }
    }

    async fn watch(
        &self,
        _: Request<HealthCheckRequest>,
    ) -> Result<Response<Self::WatchStream>, Status> {
        Ok(Response::new(stream::empty().boxed()))
    }
}

async fn check(client: &HealthClient<Layered>) -> Result<(), BoxError> {
    let answer = client.clone().check(HealthCheckRequest::default()).await;
    Ok(answer.map(drop)?)
}

#[tokio::main]
async fn main() -> Result<(), BoxError> {
    let scenes = Scenes::of("tonic");

    let (limiter, origin) = Limited::start().await?;
    let health = client(origin);
    scenes
        .refused_call(&limiter, async || check(&health).await)
        .await?;

    let (limiter, origin) = Limited::start().await?;
    let health = client(origin);
    let find = |error: &BoxError| wait(error.downcast_ref()?);
    scenes
        .past_patience(&limiter, async || check(&health).await, find)
        .await;

    // gRPC has no headers for a quota: it is declared above.
    let (limiter, origin) = Limited::start().await?;
    let health = client(origin);
    scenes
        .published_quota(&limiter, async || check(&health).await)
        .await
}
