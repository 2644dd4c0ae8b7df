//! The spans and events of one call, as any subscriber sees them.
//!
//! ```text
//! cargo run --example spans
//! ```
//!
//! The API breaks the first connection, answers 503 to the second attempt, and serves the third. Each attempt is a span
//! with the fields that OpenTelemetry names for HTTP clients: a layer of `tracing-opentelemetry` exports them as they are.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::Full;
use tower::{BoxError, Layer, ServiceExt};
use tower_backoff::RetryLayer;
use tower_backoff::policy::Provider;
use tracing_subscriber::fmt::format::FmtSpan;

/// What the nth attempt comes to.
async fn answer(nth: usize) -> Result<Response<Full<Bytes>>, BoxError> {
    let status = match nth {
        0 => return Err(io::Error::from(io::ErrorKind::ConnectionReset).into()),
        1 => 503,
        _ => 200,
    };
    Ok(Response::builder().status(status).body(Full::default())?)
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> Result<(), BoxError> {
    tracing_subscriber::fmt()
        .with_max_level(tracing::Level::DEBUG)
        .with_span_events(FmtSpan::CLOSE)
        .with_ansi(false)
        .init();
    let attempts = Arc::new(AtomicUsize::new(0));
    let api = tower::service_fn(move |_: Request<Full<Bytes>>| {
        answer(attempts.fetch_add(1, Ordering::Relaxed))
    });
    let client = RetryLayer::new(Provider::new("acme")).layer(api);
    let request = Request::get("https://api.example.com/contacts?key=never-shown");
    let response = client.oneshot(request.body(Full::default())?).await?;
    println!("{}", response.status());
    Ok(())
}
