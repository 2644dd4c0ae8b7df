//! Five providers, five queues of jobs, and no request too early.
//!
//! ```text
//! cargo run --example demo                      # a minute passes in about a second
//! cargo run --example demo -- --real            # the same in real time, over loopback HTTP
//! cargo run --example demo -- --real --quick    # fewer jobs: a bit more than a minute
//! cargo run --example demo | cat                # plain lines instead of bars
//! ```
//!
//! The demo simulates the five providers of the presets, with the limits of their pages. In front of each is a queue
//! of jobs and 64 tasks that share one client, a plain service behind a `RetryLayer`. It ends with a table, and with
//! an exit code above zero if a job was lost or a request was too early.
//!
//! ```text
//! queue ── 64 tasks ── RetryLayer ── in_process, or loopback ── desk { window, wording }
//!                                                                 └── tally ── screen, table
//! ```

mod chance;
pub(crate) mod clock;
pub(crate) mod desk;
mod in_process;
mod loopback;
pub(crate) mod options;
pub(crate) mod providers;
mod queue;
pub(crate) mod run;
mod screen;
mod table;
pub(crate) mod tally;
#[cfg(test)]
mod tests;
mod window;
mod wording;

use std::process::ExitCode;

use options::Options;
use run::Run;
use tower_backoff::BoxError;

fn main() -> ExitCode {
    let options = match Options::from_args(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(usage) => {
            eprintln!("{usage}");
            return ExitCode::from(2);
        }
    };
    match play(options) {
        Ok(runs) if runs.iter().all(Run::went_well) => ExitCode::SUCCESS,
        Ok(_) => ExitCode::FAILURE,
        Err(error) => {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }
    }
}

/// Runs until every queue is empty, and prints the table.
pub(crate) fn play(options: Options) -> Result<Vec<Run>, BoxError> {
    let runs = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(!options.real)
        .build()?
        .block_on(run::all(options))?;
    table::print(&runs);
    Ok(runs)
}
