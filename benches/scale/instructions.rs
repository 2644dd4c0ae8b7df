//! Instructions per step, counted by callgrind where valgrind is installed.
//!
//! This program runs itself and counts only what [`counted`] does, so that a hundred thousand callers
//! who take their places are not counted.

use std::process::Command;

use crate::decision::Subject;

/// The word that says to make the steps of a subject and nothing else.
pub const WORD: &str = "--steps";

/// `None` without valgrind.
pub fn per_step(subject: Subject) -> Option<u64> {
    let output = Command::new("valgrind")
        .args(["--tool=callgrind", "--callgrind-out-file=/dev/null"])
        .arg("--toggle-collect=*instructions::counted*")
        .arg(std::env::current_exe().ok()?)
        .args([WORD, subject.word, &subject.among.to_string()])
        .output()
        .ok()?;
    let said = String::from_utf8(output.stderr).ok()?;
    let line = said.lines().find(|line| line.contains("Collected :"))?;
    let collected: u64 = line.rsplit(' ').next()?.parse().ok()?;
    Some(collected / subject.counted())
}

/// What the program does when it runs itself.
pub fn run(word: &str, among: &str) {
    let subject = Subject::read(word, among.parse().expect("a number"));
    counted(&mut subject.steps(), subject.counted());
}

/// Named on the command line of valgrind.
#[inline(never)]
fn counted(steps: &mut dyn FnMut(u64), number: u64) {
    steps(number);
}
