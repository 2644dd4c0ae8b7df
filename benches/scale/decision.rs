//! What a decision costs, however many others wait and however many hosts there are.

use std::time::Instant;

use tower_backoff::Quota;

use crate::figure::Figure;
use crate::gate::Line;
use crate::{hosts, instructions};

/// What is done again and again, among so many.
#[derive(Clone, Copy, Debug)]
pub struct Subject {
    pub word: &'static str,
    pub among: usize,
}

/// One table: the same among few and among many.
struct Growth {
    table: &'static str,
    word: &'static str,
    among: [usize; 3],
    what: &'static str,
    asked: Option<&'static str>,
}

const LINE: &str = "line";
const HOSTS: &str = "hosts";
const BY_SECOND: &str = "hosts-by-second";
const COUNTED: &str = "hosts-counted";

const GROWTHS: [Growth; 4] = [
    Growth {
        table: "a call that arrives, waits its turn, passes and is answered, at one gate",
        word: LINE,
        among: [100, 10_000, 100_000],
        what: "callers waiting",
        asked: Some("flat"),
    },
    Growth {
        // Under callgrind a call takes fifty times as long: each of ten thousand hosts is then asked three times a
        // second, too rarely for tickets, and every third or fourth answer is read. Of these the nanoseconds count.
        table: "a first try, when a layer knows many hosts, each with a quota per minute",
        word: HOSTS,
        among: [1, 100, 10_000],
        what: "hosts in turn",
        asked: Some("flat"),
    },
    Growth {
        table: "the same, with a quota of a million per second",
        word: BY_SECOND,
        among: [1, 100, 10_000],
        what: "hosts in turn",
        asked: Some("flat"),
    },
    Growth {
        table: "for comparison: the bare service, and a count for each host",
        word: COUNTED,
        among: [1, 100, 10_000],
        what: "hosts in turn",
        asked: None,
    },
];

pub fn measure() -> Vec<Figure> {
    GROWTHS.iter().flat_map(Growth::measure).collect()
}

impl Growth {
    fn measure(&self) -> Vec<Figure> {
        let subjects = self.among.map(|among| Subject {
            word: self.word,
            among,
        });
        let times = nanoseconds(subjects.map(Subject::steps));
        let rows = subjects.iter().zip(&times);
        rows.flat_map(|(subject, time)| self.row(*subject, *time, times[0]))
            .collect()
    }

    fn row(&self, subject: Subject, time: f64, among_few: f64) -> Vec<Figure> {
        let figure = |unit, value| {
            let row = format!("{}: {}", self.what, subject.among);
            Figure::new(self.table, row, unit, value)
        };
        let instructions = instructions::per_step(subject);
        let instructions = instructions.map(|count| figure("instructions", count as f64));
        let times = [
            figure("ns", time),
            Figure {
                asked: self.asked,
                ..figure("times the first", time / among_few)
            },
        ];
        instructions.into_iter().chain(times).collect()
    }
}

impl Subject {
    /// Back from a command line.
    pub fn read(word: &str, among: usize) -> Self {
        let growth = GROWTHS.iter().find(|growth| growth.word == word);
        let word = growth.expect("a table's word").word;
        Self { word, among }
    }

    /// How many steps say what one costs: each host is asked several times, since not every answer is read.
    pub fn counted(self) -> u64 {
        if self.word == LINE { 5_000 } else { 80_000 }
    }

    /// Everything up to the first step, and a function that makes so many.
    pub fn steps(self) -> Box<dyn FnMut(u64)> {
        match self.word {
            HOSTS => return hosts::ours(self.among, Quota::per_minute(1_000_000_000)),
            BY_SECOND => return hosts::ours(self.among, Quota::per_second(1_000_000)),
            COUNTED => return hosts::counted(self.among),
            _ => {}
        }
        let mut line = Line::of(self.among);
        Box::new(move |steps| (0..steps).for_each(|_| line.step()))
    }
}

/// The median of many short turns, so that whatever else the machine does hits all alike.
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
    turns.map(crate::median)
}
