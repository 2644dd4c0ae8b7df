//! Plain lines: one per provider and minute, and one when a gate closes or opens for long.

use std::time::Duration;

use super::super::run::Run;
use super::seconds;

/// The shortest closing that is printed: lemlist's gate closes every two seconds.
const WORTH_A_LINE: Duration = Duration::from_secs(10);
const MINUTE: Duration = Duration::from_secs(60);

/// The lines printed so far.
#[derive(Debug)]
pub(crate) struct Lines {
    next_minute: Duration,
    said: Vec<Said>,
}

/// The lines printed about one provider.
#[derive(Clone, Debug, Default)]
struct Said {
    closed: bool,
    done: bool,
}

impl Lines {
    /// Creates a screen without lines.
    pub(crate) fn new(runs: &[Run]) -> Self {
        Self {
            next_minute: MINUTE,
            said: vec![Said::default(); runs.len()],
        }
    }

    /// Prints what is new.
    pub(crate) fn show(&mut self, runs: &[Run], elapsed: Duration) {
        for (run, said) in runs.iter().zip(&mut self.said) {
            if let Some(news) = said.news(run) {
                say(run, elapsed, &news);
            }
        }
        if elapsed >= self.next_minute {
            self.next_minute += MINUTE;
            let underway = runs.iter().filter(|run| run.tally.took.get().is_none());
            underway.for_each(|run| say(run, elapsed, &figures(run)));
        }
    }
}

impl Said {
    fn news(&mut self, run: &Run) -> Option<String> {
        if let Some(took) = run.tally.took.get() {
            let first = !std::mem::replace(&mut self.done, true);
            return first.then(|| format!("{}; done in {:.0} s", figures(run), took.as_secs_f64()));
        }
        let gate = run.gate()?;
        match (gate.closed_for, gate.closed_by) {
            (Some(wait), Some(why)) if wait >= WORTH_A_LINE && !self.closed => {
                self.closed = true;
                let waiting = gate.waiting;
                let wait = seconds(wait);
                Some(format!(
                    "gate closed for {wait} ({why}), {waiting} calls wait"
                ))
            }
            (None, _) if self.closed => {
                self.closed = false;
                Some("gate open".to_owned())
            }
            _ => None,
        }
    }
}

fn say(run: &Run, elapsed: Duration, news: &str) {
    let (minutes, rest) = (elapsed.as_secs() / 60, elapsed.as_secs() % 60);
    println!("{minutes:2}:{rest:02}  {:22} {news}", run.provider.name);
}

fn figures(run: &Run) -> String {
    let tally = &run.tally;
    format!(
        "{} of {} answered, {} sent, {} refused, {} failed",
        tally.answered.get(),
        run.jobs,
        tally.sent.get(),
        tally.refused.get(),
        tally.failed.get(),
    )
}
