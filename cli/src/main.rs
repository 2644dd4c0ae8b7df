//! Shows what tower-backoff would do with the responses of an API, and what a running fleet is waiting for.

mod belief;
mod explain;
mod preset;
mod responses;
mod watch;

use std::process::ExitCode;

use tower_backoff::BoxError;

const USAGE: &str = "\
usage: tower-backoff explain [--provider NAME] [--name NAME] [--now RFC3339] [--method NAME] [--json] [FILE...]
       tower-backoff watch [--once] [--every SECONDS] FILE

explain  reads responses as `curl -i` prints them, from files or from standard input, and says what the layer would do.
         From several responses of one server in order it also writes a preset, called by --name.
watch    shows the state file of processes that share their quotas (`tower_backoff::fleet::file`).
";

fn main() -> ExitCode {
    match run(std::env::args().skip(1)) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("tower-backoff: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run(mut args: impl Iterator<Item = String>) -> Result<(), BoxError> {
    match args.next().as_deref() {
        Some("explain") => explain::run(args),
        Some("watch") => watch::run(args),
        Some("help" | "--help" | "-h") => {
            print!("{USAGE}");
            Ok(())
        }
        Some("version" | "--version" | "-V") => {
            println!("tower-backoff {}", env!("CARGO_PKG_VERSION"));
            Ok(())
        }
        _ => Err(USAGE.into()),
    }
}
