//! Measures the throughput of one gate from two threads, over that from one.

use std::pin::pin;
use std::sync::Barrier;
use std::time::Instant;

use tower::Service;

use crate::contender::{PollOnce, send};
use crate::figure::{Figure, median};
use crate::gate;
use crate::mock::{Mock, MockRequest, RequestTemplate};

const TABLE: &str =
    "whole calls per second, two threads over one (needs two free cores: the bare service tells)";

pub fn measure() -> Vec<Figure> {
    let (bare, ours) = (Mock::without_counters(), gate::open());
    vec![
        Figure::new(TABLE, "the bare service", "times", speedup(&bare)),
        Figure::new(TABLE, "ours, one gate", "times", speedup(&ours)).target("at least 1.3"),
    ]
}

/// The throughput of two threads over that of one, the median of alternating turns.
fn speedup<S>(service: &S) -> f64
where
    S: Service<MockRequest> + Clone + Send + Sync,
{
    const TURNS: usize = 11;
    let ratio = |_| per_second(service, 2) / per_second(service, 1);
    median((0..TURNS).map(ratio).collect())
}

fn per_second<S>(service: &S, threads: usize) -> f64
where
    S: Service<MockRequest> + Clone + Send + Sync,
{
    const CALLS: usize = 50_000;
    let barrier = Barrier::new(threads + 1);
    let start = std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let (mut service, template) = (service.clone(), RequestTemplate::new());
                barrier.wait();
                for _ in 0..CALLS {
                    let call = pin!(send(&mut service, template.request()));
                    assert!(call.poll_once(), "a call that succeeds at once");
                }
            });
        }
        barrier.wait();
        Instant::now()
    });
    (threads * CALLS) as f64 / start.elapsed().as_secs_f64()
}
