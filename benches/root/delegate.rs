//! The benches live in packages of their own, so that the root does not depend on the peers. Cargo
//! finds benches of the root only; so this runs the one of the same name over there.

use std::process::{Command, ExitCode};

/// Runs it with the words that this one was given.
pub(crate) fn run(package: &str, bench: &str) -> ExitCode {
    let ours = ["bench", "--package", package, "--bench", bench, "--"];
    let words = std::env::args().skip(1).filter(|word| word != "--bench");
    let status = Command::new(env!("CARGO"))
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .args(ours)
        .args(words)
        .status();
    match status {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
