//! Explains what the layer would do with a response.
//!
//! ```text
//! curl -si https://api.example.com/ | cargo run --example explain
//! for i in $(seq 30); do curl -si https://api.example.com/; echo; done | cargo run --example explain
//! cargo run --example explain -- --provider lemlist --now 2021-02-16T08:02:40Z response.txt
//! cargo run --example explain -- --json tests/corpus/responses.json
//! ```
//!
//! It reads a response as `curl -i` prints it, from a file or from standard input, and says the
//! verdict, the wait, and which header decided.
//!
//! Several responses of one server, in one file after the other or in a file each, are played through a
//! `RetryLayer` in virtual time, one call at a time and each as late as its `Date` says. The last line
//! is what the gate believes of the limiter after them.
//!
//! With `--json` it reads an array of recorded responses
//! and prints one line of JSON for each, by the preset that `provider` names, if there is one.

mod belief;

use std::fmt::Write as _;
use std::io::Read;
use std::time::{Duration, SystemTime};

use http::{HeaderName, HeaderValue, Request, Response};
use serde::Deserialize;
use serde_json::json;
use tower_backoff::hint::{Hint, Kind, Reading};
use tower_backoff::policy::{Attempt, Policy, Provider, Ruling, Verdict};
use tower_backoff::{BoxError, providers};

const USAGE: &str =
    "usage: explain [--provider NAME] [--now RFC3339] [--method NAME] [--json] [FILE...]";

fn main() -> Result<(), BoxError> {
    let options = Options::from_args(std::env::args().skip(1))?;
    options.policy(None)?; // an unknown name is told before anything is read
    let text = options.read()?;
    if options.json {
        let recorded: Vec<Recorded> = serde_json::from_slice(&text.concat())?;
        for response in recorded {
            println!("{}", options.line_about(&response)?);
        }
    } else {
        print!("{}", options.explain(&text)?);
    }
    Ok(())
}

#[derive(Default)]
pub(crate) struct Options {
    provider: Option<String>,
    now: Option<SystemTime>,
    method: Option<String>,
    json: bool,
    files: Vec<String>,
}

impl Options {
    pub(crate) fn from_args(mut args: impl Iterator<Item = String>) -> Result<Self, BoxError> {
        let mut options = Self::default();
        while let Some(arg) = args.next() {
            let mut value = || args.next().ok_or(USAGE);
            match arg.as_str() {
                "--provider" => options.provider = Some(value()?),
                "--now" => options.now = Some(moment(&value()?)?),
                "--method" => options.method = Some(value()?),
                "--json" => options.json = true,
                "-" => options.files.clear(),
                flag if flag.starts_with('-') => return Err(USAGE.into()),
                file => options.files.push(file.to_owned()),
            }
        }
        Ok(options)
    }

    /// The texts of all files, or of standard input.
    fn read(&self) -> Result<Vec<Vec<u8>>, BoxError> {
        if self.files.is_empty() {
            let mut text = Vec::new();
            std::io::stdin().read_to_end(&mut text)?;
            return Ok(vec![text]);
        }
        let read = |file| std::fs::read(file).map_err(|error| format!("{file}: {error}").into());
        self.files.iter().map(read).collect()
    }

    /// Returns the requested preset; the second value says whether there is one.
    fn policy(&self, named: Option<&str>) -> Result<(Provider, bool), BoxError> {
        if let Some(name) = &self.provider {
            let known = || {
                providers::all()
                    .iter()
                    .map(Policy::name)
                    .collect::<Vec<_>>()
                    .join(", ")
            };
            return match providers::by_name(name) {
                Some(preset) => Ok((preset, true)),
                None => Err(format!("no preset is called {name}; there are: {}", known()).into()),
            };
        }
        let preset = named.and_then(providers::by_name);
        let known = preset.is_some();
        Ok((preset.unwrap_or_else(|| Provider::new("generic")), known))
    }

    fn judge(
        &self,
        named: Option<&str>,
        response: &Response<Vec<u8>>,
        now: SystemTime,
    ) -> Result<Judged, BoxError> {
        let (policy, preset) = self.policy(named)?;
        let method = self.method.as_deref().unwrap_or("GET");
        let request = Request::builder()
            .method(method)
            .uri("https://api.example.com/")
            .body(())?;
        let mut attempt = Attempt::new(&request, response).received_at(now);
        let inspected = policy.wants_body(&attempt);
        if inspected {
            attempt = attempt.with_body(response.body());
        }
        let verdict = policy.judge(&attempt);
        // A generic refusal is final, yet the response may name a wait; a preset knows better.
        let read = match attempt.reading() {
            Reading::Wait(hint) if !preset && verdict.ruling() == Ruling::Refuse => Some(hint),
            _ => None,
        };
        Ok(Judged {
            policy: policy.name().to_owned(),
            hint: verdict.hint().cloned().or(read),
            verdict,
            inspected,
        })
    }

