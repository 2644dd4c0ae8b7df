//! What the caller's own layers refuse was not sent, and says nothing about the server.

use std::num::NonZeroU64;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering::Relaxed};
use std::time::Duration;

use crate::support::mock::{Mock, status};
use crate::support::paused::*;
use tokio::time::Instant;
use tower::load_shed::error::Overloaded;
use tower::{Layer, ServiceBuilder};
use tower_backoff::failure::Unsent;
use tower_backoff::fleet::{CallOutcome, CloseReason, Fleet, Grant, GrantId, Joining, Member};
use tower_backoff::policy::Provider;
use tower_backoff::{Gates, Quota, RetryLayer};

const URI: &str = "https://api.test/";

fn layer(gates: &Gates) -> RetryLayer {
    RetryLayer::new(Provider::new("test")).seed(1).gates(gates)
}

fn unprocessed(layer: RetryLayer) -> RetryLayer {
    layer.not_sent(|error| error.is::<Overloaded>())
}

/// One call holds the only permit for a minute. Returns how long a call takes after 20 others were shed.
async fn after_20_were_shed(layer: RetryLayer) -> Duration {
    let mock =
        Mock::new(|_, _| status(200)).taking_each(|nth, _| secs(if nth == 1 { 60 } else { 0 }));
    let service = ServiceBuilder::new()
        .layer(layer)
        .load_shed()
        .concurrency_limit(1)
        .service(mock.clone());
    let slow = start(&service, get(URI));
    tokio::task::yield_now().await;
    for _ in 0..20 {
        let error = send(&service, get(URI))
            .await
            .expect_err("there is no permit");
        assert!(error.is::<Overloaded>(), "{error:?}");
    }
    slow.await.unwrap().unwrap();
    let begun = Instant::now();
    assert_eq!(status_of(&send(&service, get(URI)).await), 200);
    begun.elapsed()
}

#[tokio::test(start_paused = true)]
async fn a_call_goes_at_once_after_20_that_the_caller_itself_has_shed() {
    let gates = Gates::new();
    assert_eq!(
        after_20_were_shed(unprocessed(layer(&gates))).await,
        secs(0)
    );
    assert_nobody_is_left(&gates);
}

/// Keeps calls back, all of them as long as it is told to.
fn keeping_back() -> (Arc<AtomicBool>, Mock) {
    let keeps = Arc::new(AtomicBool::new(true));
    let kept = Arc::clone(&keeps);
    let mock = Mock::new(move |_, _| match kept.load(Relaxed) {
        true => Err(std::io::Error::other(Unsent::new("the caller's own limit")).into()),
        false => status(200),
    });
    (keeps, mock)
}

#[tokio::test(start_paused = true)]
async fn a_call_goes_at_once_after_20_that_were_not_sent() {
    let gates = Gates::new();
    let (keeps, mock) = keeping_back();
    let service = around(&mock, layer(&gates));
    for _ in 0..20 {
        send(&service, get(URI)).await.expect_err("it is kept back");
        tokio::time::sleep(millis(200)).await;
    }
    keeps.store(false, Relaxed);
    let begun = Instant::now();
    assert_eq!(status_of(&send(&service, get(URI)).await), 200);
    assert_eq!(begun.elapsed(), secs(0));
    assert_nobody_is_left(&gates);
}

#[tokio::test(start_paused = true)]
async fn what_was_not_sent_spends_nothing_of_a_quota() {
    let gates = Gates::new();
    let (keeps, mock) = keeping_back();
    let provider = Provider::new("test").quota(Quota::per_minute(5));
    let layer = RetryLayer::new(provider).gates(&gates).max_retries(0);
    let service = around(&mock, layer);
    for _ in 0..20 {
        send(&service, get(URI)).await.expect_err("it is kept back");
    }
    keeps.store(false, Relaxed);
    let begun = Instant::now();
    for _ in 0..5 {
        assert_eq!(status_of(&send(&service, get(URI)).await), 200);
    }
    assert_eq!(begun.elapsed(), secs(0));
    assert_eq!(status_of(&send(&service, get(URI)).await), 200);
    assert_between(begun.elapsed(), secs(60), secs(1));
    assert_nobody_is_left(&gates);
}

/// Counts what it has granted and not got back.
#[derive(Clone, Default)]
struct Counting(Arc<AtomicUsize>);

impl Fleet for Counting {
    fn join(&self, _: Joining<'_>) -> Box<dyn Member> {
        Box::new(self.clone())
    }
}

impl Member for Counting {
    fn admit(&self, _: u32) -> Grant {
        self.0.fetch_add(1, Relaxed);
        Grant::Now(GrantId::new(NonZeroU64::MIN))
    }

    fn on_return(&self, _: GrantId) {
        self.0.fetch_sub(1, Relaxed);
    }

    fn on_outcome(&self, _: Option<GrantId>, _: &CallOutcome) {}

    fn on_close(&self, _: Duration, _: CloseReason) {}
}

#[tokio::test(start_paused = true)]
async fn what_was_not_sent_is_given_back_to_the_fleet() {
    let fleet = Counting::default();
    let (keeps, mock) = keeping_back();
    let layer = layer(&Gates::new()).fleet(fleet.clone()).max_retries(1);
    let service = around(&mock, layer);
    send(&service, get(URI)).await.expect_err("it is kept back");
    assert_eq!(fleet.0.load(Relaxed), 0);
    keeps.store(false, Relaxed);
    send(&service, get(URI)).await.unwrap();
    assert_eq!(fleet.0.load(Relaxed), 1);
}

#[tokio::test(start_paused = true)]
async fn what_was_shed_is_sent_again_whatever_the_method() {
    for (told, attempts) in [(false, 1), (true, 2)] {
        let mock = Mock::new(|nth, _| match nth {
            1 => Err(Overloaded::new().into()),
            _ => status(200),
        });
        let layer = layer(&Gates::new());
        let layer = if told { unprocessed(layer) } else { layer };
        let outcome = send(&around(&mock, layer), post(URI)).await;
        assert_eq!((outcome.is_ok(), mock.calls().len()), (told, attempts));
    }
}

#[tokio::test(start_paused = true)]
async fn connections_that_cannot_be_made_are_still_an_outage() {
    let gates = Gates::new();
    let mock =
        Mock::new(|_, _| Err(std::io::Error::from(std::io::ErrorKind::ConnectionRefused).into()));
    let service = unprocessed(layer(&gates)).layer(mock.clone());
    for _ in 0..6 {
        send(&service, get(URI))
            .await
            .expect_err("no server listens");
    }
    assert!(
        gates.snapshot()[0].closed_for.is_some(),
        "{:?}",
        gates.snapshot()
    );
}
