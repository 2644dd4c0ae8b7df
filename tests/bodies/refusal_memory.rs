//! The memory promise: a call that waits after a refusal keeps little of it, however large it was and whatever
//! memory it lay in. In a process of its own, so that nothing else is counted.

use crate::support::alone::alone;
use crate::support::mock::Mock;
use crate::support::paused::*;
use bytes::{Bytes, BytesMut};
use http::{HeaderName, HeaderValue, Response};
use http_body_util::Full;
use tower_backoff::policy::Provider;
use tower_backoff::{BoxError, RetryLayer};

const KIB: u64 = 1024;
const MIB: u64 = 1024 * KIB;

/// The resident memory of this process, in bytes.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux says");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:"));
    let kib = line.and_then(|line| line.trim().strip_suffix(" kB"));
    kib.and_then(|kib| kib.parse::<u64>().ok())
        .expect("a number")
        * KIB
}

/// A refusal as it comes off a connection: all values of its twelve headers lie in one buffer of 8 KiB.
fn refusal(body: usize) -> Result<Response<Full<Bytes>>, BoxError> {
    let mut response = Response::new(Full::from(vec![b' '; body]));
    *response.status_mut() = http::StatusCode::TOO_MANY_REQUESTS;
    let mut buffer = BytesMut::zeroed(8 * 1024);
    buffer[..14].copy_from_slice(b"240some-values");
    let buffer = buffer.freeze();
    let headers = response.headers_mut();
    let value = |from, to| HeaderValue::from_maybe_shared(buffer.slice(from..to));
    headers.insert(http::header::RETRY_AFTER, value(0, 3)?);
    for nth in 0..11 {
        let name = HeaderName::try_from(format!("x-header-{nth}"))?;
        headers.insert(name, value(3, 14)?);
    }
    Ok(response)
}

/// By how much the memory has grown once `calls` calls wait, each refused itself with a body of `body` bytes.
fn grown(calls: usize, body: usize) -> u64 {
    let runtime = tokio::runtime::Builder::new_current_thread();
    let runtime = { runtime }
        .enable_time()
        .start_paused(true)
        .build()
        .unwrap();
    runtime.block_on(async {
        let mock = Mock::new(move |_, _| refusal(body)).taking(millis(100));
        let service = around(&mock, RetryLayer::new(Provider::new("test")));
        let before = resident();
        let mut waiting = Vec::with_capacity(calls);
        for nth in 0..calls {
            // A few at a time, so that the refusals themselves do not take the memory.
            let host = format!("https://host-{}.test/", nth / 20);
            waiting.push(start(&service, get(&host)));
            if nth % 20 == 19 {
                tokio::time::sleep(millis(200)).await;
            }
        }
        assert_eq!(mock.calls().len(), calls, "all of them were refused");
        resident().saturating_sub(before)
    })
}

#[test]
fn a_waiting_call_keeps_little_of_its_refusal() {
    alone(
        "refusal_memory::a_waiting_call_keeps_little_of_its_refusal",
        ten_thousand_wait,
    );
}

fn ten_thousand_wait() {
    let calls = 10_000;
    let each = grown(calls, 100) / calls as u64;
    println!("a call that was refused itself: {each} B, with its task and its twentieth of a gate");
    assert!(each <= 6_000, "{each} B");
    let large = grown(2_000, 252 * 1024);
    println!("2,000 refusals of 252 KiB: {} MiB", large / MIB);
    assert!(large <= 32 * MIB, "{} MiB", large / MIB);
}
