//! Instructions per step, counted by callgrind where valgrind is installed.
//!
//! This program runs itself and counts only what [`counted`] does, so that a hundred thousand callers
//! who take their places are not counted.

use std::process::Command;

use crate::workload::{Kind, Workload};

/// The option that makes the steps of a workload and nothing else.
pub const OPTION: &str = "--steps";

/// `None` without valgrind.
pub fn per_step(workload: Workload) -> Option<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg("--toggle-collect=*instructions::counted*")
        .arg(std::env::current_exe().ok()?)
        .args([OPTION, workload.kind.name(), &workload.among.to_string()])
        .output()
        .ok()?;
    let said = String::from_utf8(output.stderr).ok()?;
    let line = said.lines().find(|line| line.contains("Collected :"))?;
    let collected: u64 = line.rsplit(' ').next()?.parse().ok()?;
    Some(collected / workload.counted_steps())
}

/// What the program does when it runs itself.
pub fn run(name: &str, among: &str) {
    let workload = Workload {
        kind: Kind::from_name(name).expect("the name of a workload"),
        among: among.parse().expect("a number"),
    };
    counted(&mut workload.steps(), workload.counted_steps());
}

/// Named on the command line of valgrind.
#[inline(never)]
fn counted(steps: &mut dyn FnMut(u64), number: u64) {
    steps(number);
}
