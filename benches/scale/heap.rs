//! Measures the heap of a waiting call.

use std::time::Duration;

use tower::retry::budget::TpsBudget;

use crate::contender::{Contender, refusing, service};
use crate::copy::CopyRequest;
use crate::figure::Figure;
use crate::never_answers::NeverAnswers;
use crate::{gate, heap_bytes, peers};

const CALLERS: usize = 100_000;

pub fn measure() -> Vec<Figure> {
    contenders().into_iter().map(bytes).collect()
}

/// All contenders, the floor first. Ours waits behind a closed gate, each peer after a refusal.
fn contenders() -> Vec<Contender> {
    // The default budget covers 100 retries; after them a call ends instead of waiting.
    let budget = TpsBudget::new(Duration::from_secs(10), 1_000_000, 0.2);
    let mut all = vec![service("one request copy", CopyRequest(NeverAnswers))];
    all.extend(peers::all(&refusing(), budget));
    all.push(service("ours", gate::closed()));
    all
}

fn bytes(mut contender: Contender) -> Figure {
    let mut calls = Vec::with_capacity(CALLERS);
    let bytes = heap_bytes::allocated_by(|| {
        for _ in 0..CALLERS {
            let mut call = (contender.call)();
            assert!(!call.as_mut().poll_once(), "{} has to wait", contender.name);
            calls.push(call);
        }
    });
    let each = bytes as f64 / CALLERS as f64;
    let each = (each - contender.box_bytes as f64).round();
    let table = "heap of a waiting call, while 100,000 wait";
    let figure = Figure::new(table, contender.name, "B", each);
    if contender.name == "ours" {
        return figure.target("at most 944");
    }
    figure
}
