//! Instructions per call, counted by callgrind where valgrind is installed.
//!
//! This program runs itself with 10,000 and with 20,000 calls; the difference excludes the start-up.

use std::process::Command;

const FEW: u64 = 10_000;
const MANY: u64 = 20_000;

/// The option that makes a number of calls and nothing else.
pub const OPTION: &str = "--calls";

/// Instructions per call of the contender with this number; `None` without valgrind.
pub fn per_call(number: usize) -> Option<u64> {
    let (few, many) = std::thread::scope(|scope| {
        let few = scope.spawn(|| collected(number, FEW));
        (few.join().ok().flatten(), collected(number, MANY))
    });
    Some((many? - few?) / (MANY - FEW))
}

fn collected(number: usize, calls: u64) -> Option<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg(std::env::current_exe().ok()?)
        .args([OPTION, &number.to_string(), &calls.to_string()])
        .output()
        .ok()?;
    let report = String::from_utf8(output.stderr).ok()?;
    let line = report.lines().find(|line| line.contains("Collected :"))?;
    line.rsplit(' ').next()?.parse().ok()
}
