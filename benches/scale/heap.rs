//! How many bytes a call holds while it waits.

use crate::contender::{self, Contender};
use crate::figure::Figure;
use crate::live;

const CALLERS: usize = 100_000;

pub fn measure() -> Vec<Figure> {
    contender::all().into_iter().map(bytes).collect()
}

fn bytes(mut contender: Contender) -> Figure {
    let mut calls = Vec::with_capacity(CALLERS);
    let bytes = live::counting(|| {
        for _ in 0..CALLERS {
            let mut call = (contender.call)();
            assert!(!call.as_mut().is_over(), "{} has to wait", contender.name);
            calls.push(call);
        }
    });
    let each = bytes as f64 / CALLERS as f64;
    let each = (each - contender.needless_bytes as f64).round();
    let table = "heap of a waiting call, while 100,000 wait";
    let figure = Figure::new(table, contender.name, "B", each);
    if contender.name == "ours" {
        return figure.asked("at most 944");
    }
    figure
}
