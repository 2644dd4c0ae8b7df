//! Runs the bench of the same name in another package of the workspace.
//!
//! The benches have packages of their own, so that the root does not depend on the peers; and those whose clocks would be
//! made slower by the features of others have one each.

use std::process::{Command, ExitCode};

/// Runs a bench with the arguments of this process.
pub(crate) fn run(package: &str, bench: &str) -> ExitCode {
    let ours = ["bench", "--package", package, "--bench", bench, "--"];
    let words = std::env::args().skip(1).filter(|word| word != "--bench");
    let status = Command::new(env!("CARGO"))
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .args(ours)
        .args(words)
        .status();
    match status {
        Ok(status) if status.success() => ExitCode::SUCCESS,
        _ => ExitCode::FAILURE,
    }
}
