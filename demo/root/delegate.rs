//! Runs the program of another package of the workspace.

use std::process::{Command, ExitCode};

/// Runs the only program of a package with the arguments of this process, and ends as it ended.
pub(crate) fn run(package: &str) -> ExitCode {
    let profile = if cfg!(debug_assertions) {
        "dev"
    } else {
        "release"
    };
    let status = Command::new(env!("CARGO"))
        .current_dir(concat!(env!("CARGO_MANIFEST_DIR"), "/../.."))
        .args(["run", "--profile", profile, "--package", package, "--"])
        .args(std::env::args_os().skip(1))
        .status();
    match status {
        Ok(status) => {
            let code = status.code().and_then(|code| u8::try_from(code).ok());
            code.map_or(ExitCode::FAILURE, ExitCode::from)
        }
        Err(error) => {
            eprintln!("cargo cannot be started: {error}");
            ExitCode::FAILURE
        }
    }
}
