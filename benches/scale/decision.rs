//! What a decision costs, however many others wait and however many hosts there are.

use std::time::Instant;

use crate::figure::Figure;
use crate::gate::{Hosts, Line};
use crate::instructions;

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
}

const LINE: &str = "line";
const HOSTS: &str = "hosts";

const GROWTHS: [Growth; 2] = [
    Growth {
        table: "a call that arrives, waits its turn, passes and is answered, at one gate",
        word: LINE,
        among: [100, 10_000, 100_000],
        what: "callers waiting",
    },
    Growth {
        table: "a first try, when a layer knows many hosts",
        word: HOSTS,
        among: [1, 100, 10_000],
        what: "hosts in turn",
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
            figure("times the first", time / among_few).asked("flat"),
        ];
        instructions.into_iter().chain(times).collect()
    }
}

impl Subject {
    /// Back from a command line.
    pub fn read(word: &str, among: usize) -> Self {
        let word = if word == HOSTS { HOSTS } else { LINE };
        Self { word, among }
    }

    /// Everything up to the first step, and a function that makes so many.
    pub fn steps(self) -> Box<dyn FnMut(u64)> {
        if self.word == HOSTS {
            let mut hosts = Hosts::of(self.among);
            return Box::new(move |steps| (0..steps).for_each(|_| hosts.step()));
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