    fn line_about(&self, recorded: &Recorded) -> Result<serde_json::Value, BoxError> {
        let now = match self.now {
            Some(now) => now,
            None => moment(&recorded.now)?,
        };
        let response = recorded.response()?;
        let judged = self.judge(recorded.provider.as_deref(), &response, now)?;
        // Waits are read without the provider's rules, unless the record says that they are needed.
        let waits = if recorded.rule || self.provider.is_some() {
            self.judge(recorded.provider.as_deref(), &response, now)?
        } else {
            self.judge(None, &response, now)?
        };
        Ok(json!({
            "id": recorded.id,
            "verdict": judged.ruling(),
            "wait_ms": waits.hint.as_ref().map(|hint| hint.wait().as_millis() as u64),
            "hint": waits.kind(),
            "decided_by": waits.hint.as_ref().map(Hint::source),
        }))
    }

    /// Explains a response, or several of one server.
    pub(crate) fn explain(&self, texts: &[Vec<u8>]) -> Result<String, BoxError> {
        let texts = texts.iter().flat_map(|text| apart(text));
        let responses: Vec<_> = texts
            .map(|text| as_curl_prints_it(&text))
            .collect::<Result<_, _>>()?;
        match &responses[..] {
            [response] => self.explain_one(response),
            _ => self.explain_all(responses),
        }
    }

    fn explain_one(&self, response: &Response<Vec<u8>>) -> Result<String, BoxError> {
        let now = self.now.unwrap_or_else(SystemTime::now);
        let judged = self.judge(None, response, now)?;
        Ok(format!(
            "status   {}\npolicy   {}{}\nverdict  {}: {}\nwait     {}\n",
            response.status(),
            judged.policy,
            if judged.inspected {
                ", which inspected the body"
            } else {
                ""
            },
            judged.ruling(),
            judged.meaning(),
            judged.wait(),
        ))
    }

    fn explain_all(&self, responses: Vec<Response<Vec<u8>>>) -> Result<String, BoxError> {
        let dates: Vec<_> = responses.iter().map(belief::date).collect();
        let first = dates.iter().flatten().next().copied();
        let start = self.now.or(first).unwrap_or_else(SystemTime::now);
        let mut since = Duration::ZERO;
        let (mut text, mut recorded) = (String::new(), Vec::new());
        for (number, (response, date)) in responses.into_iter().zip(dates).enumerate() {
            let later = first
                .zip(date)
                .map(|(first, date)| date.duration_since(first));
            since = since.max(later.and_then(Result::ok).unwrap_or_default());
            let judged = self.judge(None, &response, start + since)?;
            let (status, ruling, wait) = (response.status(), judged.ruling(), judged.wait());
            let number = number + 1;
            writeln!(
                text,
                "{number:>6}  {}  {ruling:<9}  {wait}",
                status.as_u16()
            )?;
            recorded.push((since, response));
        }
        let (policy, _) = self.policy(None)?;
        match belief::after(policy, start, recorded)? {
            Some(learned) => writeln!(text, "learned  {learned}")?,
            None => writeln!(text, "learned  nothing: no refusal shows a limit")?,
        }
        Ok(text)
    }
}

struct Judged {
    policy: String,
    verdict: Verdict,
    hint: Option<Hint>,
    inspected: bool,
}

impl Judged {
    fn ruling(&self) -> &'static str {
        match self.verdict.ruling() {
            Ruling::Accept => "accept",
            Ruling::Retry => "retry",
            Ruling::Throttled => "throttled",
            Ruling::Refuse => "refuse",
        }
    }

    fn kind(&self) -> &'static str {
        match self.hint.as_ref().map(Hint::kind) {
            Some(Kind::RetryAfter) => "retry-after",
            Some(Kind::Reset) => "reset",
            Some(Kind::Body) => "body",
            _ => "none",
        }
    }

    fn meaning(&self) -> &'static str {
        match (self.verdict.ruling(), self.verdict.closes_gate()) {
            (Ruling::Accept, false) => "the caller gets it",
            (Ruling::Accept, true) => "the caller gets it, and the next call waits",
            (Ruling::Retry, false) => "this call goes again by its own backoff",
            (Ruling::Retry, true) => "this call goes again after the wait, and so do all others",
            (Ruling::Throttled, _) => "all callers wait at the gate, then this call goes again",
            (Ruling::Refuse, false) => "final, the caller gets it",
            (Ruling::Refuse, true) => "final, the caller gets it, and all others wait",
        }
    }

    fn wait(&self) -> String {
        match &self.hint {
            Some(hint) => format!("{:?}, as {} says", hint.wait(), hint.source()),
            None if self.verdict.closes_gate() => {
                "no usable hint: at least the bare wait".to_owned()
            }
            None => "none named".to_owned(),
        }
    }
}

