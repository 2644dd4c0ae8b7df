//! Progress bars, one per provider, in 80 columns.

use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};
use tower_backoff::GateStatus;

use super::super::run::Run;
use super::seconds;

/// As wide as the [`figures`] below them.
const TITLES: &str = "{wide_msg}  answered  sent refused failed  closed for, decided by";
const ROW: &str = "{prefix:12} {wide_bar:.cyan} {msg}";
const CLOCK: &str = "{msg:.dim}";

/// The bars on the screen.
#[derive(Debug)]
pub(crate) struct Bars {
    titles: ProgressBar,
    rows: Vec<ProgressBar>,
    clock: ProgressBar,
}

impl Bars {
    /// Draws all bars at zero.
    pub(crate) fn new(target: ProgressDrawTarget, runs: &[Run]) -> Self {
        let screen = MultiProgress::with_draw_target(target);
        let add = |length: u32, template| {
            let bar = ProgressBar::new(u64::from(length)).with_style(style(template));
            screen.add(bar)
        };
        Self {
            titles: add(0, TITLES),
            rows: runs
                .iter()
                .map(|run| add(run.jobs, ROW).with_prefix(run.provider.short))
                .collect(),
            clock: add(0, CLOCK),
        }
    }

    /// Updates the bars.
    pub(crate) fn show(&mut self, runs: &[Run], elapsed: Duration) {
        self.titles.tick();
        for (row, run) in self.rows.iter().zip(runs) {
            row.set_message(figures(run));
            row.set_position(u64::from(run.tally.answered.get()));
        }
        let (minutes, rest) = (elapsed.as_secs() / 60, elapsed.as_secs() % 60);
        self.clock.set_message(format!(
            "on the providers' clock: {minutes} min {rest:02} s"
        ));
    }

    /// Leaves the last state on the screen.
    pub(crate) fn end(&self) {
        self.titles.abandon();
        self.rows.iter().for_each(ProgressBar::abandon);
        self.clock.abandon();
    }
}

fn style(template: &str) -> ProgressStyle {
    ProgressStyle::with_template(template)
        .expect("the templates above are valid")
        .progress_chars("█▉▊▋▌▍▎▏ ")
}

/// As wide as the [`TITLES`], whatever the figures.
fn figures(run: &Run) -> String {
    let tally = &run.tally;
    format!(
        "{:>9} {:>5} {:>7} {:>6}  {:<22}",
        format!("{}/{}", tally.answered.get(), run.jobs),
        tally.sent.get(),
        tally.refused.get(),
        tally.failed.get(),
        gate(run),
    )
}

fn gate(run: &Run) -> String {
    if let Some(took) = run.tally.took.get() {
        return format!("done in {:.0} s", took.as_secs_f64());
    }
    match run.gate() {
        Some(gate) => match gate.closed_for {
            Some(wait) => format!("{} {}", seconds(wait), gate.closed_by.unwrap_or_default()),
            None => open(&gate),
        },
        None => "open".to_owned(),
    }
}

/// Describes an open gate: how much of the tightest quota is used.
fn open(gate: &GateStatus) -> String {
    let tightest = gate
        .quotas
        .iter()
        .min_by_key(|quota| quota.limit - quota.used.min(quota.limit));
    match tightest {
        Some(quota) => format!("open, {} of {} used", quota.used, quota.limit),
        None => "open".to_owned(),
    }
}
