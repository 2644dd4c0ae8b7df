//! The members: programs that are started, told to begin, and broken.

use std::path::PathBuf;
use std::process::{Command, Stdio};
use std::time::Duration;

use serde::Deserialize;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader, Lines};
use tokio::process::{Child, ChildStdout};

/// What a member prints when it ends.
#[derive(Clone, Copy, Debug, Deserialize)]
pub struct Report {
    /// Nanoseconds of one admission: median, 99th percentile and mean.
    pub admit_ns: [u64; 3],
}

pub struct Process {
    child: Child,
    lines: Lines<BufReader<ChildStdout>>,
}

/// Builds the program of a member.
pub fn build_member() -> Result<PathBuf, String> {
    let cargo = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let args = [
        "build",
        "--release",
        "--quiet",
        "--package",
        "tower-backoff-redis",
        "--example",
        "member",
    ];
    let built = Command::new(cargo).args(args).status();
    if !built.is_ok_and(|status| status.success()) {
        return Err("the example `member` of tower-backoff-redis does not build".to_owned());
    }
    // This program lies in target/release/deps.
    let program = std::env::current_exe().map_err(|error| error.to_string())?;
    let release = program.ancestors().nth(2).ok_or("no target folder")?;
    let member = release.join("examples").join("member");
    if member.exists() {
        return Ok(member);
    }
    Err(format!("no program at {}", member.display()))
}

impl Process {
    pub fn start(member: &PathBuf, args: &[String]) -> Result<Self, String> {
        let child = tokio::process::Command::new(member)
            .args(args)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .kill_on_drop(true)
            .spawn();
        let mut child = child.map_err(|error| error.to_string())?;
        let output = child.stdout.take().ok_or("a member without output")?;
        let lines = BufReader::new(output).lines();
        Ok(Self { child, lines })
    }

    /// Waits until it says that it is ready.
    pub async fn is_ready(&mut self) -> Result<(), String> {
        match self.lines.next_line().await {
            Ok(Some(line)) if line == "ready" => Ok(()),
            other => Err(format!("a member is not ready: {other:?}")),
        }
    }

    /// Lets its workers begin.
    pub async fn begin(&mut self) {
        if let Some(input) = &mut self.child.stdin {
            let _ = input.write_all(b"go\n").await;
        }
    }

    pub fn signal(&self, name: &str) {
        if let Some(id) = self.child.id() {
            signal(id, name);
        }
    }

    pub async fn report(&mut self) -> Option<Report> {
        let line = tokio::time::timeout(Duration::from_secs(30), self.lines.next_line()).await;
        serde_json::from_str(&line.ok()?.ok()??).ok()
    }
}

pub fn signal(process: u32, name: &str) {
    let _ = Command::new("kill")
        .args([&format!("-{name}"), &process.to_string()])
        .status();
}
