//! Whole calls on one gate, from one thread and from two.

use std::pin::pin;
use std::sync::Barrier;
use std::time::Instant;

use tower::Service;

use crate::contender::{Once, send};
use crate::figure::{Figure, median};
use crate::gate;
use crate::mock::{Ask, Asker, Mock};

const TABLE: &str =
    "whole calls per second, two threads over one (needs two free cores: the bare service tells)";

pub fn measure() -> Vec<Figure> {
    let (bare, ours) = (Mock::silent(), gate::open());
    vec![
        Figure::new(TABLE, "the bare service", "times", gain(&bare)),
        Figure::new(TABLE, "ours, one gate", "times", gain(&ours)).asked("at least 1.3"),
    ]
}

/// The median of turns that go to one thread and to two alternately.
fn gain<S>(service: &S) -> f64
where
    S: Service<Ask> + Clone + Send + Sync,
{
    const TURNS: usize = 11;
    let ratio = |_| per_second(service, 2) / per_second(service, 1);
    median((0..TURNS).map(ratio).collect())
}

fn per_second<S>(service: &S, threads: usize) -> f64
where
    S: Service<Ask> + Clone + Send + Sync,
{
    const CALLS: usize = 50_000;
    let together = Barrier::new(threads + 1);
    let start = std::thread::scope(|scope| {
        for _ in 0..threads {
            scope.spawn(|| {
                let (mut service, asker) = (service.clone(), Asker::new());
                together.wait();
                for _ in 0..CALLS {
                    let call = pin!(send(&mut service, asker.ask()));
                    assert!(call.is_over(), "nobody has to wait here");
                }
            });
        }
        together.wait();
        Instant::now()
    });
    (threads * CALLS) as f64 / start.elapsed().as_secs_f64()
}
