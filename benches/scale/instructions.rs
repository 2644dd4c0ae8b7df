//! Instructions per step, counted by callgrind where valgrind is installed.
//!
//! This program runs itself and counts only [`counted`], so that the 100,000 calls that first fill the
//! queue are left out.

use std::process::Command;

use crate::workload::{Kind, Workload};

/// The option that makes the steps of a workload and nothing else.
pub const OPTION: &str = "--steps";

/// Instructions per step of a workload; `None` without valgrind.
pub fn per_step(workload: Workload) -> Option<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg("--toggle-collect=*instructions::counted*")
        .arg(std::env::current_exe().ok()?)
        .args([OPTION, workload.kind.name(), &workload.among.to_string()])
        .output()
        .ok()?;
    let report = String::from_utf8(output.stderr).ok()?;
    let line = report.lines().find(|line| line.contains("Collected :"))?;
    let collected: u64 = line.rsplit(' ').next()?.parse().ok()?;
    Some(collected / workload.counted_steps())
}

/// Runs a workload under callgrind.
pub fn run(name: &str, among: &str) {
    let workload = Workload {
        kind: Kind::from_name(name).expect("the name of a workload"),
        among: among.parse().expect("a number"),
    };
    counted(&mut workload.steps(), workload.counted_steps());
}

/// The function whose instructions are counted; the command line of valgrind names it.
#[inline(never)]
fn counted(steps: &mut dyn FnMut(u64), number: u64) {
    steps(number);
}
