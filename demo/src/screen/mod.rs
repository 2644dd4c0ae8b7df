//! The screen: bars on a terminal, plain lines anywhere else.

mod bars;
mod lines;

use std::time::{Duration, Instant};

use indicatif::ProgressDrawTarget;

use super::clock::Wall;
use super::options::Options;
use super::queue::WORKERS;
use super::run::Run;
use bars::Bars;
use lines::Lines;

/// How often the screen is updated, on the clock of the providers.
pub(crate) const LOOK_EVERY: Duration = Duration::from_millis(250);

/// How much faster virtual time passes on the screen.
const TIMES_FASTER: u32 = 60;

/// The screen, and how fast it shows virtual time.
#[derive(Debug)]
pub(crate) struct Screen {
    view: View,
    /// When the screen was created, if virtual time has to be slowed down.
    slowed_since: Option<Instant>,
}

#[derive(Debug)]
enum View {
    Bars(Bars),
    Lines(Lines),
}

impl Screen {
    /// Prints an introduction.
    pub(crate) fn new(options: Options, runs: &[Run]) -> Self {
        introduce(options, runs);
        let target = ProgressDrawTarget::stdout();
        if target.is_hidden() {
            let view = View::Lines(Lines::new(runs));
            return Self {
                view,
                slowed_since: None,
            };
        }
        Self {
            view: View::Bars(Bars::new(target, runs)),
            slowed_since: (!options.real).then(Instant::now),
        }
    }

    /// Shows the current state.
    pub(crate) fn look(&mut self, runs: &[Run], wall: Wall) {
        self.show(runs, wall.elapsed());
        self.slow_down(wall.elapsed());
    }

    fn show(&mut self, runs: &[Run], elapsed: Duration) {
        match &mut self.view {
            View::Bars(bars) => bars.show(runs, elapsed),
            View::Lines(lines) => lines.show(runs, elapsed),
        }
    }

    /// Blocks virtual time as well, which is intended.
    fn slow_down(&self, elapsed: Duration) {
        if let Some(since) = self.slowed_since {
            let due = since + elapsed / TIMES_FASTER;
            std::thread::sleep(due.saturating_duration_since(Instant::now()));
        }
    }

    /// Shows the final state.
    pub(crate) fn end(&mut self, runs: &[Run], elapsed: Duration) {
        self.show(runs, elapsed);
        if let View::Bars(bars) = &self.view {
            bars.end();
        }
    }
}

fn introduce(options: Options, runs: &[Run]) {
    println!("Five providers, each with the limit of its own page and a queue of jobs.");
    println!("{WORKERS} tasks drain each queue through one client, as fast as they are allowed.");
    let longest = runs.iter().map(Run::at_best).max().unwrap_or_default();
    if options.real {
        let seconds = longest.as_secs();
        println!("Time is real, over HTTP on the loopback: more than {seconds} seconds of it.");
        if !options.quick {
            println!("With --quick there are fewer jobs, and it takes a bit more than a minute.");
        }
    } else {
        println!("Time is virtual: a minute of the providers passes in a second or less.");
    }
    println!();
}

/// Formats seconds: `42 s`, with tenths below ten seconds.
fn seconds(wait: Duration) -> String {
    if wait < Duration::from_secs(10) {
        format!("{:.1} s", wait.as_secs_f64())
    } else {
        format!("{} s", wait.as_secs_f64().ceil())
    }
}
