//! Measures how the cost of a decision grows with the waiting callers and the hosts.

use std::time::Instant;

use crate::figure::{Figure, median};
use crate::instructions;
use crate::workload::{Kind, Workload};

/// One table: the same workload among few and among many.
struct Growth {
    table: &'static str,
    kind: Kind,
    among: [usize; 3],
    what: &'static str,
    target: Option<&'static str>,
}

const GROWTHS: [Growth; 4] = [
    Growth {
        table: "a call that waits in the queue of one gate, is admitted and gets a response",
        kind: Kind::Queue,
        among: [100, 10_000, 100_000],
        what: "callers waiting",
        target: Some("flat"),
    },
    Growth {
        // Under callgrind a call takes 50 times as long. Each of 10,000 hosts then gets 3 calls per second, too
        // few for the fast path, and every third or fourth response is read. So the nanoseconds count here.
        table: "a call through a layer with many hosts, each with a quota per minute",
        kind: Kind::Hosts,
        among: [1, 100, 10_000],
        what: "hosts in turn",
        target: Some("flat"),
    },
    Growth {
        table: "the same, with a quota of 1,000,000 per second",
        kind: Kind::HostsBySecond,
        among: [1, 100, 10_000],
        what: "hosts in turn",
        target: Some("flat"),
    },
    Growth {
        table: "for comparison: the bare service, and a counter for each host",
        kind: Kind::HostsCounted,
        among: [1, 100, 10_000],
        what: "hosts in turn",
        target: None,
    },
];

pub fn measure() -> Vec<Figure> {
    GROWTHS.iter().flat_map(Growth::measure).collect()
}

impl Growth {
    fn measure(&self) -> Vec<Figure> {
        let workloads = self.among.map(|among| Workload {
            kind: self.kind,
            among,
        });
        let times = nanoseconds(workloads.map(Workload::steps));
        let rows = workloads.iter().zip(&times);
        rows.flat_map(|(workload, time)| self.row(*workload, *time, times[0]))
            .collect()
    }

    fn row(&self, workload: Workload, time: f64, among_few: f64) -> Vec<Figure> {
        let figure = |unit, value| {
            let row = format!("{}: {}", self.what, workload.among);
            Figure::new(self.table, row, unit, value)
        };
        let instructions = instructions::per_step(workload);
        let instructions = instructions.map(|count| figure("instructions", count as f64));
        let times = [
            figure("ns", time),
            Figure {
                target: self.target,
                ..figure("times the first", time / among_few)
            },
        ];
        instructions.into_iter().chain(times).collect()
    }
}

/// The median of many short turns, so that a change of load hits all workloads alike.
fn nanoseconds(mut all: [Box<dyn FnMut(u64)>; 3]) -> [f64; 3] {
    const TURNS: usize = 201;
    const STEPS: u64 = 1_000;
    let mut turns = [(); 3].map(|()| Vec::with_capacity(TURNS));
    for _ in 0..TURNS {
        for (turns, steps) in turns.iter_mut().zip(&mut all) {
            let start = Instant::now();
            steps(STEPS);
            turns.push(start.elapsed().as_nanos() as f64 / STEPS as f64);
        }
    }
    turns.map(median)
}
