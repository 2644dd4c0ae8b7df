//! Five providers, five queues, and nobody called too early.
//!
//! ```text
//! cargo run --example demo                      # a minute passes in about a second
//! cargo run --example demo -- --real            # the same in real time, over loopback HTTP
//! cargo run --example demo -- --real --quick    # fewer jobs: a bit more than a minute
//! cargo run --example demo | cat                # plain lines instead of bars
//! ```
//!
//! The demo plays the five providers of the presets, with the limits of their pages. Beside each stands
//! a queue of jobs and 64 tasks that share one client, which is a plain service behind a `RetryLayer`.
//! It ends with a table, and with an exit code above zero if a job was lost or a request came too early.
//!
//! ```text
//! queue ── 64 tasks ── RetryLayer ── in_process, or loopback ── desk { window, wording }
//!                                                                 └── tally ── screen, table
//! ```

mod chance;
mod clock;
mod desk;
mod in_process;
mod loopback;
mod options;
mod providers;
mod queue;
mod run;
mod screen;
mod table;
mod tally;
mod window;
mod wording;

use std::process::ExitCode;

use options::Options;
use tower_backoff::BoxError;

fn main() -> ExitCode {
    match Options::from_args(std::env::args().skip(1)) {
        Ok(options) => play(options).unwrap_or_else(|error| {
            eprintln!("error: {error}");
            ExitCode::FAILURE
        }),
        Err(usage) => {
            eprintln!("{usage}");
            ExitCode::from(2)
        }
    }
}

fn play(options: Options) -> Result<ExitCode, BoxError> {
    let runs = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .start_paused(!options.real)
        .build()?
        .block_on(run::all(options))?;
    table::print(&runs);
    let well = runs.iter().all(run::Run::went_well);
    Ok(ExitCode::from(u8::from(!well)))
}