/// One recorded response.
#[derive(Deserialize)]
struct Recorded {
    #[serde(default)]
    id: serde_json::Value,
    provider: Option<String>,
    status: u16,
    #[serde(default)]
    headers: Vec<(String, String)>,
    body: Option<String>,
    now: String,
    #[serde(default)]
    rule: bool,
}

impl Recorded {
    fn response(&self) -> Result<Response<Vec<u8>>, BoxError> {
        let lines = self
            .headers
            .iter()
            .map(|(name, value)| (name.as_bytes(), value.as_bytes()));
        response(
            self.status,
            lines,
            self.body.clone().unwrap_or_default().into(),
        )
    }
}

/// Skips lines that are not headers, as a client would have.
fn response<'a>(
    status: u16,
    headers: impl Iterator<Item = (&'a [u8], &'a [u8])>,
    body: Vec<u8>,
) -> Result<Response<Vec<u8>>, BoxError> {
    let mut response = Response::builder().status(status).body(body)?;
    for (name, value) in headers {
        let name = HeaderName::from_bytes(name);
        if let (Ok(name), Ok(value)) = (name, HeaderValue::from_bytes(value)) {
            response.headers_mut().append(name, value);
        }
    }
    Ok(response)
}

fn as_curl_prints_it(text: &[u8]) -> Result<Response<Vec<u8>>, BoxError> {
    let (head, body) = split_head(text);
    let mut lines = head.split(|byte| *byte == b'\n').map(<[u8]>::trim_ascii);
    let first = String::from_utf8_lossy(lines.next().unwrap_or_default()).into_owned();
    let status = first
        .strip_prefix("HTTP/")
        .and_then(|rest| rest.split_whitespace().nth(1))
        .and_then(|status| status.parse().ok())
        .ok_or("the first line should be a status line, such as HTTP/1.1 429 Too Many Requests")?;
    let headers = lines.filter_map(|line| {
        let colon = line.iter().position(|byte| *byte == b':')?;
        Some((&line[..colon], line[colon + 1..].trim_ascii()))
    });
    response(status, headers, body.to_vec())
}

/// Takes a text apart in which one response follows another. A 100 Continue is none.
fn apart(text: &[u8]) -> Vec<Vec<u8>> {
    let text = as_curl_verbose_prints_it(text);
    let mut responses: Vec<Vec<u8>> = Vec::new();
    for line in text.split_inclusive(|byte| *byte == b'\n') {
        match responses.last_mut() {
            Some(response) if !line.starts_with(b"HTTP/") => response.extend(line),
            Some(response) if is_informational(response) => *response = line.to_vec(),
            _ => responses.push(line.to_vec()),
        }
    }
    if responses.is_empty() {
        responses.push(text); // and the reader says what is missing
    }
    responses
}

fn is_informational(response: &[u8]) -> bool {
    let status = response.split(|byte| *byte == b' ').nth(1);
    status.is_some_and(|status| status.starts_with(b"1"))
}

/// Keeps the lines that `curl -v` marks as received, with `< `.
fn as_curl_verbose_prints_it(text: &[u8]) -> Vec<u8> {
    let mut lines = text.split_inclusive(|byte| *byte == b'\n').peekable();
    let marked = |line: &[u8]| line.starts_with(b"< ") || line.trim_ascii() == b"<";
    if !text.starts_with(b"HTTP/") {
        while lines.next_if(|line| !marked(line)).is_some() {}
    }
    let unmarked = lines.map(|line| line.strip_prefix(b"< ").unwrap_or(line));
    unmarked
        .map(|line| {
            if line.trim_ascii() == b"<" {
                b"\r\n"
            } else {
                line
            }
        })
        .collect::<Vec<_>>()
        .concat()
}

fn split_head(text: &[u8]) -> (&[u8], &[u8]) {
    let end = |blank: &[u8]| {
        let at = text
            .windows(blank.len())
            .position(|window| window == blank)?;
        Some((at, at + blank.len()))
    };
    match [end(b"\r\n\r\n"), end(b"\n\n")].into_iter().flatten().min() {
        Some((head, body)) => (&text[..head], &text[body..]),
        None => (text, &[]),
    }
}

fn moment(text: &str) -> Result<SystemTime, BoxError> {
    let moment: jiff::Timestamp = text.parse().map_err(|error| format!("{text}: {error}"))?;
    Ok(moment.try_into()?)
}
