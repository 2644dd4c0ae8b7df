//! `tower-backoff watch`: a live table of the state file that processes share.

use std::io::{IsTerminal, Write, stdout};
use std::time::Duration;

use tower_backoff::BoxError;
use tower_backoff::fleet::file::{self, ScopeStatus};

use crate::USAGE;

/// How often the table is drawn.
const EVERY: Duration = Duration::from_secs(1);

pub(crate) fn run(args: impl Iterator<Item = String>) -> Result<(), BoxError> {
    let options = Options::from_args(args)?;
    loop {
        let shown = file::status(&options.file)
            .map(|scopes| table(&scopes))
            .map_err(|error| format!("{}: {error}", options.file));
        if options.once {
            print!("{}", shown?);
            return Ok(());
        }
        // A file that is not there yet is created by the first process that calls.
        draw(&shown.unwrap_or_else(|error| format!("{error}\n")))?;
        std::thread::sleep(options.every);
    }
}

struct Options {
    file: String,
    once: bool,
    every: Duration,
}

impl Options {
    fn from_args(mut args: impl Iterator<Item = String>) -> Result<Self, BoxError> {
        let (mut file, mut once, mut every) = (None, false, EVERY);
        while let Some(arg) = args.next() {
            match arg.as_str() {
                "--once" => once = true,
                "--every" => {
                    let seconds: f64 = args.next().ok_or(USAGE)?.parse()?;
                    every = Duration::try_from_secs_f64(seconds)?;
                }
                flag if flag.starts_with('-') => return Err(USAGE.into()),
                _ if file.is_some() => return Err(USAGE.into()),
                _ => file = Some(arg),
            }
        }
        let file = file.ok_or(USAGE)?;
        Ok(Self { file, once, every })
    }
}

/// Prints the table over the previous one.
fn draw(text: &str) -> std::io::Result<()> {
    let mut out = stdout().lock();
    if out.is_terminal() {
        write!(out, "\x1b[2J\x1b[H")?;
    }
    write!(out, "{text}")?;
    out.flush()
}

fn table(scopes: &[ScopeStatus]) -> String {
    let mut text = row([
        "scope",
        "closed for",
        "members",
        "lent",
        "settled",
        "learned",
        "free",
        "resets in",
    ]);
    for scope in scopes {
        let seconds = |wait: Option<Duration>| {
            wait.map_or_else(dash, |wait| format!("{:.1} s", wait.as_secs_f64()))
        };
        let count = |count: Option<u64>| count.map_or_else(dash, |count| count.to_string());
        let settled: Vec<_> = scope.settled.iter().map(u64::to_string).collect();
        let settled = match &settled[..] {
            [] => dash(),
            windows => windows.join(", "),
        };
        text += &row([
            scope.name.get(..12).unwrap_or(&scope.name),
            &seconds(scope.closed_for),
            &scope.members.to_string(),
            &scope.lent.to_string(),
            &settled,
            &count(scope.learned_limit),
            &count(scope.free),
            &seconds(scope.resets_in),
        ]);
    }
    text
}

fn dash() -> String {
    "-".to_owned()
}

fn row(cells: [&str; 8]) -> String {
    let [
        scope,
        closed_for,
        members,
        lent,
        settled,
        learned,
        free,
        resets_in,
    ] = cells;
    let row = format!(
        "{scope:<12}  {closed_for:>10}  {members:>7}  {lent:>6}  {settled:>12}  {learned:>7}  {free:>6}  {resets_in:>9}"
    );
    row + "\n"
}
