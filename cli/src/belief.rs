//! What a gate believes of a limiter after it has received some responses.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex};
use std::time::{Duration, SystemTime};

use bytes::Bytes;
use http::{Request, Response, header};
use http_body_util::Full;
use tokio::sync::Notify;
use tokio::time::{Instant, sleep, sleep_until};
use tower::{Layer, ServiceExt, service_fn};
use tower_backoff::policy::Provider;
use tower_backoff::{BoxError, Clock, Gates, LearnedLimit, RetryLayer};

/// A round trip to the server that is played.
const ROUND_TRIP: Duration = Duration::from_millis(50);
/// Longer than any wait that is kept.
const TEN_YEARS: Duration = Duration::from_secs(10 * 365 * 24 * 60 * 60);

/// Responses in order, and how long after the first each was received.
pub(crate) type Recorded = Vec<(Duration, Response<Vec<u8>>)>;

/// When a response says that it was sent.
pub(crate) fn date(response: &Response<Vec<u8>>) -> Option<SystemTime> {
    let date = response.headers().get(header::DATE)?.to_str().ok()?;
    let date = jiff::fmt::rfc2822::parse(date).ok()?;
    date.timestamp().try_into().ok()
}

/// Plays the responses through a layer in virtual time, and returns what its gate has learned.
pub(crate) fn after(
    policy: Provider,
    start: SystemTime,
    recorded: Recorded,
) -> Result<Option<LearnedLimit>, BoxError> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .start_paused(true)
        .build()?;
    Ok(runtime.block_on(play(policy, start, recorded)))
}

async fn play(policy: Provider, start: SystemTime, recorded: Recorded) -> Option<LearnedLimit> {
    let (gates, begun) = (Gates::new(), Instant::now());
    let ended = Arc::new(Notify::new());
    let left = Arc::new(Mutex::new(VecDeque::from(recorded)));
    let next = || left.lock().expect("one thread").front().map(|next| next.0);
    let server = service_fn(|_: Request<Full<Bytes>>| {
        let (left, ended) = (Arc::clone(&left), Arc::clone(&ended));
        async move {
            sleep(ROUND_TRIP).await;
            let response = left.lock().expect("one thread").pop_front();
            let Some((_, response)) = response else {
                // The gate has opened after the last response, and has learned from it.
                ended.notify_one();
                return std::future::pending().await;
            };
            Ok::<_, BoxError>(response.map(|body| Full::new(Bytes::from(body))))
        }
    });
    let client = RetryLayer::new(policy)
        .gates(&gates)
        .clock(Clock::starting_at(start))
        .patience(TEN_YEARS)
        .seed(1) // what is printed is the same each time
        .layer(server);
    let calls = async {
        loop {
            sleep_until(begun + next().unwrap_or_default()).await;
            let request = Request::get("https://api.example.com/").body(Full::default());
            let call = client.clone().oneshot(request.expect("a valid request"));
            if call.await.is_err() {
                sleep(Duration::from_secs(1)).await; // a wait that is too long for the layer
            }
        }
    };
    tokio::select! {
        () = ended.notified() => {}
        () = calls => {}
    }
    gates.snapshot().first().and_then(|gate| gate.learned)
}
