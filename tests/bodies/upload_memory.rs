//! The memory promise: however large an upload is, the layer keeps no more of it than its bound. In a
//! process of its own, so that no other test's memory is counted.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::support::alone::alone;
use crate::support::client::http1_client_of;
use crate::support::uploads::{Does, Upload, Uploads};
use bytes::Bytes;
use futures_util::stream;
use http::Request;
use http_body::Frame;
use http_body_util::StreamBody;
use tower::{ServiceBuilder, ServiceExt};
use tower_backoff::body::ReplayLayer;
use tower_backoff::policy::Provider;
use tower_backoff::{BoxError, Report, RetryLayer, StopReason};

const CHUNK: u64 = 64 * 1024;
const MIB: u64 = 1024 * 1024;
/// The default of the layer.
const BOUND: u64 = 64 * 1024;
/// What hyper and the kernel's side of two sockets may take on top.
const A_FEW_MIB: u64 = 8 * MIB;

/// The resident memory of this process, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux says");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.parse::<u64>().ok())
        .expect("a number")
        * 1024
}

/// Every chunk is an allocation of its own: keeping one keeps its memory.
fn chunks(bytes: u64, peak: Arc<AtomicU64>) -> Upload {
    let chunk = move |nth| {
        if nth % 64 == 0 {
            peak.fetch_max(resident(), Ordering::Relaxed);
        }
        let filled = vec![nth as u8; CHUNK as usize];
        Ok::<_, BoxError>(Frame::data(Bytes::from(filled)))
    };
    Upload::new(StreamBody::new(stream::iter((0..bytes / CHUNK).map(chunk))))
}

#[test]
fn an_upload_of_a_gib_takes_no_more_memory_than_the_bound() {
    alone(
        "upload_memory::an_upload_of_a_gib_takes_no_more_memory_than_the_bound",
        || uploads_a_gib().expect("an answer"),
    );
}

#[tokio::main(flavor = "current_thread")]
async fn uploads_a_gib() -> Result<(), BoxError> {
    let server = Uploads::start(|_| Does::Discard(503)).await;
    let client = ServiceBuilder::new()
        .layer(ReplayLayer::new())
        .layer(RetryLayer::new(Provider::new("test")))
        .service(http1_client_of());
    let upload = async |bytes| {
        let peak = Arc::new(AtomicU64::new(0));
        let request = Request::put(server.uri()).body(chunks(bytes, peak.clone()))?;
        let response = client.clone().oneshot(request).await?;
        let report: Option<&Report> = response.extensions().get();
        assert_eq!(
            report.and_then(Report::stop_reason),
            Some(StopReason::BodyNotReplayable)
        );
        Ok::<_, BoxError>(peak.load(Ordering::Relaxed))
    };
    upload(16 * MIB).await?; // whatever is allocated once is allocated now
    let before = resident();
    let peak = upload(1024 * MIB).await?;
    assert_eq!(server.arrived() as u64, 1040 * MIB);
    let grown = peak.saturating_sub(before);
    println!("grown by {grown} bytes at most");
    assert!(grown <= BOUND + A_FEW_MIB, "grown by {grown} bytes");
    Ok(())
}
