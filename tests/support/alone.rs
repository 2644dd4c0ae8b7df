//! Tests that need a process of their own.

use std::process::Command;

/// Set to the name of the test in the process that runs it alone.
const ALONE: &str = "TOWER_BACKOFF_ALONE";

/// Runs `test` in a new process of this binary that runs no other test.
///
/// Other tests of the same binary share its memory, and what `tracing` remembers of its subscribers. `name` is the
/// whole path of the test, as `--list` prints it: the new process runs the test with this name, which calls this
/// function again, and only then `test` itself.
///
/// # Panics
///
/// If `test` fails there, or if no test has this name.
#[track_caller]
pub fn alone(name: &str, test: impl FnOnce()) {
    if std::env::var(ALONE).as_deref() == Ok(name) {
        return test();
    }
    let binary = std::env::current_exe().expect("the path of this binary");
    let output = Command::new(binary)
        .args([name, "--exact", "--nocapture"])
        .env(ALONE, name)
        .output()
        .expect("a process");
    let printed = String::from_utf8_lossy(&output.stdout);
    println!("{printed}{}", String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{name} fails in its own process");
    assert!(printed.contains("1 passed"), "no test is called {name}");
}
